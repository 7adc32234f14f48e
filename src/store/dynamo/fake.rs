//! A table in memory, for tests: it can be slow, full, silent or away, call by call.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;

use super::cell::Layout;
use super::owned::DynamoOptions;
use super::store::DynamoStore;
use super::table::{
    Attributes, Batch, Conditional, Delete, ENDED_ID, ENDED_ON, Item, Items, Key, Put, Query, Table, TableError,
    Update, Value,
};
use super::takeover::Taker;
use crate::store::StoreError;

/// An item has at most 400 KB (DynamoDB's quotas).
const LARGEST: usize = 400 * 1024;
/// An answer has at most 1 MB (API reference, `Query`).
const ANSWER: usize = 1 << 20;

/// A call of the table.
#[derive(Clone, Debug)]
pub enum Call {
    /// `PutItem`
    Put(Key),
    /// `UpdateItem`
    Update(Key),
    /// `DeleteItem`
    Delete(Key),
    /// `GetItem`
    Get(Key),
    /// `Query` of the partition
    Query(Arc<str>),
    /// `BatchGetItem`
    BatchGet,
}

impl Call {
    /// The partition that it is about.
    pub fn partition(&self) -> &str {
        match self {
            Self::Put(key) | Self::Update(key) | Self::Delete(key) | Self::Get(key) => &key.pk,
            Self::Query(pk) => pk,
            Self::BatchGet => "",
        }
    }

    /// Whether it changes something.
    pub const fn is_write(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Update(_) | Self::Delete(_))
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fate {
    /// So long until it arrives.
    pub there: Duration,
    /// So long until its answer does.
    pub back: Duration,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// It is refused for its rate.
    Throttled,
    /// The caller has no right to.
    Refused,
    /// It does not arrive.
    Lost,
    /// It arrives, and its answer does not.
    Unanswered,
}

type Fates = Box<dyn FnMut(&Call) -> Fate + Send>;

/// A table in memory.
#[derive(Default)]
pub struct FakeTable {
    kept: Mutex<Kept>,
    fates: Mutex<Option<Fates>>,
}

#[derive(Default)]
struct Kept {
    items: BTreeMap<Key, Attributes>,
    /// Partition and sort key of the index, and the item.
    ended: BTreeMap<(Value, Value), Key>,
}

impl Kept {
    fn get(&self, key: &Key) -> Option<Item> {
        self.items.get(key).map(|attributes| Item { key: key.clone(), attributes: attributes.clone() })
    }

    fn set(&mut self, key: Key, attributes: Attributes) -> Result<(), TableError> {
        if size(&key, &attributes) > LARGEST {
            return Err(TableError::Refused(
                "ValidationException: Item size has exceeded the maximum allowed size".into(),
            ));
        }
        if let Some(old) = self.items.get(&key).and_then(indexed) {
            self.ended.remove(&old);
        }
        self.ended.extend(indexed(&attributes).map(|entry| (entry, key.clone())));
        self.items.insert(key, attributes);
        Ok(())
    }

    fn query(&self, query: Query) -> Items {
        match query {
            Query::Items { pk, from, to } => {
                let mut bytes = 0;
                let all = self.items.range(Key { pk: Arc::clone(&pk), sk: from }..=Key { pk, sk: to });
                let mut items: Vec<Item> = Vec::new();
                for (key, attributes) in all {
                    bytes += size(key, attributes);
                    if bytes > ANSWER && !items.is_empty() {
                        return Items { items, more: true };
                    }
                    items.push(Item { key: key.clone(), attributes: attributes.clone() });
                }
                Items { items, more: false }
            }
            Query::Ended { on, below, limit } => {
                let on = Value::S(on);
                let below = Value::S(below.unwrap_or_else(|| "~".into()));
                let entries = self.ended.range((on.clone(), Value::text(""))..(on, below)).rev();
                let entry = |((on, id), key): (&(Value, Value), &Key)| Item {
                    key: key.clone(),
                    attributes: Attributes::from([(ENDED_ON.into(), on.clone()), (ENDED_ID.into(), id.clone())]),
                };
                let items: Vec<Item> = entries.take(limit as usize).map(entry).collect();
                Items { more: items.len() == limit as usize, items }
            }
        }
    }
}

/// Where the index has an item.
fn indexed(attributes: &Attributes) -> Option<(Value, Value)> {
    Some((attributes.get(ENDED_ON)?.clone(), attributes.get(ENDED_ID)?.clone()))
}

/// As DynamoDB counts it, about (developer guide, "DynamoDB item sizes and formats").
pub fn size(key: &Key, attributes: &Attributes) -> usize {
    let value = |value: &Value| match value {
        Value::N(_) => 8,
        Value::S(text) => text.len(),
        Value::B(bytes) => bytes.len(),
        Value::Ss(texts) => texts.iter().map(String::len).sum(),
    };
    key.pk.len() + 12 + attributes.iter().map(|(name, of)| name.len() + value(of)).sum::<usize>()
}

impl FakeTable {
    /// From now on this decides what becomes of each call.
    pub fn decide(&self, fates: impl FnMut(&Call) -> Fate + Send + 'static) {
        *self.fates.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(fates));
    }

