//! `/metrics`: the cell for Prometheus, in the OpenMetrics text format.
//!
//! Names and units follow <https://prometheus.io/docs/practices/naming/>. Labels are of bounded sets only: statuses, classes,
//! phases, and the longest queues; never runs or task definitions.

use std::fmt::Error;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Registry, Unit};

use super::Api;
use super::summary::longest;
use crate::cell::{Cell, RunCounts, STEPS, Times};
use crate::core::failure::Class;
use crate::core::run::Status;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Shows the cell's metrics in the OpenMetrics text format, for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "cell", operation_id = "metrics",
    responses((status = 200, description = "OpenMetrics text", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8")))]
pub(super) async fn metrics(State(api): State<Api>) -> Response {
    let mut text = String::new();
    let mut registry = Registry::default();
    let counts = api.cell.counts().await;
    registry.register_collector(Box::new(OfCell(api.cell, counts)));
    // Writing into a string cannot fail.
    let _ = prometheus_client::encoding::text::encode(&mut text, &registry);
    ([(header::CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS))], text).into_response()
}

struct OfCell(Cell, RunCounts);

impl std::fmt::Debug for OfCell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OfCell").field(&self.0.name()).finish()
    }
}

type Encoder<'a> = DescriptorEncoder<'a>;

impl Collector for OfCell {
    fn encode(&self, mut encoder: Encoder<'_>) -> Result<(), Error> {
        let to = &mut encoder;
        state(to, &self.0, &self.1)?;
        counters(to, &self.0)?;
        times(to, &self.0)
    }
}

/// What rises and falls.
fn state(to: &mut Encoder<'_>, cell: &Cell, counts: &RunCounts) -> Result<(), Error> {
    let vitals = cell.vitals();
    let limits = cell.limits();
    let build = [("version", env!("CARGO_PKG_VERSION")), ("cell", cell.name())];
    let info = to.encode_descriptor("taskwatch_build", "The program and the cell", None, MetricType::Info)?;
    info_of(info, &build)?;
    let ready = usize::from(vitals.not_ready.is_empty());
    gauge(
        to,
        "taskwatch_ready",
        "1 when the cell receives, its store takes changes and ECS answers: as /readyz",
        ready as f64,
    )?;
    let by_status =
        Status::ALL.map(|status| (status.as_str(), counts.statuses.get(&status).copied().unwrap_or(0) as f64));
    gauges(
        to,
        "taskwatch_runs",
        "Runs by status: open ones, and ended ones for as long as they are kept",
        "status",
        by_status,
    )?;
    let queues = longest(vitals.waiting.clone());
    let others = vitals.waiting.values().sum::<usize>() - queues.values().sum::<usize>();
    gauge(
        to,
        "taskwatch_waiting_runs_in_other_queues",
        "Runs waiting in queues beyond the 100 longest",
        others as f64,
    )?;
    let waiting = queues.iter().map(|(queue, n)| (queue.as_str(), *n as f64));
    gauges(to, "taskwatch_waiting_runs", "Runs waiting for a launch slot, by queue", "queue", waiting)?;
    gauge(to, "taskwatch_in_flight_runs", "Runs that may have a task", vitals.in_flight as f64)?;
    gauge(to, "taskwatch_in_flight_runs_limit", "Most runs that may have a task", limits.max_in_flight as f64)?;
    gauge(to, "taskwatch_launch_rate_limit", "Tasks that may be placed a second", limits.run_task_rate)?;
    gauge(to, "taskwatch_pauses", "Queues and task definitions that are paused", limits.pauses.len() as f64)?;
    // Every class, so that an open breaker is a rise from 0 and not the first sight of a series.
    let breakers = cell.open_breakers();
    let by_class = Class::ALL
        .map(|class| (class.as_str(), breakers.iter().filter(|breaker| breaker.class == class).count() as f64));
    gauges(
        to,
        "taskwatch_circuit_breakers_open",
        "Open circuit breakers: reasons for which launches of task definitions are paused",
        "class",
        by_class,
    )?;
    let failing = cell.delivery_failures().len() as f64;
    gauge(
        to,
        "taskwatch_failing_destinations",
        "Topics and buses to which notifications cannot be delivered",
        failing,
    )?;
    gauge(to, "taskwatch_outbox_notifications", "Notifications that nobody has taken yet", vitals.outbox as f64)?;
    let (age, help) =
        (vitals.outbox_age.as_secs_f64(), "How long ago the oldest of these notifications happened, or 0");
    gauge_in(to, "taskwatch_outbox_oldest_age", help, Some(&Unit::Seconds), age)?;
    let began = cell.began_at().millis() as f64 / 1000.0;
    gauge_in(to, "taskwatch_start_time", "When the cell began, since the epoch", Some(&Unit::Seconds), began)
}

