//! From the changes of a commit to the group that the log gets: what is old is left out, sequence numbers are given, names that
//! are new are to be claimed, and what became known meanwhile goes with it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use super::group::Bucket;
use super::outbox::Post;
use super::{Group, Kept, Packed, SpecId};
use crate::core::failure::Class;
use crate::core::run::{Run, Status};
use crate::store::codec;
use crate::store::dynamo::claims::Claim;
use crate::store::dynamo::keys::day_of;
use crate::store::{Change, EndedCounts};

/// The records of a commit's changes, by their positions.
#[derive(Default)]
pub(in crate::store::dynamo) struct Encoded {
    pub(in crate::store::dynamo) runs: HashMap<usize, (SpecId, Arc<[u8]>)>,
    pub(in crate::store::dynamo) posts: HashMap<usize, Arc<[u8]>>,
    /// Of what runs share, what may not be kept yet.
    pub(in crate::store::dynamo) specs: BTreeMap<SpecId, Arc<[u8]>>,
}

/// A row, as it was read: which revision of its run, and how it is counted.
#[derive(Clone, Debug)]
pub(in crate::store::dynamo) struct RowFact {
    pub(in crate::store::dynamo) revision: u64,
    pub(in crate::store::dynamo) ttl: Option<u64>,
    pub(in crate::store::dynamo) status: Status,
    pub(in crate::store::dynamo) class: Option<Class>,
}

/// A row that was written.
#[derive(Clone, Copy, Debug)]
pub(in crate::store::dynamo) struct Written {
    pub(in crate::store::dynamo) id: Uuid,
    pub(in crate::store::dynamo) revision: u64,
    pub(in crate::store::dynamo) ttl: u64,
}

/// What is known beside the changes.
#[derive(Default)]
pub(in crate::store::dynamo) struct Facts {
    /// The rows of runs that are not kept.
    pub(in crate::store::dynamo) rows: HashMap<Uuid, RowFact>,
    /// Names that are not: their runs are dropped.
    pub(in crate::store::dynamo) refused: Vec<Arc<str>>,
    /// Runs that have a row of a higher revision: they are dropped too.
    pub(in crate::store::dynamo) stale: Vec<Uuid>,
    pub(in crate::store::dynamo) written: Vec<Written>,
    /// In seconds since 1970.
    pub(in crate::store::dynamo) now: u64,
}

/// The group of these changes.
pub(in crate::store::dynamo) fn make(kept: &Kept, changes: &[Change], encoded: &Encoded, facts: &Facts) -> Group {
    let group = Group { posted: kept.outbox.last(), ..Group::default() };
    let mut making = Making {
        kept,
        encoded,
        facts,
        group,
        puts: HashMap::new(),
        claims: HashMap::new(),
        forgotten: HashSet::new(),
        posted: HashSet::new(),
    };
    for (place, change) in changes.iter().enumerate() {
        making.change(place, change);
    }
    making.facts();
    making.finish()
}

struct Making<'a> {
    kept: &'a Kept,
    encoded: &'a Encoded,
    facts: &'a Facts,
    group: Group,
    /// Where in the group a run is.
    puts: HashMap<Uuid, usize>,
    /// Where in the group the claim of a name is.
    claims: HashMap<String, usize>,
    /// Runs that only have a row and are to be forgotten.
    forgotten: HashSet<Uuid>,
    /// Ids and destinations of the group's notifications.
    posted: HashSet<(String, String)>,
}

