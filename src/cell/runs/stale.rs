//! Which live tasks nothing was heard of for too long: an ordered set with one entry a task, which events do not touch. Only
//! when an entry's time has come is the run checked, and set back if something was heard meanwhile.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use crate::core::ids::TaskArn;
use crate::core::request::Goal;
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;

/// How often tasks that are to become HEALTHY are asked about: events do not carry health.
const HEALTH: Duration = Duration::from_secs(5);

/// How long a task may be without an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum Class {
    /// It runs and is to become HEALTHY.
    Health = 0,
    /// Events tell of it.
    Usual = 1,
}

/// When a task is to be checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduledCheck {
    class: Class,
    at: Timestamp,
    /// Described whatever was heard since: an earlier process left it, and its events may be lost.
    always: bool,
}

type Set = BTreeSet<(Timestamp, Uuid)>;

/// The tasks by the instant they are to be checked.
#[derive(Debug, Default)]
pub(in crate::cell) struct StaleTaskIndex {
    stale_after: [Duration; 2],
    sets: [Mutex<Set>; 2],
}

impl StaleTaskIndex {
    /// Stale after `usual`; or, without an events queue, after a `poll`'s interval.
    pub(in crate::cell) fn new(usual: Duration, poll: Option<Duration>) -> Self {
        let stale_after = poll.map_or([HEALTH.min(usual), usual], |poll| [poll, poll]);
        Self { stale_after, sets: Default::default() }
    }

    fn set(&self, class: Class) -> MutexGuard<'_, Set> {
        self.sets[class as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stale_after(&self, class: Class) -> Duration {
        self.stale_after[class as usize]
    }

    /// So much earlier than it must a task is described where a call goes out anyway: full calls are fewer calls.
    fn slack(&self, class: Class) -> Duration {
        self.stale_after(class) / 10
    }

    /// Keeps the entry of a run that was changed, or that an earlier process `left` at an instant: it is checked as soon
    /// as the events up to there were heard.
    pub(super) fn follow(&self, check: &mut Option<ScheduledCheck>, run: &Run, left: Option<Timestamp>) {
        let class = live_task(run).map(|_| class(run));
        if check.map(|check| check.class) == class {
            return;
        }
        if let Some(old) = check.take() {
            self.set(old.class).remove(&(old.at, run.id));
        }
        if let Some(class) = class {
            let at = left.unwrap_or_else(|| heard(run).plus(self.stale_after(class)));
            self.enter(check, run.id, ScheduledCheck { class, at, always: left.is_some() });
        }
    }

    fn enter(&self, check: &mut Option<ScheduledCheck>, id: Uuid, next: ScheduledCheck) {
        self.set(next.class).insert((next.at, id));
        *check = Some(next);
    }

    /// Takes out up to `most` runs whose time has come, events being heard up to `now`, and those whose time is near.
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
    pub(super) fn judge(&self, check: &mut Option<ScheduledCheck>, run: &Run, now: Timestamp) -> bool {
        let Some(this) = check.take() else { return false };
        if live_task(run).is_none() {
            return false;
        }
        let silent_at = heard(run).plus(self.stale_after(this.class));
        let due = this.always || silent_at <= now.plus(self.slack(this.class));
        let at = if due { now.plus(self.stale_after(this.class)) } else { silent_at };
        self.enter(check, run.id, ScheduledCheck { class: this.class, at, always: false });
        due
    }
}

/// The task of a run that may live.
pub(in crate::cell) fn live_task(run: &Run) -> Option<&TaskArn> {
    let attempt = run.attempt().filter(|a| matches!(a.stage, Stage::Placed | Stage::Stopping))?;
    attempt.task_arn.as_ref().filter(|_| !run.status.is_final())
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

    fn index() -> StaleTaskIndex {
        StaleTaskIndex::new(Duration::from_secs(300), None)
    }

    #[test]
    fn a_task_is_described_only_when_nothing_was_heard_for_so_long() {
        let (index, mut run, mut check) = (index(), run("stopped"), None);
        index.follow(&mut check, &run, None);
        assert!(index.take(Class::Usual, after(299), 10).is_empty());
        run.attempts[0].heard_at = Some(after(200));
        index.follow(&mut check, &run, None);
        assert_eq!(index.take(Class::Usual, after(300), 10), [run.id]);
        assert!(!index.judge(&mut check, &run, after(300)), "it was heard of meanwhile");
        assert_eq!(index.take(Class::Usual, after(500), 10), [run.id]);
        assert!(index.judge(&mut check, &run, after(500)));
        assert!(index.take(Class::Usual, after(799), 10).is_empty(), "it rests as long after it was asked");
        assert_eq!(index.take(Class::Usual, after(800), 10), [run.id]);
    }

    #[test]
    fn an_ended_run_leaves_nothing_behind() {
        let (index, mut run, mut check) = (index(), run("stopped"), None);
        index.follow(&mut check, &run, None);
        run.attempts[0].stage = Stage::Over;
        index.follow(&mut check, &run, None);
        assert!(check.is_none() && index.set(Class::Usual).is_empty());
    }

    #[test]
    fn those_that_are_nearly_due_fill_the_call() {
        let index = index();
        for seconds in [0, 20, 40] {
            let mut run = run("stopped");
            run.attempts[0].heard_at = Some(after(seconds));
            index.follow(&mut None, &run, None);
        }
        assert_eq!(index.take(Class::Usual, after(300), 10).len(), 2);
    }

    #[test]
    fn health_is_asked_for_often_once_the_task_runs() {
        let (index, mut run, mut check) = (index(), run("healthy"), None);
        index.follow(&mut check, &run, None);
        assert!(index.take(Class::Health, after(60), 10).is_empty());
        run.attempts[0].started_at = Some(NOW);
        index.follow(&mut check, &run, None);
        assert!(index.take(Class::Usual, after(3600), 10).is_empty(), "it is in one set only");
        assert_eq!(index.take(Class::Health, after(5), 10), [run.id]);
    }

    #[test]
    fn what_an_earlier_process_left_is_described_at_once_whatever_was_heard() {
        let (index, run, mut check) = (index(), run("stopped"), None);
        index.follow(&mut check, &run, Some(NOW));
        assert_eq!(index.take(Class::Usual, NOW, 10), [run.id]);
        assert!(index.judge(&mut check, &run, NOW));
    }
}
