//! The log of a cell that this process owns: commits, snapshots, and the fence with which it begins.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::cell::{self, Pointer};
use super::link::{JournalError, Link};
use super::record::{Author, Record};
use super::replay::{self, Replay, State};
#[cfg(test)]
use super::ring::Position;
use super::ring::Ring;
use super::rules::Rule;
use super::snapshot::Snapshot;
use super::table::{Condition, Conditional, Item, Put, TableError, Value};

/// Less than so much of the log, in bytes, is read faster than a snapshot is worth.
const MOST_BEHIND: usize = 8 << 20;

/// A cell's log, and the state that it has.
pub(super) struct Journal<S: State> {
    link: Link,
    cell: Arc<str>,
    ring: Ring,
    author: Author,
    /// Most bytes of a record's body.
    most: usize,
    open: Mutex<Open<S>>,
}

struct Open<S: State> {
    replay: Replay<S>,
    pointer: Pointer,
    pending: Option<Pending<S::Group>>,
    /// Bytes of the log since the snapshot.
    behind: usize,
    /// Bytes of the snapshot.
    snapshot: usize,
}

/// A group on its way. It stays the same, at the same positions, until all of it is written.
struct Pending<G> {
    group: G,
    parts: Vec<Arc<[u8]>>,
    written: usize,
}

/// Whose record is at a position.
enum Landed {
    Ours,
    /// That of another, as its item has it.
    Other(Item),
}

/// What is needed to go on with a cell's log.
pub(super) struct Opened<S> {
    pub(super) link: Link,
    pub(super) cell: Arc<str>,
    pub(super) ring: Ring,
    pub(super) author: Author,
    pub(super) most: usize,
    pub(super) replay: Replay<S>,
    pub(super) pointer: Pointer,
    /// Bytes of the log since the snapshot, and of the snapshot.
    pub(super) sizes: (usize, usize),
}

impl<S: State> Journal<S> {
    /// The log of a cell that was taken and read. Nothing may be done before [`Self::fence`].
    pub(super) fn new(opened: Opened<S>) -> Self {
        let Opened { link, cell, ring, author, most, replay, pointer, sizes: (behind, snapshot) } = opened;
        let open = Open { replay, pointer, pending: None, behind, snapshot };
        Self { link, cell, ring, author, most, open: Mutex::new(open) }
    }

    /// The same, calling the table in another way.
    pub(super) fn with_link(self, link: Link) -> Self {
        Self { link, ..self }
    }

    fn open(&self) -> MutexGuard<'_, Open<S>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is durable, as it is now.
    pub(super) fn read<T>(&self, look: impl FnOnce(&S) -> T) -> T {
        look(&self.open().replay.state)
    }

    /// Changes the state as nothing durable does: the log has been read to its end, say.
    pub(super) fn alter(&self, change: impl FnOnce(&mut S)) {
        change(&mut self.open().replay.state);
    }

    /// Whether a group is on its way.
    pub(super) fn is_pending(&self) -> bool {
        self.open().pending.is_some()
    }

    pub(super) const fn epoch(&self) -> u64 {
        self.author.epoch
    }

    /// Makes a group durable: one try. Until it succeeds, or says that the cell is another's, what was given first stands, and
    /// the next call goes on with that, whatever it gives.
    pub(super) async fn commit(&self, group: impl FnOnce(&S) -> S::Group) -> Result<(), JournalError> {
        self.begin(group)?;
        while let Some(record) = self.next_record() {
            match self.put(&record).await {
                Ok(Landed::Ours) => self.landed(),
                Ok(Landed::Other(item)) => {
                    return Err(JournalError::Fenced { epoch: Record::read(&item)?.author.epoch });
                }
                Err(error) => {
                    if !self.link.rules.keep(Rule::SameBytesAgain) {
                        self.open().pending = None;
                    }
                    return Err(error.into());
                }
            }
        }
        Ok(())
    }

    fn begin(&self, group: impl FnOnce(&S) -> S::Group) -> Result<(), JournalError> {
        let mut open = self.open();
        if open.pending.is_none() {
            let group = group(&open.replay.state);
            let parts = replay::parts(&S::encode(&group), self.most);
            let last = open.replay.next() + (parts.len() as u64).saturating_sub(1);
            if !self.ring.has_room(last, open.pointer.position) {
                return Err(JournalError::Full(open.pointer.position + 1));
            }
            open.pending = Some(Pending { group, parts, written: 0 });
        }
        Ok(())
    }

