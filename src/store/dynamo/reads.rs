//! What is asked of a store beside commits: what it keeps, and the rows of what has ended.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{self, StreamExt as _};
use uuid::Uuid;

use super::ended::Of;
use super::ended::Placed;
use super::history::History;
use super::kept::{Post, SpecId, Stored};
use super::link::JournalError;
use super::owned::Owned;
use crate::core::notification::Destination;
use crate::core::run::Run;
use crate::store::codec::{CodecError, Shared};
use crate::store::{Contents, Key, Page, Posted, Query, Runs, StoreError};

/// Runs that are unpacked in one go.
const PART: usize = 4_096;
/// As many are unpacked where they are asked for, not on a thread of their own.
const FEW: usize = 64;
/// Ended runs that a page looks at where few of them fit.
const LOOKED_AT: usize = 1_000;

/// What runs share, unpacked.
pub(super) type Specs = BTreeMap<SpecId, Shared>;

/// Reads of a store.
pub(super) struct Reads<'a>(pub(super) &'a Arc<Owned>);

impl Reads<'_> {
    fn history(&self) -> History<'_> {
        History { link: &self.0.reading, of: Of::Cell(&self.0.cell), now: self.0.now() }
    }

    /// What there is to go on with.
    pub(super) fn contents(&self) -> Contents {
        let owned = Arc::clone(self.0);
        let parts = stream::unfold((owned, None, Specs::new()), |(owned, after, specs)| async move {
            let (part, last) = owned.journal.read(|kept| {
                let ids = kept.open_after(after, PART);
                let last = ids.last().copied();
                (ids.into_iter().filter_map(|id| kept.shown(id)).collect::<Vec<_>>(), last)
            });
            let last = last?;
            let unpacked = unpack_with(part, specs).await;
            let (part, specs) = match unpacked {
                Ok((runs, specs)) => (Ok(runs), specs),
                Err(error) => (Err(unreadable(&owned, &error)), Specs::new()),
            };
            Some((part, (owned, Some(last), specs)))
        });
        self.0.journal.read(|kept| Contents {
            notes: kept.notes.clone(),
            undelivered: kept.outbox.counts(),
            open: kept.open(),
            runs: Runs::new(parts.boxed()),
        })
    }

    pub(super) fn outbox(
        &self,
        destination: &Destination,
        after: u64,
        limit: usize,
    ) -> Result<Page<Posted, u64>, StoreError> {
        let mut posts: Vec<(u64, Post)> = self.0.journal.read(|kept| {
            let posts = kept.outbox.of_destination(destination, after).take(limit.saturating_add(1));
            posts.map(|(seq, post)| (seq, post.clone())).collect()
        });
        let more = posts.len() > limit;
        posts.truncate(limit);
        let posted = |(seq, post): (u64, Post)| {
            let notification = post.unpack().map_err(|e| unreadable(self.0, &e))?;
            Ok(Posted { seq, notification })
        };
        let items: Vec<Posted> = posts.into_iter().map(posted).collect::<Result<_, StoreError>>()?;
        let next = items.last().filter(|_| more).map(|last| last.seq);
        Ok(Page { items, next })
    }

    pub(super) async fn find(&self, key: Key, limit: usize) -> Result<Page<Run, u32>, StoreError> {
        match key {
            Key::Run(id) => {
                let items = match self.0.journal.read(|kept| kept.shown(id)) {
                    Some(stored) => self.unpack(vec![stored]).await?,
                    None => self.told(self.history().by_id(id).await).await?.into_iter().map(|one| one.run).collect(),
                };
                Ok(Page { items, next: None })
            }
            Key::Request { name, from } => self.of_request(&name, from, limit).await,
            Key::Task { request, task_arn } => {
                let mut items = self.of_request(&request, 0, usize::MAX).await?.items;
                items.retain(|run| run.had(&task_arn));
                items.truncate(limit);
                Ok(Page { items, next: None })
            }
        }
    }

    async fn of_request(&self, name: &str, from: u32, limit: usize) -> Result<Page<Run, u32>, StoreError> {
        let kept = || {
            self.0.journal.read(|kept| {
                let ids = kept.of_request(name, from).take(limit.saturating_add(1));
                ids.filter_map(|id| kept.shown(id)).collect::<Vec<_>>()
            })
        };
        // Before the rows, for one that ends meanwhile is a row then.
        let kept = self.unpack(kept()).await?;
        let (rows, complete_to) = self.told(self.history().of_request(name, from, limit).await).await?;
        Ok(by_index(kept, rows, complete_to, limit))
    }

    pub(super) async fn finished(&self, query: Query) -> Result<Page<Run, Uuid>, StoreError> {
        if query.finals().is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let (ids, ended, first_day) = self.0.journal.read(|kept| {
            let ids: Vec<Uuid> = kept.ended_before(query.before).take(LOOKED_AT).collect();
            let ended: Vec<Stored> = ids.iter().filter_map(|id| kept.shown(*id)).collect();
            (ids, ended, kept.first_day(self.0.now()))
        });
        let kept_to = ids.last().copied().filter(|_| ids.len() >= LOOKED_AT);
        let mut runs = self.unpack(ended).await?;
        runs.retain(|run| query.fits(run));
        let is_kept = |id: Uuid| {
            self.0.journal.read(|kept| kept.run(id).is_some()) || ids.binary_search_by(|of| id.cmp(of)).is_ok()
        };
        let (rows, rows_to) = self.told(self.history().list(&query, first_day, is_kept).await).await?;
        runs.extend(rows.into_iter().map(|one| one.run));
        runs.sort_unstable_by_key(|run| std::cmp::Reverse(run.id));
        // Below the higher of the two something may be missing.
        Ok(Page::newest(runs, |run| run.id, query.limit, kept_to.max(rows_to)))
    }

    async fn unpack(&self, stored: Vec<Stored>) -> Result<Vec<Run>, StoreError> {
        unpack_with(stored, Specs::new()).await.map(|(runs, _)| runs).map_err(|e| unreadable(self.0, &e))
    }

    async fn told<T>(&self, read: Result<T, JournalError>) -> Result<T, StoreError> {
        match read {
            Ok(read) => Ok(read),
            Err(error) => Err(self.0.said(error).await),
        }
    }
}

