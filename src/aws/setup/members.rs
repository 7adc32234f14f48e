//! Which cells a fleet has.

use super::ask::{Ask, FleetAsk};
use super::owner::Owner;
use super::rows::Rows;
use super::{Clients, Sdk, SetupError, found, table};
use crate::store::dynamo::CellRow;

/// A new fleet's cells: of two processes, with which a fleet begins, each has two, and one that is left has four.
const USUAL: u32 = 4;

/// The ask with as many cells as a new fleet has, where it names no number.
pub(super) fn usual(ask: &Ask) -> Ask {
    match &ask.fleet {
        Some(fleet) => with(ask, fleet, fleet.cells.unwrap_or(USUAL)),
        None => ask.clone(),
    }
}

fn with(ask: &Ask, fleet: &FleetAsk, cells: u32) -> Ask {
    Ask { fleet: Some(FleetAsk { cells: Some(cells), ..fleet.clone() }), ..ask.clone() }
}

/// What is there of a fleet's cells; of a cell without a fleet, nothing.
#[derive(Debug, Default)]
pub(super) struct Members {
    /// In the table.
    pub(super) rows: Vec<CellRow>,
    /// One above the highest number.
    count: u32,
}

impl Members {
    /// Looks at the table and, from the number that is asked for, at queues and rules: cells are made in order, and removed from
    /// the last.
    ///
    /// # Errors
    /// The first call that AWS refused.
    pub(super) async fn find(clients: &Clients, sdk: &Sdk, ask: &Ask) -> Result<Self, SetupError> {
        let Some(fleet) = &ask.fleet else { return Ok(Self::default()) };
        let rows = match table::found(sdk, &fleet.table).await? {
            Some(there) if there.can_be_read() => Rows::new(clients, &fleet.table, &ask.name).read().await?.cells,
            _ => Vec::new(),
        };
        let in_table =
            rows.iter().filter_map(|row| number(&ask.name, &row.name)).max().map_or(0, |highest| highest + 1);
        let mut count = in_table.max(fleet.cells.unwrap_or(0));
        while has(sdk, ask, count).await? {
            count += 1;
        }
        // What was only asked for is not there.
        let is_there = count > in_table && fleet.cells != Some(count);
        Ok(Self { rows, count: if is_there { count } else { in_table } })
    }

    /// The ask with its number of cells: as many as there are, where it names none.
    ///
    /// # Errors
    /// It names fewer than there are.
    pub(super) fn wanted(&self, ask: &Ask) -> Result<Ask, SetupError> {
        let Some(fleet) = &ask.fleet else { return Ok(ask.clone()) };
        match (fleet.cells, self.count) {
            (Some(cells), there) if cells < there => Err(SetupError::usage(format!(
                "--cells is {cells}: the fleet {name} has {there} cells, and a cell stays, as its runs do. Give --cells {there}; for fewer make another fleet, send requests there, and tear this one down when its runs have ended",
                name = ask.name
            ))),
            (None, there @ 1..) => Ok(with(ask, fleet, there)),
            _ => Ok(usual(ask)),
        }
    }

    /// The ask with the cells that are there, and those that it names.
    pub(super) fn existing(&self, ask: &Ask) -> Ask {
        match &ask.fleet {
            Some(fleet) => with(ask, fleet, self.count.max(fleet.cells.unwrap_or(0))),
            None => ask.clone(),
        }
    }
}

/// The number of a fleet's cell, by its name.
fn number(fleet: &str, cell: &str) -> Option<u32> {
    cell.strip_prefix(fleet)?.strip_prefix('-')?.parse().ok()
}

/// Whether something of a fleet's cell is there that `setup` made for it.
async fn has(sdk: &Sdk, ask: &Ask, number: u32) -> Result<bool, SetupError> {
    let cell = ask.member(number);
    let is_its = |owner: Option<Owner>| owner.as_ref() == Some(&cell.owner);
    for name in [cell.events(), format!("{}-dlq", cell.events())] {
        if found::queue(sdk, &name).await?.is_some_and(|queue| is_its(queue.made_for)) {
            return Ok(true);
        }
    }
    Ok(found::rule(sdk, &cell.rule()).await?.is_some_and(|rule| is_its(rule.made_for)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(cells: Option<u32>) -> Ask {
        Ask { name: "blue".into(), fleet: Some(FleetAsk { cells, table: "runs".into() }), ..Ask::default() }
    }

    fn cells(ask: &Ask) -> Option<u32> {
        ask.fleet.as_ref().and_then(|fleet| fleet.cells)
    }

    #[test]
    fn a_cell_has_its_number_in_its_name() {
        assert_eq!(number("blue", "blue-12"), Some(12));
        for other in ["blue", "blue-", "blue-x", "green-1", "blue2-1", "blue-1-0"] {
            assert_eq!(number("blue", other), None, "{other}");
        }
    }

    #[test]
    fn a_fleet_keeps_its_cells_and_gets_more() {
        let (none, three) = (Members::default(), Members { count: 3, rows: Vec::new() });
        assert_eq!(cells(&none.wanted(&ask(None)).unwrap()), Some(USUAL));
        assert_eq!(cells(&none.wanted(&ask(Some(2))).unwrap()), Some(2));
        assert_eq!(cells(&three.wanted(&ask(None)).unwrap()), Some(3));
        assert_eq!(cells(&three.wanted(&ask(Some(7))).unwrap()), Some(7));
        let fewer = three.wanted(&ask(Some(2))).unwrap_err();
        assert!(fewer.is_usage() && fewer.to_string().contains("has 3 cells"), "{fewer}");
        assert_eq!(cells(&three.existing(&ask(None))), Some(3));
        assert_eq!(cells(&three.existing(&ask(Some(7)))), Some(7), "as far as it is told to look");
    }
}
