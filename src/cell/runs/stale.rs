//! Which live tasks nothing was heard of for too long: an ordered set with one entry a task, which events do not touch. Only
//! when an entry's time has come is the run checked, and set back if something was heard meanwhile. Where tasks are polled,
//! each piece of news moves its entry forward.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::schedule::{CheckSchedule, Class};
use crate::core::ids::TaskArn;
use crate::core::request::Goal;
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;

/// When a task is to be checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScheduledCheck {
    class: Class,
    at: Timestamp,
    /// The news after which it is.
    heard: Timestamp,
    /// Described whatever was heard since: an earlier process left it, and its events may be lost.
    always: bool,
}

type Set = BTreeSet<(Timestamp, Uuid)>;

/// The tasks by the instant they are to be checked.
#[derive(Debug)]
pub(in crate::cell) struct StaleTaskIndex {
    schedule: CheckSchedule,
    sets: [Mutex<Set>; 2],
}

impl StaleTaskIndex {
    pub(super) fn new(schedule: CheckSchedule) -> Self {
        Self { schedule, sets: Default::default() }
    }

    pub(super) const fn schedule(&self) -> &CheckSchedule {
        &self.schedule
    }

    fn set(&self, class: Class) -> MutexGuard<'_, Set> {
        self.sets[class as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the entry of a run that was changed, or that an earlier process `left` at an instant: it is checked as soon
    /// as the events up to there were heard.
    pub(super) fn follow(&self, check: &mut Option<ScheduledCheck>, run: &Run, left: Option<Timestamp>) {
        let class = live_task(run).map(|_| class(run));
        let same_class = check.map(|check| check.class) == class;
        // What has just changed changes soon again: a poll does not wait for it as long as it did.
        let has_news = || self.schedule.is_poll() && check.is_some_and(|check| check.heard != self.news(run));
        if same_class && !has_news() {
            return;
        }
        if let Some(old) = check.take() {
            self.set(old.class).remove(&(old.at, run.id));
        }
        if let Some(class) = class {
            let heard = self.news(run);
            let at = left.unwrap_or_else(|| self.schedule.first(class, heard));
            self.enter(check, run.id, ScheduledCheck { class, at, heard, always: left.is_some() });
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
        let near = now.plus(self.schedule.slack(class));
        let mut taken = Vec::new();
        while taken.len() < most && set.first().is_some_and(|(at, _)| *at <= near) {
            taken.extend(set.pop_first().map(|(_, id)| id));
        }
        taken
    }

    /// When a task was last heard of. One that was asked to stop is about to change, which a poll is to see.
    fn news(&self, run: &Run) -> Timestamp {
        let stop = run.attempt().and_then(|a| a.stop_sent_at).filter(|_| self.schedule.is_poll());
        heard(run).max(stop.unwrap_or_default())
    }

    /// Whether a run that was taken out is to be described now; it is entered again for the next time.
    pub(super) fn judge(&self, check: &mut Option<ScheduledCheck>, run: &Run, now: Timestamp) -> bool {
        let Some(this) = check.take() else { return false };
        if live_task(run).is_none() {
            return false;
        }
        let (heard, schedule) = (self.news(run), &self.schedule);
        let silent_at = schedule.first(this.class, heard);
        let due = this.always || schedule.is_poll() || silent_at <= now.plus(schedule.slack(this.class));
        let at = if due { schedule.again(this.class, heard, now) } else { silent_at };
        self.enter(check, run.id, ScheduledCheck { class: this.class, at, heard, always: false });
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
    use std::time::Duration;

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
        StaleTaskIndex::new(CheckSchedule::new(Duration::from_secs(300), None, NOW))
    }

    fn polled() -> StaleTaskIndex {
        StaleTaskIndex::new(CheckSchedule::new(Duration::from_secs(300), Some(Duration::from_secs(1)), NOW))
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
    #[test]
    fn a_polled_task_is_described_whatever_was_heard_and_soon_after_each_piece_of_news() {
        let (index, mut run, mut check) = (polled(), run("stopped"), None);
        index.follow(&mut check, &run, None);
        assert_eq!(index.take(Class::Usual, after(1), 10), [run.id]);
        assert!(index.judge(&mut check, &run, after(1)));
        // Nothing new for a quarter of an hour: once in 16 s.
        assert_eq!(index.take(Class::Usual, after(912), 10), [run.id]);
        assert!(index.judge(&mut check, &run, after(912)));
        index.follow(&mut check, &run, None);
        assert!(index.take(Class::Usual, after(927), 10).is_empty(), "a description without news moves nothing");
        run.attempts[0].heard_at = Some(after(914));
        index.follow(&mut check, &run, None);
        assert_eq!(index.take(Class::Usual, after(915), 10), [run.id], "it has just changed");
        assert!(index.judge(&mut check, &run, after(915)));
        run.attempts[0].stop_sent_at = Some(after(1_500));
        index.follow(&mut check, &run, None);
        assert_eq!(index.take(Class::Usual, after(1_501), 10), [run.id], "it was asked to stop");
        assert_eq!(index.set(Class::Usual).len() + index.set(Class::Health).len(), 0, "one entry a task");
    }
}
