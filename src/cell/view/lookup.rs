//! Finds runs: in memory, else in the store.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::cell::runs::RunIndex;
use crate::core::name;
use crate::core::run::Run;
use crate::store::{Key, Page, Store, StoreError, find_all};

/// A run in memory.
struct Known {
    id: Uuid,
    /// It is the only one of its request.
    is_alone: bool,
}

/// Finds runs.
pub(in crate::cell) struct Lookup {
    pub(super) runs: Arc<RunIndex>,
    pub(super) store: Arc<dyn Store>,
}

impl Lookup {
    pub(in crate::cell) fn new(runs: Arc<RunIndex>, store: Arc<dyn Store>) -> Self {
        Self { runs, store }
    }

    /// The runs that an id, a name, or the name of an array stands for.
    pub(in crate::cell) async fn find(&self, name: &str) -> Result<Vec<Run>, StoreError> {
        if let Ok(id) = Uuid::parse_str(name) {
            if let Some(run) = self.runs.read(id, Run::clone) {
                return Ok(vec![run]);
            }
            let found = self.store.find(Key::Run(id), 1).await?.items;
            if !found.is_empty() {
                return Ok(found);
            }
        }
        let request = name::request_of(name);
        // One of an array that is in memory costs no reading of the others.
        if let Some(run) = self.one_of_array(request, name) {
            return Ok(vec![run]);
        }
        if let Some(index) = name::index_in(name) {
            return self.stored_one(request, name, index).await;
        }
        let mut found = self.of_request(request).await?;
        found.retain(|run| name::stands_for(name, &run.name));
        Ok(found)
    }

    /// Whether one of the runs that an id, a name, or the name of an array stands for is in memory.
    pub(in crate::cell) fn knows(&self, name: &str) -> bool {
        let by_id = Uuid::parse_str(name).is_ok_and(|id| self.runs.has(id));
        by_id || !self.runs.of_name(name::request_of(name)).is_empty()
    }

    /// At most `limit` of the runs that an id, a name, or the name of an array stands for, in the order of their index, from
    /// index `from` on.
    pub(in crate::cell) async fn page(
        &self,
        name: &str,
        from: u32,
        limit: usize,
    ) -> Result<Page<Run, u32>, StoreError> {
        let is_request = name::request_of(name) == name && Uuid::parse_str(name).is_err();
        if !is_request {
            return Ok(part(self.find(name).await?, from, limit));
        }
        let known = self.indexes(name);
        let mut runs: BTreeMap<u32, Run> = BTreeMap::new();
        let is_complete = known.get(&0).is_some_and(|first| first.is_alone);
        if !is_complete && self.store.capabilities().ended_runs {
            self.add_stored(name, (from, limit), &known, &mut runs).await?;
        }
        // What memory has is newer than what the store has; of that, no more is cloned than may be in the page.
        let in_memory = known.range(from..).take(limit.saturating_add(1));
        runs.extend(in_memory.filter_map(|(index, run)| Some((*index, self.runs.read(run.id, Run::clone)?))));
        Ok(part(runs.into_values().collect(), from, limit))
    }

    /// Where the runs of a request's name are in memory.
    fn indexes(&self, name: &str) -> BTreeMap<u32, Known> {
        let known = |id: Uuid| self.runs.read(id, |run| (run.index, Known { id, is_alone: run.name == name }));
        self.runs.of_name(name).into_iter().filter_map(known).collect()
    }

    /// Adds the runs of a page that only the store has, and one more.
    async fn add_stored(
        &self,
        name: &str,
        (mut from, limit): (u32, usize),
        known: &BTreeMap<u32, Known>,
        runs: &mut BTreeMap<u32, Run>,
    ) -> Result<(), StoreError> {
        let first = from;
        loop {
            let key = Key::Request { name: name.to_owned(), from };
            let page = self.store.find(key, limit.saturating_add(1)).await?;
            runs.extend(
                page.items.into_iter().filter(|run| !known.contains_key(&run.index)).map(|run| (run.index, run)),
            );
            let Some(next) = page.next else { return Ok(()) };
            // Up to there both have given what they have.
            if runs.range(..next).count() + known.range(first..next.max(first)).count() > limit {
                return Ok(());
            }
            from = next;
        }
    }

    /// Every run of a request's name, in order. Of an array some may have ended long ago: the store has those.
    pub(in crate::cell) async fn of_request(&self, name: &str) -> Result<Vec<Run>, StoreError> {
        let ids = self.runs.of_name(name);
        let mut found: Vec<Run> = ids.into_iter().filter_map(|id| self.runs.read(id, Run::clone)).collect();
        let is_complete = found.iter().any(|run| run.name == name);
        if !is_complete && self.store.capabilities().ended_runs {
            let stored = find_all(&*self.store, Key::request(name)).await?;
            let known: BTreeSet<Uuid> = found.iter().map(|run| run.id).collect();
            found.extend(stored.into_iter().filter(|run| !known.contains(&run.id)));
        }
        found.sort_by_key(|run| run.index);
        Ok(found)
    }

    /// The run of this name, if it is one of an array that the store has: it alone is read, not its siblings.
    async fn stored_one(&self, request: &str, name: &str, index: u32) -> Result<Vec<Run>, StoreError> {
        if !self.store.capabilities().ended_runs {
            return Ok(Vec::new());
        }
        let key = Key::Request { name: request.to_owned(), from: index };
        let mut found = self.store.find(key, 1).await?.items;
        found.retain(|run| run.name == name);
        Ok(found)
    }

    /// The run of this name, if it is one of an array and in memory.
    fn one_of_array(&self, request: &str, name: &str) -> Option<Run> {
        let this = |run: &Run| (run.name == name).then(|| run.clone());
        let ids = if name == request { Vec::new() } else { self.runs.of_name(request) };
        ids.into_iter().find_map(|id| self.runs.read(id, this).flatten())
    }
}

/// The page of these runs, which are in order, that begins at an index.
fn part(mut runs: Vec<Run>, from: u32, limit: usize) -> Page<Run, u32> {
    runs.retain(|run| run.index >= from);
    let next = runs.get(limit).map(|run| run.index);
    runs.truncate(limit);
    Page { items: runs, next }
}