    /// Nothing goes wrong any more.
    pub fn be_well(&self) {
        *self.fates.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Everything that is there.
    pub fn items(&self) -> BTreeMap<Key, Attributes> {
        self.kept().items.clone()
    }

    /// Deletes what has expired, as TTL does some day.
    pub fn expire(&self, now: u64) {
        let now = Value::number(now);
        let mut kept = self.kept();
        kept.items.retain(|_, item| item.get("ttl").is_none_or(|ttl| *ttl >= now));
        let Kept { items, ended } = &mut *kept;
        ended.retain(|_, key| items.contains_key(key));
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call<T>(
        &self,
        call: Call,
        act: impl FnOnce(&mut Kept) -> Result<T, TableError> + Send,
    ) -> Result<T, TableError> {
        let fate = match &mut *self.fates.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(fates) => fates(&call),
            None => Fate::default(),
        };
        wait(fate.there).await;
        let answer = match fate.fault {
            None => act(&mut self.kept()),
            Some(Fault::Throttled) => {
                Err(TableError::Throttled("ThrottlingException: Rate of requests exceeds".into()))
            }
            Some(Fault::Refused) => Err(TableError::Refused("AccessDeniedException: not authorized".into())),
            Some(Fault::Lost) => Err(TableError::Unknown("connection refused".into())),
            Some(Fault::Unanswered) => {
                act(&mut self.kept())?;
                Err(TableError::Unknown("no answer within 1 s".into()))
            }
        };
        wait(fate.back).await;
        answer
    }
}

async fn wait(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

impl Table for FakeTable {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        let Put { item: Item { key, attributes }, condition } = put;
        Box::pin(self.call(Call::Put(key.clone()), move |kept| {
            if !condition.holds(kept.items.get(&key)) {
                return Ok(Conditional::Refused(kept.get(&key)));
            }
            kept.set(key, attributes).map(Conditional::Written)
        }))
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        let Update { key, set, remove, condition } = update;
        Box::pin(self.call(Call::Update(key.clone()), move |kept| {
            if !condition.holds(kept.items.get(&key)) {
                return Ok(Conditional::Refused(kept.get(&key)));
            }
            let mut attributes = kept.items.get(&key).cloned().unwrap_or_default();
            attributes.extend(set);
            remove.iter().for_each(|name| drop(attributes.remove(name)));
            kept.set(key.clone(), attributes.clone())?;
            Ok(Conditional::Written(Item { key, attributes }))
        }))
    }

    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        let Delete { key, condition } = delete;
        Box::pin(self.call(Call::Delete(key.clone()), move |kept| {
            if !condition.holds(kept.items.get(&key)) {
                return Ok(Conditional::Refused(kept.get(&key)));
            }
            if let Some(old) = kept.items.remove(&key).as_ref().and_then(indexed) {
                kept.ended.remove(&old);
            }
            Ok(Conditional::Written(()))
        }))
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        Box::pin(self.call(Call::Get(key.clone()), move |kept| Ok(kept.get(&key))))
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>> {
        let pk = match &query {
            Query::Items { pk, .. } => Arc::clone(pk),
            Query::Ended { on, .. } => Arc::clone(on),
        };
        Box::pin(self.call(Call::Query(pk), move |kept| Ok(kept.query(query))))
    }

    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>> {
        Box::pin(self.call(Call::BatchGet, move |kept| {
            Ok(Batch { items: keys.iter().filter_map(|key| kept.get(key)).collect(), unprocessed: Vec::new() })
        }))
    }
}

/// A cell whose log has few places for small records: snapshots and groups of several parts are everyday. `taken` is the epoch in
/// which the incarnation has it already, if it has.
///
/// # Errors
/// As [`DynamoStore::open`].
pub async fn open_small(
    table: Arc<dyn Table>,
    (cell, taken): (&str, Option<u64>),
    incarnation: Arc<str>,
    options: DynamoOptions,
) -> Result<DynamoStore, StoreError> {
    let taker = Taker { incarnation, taken, layout: Layout { places: 64, partitions: 4 }, most: 4_000 };
    DynamoStore::open_with(table, cell, taker, options).await
}
