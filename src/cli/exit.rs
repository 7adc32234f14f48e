//! The exit code of `taskwatch run`.

use crate::core::run::{Run, Status};

/// What timeout(1) exits with.
const TIMED_OUT: u8 = 124;
/// What `docker run` exits with when the container never ran.
const NEVER_STARTED: u8 = 125;

/// 0 if every run reached its goal, else what the first one that did not has to say.
pub(super) fn code(runs: &[Run]) -> u8 {
    runs.iter().map(code_of).find(|code| *code != 0).unwrap_or(0)
}

fn code_of(run: &Run) -> u8 {
    let last = run.attempt();
    match run.status {
        Status::Succeeded => 0,
        Status::TimedOut => TIMED_OUT,
        _ => {
            let own = last.and_then(|a| a.exit_code).and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0);
            let started = run.attempts.iter().any(|a| a.started_at.is_some() || a.exit_code.is_some());
            own.unwrap_or(if started { 1 } else { NEVER_STARTED })
        }
    }
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
            assert_eq!(code(&[run(status, started, own)]), expected, "{status:?} {started} {own:?}");
        }
        let mixed = [run(Status::Succeeded, true, Some(0)), run(Status::Failed, true, Some(7))];
        assert_eq!(code(&mixed), 7);
    }
}