/// What only rises.
fn counters(to: &mut Encoder<'_>, cell: &Cell) -> Result<(), Error> {
    let c = cell.counters();
    for (name, help, count) in [
        ("taskwatch_requests_accepted", "Runs accepted", &c.accepted),
        ("taskwatch_requests_refused", "Requests of the requests queue refused", &c.refused),
        ("taskwatch_run_task_calls", "RunTask calls", &c.launches),
        ("taskwatch_run_task_throttles", "RunTask calls throttled", &c.throttles),
        ("taskwatch_events", "Task events of this cell", &c.events),
        ("taskwatch_events_foreign", "Events that are not this cell's", &c.foreign),
        (
            "taskwatch_duplicate_cell_name_events",
            "Events of foreign tasks with this cell's name: another cell has the same name",
            &c.duplicate_cell_name,
        ),
        ("taskwatch_events_malformed", "Messages of the events queue that are no events", &c.malformed),
        (
            "taskwatch_messages_undeleted",
            "Messages of either queue that could not be deleted; they come again and change nothing",
            &c.undeleted,
        ),
        ("taskwatch_stray_tasks", "Tasks of this cell that no run had; they are stopped", &c.strays),
        ("taskwatch_corrections", "Events that were lost: DescribeTasks told what they should have", &c.corrections),
        ("taskwatch_notifications", "Notifications delivered", &c.notified),
        (
            "taskwatch_notifications_rejected",
            "Notifications that a topic or bus rejected; they are kept and tried again",
            &c.notifications_rejected,
        ),
        (
            "taskwatch_circuit_breakers_opened",
            "Times that a circuit breaker opened and paused a task definition",
            &c.breakers_opened,
        ),
    ] {
        let counter = ConstCounter::new(count.get());
        counter.encode(to.encode_descriptor(name, help, None, MetricType::Counter)?)?;
    }
    let totals = cell.vitals().totals;
    // From 0 all of them: the first of a series that begins at 1 is no increase, and would alarm nobody.
    let finals = Status::ALL.into_iter().filter(|status| status.is_final());
    let ended = finals.map(|status| (status.as_str(), totals.ended.get(&status).copied().unwrap_or(0)));
    counter_family(to, "taskwatch_runs_ended", "Runs ended, by status", "status", ended)?;
    let failures = Class::ALL.map(|class| (class.as_str(), totals.failures.get(&class).copied().unwrap_or(0)));
    counter_family(to, "taskwatch_attempts_failed", "Attempts failed, by class", "class", failures)
}

/// How long things took.
fn times(to: &mut Encoder<'_>, cell: &Cell) -> Result<(), Error> {
    let counters = cell.counters();
    for (name, help, times) in [
        (
            "taskwatch_event_lag",
            "From an event's arrival in its queue to its decision being durable",
            &counters.event_lag,
        ),
        ("taskwatch_first_launch_wait", "From a run's acceptance to RunTask", &counters.first_wait),
        ("taskwatch_retry_launch_wait", "From the instant a retry was due to RunTask", &counters.retry_wait),
    ] {
        let mut histogram = to.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        let (sum, count, steps) = steps(times);
        histogram.encode_histogram::<NoLabelSet>(sum, count, &steps, None)?;
    }
    let phases = cell.phases();
    let help = "From the launch queue to RUNNING, by phase, by ECS's own times";
    let mut family =
        to.encode_descriptor("taskwatch_start_phase", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    for (phase, times) in [
        ("queue", &phases.queue),
        ("provisioning", &phases.provisioning),
        ("pull", &phases.pull),
        ("start", &phases.start),
        ("total", &phases.total),
    ] {
        let (sum, count, steps) = steps(times);
        family.encode_family(&[("phase", phase)])?.encode_histogram::<NoLabelSet>(sum, count, &steps, None)?;
    }
    Ok(())
}

fn steps(times: &Times) -> (f64, u64, Vec<(f64, u64)>) {
    let counted = times.steps();
    let mut steps: Vec<(f64, u64)> = STEPS.into_iter().zip(counted.counts).collect();
    steps.push((f64::INFINITY, counted.count - counted.counts.iter().sum::<u64>()));
    (counted.sum_seconds, counted.count, steps)
}

fn gauge(to: &mut Encoder<'_>, name: &str, help: &str, value: f64) -> Result<(), Error> {
    gauge_in(to, name, help, None, value)
}

fn gauge_in(to: &mut Encoder<'_>, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> Result<(), Error> {
    ConstGauge::new(value).encode(to.encode_descriptor(name, help, unit, MetricType::Gauge)?)
}

fn gauges<'l>(
    to: &mut Encoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'l str, f64)>,
) -> Result<(), Error> {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (value, number) in values {
        ConstGauge::new(number).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

fn counter_family<'l>(
    to: &mut Encoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    values: impl IntoIterator<Item = (&'l str, u64)>,
) -> Result<(), Error> {
    let mut family = to.encode_descriptor(name, help, None, ConstCounter::<u64>::TYPE)?;
    for (value, number) in values {
        ConstCounter::new(number).encode(family.encode_family(&[(label, value)])?)?;
    }
    Ok(())
}

fn info_of(mut info: prometheus_client::encoding::MetricEncoder<'_>, labels: &[(&str, &str)]) -> Result<(), Error> {
    info.encode_info(&labels.to_vec())
}
