//! Every run of the cell, found by id, name, task ARN or launch token. No guard leaves this file.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use foldhash::fast::RandomState;
use uuid::Uuid;

use super::place::Place;
use super::silence::{Class, Look, Silence, live_task};
use crate::core::run::{Run, Status};
use crate::core::time::Timestamp;

/// A run, its next deadline, and when its task is to be looked at if nothing is heard of it.
struct Entry {
    run: Run,
    armed: Option<Timestamp>,
    look: Option<Look>,
}

/// What a run counts as.
struct Weight {
    open: bool,
    live: bool,
    /// The cluster in which its task waits for an instance.
    provisioning: Option<String>,
}

impl Weight {
    fn of(run: &Run) -> Self {
        let provisioning = Place::waits_for_instances(run).map(str::to_owned);
        Self { open: !run.status.is_final(), live: run.is_live(), provisioning }
    }
}

type Map<K, V> = DashMap<K, V, RandomState>;

/// The concurrent maps of a cell.
#[derive(Default)]
pub(super) struct Registry {
    runs: Map<Uuid, Entry>,
    by_task: Map<String, Uuid>,
    by_token: Map<String, Vec<Uuid>>,
    /// Request name to its digest and runs.
    by_name: Map<String, ([u8; 32], BTreeSet<Uuid>)>,
    open: AtomicUsize,
    live: AtomicUsize,
    /// Tasks in PROVISIONING by cluster, where they wait for instances.
    provisioning: Map<String, usize>,
    silence: Silence,
    /// Runs by status, in the order of [`Status`].
    statuses: [AtomicUsize; Status::ALL.len()],
}

/// What a name stands for when a request comes with it.
pub(super) enum Claim {
    /// Nobody had it: these runs may be made.
    New,
    /// The same request came before.
    Same,
    /// Another request has it.
    Taken,
}

/// A task that may have ended without a word.
pub(super) struct Silent {
    pub(super) cluster: String,
    pub(super) run: Uuid,
    pub(super) task_arn: String,
}

/// A change of a run's deadline.
pub(super) struct Rearm {
    pub(super) old: Option<Timestamp>,
    pub(super) new: Option<Timestamp>,
    /// Whether it made room for another run's launch.
    pub(super) freed: bool,
}

impl Registry {
    pub(super) fn new(silence: Silence) -> Self {
        Self { silence, ..Self::default() }
    }

    /// Claims a request name for these runs.
    pub(super) fn claim(&self, name: &str, digest: [u8; 32], ids: &[Uuid]) -> Claim {
        let mut claim = Claim::New;
        self.by_name
            .entry(name.to_owned())
            .and_modify(|(known, _)| {
                claim = if *known == digest { Claim::Same } else { Claim::Taken };
            })
            .or_insert_with(|| (digest, ids.iter().copied().collect()));
        claim
    }

    /// Gives a claimed name back: its request came to nothing here.
    pub(super) fn unclaim(&self, name: &str, ids: &[Uuid]) {
        self.by_name
            .remove_if(name, |_, (_, claimed)| claimed.len() == ids.len() && ids.iter().all(|id| claimed.contains(id)));
    }

