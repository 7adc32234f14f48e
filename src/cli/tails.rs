//! `taskwatch run --follow`: what the containers write, on stderr, while they run.

use std::time::Duration;

use tokio::task::JoinSet;

use super::logs::{Asked, Lines, follow};
use super::output;
use crate::core::run::Run;

/// So many runs of one command are followed: each asks every two seconds.
const MOST: usize = 10;
/// Lines of a run that has just begun to be followed.
const LINES: u32 = 1_000;
/// What containers wrote last is waited for so long, and no longer than what is written goes on.
const LAST: Duration = Duration::from_secs(8);

/// The lines of a command's runs.
pub(super) struct Tails(JoinSet<()>);

impl Tails {
    /// Begins to follow them, if somebody wants to.
    pub(super) fn begin(lines: Option<Lines>, runs: &[Run]) -> Self {
        let names: Vec<String> = runs.iter().map(|run| run.name.clone()).collect();
        Self::of(lines, &names)
    }

    /// The same of runs of these names.
    pub(super) fn of(lines: Option<Lines>, runs: &[String]) -> Self {
        let mut tails = JoinSet::new();
        let Some(lines) = lines else { return Self(tails) };
        if runs.len() > MOST {
            output::problem(&format!("--follow shows the lines of the first {MOST} of {} runs", runs.len()));
        }
        let many = runs.len() > 1;
        for run in runs.iter().take(MOST) {
            let asked = Asked { run: run.clone(), attempt: None, container: None, lines: LINES };
            let lines = lines.clone();
            tails.spawn(async move {
                let prefix = if many { format!("{}| ", asked.run) } else { "| ".to_owned() };
                let mut say = |line: &str| output::problem(&format!("{prefix}{}", line.trim_end()));
                if let Err(error) = follow(&lines, &asked, &mut say).await {
                    output::problem(&format!("{}: no lines: {error}", asked.run));
                }
            });
        }
        Self(tails)
    }

    /// Waits for the last lines of runs that have ended.
    pub(super) async fn end(mut self) {
        let _ = tokio::time::timeout(LAST, async { while self.0.join_next().await.is_some() {} }).await;
    }
}
