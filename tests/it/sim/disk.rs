//! The store's contents, which outlive a process: a commit is there or not, and what a reader sees is the last one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taskwatch::core::notification::{Destination, Notification};
use taskwatch::core::run::{Run, Stage};
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, Contents, EndedCounts, Key, Page, Posted, Query, Runs};
use uuid::Uuid;

use super::world::State;

#[derive(Default)]
pub(super) struct Disk {
    pub(super) runs: BTreeMap<Uuid, Run>,
    open: BTreeSet<Uuid>,
    by_request: BTreeMap<String, BTreeSet<Uuid>>,
    by_task: BTreeMap<String, Uuid>,
    by_token: BTreeMap<String, BTreeSet<Uuid>>,
    pub(super) outbox: BTreeMap<u64, Arc<Notification>>,
    notes: BTreeMap<String, String>,
    /// What was ever posted about breakers, and about what others launched.
    pub(super) digests: BTreeSet<(Destination, String)>,
    posted: u64,
    /// Commits so far, over all lives.
    pub(super) commits: u64,
}

impl Disk {
    pub(super) fn load(&self) -> Contents {
        // As the real store has it: equal requests are kept once, whatever their names.
        let mut specs = BTreeMap::new();
        let open = self.open.iter().filter_map(|id| self.runs.get(id)).map(|run| {
            let text = serde_json::to_string(&run.spec).expect("a spec is JSON");
            let spec = Arc::clone(specs.entry(text).or_insert_with(|| Arc::clone(&run.spec)));
            Run { spec, ..run.clone() }
        });
        let mut undelivered = BTreeMap::new();
        self.outbox.values().for_each(|n| *undelivered.entry(n.destination.clone()).or_default() += 1);
        let runs = Runs::ready(open.collect());
        Contents { notes: self.notes.clone(), undelivered, open: self.open.len(), runs }
    }

    /// Pages are shorter than was asked for at times: a short one is not the last.
    pub(super) fn page(&self, destination: &Destination, after: u64, limit: usize) -> Page<Posted, u64> {
        let limit = limit.min(7);
        let behind = self.outbox.range(after + 1..).filter(|(_, n)| n.destination == *destination).take(limit);
        let posted = |(seq, n): (&u64, &Arc<Notification>)| Posted { seq: *seq, notification: Notification::clone(n) };
        let items: Vec<Posted> = behind.map(posted).collect();
        let next = items.last().filter(|_| items.len() == limit).map(|last| last.seq);
        Page { items, next }
    }

    pub(super) fn find(&self, key: &Key, limit: usize) -> Page<Run, u32> {
        let mut items: Vec<Run> = match key {
            Key::Run(id) => self.runs.get(id).cloned().into_iter().collect(),
            Key::Request { name, from } => self.of_request(name).filter(|run| run.index >= *from).cloned().collect(),
            Key::Task { request, task_arn } => {
                self.of_request(request).filter(|run| run.had(task_arn)).cloned().collect()
            }
        };
        items.sort_by_key(|run| run.index);
        let limit = limit.min(2);
        let next = items.get(limit).map(|run| run.index);
        items.truncate(limit);
        Page { items, next }
    }

    pub(super) fn finished(&self, query: &Query) -> Page<Run, Uuid> {
        let fits = |run: &&Run| run.status.is_final() && query.fits(run);
        let limit = query.limit.min(5);
        let items: Vec<Run> = self.runs.values().rev().filter(fits).take(limit).cloned().collect();
        let next = items.last().filter(|_| items.len() == limit).map(|run| run.id);
        Page { items, next }
    }

    pub(super) fn ended(&self) -> EndedCounts {
        let mut ended = EndedCounts::default();
        self.runs.values().for_each(|run| ended.add(run));
        ended
    }

    pub(super) fn of_request(&self, name: &str) -> impl Iterator<Item = &Run> {
        self.by_request.get(name).into_iter().flatten().filter_map(|id| self.runs.get(id))
    }

    pub(super) fn of_task(&self, task_arn: &str) -> Option<&Run> {
        self.by_task.get(task_arn).and_then(|id| self.runs.get(id))
    }

    /// Notes whose names begin so.
    pub(super) fn notes_of<'d>(&'d self, prefix: &'d str) -> impl Iterator<Item = (&'d String, &'d String)> {
        self.notes.iter().filter(move |(name, _)| name.starts_with(prefix))
    }

    pub(super) fn knows_token(&self, token: &str) -> bool {
        self.by_token.contains_key(token)
    }

    /// Runs that wait for the answer to this token's call.
    pub(super) fn launching(&self, token: &str) -> usize {
        let runs = self.by_token.get(token).into_iter().flatten().filter_map(|id| self.runs.get(id));
        let waits = |run: &&Run| {
            let attempt = run
                .attempt()
                .filter(|a| a.stage == Stage::Launching && a.token.is_some_and(|t| t.to_string() == token));
            attempt.is_some() && !run.status.is_final()
        };
        runs.filter(waits).count()
    }

    pub(super) fn expire(&mut self, before: Timestamp, limit: usize) -> usize {
        let told = |run: &Run| !self.outbox.values().any(|n| n.run == run.id);
        let old = |run: &&Run| run.status.is_final() && run.finished_at.is_some_and(|at| at < before) && told(run);
        let old: Vec<Uuid> = self.runs.values().filter(old).map(|run| run.id).take(limit).collect();
        old.iter().for_each(|id| self.forget(*id));
        old.len()
    }

    fn forget(&mut self, id: Uuid) {
        if let Some(run) = self.runs.remove(&id) {
            self.by_request.entry(run.request_name().to_owned()).or_default().remove(&id);
        }
        self.open.remove(&id);
    }

    fn put(&mut self, run: Run) {
        if self.runs.get(&run.id).is_some_and(|known| known.revision >= run.revision) {
            return;
        }
        for attempt in &run.attempts {
            attempt.task_arn.iter().for_each(|arn| {
                self.by_task.insert(arn.to_string(), run.id);
            });
        }
        if let Some(token) = run.attempt().and_then(|a| a.token) {
            self.by_token.entry(token.to_string()).or_default().insert(run.id);
        }
        self.by_request.entry(run.request_name().to_owned()).or_default().insert(run.id);
        if run.status.is_final() {
            self.open.remove(&run.id);
        } else {
            self.open.insert(run.id);
        }
        self.runs.insert(run.id, run);
    }
}

