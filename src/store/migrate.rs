//! Moves what a cell's store has into another one: open and ended runs, undelivered notifications, notes. Nobody serves the
//! cell meanwhile. What is there already from an earlier try is left as it is, so that it can be tried again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{Change, Query, Store, StoreError};
use crate::core::notification::Destination;
use crate::core::run::Run;
use crate::core::time::Timestamp;

/// Items of a page that is read, and changes of a commit.
const PAGE: usize = 1_000;
const COMMIT: usize = 200;
/// A store that is busy or away is tried so often, each time after so long.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(500);

/// Why a store was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A store cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The new store has runs that are not, or not so, in the old one.
    #[error(
        "{count} runs in the new store are not in the old one, or have gone on since ({example}): it was served already, or is another cell's"
    )]
    NotEmpty {
        /// How many.
        count: usize,
        /// The id of one.
        example: Uuid,
    },
    /// What was written is not what is read back.
    #[error("what was written is not what is there now: {0}")]
    Differs(String),
}

/// What a store has, by its digests.
#[derive(Debug, Default)]
pub struct Ledger {
    runs: BTreeMap<Uuid, Entry>,
    undelivered: BTreeSet<(Destination, String)>,
    notes: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    digest: [u8; 32],
    ended_at: Option<Timestamp>,
}

/// How much there is.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Open runs.
    pub open: usize,
    /// Ended runs that are still kept.
    pub ended: usize,
    /// Notifications that are still to be delivered.
    pub undelivered: usize,
    /// Notes of the cell.
    pub notes: usize,
    /// A digest of all of it, in hexadecimal.
    pub digest: String,
}

impl Ledger {
    /// Reads a store that was just opened; its open runs too.
    ///
    /// # Errors
    /// It cannot be read.
    pub async fn read(store: &dyn Store) -> Result<(Self, Vec<Arc<Run>>), StoreError> {
        let contents = store.load().await?;
        let mut ledger = Self { notes: contents.notes, ..Self::default() };
        let (mut open, mut runs) = (Vec::new(), contents.runs);
        while let Some(part) = runs.next().await? {
            for run in part {
                ledger.add(&run);
                if !run.status.is_final() {
                    open.push(Arc::new(run));
                }
            }
        }
        let mut ended = Ended::of(store);
        while let Some(page) = ended.next().await? {
            page.iter().for_each(|run| ledger.add(run));
        }
        for destination in contents.undelivered.into_keys() {
            let mut after = 0;
            loop {
                let page = store.outbox(&destination, after, PAGE).await?;
                let ids = page.items.into_iter().map(|posted| (destination.clone(), posted.notification.id));
                ledger.undelivered.extend(ids);
                match page.next {
                    Some(next) => after = next,
                    None => break,
                }
            }
        }
        Ok((ledger, open))
    }

    fn add(&mut self, run: &Run) {
        // A run that cannot be written as JSON is in no store.
        let digest = Sha256::digest(serde_json::to_vec(run).unwrap_or_default()).into();
        let ended_at = run.finished_at.filter(|_| run.status.is_final());
        self.runs.insert(run.id, Entry { digest, ended_at });
    }

    /// The cell whose runs these are, as far as it noted it.
    pub fn cell(&self) -> Option<&str> {
        self.notes.get("cell").map(String::as_str)
    }

    /// Without the runs that ended before an instant: they are no longer kept.
    fn kept(&self, since: Timestamp) -> impl Iterator<Item = (&Uuid, &Entry)> {
        self.runs.iter().filter(move |(_, entry)| entry.ended_at.is_none_or(|ended_at| ended_at > since))
    }

