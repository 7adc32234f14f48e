//! What a cell's log keeps: open runs, ended ones whose rows are not written, the outbox, notes, and how many rows there are.
//!
//! Runs stay packed, as the log and its snapshots have them: a snapshot copies them.

mod group;
mod make;
mod outbox;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use uuid::Uuid;

use super::claims::Claim;
use super::replay::State;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::EndedCounts;
use crate::store::codec::{self, CodecError, Keys, Shared};
pub(super) use group::{Bucket, End, Group};
pub(super) use make::{Encoded, Facts, RowFact, Written, digest, make};
pub(super) use outbox::{Outbox, Post};

/// An id of what runs share, by its content.
pub(super) type SpecId = [u8; 16];

/// About so many bytes of a snapshot are one chunk: an item has at most 400 KB (DynamoDB's quotas).
const CHUNK: usize = 280_000;

/// A run, packed.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    pub(super) request: Arc<str>,
    pub(super) index: u32,
    pub(super) revision: u64,
    pub(super) spec: SpecId,
    pub(super) body: Arc<[u8]>,
    pub(super) end: Option<End>,
}

/// What runs share, and how many do.
struct Spec {
    /// `None`: while a log is read, of a run that goes with a later record.
    body: Option<Arc<[u8]>>,
    uses: usize,
}

/// A run and what it shares, to be unpacked elsewhere than under the lock.
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) run: Packed,
    pub(super) spec: Option<Arc<[u8]>>,
}

/// The state of a cell.
#[derive(Default)]
pub(super) struct Kept {
    runs: BTreeMap<Uuid, Packed>,
    /// The same, by their request's name and their index in it.
    names: BTreeMap<Arc<str>, BTreeMap<u32, Uuid>>,
    specs: BTreeMap<SpecId, Spec>,
    pub(super) outbox: Outbox,
    pub(super) notes: BTreeMap<String, String>,
    /// Names of accepted requests of which it is not known whether they are this cell's.
    pub(super) claiming: BTreeMap<Arc<str>, Claim>,
    /// Those of them that are this cell's, as the table said and the log does not say yet.
    pub(super) ours: BTreeSet<Arc<str>>,
    /// The rows of ended runs, counted, by the second at which they are forgotten.
    pub(super) buckets: BTreeMap<u64, Bucket>,
    /// Ended runs that are no rows yet.
    ended: BTreeSet<Uuid>,
    counts: EndedCounts,
    /// Those of them that were told of everywhere: they may become rows.
    ready: BTreeSet<Uuid>,
    /// All of the log is in it: what nobody uses may go. Before, a later record may still use it, for snapshots are taken
    /// while commits go on.
    is_whole: bool,
}

impl Kept {
    /// The log was read to its end.
    pub(super) fn whole(&mut self) {
        self.is_whole = true;
        self.specs.retain(|_, spec| spec.uses > 0);
    }

    pub(super) fn run(&self, id: Uuid) -> Option<&Packed> {
        self.runs.get(&id)
    }

    /// A run and what it shares.
    pub(super) fn stored(&self, id: Uuid) -> Option<Stored> {
        let run = self.runs.get(&id)?;
        let spec = self.specs.get(&run.spec).and_then(|spec| spec.body.clone());
        Some(Stored { id, run: run.clone(), spec })
    }

    /// A run, unless its name may be another's.
    pub(super) fn shown(&self, id: Uuid) -> Option<Stored> {
        let is_open = |name: &Arc<str>| self.claiming.contains_key(name) && !self.ours.contains(name);
        self.stored(id).filter(|stored| !is_open(&stored.run.request))
    }

    /// Names of which it is not known whether they are this cell's, so many at most.
    pub(super) fn unsettled(&self, most: usize) -> Vec<Claim> {
        let open = self.claiming.values().filter(|claim| !self.ours.contains(&claim.name));
        open.take(most).cloned().collect()
    }