impl Disk {
    /// The sequence number here of a notification that was not delivered.
    fn posted(&self, id: &str, destination: &Destination) -> Option<u64> {
        let is_it = |(_, told): &(&u64, &Arc<Notification>)| told.id == id && told.destination == *destination;
        self.outbox.iter().find(is_it).map(|(seq, _)| *seq)
    }
}

impl State {
    /// What has become durable elsewhere, as far as it is not known. Runs that are new only with `fresh`: before their commit
    /// is answered, their names may be another's.
    pub(super) fn mirror(&mut self, changes: &[Change], fresh: bool, outbox: &BTreeMap<u64, (String, Destination)>) {
        for change in changes {
            let change = match change {
                Change::Put(run) => match self.disk.runs.get(&run.id) {
                    None if !fresh => continue,
                    Some(known) if known.revision >= run.revision => continue,
                    _ => change.clone(),
                },
                Change::Post(told) if self.disk.posted(&told.id, &told.destination).is_some() => continue,
                Change::Delivered(seq) => {
                    let known = outbox.get(seq).and_then(|(id, destination)| self.disk.posted(id, destination));
                    let Some(seq) = known else { continue };
                    Change::Delivered(seq)
                }
                other => other.clone(),
            };
            self.commit(&[change]);
        }
    }

    /// The ended runs that these changes leave open, and as which revision.
    pub(super) fn begun_again(&self, changes: &[Change]) -> Vec<(Uuid, u64)> {
        let mut last = BTreeMap::new();
        for change in changes {
            if let Change::Put(run) = change {
                last.insert(run.id, run);
            }
        }
        let is_begun = |run: &&&Arc<Run>| {
            let known = self.disk.runs.get(&run.id);
            !run.status.is_final()
                && known.is_some_and(|known| known.status.is_final() && known.revision < run.revision)
        };
        last.values().filter(is_begun).map(|run| (run.id, run.revision)).collect()
    }

    /// What a process read when it began is what is durable.
    pub(super) fn check_loaded(&mut self, open: &[Run], undelivered: usize) {
        let loaded: BTreeSet<Uuid> = open.iter().map(|run| run.id).collect();
        let lost: Vec<String> =
            self.disk.open.difference(&loaded).filter_map(|id| Some(self.disk.runs.get(id)?.name.clone())).collect();
        if !lost.is_empty() {
            self.violate(None, format!("open runs were lost: {lost:?}"));
        }
        for run in open {
            match self.disk.runs.get(&run.id).map(|known| known.revision) {
                // Accepted by a process that was killed before it heard of it.
                None => self.commit(&[Change::Put(Arc::new(run.clone()))]),
                Some(known) if known == run.revision => {}
                Some(known) => {
                    let request = self.fleet.of_name(run.request_name());
                    self.violate(request, format!("{} was read as revision {}, not {known}", run.name, run.revision));
                }
            }
        }
        if undelivered != self.disk.outbox.len() {
            let what = format!("{undelivered} notifications were read, and {} are durable", self.disk.outbox.len());
            self.violate(None, what);
        }
    }

    pub(super) fn commit(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Put(run) => {
                    self.check_put(run);
                    self.check_refusal(run);
                    self.check_is_not_held_up(run);
                    self.count_end(run);
                    self.note_put(run);
                    self.disk.put(Run::clone(run));
                }
                Change::Forget(id) => self.disk.forget(*id),
                Change::Post(notification) => {
                    self.check_post(notification);
                    self.disk.posted += 1;
                    self.disk.outbox.insert(self.disk.posted, Arc::clone(notification));
                }
                Change::Delivered(seq) => drop(self.disk.outbox.remove(seq)),
                Change::Note { name, text } => drop(self.disk.notes.insert(name.clone().into_owned(), text.clone())),
            }
        }
    }

    fn note_put(&mut self, run: &Run) {
        let attempt = run.attempt();
        let stage = attempt.map(|a| format!("{:?}", a.stage)).unwrap_or_default();
        let seen = attempt.map_or((0, None, None), |a| {
            (
                a.version,
                a.last_status.as_ref().map(|status| status.as_str()),
                a.failure.as_ref().map(|f| f.error.as_str()),
            )
        });
        let line = format!(
            "disk: {} {} {} attempt {} {stage} v{} {} {} {}",
            run.name,
            run.id,
            run.status.as_str(),
            run.attempts.len(),
            seen.0,
            seen.1.unwrap_or("-"),
            attempt.and_then(|a| a.task_arn.as_ref()).map_or_else(|| "-".to_owned(), ToString::to_string),
            seen.2.unwrap_or("-"),
        );
        let request = self.fleet.of_name(run.request_name());
        self.note(request, line);
    }
}