    /// How much of it is kept.
    pub fn counts(&self, since: Timestamp) -> Counts {
        let mut digest = Sha256::new();
        for (id, entry) in self.kept(since) {
            digest.update(id.as_bytes());
            digest.update(entry.digest);
        }
        for (destination, id) in &self.undelivered {
            digest.update(format!("{destination:?} {id}\n"));
        }
        for (name, text) in &self.notes {
            digest.update(format!("{name} {text}\n"));
        }
        let open = self.kept(since).filter(|(_, entry)| entry.ended_at.is_none()).count();
        Counts {
            open,
            ended: self.kept(since).count() - open,
            undelivered: self.undelivered.len(),
            notes: self.notes.len(),
            digest: digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }

    /// Whether another store has nothing but what this one has.
    fn has_all_of(&self, other: &Self) -> Result<(), MigrateError> {
        let unknown = other.runs.iter().filter(|(id, entry)| self.runs.get(id) != Some(entry));
        let unknown: Vec<&Uuid> = unknown.map(|(id, _)| id).collect();
        match unknown.first() {
            Some(example) => Err(MigrateError::NotEmpty { count: unknown.len(), example: **example }),
            None => Ok(()),
        }
    }

    /// Whether another store has all that this one has, and nothing else.
    ///
    /// # Errors
    /// What differs.
    pub fn check(&self, other: &Self, since: Timestamp) -> Result<(), MigrateError> {
        self.has_all_of(other)?;
        let missing = self.kept(since).filter(|(id, _)| !other.runs.contains_key(id)).count();
        let undelivered = self.undelivered.difference(&other.undelivered).count();
        let notes = self.notes.iter().filter(|(name, text)| other.notes.get(*name) != Some(text)).count();
        match (missing, undelivered, notes) {
            (0, 0, 0) => Ok(()),
            _ => Err(MigrateError::Differs(format!(
                "{missing} runs, {undelivered} undelivered notifications and {notes} notes are missing"
            ))),
        }
    }
}

/// Ended runs, page by page.
struct Ended<'s> {
    store: &'s dyn Store,
    query: Option<Query>,
}

impl<'s> Ended<'s> {
    fn of(store: &'s dyn Store) -> Self {
        Self { store, query: Some(Query { limit: PAGE, ..Query::default() }) }
    }

    async fn next(&mut self) -> Result<Option<Vec<Run>>, StoreError> {
        let Some(query) = self.query.take() else { return Ok(None) };
        let page = self.store.finished(query.clone()).await?;
        self.query = page.next.map(|next| Query { before: Some(next), ..query });
        Ok(Some(page.items))
    }
}

