//! `/metrics`: the process's cells for Prometheus, in the OpenMetrics text format.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>. Labels are of bounded sets only: statuses, classes,
//! phases, and the longest queues; never runs or task definitions.

mod sheet;

use std::fmt::Error;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use super::Api;
use super::summary::longest;
use crate::cell::{Cell, Count, Counters, Limits, ObservedCount, Phases, RunCounts, Times, Vitals};
use crate::core::breaker::OpenBreaker;
use crate::core::failure::Class;
use crate::core::launcher::LauncherKind;
use crate::core::run::Status;
use crate::fleet::Takeovers;
use crate::front::Front;
use sheet::Sheet;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Shows the metrics of the cells that this process serves in the OpenMetrics text format, for Prometheus. In a fleet each
/// has the label `cell`: a cell that moves to another process ends there and begins here.
#[utoipa::path(get, path = "/metrics", tag = "cell", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")))]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let mut text = String::new();
    let mut registry = Registry::default();
    registry.register_collector(Box::new(OfCells::of(&api.front).await));
    // Writing into a string cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}

/// A cell, as it is at this moment.
struct Sample {
    cell: Cell,
    counts: RunCounts,
    vitals: Vitals,
    limits: Limits,
    breakers: Vec<OpenBreaker>,
}

/// The cells that the process serves.
struct OfCells {
    name: String,
    is_fleet: bool,
    samples: Vec<Sample>,
    takeovers: Takeovers,
}

impl OfCells {
    async fn of(front: &Front) -> Self {
        let mut samples = Vec::new();
        for cell in front.cells().iter().cloned() {
            let (counts, vitals, limits) = (cell.counts().await, cell.vitals(), cell.limits());
            samples.push(Sample { counts, vitals, limits, breakers: cell.open_breakers(), cell });
        }
        let takeovers = front.takeovers().unwrap_or_default();
        Self { name: front.name().to_owned(), is_fleet: front.is_fleet(), samples, takeovers }
    }
}

impl std::fmt::Debug for OfCells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OfCells").field(&self.name).finish()
    }
}

impl Collector for OfCells {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut to = Sheet { to: &mut encoder, cells: self };
        state(&mut to)?;
        counters(&mut to)?;
        if self.is_fleet {
            to.takeovers()?;
        }
        times(&mut to)
    }
}

/// What rises and falls.
fn state(to: &mut Sheet<'_, '_>) -> Result<(), Error> {
    to.build()?;
    to.gauge(
        "taskwatch_ready",
        "1 when the cell receives from its queues, its store takes changes and ECS answers, else 0; as /readyz",
        |one| usize::from(one.vitals.not_ready.is_empty()) as f64,
    )?;
    to.gauges(
        ("taskwatch_runs", "status"),
        "Runs by status: all that have not ended, and ended ones for as long as they are kept",
        |one| {
            let count = |status| one.counts.statuses.get(&status).copied().unwrap_or(0) as f64;
            Status::ALL.map(|status| (status.as_str().to_owned(), count(status))).into()
        },
    )?;
    to.gauge(
        "taskwatch_waiting_runs_in_other_queues",
        "Runs that wait in queues beyond the 100 longest ones",
        |one| {
            let all: usize = one.vitals.waiting.values().sum();
            (all - longest(one.vitals.waiting.clone()).values().sum::<usize>()) as f64
        },
    )?;
    to.gauges(("taskwatch_waiting_runs", "queue"), "Runs that wait for a launch slot, by queue", |one| {
        longest(one.vitals.waiting.clone()).into_iter().map(|(queue, n)| (queue, n as f64)).collect()
    })?;
    to.gauge("taskwatch_in_flight_runs", "Tasks that there may be, those that ECS still takes down counted", |one| {
        one.vitals.in_flight as f64
    })?;
    let help = "How many tasks there may be at the same time";
    to.gauge("taskwatch_in_flight_runs_limit", help, |one| one.limits.max_in_flight as f64)?;
    let help = "How many tasks may be placed a second";
    to.gauge("taskwatch_launch_rate_limit", help, |one| one.limits.run_task_rate)?;
    let help = "Queues and task definitions that operators have paused";
    to.gauge("taskwatch_pauses", help, |one| one.limits.pauses.len() as f64)?;
    to.gauges(
        ("taskwatch_circuit_breakers_open", "class"),
        "Open circuit breakers: task definitions that are paused automatically, by the class of their failures",
        |one| {
            // Every class, so that an open breaker is a rise from 0 and not the first sight of a series.
            let open = |class| one.breakers.iter().filter(|breaker| breaker.class == class).count() as f64;
            Class::ALL.map(|class| (class.as_str().to_owned(), open(class))).into()
        },
    )?;
    let help = "Topics and buses to which notifications cannot be delivered";
    to.gauge("taskwatch_failing_destinations", help, |one| one.cell.delivery_failures().len() as f64)?;
    let help = "Notifications that wait for their delivery";
    to.gauge("taskwatch_outbox_notifications", help, |one| one.vitals.outbox as f64)?;
    let help = "Age of the oldest notification that waits for its delivery, or 0";
    to.seconds("taskwatch_outbox_oldest_age", help, |one| one.vitals.outbox_age.as_secs_f64())?;
    let help = "When the cell began to serve, in seconds since 1970";
    to.seconds("taskwatch_start_time", help, |one| one.cell.began_at().millis() as f64 / 1000.0)
}

/// A counter of a cell.
type CountOf = fn(&Counters) -> &Count;
/// Durations of a cell.
type TimesOf = fn(&Counters) -> &Times;
/// Durations of a phase.
type PhaseOf = fn(&Phases) -> &Times;

