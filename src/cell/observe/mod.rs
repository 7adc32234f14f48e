//! Tasks that others launch: failures that their events and calls tell of are judged, told once, listed and counted.
//!
//! What was told is noted in the commit of its notification, so that no restart and no second delivery tells it again.

mod counts;
mod held;
mod list;
mod repeat;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::mpsc::Permit;

pub use counts::{ObservedCount, ObservedCounts};
use held::Held;
use list::List;
pub use list::{ObservedFilter, ObservedItem, has_observed, observed_in};
pub(super) use repeat::RepeatParts;
use repeat::{Decided, LONGEST_ROUND, ROUND, Repeater, Round};

use super::backoff::Backoff;
use super::clock::Clock;
use super::commit::{Commit, PendingCommit, Pipeline};
use super::definitions::Definitions;
use super::follow::{Heard, Observes};
use super::lifecycle::Lifecycle;
use super::logs::log_of;
use crate::core::breaker::BreakerRules;
use crate::core::notification::{
    self, AskedLines, Destinations, Notification, ObservedAction, ObservedOutcome, Origin,
};
use crate::core::observe::{
    Action, Decision, ObservedFailure, ObservedLog, OpenSeries, Policy, Repeat, RetryRules, RunTaskRecord, Seen,
    Series, SeriesChange, Told, decide,
};
use crate::core::task::Task;
use crate::core::verdict::{Deciders, Verdict};
use crate::store::{Change, Page};

/// The note of the store that has the open series.
const SERIES_NOTE: &str = "observed-series";
/// How many lines are asked for, and where they are.
type Lines = (u32, ObservedLog);

/// The longest sleep between looks at the open series.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What an observer works with.
pub(super) struct ObserverParts {
    pub(super) policies: Vec<Policy>,
    pub(super) series: BreakerRules,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) definitions: Arc<Definitions>,
    pub(super) origin: Origin,
    pub(super) destinations: Destinations,
    pub(super) clock: Clock,
}

/// Observes what others launch.
pub(super) struct Observer {
    parts: ObserverParts,
    repeater: Repeater,
    told: Mutex<WhatWasTold>,
    list: List,
    counts: ObservedCounts,
}

/// What was told before, and which failures are told together. Locked until a commit has its place, so that notes are
/// committed in the order they were made.
struct WhatWasTold {
    seen: Seen,
    series: Series,
    /// Launches that wait to be made once more.
    held: Held,
}

impl Observer {
    /// One that knows what an earlier process told. A note that cannot be read is no reason not to start.
    pub(super) fn new(parts: ObserverParts, repeats: RepeatParts, notes: &BTreeMap<String, String>) -> Self {
        let note = |name: &str| notes.get(name).map(String::as_str);
        let series = Series::new(parts.series, kept::<OpenSeries>(SERIES_NOTE, note(SERIES_NOTE)));
        let told = Mutex::new(WhatWasTold { seen: Seen::read(note), series, held: Held::read(notes) });
        let (list, repeater) = (List::read(notes, parts.clock.now()), Repeater::new(repeats));
        Self { list, parts, repeater, told, counts: ObservedCounts::default() }
    }

    fn told(&self) -> MutexGuard<'_, WhatWasTold> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Failures that fit, newest first, a page at a time.
    pub(super) fn list(&self, filter: &ObservedFilter, before: Option<u64>, limit: usize) -> Page<ObservedItem, u64> {
        self.list.page(filter, before, limit)
    }

    /// How many failures were seen.
    pub(super) fn counts(&self) -> &ObservedCounts {
        &self.counts
    }