    /// The runs of a request's name from an index on.
    pub(super) fn of_request(&self, name: &str, from: u32) -> impl Iterator<Item = Uuid> + '_ {
        self.names.get(name).into_iter().flat_map(move |runs| runs.range(from..).map(|(_, id)| *id))
    }

    pub(super) fn has_name(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    pub(super) fn has_spec(&self, id: &SpecId) -> bool {
        self.specs.get(id).is_some_and(|spec| spec.body.is_some())
    }

    /// How many runs are open.
    pub(super) fn open(&self) -> usize {
        self.runs.len() - self.ended.len()
    }

    /// The ids of open runs behind one, so many at most.
    pub(super) fn open_after(&self, after: Option<Uuid>, most: usize) -> Vec<Uuid> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let open = self.runs.range((from, Bound::Unbounded)).filter(|(_, run)| run.end.is_none());
        open.map(|(id, _)| *id).take(most).collect()
    }

    /// The ids of runs behind one, so many at most.
    pub(super) fn after(&self, after: Option<Uuid>, most: usize) -> Vec<Uuid> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.runs.range((from, Bound::Unbounded)).map(|(id, _)| *id).take(most).collect()
    }

    /// The ids of runs, newest first, below one.
    pub(super) fn newest_before(&self, before: Option<Uuid>) -> impl Iterator<Item = Uuid> + '_ {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.runs.range((Bound::Unbounded, to)).rev().map(|(id, _)| *id)
    }

    /// The ids of ended runs that are no rows yet, newest first, below one.
    pub(super) fn ended_before(&self, before: Option<Uuid>) -> impl Iterator<Item = Uuid> + '_ {
        let to = before.map_or(Bound::Unbounded, Bound::Excluded);
        self.ended.range((Bound::Unbounded, to)).rev().copied()
    }

    /// Ended runs that were told of and are no rows yet.
    pub(super) fn ready(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.ready.iter().copied()
    }

    /// How many ended runs there are at an instant: here, and as rows.
    pub(super) fn counts(&self, now: u64) -> EndedCounts {
        let mut counts = self.counts.clone();
        self.buckets.range(now + 1..).for_each(|(_, bucket)| counts.add_all(&bucket.counts));
        counts
    }

    /// The first day on which a run was submitted whose row is still there.
    pub(super) fn first_day(&self, now: u64) -> Option<u64> {
        self.buckets.range(now + 1..).map(|(_, bucket)| bucket.first_day).min()
    }

    fn put(&mut self, id: Uuid, run: Packed) {
        self.take(id);
        // One text for all runs of a request.
        let known = self.names.get_key_value(&run.request).map(|(known, _)| Arc::clone(known));
        let request = known.unwrap_or_else(|| Arc::clone(&run.request));
        self.names.entry(Arc::clone(&request)).or_default().insert(run.index, id);
        self.specs.entry(run.spec).or_insert(Spec { body: None, uses: 0 }).uses += 1;
        if let Some(end) = &run.end {
            self.ended.insert(id);
            self.counts.add_end(end.status, end.class);
        }
        self.runs.insert(id, Packed { request, ..run });
        self.note_ready(id);
    }

    fn take(&mut self, id: Uuid) {
        let Some(run) = self.runs.remove(&id) else { return };
        if let Some(end) = &run.end {
            self.ended.remove(&id);
            self.ready.remove(&id);
            self.counts.remove_end(end.status, end.class);
        }
        if let Some(runs) = self.names.get_mut(&run.request) {
            if runs.get(&run.index) == Some(&id) {
                runs.remove(&run.index);
            }
            if runs.is_empty() {
                self.names.remove(&run.request);
            }
        }
        if let Entry::Occupied(mut spec) = self.specs.entry(run.spec) {
            spec.get_mut().uses = spec.get().uses.saturating_sub(1);
        }
    }

    fn note_ready(&mut self, id: Uuid) {
        if self.ended.contains(&id) && !self.outbox.is_of(id) {
            self.ready.insert(id);
        } else {
            self.ready.remove(&id);
        }
    }

    fn take_in(&mut self, group: Group) {
        for (id, body) in group.specs {
            self.specs.entry(id).or_insert(Spec { body: None, uses: 0 }).body = Some(body);
        }
        let mut unused = Vec::new();
        for (id, run) in group.runs {
            unused.extend(self.runs.get(&id).map(|before| before.spec));
            self.put(id, run);
        }
        for id in group.gone {
            unused.extend(self.runs.get(&id).map(|before| before.spec));
            self.take(id);
        }
        self.outbox.raise(group.posted);
        for (seq, post) in group.posts {
            let run = post.run;
            self.outbox.insert(seq, post);
            self.note_ready(run);
        }
        for seq in group.delivered {
            if let Some(run) = self.outbox.remove(seq) {
                self.note_ready(run);
            }
        }
        self.notes.extend(group.notes);
        self.claiming.extend(group.claims.into_iter().map(|claim| (Arc::clone(&claim.name), claim)));
        for name in &group.claimed {
            self.claiming.remove(name);
            self.ours.remove(name);
        }
        for (at, bucket) in group.buckets {
            match bucket {
                Some(bucket) => drop(self.buckets.insert(at, bucket)),
                None => drop(self.buckets.remove(&at)),
            }
        }
        if self.is_whole {
            for spec in unused {
                if self.specs.get(&spec).is_some_and(|spec| spec.uses == 0) {
                    self.specs.remove(&spec);
                }
            }
        }
    }
}

