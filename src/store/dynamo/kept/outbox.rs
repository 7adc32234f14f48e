//! Notifications that were not delivered.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use uuid::Uuid;

use crate::core::notification::{Destination, Notification};
use crate::store::codec::{self, CodecError, NotificationKeys};

/// A notification, packed.
#[derive(Clone, Debug)]
pub(in crate::store::dynamo) struct Post {
    pub(super) id: String,
    pub(super) run: Uuid,
    pub(super) destination: Destination,
    pub(in crate::store::dynamo) body: Arc<[u8]>,
}

impl Post {
    /// The notification.
    pub(in crate::store::dynamo) fn unpack(self) -> Result<Notification, CodecError> {
        let Self { id, run, destination, body } = self;
        codec::decode_notification(NotificationKeys { id, run, destination }, &body)
    }
}

/// Notifications by their sequence numbers, by destination and by run.
#[derive(Default)]
pub(in crate::store::dynamo) struct Outbox {
    posts: BTreeMap<u64, Post>,
    destinations: BTreeMap<Destination, BTreeSet<u64>>,
    ids: HashSet<(String, Destination)>,
    runs: HashMap<Uuid, usize>,
    last: u64,
}

impl Outbox {
    /// The highest sequence number so far.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    pub(super) fn raise(&mut self, last: u64) {
        self.last = self.last.max(last);
    }

    pub(super) fn has(&self, seq: u64) -> bool {
        self.posts.contains_key(&seq)
    }

    pub(super) fn has_id(&self, id: &str, destination: &Destination) -> bool {
        self.ids.contains(&(id.to_owned(), destination.clone()))
    }

    /// Whether one is about this run.
    pub(super) fn is_of(&self, run: Uuid) -> bool {
        self.runs.contains_key(&run)
    }

    pub(super) fn insert(&mut self, seq: u64, post: Post) {
        self.remove(seq);
        self.ids.insert((post.id.clone(), post.destination.clone()));
        *self.runs.entry(post.run).or_default() += 1;
        self.destinations.entry(post.destination.clone()).or_default().insert(seq);
        self.posts.insert(seq, post);
    }

    /// Takes one out; the run that it was about.
    pub(super) fn remove(&mut self, seq: u64) -> Option<Uuid> {
        let post = self.posts.remove(&seq)?;
        if let Some(seqs) = self.destinations.get_mut(&post.destination) {
            seqs.remove(&seq);
            if seqs.is_empty() {
                self.destinations.remove(&post.destination);
            }
        }
        if let Some(count) = self.runs.get_mut(&post.run) {
            *count -= 1;
            if *count == 0 {
                self.runs.remove(&post.run);
            }
        }
        self.ids.remove(&(post.id, post.destination));
        Some(post.run)
    }

    /// Those behind a sequence number, in order.
    pub(super) fn after(&self, after: u64) -> impl Iterator<Item = (u64, &Post)> {
        self.posts.range(after + 1..).map(|(seq, post)| (*seq, post))
    }

    /// Those of a destination behind a sequence number, in order.
    pub(in crate::store::dynamo) fn of_destination(
        &self,
        destination: &Destination,
        after: u64,
    ) -> impl Iterator<Item = (u64, &Post)> {
        let seqs = self.destinations.get(destination).into_iter();
        seqs.flat_map(move |seqs| seqs.range(after + 1..)).filter_map(|seq| Some((*seq, self.posts.get(seq)?)))
    }

    /// How many there are, by destination.
    pub(in crate::store::dynamo) fn counts(&self) -> BTreeMap<Destination, usize> {
        self.destinations.iter().map(|(destination, seqs)| (destination.clone(), seqs.len())).collect()
    }
}
