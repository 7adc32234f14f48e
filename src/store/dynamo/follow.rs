//! Reads along the log of a cell that another process owns, or nobody. A reader writes nothing, and owns nothing: what it
//! knows was true a moment ago.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cell::{self, Cell};
use super::link::{JournalError, Link};
use super::record::Record;
use super::replay::{Replay, State};
#[cfg(test)]
use super::ring::Position;
use super::ring::Ring;
use super::rules::Rule;
use super::snapshot;
use super::table::{Batch, Item, Key};
use super::takeover::read_log;

/// Places that are looked at in one call, at first and at most: records of 350 kB are less than the 16 MB that an answer may
/// have (API reference, `BatchGetItem`), and an idle log costs the read of one place.
const FIRST: u64 = 1;
const MOST: u64 = 32;

/// A reader of a cell's log. One at a time looks what is new; the state can be read meanwhile.
pub(super) struct Follower<S: State> {
    link: Link,
    cell: Arc<str>,
    empty: fn() -> S,
    reading: Mutex<Option<Reading<S>>>,
}

struct Reading<S> {
    ring: Ring,
    replay: Replay<S>,
}

impl<S: State> Follower<S> {
    /// It knows nothing as yet. `empty` is the state of a cell without a log.
    pub(super) fn new(link: Link, cell: Arc<str>, empty: fn() -> S) -> Self {
        Self { link, cell, empty, reading: Mutex::new(None) }
    }

    fn reading(&self) -> MutexGuard<'_, Option<Reading<S>>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the state says, once it was read. It may change what is no part of the log.
    pub(super) fn with<T>(&self, read: impl FnOnce(&mut S) -> T) -> Option<T> {
        self.reading().as_mut().map(|reading| read(&mut reading.replay.state))
    }

    /// Up to where of the log the state is.
    #[cfg(test)]
    pub(super) fn position(&self) -> Position {
        self.reading().as_ref().map_or(0, |reading| reading.replay.whole())
    }

    /// Reads what is new. Where the log has gone round since, the state is another one, read from the snapshot. After an error the
    /// state is what it was.
    pub(super) async fn catch_up(&self) -> Result<(), JournalError> {
        let mut places = FIRST;
        loop {
            let Some(keys) = self.keys(places) else { return self.begin().await };
            let items = read(&self.link, &keys).await?;
            match self.play(&keys, &items)? {
                Played::All => {}
                Played::Lapped => return self.begin().await,
                Played::Some => return Ok(()),
            }
            places = (places * 4).min(MOST);
        }
    }

    /// The places of the next positions, of the ring each once: the call takes no key twice.
    fn keys(&self, places: u64) -> Option<Vec<Key>> {
        let reading = self.reading();
        let Reading { ring, replay } = reading.as_ref()?;
        let next = replay.next();
        Some((next..next + places.min(ring.places())).map(|position| ring.key(position)).collect())
    }

    fn play(&self, keys: &[Key], items: &[Item]) -> Result<Played, JournalError> {
        let mut reading = self.reading();
        let Some(Reading { replay, .. }) = reading.as_mut() else { return Ok(Played::Lapped) };
        for key in keys {
            let record = items.iter().find(|item| item.key == *key).map(Record::read).transpose()?;
            let next = replay.next();
            match record {
                // A later lap: what was there is gone, and is in a snapshot.
                Some(later) if later.position > next && self.link.rules.keep(Rule::LappedReadsAgain) => {
                    return Ok(Played::Lapped);
                }
                Some(record) if record.position >= next => replay.play(record)?,
                // Not written yet: the place has a record of an earlier lap, or none.
                _ => return Ok(Played::Some),
            }
        }
        Ok(Played::All)
    }

    /// Reads the snapshot, and the log behind it.
    ///
    /// A snapshot has more than its position says, for it was taken while commits went on: the log must be read up to where
    /// it was when the snapshot was complete. As long as the pointer has not moved nothing of that was overwritten.
    async fn begin(&self) -> Result<(), JournalError> {
        let Some(mut cell) = cell::seen(&self.link, &self.cell).await? else { return Ok(()) };
        loop {
            let read = self.read(&cell).await;
            let Some(now) = cell::seen(&self.link, &self.cell).await? else { return Ok(()) };
            if now.pointer == cell.pointer || !self.link.rules.keep(Rule::PointerStood) {
                *self.reading() = Some(read?);
                return Ok(());
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

/// What became of records that were read.
enum Played {
    /// Each place had the next one.
    All,
    /// There are no more for now.
    Some,
    /// The next one was overwritten.
    Lapped,
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