impl Packed {
    /// How a run is kept; `body` is its record.
    pub(super) fn of(run: &Run, spec: SpecId, body: Arc<[u8]>) -> Self {
        let end = run.finished_at.filter(|_| run.status.is_final()).map(|at| End::of(run, at));
        Self { request: run.request_name().into(), index: run.index, revision: run.revision, spec, body, end }
    }
}

impl End {
    fn of(run: &Run, at: Timestamp) -> Self {
        Self { status: run.status, class: run.failure().map(|failure| failure.class), at: at.millis() }
    }
}

impl Stored {
    /// Unpacks it; `shared` has what was unpacked before.
    pub(super) fn unpack(self, shared: &mut BTreeMap<SpecId, Shared>) -> Result<Run, CodecError> {
        let Packed { request, index, spec, body, .. } = self.run;
        let shared = match shared.entry(spec) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(codec::decode_shared(&self.spec.ok_or(CodecError::Cut)?)?),
        };
        codec::decode_run(Keys { id: self.id, request: request.to_string(), index }, shared, &body)
    }
}

/// Where a chunk of a snapshot ended.
#[derive(Clone)]
pub(super) enum Cursor {
    Specs(SpecId),
    Runs(Option<Uuid>),
    Posts(u64),
    Notes(Arc<str>),
}

impl State for Kept {
    type Group = Group;
    type Cursor = Cursor;

    fn encode(group: &Group) -> Vec<u8> {
        group.encode()
    }

    fn decode(bytes: &[u8]) -> Result<Group, String> {
        Group::decode(bytes)
    }

    fn apply(&mut self, group: Group) {
        self.take_in(group);
    }

    /// First what runs share, then runs, then the outbox, then notes; with the last of these, all else.
    fn chunk(&self, after: Option<Cursor>) -> (Vec<u8>, Option<Cursor>) {
        let (mut group, mut bytes) = (Group::default(), 0);
        let mut cursor = after;
        if matches!(cursor, None | Some(Cursor::Specs(_))) {
            let from = match cursor {
                Some(Cursor::Specs(id)) => Bound::Excluded(id),
                _ => Bound::Unbounded,
            };
            for (id, spec) in self.specs.range((from, Bound::Unbounded)) {
                let Some(body) = &spec.body else { continue };
                if bytes > 0 && bytes + body.len() > CHUNK {
                    return (group.encode(), cursor);
                }
                bytes += body.len() + size_of::<SpecId>();
                group.specs.push((*id, Arc::clone(body)));
                cursor = Some(Cursor::Specs(*id));
            }
            cursor = Some(Cursor::Runs(None));
        }
        if let Some(Cursor::Runs(last)) = cursor {
            let from = last.map_or(Bound::Unbounded, Bound::Excluded);
            for (id, run) in self.runs.range((from, Bound::Unbounded)) {
                if bytes > 0 && bytes + run.body.len() > CHUNK {
                    return (group.encode(), cursor);
                }
                // The header has its keys, packed: less than this.
                bytes += run.body.len() + run.request.len() + 64;
                group.runs.push((*id, run.clone()));
                cursor = Some(Cursor::Runs(Some(*id)));
            }
            cursor = Some(Cursor::Posts(0));
        }
        if let Some(Cursor::Posts(last)) = cursor {
            for (seq, post) in self.outbox.after(last) {
                if bytes > 0 && bytes + post.body.len() > CHUNK {
                    return (group.encode(), cursor);
                }
                bytes += post.body.len() + 200;
                group.posts.push((seq, post.clone()));
                cursor = Some(Cursor::Posts(seq));
            }
            cursor = Some(Cursor::Notes("".into()));
        }
        if let Some(Cursor::Notes(last)) = cursor.clone() {
            for (name, text) in self.notes.range::<str, _>((Bound::Excluded(&*last), Bound::Unbounded)) {
                if bytes > 0 && bytes + text.len() > CHUNK {
                    return (group.encode(), cursor);
                }
                bytes += text.len() + name.len();
                group.notes.insert(name.clone(), text.clone());
                cursor = Some(Cursor::Notes(name.as_str().into()));
            }
        }
        if bytes > 0 && bytes + 200 * self.claiming.len() > CHUNK {
            return (group.encode(), cursor);
        }
        group.posted = self.outbox.last();
        group.claims = self.claiming.values().cloned().collect();
        group.buckets = self.buckets.iter().map(|(at, bucket)| (*at, Some(bucket.clone()))).collect();
        (group.encode(), None)
    }

    fn restore(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.take_in(Group::decode(chunk)?);
        Ok(())
    }
}
