//! What happened, and what it comes to.

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

/// Prices of us-east-1, as in docs/cost.md: a million write units, read units, requests of SQS, publishes; an hour of a process
/// with 0.5 vCPU and 1 GB.
const WRITES: f64 = 0.625;
const READS: f64 = 0.125;
const REQUESTS: f64 = 0.40;
const PUBLISHES: f64 = 0.50;
const PROCESS: f64 = 0.5 * 0.04048 + 0.004445;

/// Counts, as they rise.
#[derive(Clone, Default)]
pub(crate) struct Record {
    pub(crate) submitted: usize,
    pub(crate) launched: usize,
    pub(crate) refused: usize,
    /// Tasks of calls that were let through, on demand and on Spot: what the two quotas count.
    pub(crate) asked: [usize; 2],
    pub(crate) ended: usize,
    pub(crate) events: usize,
    pub(crate) run_task_calls: usize,
    pub(crate) describe_calls: usize,
    pub(crate) other_calls: usize,
    pub(crate) throttled: usize,
    pub(crate) write_units: f64,
    pub(crate) read_units: f64,
    pub(crate) sqs_requests: usize,
    pub(crate) publishes: usize,
    pub(crate) killed: usize,
    pub(crate) replaced: usize,
    pub(crate) minutes: Vec<Minute>,
    pub(crate) told: Told,
}

/// Which runs were told of, under which id, and how long after their end.
#[derive(Clone, Default)]
pub(crate) struct Told {
    ids: HashMap<String, Uuid>,
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    pub(crate) again: usize,
    /// Milliseconds: while events come, and while they do not.
    pub(crate) after: [Vec<u32>; 2],
}

impl Told {
    pub(crate) fn count(&self) -> usize {
        self.ids.len()
    }

    /// A run's end, told under this id; `after`: since its task's end.
    pub(crate) fn add(&mut self, run: String, id: Uuid, succeeded: bool, after: Option<Duration>, silent: bool) {
        match self.ids.insert(run, id) {
            Some(before) if before != id => self.again += 1,
            Some(_) => {}
            None => {
                *(if succeeded { &mut self.succeeded } else { &mut self.failed }) += 1;
                let millis = after.map(|after| after.as_millis().min(u128::from(u32::MAX)) as u32);
                self.after[usize::from(silent)].extend(millis);
            }
        }
    }
}

/// A minute of the timeline.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Minute {
    pub(crate) minute: u64,
    pub(crate) submitted: usize,
    pub(crate) launched: usize,
    pub(crate) refused: usize,
    pub(crate) asked: [usize; 2],
    pub(crate) calls: usize,
    pub(crate) ended: usize,
    pub(crate) told: usize,
    pub(crate) waiting: usize,
    /// Of them, on demand and on Spot.
    pub(crate) waiting_by_kind: [usize; 2],
    pub(crate) live: usize,
    pub(crate) open: usize,
    pub(crate) most_open_of_a_cell: usize,
    pub(crate) served: usize,
    pub(crate) throttled: usize,
    pub(crate) memory_mb: f64,
}

/// What it came to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    pub(crate) plan: String,
    pub(crate) runs: usize,
    pub(crate) told: usize,
    pub(crate) succeeded: usize,
    pub(crate) failed: usize,
    pub(crate) told_twice: usize,
    pub(crate) ran_twice: usize,
    pub(crate) tasks: usize,
    pub(crate) refused: usize,
    pub(crate) run_task_calls: usize,
    pub(crate) describe_tasks_calls: usize,
    pub(crate) other_calls: usize,
    pub(crate) throttled: usize,
    pub(crate) events: usize,
    pub(crate) killed: usize,
    pub(crate) replaced: usize,
    pub(crate) takeovers: [u64; 2],
    pub(crate) done_after_minutes: f64,
    pub(crate) told_after_ms: [[u32; 3]; 2],
    pub(crate) used_of_quotas_while_runs_waited: [f64; 2],
    pub(crate) dollars: [f64; 5],
    pub(crate) hours: f64,
    pub(crate) processes: usize,
    pub(crate) peak_open_of_a_cell: usize,
    pub(crate) peak_memory_mb: f64,
    pub(crate) minutes: Vec<Minute>,
}

/// Half, 99 of 100, and all are at most so large.
fn quantiles(mut of: Vec<u32>) -> [u32; 3] {
    of.sort_unstable();
    [0.5, 0.99, 1.0].map(|part: f64| {
        let place = (part * of.len() as f64).ceil() as usize;
        of.get(place.saturating_sub(1)).copied().unwrap_or(0)
    })
}

/// The world at its end, for [`Outcome::of`].
pub(crate) struct End {
    pub(crate) plan: crate::plan::Plan,
    pub(crate) ran_twice: usize,
    pub(crate) takeovers: [u64; 2],
    pub(crate) passed: Duration,
}

