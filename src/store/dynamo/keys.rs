//! The keys of the table's items.
//!
//! | item | pk | sk |
//! |---|---|---|
//! | a cell | `FLEET` | by its name |
//! | a process | `FLEET` | by the name of its incarnation |
//! | what operators changed for a fleet | `FLEET` | by the fleet's name |
//! | a place of its log | `L#cell#partition` | the place in the partition |
//! | a chunk of its snapshot | `S#cell#A` or `S#cell#B` and `#chunk` | 0 |
//! | a request's name | `N#name` | 0; 1 + n for the n-th run of an array |
//!
//! In the index of ended runs: `E#day#shard`, by the day on which the run was submitted, since 1970.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::table::Key;

/// The partition of cells and processes: one query reads all of them.
pub(super) const FLEET: &str = "FLEET";

/// The item of a cell. Its sort key is a number between 1 and 2^62; the item has the name itself.
pub(super) fn cell(name: &str) -> Key {
    of_fleet(&format!("cell {name}"))
}

/// The row of a process, by the name of its incarnation.
pub(super) fn process(id: &str) -> Key {
    of_fleet(&format!("process {id}"))
}

/// What operators changed for the whole fleet.
pub(super) fn note(fleet: &str) -> Key {
    of_fleet(&format!("note {fleet}"))
}

fn of_fleet(what: &str) -> Key {
    let digest = Sha256::digest(what);
    let first = digest.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    Key { pk: FLEET.into(), sk: (first >> 2).max(1) }
}

/// A partition of a cell's log.
pub(super) fn log(cell: &str, partition: u64) -> Arc<str> {
    format!("L#{cell}#{partition}").into()
}

/// A chunk of a cell's snapshot.
pub(super) fn chunk(cell: &str, slot: &str, chunk: u64) -> Key {
    Key { pk: format!("S#{cell}#{slot}#{chunk}").into(), sk: 0 }
}

/// All rows of a request's name.
pub(super) fn name(name: &str) -> Arc<str> {
    format!("N#{name}").into()
}

/// The row of a request, or of one of the runs of an array.
pub(super) fn row(request: &str, index: Option<u32>) -> Key {
    Key { pk: name(request), sk: index.map_or(0, |index| 1 + u64::from(index)) }
}

/// Partitions of the index for one day.
pub(super) const SHARDS: u64 = 8;
const DAY_MILLIS: u128 = 86_400_000;

/// The day on which a run was submitted, since 1970: a UUIDv7 begins with its milliseconds (RFC 9562).
pub(super) fn day_of(id: Uuid) -> u64 {
    u64::try_from((id.as_u128() >> 80) / DAY_MILLIS).unwrap_or_default()
}

/// The lowest id of a day.
pub(super) const fn first_of(day: u64) -> Uuid {
    Uuid::from_u128((day as u128 * DAY_MILLIS) << 80)
}

/// A partition of the index of ended runs.
pub(super) fn ended(day: u64, shard: u64) -> Arc<str> {
    format!("E#{day}#{shard}").into()
}

/// The partition of the index that a run is in.
pub(super) fn ended_of(id: Uuid) -> Arc<str> {
    ended(day_of(id), u64::from(id.as_bytes()[15]) % SHARDS)
}