    async fn of_task(&self, task: &Task<'_>, message: &str) -> Heard {
        if !task.has_ended() {
            return Heard::Done;
        }
        self.counts.note_event();
        // Nearly all end well, and one whose containers all did has ended well whichever are essential.
        if !matches!(task.verdict(Deciders::Unknown), Verdict::Failed(_)) {
            return Heard::Done;
        }
        let essential = self.essential(task).await;
        let deciders = if essential.is_empty() { Deciders::Unknown } else { Deciders::Named(&essential) };
        let now = self.parts.clock.now();
        let Some(failed) = ObservedFailure::of_task(task, deciders, now) else { return Heard::Done };
        let repeat =
            |policy: &str, rules: &RetryRules| Repeat::of_task((&failed, task, &detail(message)), (policy, rules), now);
        let decision = decide(&self.parts.policies, &failed);
        // Before a container ran nothing is logged.
        let most = decision.policy.and_then(|policy| policy.log_lines).filter(|_| failed.ran);
        let lines = match most {
            Some(most) => self.lines_of(task, most, &essential).await,
            None => None,
        };
        self.tell(&failed, (&decision, lines), repeat).await
    }

    /// So many lines of a failed task's log, where CloudWatch Logs has it.
    async fn lines_of(&self, task: &Task<'_>, lines: u32, essential: &[String]) -> Option<Lines> {
        let containers = self.parts.definitions.containers_of(&task.task_definition_arn).await?;
        let place = log_of(task, &containers, essential).filter(|place| place.in_cloudwatch().is_some())?;
        Some((lines, ObservedLog { task_arn: task.task_arn.to_string(), place }))
    }

    /// The essential containers of a task with several; none where it does not matter, or is not known.
    async fn essential(&self, task: &Task<'_>) -> Vec<String> {
        if task.containers.len() < 2 || task.task_definition_arn.is_empty() {
            return Vec::new();
        }
        let containers = self.parts.definitions.containers_of(&task.task_definition_arn).await.unwrap_or_default();
        containers.iter().filter(|container| container.essential).map(|container| container.name.clone()).collect()
    }

    async fn of_call(&self, message: &str) -> Heard {
        let record = match RunTaskRecord::read(message) {
            Ok(Some(record)) => record,
            Ok(None) => return Heard::Done,
            Err(error) => {
                tracing::warn!(error, "a record of CloudTrail was dropped");
                return Heard::Malformed;
            }
        };
        let is_ours =
            |text: &str| text.strip_prefix(self.parts.origin.cell.as_str()).is_some_and(|t| t.starts_with('/'));
        if record.started_by.as_deref().is_some_and(is_ours) {
            return Heard::Done;
        }
        self.counts.note_event();
        if !record.tasks.is_empty() && self.parts.policies.iter().any(|p| matches!(p.action, Action::Retry(_))) {
            self.repeater.note(&record);
        }
        let Some(refused) = record.refusal() else { return Heard::Done };
        let now = self.parts.clock.now();
        let repeat = |policy: &str, rules: &RetryRules| Repeat::of_call((&refused, &record), (policy, rules), now);
        self.tell(&refused, (&decide(&self.parts.policies, &refused), None), repeat).await
    }

