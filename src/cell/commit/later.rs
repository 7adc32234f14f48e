//! Changes that nothing depends on: what is shown of a run that has ended. They are written with the next commit that there is
//! anyway, and at the latest when the cell ends; a crash before loses them.

use crate::store::Change;

/// More of them do not wait for a commit.
const MOST: usize = 1024;

/// Changes that wait for a commit.
#[derive(Default)]
pub(super) struct Later {
    waiting: Vec<Change>,
    /// The store outlives the process: with another one they would serve nobody.
    is_kept: bool,
}

impl Later {
    pub(super) fn new(outlives_process: bool) -> Self {
        Self { waiting: Vec::new(), is_kept: outlives_process }
    }

    /// They wait from now on; they are newer than all that was committed before.
    pub(super) fn wait(&mut self, changes: impl IntoIterator<Item = Change>) {
        if self.is_kept {
            self.waiting.extend(changes);
        }
    }

    /// Those that go with a commit that has so many changes of its own: all of them, or none where they can wait.
    pub(super) fn going_with(&self, changes: usize) -> &[Change] {
        if changes > 0 || self.waiting.len() >= MOST { &self.waiting } else { &[] }
    }

    /// Those that go at the end.
    pub(super) fn all(&self) -> &[Change] {
        &self.waiting
    }

    /// So many, the oldest, were written.
    pub(super) fn written(&mut self, changes: usize) {
        self.waiting.drain(..changes.min(self.waiting.len()));
    }

    /// The store cannot hold this one: what is shown stays as it was.
    pub(super) fn give_up(&mut self, position: usize) {
        if position < self.waiting.len() {
            self.waiting.remove(position);
        }
    }
}
