//! The log of a cell in a table of DynamoDB: group commits in a ring of items, each written under a condition on its own place,
//! with snapshots behind it. That condition is the fence: a replaced owner finds its next place taken, whatever it believes.
//!
//! Two things DynamoDB gives are all that safety rests on: a write of one item under a condition is atomic, and a consistent
//! read sees every write that was acknowledged before it
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html>). No clock, no lease, no
//! transaction, and nothing that is read from an index.

mod cell;
mod claims;
mod directory;
mod follow;
mod journal;
mod keys;
mod link;
mod record;
mod replay;
mod ring;
mod rows;
mod rules;
#[cfg(test)]
mod sim;
mod snapshot;
mod table;
mod takeover;

pub use directory::{AddError, Beat, CellRow, Directory, FORMAT, FleetNote, FleetRows, NewCell, ProcessRow};
pub use table::{
    Attributes, Batch, Condition, Conditional, Delete, ENDED, ENDED_ID, ENDED_ON, ENDED_SHOWS, Item, Items, Key,
    Malformed, Name, Put, Query, TTL, Table, TableError, Update, Value,
};
