//! What another process says on its way, line by line: a signal, where a test would have to look again and again.

use std::io::{BufRead as _, BufReader, Read};

use tokio::sync::watch;

use super::whole::HANGS;

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    ended: bool,
}

/// All that came out of one pipe.
pub(crate) struct Said(watch::Receiver<Log>);

impl Said {
    /// Reads a pipe to its end, so that its process never waits for room in it.
    pub(crate) fn by(pipe: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(Log::default());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                sender.send_modify(|log| log.lines.push(line));
            }
            sender.send_modify(|log| log.ended = true);
        });
        Self(receiver)
    }

    /// Waits for a line that has this in it.
    pub(crate) async fn line_with(&self, part: &str) -> String {
        let mut log = self.0.clone();
        let line = |log: &Log| log.lines.iter().find(|line| line.contains(part)).cloned();
        let said = log.wait_for(|log| log.ended || line(log).is_some());
        let said = match tokio::time::timeout(HANGS, said).await {
            Ok(Ok(log)) => line(&log),
            _ => None,
        };
        said.unwrap_or_else(|| panic!("it never said {part:?}:\n{}", self.so_far().join("\n")))
    }

    /// Waits for the end of the pipe: its process has ended.
    pub(crate) async fn all(&self) -> Vec<String> {
        let mut log = self.0.clone();
        // Its sender goes with the thread, after the end.
        let _ = log.wait_for(|log| log.ended).await;
        self.so_far()
    }

    pub(crate) fn so_far(&self) -> Vec<String> {
        self.0.borrow().lines.clone()
    }
}
