//! The metrics of a fleet's process as CloudWatch's embedded metric format: a line for each of its cells, as they come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Emf;
use crate::cell::Cell;
use crate::core::time::Timestamp;
use crate::fleet::Takeover;

/// Reports on the cells of a process from time to time.
pub struct FleetEmf {
    fleet: String,
    every: Duration,
    /// A cell that left and came back is another one, which counts from 0. When each is due again.
    reports: BTreeMap<(String, Timestamp), (Emf, Instant)>,
}

impl FleetEmf {
    /// Of a process of this fleet, a line for each cell so often.
    pub fn new(fleet: impl Into<String>, every: Duration) -> Self {
        Self { fleet: fleet.into(), every, reports: BTreeMap::new() }
    }

    /// The lines that are due: of a cell that is new, at once. `took` says how the process came by a cell.
    pub fn lines(&mut self, cells: &[Cell], took: impl Fn(&str) -> Option<Takeover>) -> Vec<String> {
        let (now, mut lines) = (Instant::now(), Vec::new());
        let key = |cell: &Cell| (cell.name().to_owned(), cell.began_at());
        self.reports.retain(|known, _| cells.iter().any(|cell| key(cell) == *known));
        for cell in cells {
            let new = || (Emf::new(cell.clone()).of_fleet(self.fleet.clone(), took(cell.name())), now);
            let (report, due) = self.reports.entry(key(cell)).or_insert_with(new);
            if *due <= now {
                lines.push(report.line());
                *due = now + self.every;
            }
        }
        lines
    }
}
