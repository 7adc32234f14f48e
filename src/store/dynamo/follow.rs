//! Reads along the log of a cell that another process owns, or nobody. A reader writes nothing, and owns nothing: what it
//! knows was true a moment ago.

use std::sync::Arc;

use super::cell::{self, Cell};
use super::link::{JournalError, Link};
use super::record::Record;
use super::replay::{Replay, State};
use super::ring::{Position, Ring};
use super::rules::Rule;
use super::snapshot;
use super::table::{Batch, Item, Key};
use super::takeover::read_log;

/// Places that are looked at in one call, at first and at most: records of 350 kB are less than the 16 MB that an answer may
/// have (API reference, `BatchGetItem`), and an idle log costs the read of one place.
const FIRST: u64 = 1;
const MOST: u64 = 32;

/// What a look at the log came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// Nothing new, or no cell.
    Nothing,
    /// The state has more of the log.
    On,
    /// The state is another one, read from the snapshot: what lies between is not told.
    Anew,
}

/// A reader of a cell's log.
pub(super) struct Follower<S: State> {
    link: Link,
    cell: Arc<str>,
    empty: fn() -> S,
    reading: Option<Reading<S>>,
}

struct Reading<S> {
    ring: Ring,
    replay: Replay<S>,
}

impl<S: State> Follower<S> {
    /// It knows nothing as yet. `empty` is the state of a cell without a log.
    pub(super) fn new(link: Link, cell: Arc<str>, empty: fn() -> S) -> Self {
        Self { link, cell, empty, reading: None }
    }

    /// The state, up to where it was read.
    pub(super) fn state(&self) -> Option<&S> {
        self.reading.as_ref().map(|reading| &reading.replay.state)
    }

    /// Up to where of the log the state is.
    pub(super) fn position(&self) -> Position {
        self.reading.as_ref().map_or(0, |reading| reading.replay.whole())
    }

    /// Reads what is new. After an error the state is what it was, or is read anew the next time.
    pub(super) async fn catch_up(&mut self) -> Result<Followed, JournalError> {
        let Some(reading) = &mut self.reading else { return self.begin().await };
        let (before, mut places) = (reading.replay.next(), FIRST);
        loop {
            let next = reading.replay.next();
            let keys: Vec<Key> = (next..next + places).map(|position| reading.ring.key(position)).collect();
            let items = read(&self.link, &keys).await?;
            for key in &keys {
                let record = items.iter().find(|item| item.key == *key).map(Record::read).transpose()?;
                let next = reading.replay.next();
                match record {
                    // A later lap: what was there is gone, and is in a snapshot.
                    Some(later) if later.position > next && self.link.rules.keep(Rule::LappedReadsAgain) => {
                        self.reading = None;
                        return self.begin().await;
                    }
                    Some(record) if record.position >= next => reading.replay.play(record)?,
                    // Not written yet: the place has a record of an earlier lap, or none.
                    _ => return Ok(if next == before { Followed::Nothing } else { Followed::On }),
                }
            }
            // Of the ring each place once: the call takes no key twice.
            places = (places * 4).min(MOST).min(reading.ring.places());
        }
    }

    /// Reads the snapshot, and the log behind it.
    ///
    /// A snapshot has more than its position says, for it was taken while commits went on: the log must be read up to where
    /// it was when the snapshot was complete. As long as the pointer has not moved nothing of that was overwritten.
    async fn begin(&mut self) -> Result<Followed, JournalError> {
        let Some(mut cell) = cell::seen(&self.link, &self.cell).await? else { return Ok(Followed::Nothing) };
        loop {
            let read = self.read(&cell).await;
            let Some(now) = cell::seen(&self.link, &self.cell).await? else { return Ok(Followed::Nothing) };
            if now.pointer == cell.pointer || !self.link.rules.keep(Rule::PointerStood) {
                self.reading = Some(read?);
                return Ok(Followed::Anew);
            }
            cell = now;
        }
    }

    async fn read(&self, cell: &Cell) -> Result<Reading<S>, JournalError> {
        let (ring, from) = (cell.ring(&self.cell), cell.pointer.position);
        let mut state = (self.empty)();
        snapshot::read(&self.link, &self.cell, cell.pointer, &mut state).await?;
        let mut records = read_log(&self.link, &ring, from).await?;
        records.sort_unstable_by_key(|record| record.position);
        let mut replay = Replay::new(state, from, self.link.rules);
        for record in records {
            // Behind a gap there may be records that came while the places were read: they are read the next time.
            if record.position != replay.next() {
                break;
            }
            replay.play(record)?;
        }
        Ok(Reading { ring, replay })
    }
}

async fn read(link: &Link, keys: &[Key]) -> Result<Vec<Item>, JournalError> {
    let (mut found, mut unread) = (Vec::new(), keys.to_vec());
    while !unread.is_empty() {
        let Batch { items, unprocessed } = link.again(|| link.table.batch_get(unread.clone())).await?;
        found.extend(items);
        unread = unprocessed;
    }
    Ok(found)
}
