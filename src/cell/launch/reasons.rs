//! Why a run has no task yet.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use super::governor::{Governor, Pace};
use super::waiting::WaitingRuns;
use crate::cell::clock::Clock;
use crate::cell::control::{BreakerControl, EffectiveLimits, Limits, Pause, Paused};
use crate::cell::runs::RunIndex;
use crate::cell::target::{Kind, LaunchTarget};
use crate::core::breaker::OpenBreaker;
use crate::core::run::{Run, Stage, Status};
use crate::core::time::Timestamp;

/// What a run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitReason {
    /// An operator paused its queue.
    QueuePaused,
    /// An operator paused its task definition.
    TaskDefinitionPaused,
    /// The circuit breaker of its task definition is open.
    CircuitBreaker,
    /// As many runs have tasks as may: `maxInFlight`.
    MaxInFlight,
    /// As many tasks wait for instances in its cluster as may: `maxProvisioning`, or what ECS takes.
    MaxProvisioning,
    /// Its turn: tasks are launched at the rate that AWS and the limits allow.
    LaunchRate,
    /// RunTask's answer.
    RunTask,
    /// The time of its next attempt.
    NextAttempt,
    /// Its `startAt`.
    StartTime,
    /// A process of the fleet that serves its cell: none does at the moment.
    Unserved,
    /// What the process that serves its cell knows.
    OtherProcess,
}

/// Why a run has no task yet: the first thing that would have to change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WaitingFor)]
pub struct WaitingFor {
    /// What it waits for.
    pub reason: WaitReason,
    /// The same for a person, in one line.
    pub text: String,
    /// Since when this holds it up, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Timestamp>,
    /// Who paused it, as far as they said.
    pub by: Option<String>,
    /// When it goes on by itself: the next probe, the next attempt.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

impl WaitingFor {
    const fn new(reason: WaitReason, text: String) -> Self {
        Self { reason, text, since: None, by: None, until: None }
    }
}

/// What a process of a fleet knows of a cell that it does not serve.
pub struct ElsewhereCell<'a> {
    /// Its name.
    pub name: &'a str,
    /// The process that serves it, if one does.
    pub owner: Option<&'a str>,
    /// Where the others reach that process's API, if they do.
    pub url: Option<&'a str>,
    /// Task definitions whose circuit breakers are open in it.
    pub open_breakers: &'a BTreeSet<String>,
}

impl ElsewhereCell<'_> {
    /// Why a run of this cell has no task yet, by what its log and these limits say, or else who knows it; `None` for one that
    /// has a task or has ended.
    pub fn waiting_for(&self, run: &Run, limits: &Limits) -> Option<WaitingFor> {
        if !waits(run) {
            return None;
        }
        let target = LaunchTarget::of(run);
        let known = known_of(run).or_else(|| paused(limits, run, &target)).or_else(|| self.broken(&target));
        Some(known.unwrap_or_else(|| self.of_its_process()))
    }

    fn broken(&self, target: &LaunchTarget) -> Option<WaitingFor> {
        let definition = &target.definition;
        let text = || {
            format!(
                "task definition {definition} is paused automatically: cell {} found that it fails, and probes it",
                self.name
            )
        };
        self.open_breakers.contains(definition).then(|| WaitingFor::new(WaitReason::CircuitBreaker, text()))
    }

    fn of_its_process(&self) -> WaitingFor {
        let Some(owner) = self.owner else {
            let text = format!("no process serves its cell {} at the moment: it goes on once one does", self.name);
            return WaitingFor::new(WaitReason::Unserved, text);
        };
        let at = self.url.map(|url| format!(" ({url})")).unwrap_or_default();
        let text = format!("its cell {} is served by process {owner}{at}, which knows: ask that process", self.name);
        WaitingFor::new(WaitReason::OtherProcess, text)
    }
}

/// Knows what holds runs up.
pub(in crate::cell) struct WaitReasons {
    pub(in crate::cell) limits: Arc<EffectiveLimits>,
    pub(in crate::cell) breakers: Arc<BreakerControl>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) waiting: Arc<WaitingRuns>,
    pub(in crate::cell) governor: Arc<Governor>,
    pub(in crate::cell) clock: Clock,
}

impl WaitReasons {
    /// For each run why it has no task yet, as things are now; `None` for one that has a task or has ended.
    pub(in crate::cell) fn of(&self, runs: &[Run]) -> Vec<Option<WaitingFor>> {
        if !runs.iter().any(waits) {
            return vec![None; runs.len()];
        }
        let now = Now {
            reasons: self,
            limits: self.limits.current(),
            breakers: self.breakers.open(),
            live: self.waiting.live(),
            paces: self.governor.paces(),
        };
        runs.iter().map(|run| waits(run).then(|| now.reason(run))).collect()
    }
}

