//! What a log is of, and how records become it again.

use std::sync::Arc;

use super::link::JournalError;
use super::record::Record;
use super::ring::Position;
use super::rules::{Rule, Rules};

/// What a cell's log and snapshots keep. Every change says what is from then on, not a difference: a snapshot may be taken
/// while changes go on, and those that it has already are applied to it again, in their order.
pub(super) trait State: Send + Sized + 'static {
    /// Changes that become durable together.
    type Group: Send;
    /// Where a chunk of a snapshot ends.
    type Cursor: Send;

    /// A group as bytes: not none.
    fn encode(group: &Self::Group) -> Vec<u8>;

    /// A group from its bytes.
    fn decode(bytes: &[u8]) -> Result<Self::Group, String>;

    /// Takes in a group that is durable.
    fn apply(&mut self, group: Self::Group);

    /// The part of it behind `after`, or the first, as it is now; and where it ends, unless it is the last.
    fn chunk(&self, after: Option<Self::Cursor>) -> (Vec<u8>, Option<Self::Cursor>);

    /// Takes in a chunk of a snapshot. They come in no order.
    fn restore(&mut self, chunk: &[u8]) -> Result<(), String>;
}

/// A state, and up to where of the log it is.
pub(super) struct Replay<S> {
    pub(super) state: S,
    /// The last position that was read.
    last: Position,
    /// The end of the last group that is in the state: a snapshot may begin there.
    whole: Position,
    /// The parts of a group that is not whole.
    parts: Vec<Record>,
    rules: Rules,
}

impl<S: State> Replay<S> {
    /// Of a state that has all up to a position.
    pub(super) const fn new(state: S, snapshot: Position, rules: Rules) -> Self {
        Self { state, last: snapshot, whole: snapshot, parts: Vec::new(), rules }
    }

    pub(super) const fn next(&self) -> Position {
        self.last + 1
    }

    pub(super) const fn whole(&self) -> Position {
        self.whole
    }

    /// Takes in the record at the next position. A fence, or any record of another writer, ends a group that is not whole.
    pub(super) fn play(&mut self, record: Record) -> Result<(), JournalError> {
        self.last = record.position;
        if record.is_fence() {
            self.parts.clear();
            self.whole = self.last;
            return Ok(());
        }
        if !self.rules.keep(Rule::WholeGroups) {
            self.whole = self.last;
            return self.apply(&record.body);
        }
        let continues = self.parts.last().is_some_and(|before| {
            before.author == record.author && before.of == record.of && before.part + 1 == record.part
        });
        if !continues {
            self.parts.clear();
        }
        let is_part = continues || record.part == 1;
        let is_last = record.part == record.of;
        if is_part {
            self.parts.push(record);
        }
        if is_part && is_last {
            let group: Vec<u8> = self.parts.drain(..).flat_map(|part| part.body.to_vec()).collect();
            self.whole = self.last;
            return self.apply(&group);
        }
        Ok(())
    }

    fn apply(&mut self, group: &[u8]) -> Result<(), JournalError> {
        let group = S::decode(group).map_err(|e| JournalError::Damaged(format!("log position {}: {e}", self.last)))?;
        self.state.apply(group);
        Ok(())
    }

    /// Takes in a group that this process has made durable, up to a position.
    pub(super) fn committed(&mut self, group: S::Group, end: Position) {
        (self.last, self.whole) = (end, end);
        self.state.apply(group);
    }
}

/// A group in parts of at most so many bytes.
pub(super) fn parts(bytes: &[u8], most: usize) -> Vec<Arc<[u8]>> {
    bytes.chunks(most.max(1)).map(Arc::from).collect()
}
