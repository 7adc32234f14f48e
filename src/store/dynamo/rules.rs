//! The rules that the protocol keeps, by name. Each is needed: tests leave one out at a time, and see histories break.

/// A rule of the protocol.
#[cfg_attr(not(test), allow(dead_code, reason = "only its tests use it until a process answers for cells of others"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// A place of the ring is written only by a higher position than the one that it has: the fence.
    AppendCondition,
    /// Old records are overwritten, never deleted: a put-if-absent of a writer that stood still succeeds where the record of its
    /// successor was deleted.
    OverwritesOnly,
    /// What was sent to a position is sent again, the same bytes to the same position, until its outcome is known.
    SameBytesAgain,
    /// A refused append that finds its own record has succeeded. Without it nothing is lost, but writers fence themselves.
    OwnTryIsSuccess,
    /// A group of several parts is applied once all of them are there.
    WholeGroups,
    /// A new owner writes a record of its own before it acts: nothing of its predecessor comes behind what it has read.
    FenceRecord,
    /// That record, too, overwrites nothing that no snapshot has: without a snapshot between them takeovers would lap the ring.
    FenceNeedsRoom,
    /// A chunk of a snapshot is written only over that of an older epoch, or of an earlier snapshot of the same epoch.
    ChunkCondition,
    /// The pointer to the snapshot is moved by the cell's owner only.
    PointerEpoch,
    /// And forward only: a late copy of an earlier move, by the same owner, moves nothing back.
    PointerForward,
    /// A name is claimed in the table before its run is launched.
    NamesClaimed,
    /// The log has the run before its name is claimed: a claim whose run nobody knows keeps the name from everybody.
    LogBeforeClaim,
    /// A request is acknowledged, and its message deleted, once its name is claimed.
    ClaimBeforeAcknowledged,
    /// What was logged long ago and never claimed is dropped at a start: another cell may have run it, and the name be free again.
    OldUnclaimedDropped,
    /// Whoever reads along uses what it read only if the pointer to the snapshot has not moved meanwhile.
    PointerStood,
    /// Whoever reads along and finds a later record in a place begins again with the snapshot.
    LappedReadsAgain,
    /// The row of an ended run is written over one of a lower revision only.
    EndedRevision,
    /// And over one of an earlier owner, whatever its revision: that owner opened it for a redrive that the log never had.
    RowEpoch,
}

/// The rules that are kept: all of them, outside of tests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    #[cfg(test)]
    left_out: Option<Rule>,
}

impl Rules {
    /// All but one.
    #[cfg(test)]
    pub(super) const fn without(rule: Rule) -> Self {
        Self { left_out: Some(rule) }
    }

    #[cfg(test)]
    pub(super) fn keep(self, rule: Rule) -> bool {
        self.left_out != Some(rule)
    }

    #[cfg(not(test))]
    #[allow(clippy::unused_self, reason = "tests keep fewer")]
    pub(super) const fn keep(self, _: Rule) -> bool {
        true
    }
}
