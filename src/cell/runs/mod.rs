//! The run index: every run of the cell, found by id, name, task ARN or launch token, with its deadline and the check of
//! its task. No guard leaves this folder.

mod deadlines;
mod keys;
mod names;
mod schedule;
mod specs;
mod stale;
mod vacating;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dashmap::DashMap;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use uuid::Uuid;

use super::target::LaunchTarget;
use crate::core::ids::{TaskArn, Token};
use crate::core::machine;
use crate::core::request::RunSpec;
use crate::core::run::{Run, Status};
use crate::core::time::Timestamp;
use deadlines::Deadlines;
use keys::IndexKeys;
pub(super) use names::{Claim, Names};
pub(super) use schedule::{CheckSchedule, Class};
use specs::SharedSpecs;
pub(super) use stale::live_task;
use stale::{ScheduledCheck, StaleTaskIndex};
use vacating::VacatingTasks;

/// A run, its next deadline, and when its task is to be checked if no event of it comes.
struct Entry {
    run: Run,
    deadline: Option<Timestamp>,
    check: Option<ScheduledCheck>,
}

type Map<K, V> = DashMap<K, V, RandomState>;

/// The runs that something leads to: mostly one, which then takes no allocation of its own.
type Ids = SmallVec<[Uuid; 1]>;

/// The concurrent maps of a cell.
pub(super) struct RunIndex {
    /// Boxed: a hash table has room for up to twice what is in it.
    runs: Map<Uuid, Box<Entry>>,
    by_task: Map<TaskArn, Uuid>,
    by_token: Map<Token, Ids>,
    names: Names,
    specs: SharedSpecs,
    open: AtomicUsize,
    live: AtomicUsize,
    vacating: VacatingTasks,
    /// Tasks in PROVISIONING by cluster, where they wait for instances.
    provisioning: Map<String, usize>,
    stale: StaleTaskIndex,
    deadlines: Deadlines,
    /// When whoever waits for a run is told next that it lives.
    beats: Deadlines,
    /// Runs by status, in the order of [`Status`].
    statuses: [AtomicUsize; Status::ALL.len()],
}

/// A task that may have ended without an event.
pub(super) struct StaleTask {
    pub(super) cluster: String,
    pub(super) run: Uuid,
    pub(super) task_arn: TaskArn,
}

/// What a change gave.
pub(super) struct Updated<T> {
    pub(super) result: T,
    /// Whether it may have made room for another run's launch: a task that ECS still takes down has its place.
    pub(super) freed: bool,
}

/// Entries of each map.
pub(super) struct IndexSizes {
    pub(super) runs: usize,
    pub(super) tasks: usize,
    pub(super) tokens: usize,
    pub(super) names: usize,
    pub(super) deadlines: usize,
}

impl RunIndex {
    pub(super) fn new(checks: CheckSchedule) -> Self {
        Self {
            runs: Map::default(),
            by_task: Map::default(),
            by_token: Map::default(),
            names: Names::default(),
            specs: SharedSpecs::default(),
            open: AtomicUsize::default(),
            live: AtomicUsize::default(),
            vacating: VacatingTasks::default(),
            provisioning: Map::default(),
            stale: StaleTaskIndex::new(checks),
            deadlines: Deadlines::default(),
            beats: Deadlines::default(),
            statuses: Default::default(),
        }
    }

    /// The spec that all runs of equal requests share.
    pub(super) fn share_spec(&self, digest: [u8; 32], spec: Arc<RunSpec>) -> Arc<RunSpec> {
        self.specs.share(digest, spec)
    }

    /// Adds a run that was just accepted.
    pub(super) fn insert(&self, run: Run) {
        self.add(run, None);
    }

    /// Adds a run that an earlier process had left at this instant.
    pub(super) fn restore(&self, run: Run, now: Timestamp) {
        self.add(run, Some(now));
    }

    fn add(&self, mut run: Run, left: Option<Timestamp>) {
        let id = run.id;
        run.spec = self.share_spec(run.digest, run.spec);
        let keys = IndexKeys::of(&run);
        if let Some(arn) = &keys.task_arn {
            self.by_task.insert(arn.clone(), id);
        }
        if let Some(token) = &keys.token {
            self.by_token.entry(*token).or_default().push(id);
        }
        self.names.insert(run.request_name(), run.digest, id);
        self.statuses[keys.status as usize].fetch_add(1, Ordering::Relaxed);
        count(&self.open, false, keys.is_open());
        count(&self.live, false, keys.live);
        if let Some(cluster) = &keys.provisioning {
            self.provisions(cluster, 1);
        }
        let mut check = None;
        self.stale.follow(&mut check, &run, left);
        let deadline = machine::next_deadline(&run);
        if has_heart(&run) {
            self.beats.rearm(id, None, Some(left.unwrap_or(run.submitted_at)));
        }
        let entry = Box::new(Entry { run, deadline, check });
        // Under the run's lock, so that nobody moves the deadline before it is there.
        let held = self.runs.entry(id).insert(entry);
        self.deadlines.rearm(id, None, deadline);
        drop(held);
    }

