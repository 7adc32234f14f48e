//! Which live tasks have been silent for too long: an ordered set with one entry a task, which events do not touch. Only
//! when an entry's time has come is the run looked at, and set back if something was heard meanwhile.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::core::request::Goal;
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;

/// How often tasks that are to become HEALTHY are asked about: events do not carry health.
const HEALTH: Duration = Duration::from_secs(5);

/// How patient the cell is with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It runs and is to become HEALTHY.
    Health = 0,
    /// Events tell of it.
    Usual = 1,
}

/// When a task is to be looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    class: Class,
    at: Timestamp,
    /// Described whatever was heard: an earlier process left it, and its events may be lost.
    always: bool,
}

type Set = BTreeSet<(Timestamp, Uuid)>;

/// The tasks by the instant they are to be looked at.
#[derive(Debug, Default)]
pub(super) struct Silence {
    patience: [Duration; 2],
    sets: [Mutex<Set>; 2],
}

impl Silence {
    /// `usual` patience; or, without an events queue, a `poll`'s for all.
    pub(super) fn new(usual: Duration, poll: Option<Duration>) -> Self {
        let patience = poll.map_or([HEALTH.min(usual), usual], |poll| [poll, poll]);
        Self { patience, sets: Default::default() }
    }

    fn set(&self, class: Class) -> MutexGuard<'_, Set> {
        self.sets[class as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn patience(&self, class: Class) -> Duration {
        self.patience[class as usize]
    }

    /// So much earlier than it must a task is described where a call goes out anyway: full calls are fewer calls.
    fn slack(&self, class: Class) -> Duration {
        self.patience(class) / 10
    }

    /// Keeps the entry of a run that was changed, or `left` by an earlier process.
    pub(super) fn follow(&self, look: &mut Option<Look>, run: &Run, left: bool) {
        let class = live_task(run).map(|_| class(run));
        if look.map(|look| look.class) == class {
            return;
        }
        if let Some(old) = look.take() {
            self.set(old.class).remove(&(old.at, run.id));
        }
        if let Some(class) = class {
            let wait = if left { Duration::ZERO } else { self.patience(class) };
            self.enter(look, run.id, Look { class, at: heard(run).plus(wait), always: left });
        }
    }

    fn enter(&self, look: &mut Option<Look>, id: Uuid, next: Look) {
        self.set(next.class).insert((next.at, id));
        *look = Some(next);
    }

    /// Takes out up to `most` runs whose time has come, and those whose time is near.
    pub(super) fn take(&self, class: Class, now: Timestamp, most: usize) -> Vec<Uuid> {
        let mut set = self.set(class);
        if set.first().is_none_or(|(at, _)| *at > now) {
            return Vec::new();
        }
        let near = now.plus(self.slack(class));
        let mut taken = Vec::new();
        while taken.len() < most && set.first().is_some_and(|(at, _)| *at <= near) {
            taken.extend(set.pop_first().map(|(_, id)| id));
        }
        taken
    }

    /// Whether a run that was taken out is to be described now; it is entered again for the next time.
    pub(super) fn judge(&self, look: &mut Option<Look>, run: &Run, now: Timestamp) -> bool {
        let Some(this) = look.take() else { return false };
        if live_task(run).is_none() {
            return false;
        }
        let silent_at = heard(run).plus(self.patience(this.class));
        let due = this.always || silent_at <= now.plus(self.slack(this.class));
        let at = if due { now.plus(self.patience(this.class)) } else { silent_at };
        self.enter(look, run.id, Look { class: this.class, at, always: false });
        due
    }
}

/// The task of a run that may live.
pub(super) fn live_task(run: &Run) -> Option<&str> {
    let attempt = run.attempt().filter(|a| matches!(a.stage, Stage::Placed | Stage::Stopping))?;
    attempt.task_arn.as_deref().filter(|_| !run.status.is_final())
}

fn class(run: &Run) -> Class {
    let runs = run.attempt().is_some_and(|a| a.started_at.is_some());
    if runs && run.spec.until == Goal::Healthy { Class::Health } else { Class::Usual }
}

fn heard(run: &Run) -> Timestamp {
    run.attempt().and_then(|a| a.heard_at.or(a.placed_at)).unwrap_or(run.submitted_at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::request::RunRequest;
    use crate::core::run::Attempt;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    fn run(until: &str) -> Run {
        let request = serde_json::json!({"runTask": {"taskDefinition": "app:1"}, "until": until});
        let spec = Arc::new(RunRequest::parse(&request.to_string()).unwrap().spec);
        let attempt =
            Attempt { stage: Stage::Placed, task_arn: Some("t".into()), heard_at: Some(NOW), ..Attempt::new(1, 0) };
        Run { attempts: vec![attempt].into(), ..Run::new(Uuid::now_v7(), "n".into(), 0, spec, NOW) }
    }

    fn silence() -> Silence {
        Silence::new(Duration::from_secs(300), None)
    }

    #[test]
    fn a_task_is_described_only_when_nothing_was_heard_for_so_long() {
        let (silence, mut run, mut look) = (silence(), run("stopped"), None);
        silence.follow(&mut look, &run, false);
        assert!(silence.take(Class::Usual, after(299), 10).is_empty());
        run.attempts[0].heard_at = Some(after(200));
        silence.follow(&mut look, &run, false);
        assert_eq!(silence.take(Class::Usual, after(300), 10), [run.id]);
        assert!(!silence.judge(&mut look, &run, after(300)), "it was heard of meanwhile");
        assert_eq!(silence.take(Class::Usual, after(500), 10), [run.id]);
        assert!(silence.judge(&mut look, &run, after(500)));
        assert!(silence.take(Class::Usual, after(799), 10).is_empty(), "it rests as long after it was asked");
        assert_eq!(silence.take(Class::Usual, after(800), 10), [run.id]);
    }

    #[test]
    fn an_ended_run_leaves_nothing_behind() {
        let (silence, mut run, mut look) = (silence(), run("stopped"), None);
        silence.follow(&mut look, &run, false);
        run.attempts[0].stage = Stage::Over;
        silence.follow(&mut look, &run, false);
        assert!(look.is_none() && silence.set(Class::Usual).is_empty());
    }

    #[test]
    fn those_that_are_nearly_due_fill_the_call() {
        let silence = silence();
        for seconds in [0, 20, 40] {
            let mut run = run("stopped");
            run.attempts[0].heard_at = Some(after(seconds));
            silence.follow(&mut None, &run, false);
        }
        assert_eq!(silence.take(Class::Usual, after(300), 10).len(), 2);
    }

    #[test]
    fn health_is_asked_for_often_once_the_task_runs() {
        let (silence, mut run, mut look) = (silence(), run("healthy"), None);
        silence.follow(&mut look, &run, false);
        assert!(silence.take(Class::Health, after(60), 10).is_empty());
        run.attempts[0].started_at = Some(NOW);
        silence.follow(&mut look, &run, false);
        assert!(silence.take(Class::Usual, after(3600), 10).is_empty(), "it is in one set only");
        assert_eq!(silence.take(Class::Health, after(5), 10), [run.id]);
    }

    #[test]
    fn what_an_earlier_process_left_is_described_at_once_whatever_was_heard() {
        let (silence, run, mut look) = (silence(), run("stopped"), None);
        silence.follow(&mut look, &run, true);
        assert_eq!(silence.take(Class::Usual, NOW, 10), [run.id]);
        assert!(silence.judge(&mut look, &run, NOW));
    }
}