/// Writes what one store has into another that lacks it. `open` are the old store's open runs, `there` is what the new one has.
/// Runs that ended before `since` are not kept any more, and are left out.
///
/// # Errors
/// The new store has runs of its own, or a store fails. What was written so far stays.
pub async fn copy(
    from: &dyn Store,
    has: &Ledger,
    open: Vec<Arc<Run>>,
    to: &dyn Store,
    there: &Ledger,
    since: Timestamp,
) -> Result<(), MigrateError> {
    has.has_all_of(there)?;
    let mut writer = Writer { store: to, changes: Vec::new() };
    for (name, text) in &has.notes {
        if there.notes.get(name) != Some(text) {
            writer.add(Change::Note { name: name.clone().into(), text: text.clone() }).await?;
        }
    }
    let is_missing = |run: &Run| !there.runs.contains_key(&run.id);
    for run in open.into_iter().filter(|run| is_missing(run)) {
        writer.add(Change::Put(run)).await?;
    }
    let mut ended = Ended::of(from);
    while let Some(page) = ended.next().await? {
        let is_kept = |run: &Run| run.finished_at.is_none_or(|at| at > since);
        for run in page.into_iter().filter(|run| is_missing(run) && is_kept(run)) {
            writer.add(Change::Put(Arc::new(run))).await?;
        }
    }
    let destinations: BTreeSet<&Destination> = has.undelivered.iter().map(|(destination, _)| destination).collect();
    for destination in destinations {
        let mut after = 0;
        loop {
            let page = from.outbox(destination, after, PAGE).await?;
            for posted in page.items {
                if !there.undelivered.contains(&(destination.clone(), posted.notification.id.clone())) {
                    writer.add(Change::Post(Arc::new(posted.notification))).await?;
                }
            }
            match page.next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    writer.flush().await
}

/// Gathers changes for commits.
struct Writer<'s> {
    store: &'s dyn Store,
    changes: Vec<Change>,
}

impl Writer<'_> {
    async fn add(&mut self, change: Change) -> Result<(), MigrateError> {
        self.changes.push(change);
        if self.changes.len() >= COMMIT { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), MigrateError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let changes: Arc<[Change]> = std::mem::take(&mut self.changes).into();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.store.commit(Arc::clone(&changes)).await {
                Ok(()) => return Ok(()),
                // The same again, until it is known to stand.
                Err(StoreError::Unavailable(_) | StoreError::Throttled(_)) if tries < TRIES => {
                    tokio::time::sleep(BETWEEN).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::FileStore;
    use super::super::conformance::{NOW, ended, runs, topic};
    use super::*;
    use crate::core::notification::Notification;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + seconds * 1_000)
    }

    fn notification(run: &Run) -> Change {
        Change::Post(Arc::new(Notification {
            id: format!("of {}", run.name),
            run: run.id,
            destination: topic(),
            at: NOW,
            subject: "s".into(),
            message: "m".into(),
            attributes: Vec::new(),
            data_types: Default::default(),
            by_protocol: false,
            detail_type: "d".into(),
            resources: Vec::new(),
            log: None,
        }))
    }

    /// A store with these runs, a note, and a notification for each run that ended.
    async fn store(dir: &tempfile::TempDir, runs: &[Run]) -> FileStore {
        let store = FileStore::open(dir.path()).expect("a store");
        let told = runs.iter().filter(|run| run.status.is_final()).map(notification);
        let puts = runs.iter().map(|run| Change::Put(Arc::new(run.clone())));
        let note = Change::Note { name: "cell".into(), text: "blue".into() };
        store.commit(puts.chain(told).chain([note]).collect()).await.expect("a commit");
        store
    }

    #[tokio::test]
    async fn what_is_there_already_stays_and_what_is_not_the_old_stores_ends_it() {
        let dirs: Vec<_> = (0..4).map(|_| tempfile::tempdir().expect("a directory")).collect();
        let all = runs(4);
        let (open, expired, kept) = (all[0].clone(), ended(&all[1], at(1)), ended(&all[2], at(10)));
        let from = store(&dirs[0], &[open.clone(), expired, kept]).await;
        let (has, runs) = Ledger::read(&from).await.expect("it can be read");
        assert_eq!((has.cell(), runs.len()), (Some("blue"), 1));
        let since = at(5);
        let counts = has.counts(since);
        assert_eq!((counts.open, counts.ended, counts.undelivered, counts.notes), (1, 1, 2, 1), "one is over");

        // From an earlier try.
        let to = store(&dirs[1], std::slice::from_ref(&open)).await;
        let (there, _) = Ledger::read(&to).await.expect("it can be read");
        let lacks = has.check(&there, since).expect_err("not all of it is there");
        assert!(lacks.to_string().contains("1 runs, 2 undelivered notifications and 0 notes"), "{lacks}");
        copy(&from, &has, runs.clone(), &to, &there, since).await.expect("the rest");
        drop(to);
        let to = FileStore::open(dirs[1].path()).expect("the store");
        let (there, _) = Ledger::read(&to).await.expect("it can be read");
        has.check(&there, since).expect("all of it is there");
        assert_eq!(there.counts(since), counts);

        let mut later = open;
        later.revision += 1;
        for (dir, wrong) in dirs[2..].iter().zip([all[3].clone(), later]) {
            let other = store(dir, &[wrong]).await;
            let (there, _) = Ledger::read(&other).await.expect("it can be read");
            let refused = copy(&from, &has, runs.clone(), &other, &there, since).await.expect_err("not its own");
            assert!(matches!(refused, MigrateError::NotEmpty { count: 1, .. }), "{refused}");
        }
    }
}
