//! Where runs and undelivered notifications are kept.

mod codec;
#[cfg(test)]
mod conformance;
mod contents;
mod counts;
pub mod dynamo;
mod error;
mod file;
mod memory;
pub mod migrate;
mod query;

pub use contents::{Contents, Runs};
pub use counts::EndedCounts;
pub use dynamo::DynamoStore;
pub use error::StoreError;
pub use file::FileStore;
pub use memory::MemoryStore;
pub use query::Query;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use crate::core::notification::{Destination, Notification};
use crate::core::run::Run;
use crate::core::time::Timestamp;

/// One change to what is kept.
#[derive(Clone, Debug)]
pub enum Change {
    /// The run is now this, unless the store has a revision of it that is as high or higher.
    Put(Arc<Run>),
    /// The run is forgotten.
    Forget(Uuid),
    /// This notification is to be delivered. One with the same id and destination that is still kept stays as it is.
    Post(Arc<Notification>),
    /// What the cell notes for itself under a name (its limits, say), in place of what it had noted before.
    Note {
        /// Which note.
        name: Cow<'static, str>,
        /// JSON.
        text: String,
    },
    /// The notification with this sequence number of the outbox was delivered.
    Delivered(u64),
}

impl Change {
    /// The run it is about.
    pub fn run(&self) -> Option<Uuid> {
        match self {
            Self::Put(run) => Some(run.id),
            Self::Forget(id) => Some(*id),
            Self::Post(notification) => Some(notification.run),
            Self::Note { .. } | Self::Delivered(_) => None,
        }
    }
}

/// A part of an answer, in order. It may hold fewer items than were asked for, or none, and still not be the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, P> {
    /// They.
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<P>,
}

impl<T> Page<T, Uuid> {
    /// The first `limit` of what stands newest first by its id. `ends_at`: below this id there may be more; `None`: these are
    /// all that there are.
    pub fn newest(
        newest: impl IntoIterator<Item = T>,
        id: impl Fn(&T) -> Uuid,
        limit: usize,
        ends_at: Option<Uuid>,
    ) -> Self {
        let known = newest.into_iter().take_while(|one| ends_at.is_none_or(|end| id(one) >= end));
        // One more than the page tells whether there is another.
        let mut items: Vec<T> = known.take(limit.saturating_add(1)).collect();
        let is_cut = items.len() > limit;
        items.truncate(limit);
        let next = if is_cut { items.last().map(id) } else { ends_at };
        Self { items, next }
    }
}

/// A notification in the outbox.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its sequence number: later ones have higher numbers.
    pub seq: u64,
    /// What is to be delivered.
    pub notification: Notification,
}

/// Which runs to look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// By id.
    Run(Uuid),
    /// Every run of a request's name, from this index on.
    Request {
        /// The request's name.
        name: String,
        /// The first index.
        from: u32,
    },
    /// The run of a request's name that had this task, whichever attempt.
    Task {
        /// The request's name.
        request: String,
        /// `taskArn`.
        task_arn: String,
    },
}

impl Key {
    /// All runs of a request's name.
    pub fn request(name: impl Into<String>) -> Self {
        Self::Request { name: name.into(), from: 0 }
    }
}

/// What a store can do beyond keeping open runs, notifications and notes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `find` and `finished` answer ended runs until they expire: the cell may drop them from memory.
    pub ended_runs: bool,
    /// `find` by a request's name knows the names of ended runs: the cell asks it before it takes a name as new. Otherwise
    /// a commit says that a name is taken ([`StoreError::NameTaken`]), where names outlive the process.
    pub ended_names: bool,
    /// What was committed outlives the process. Otherwise the cell says [`Change::Forget`] when it drops an ended run.
    pub outlives_process: bool,
    /// Each commit costs money: what need not be durable at once waits so long for what must. Zero: nothing waits.
    pub soft_wait: Duration,
}

/// A place that keeps runs.
///
/// `commit` is called by one task only, with the changes of many runs at once (group commit), and not again before it has
/// answered. Reads may happen at any time, and show whole commits.
pub trait Store: Send + Sync + 'static {
    /// What it can do; always the same.
    fn capabilities(&self) -> Capabilities;

    /// What there is to go on with; called once, before the first commit.
    fn load(&self) -> BoxFuture<'_, Result<Contents, StoreError>>;

    /// Makes the changes durable: all of them when it answers, in order, or none of them when it fails.
    ///
    /// After [`StoreError::Unavailable`] and [`StoreError::Throttled`] the outcome may be unknown: the caller gives the same
    /// changes again, for ever, and they take effect once. It gives no others meanwhile.
    fn commit(&self, changes: Arc<[Change]>) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Whether the cell is still this process's to serve: asked where there is nothing to commit and something is to be
    /// acknowledged. [`StoreError::Fenced`]: it is not.
    fn confirm_owner(&self) -> BoxFuture<'_, Result<(), StoreError>>;

    /// About `limit` of the oldest undelivered notifications of a destination with sequence numbers above `after` (0: from the first), in
    /// order. The next page begins behind [`Page::next`].
    fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page<Posted, u64>, StoreError>>;

    /// At most `limit` runs, in the order of their index. The next page begins with the index [`Page::next`].
    fn find(&self, key: Key, limit: usize) -> BoxFuture<'_, Result<Page<Run, u32>, StoreError>>;

    /// At most `query.limit` of the newest ended runs that fit, newest first: by id, which is a UUIDv7. The next page is
    /// of those before [`Page::next`] ([`Query::before`]).
    fn finished(&self, query: Query) -> BoxFuture<'_, Result<Page<Run, Uuid>, StoreError>>;

    /// How many ended runs there are: those that `finished` lists. It costs the same however many there are.
    fn ended(&self) -> BoxFuture<'_, Result<EndedCounts, StoreError>>;

    /// Forgets up to `limit` runs that ended before an instant and have been told of; how many it forgot.
    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, Result<usize, StoreError>>;
}

/// Every run that a key stands for, page by page.
///
/// # Errors
/// The store cannot be read.
pub async fn find_all(store: &dyn Store, mut key: Key) -> Result<Vec<Run>, StoreError> {
    const PAGE: usize = 1_000;
    let mut found = Vec::new();
    loop {
        let page = store.find(key.clone(), PAGE).await?;
        found.extend(page.items);
        match (&mut key, page.next) {
            (Key::Request { from, .. }, Some(next)) => *from = next,
            _ => return Ok(found),
        }
    }
}
