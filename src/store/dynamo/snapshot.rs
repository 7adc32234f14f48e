//! The chunks of a snapshot: items of the slot that is not in use, until the cell's pointer is moved to them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::cell::{Pointer, Slot};
use super::keys;
use super::link::{JournalError, Link};
use super::record::Author;
use super::replay::State;
use super::ring::Position;
use super::rules::Rule;
use super::table::{Attributes, Batch, Condition, Conditional, Item, Key, Put, TableError, Value};

/// Chunks that are read at once. Of 350 kB, they are less than the 16 MB that an answer may have (API reference, `BatchGetItem`).
const AT_ONCE: usize = 32;

/// A snapshot that is being written.
pub(super) struct Snapshot<'a> {
    link: &'a Link,
    cell: &'a str,
    author: &'a Author,
    slot: Slot,
    position: Position,
    chunks: u64,
}

impl<'a> Snapshot<'a> {
    /// A snapshot of all up to `position`: known before the first chunk is made, so that the chunks have at least that.
    pub(super) const fn new(link: &'a Link, cell: &'a str, author: &'a Author, slot: Slot, position: Position) -> Self {
        Self { link, cell, author, slot, position, chunks: 0 }
    }

    /// Writes the next chunk.
    pub(super) async fn put(&mut self, body: Vec<u8>) -> Result<(), JournalError> {
        let key = keys::chunk(self.cell, self.slot.name(), self.chunks);
        let (epoch, position) = (Value::number(self.author.epoch), Value::number(self.position));
        let body: Arc<[u8]> = body.into();
        let attributes = Attributes::from([
            ("e".into(), epoch.clone()),
            ("s".into(), position.clone()),
            ("b".into(), Value::B(Arc::clone(&body))),
        ]);
        let is_later = Condition::All(vec![Condition::Equals("e", epoch.clone()), Condition::Less("s", position)]);
        let condition = match self.link.rules.keep(Rule::ChunkCondition) {
            true => Condition::Any(vec![Condition::Absent("s"), Condition::Less("e", epoch), is_later]),
            false => Condition::ALWAYS,
        };
        let put = Put { item: Item { key: key.clone(), attributes }, condition };
        let answer = self.link.again(|| self.link.table.put_if(put.clone())).await?;
        if let Conditional::Refused(old) = answer {
            self.check_own(&self.link.again(|| self.link.refused_by(&old, &key)).await?, &body)?;
        }
        self.chunks += 1;
        Ok(())
    }

    /// A chunk that refused ours is ours, by an earlier try, or that of a later owner.
    fn check_own(&self, old: &Item, body: &Arc<[u8]>) -> Result<(), JournalError> {
        let (epoch, position) = (old.number("e")?, old.number("s")?);
        if (epoch, position) != (self.author.epoch, self.position) {
            return Err(JournalError::Fenced { epoch });
        }
        if old.bytes("b")? == body {
            return Ok(());
        }
        // Of an earlier snapshot that was given up: its chunks may end elsewhere, and with ours there would be gaps.
        let text = format!("a snapshot up to {position} was begun before: another one is due behind the next commit");
        Err(TableError::Unknown(text).into())
    }

    /// Where it is, once all chunks are written.
    pub(super) const fn pointer(&self) -> Pointer {
        Pointer { slot: self.slot, position: self.position, chunks: self.chunks }
    }
}

/// Takes all chunks of a snapshot into a state; how many bytes they were.
pub(super) async fn read<S: State>(
    link: &Link,
    cell: &str,
    pointer: Pointer,
    state: &mut S,
) -> Result<usize, JournalError> {
    let mut bytes = 0;
    let mut unread: Vec<Key> = (0..pointer.chunks).map(|chunk| keys::chunk(cell, pointer.slot.name(), chunk)).collect();
    while !unread.is_empty() {
        let keys = unread.split_off(unread.len().saturating_sub(AT_ONCE));
        let Batch { items, unprocessed } = link.again(|| link.table.batch_get(keys.clone())).await?;
        let is_gone = |key: &&Key| !unprocessed.contains(key) && !items.iter().any(|item| item.key == **key);
        if let Some(key) = keys.iter().find(is_gone) {
            return Err(JournalError::Damaged(format!("chunk {key} of the snapshot is gone")));
        }
        for item in items {
            let body = body(&item, pointer)?;
            bytes += body.len();
            state.restore(&body).map_err(|e| JournalError::Damaged(format!("the snapshot of cell {cell}: {e}")))?;
        }
        unread.extend(unprocessed);
    }
    Ok(bytes)
}

fn body(item: &Item, pointer: Pointer) -> Result<Arc<[u8]>, JournalError> {
    let position = item.number("s")?;
    match position.cmp(&pointer.position) {
        Ordering::Equal => Ok(Arc::clone(item.bytes("b")?)),
        // The slot is written anew: somebody has gone on since the pointer was read.
        Ordering::Greater => Err(JournalError::Fenced { epoch: item.number("e")? }),
        Ordering::Less => {
            let (key, wanted) = (&item.key, pointer.position);
            Err(JournalError::Damaged(format!("chunk {key} is of a snapshot up to {position}, not {wanted}")))
        }
    }
}
