//! Puts a cell together, takes up what an earlier process left, and starts the parts that work on their own.

mod effects;
mod left;
mod parts;
mod start;
mod wiring;

use super::clock::Clock;
use super::config::{CellConfig, CellError, Ports};
use super::runs::{CheckSchedule, RunIndex};
use super::shared::Shared;
use crate::core::time::Timestamp;
use crate::store::{Change, Contents};
use left::Left;
pub(super) use parts::Parts;
use wiring::{Builder, Built};

/// The note of the store that says whose runs it has.
const NOTE: &str = "cell";

/// Begins a cell on what its store holds.
pub(super) async fn start(config: CellConfig, ports: Ports, shared: Shared) -> Result<Parts, CellError> {
    check_name(&config.name)?;
    let contents = ports.store.load().await?;
    let is_noted = is_noted(&config.name, &contents)?;
    let index = RunIndex::new(CheckSchedule::new(config.reconcile_after, config.poll, ports.clock.now()));
    let Contents { notes, undelivered, runs, .. } = contents;
    let (left, noted_at) = Left::read(runs, &index, ports.clock.now()).await?;
    let ports = Ports { clock: set_forward(ports.clock.clone(), noted_at), ..ports };
    let built: Built = Builder::new(config, ports, shared, &notes, index).build(&notes);
    built.parts.delivery.take_up(&undelivered);
    if !is_noted {
        built.parts.pipeline.commit_first(vec![Change::Note { name: NOTE.into(), text: built.parts.name.clone() }]);
    }
    left.take_up(&built);
    Ok(built.start())
}

/// `startedBy` takes letters, digits, hyphen, underscore and slash (API reference, RunTask).
fn check_name(name: &str) -> Result<(), CellError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    let is_name = (1..=64).contains(&name.len()) && name.chars().all(fits);
    if is_name { Ok(()) } else { Err(CellError::Name(name.to_owned())) }
}

/// Whether the store says that it is this cell's. One in which nothing is open may become another's.
fn is_noted(name: &str, contents: &Contents) -> Result<bool, CellError> {
    let Some(theirs) = contents.notes.get(NOTE) else { return Ok(false) };
    if theirs != name && contents.open > 0 {
        return Err(CellError::OtherCell { theirs: theirs.clone(), ours: name.to_owned(), open: contents.open });
    }
    Ok(theirs == name)
}

/// A clock that was set back since the store was written would put off every deadline by as much: the cell counts on from
/// the last instant that the store has seen.
fn set_forward(clock: Clock, seen: Option<Timestamp>) -> Clock {
    let Some(seen) = seen else { return clock };
    let (clock, behind) = clock.not_before(seen);
    if !behind.is_zero() {
        let behind = behind.as_secs_f64();
        tracing::warn!(%seen, behind, "this machine's clock is behind what the store has seen; the cell counts on from there: set the clock");
    }
    clock
}