    /// The record that is to be written next, if a group is on its way.
    fn next_record(&self) -> Option<Record> {
        let open = self.open();
        let Pending { parts, written, .. } = open.pending.as_ref()?;
        Some(Record {
            position: open.replay.next() + *written as u64,
            author: self.author.clone(),
            part: *written as u64 + 1,
            of: parts.len() as u64,
            body: Arc::clone(parts.get(*written)?),
        })
    }

    /// The record that was next is written.
    fn landed(&self) {
        let mut open = self.open();
        let Some(mut pending) = open.pending.take() else { return };
        open.behind += pending.parts.get(pending.written).map_or(0, |part| part.len());
        pending.written += 1;
        if pending.written < pending.parts.len() {
            open.pending = Some(pending);
        } else {
            let end = open.replay.next() + pending.parts.len() as u64 - 1;
            open.replay.committed(pending.group, end);
        }
    }

    /// Writes a record to its position, unless another is there.
    async fn put(&self, record: &Record) -> Result<Landed, TableError> {
        let key = self.ring.key(record.position);
        let rules = self.link.rules;
        let is_lower = Condition::Less("n", Value::number(record.position));
        let condition = match () {
            () if !rules.keep(Rule::AppendCondition) => Condition::ALWAYS,
            () if !rules.keep(Rule::OverwritesOnly) => Condition::Absent("n"),
            () => Condition::Any(vec![Condition::Absent("n"), is_lower]),
        };
        let put = Put { item: record.item(key.clone()), condition };
        let Conditional::Refused(old) = self.link.table.put_if(put).await? else { return Ok(Landed::Ours) };
        let old = self.link.refused_by(&old, &key).await?;
        let is_ours = Record::read(&old).is_ok_and(|other| other.is_of(record));
        if is_ours && rules.keep(Rule::OwnTryIsSuccess) { Ok(Landed::Ours) } else { Ok(Landed::Other(old)) }
    }

    /// Writes the record behind which no earlier owner writes any more; takes in what they wrote before it.
    pub(super) async fn fence(&self) -> Result<(), JournalError> {
        while self.link.rules.keep(Rule::FenceRecord) {
            let (position, snapshot) = {
                let open = self.open();
                (open.replay.next(), open.pointer.position)
            };
            if self.link.rules.keep(Rule::FenceNeedsRoom) && !self.ring.has_room(position, snapshot) {
                self.snapshot().await?;
                continue;
            }
            let fence = Record::fence(position, self.author.clone());
            match self.link.again(|| self.put(&fence)).await? {
                Landed::Ours => return self.open().replay.play(fence),
                Landed::Other(item) => {
                    let other = Record::read(&item)?;
                    if other.position != position || other.author.epoch >= self.author.epoch {
                        return Err(JournalError::Fenced { epoch: other.author.epoch });
                    }
                    self.open().replay.play(other)?;
                }
            }
        }
        Ok(())
    }

    /// Writes a snapshot of what is durable. Commits may go on meanwhile; another snapshot may not.
    pub(super) async fn snapshot(&self) -> Result<(), JournalError> {
        let (pointer, position, behind) = {
            let open = self.open();
            (open.pointer, open.replay.whole(), open.behind)
        };
        if position <= pointer.position {
            return Err(JournalError::Full(pointer.position + 1));
        }
        let mut snapshot = Snapshot::new(&self.link, &self.cell, &self.author, pointer.slot.other(), position);
        let (mut after, mut bytes) = (None, 0);
        loop {
            let (chunk, end) = self.open().replay.state.chunk(after);
            bytes += chunk.len();
            snapshot.put(chunk).await?;
            after = end;
            if after.is_none() {
                break;
            }
        }
        cell::point(&self.link, &self.cell, &self.author, snapshot.pointer()).await?;
        let mut open = self.open();
        open.pointer = snapshot.pointer();
        open.snapshot = bytes;
        open.behind = open.behind.saturating_sub(behind);
        Ok(())
    }

    /// Whether it is time for a snapshot: more is behind the last one than it has, or than three quarters of the ring take.
    pub(super) fn is_snapshot_due(&self) -> bool {
        let open = self.open();
        let records = open.replay.next() - 1 - open.pointer.position;
        open.behind > open.snapshot.max(MOST_BEHIND) || records > self.ring.places() / 4 * 3
    }

    /// Up to where the state has the log.
    #[cfg(test)]
    pub(super) fn position(&self) -> Position {
        self.open().replay.whole()
    }

    /// Records, and their bytes, that only the log has.
    #[cfg(test)]
    pub(super) fn behind_snapshot(&self) -> (Position, usize) {
        let open = self.open();
        (open.replay.next() - 1 - open.pointer.position, open.behind)
    }
}