/// `1 failure`, `2 failures`.
fn many(count: impl TryInto<u64>, one: &str, more: &str) -> String {
    let count = count.try_into().unwrap_or(u64::MAX);
    format!("{count} {}", if count == 1 { one } else { more })
}

fn waits(run: &Run) -> bool {
    matches!(run.status, Status::Queued | Status::PendingRetry)
}

/// Everything that may hold a run up, at one moment.
struct Now<'r> {
    reasons: &'r WaitReasons,
    limits: Arc<Limits>,
    breakers: Vec<OpenBreaker>,
    live: usize,
    paces: Vec<Pace>,
}

impl Now<'_> {
    fn reason(&self, run: &Run) -> WaitingFor {
        let target = LaunchTarget::of(run);
        known_of(run)
            .or_else(|| paused(&self.limits, run, &target))
            .or_else(|| self.broken(&target))
            .or_else(|| self.too_many_in_flight())
            .or_else(|| self.too_many_provisioning(&target))
            .unwrap_or_else(|| self.turn(run, &target))
    }

    fn broken(&self, target: &LaunchTarget) -> Option<WaitingFor> {
        let Some(open) = self.breakers.iter().find(|open| open.task_definition == target.definition) else {
            let text = || {
                format!(
                    "task definition {} is paused automatically: another cell of the fleet found that it fails, and probes it",
                    target.definition
                )
            };
            let is_open = self.reasons.breakers.is_open_elsewhere(&target.definition);
            return is_open.then(|| WaitingFor::new(WaitReason::CircuitBreaker, text()));
        };
        let next = match open.next_probe_at {
            Some(at) => format!("the next probe is at {at}"),
            None => "one run is let through as a probe".to_owned(),
        };
        let text = format!(
            "paused automatically after {} of task definition {} ({}); {next}",
            many(open.failures, "failure", "failures"),
            open.task_definition,
            open.error
        );
        let waiting = WaitingFor::new(WaitReason::CircuitBreaker, text);
        Some(WaitingFor { since: Some(open.paused_at), until: open.next_probe_at, ..waiting })
    }

    fn too_many_in_flight(&self) -> Option<WaitingFor> {
        let most = self.limits.max_in_flight;
        let text = || {
            let vacating = self.reasons.runs.vacating();
            let runs = many(self.live.saturating_sub(vacating), "run has a task", "runs have a task");
            let tasks = many(vacating, "ended task is being taken down", "ended tasks are being taken down");
            let tasks = if vacating > 0 { format!(", {tasks} by ECS") } else { String::new() };
            format!("maxInFlight ({most}) is reached: {runs}{tasks}")
        };
        (self.live >= most).then(|| WaitingFor::new(WaitReason::MaxInFlight, text()))
    }

    fn too_many_provisioning(&self, target: &LaunchTarget) -> Option<WaitingFor> {
        let (cluster, most) = (&target.cluster, self.limits.max_provisioning);
        let waiting = |text: String| WaitingFor::new(WaitReason::MaxProvisioning, text);
        if let Some(wait) = self.reasons.governor.blocked_for(target) {
            let text = format!("ECS has too many tasks in PROVISIONING in cluster {cluster}; it is asked again soon");
            return Some(WaitingFor { until: Some(self.reasons.clock.now().plus(wait)), ..waiting(text) });
        }
        let tasks = if target.kind == Kind::Provider { self.reasons.runs.provisioning(cluster) } else { 0 };
        let waiting_tasks = || many(tasks, "task is in PROVISIONING", "tasks are in PROVISIONING");
        let text = || format!("maxProvisioning ({most}) is reached: {} in cluster {cluster}", waiting_tasks());
        (target.kind == Kind::Provider && tasks >= most).then(|| waiting(text()))
    }

    fn turn(&self, run: &Run, target: &LaunchTarget) -> WaitingFor {
        let (pace, what) = match target.kind {
            Kind::Fargate => ("fargate-tasks", "tasks a second are launched on Fargate"),
            Kind::FargateSpot => ("fargate-spot-tasks", "tasks a second are launched on Fargate Spot"),
            Kind::Provider | Kind::Instances => ("run-task-calls", "RunTask calls a second are made"),
        };
        let pace = self.paces.iter().find(|known| known.what == pace);
        let rate = pace.map(|pace| (pace.rate * 100.0).round() / 100.0).unwrap_or_default();
        let throttled = pace.is_some_and(|pace| pace.share < 1.0);
        let slower = if throttled { ", fewer than usual because AWS throttled RunTask" } else { "" };
        let text = format!("its turn in queue {}: at most {rate} {what}{slower}", run.spec.queue);
        let since = run.attempt().and_then(|attempt| attempt.queued_at);
        WaitingFor { since, ..WaitingFor::new(WaitReason::LaunchRate, text) }
    }
}

