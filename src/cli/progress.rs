//! Progress on stderr: one line of phases for one run, one bar for many; plain lines where there is no terminal.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use super::failure::{Failure, lines_of};
use super::{console, output};
use crate::cell::RunChange;
use crate::core::failure::Class;
use crate::core::run::{Run, Status};

/// Different advice for the runs of one command; what fails most comes first.
const MOST_ADVICE: usize = 5;

/// Shows runs as they change.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    statuses: BTreeMap<Uuid, Status>,
    last_line: String,
}

impl Progress {
    /// For these runs. `beside_lines`: other lines are written between, which a bar would hide.
    pub(super) fn new(runs: &[Run], beside_lines: bool) -> Self {
        let bar = (std::io::stderr().is_terminal() && !beside_lines).then(|| {
            let many = runs.len() > 1;
            let bar = if many { ProgressBar::new(runs.len() as u64) } else { ProgressBar::new_spinner() };
            let template =
                if many { "{elapsed:>4} [{bar:30}] {pos}/{len} {msg}" } else { "{elapsed:>4} {spinner} {msg}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("=> "));
            }
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let statuses = runs.iter().map(|run| (run.id, run.status)).collect();
        Self { bar, statuses, last_line: String::new() }
    }

    /// One run changed.
    pub(super) fn change(&mut self, change: &RunChange) {
        let Some(status) = self.statuses.get_mut(&change.run) else { return };
        *status = change.status;
        let many = self.statuses.len() > 1;
        let line = if many { self.summary() } else { phase(change) };
        match &self.bar {
            Some(bar) => {
                let done = self.statuses.values().filter(|s| s.is_final()).count();
                if many {
                    bar.set_position(done as u64);
                }
                bar.set_message(line);
            }
            // Where nobody watches, a line for each end of a run, or each phase of the only one.
            None if many && !change.is_final => {}
            None => {
                let line = if many { format!("{}: {}", change.name, phase(change)) } else { line };
                if line != self.last_line {
                    output::problem(&line);
                    self.last_line = line;
                }
            }
        }
    }

    /// Takes the bar away: what follows is the result.
    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Says what to do about what failed, each advice once. How a run ended was said already, but for a bar, which is gone.
    pub(super) fn conclude(&self, runs: &[Run]) {
        let mut advice: BTreeMap<&str, (usize, &Run)> = BTreeMap::new();
        for run in runs.iter().filter(|run| !matches!(run.status, Status::Succeeded)) {
            let Some(failure) = run.ended_by.as_ref().filter(|failure| failure.class != Class::Stopped) else {
                continue;
            };
            advice.entry(&failure.hint).or_insert((0, run)).0 += 1;
            if self.bar.is_some() && runs.len() == 1 {
                let exit_code = run.attempt().and_then(|attempt| attempt.exit_code);
                let failure = Failure::of(Some(&failure.error), Some(&failure.cause), exit_code);
                output::problem(&format!("{}: {}", run.status.as_str(), failure.short_line()));
            }
        }
        let with_command = |(_, (count, run)): (&str, (usize, &Run))| {
            let failure = run.ended_by.as_ref();
            (failure.map(|failure| failure.hint_with(&lines_of(run))).unwrap_or_default(), count)
        };
        let mut advice: Vec<(String, usize)> = advice.into_iter().map(with_command).collect();
        advice.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (hint, count) in advice.iter().take(MOST_ADVICE) {
            match runs.len() {
                1 => output::problem(&format!("  do: {}", output::plain(hint))),
                all => output::problem(&format!("  do ({count} of {all} runs): {}", output::plain(hint))),
            }
        }
        if let ([one], false) = (runs, advice.is_empty()) {
            let task_arn = one.attempt().and_then(|attempt| attempt.task_arn.as_ref()).map(ToString::to_string);
            let page = task_arn.as_deref().and_then(console::task);
            page.into_iter().for_each(|page| output::problem(&format!("  console: {page}")));
        }
    }

    fn summary(&self) -> String {
        let mut counts: BTreeMap<Status, usize> = BTreeMap::new();
        for status in self.statuses.values() {
            *counts.entry(*status).or_default() += 1;
        }
        let parts: Vec<String> = counts.iter().map(|(status, n)| format!("{n} {}", status.as_str())).collect();
        parts.join(", ")
    }
}

fn phase(change: &RunChange) -> String {
    let task = change
        .last_status
        .as_ref()
        .filter(|_| !change.is_final)
        .map(|s| format!(" (task {})", output::plain(s.as_str())))
        .unwrap_or_default();
    let why = change
        .error
        .as_deref()
        .filter(|_| change.status != Status::Succeeded)
        .map(|e| format!(": {}", Failure::of(Some(e), change.cause.as_deref(), change.exit_code).short_line()))
        .unwrap_or_default();
    let attempt = if change.attempt > 1 { format!(", attempt {}", change.attempt) } else { String::new() };
    format!("{}{task}{attempt}{why}", change.status.as_str())
}
