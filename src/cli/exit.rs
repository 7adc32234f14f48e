//! The exit code of `taskwatch run`.

use serde_json::Value;

use crate::core::run::{Run, Status};

/// What timeout(1) exits with.
const TIMED_OUT: u8 = 124;
/// What `docker run` exits with when the container never ran.
const NEVER_STARTED: u8 = 125;

/// How one run ended, as far as the exit code is concerned.
pub(super) struct End {
    status: Option<Status>,
    exit_code: Option<i64>,
    started: bool,
}

impl End {
    fn of(run: &Run) -> Self {
        let exit_code = run.attempt().and_then(|a| a.exit_code);
        let started = run.attempts.iter().any(|a| a.started_at.is_some() || a.exit_code.is_some());
        Self { status: Some(run.status), exit_code, started }
    }

    /// Of a run as the API shows it.
    pub(super) fn of_view(run: &Value) -> Self {
        let attempts = run["attempts"].as_array().map_or(&[][..], Vec::as_slice);
        let started = attempts.iter().any(|a| !a["startedAt"].is_null() || !a["exitCode"].is_null());
        let status = serde_json::from_value(run["status"].clone()).ok();
        Self { status, exit_code: run["exitCode"].as_i64(), started }
    }

    fn code(&self) -> u8 {
        match self.status {
            Some(Status::Succeeded) => 0,
            Some(Status::TimedOut) => TIMED_OUT,
            _ => {
                let own = self.exit_code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
                own.unwrap_or(if self.started { 1 } else { NEVER_STARTED })
            }
        }
    }
}

/// 0 if every run reached its goal, else what the first one that did not has to say.
pub(super) fn code<'r>(runs: impl IntoIterator<Item = &'r Run>) -> u8 {
    code_of(runs.into_iter().map(End::of))
}

/// The same, of ends.
pub(super) fn code_of(ends: impl Iterator<Item = End>) -> u8 {
    ends.map(|end| end.code()).find(|code| *code != 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::request::RunSpec;
    use crate::core::run::Attempt;
    use crate::core::run_task::RunTask;
    use crate::core::time::Timestamp;

    fn run(status: Status, started: bool, exit_code: Option<i64>) -> Run {
        let at = Timestamp::from_millis(0);
        let mut run = Run::new(uuid::Uuid::nil(), "r".into(), 0, Arc::new(RunSpec::new(RunTask::default())), at);
        run.status = status;
        let mut attempt = Attempt::new(1, 0);
        attempt.started_at = started.then_some(at);
        attempt.exit_code = exit_code;
        run.attempts.push(attempt);
        run
    }

    #[test]
    fn codes_are_the_contracts() {
        for (status, started, own, expected) in [
            (Status::Succeeded, true, Some(0), 0),
            (Status::Failed, true, Some(3), 3),
            (Status::Failed, true, None, 1),
            (Status::Failed, false, None, 125),
            (Status::TimedOut, true, Some(143), 124),
        ] {
            let run = run(status, started, own);
            assert_eq!(code(std::slice::from_ref(&run)), expected, "{status:?} {started} {own:?}");
            let mut view = crate::core::notification::detail(&run, "c");
            view["exitCode"] = run.attempts[0].exit_code.into();
            assert_eq!(End::of_view(&view).code(), expected, "{view}");
        }
        let mixed = [run(Status::Succeeded, true, Some(0)), run(Status::Failed, true, Some(7))];
        assert_eq!(code(&mixed), 7);
    }
}
