//! The real binary in a terminal, as a person sees it.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::python;
use super::whole::HANGS;

/// Between two presses of the same keys.
const AGAIN: Duration = Duration::from_millis(200);

/// What the terminal got: as bytes, and as a picture.
struct Seen {
    bytes: Vec<u8>,
    picture: vt100::Parser,
}

/// A terminal in which the binary runs.
pub(crate) struct Terminal {
    helper: Child,
    keyboard: ChildStdin,
    report: BufReader<ChildStderr>,
    seen: Arc<Mutex<Seen>>,
    more: watch::Receiver<()>,
    pub(crate) pid: u32,
}

/// How it ended.
pub(crate) struct Ended {
    /// The exit code, and whether the settings are as they were.
    pub(crate) report: String,
    pub(crate) bytes: Vec<u8>,
    /// The alternate screen is left and the cursor is back.
    pub(crate) usual: bool,
}

impl Terminal {
    /// `taskwatch` with these arguments in so many rows and columns.
    pub(crate) fn open(rows: u16, columns: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command: Command = python::plain();
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/terminal.py"));
        command.args([rows.to_string(), columns.to_string(), env!("CARGO_BIN_EXE_taskwatch").to_owned()]);
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TERM", "xterm-256color").envs(variables.iter().copied());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut helper = pipes.spawn().expect("python3");
        let keyboard = helper.stdin.take().expect("stdin");
        let mut report = BufReader::new(helper.stderr.take().expect("stderr"));
        let mut pid = String::new();
        report.read_line(&mut pid).expect("a process id");
        let size = |cells: u16| std::num::NonZeroU16::new(cells).expect("a size");
        let picture = vt100::Parser::new(size(rows), size(columns), 0);
        let seen = Arc::new(Mutex::new(Seen { bytes: Vec::new(), picture }));
        let (tell, more) = watch::channel(());
        let mut drawn = helper.stdout.take().expect("stdout");
        let eyes = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut piece = [0; 65536];
            while let Ok(n @ 1..) = drawn.read(&mut piece) {
                let mut seen = eyes.lock().unwrap_or_else(PoisonError::into_inner);
                seen.bytes.extend_from_slice(&piece[..n]);
                seen.picture.process(&piece[..n]);
                drop(seen);
                let _ = tell.send(());
            }
        });
        let pid = pid.trim().parse().unwrap_or_else(|_| panic!("no process id: {pid:?}"));
        Self { helper, keyboard, report, seen, more, pid }
    }

    /// What is on the screen.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).picture.screen().contents()
    }

    /// Waits until this is on the screen.
    pub(crate) async fn shows(&mut self, text: &str) -> String {
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            let more = tokio::time::timeout(HANGS, self.more.changed()).await;
            if !matches!(more, Ok(Ok(()))) && !self.screen().contains(text) {
                panic!("{text:?} never came:\n{}", self.screen());
            }
        }
    }

    /// Presses keys again and again until this is on the screen: for keys that count only a while after the last ones.
    pub(crate) async fn presses_until(&mut self, keys: &str, text: &str) {
        for _ in 0..HANGS.as_millis() / AGAIN.as_millis() {
            self.press(keys);
            let drawn = async { while !self.screen().contains(text) && self.more.changed().await.is_ok() {} };
            let _ = tokio::time::timeout(AGAIN, drawn).await;
            if self.screen().contains(text) {
                return;
            }
        }
        panic!("{text:?} never came:\n{}", self.screen());
    }

    /// Presses keys.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).and_then(|()| self.keyboard.flush()).expect("a terminal");
    }

    /// Waits for the end.
    pub(crate) async fn end(mut self) -> Ended {
        // The thread that reads ends with the helper's output.
        let drawn = async { while self.more.changed().await.is_ok() {} };
        assert!(tokio::time::timeout(HANGS, drawn).await.is_ok(), "it never ended:\n{}", self.screen());
        let mut report = String::new();
        self.report.read_line(&mut report).expect("a report");
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = seen.picture.screen();
        let usual = !screen.alternate_screen() && !screen.hide_cursor();
        Ended { report: report.trim().to_owned(), bytes: seen.bytes.clone(), usual }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.helper.kill();
        let _ = self.helper.wait();
    }
}
