//! Several cells in numbers, as if they were one.

use std::collections::BTreeMap;

use super::{Front, Of, OwnCells};
use crate::cell::{Bucket, Cell, Count, DeliveryFailure, Quantiles, RunCounts, Times, Totals, Vitals};
use crate::core::breaker::OpenBreaker;

/// The process's own cells, in numbers.
pub struct Figures {
    cells: OwnCells,
}

impl Front {
    /// Of the cells that the process serves now.
    pub fn figures(&self) -> Figures {
        Figures { cells: self.cells() }
    }

    /// How many runs there are, by status and by class of failure: of a fleet, those of all its cells.
    pub async fn counts(&self) -> RunCounts {
        let mut counts = match &self.parts.of {
            Of::Cell(cell) => return cell.counts().await,
            Of::Fleet(fleet) => fleet.elsewhere.counts().await,
        };
        for cell in self.cells().iter() {
            let RunCounts { statuses, failed } = cell.counts().await;
            add(&mut counts.statuses, statuses);
            add(&mut counts.failed, failed);
        }
        counts
    }

    /// The vitals of the process's own cells; of a fleet with the runs of the other cells that wait and that have a task.
    pub fn vitals(&self) -> Vitals {
        let mut vitals = self.figures().vitals();
        vitals.not_ready = self.hindrances().iter().map(ToString::to_string).collect();
        if let Some(elsewhere) = self.elsewhere() {
            add(&mut vitals.waiting, elsewhere.waiting());
            vitals.in_flight += elsewhere.in_flight();
        }
        if let Some(fleet) = self.fleet() {
            vitals.at = fleet.clock.now();
        }
        vitals
    }
}

impl Figures {
    /// How they are.
    pub fn vitals(&self) -> Vitals {
        let mut all = self.cells.iter().map(Cell::vitals);
        let Some(first) = all.next() else { return Vitals::default() };
        all.fold(first, joined)
    }

    /// What one of the counters of all has come to.
    pub fn count(&self, of: impl Fn(&Cell) -> &Count) -> u64 {
        self.cells.iter().map(|cell| of(cell).get()).sum()
    }

    /// How long something took over the last hour, in all of them.
    pub fn recent(&self, of: impl Fn(&Cell) -> &Times) -> Quantiles {
        Times::recent_of(self.cells.iter().map(of))
    }

    /// The task definitions that are not launched because they failed for the same reason again and again. One that several
    /// cells hold back is told as the one that did so first has it.
    pub fn open_breakers(&self) -> Vec<OpenBreaker> {
        let mut open: BTreeMap<(String, String), OpenBreaker> = BTreeMap::new();
        for breaker in self.cells.iter().flat_map(Cell::open_breakers) {
            let key = (breaker.task_definition.clone(), breaker.error.clone());
            match open.get_mut(&key) {
                Some(first) if first.paused_at <= breaker.paused_at => first.failures += breaker.failures,
                Some(first) => {
                    let failures = first.failures + breaker.failures;
                    *first = OpenBreaker { failures, ..breaker };
                }
                None => drop(open.insert(key, breaker)),
            }
        }
        open.into_values().collect()
    }

    /// The destinations to which notifications cannot be delivered.
    pub fn delivery_failures(&self) -> Vec<DeliveryFailure> {
        let mut failing: BTreeMap<String, DeliveryFailure> = BTreeMap::new();
        for failure in self.cells.iter().flat_map(Cell::delivery_failures) {
            match failing.get_mut(&failure.destination) {
                Some(same) => same.rejected += failure.rejected,
                None => drop(failing.insert(failure.destination.clone(), failure)),
            }
        }
        failing.into_values().collect()
    }
}

fn add<K: Ord, N: std::ops::AddAssign + Default>(to: &mut BTreeMap<K, N>, more: BTreeMap<K, N>) {
    for (key, n) in more {
        *to.entry(key).or_default() += n;
    }
}

fn joined(mut all: Vitals, one: Vitals) -> Vitals {
    all.at = all.at.max(one.at);
    add(&mut all.waiting, one.waiting);
    all.in_flight += one.in_flight;
    all.outbox += one.outbox;
    all.outbox_age = all.outbox_age.max(one.outbox_age);
    all.launch_rate += one.launch_rate;
    all.not_ready.extend(one.not_ready);
    all.minutes = minutes(all.minutes, one.minutes);
    let Totals { ended, failures } = one.totals;
    add(&mut all.totals.ended, ended);
    add(&mut all.totals.failures, failures);
    all
}

fn minutes(some: Vec<Bucket>, more: Vec<Bucket>) -> Vec<Bucket> {
    let mut by_time: BTreeMap<_, Bucket> = BTreeMap::new();
    for minute in some.into_iter().chain(more) {
        let all = by_time.entry(minute.at).or_insert_with(|| Bucket { at: minute.at, ..Bucket::default() });
        all.submitted += minute.submitted;
        all.launched += minute.launched;
        all.started += minute.started;
        all.throttles += minute.throttles;
        all.corrections += minute.corrections;
        all.events += minute.events;
        add(&mut all.ended, minute.ended);
        add(&mut all.failures, minute.failures);
    }
    by_time.into_values().collect()
}
