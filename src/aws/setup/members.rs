//! How many cells a fleet has.

use super::ask::{Ask, FleetAsk};
use super::owner::Owner;
use super::{Sdk, SetupError, found};

/// A new fleet's cells: two processes, which is what a fleet begins with, have two each, and one that is left has four.
const USUAL: u32 = 4;

/// The ask with its number of cells: as many as there are, where it names none.
///
/// # Errors
/// It names fewer than there are, or the first call that AWS refused.
pub(super) async fn counted(sdk: &Sdk, ask: &Ask) -> Result<Ask, SetupError> {
    let Some(fleet) = &ask.fleet else { return Ok(ask.clone()) };
    let there = count(sdk, ask, fleet.cells.unwrap_or(0)).await?;
    let cells = match (fleet.cells, there) {
        (Some(cells), there) if cells < there => {
            return Err(SetupError::usage(format!(
                "--cells is {cells}: the fleet {name} has {there} cells, and a cell stays, as its runs do. Give --cells {there}; for fewer make another fleet, send requests there, and tear this one down when its runs have ended",
                name = ask.name
            )));
        }
        (Some(cells), _) => cells,
        (None, 0) => USUAL,
        (None, there) => there,
    };
    Ok(with(ask, fleet, cells))
}

/// The ask with as many cells as a new fleet has, where it names no number.
pub(super) fn usual(ask: &Ask) -> Ask {
    match &ask.fleet {
        Some(fleet) => with(ask, fleet, fleet.cells.unwrap_or(USUAL)),
        None => ask.clone(),
    }
}

/// The ask with the cells that are there, and those that it names.
///
/// # Errors
/// The first call that AWS refused.
pub(super) async fn existing(sdk: &Sdk, ask: &Ask) -> Result<Ask, SetupError> {
    let Some(fleet) = &ask.fleet else { return Ok(ask.clone()) };
    let cells = count(sdk, ask, fleet.cells.unwrap_or(0)).await?;
    Ok(with(ask, fleet, cells))
}

fn with(ask: &Ask, fleet: &FleetAsk, cells: u32) -> Ask {
    Ask { fleet: Some(FleetAsk { cells: Some(cells), ..fleet.clone() }), ..ask.clone() }
}

/// How many cells there are, from 0 without a gap, beginning with this one: cells are made in order, and removed from the last.
async fn count(sdk: &Sdk, ask: &Ask, from: u32) -> Result<u32, SetupError> {
    let mut count = from;
    while has(sdk, ask, count).await? {
        count += 1;
    }
    Ok(count)
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
