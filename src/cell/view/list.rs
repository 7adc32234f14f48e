//! Pages of runs: what is in memory, and the finished ones that only the store still has.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Lookup;
use crate::core::run::Run;
use crate::store::{Page, Query, StoreError};

/// Where runs that fit are rare a page ends, however few it has, after so long: the next one goes on from there.
const LONGEST: Duration = Duration::from_millis(10);

/// The runs found so far, by their ids, which rise with time.
type Found = BTreeMap<Uuid, Run>;

impl Lookup {
    /// The runs that fit, newest first, a page at a time. The order is that of submission and never changes, so pages neither
    /// repeat nor leave out a run that fits all the while.
    pub(in crate::cell) async fn list(self: &Arc<Self>, query: Query) -> Result<Page<Run, Uuid>, StoreError> {
        let limit = query.limit;
        // One more than the page tells whether there is another.
        let query = Query { limit: limit.saturating_add(1), ..query };
        // Memory first: what ends and leaves it meanwhile is in the store by then.
        let mut found = self.in_memory(query.clone()).await?;
        let ends_at =
            if self.store.capabilities().ended_runs { self.add_finished(query, &mut found).await? } else { None };
        Ok(Page::newest(found.into_values().rev(), |run| run.id, limit, ends_at))
    }

    /// The same of the runs in memory alone.
    pub(in crate::cell) async fn list_in_memory(self: &Arc<Self>, query: Query) -> Result<Page<Run, Uuid>, StoreError> {
        let limit = query.limit;
        let found = self.in_memory(Query { limit: limit.saturating_add(1), ..query }).await?;
        Ok(Page::newest(found.into_values().rev(), |run| run.id, limit, None))
    }

    /// A walk over all runs: not on the runtime's threads.
    async fn in_memory(self: &Arc<Self>, query: Query) -> Result<Found, StoreError> {
        let lookup = Arc::clone(self);
        let walked = tokio::task::spawn_blocking(move || lookup.newest(&query));
        walked.await.map_err(|e| StoreError::Unavailable(format!("a listing broke off: {e}")))
    }

    /// The newest runs in memory that fit.
    fn newest(&self, query: &Query) -> Found {
        let mut newest: BinaryHeap<Reverse<Uuid>> = BinaryHeap::new();
        self.runs.each(|run| {
            let beyond = newest.len() >= query.limit && newest.peek().is_some_and(|oldest| oldest.0 > run.id);
            if !beyond && query.fits(run) {
                newest.push(Reverse(run.id));
                if newest.len() > query.limit {
                    newest.pop();
                }
            }
        });
        let ids = newest.into_iter().map(|id| id.0);
        ids.filter_map(|id| self.runs.read(id, Run::clone)).map(|run| (run.id, run)).collect()
    }

    /// Adds the final runs that only the store has, until there are enough for the page or it has looked for long enough;
    /// down to which run it came, or `None` if there are no more.
    async fn add_finished(&self, mut query: Query, found: &mut Found) -> Result<Option<Uuid>, StoreError> {
        let began = Instant::now();
        loop {
            let page = self.store.finished(query.clone()).await?;
            // What memory has is newer than what the store has, and was looked at already.
            found.extend(page.items.into_iter().filter(|run| !self.runs.has(run.id)).map(|run| (run.id, run)));
            let Some(next) = page.next else { return Ok(None) };
            // Older ones are on later pages: memory has given its newest, and the store all of its own down to here.
            if found.range(next..).count() >= query.limit || began.elapsed() >= LONGEST {
                return Ok(Some(next));
            }
            query.before = Some(next);
        }
    }
}
