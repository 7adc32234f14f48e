//! What is assumed: the load, AWS's quotas, how often what fails, and what befalls the fleet.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

/// Tasks of one request.
pub(crate) const ARRAY: usize = 100;
/// Zones of the region; a request names one, and the others for later attempts.
pub(crate) const ZONES: usize = 3;
/// Every second request asks for Fargate Spot, so one task in twenty is interrupted.
pub(crate) const INTERRUPTED: f64 = 0.1;
/// Its network interface never comes: it stops after three minutes.
pub(crate) const NO_INTERFACE: f64 = 0.01;
/// Its image cannot be pulled in time.
pub(crate) const NO_IMAGE: f64 = 0.02;
/// RunTask finds no capacity, in a zone that has some.
pub(crate) const NO_CAPACITY: f64 = 0.01;
/// Its program ends with 1.
pub(crate) const FAILED: f64 = 0.01;
/// Events that are lost, and that come twice.
pub(crate) const EVENT_LOST: f64 = 0.01;
pub(crate) const EVENT_TWICE: f64 = 0.05;
/// AWS's default quotas (Amazon ECS developer guide): reads a second, and at once. They are not raised.
pub(crate) const READS: (f64, f64) = (20.0, 100.0);

/// One simulation.
#[derive(Clone)]
pub(crate) struct Plan {
    /// Within `arrival`, evenly.
    pub(crate) runs: usize,
    pub(crate) arrival: Duration,
    pub(crate) cells: usize,
    pub(crate) processes: usize,
    /// Tasks a second, on Fargate and on Fargate Spot each; as many RunTask calls.
    pub(crate) rate: f64,
    pub(crate) burst: u32,
    pub(crate) seed: u64,
    pub(crate) out: Option<String>,
    /// One zone has no capacity.
    pub(crate) zone_is_full: Range<Duration>,
    /// EventBridge delivers nothing; what it has it delivers within the minute after.
    pub(crate) is_silent: Range<Duration>,
    /// A process is lost so often, and another begins a minute later.
    pub(crate) loss_every: Duration,
    /// All processes are replaced by newer ones, one after the other.
    pub(crate) deployment: Duration,
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}

impl Plan {
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut plan = Self {
            runs: 1_000_000,
            arrival: minutes(60),
            cells: 40,
            processes: 12,
            rate: 200.0,
            burst: 1_000,
            seed: 1,
            out: None,
            zone_is_full: minutes(5)..minutes(25),
            is_silent: minutes(35)..minutes(65),
            loss_every: minutes(10),
            deployment: minutes(28),
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            let number = |text: String| text.parse::<u64>().map_err(|_| format!("{name} {text}: no whole number"));
            match name.as_str() {
                "--runs" => plan.runs = number(value()?)? as usize,
                "--cells" => plan.cells = number(value()?)?.max(1) as usize,
                "--processes" => plan.processes = number(value()?)?.max(1) as usize,
                "--rate" => plan.rate = number(value()?)?.max(1) as f64,
                "--burst" => plan.burst = number(value()?)?.max(1) as u32,
                "--seed" => plan.seed = number(value()?)?,
                "--out" => plan.out = Some(value()?),
                // Cargo's own.
                "--bench" => {}
                other => {
                    let known = "--runs, --cells, --processes, --rate, --burst, --seed, --out";
                    return Err(format!("{other}: not known ({known})"));
                }
            }
        }
        Ok(plan)
    }

    pub(crate) fn requests(&self) -> usize {
        self.runs.div_ceil(ARRAY)
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |at: Duration| at.as_secs() / 60;
        let range = |range: &Range<Duration>| format!("{} to {}", minutes(range.start), minutes(range.end));
        writeln!(
            f,
            "{} runs within {} min, {ARRAY} a request; {} cells on {} processes",
            self.runs,
            minutes(self.arrival),
            self.cells,
            self.processes
        )?;
        writeln!(
            f,
            "quotas: {} tasks a second and {} at once, on Fargate and on Spot each; {} RunTask calls a second; {} reads a second",
            self.rate, self.burst, self.rate, READS.0
        )?;
        writeln!(
            f,
            "tasks of 1 to 60 min (each length from one to double as likely as the next); every second one on Spot"
        )?;
        writeln!(
            f,
            "fail: interface {NO_INTERFACE}, image {NO_IMAGE}, capacity {NO_CAPACITY}, Spot {INTERRUPTED} of Spot's, program {FAILED}; events lost {EVENT_LOST}, twice {EVENT_TWICE}"
        )?;
        writeln!(
            f,
            "minutes: one zone of {ZONES} without capacity {}; a process lost every {}; all replaced from {}; no events {}",
            range(&self.zone_is_full),
            minutes(self.loss_every),
            minutes(self.deployment),
            range(&self.is_silent)
        )?;
        write!(f, "calls take: the table's 6 ms, ECS's 20 to 60 ms, SQS's and SNS's 10 ms")
    }
}