    /// Changes one run under its lock; indexes and deadline follow. `change` must not block.
    pub(super) fn update<T>(&self, id: Uuid, change: impl FnOnce(&mut Run) -> T) -> Option<Updated<T>> {
        let mut entry = self.runs.get_mut(&id)?;
        let before = IndexKeys::of(&entry.run);
        let result = change(&mut entry.run);
        let after = IndexKeys::of(&entry.run);
        // Where descriptions alone tell of tasks, none is asked for after its end.
        if before.live
            && !after.live
            && !self.is_polled()
            && let Some(task_arn) = vacating::vacating(&entry.run)
        {
            self.vacating.begins(task_arn.clone());
        }
        let freed = self.reindex(&entry.run, &before, after);
        let Entry { run, deadline, check } = &mut **entry;
        self.stale.follow(check, run, None);
        let old = std::mem::replace(deadline, machine::next_deadline(run));
        self.deadlines.rearm(id, old, *deadline);
        Some(Updated { result, freed })
    }

    /// Moves what leads to a run; whether its change made room for another launch.
    fn reindex(&self, run: &Run, before: &IndexKeys, after: IndexKeys) -> bool {
        if let Some(arn) = after.task_arn.filter(|_| before.task_arn.is_none()) {
            self.by_task.insert(arn, run.id);
        }
        if let Some(given_up) = before.token.filter(|_| after.token.is_none()) {
            let of_another_attempt = run.attempts.iter().any(|a| a.token == Some(given_up));
            if !of_another_attempt {
                self.unlink(given_up, run.id);
            }
        }
        if before.status != after.status {
            self.statuses[before.status as usize].fetch_sub(1, Ordering::Relaxed);
            self.statuses[after.status as usize].fetch_add(1, Ordering::Relaxed);
        }
        count(&self.open, before.is_open(), !after.status.is_final());
        count(&self.live, before.live, after.live);
        if let Some(token) = after.token.filter(|token| before.token != Some(*token)) {
            self.by_token.entry(token).or_default().push(run.id);
        }
        let moved = before.provisioning != after.provisioning;
        if let Some(cluster) = before.provisioning.as_deref().filter(|_| moved) {
            self.provisioned(cluster, 1);
        }
        if let Some(cluster) = after.provisioning.filter(|_| moved) {
            self.provisions(&cluster, 1);
        }
        (before.live && !after.live) || (moved && before.provisioning.is_some())
    }

    /// The runs whose deadline has come; or else when the next one is. Each is asked for once: whoever takes one either
    /// changes the run or puts its deadline back.
    pub(super) fn due(&self, now: Timestamp) -> Result<Vec<Uuid>, Option<Timestamp>> {
        self.deadlines.due(now)
    }

    /// Resolves when a deadline came before all others.
    pub(super) async fn deadline_moved(&self) {
        self.deadlines.changed().await;
    }

    /// Puts the deadline of a run back that was taken by [`Self::due`] and not acted on: at an instant, or when the run
    /// says.
    pub(super) fn put_back(&self, id: Uuid, at: Option<Timestamp>) {
        let Some(mut entry) = self.runs.get_mut(&id) else { return };
        let next = at.or_else(|| machine::next_deadline(&entry.run));
        let old = std::mem::replace(&mut entry.deadline, next);
        self.deadlines.rearm(id, old, None);
        self.deadlines.rearm(id, None, next);
    }

    /// The runs of which somebody waits to hear; or else when that is. Each is asked for once, and put back by [`Self::beats_again`].
    pub(super) fn beating(&self, now: Timestamp) -> Result<Vec<Uuid>, Option<Timestamp>> {
        self.beats.due(now)
    }

    /// Resolves when a heartbeat came before all others.
    pub(super) async fn beat_moved(&self) {
        self.beats.changed().await;
    }

