//! Cells in a table of DynamoDB. Of each there is a log: group commits in a ring of items, each written under a condition on its own place,
//! with snapshots behind it. That condition is the fence: a replaced owner finds its next place taken, whatever it believes.
//!
//! Two things DynamoDB gives are all that safety rests on: a write of one item under a condition is atomic, and a consistent
//! read sees every write that was acknowledged before it
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ConditionExpressions.html>,
//! <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.ReadConsistency.html>). No clock, no lease, no
//! transaction, and nothing that is read from an index.

mod cell;
mod claims;
mod commit;
mod directory;
mod ended;
#[cfg(any(test, debug_assertions, feature = "fake-table"))]
#[doc(hidden)]
pub mod fake;
mod follow;
mod history;
mod journal;
mod kept;
mod keys;
mod link;
mod owned;
mod reader;
mod reads;
mod record;
mod records;
mod redrive;
mod replay;
mod ring;
mod rows;
mod rules;
#[cfg(test)]
mod sim;
mod snapshot;
mod store;
mod table;
mod takeover;
mod writing;

pub use directory::{AddError, Beat, CellRow, Directory, FORMAT, FleetNote, FleetRows, NewCell, ProcessRow, owner_of};
pub use ended::Placed;
pub use owned::DynamoOptions;
pub use reader::{FleetReader, News};
pub use store::DynamoStore;
pub use table::{
    Attributes, Batch, Condition, Conditional, Delete, ENDED, ENDED_ID, ENDED_ON, ENDED_SHOWS, Item, Items, Key,
    Malformed, Name, Put, Query, TTL, Table, TableError, Update, Value,
};
