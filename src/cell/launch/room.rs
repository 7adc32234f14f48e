//! The room for tasks in flight that the cells of a process share: how much of it is used, and which cells wait for some.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// A cell that is offered room has so long to take it before others may.
pub(super) const OFFER: Duration = Duration::from_millis(100);

/// What came of a cell's try to take runs.
pub(super) enum Took<T> {
    /// These, and how many tasks they are.
    Runs(T, usize),
    /// Nothing, for want of room alone.
    LacksRoom,
    /// Nothing, for another reason.
    Nothing,
}

/// Tasks of all cells.
pub(super) struct InFlight {
    /// Most tasks that there may be.
    most: usize,
    cells: BTreeMap<u64, OfCell>,
    /// By name, tasks of cells that are not served here any more and that no other process counts yet.
    left: BTreeMap<String, usize>,
    /// The cells that lack room, and until when some is kept for one that it was offered to.
    waiting: BTreeMap<u64, Option<Instant>>,
}

struct OfCell {
    name: String,
    /// Runs that may have a task, as it last said.
    live: usize,
}

impl InFlight {
    pub(super) fn new() -> Self {
        Self { most: usize::MAX, cells: BTreeMap::new(), left: BTreeMap::new(), waiting: BTreeMap::new() }
    }

    /// Whether there may be more tasks than before.
    pub(super) fn set_most(&mut self, most: usize) -> bool {
        std::mem::replace(&mut self.most, most) < most
    }

    /// Tasks that there may be now, those of cells that have left counted.
    pub(super) fn all(&self) -> usize {
        self.cells.values().map(|cell| cell.live).chain(self.left.values().copied()).sum()
    }

    pub(super) fn room(&self) -> usize {
        self.most.saturating_sub(self.all())
    }

    pub(super) fn note(&mut self, cell: u64, live: usize) {
        if let Some(cell) = self.cells.get_mut(&cell) {
            cell.live = live;
        }
    }

    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn waits(&mut self, cell: u64) {
        self.waiting.insert(cell, None);
    }

    /// How many cells wait for room and go before this one, which waits no longer: those that were given less. One that did not
    /// come for what it was offered does not count.
    pub(super) fn before(&mut self, cell: u64, now: Instant, served: impl Fn(u64) -> f64) -> usize {
        self.waiting.retain(|other, kept| *other != cell && kept.is_none_or(|until| until > now));
        let own = served(cell);
        self.waiting.keys().filter(|other| served(**other) < own).count()
    }

    /// Offers the room that there is to the cells that wait for it, the least served first; those that are to be woken.
    pub(super) fn offer(&mut self, now: Instant, served: impl Fn(u64) -> f64) -> Vec<u64> {
        let room = self.room();
        let mut next: Vec<_> = self.waiting.iter_mut().map(|(id, kept)| (*id, kept)).collect();
        next.sort_by(|(one, _), (other, _)| served(*one).total_cmp(&served(*other)));
        let new = next.into_iter().take(room).filter(|(_, kept)| kept.is_none());
        new.map(|(cell, kept)| (cell, *kept = Some(now + OFFER)).0).collect()
    }

    /// A cell begins. What it left here before is its own again.
    pub(super) fn begin(&mut self, cell: u64, name: &str) {
        let live = self.left.remove(name).unwrap_or(0);
        self.cells.insert(cell, OfCell { name: name.to_owned(), live });
    }

    /// A cell is not served here any more. Its tasks go on: they are counted here until its next owner counts them.
    pub(super) fn end(&mut self, cell: u64) {
        self.waiting.remove(&cell);
        let Some(ended) = self.cells.remove(&cell).filter(|ended| ended.live > 0) else { return };
        if self.cells.values().all(|other| other.name != ended.name) {
            self.left.insert(ended.name, ended.live);
        }
    }

    /// Another process has this cell and counts its tasks, which were so many. They make no room: they are part of all that there
    /// may be. Here somebody may still hold what is left of the cell.
    pub(super) fn counted_elsewhere(&mut self, cell: &str) -> usize {
        let held = self.cells.values_mut().filter(|own| own.name == cell).map(|own| std::mem::take(&mut own.live));
        let tasks = self.left.remove(cell).unwrap_or(0) + held.sum::<usize>();
        self.most = self.most.saturating_sub(tasks);
        tasks
    }
}
