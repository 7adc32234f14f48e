//! What must be in the end: every request has its runs, each in one cell, each ended, told of under one id, and with one task that
//! did its work at most.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taskwatch::core::run::Status;
use taskwatch::store::dynamo::FleetReader;

use super::node::Fleet;
use super::users::runs_of;
use super::world::{State, World, cells, options};

impl State {
    /// The runs of a request are to be told of.
    pub(super) fn await_runs(&mut self, name: &str, count: usize) {
        self.awaited.insert(name.to_owned(), count);
    }

    /// Whether some run was not told of yet.
    pub(super) fn is_awaited(&self) -> bool {
        let told =
            |(name, count): (&String, &usize)| runs_of(name, *count).iter().all(|run| self.told.contains_key(run));
        !self.awaited.iter().all(told)
    }
}

pub(super) async fn audit(fleet: &Fleet) {
    let world = &fleet.world;
    let awaited = world.state().awaited.clone();
    let kept = kept(world, &awaited).await;
    let mut state = world.state();
    let mut runs = 0;
    for (name, count) in &awaited {
        for run in runs_of(name, *count) {
            runs += 1;
            let ids = state.told.get(&run).map_or(0, BTreeSet::len);
            if ids != 1 {
                state.violate(format!("{run}: was told of under {ids} ids"));
            }
            match kept.get(&run).map_or(&[][..], Vec::as_slice) {
                [(cell, status)] => {
                    if !status.is_final() {
                        state.violate(format!("{run}: is {} in {cell}", status.as_str()));
                    }
                    if state.accepted.get(&run).is_some_and(|said| **said != **cell) {
                        state.violate(format!("{run}: was accepted by another cell than {cell}"));
                    }
                }
                found => state.violate(format!("{run}: there are {found:?}")),
            }
        }
    }
    let more: Vec<String> = state
        .ecs
        .done()
        .filter(|(_, done, runs)| done > runs)
        .map(|(name, done, _)| format!("{name}: {done}"))
        .collect();
    more.into_iter().for_each(|name| state.violate(format!("{name} tasks did their work")));
    let unknown: Vec<String> = state.told.keys().filter(|run| !kept.contains_key(*run)).cloned().collect();
    unknown.into_iter().for_each(|run| state.violate(format!("{run}: was told of and is not there")));
    state.sum.runs += runs;
    state.sum.tasks += state.ecs.tasks() as u64;
}

/// The cell and status of each run that is in the table.
async fn kept(world: &Arc<World>, awaited: &BTreeMap<String, usize>) -> BTreeMap<String, Vec<(Arc<str>, Status)>> {
    let reader = FleetReader::new(Arc::clone(&world.table) as _, options(&world.clock));
    let all: BTreeSet<Arc<str>> = cells().iter().map(|cell| Arc::from(cell.as_str())).collect();
    reader.set(&all, &all);
    let mut kept = BTreeMap::<String, Vec<(Arc<str>, Status)>>::new();
    for cell in &all {
        if let Err(error) = reader.look(cell, &mut |_| ()).await {
            world.state().violate(format!("{cell}: cannot be read: {error}"));
        }
    }
    for name in awaited.keys() {
        match reader.find(name, 0, 1_000).await {
            Ok(page) => {
                for placed in page.items {
                    kept.entry(placed.run.name.clone()).or_default().push((placed.cell, placed.run.status));
                }
            }
            Err(error) => world.state().violate(format!("{name}: cannot be found: {error}")),
        }
    }
    kept
}
