//! Positions of the log, and the items that they are written to.

use std::sync::Arc;

use super::keys;
use super::table::Key;

/// A position of the log: 1 is the first record's.
pub(super) type Position = u64;

/// The places of a cell's log. Position n is written where n - places was.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    partitions: Vec<Arc<str>>,
    places: u64,
    /// Without end, for the rule that old records are overwritten.
    endless: bool,
}

impl Ring {
    /// The ring of a cell: so many places, spread over so many partitions, of which none is then the hot one.
    ///
    /// Each partition has as many places, so that as many positions as there are partitions, in a row, are one in each.
    pub(super) fn new(cell: &str, places: u64, partitions: u64) -> Self {
        let places = places.max(1).next_multiple_of(partitions.max(1));
        let partitions = (0..partitions.max(1)).map(|partition| keys::log(cell, partition)).collect();
        Self { partitions, places, endless: false }
    }

    #[cfg(test)]
    pub(super) fn endless(self) -> Self {
        Self { endless: true, ..self }
    }

    /// How many places there are.
    pub(super) const fn places(&self) -> u64 {
        self.places
    }

    const fn partitions_len(&self) -> u64 {
        self.partitions.len() as u64
    }

    const fn place(&self, position: Position) -> u64 {
        if self.endless { position } else { position % self.places }
    }

    /// The item of a position.
    pub(super) fn key(&self, position: Position) -> Key {
        let place = self.place(position);
        let partition = usize::try_from(place % self.partitions_len()).unwrap_or_default();
        Key { pk: Arc::clone(&self.partitions[partition]), sk: place / self.partitions_len() }
    }

    /// Whether a position overwrites nothing that only the log has: all up to `snapshot` is in a snapshot.
    pub(super) const fn has_room(&self, position: Position, snapshot: Position) -> bool {
        position <= snapshot + self.places
    }

    /// Each partition, and where its first position behind `snapshot` is: from there its records follow each other, round the
    /// ring, until one that is older.
    pub(super) fn partitions_from(&self, snapshot: Position) -> impl Iterator<Item = (Arc<str>, u64)> + '_ {
        (1..=self.partitions_len()).map(move |next| {
            let key = self.key(snapshot + next);
            (key.pk, key.sk)
        })
    }
}
