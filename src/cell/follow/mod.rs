//! Following tasks: events first, DescribeTasks behind them, and what is due.

mod corrections;
mod deadlines;
mod deciders;
mod describe;
mod events;
mod foreign;
mod handler;
mod reconcile;

pub(super) use corrections::{Corrections, count_corrections};
pub(super) use deadlines::Timekeeper;
pub(super) use deciders::Deciders;
pub(super) use describe::Describer;
pub(super) use events::TaskEvents;
pub(super) use foreign::{Heard, Observes};
pub(super) use handler::{CarriedOut, CarriesOut, EventsHandler};
pub(super) use reconcile::Reconciler;