    /// Tells a failure, unless it was told, or holds it until it may be launched once more; done with once that is durable.
    async fn tell(
        &self,
        failed: &ObservedFailure,
        (decision, lines): (&Decision<'_>, Option<Lines>),
        repeat: impl Fn(&str, &RetryRules) -> Result<Repeat, String>,
    ) -> Heard {
        let policy = decision.policy.map(|policy| policy.name.clone());
        let (action, why) = match decision.action {
            Action::Ignore => {
                self.counts.note_ignored();
                return Heard::Done;
            }
            Action::Notify => (ObservedAction::Notify, "no policy repeats it".to_owned()),
            Action::Retry(rules) => match repeat(policy.as_deref().unwrap_or_default(), rules) {
                Ok(repeat) => match self.hold(repeat).await {
                    Some(heard) => return heard,
                    None => (ObservedAction::Retry, "too many launches wait to be made once more".to_owned()),
                },
                Err(why) => (ObservedAction::Retry, why),
            },
        };
        let outcome = ObservedOutcome { action, policy, run: None, why };
        let Some(permit) = self.parts.pipeline.reserve().await else { return Heard::CutOff };
        match self.first_told(permit, (failed, &outcome), lines.as_ref()) {
            Some(pending) => {
                self.counts.note(failed);
                heard(pending.durable().await.map(drop))
            }
            // It is told, but its commit may still be on its way.
            None => heard(self.parts.pipeline.commit(Vec::new()).await),
        }
    }

    /// Keeps a launch until late tasks would have come. None: there is no room for it.
    async fn hold(&self, repeat: Repeat) -> Option<Heard> {
        let Some(permit) = self.parts.pipeline.reserve().await else { return Some(Heard::CutOff) };
        let pending = {
            let mut told = self.told();
            if told.seen.contains(repeat.failed.id) {
                None
            } else {
                let failed = repeat.failed.clone();
                let held = told.held.add(repeat)?;
                let (name, text) = told.seen.insert(failed.id);
                let (commit, pending) = Commit::of(vec![Change::Note { name: name.into(), text }, held]);
                permit.send(commit);
                self.counts.note(&failed);
                Some(pending)
            }
        };
        Some(match pending {
            Some(pending) => heard(pending.durable().await.map(drop)),
            None => heard(self.parts.pipeline.commit(Vec::new()).await),
        })
    }

    /// Decides what is held and due; whether all of it was. None once the cell has ended.
    async fn decide_held(&self) -> Option<bool> {
        let now = self.parts.clock.now();
        let due = self.told().held.due(now);
        let (mut round, mut is_all) = (Round::default(), true);
        for repeat in due {
            let (run, why) = match self.repeater.decide(&repeat, &mut round).await {
                Decided::Later => {
                    is_all = false;
                    continue;
                }
                Decided::Run(name) => (Some(name), "it never ran, and its launcher does not try again".to_owned()),
                Decided::Not(why) => (None, why),
            };
            let policy = Some(repeat.policy.clone());
            let outcome = ObservedOutcome { action: ObservedAction::Retry, policy, run, why };
            let permit = self.parts.pipeline.reserve().await?;
            let pending = {
                let mut told = self.told();
                let (mut commit, pending) = Commit::of(vec![told.held.remove(repeat.failed.id)]);
                // What is made once more never ran.
                self.post(&mut commit, &mut told, (&repeat.failed, &outcome), None);
                permit.send(commit);
                pending
            };
            pending.durable().await?;
        }
        Some(is_all)
    }

    /// Has a failure committed that was not told before.
    fn first_told(
        &self,
        permit: Permit<'_, Commit>,
        (failed, outcome): (&ObservedFailure, &ObservedOutcome),
        lines: Option<&Lines>,
    ) -> Option<PendingCommit> {
        let mut told = self.told();
        if told.seen.contains(failed.id) {
            return None;
        }
        let (name, text) = told.seen.insert(failed.id);
        let (mut commit, pending) = Commit::of(vec![Change::Note { name: name.into(), text }]);
        self.post(&mut commit, &mut told, (failed, outcome), lines);
        permit.send(commit);
        Some(pending)
    }

    /// Puts what is told of a failure into a commit, and lists it.
    fn post(
        &self,
        commit: &mut Commit,
        told: &mut WhatWasTold,
        (failed, outcome): (&ObservedFailure, &ObservedOutcome),
        lines: Option<&Lines>,
    ) {
        let now = self.parts.clock.now();
        let (most, log) = lines.map_or((0, None), |(most, log)| (*most, Some(log)));
        let (notifications, persist) = match told.series.record(failed, log, now) {
            Told::Singly => {
                let to = (&self.parts.origin, &self.parts.destinations);
                (notification::observed(failed, outcome, to, (most, log.map_or(&[], std::slice::from_ref))), false)
            }
            Told::AsSeries(open, logs) => (self.of_series(&SeriesChange::Repeating(*open), (most, &logs)), true),
            Told::Counted { persist } => (Vec::new(), persist),
        };
        if persist {
            commit.push(note_of(&told.series));
        }
        commit.push(self.list.push(failed, outcome));
        commit.post(notifications);
    }

    fn of_series(&self, change: &SeriesChange, lines: AskedLines<'_>) -> Vec<Notification> {
        let (SeriesChange::Repeating(open) | SeriesChange::Quiet(open)) = change;
        let (launcher, task_definition, error) = (open.launcher.to_string(), &open.task_definition, &open.error);
        let (failures, is_over) = (open.failures, matches!(change, SeriesChange::Quiet(_)));
        tracing::warn!(launcher, task_definition, error, failures, is_over, "what others launch fails repeatedly");
        let to = (&self.parts.origin, &self.parts.destinations);
        notification::series(change, self.parts.clock.now(), to, lines)
    }

    /// Tells which series are over; false once the cell has ended.
    async fn end_series(&self) -> bool {
        let Some(permit) = self.parts.pipeline.reserve().await else { return false };
        let mut told = self.told();
        let over = told.series.due(self.parts.clock.now());
        if !over.is_empty() {
            let (mut commit, _pending) = Commit::of(vec![note_of(&told.series)]);
            over.into_iter().for_each(|open| commit.post(self.of_series(&SeriesChange::Quiet(open), (0, &[]))));
            permit.send(commit);
        }
        true
    }
}

impl Observes for Observer {
    fn task<'a>(&'a self, task: &'a Task<'a>, message: &'a str) -> BoxFuture<'a, Heard> {
        Box::pin(self.of_task(task, message))
    }