    /// Adds a run, with its indexes: one that was just accepted, or that an earlier process left.
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
        let named = || (run.digest, BTreeSet::new());
        let mut names = self.by_name.entry(run.request_name().to_owned()).or_insert_with(named);
        names.1.insert(id);
        drop(names);
        self.weigh(&Weight { open: false, live: false, provisioning: None }, Weight::of(&run));
        let new = crate::core::machine::next_deadline(&run);
        self.statuses[run.status as usize].fetch_add(1, Ordering::Relaxed);
        let mut look = None;
        self.silence.follow(&mut look, &run, true);
        self.runs.insert(id, Entry { run, armed: new, look });
        Rearm { old: None, new, freed: false }
    }

    /// Changes one run under its lock; indexes and deadline follow. `change` must not block.
    pub(super) fn update<T>(&self, id: Uuid, change: impl FnOnce(&mut Run) -> T) -> Option<(T, Rearm)> {
        let mut entry = self.runs.get_mut(&id)?;
        let before = Weight::of(&entry.run);
        let old_status = entry.run.status;
        let key = |run: &Run| run.attempt().map(|a| (a.task_arn.clone(), a.token.clone())).unwrap_or_default();
        let (old_arn, old_token) = key(&entry.run);
        let result = change(&mut entry.run);
        let (arn, token) = key(&entry.run);
        if let Some(arn) = arn.filter(|_| old_arn.is_none()) {
            self.by_task.insert(arn, id);
        }
        if let Some(given_up) = old_token.as_ref().filter(|_| token.is_none()) {
            let of_another_attempt = entry.run.attempts.iter().any(|a| a.token.as_ref() == Some(given_up));
            if !of_another_attempt {
                self.unlink(given_up, id);
            }
        }
        if let Some(token) = token.filter(|t| old_token.as_ref() != Some(t)) {
            self.by_token.entry(token).or_default().push(id);
        }
        if entry.run.status != old_status {
            self.statuses[old_status as usize].fetch_sub(1, Ordering::Relaxed);
            self.statuses[entry.run.status as usize].fetch_add(1, Ordering::Relaxed);
        }
        let freed = self.weigh(&before, Weight::of(&entry.run));
        let Entry { run, armed, look } = &mut *entry;
        self.silence.follow(look, run, false);
        let old = *armed;
        *armed = crate::core::machine::next_deadline(run);
        Some((result, Rearm { old, new: *armed, freed }))
    }

    /// Has a run looked at later than its deadline says.
    pub(super) fn put_off(&self, id: Uuid, later: Timestamp) -> Option<Rearm> {
        let mut entry = self.runs.get_mut(&id)?;
        let old = entry.armed.replace(later);
        Some(Rearm { old, new: entry.armed, freed: false })
    }

    /// Counts what became of a run; whether there is room for another launch now.
    fn weigh(&self, before: &Weight, after: Weight) -> bool {
        count(&self.open, before.open, after.open);
        count(&self.live, before.live, after.live);
        let moved = before.provisioning != after.provisioning;
        if let Some(cluster) = before.provisioning.as_deref().filter(|_| moved) {
            self.provisioned(cluster, 1);
        }
        if let Some(cluster) = after.provisioning.filter(|_| moved) {
            self.provisions(&cluster, 1);
        }
        (before.live && !after.live) || (moved && before.provisioning.is_some())
    }

    /// So many more tasks wait, or will, for instances in a cluster.
    pub(super) fn provisions(&self, cluster: &str, tasks: usize) {
        *self.provisioning.entry(cluster.to_owned()).or_default() += tasks;
    }

    /// So many fewer.
    pub(super) fn provisioned(&self, cluster: &str, tasks: usize) {
        self.provisioning.remove_if_mut(cluster, |_, waiting| {
            *waiting = waiting.saturating_sub(tasks);
            *waiting == 0
        });
    }

    /// Tasks in PROVISIONING in a cluster, as far as this cell launched them and they wait for instances.
    pub(super) fn provisioning(&self, cluster: &str) -> usize {
        self.provisioning.get(cluster).map_or(0, |waiting| *waiting)
    }

    /// Up to `most` tasks that were silent for too long; each is looked at again after as long.
    pub(super) fn silent(&self, class: Class, now: Timestamp, most: usize) -> Vec<Silent> {
        let looked_at = |id: Uuid| {
            let mut entry = self.runs.get_mut(&id)?;
            let Entry { run, look, .. } = &mut *entry;
            let task_arn = live_task(run)?.to_owned();
            let cluster = Place::cluster_named(run).to_owned();
            self.silence.judge(look, run, now).then_some(Silent { cluster, run: id, task_arn })
        };
        self.silence.take(class, now, most).into_iter().filter_map(looked_at).collect()
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
        self.by_name.get(name).map(|named| named.1.iter().copied().collect()).unwrap_or_default()
    }

    /// Entries by run, task, token and name.
    pub(super) fn sizes(&self) -> (usize, usize, usize, usize) {
        (self.runs.len(), self.by_task.len(), self.by_token.len(), self.by_name.len())
    }

    /// Runs that have not ended.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Runs that may have a task.
    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// A token no longer leads to a run; its siblings of the same call keep it.
    fn unlink(&self, token: &str, id: Uuid) {
        self.by_token.remove_if_mut(token, |_, ids| {
            ids.retain(|other| *other != id);
            ids.is_empty()
        });
    }

    /// A run is no longer found by an attempt that it does not keep. The token first, as in [`Self::forget`].
    pub(super) fn unlink_attempt(&self, id: Uuid, task_arn: Option<String>, token: Option<String>) {
        token.iter().for_each(|token| self.unlink(token, id));
        task_arn.iter().for_each(|arn| drop(self.by_task.remove_if(arn, |_, run| *run == id)));
    }

    /// Forgets a run and all that leads to it, unless it is open (again: it may have been redriven meanwhile).
    pub(super) fn forget(&self, id: Uuid) -> bool {
        let Some((_, entry)) = self.runs.remove_if(&id, |_, entry| entry.run.status.is_final()) else { return false };
        self.statuses[entry.run.status as usize].fetch_sub(1, Ordering::Relaxed);
        // Tokens first: whoever finds a task unknown must also see that not all of its call are here any more.
        entry.run.attempts.iter().filter_map(|a| a.token.as_ref()).for_each(|token| self.unlink(token, id));
        for arn in entry.run.attempts.iter().filter_map(|a| a.task_arn.as_ref()) {
            self.by_task.remove(arn);
        }
        self.by_name.remove_if_mut(entry.run.request_name(), |_, named| {
            named.1.remove(&id);
            named.1.is_empty()
        });
        true
    }
}

fn count(of: &AtomicUsize, before: bool, after: bool) {
    match (before, after) {
        (false, true) => {
            of.fetch_add(1, Ordering::Relaxed);
        }
        (true, false) => {
            of.fetch_sub(1, Ordering::Relaxed);
        }
        _ => {}
    }
}