    /// When the next heartbeat of a run is due.
    pub(super) fn beats_again(&self, id: Uuid, at: Timestamp) {
        self.beats.rearm(id, None, Some(at));
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

    /// Up to `most` tasks of which no event came for too long, events being received up to an instant; each is checked
    /// again after as long.
    pub(super) fn stale(&self, class: Class, received_up_to: Timestamp, most: usize) -> Vec<StaleTask> {
        let checked = |id: Uuid| {
            let mut entry = self.runs.get_mut(&id)?;
            let Entry { run, check, .. } = &mut **entry;
            let task = stale_task(run)?;
            self.stale.judge(check, run, received_up_to).then_some(task)
        };
        self.stale.take(class, received_up_to, most).into_iter().filter_map(checked).collect()
    }

    /// Whether descriptions alone tell of tasks.
    pub(super) const fn is_polled(&self) -> bool {
        self.stale.schedule().is_poll()
    }

    /// How long until [`Self::stale`] is to be asked again.
    pub(super) fn until_next_round(&self, now: Timestamp) -> Duration {
        self.stale.schedule().until_next_round(now)
    }

    /// The task of a run, as it is described; none when it has no live one.
    pub(super) fn task_of(&self, id: Uuid) -> Option<StaleTask> {
        self.read(id, stale_task).flatten()
    }

    /// Reads one run.
    pub(super) fn read<T>(&self, id: Uuid, read: impl FnOnce(&Run) -> T) -> Option<T> {
        self.runs.get(&id).map(|entry| read(&entry.run))
    }

    /// Reads every run; keeps what `read` gives.
    pub(super) fn collect<T>(&self, mut read: impl FnMut(&Run) -> Option<T>) -> Vec<T> {
        self.runs.iter().filter_map(|entry| read(&entry.run)).collect()
    }

    /// How many runs have each status.
    pub(super) fn by_status(&self) -> BTreeMap<Status, usize> {
        Status::ALL.into_iter().map(|s| (s, self.statuses[s as usize].load(Ordering::Relaxed))).collect()
    }

    /// Reads every run.
    pub(super) fn each(&self, mut read: impl FnMut(&Run)) {
        self.runs.iter().for_each(|entry| read(&entry.run));
    }

    pub(super) fn has(&self, id: Uuid) -> bool {
        self.runs.contains_key(&id)
    }

    pub(super) fn of_task(&self, task_arn: &TaskArn) -> Option<Uuid> {
        self.by_task.get(task_arn).map(|id| *id)
    }

    pub(super) fn of_token(&self, token: Token) -> Vec<Uuid> {
        self.by_token.get(&token).map(|ids| ids.to_vec()).unwrap_or_default()
    }

    pub(super) fn of_name(&self, name: &str) -> Vec<Uuid> {
        self.names.runs(name)
    }

    /// The names in use.
    pub(super) const fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn sizes(&self) -> IndexSizes {
        IndexSizes {
            runs: self.runs.len(),
            tasks: self.by_task.len(),
            tokens: self.by_token.len(),
            names: self.names.len(),
            deadlines: self.deadlines.len(),
        }
    }

    /// Runs that have not ended.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Tasks that there may be: of runs that may have one, and those that ECS still takes down.
    pub(super) fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed) + self.vacating()
    }

    /// Tasks that no run needs any more, and that ECS still takes down.
    pub(super) fn vacating(&self) -> usize {
        self.vacating.count()
    }

    /// A task has stopped; whether that made room for another.
    pub(super) fn vacated(&self, task_arn: &TaskArn) -> bool {
        self.vacating.ended(task_arn)
    }

    /// A token no longer leads to a run; its siblings of the same call keep it.
    fn unlink(&self, token: Token, id: Uuid) {
        self.by_token.remove_if_mut(&token, |_, ids| {
            ids.retain(|other| *other != id);
            ids.is_empty()
        });
    }

    /// A run is no longer found by an attempt that it does not keep. The token first, as in [`Self::forget`].
    pub(super) fn unlink_attempt(&self, id: Uuid, task_arn: Option<TaskArn>, token: Option<Token>) {
        token.into_iter().for_each(|token| self.unlink(token, id));
        task_arn.iter().for_each(|arn| drop(self.by_task.remove_if(arn, |_, run| *run == id)));
    }

    /// Forgets a run and all that leads to it, unless it is open (again: it may have been redriven meanwhile).
    pub(super) fn forget(&self, id: Uuid) -> bool {
        let Some((_, entry)) = self.runs.remove_if(&id, |_, entry| entry.run.status.is_final()) else { return false };
        self.statuses[entry.run.status as usize].fetch_sub(1, Ordering::Relaxed);
        // Tokens first: whoever finds a task unknown must also see that not all of its call are here any more.
        entry.run.attempts.iter().filter_map(|a| a.token).for_each(|token| self.unlink(token, id));
        for arn in entry.run.attempts.iter().filter_map(|a| a.task_arn.as_ref()) {
            self.by_task.remove(arn);
        }
        self.names.remove(entry.run.request_name(), id);
        true
    }
}

/// Whether somebody who waits is told that the run lives. What ended once was answered for.
fn has_heart(run: &Run) -> bool {
    !run.status.is_final() && run.redrives == 0 && run.spec.notify.beats_every().is_some()
}

fn stale_task(run: &Run) -> Option<StaleTask> {
    let task_arn = live_task(run)?.clone();
    Some(StaleTask { cluster: LaunchTarget::cluster_named(run).to_owned(), run: run.id, task_arn })
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