fn unreadable(owned: &Owned, error: &CodecError) -> StoreError {
    StoreError::Corrupt(format!("{}: a record of cell {} is {error}", owned.options.place, owned.cell))
}

/// A page of a request's runs: those that a log has, and their siblings' rows, complete up to an index.
pub(super) fn by_index(kept: Vec<Run>, rows: Vec<Placed>, complete_to: Option<u32>, limit: usize) -> Page<Run, u32> {
    let mut runs: BTreeMap<u32, Run> = rows.into_iter().map(|one| (one.run.index, one.run)).collect();
    // What a log says is newer than its row.
    runs.extend(kept.into_iter().map(|run| (run.index, run)));
    let complete = |run: &Run| complete_to.is_none_or(|to| run.index < to);
    let mut items: Vec<Run> = runs.into_values().filter(complete).collect();
    let next = items.get(limit).map(|run| run.index).or(complete_to);
    items.truncate(limit);
    Page { items, next }
}

/// Unpacks runs, many of them off the runtime's threads.
pub(super) async fn unpack_with(stored: Vec<Stored>, mut specs: Specs) -> Result<(Vec<Run>, Specs), CodecError> {
    let few = stored.len() <= FEW;
    let all = move || {
        let runs = stored.into_iter().map(|one| one.unpack(&mut specs)).collect::<Result<Vec<_>, _>>()?;
        Ok((runs, specs))
    };
    if few { all() } else { tokio::task::spawn_blocking(all).await.unwrap_or(Err(CodecError::Cut)) }
}
