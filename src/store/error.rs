//! Why a store cannot do its work, by what its caller can do about it.

use uuid::Uuid;

/// Why a store cannot do its work. Each text is one line for the user: what, where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer or cannot write now: the same again, until it does. The cell is not ready meanwhile.
    #[error("{0}")]
    Unavailable(String),
    /// It takes less than it is given: the same again, more slowly.
    #[error("{0}")]
    Throttled(String),
    /// Another process owns this cell: nothing more is written by this one, whatever it tries. The cell is abandoned.
    #[error("{by} owns this cell now; this process has no part in it any more")]
    Fenced {
        /// Who: a process and its machine, as far as the store can tell.
        by: String,
    },
    /// One change is larger than the store takes. Nothing of its commit was written; the commit is accepted without it.
    #[error(
        "{what} takes {bytes} bytes and the store takes at most {most}: make the request smaller (its environment, overrides, messages)"
    )]
    TooLarge {
        /// The position of the change in the commit.
        change: usize,
        /// The run it is about, unless it is a note.
        run: Option<Uuid>,
        /// What it is: "run n/3", "a notification about run …", "note limits".
        what: String,
        /// Its size.
        bytes: usize,
        /// The largest size that the store takes.
        most: usize,
    },
    /// A name of the commit is that of another run, which no cell but its own knows. What was written of the request is taken
    /// back with the next commit; the commit is accepted without the request.
    #[error("{name:?} is the name of another run, which cell {cell} accepted")]
    NameTaken {
        /// The position in the commit of the first run of that name.
        change: usize,
        /// The name.
        name: String,
        /// The cell that has it.
        cell: String,
        /// The request is the same one, accepted there before.
        same: bool,
    },
    /// What was stored cannot be read back. Trying again does not help.
    #[error("{0}")]
    Corrupt(String),
}

impl StoreError {
    /// Whether the same call can succeed later, by itself or once an operator has made room.
    pub const fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Throttled(_))
    }
}