impl Making<'_> {
    fn change(&mut self, place: usize, change: &Change) {
        match change {
            Change::Put(run) => self.put(place, run),
            Change::Forget(id) => self.forget(*id),
            Change::Post(told) => {
                let key = (told.id.clone(), told.destination.to_string());
                let is_new = !self.kept.outbox.has_id(&told.id, &told.destination) && self.posted.insert(key);
                if let Some(body) = self.encoded.posts.get(&place).filter(|_| is_new) {
                    self.group.posted += 1;
                    let (id, destination) = (told.id.clone(), told.destination.clone());
                    let post = Post { id, run: told.run, destination, body: Arc::clone(body) };
                    self.group.posts.push((self.group.posted, post));
                }
            }
            Change::Note { name, text } => {
                if self.kept.notes.get(name.as_ref()) != Some(text) {
                    self.group.notes.insert(name.clone().into_owned(), text.clone());
                }
            }
            Change::Delivered(seq) => self.group.delivered.extend(Some(*seq).filter(|seq| self.kept.outbox.has(*seq))),
        }
    }

    fn put(&mut self, place: usize, run: &Run) {
        let Some((spec, body)) = self.encoded.runs.get(&place) else { return };
        let (in_group, kept) = (self.puts.get(&run.id).copied(), self.kept.run(run.id));
        let row = self.facts.rows.get(&run.id);
        let known = match in_group {
            Some(at) => Some(self.group.runs[at].1.revision),
            None => kept.map(|kept| kept.revision).or(row.map(|row| row.revision)),
        };
        if known.is_some_and(|known| known >= run.revision) {
            return;
        }
        let packed = Packed::of(run, *spec, Arc::clone(body));
        match in_group {
            Some(at) => self.group.runs[at].1 = packed,
            None => {
                self.puts.insert(run.id, self.group.runs.len());
                self.group.runs.push((run.id, packed));
                match row {
                    Some(row) => self.uncount(row),
                    None if kept.is_none() => self.accept(run),
                    None => {}
                }
            }
        }
    }

    /// A run that is new: with the first of its request its name is to be claimed.
    fn accept(&mut self, run: &Run) {
        let name = run.request_name();
        if let Some(at) = self.claims.get(name) {
            self.group.claims[*at].count += 1;
        } else if !self.kept.has_name(name) {
            self.claims.insert(name.to_owned(), self.group.claims.len());
            self.group.claims.push(Claim::of(run));
        }
    }

    fn forget(&mut self, id: Uuid) {
        let is_kept = self.kept.run(id).is_some() || self.puts.contains_key(&id);
        if let Some(row) = self.facts.rows.get(&id).filter(|_| !is_kept && self.forgotten.insert(id)) {
            self.uncount(row);
        }
        self.drop_run(id);
    }

    fn drop_run(&mut self, id: Uuid) {
        if let Some(at) = self.puts.remove(&id) {
            self.group.runs.swap_remove(at);
            if let Some((moved, _)) = self.group.runs.get(at) {
                self.puts.insert(*moved, at);
            }
        }
        if self.kept.run(id).is_some() && !self.group.gone.contains(&id) {
            self.group.gone.push(id);
        }
    }

    /// What became known since the last group.
    fn facts(&mut self) {
        let is_claiming = |name: &&Arc<str>| self.kept.claiming.contains_key(*name);
        let settled = self.kept.ours.iter().chain(&self.facts.refused).filter(is_claiming);
        self.group.claimed = settled.cloned().collect();
        for name in self.facts.refused.iter().filter(is_claiming) {
            let runs: Vec<Uuid> = self.kept.of_request(name, 0).collect();
            runs.into_iter().for_each(|id| self.drop_run(id));
        }
        self.facts.stale.iter().for_each(|id| self.drop_run(*id));
        for written in &self.facts.written {
            let Some(run) = self.kept.run(written.id).filter(|run| run.revision == written.revision) else { continue };
            // Begun again in this very group.
            if self.puts.contains_key(&written.id) || self.group.gone.contains(&written.id) {
                continue;
            }
            if let Some(end) = run.end.as_ref().filter(|_| written.ttl > self.facts.now) {
                let (status, class) = (end.status, end.class);
                let bucket = self.bucket(written.ttl);
                bucket.counts.add_end(status, class);
                bucket.first_day = bucket.first_day.min(day_of(written.id));
            }
            self.group.gone.push(written.id);
        }
    }

    /// The rows of a time to which the group adds.
    fn bucket(&mut self, ttl: u64) -> &mut Bucket {
        let known = self.kept.buckets.get(&ttl).cloned();
        let bucket = self.group.buckets.entry(ttl).or_insert(known);
        bucket.get_or_insert_with(|| Bucket { counts: EndedCounts::default(), first_day: u64::MAX })
    }

    fn uncount(&mut self, row: &RowFact) {
        let (status, class) = (row.status, row.class);
        if let Some(ttl) = row.ttl.filter(|ttl| self.kept.buckets.contains_key(ttl)) {
            self.bucket(ttl).counts.remove_end(status, class);
        }
    }

    fn finish(mut self) -> Group {
        if !self.group.buckets.is_empty() {
            // What is forgotten need not be counted any more.
            self.group.buckets.extend(self.kept.buckets.range(..=self.facts.now).map(|(ttl, _)| (*ttl, None)));
            for bucket in self.group.buckets.values_mut() {
                *bucket = bucket.take().filter(|bucket| !bucket.counts.is_empty());
            }
        }
        let mut added = HashSet::new();
        for (_, run) in &self.group.runs {
            let is_new = !self.kept.has_spec(&run.spec) && added.insert(run.spec);
            if let Some(body) = self.encoded.specs.get(&run.spec).filter(|_| is_new) {
                self.group.specs.push((run.spec, Arc::clone(body)));
            }
        }
        self.group
    }
}

impl Claim {
    /// The claim of a request's name by its first run.
    fn of(run: &Run) -> Self {
        Self {
            name: run.request_name().into(),
            id: run.id.to_string().into(),
            digest: digest(run).into(),
            count: 1,
            at: u64::try_from(run.submitted_at.millis() / 1_000).unwrap_or_default(),
        }
    }
}

/// Half of a request's digest: enough to tell requests of one name apart, in an item that should be small.
pub(in crate::store::dynamo) fn digest(run: &Run) -> String {
    codec::hex(&run.digest[..16])
}