impl Outcome {
    pub(crate) fn of(record: &Record, end: &End) -> Self {
        let hours = end.passed.as_secs_f64() / 3_600.0;
        let million = |n: f64, price: f64| n * price / 1e6;
        let dollars = [
            million(record.write_units, WRITES),
            million(record.read_units, READS),
            million(record.sqs_requests as f64, REQUESTS),
            million(record.publishes as f64, PUBLISHES),
            hours * end.plan.processes as f64 * PROCESS,
        ];
        let told = &record.told;
        Self {
            plan: end.plan.to_string(),
            runs: end.plan.requests() * crate::plan::ARRAY,
            told: told.count(),
            succeeded: told.succeeded,
            failed: told.failed,
            told_twice: told.again,
            ran_twice: end.ran_twice,
            tasks: record.launched,
            refused: record.refused,
            run_task_calls: record.run_task_calls,
            describe_tasks_calls: record.describe_calls,
            other_calls: record.other_calls,
            throttled: record.throttled,
            events: record.events,
            killed: record.killed,
            replaced: record.replaced,
            takeovers: end.takeovers,
            done_after_minutes: end.passed.as_secs_f64() / 60.0,
            told_after_ms: told.after.clone().map(quantiles),
            used_of_quotas_while_runs_waited: [0, 1].map(|kind| used(&record.minutes, kind, end.plan.rate)),
            dollars,
            hours,
            processes: end.plan.processes,
            peak_open_of_a_cell: record.minutes.iter().map(|minute| minute.most_open_of_a_cell).max().unwrap_or(0),
            peak_memory_mb: record.minutes.iter().map(|minute| minute.memory_mb).fold(0.0, f64::max),
            minutes: record.minutes.clone(),
        }
    }

    /// Nothing was lost, ran twice, or was told twice.
    pub(crate) fn is_right(&self) -> bool {
        self.told == self.runs && self.told_twice + self.ran_twice == 0
    }
}

/// Of the quota of one kind, in minutes that began and ended with more runs waiting for it than ten seconds of it take: fewer are those
/// that have just come. A task that was refused for want of capacity has used it too.
fn used(minutes: &[Minute], kind: usize, rate: f64) -> f64 {
    let waits = |minute: &Minute| minute.waiting_by_kind[kind] as f64 > 10.0 * rate;
    let busy = minutes.windows(2).filter(|pair| pair.iter().all(waits));
    let busy: Vec<f64> = busy.map(|pair| pair[1].asked[kind] as f64 / (rate * 60.0)).collect();
    busy.iter().sum::<f64>() / busy.len().max(1) as f64
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [calm, silent] = &self.told_after_ms;
        let seconds = |of: &[u32; 3]| of.map(|ms| format!("{:.2}", f64::from(ms) / 1_000.0)).join(" / ");
        let [writes, reads, requests, publishes, processes] = self.dollars;
        let all = self.dollars.iter().sum::<f64>();
        writeln!(f, "\n| | |\n|---|---|")?;
        writeln!(
            f,
            "| runs accounted for | {} of {}: {} succeeded, {} failed |",
            self.told, self.runs, self.succeeded, self.failed
        )?;
        writeln!(
            f,
            "| lost, ran twice, told twice | {}, {}, {} |",
            self.runs.saturating_sub(self.told),
            self.ran_twice,
            self.told_twice
        )?;
        writeln!(f, "| tasks | {}; {} launches refused for capacity |", self.tasks, self.refused)?;
        writeln!(f, "| the last run told of | after {:.1} min |", self.done_after_minutes)?;
        writeln!(f, "| from a task's end to its notification, s: p50 / p99 / most | {} |", seconds(calm))?;
        writeln!(f, "| the same, told while EventBridge delivered nothing | {} |", seconds(silent))?;
        writeln!(
            f,
            "| calls | RunTask {}, DescribeTasks {}, others {}; {} throttled |",
            self.run_task_calls, self.describe_tasks_calls, self.other_calls, self.throttled
        )?;
        writeln!(
            f,
            "| of a launch quota used in minutes that began and ended with runs waiting for it: on demand, on Spot | {:.0} %, {:.0} % |",
            100.0 * self.used_of_quotas_while_runs_waited[0],
            100.0 * self.used_of_quotas_while_runs_waited[1]
        )?;
        writeln!(
            f,
            "| processes lost, replaced; cells taken over from dead ones, handed over | {}, {}; {}, {} |",
            self.killed, self.replaced, self.takeovers[0], self.takeovers[1]
        )?;
        writeln!(
            f,
            "| dollars, for all {:.2} h | {all:.2}: writes {writes:.2}, reads {reads:.2}, SQS {requests:.2}, SNS {publishes:.2}, processes {processes:.2} |",
            self.hours
        )?;
        writeln!(f, "| most open runs in a cell | {} |", self.peak_open_of_a_cell)?;
        write!(
            f,
            "| memory of the whole simulation, the table and the queues included | {:.0} MB |",
            self.peak_memory_mb
        )
    }
}