/// What only rises.
fn counters(to: &mut Sheet<'_, '_>) -> Result<(), Error> {
    const COUNTERS: [(&str, &str, CountOf); 14] = [
        ("taskwatch_requests_accepted", "Runs that were accepted, from all sources", |c| &c.accepted),
        ("taskwatch_requests_refused", "Requests of the requests queue that were refused", |c| &c.refused),
        ("taskwatch_run_task_calls", "RunTask calls", |c| &c.launches),
        ("taskwatch_run_task_throttles", "RunTask calls that AWS throttled", |c| &c.throttles),
        ("taskwatch_events", "Events of this cell's tasks", |c| &c.events),
        ("taskwatch_events_foreign", "Events of tasks that this cell did not launch, and of other things", |c| {
            &c.foreign
        }),
        (
            "taskwatch_duplicate_cell_name_events",
            "Events of foreign tasks with this cell's name: another cell has the same name",
            |c| &c.duplicate_cell_name,
        ),
        ("taskwatch_events_malformed", "Messages of the events queue that are not events", |c| &c.malformed),
        (
            "taskwatch_messages_undeleted",
            "Messages of both queues that could not be deleted; they come again, and change nothing",
            |c| &c.undeleted,
        ),
        ("taskwatch_stray_tasks", "Tasks of this cell that belong to no run; they are stopped", |c| &c.strays),
        ("taskwatch_corrections", "Changes of tasks that DescribeTasks found, because their events were lost", |c| {
            &c.corrections
        }),
        ("taskwatch_notifications", "Notifications that were delivered", |c| &c.notified),
        (
            "taskwatch_notifications_rejected",
            "Notifications that a topic or bus rejected; they are kept and tried again",
            |c| &c.notifications_rejected,
        ),
        (
            "taskwatch_circuit_breakers_opened",
            "Times that a circuit breaker opened and paused a task definition",
            |c| &c.breakers_opened,
        ),
    ];
    for (name, help, of) in COUNTERS {
        to.counter(name, help, |one| of(one.cell.counters()).get())?;
    }
    // From 0 all of them: the first of a series that begins at 1 is no increase, and would alarm nobody.
    to.counters(("taskwatch_runs_ended", "status"), "Runs that ended, by status", |one| {
        let ended = |status| one.vitals.totals.ended.get(&status).copied().unwrap_or(0);
        let finals = Status::ALL.into_iter().filter(|status| status.is_final());
        finals.map(|status| (status.as_str(), ended(status))).collect()
    })?;
    to.counters(("taskwatch_attempts_failed", "class"), "Attempts that failed, by class", |one| {
        let failed = |class| one.vitals.totals.failures.get(&class).copied().unwrap_or(0);
        Class::ALL.map(|class| (class.as_str(), failed(class))).into()
    })?;
    observed(to)
}

/// What others launched, of cells that observe it. Every launcher and class from 0, as above.
fn observed(to: &mut Sheet<'_, '_>) -> Result<(), Error> {
    type Of = fn(ObservedCount) -> u64;
    const OBSERVED: [(&str, &str, Of); 2] = [
        ("taskwatch_observed_failures", "Failures of tasks and launches of others, by launcher and class", |n| {
            n.failures
        }),
        (
            "taskwatch_observed_never_ran",
            "Of these, tasks that never ran and launches that were refused, by launcher and class",
            |n| n.never_ran,
        ),
    ];
    for (name, help, of) in OBSERVED {
        to.pairs((name, ["launcher", "class"]), help, |one| {
            let counts = Some(one.cell.observed_counts()).filter(|counts| counts.is_any());
            let pairs = LauncherKind::ALL.into_iter().flat_map(|kind| Class::ALL.map(|class| (kind, class)));
            let count = |(kind, class): (LauncherKind, Class)| {
                counts.map(|counts| ([kind.as_str(), class.as_str()], of(counts.of(kind, class))))
            };
            pairs.filter_map(count).collect()
        })?;
    }
    let help = "Failures of others that a policy had only counted";
    to.counter("taskwatch_observed_ignored", help, |one| one.cell.observed_counts().ignored.get())
}

/// How long things took.
fn times(to: &mut Sheet<'_, '_>) -> Result<(), Error> {
    const TIMES: [(&str, &str, TimesOf); 3] = [
        (
            "taskwatch_event_lag",
            "Time from the arrival of an event in its queue until what follows from it is stored",
            |c| &c.event_lag,
        ),
        ("taskwatch_first_launch_wait", "Time from the acceptance of a run to its first RunTask call", |c| {
            &c.first_wait
        }),
        ("taskwatch_retry_launch_wait", "Time from when a retry was due to its RunTask call", |c| &c.retry_wait),
    ];
    const PHASES: [(&str, PhaseOf); 5] = [
        ("queue", |phases| &phases.queue),
        ("provisioning", |phases| &phases.provisioning),
        ("pull", |phases| &phases.pull),
        ("start", |phases| &phases.start),
        ("total", |phases| &phases.total),
    ];
    for (name, help, of) in TIMES {
        to.histograms(name, help, |one| vec![(None, of(one.cell.counters()))])?;
    }
    let help = "Times of the phases from the launch queue to RUNNING, by ECS's own times";
    to.histograms("taskwatch_start_phase", help, |one| {
        let phases = one.cell.phases();
        PHASES.map(|(phase, of)| (Some(("phase", phase)), of(phases))).into()
    })
}
