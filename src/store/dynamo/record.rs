//! A record of the log: a group of changes that become durable together, or one of its parts.

use std::sync::Arc;

use super::ring::Position;
use super::table::{Attributes, Item, Key, Malformed, Value};

/// Who writes: an owner of the cell by its epoch, and the process by a name that no other start of one has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Author {
    pub(super) epoch: u64,
    pub(super) incarnation: Arc<str>,
}

/// A record as its item has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) position: Position,
    pub(super) author: Author,
    /// Which part of its group it is, from 1, and of how many.
    pub(super) part: u64,
    pub(super) of: u64,
    /// Empty: a fence.
    pub(super) body: Arc<[u8]>,
}

impl Record {
    /// The record with which an owner begins.
    pub(super) fn fence(position: Position, author: Author) -> Self {
        Self { position, author, part: 1, of: 1, body: Arc::from([]) }
    }

    pub(super) fn is_fence(&self) -> bool {
        self.body.is_empty()
    }

    /// Whether it is the same try: at one position a writer has one record only.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.position == other.position && self.author == other.author
    }

    pub(super) fn item(&self, key: Key) -> Item {
        let mut attributes = Attributes::from([
            ("n".into(), Value::number(self.position)),
            ("e".into(), Value::number(self.author.epoch)),
            ("w".into(), Value::S(Arc::clone(&self.author.incarnation))),
            ("b".into(), Value::B(Arc::clone(&self.body))),
        ]);
        if self.of > 1 {
            attributes.insert("part".into(), Value::number(self.part));
            attributes.insert("of".into(), Value::number(self.of));
        }
        Item { key, attributes }
    }

    pub(super) fn read(item: &Item) -> Result<Self, Malformed> {
        let author = Author { epoch: item.number("e")?, incarnation: Arc::clone(item.text("w")?) };
        let (part, of) = match item.attributes.contains_key("of") {
            true => (item.number("part")?, item.number("of")?),
            false => (1, 1),
        };
        Ok(Self { position: item.number("n")?, author, part, of, body: Arc::clone(item.bytes("b")?) })
    }
}
