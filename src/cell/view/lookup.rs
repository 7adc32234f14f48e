//! Finds runs: in memory, else in the store.

use std::collections::BTreeSet;
use std::sync::Arc;

use uuid::Uuid;

use crate::cell::runs::RunIndex;
use crate::core::name;
use crate::core::run::Run;
use crate::store::{Key, Store, StoreError, find_all};

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
