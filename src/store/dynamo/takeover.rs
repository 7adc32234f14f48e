//! How a process takes a cell over: its next epoch, the snapshot, the log behind it, and the fence.

use std::sync::Arc;

use futures::future::{try_join, try_join_all};

use super::cell::{self, Layout};
use super::journal::{Journal, Opened};
use super::link::{JournalError, Link};
use super::record::{Author, Record};
use super::replay::{Replay, State};
use super::ring::{Position, Ring};
#[cfg(test)]
use super::rules::Rule;
use super::snapshot;
use super::table::{Items, Query};

/// Who takes a cell.
pub(super) struct Taker {
    /// A name of this start of the process, that no other has.
    pub(super) incarnation: Arc<str>,
    /// The epoch in which the cell is the taker's already; `None`: it is still to be taken.
    pub(super) taken: Option<u64>,
    /// How the cell is laid out if it is new.
    pub(super) layout: Layout,
    /// Most bytes of a record's body.
    pub(super) most: usize,
}

/// Takes a cell, reads what it has into `state`, and fences its earlier owners off. Whether they are alive does not matter:
/// whatever they write comes before the fence and is in the state, or never.
pub(super) async fn take_over<S: State>(
    link: Link,
    name: &str,
    taker: &Taker,
    mut state: S,
) -> Result<Journal<S>, JournalError> {
    let cell = match taker.taken {
        Some(epoch) => cell::taken(&link, name, epoch).await?,
        None => cell::take(&link, name, &taker.incarnation, taker.layout).await?,
    };
    let author = Author { epoch: cell.epoch, incarnation: Arc::clone(&taker.incarnation) };
    let ring = cell.ring(name);
    #[cfg(test)]
    let ring = if link.rules.keep(Rule::OverwritesOnly) { ring } else { ring.endless() };
    let from = cell.pointer.position;
    let chunks = snapshot::read(&link, name, cell.pointer, &mut state);
    let (chunks, mut records) = try_join(chunks, read_log(&link, &ring, from)).await?;
    records.sort_unstable_by_key(|record| record.position);
    let mut replay = Replay::new(state, from, link.rules);
    let behind = records.iter().map(|record| record.body.len()).sum();
    for record in records {
        // The partitions were not read at one instant: behind a gap there may be later records, and the fence will tell.
        if record.position != replay.next() {
            break;
        }
        if record.author.epoch > author.epoch {
            return Err(JournalError::Fenced { epoch: record.author.epoch });
        }
        replay.play(record)?;
    }
    let (cell, pointer) = (name.into(), cell.pointer);
    let journal =
        Journal::new(Opened { link, cell, ring, author, most: taker.most, replay, pointer, sizes: (behind, chunks) });
    journal.fence().await?;
    Ok(journal)
}

/// All records behind a snapshot, in no order.
pub(super) async fn read_log(link: &Link, ring: &Ring, snapshot: Position) -> Result<Vec<Record>, JournalError> {
    let partitions = ring.partitions_from(snapshot).map(|(pk, from)| read_partition(link, snapshot, pk, from));
    Ok(try_join_all(partitions).await?.into_iter().flatten().collect())
}

/// The records of a partition from a place on, round the ring, until one that the snapshot has.
async fn read_partition(
    link: &Link,
    snapshot: Position,
    pk: Arc<str>,
    first: u64,
) -> Result<Vec<Record>, JournalError> {
    let mut records = Vec::new();
    // Places rise with positions up to the end of the ring; then they begin anew.
    for (first, last) in [(first, u64::MAX), (0, first.saturating_sub(1))] {
        let mut from = first;
        while from <= last {
            let query = Query::Items { pk: Arc::clone(&pk), from, to: last };
            let Items { items, more } = link.again(|| link.table.query(query.clone())).await?;
            from = items.last().map_or(from, |item| item.key.sk + 1);
            for item in items {
                let record = Record::read(&item)?;
                if record.position <= snapshot {
                    return Ok(records);
                }
                records.push(record);
            }
            if !more {
                break;
            }
        }
        if first == 0 {
            break;
        }
    }
    Ok(records)
}