/// What the run itself says.
fn known_of(run: &Run) -> Option<WaitingFor> {
    if run.status == Status::PendingRetry {
        return Some(next_attempt(run));
    }
    let attempt = run.attempt().filter(|attempt| attempt.stage == Stage::Launching)?;
    let text = "RunTask was called and has not answered yet".to_owned();
    Some(WaitingFor { since: attempt.launched_at, ..WaitingFor::new(WaitReason::RunTask, text) })
}

fn paused(limits: &Limits, run: &Run, target: &LaunchTarget) -> Option<WaitingFor> {
    let is_paused = |paused: &&Paused| match &paused.what {
        Pause::Queue(queue) => *queue == run.spec.queue,
        definition => definition.is_for(&target.definition),
    };
    let paused = limits.pauses.iter().find(is_paused)?;
    let (reason, what) = match &paused.what {
        Pause::Queue(name) => (WaitReason::QueuePaused, format!("queue {name}")),
        Pause::TaskDefinition(name) => (WaitReason::TaskDefinitionPaused, format!("task definition {name}")),
    };
    let by = paused.by.as_deref().unwrap_or("an operator");
    let since = paused.since.map(|at| format!(" since {at}")).unwrap_or_default();
    let why = paused.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    let text = format!("{what} is paused by {by}{since}{why}");
    Some(WaitingFor { since: paused.since, by: paused.by.clone(), ..WaitingFor::new(reason, text) })
}

fn next_attempt(run: &Run) -> WaitingFor {
    if run.attempts.is_empty() {
        let at = run.retry_at.map(|at| format!(" at {at}")).unwrap_or_default();
        let waiting = WaitingFor::new(WaitReason::StartTime, format!("its start time: it starts{at}"));
        return WaitingFor { since: Some(run.submitted_at), until: run.retry_at, ..waiting };
    }
    let next = run.attempts.total() + 1;
    let at = run.retry_at.map(|at| format!(" at {at}")).unwrap_or_default();
    let after = run.failure().map(|failure| format!(", after {}", failure.error)).unwrap_or_default();
    let text = format!("attempt {next} begins{at}{after}");
    let since = run.attempt().and_then(|attempt| attempt.stopped_at);
    WaitingFor { since, until: run.retry_at, ..WaitingFor::new(WaitReason::NextAttempt, text) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::cell::{CellConfig, FleetLimits, LimitsChange};
    use crate::core::request::RunRequest;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn run(status: Status) -> Run {
        let request = r#"{"name": "n", "queue": "q", "runTask": {"taskDefinition": "etl:7"}}"#;
        let spec = Arc::new(RunRequest::parse(request).unwrap().spec);
        let mut run = Run::new(Uuid::nil(), "n".to_owned(), 0, spec, NOW);
        run.status = status;
        run
    }

    #[test]
    fn of_another_processs_run_what_is_known_is_told_and_else_who_knows_it() {
        let none = BTreeSet::new();
        let open = BTreeSet::from([LaunchTarget::of(&run(Status::Queued)).definition]);
        let cell = |owner, open_breakers| ElsewhereCell { name: "blue-1", owner, url: Some("http://b"), open_breakers };
        let limits = FleetLimits::default().in_force(&CellConfig::new("any"));
        let waiting = |run: &Run, cell: ElsewhereCell<'_>, limits: &Limits| cell.waiting_for(run, limits);
        let reason = |waiting: Option<WaitingFor>| waiting.map(|waiting| waiting.reason);

        let other = waiting(&run(Status::Queued), cell(Some("b-1"), &none), &limits).unwrap();
        assert_eq!(other.reason, WaitReason::OtherProcess);
        assert!(other.text.contains("blue-1") && other.text.contains("b-1 (http://b)"), "{}", other.text);
        let unserved = waiting(&run(Status::Queued), cell(None, &none), &limits);
        assert_eq!(reason(unserved), Some(WaitReason::Unserved));
        let broken = waiting(&run(Status::Queued), cell(Some("b-1"), &open), &limits);
        assert_eq!(reason(broken), Some(WaitReason::CircuitBreaker));
        let change = LimitsChange { pause: vec![Pause::Queue("q".to_owned())], ..LimitsChange::default() };
        let paused = FleetLimits::default().changed(change, NOW).unwrap().in_force(&CellConfig::new("any"));
        let waits = waiting(&run(Status::Queued), cell(None, &open), &paused);
        assert_eq!(reason(waits), Some(WaitReason::QueuePaused), "the first thing that must change");
        let starts = waiting(&run(Status::PendingRetry), cell(None, &open), &paused);
        assert_eq!(reason(starts), Some(WaitReason::StartTime), "which the run itself says");
        for status in [Status::Starting, Status::Running, Status::Succeeded] {
            assert_eq!(waiting(&run(status), cell(None, &open), &paused), None);
        }
    }
}
