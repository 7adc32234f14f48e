//! Every run of the cell, found by id, name, task ARN or launch token. No guard leaves this file.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use uuid::Uuid;

use crate::core::run::{Run, Status};
use crate::core::time::Timestamp;

/// A run and when it must next be looked at.
struct Entry {
    run: Run,
    armed: Option<Timestamp>,
}

type Map<K, V> = DashMap<K, V, RandomState>;

/// The concurrent maps of a cell.
#[derive(Default)]
pub(super) struct Registry {
    runs: Map<Uuid, Entry>,
    by_task: Map<String, Uuid>,
    by_token: Map<String, Vec<Uuid>>,
    /// Request name to its digest and runs.
    by_name: Map<String, ([u8; 32], Vec<Uuid>)>,
    live: AtomicUsize,
    /// Runs by status, in the order of [`Status`].
    statuses: [AtomicUsize; Status::ALL.len()],
}

/// What a name stands for when a request comes with it.
pub(super) enum Claim {
    /// Nobody had it: these runs may be made.
    New,
    /// The same request came before.
    Same(Vec<Uuid>),
    /// Another request has it.
    Taken,
}

/// A change of a run's deadline.
pub(super) struct Rearm {
    pub(super) old: Option<Timestamp>,
    pub(super) new: Option<Timestamp>,
}

impl Registry {
    /// Claims a request name for these runs.
    pub(super) fn claim(&self, name: &str, digest: [u8; 32], ids: &[Uuid]) -> Claim {
        let mut claim = Claim::New;
        self.by_name
            .entry(name.to_owned())
            .and_modify(|(known, runs)| {
                claim = if *known == digest { Claim::Same(runs.clone()) } else { Claim::Taken };
            })
            .or_insert_with(|| (digest, ids.to_vec()));
        claim
    }

    /// Gives a claimed name back: its request came to nothing here.
    pub(super) fn unclaim(&self, name: &str, ids: &[Uuid]) {
        self.by_name.remove_if(name, |_, (_, claimed)| claimed == ids);
    }

    /// Adds a run, with its indexes.
    pub(super) fn insert(&self, run: Run) -> Rearm {
        let id = run.id;
        if let Some(attempt) = run.attempt() {
            if let Some(arn) = &attempt.task_arn {
                self.by_task.insert(arn.clone(), id);
            }
            if let Some(token) = &attempt.token {
                self.by_token.entry(token.clone()).or_default().push(id);
            }
        }
        let named = || (run.digest, Vec::new());
        let mut names = self.by_name.entry(run.request_name().to_owned()).or_insert_with(named);
        if !names.1.contains(&id) {
            names.1.push(id);
        }
        drop(names);
        self.live.fetch_add(usize::from(run.is_live()), Ordering::Relaxed);
        let new = crate::core::machine::next_deadline(&run);
        self.statuses[run.status as usize].fetch_add(1, Ordering::Relaxed);
        self.runs.insert(id, Entry { run, armed: new });
        Rearm { old: None, new }
    }

    /// Changes one run under its lock; indexes and deadline follow. `change` must not block.
    pub(super) fn update<T>(&self, id: Uuid, change: impl FnOnce(&mut Run) -> T) -> Option<(T, Rearm)> {
        let mut entry = self.runs.get_mut(&id)?;
        let was_live = entry.run.is_live();
        let old_status = entry.run.status;
        let key = |run: &Run| run.attempt().map(|a| (a.task_arn.clone(), a.token.clone())).unwrap_or_default();
        let (old_arn, old_token) = key(&entry.run);
        let result = change(&mut entry.run);
        let (arn, token) = key(&entry.run);
        if let Some(arn) = arn.filter(|_| old_arn.is_none()) {
            self.by_task.insert(arn, id);
        }
        if let Some(token) = token.filter(|t| old_token.as_ref() != Some(t)) {
            self.by_token.entry(token).or_default().push(id);
        }
        if entry.run.status != old_status {
            self.statuses[old_status as usize].fetch_sub(1, Ordering::Relaxed);
            self.statuses[entry.run.status as usize].fetch_add(1, Ordering::Relaxed);
        }
        match (was_live, entry.run.is_live()) {
            (false, true) => drop(self.live.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(self.live.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        let old = entry.armed;
        entry.armed = crate::core::machine::next_deadline(&entry.run);
        Some((result, Rearm { old, new: entry.armed }))
    }

    /// Looks at one run.
    pub(super) fn read<T>(&self, id: Uuid, look: impl FnOnce(&Run) -> T) -> Option<T> {
        self.runs.get(&id).map(|entry| look(&entry.run))
    }

    /// Looks at every run; keeps what `look` gives.
    pub(super) fn collect<T>(&self, mut look: impl FnMut(&Run) -> Option<T>) -> Vec<T> {
        self.runs.iter().filter_map(|entry| look(&entry.run)).collect()
    }

    /// How many runs have each status.
    pub(super) fn by_status(&self) -> BTreeMap<Status, usize> {
        Status::ALL.into_iter().map(|s| (s, self.statuses[s as usize].load(Ordering::Relaxed))).collect()
    }

    /// Looks at every run.
    pub(super) fn each(&self, mut look: impl FnMut(&Run)) {
        self.runs.iter().for_each(|entry| look(&entry.run));
    }

    pub(super) fn has(&self, id: Uuid) -> bool {
        self.runs.contains_key(&id)
    }

    pub(super) fn of_task(&self, task_arn: &str) -> Option<Uuid> {
        self.by_task.get(task_arn).map(|id| *id)
    }

    pub(super) fn of_token(&self, token: &str) -> Vec<Uuid> {
        self.by_token.get(token).map(|ids| ids.clone()).unwrap_or_default()
    }

    pub(super) fn of_name(&self, name: &str) -> Vec<Uuid> {
        self.by_name.get(name).map(|named| named.1.clone()).unwrap_or_default()
    }

    /// Runs that may have a task.
    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Forgets a run and all that leads to it, unless it is open (again: it may have been redriven meanwhile).
    pub(super) fn forget(&self, id: Uuid) -> bool {
        let Some((_, entry)) = self.runs.remove_if(&id, |_, entry| entry.run.status.is_final()) else { return false };
        self.statuses[entry.run.status as usize].fetch_sub(1, Ordering::Relaxed);
        for attempt in &entry.run.attempts {
            if let Some(arn) = &attempt.task_arn {
                self.by_task.remove(arn);
            }
            if let Some(token) = &attempt.token {
                // Its siblings of the same call keep it.
                self.by_token.remove_if_mut(token, |_, ids| {
                    ids.retain(|other| *other != id);
                    ids.is_empty()
                });
            }
        }
        self.by_name.remove_if_mut(entry.run.request_name(), |_, named| {
            named.1.retain(|other| *other != id);
            named.1.is_empty()
        });
        true
    }
}