    fn call<'a>(&'a self, message: &'a str) -> BoxFuture<'a, Heard> {
        Box::pin(self.of_call(message))
    }
}

fn heard(durable: Option<()>) -> Heard {
    if durable.is_some() { Heard::Done } else { Heard::CutOff }
}

/// The names of so many notes, numbered from 00. They live as long as the program, so this is called once for each kind.
fn note_names(prefix: &str, count: u128) -> Vec<&'static str> {
    let name = |n: u128| -> &'static str { Box::leak(format!("{prefix}{n:02}").into_boxed_str()) };
    (0..count).map(name).collect()
}

/// What a note of an earlier process has.
fn kept<T: DeserializeOwned>(name: &str, note: Option<&str>) -> Vec<T> {
    let read = serde_json::from_str(note.unwrap_or("[]"));
    read.unwrap_or_else(|error| {
        tracing::error!(name, %error, "a note of the store about observed failures cannot be read: it begins anew");
        Vec::new()
    })
}

/// The `detail` of an event; of one in SNS's envelope too.
fn detail(message: &str) -> Value {
    let event: Value = serde_json::from_str(message).unwrap_or_default();
    let inner = event["Message"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    inner.unwrap_or(event)["detail"].take()
}

/// Plain data: it cannot fail.
fn note_of(series: &Series) -> Change {
    let text = serde_json::to_string(&series.open()).unwrap_or_else(|_| "[]".into());
    Change::Note { name: SERIES_NOTE.into(), text }
}

/// Makes launches once more when it is time, until the cell ends. What cannot be decided now is tried again ever more rarely.
pub(super) async fn time_repeats(observer: Arc<Observer>, lifecycle: Arc<Lifecycle>) {
    let mut backoff = Backoff::new(ROUND, LONGEST_ROUND, "repeats");
    let mut wait = ROUND;
    while lifecycle.sleep(wait).await {
        if !lifecycle.may_act().await {
            continue;
        }
        match lifecycle.unless_ended(observer.decide_held()).await.flatten() {
            None => return,
            Some(true) => {
                backoff.reset();
                wait = ROUND;
            }
            Some(false) => wait = backoff.next().max(ROUND),
        }
    }
}

/// Ends series when it is time, until the cell ends.
pub(super) async fn time_series(observer: Arc<Observer>, clock: Clock, lifecycle: Arc<Lifecycle>) {
    loop {
        let next = observer.told().series.next();
        let wait = next.map_or(LONGEST_WAIT, |at| at.since(clock.now()));
        if !lifecycle.sleep(wait.clamp(Duration::from_millis(10), LONGEST_WAIT)).await {
            return;
        }
        let is_due = next.is_some_and(|at| at <= clock.now());
        if is_due && !observer.end_series().await {
            return;
        }
    }
}
