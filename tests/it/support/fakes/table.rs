//! A table in memory, behind a door of each process's own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::store::dynamo::{
    Attributes, Batch, Conditional, Delete, Item, Items, Key, Put, Query, Table, TableError, Update,
};

type Kept = BTreeMap<Key, Attributes>;

/// Clones share the items and the door.
#[derive(Clone, Default)]
pub(crate) struct FakeTable {
    items: Arc<Mutex<Kept>>,
    away: Arc<AtomicBool>,
}

impl FakeTable {
    /// The same items, behind another door.
    pub(crate) fn another_door(&self) -> Self {
        Self { items: Arc::clone(&self.items), away: Arc::default() }
    }

    /// Whether calls through this door are lost.
    pub(crate) fn set_away(&self, away: bool) {
        self.away.store(away, Ordering::Relaxed);
    }

    /// Changes an item behind everybody's back.
    pub(crate) fn change(&self, key: &Key, change: impl FnOnce(&mut Attributes)) {
        change(self.items().get_mut(key).expect("an item"));
    }

    /// The key of the item with this name.
    pub(crate) fn key_of(&self, name: &str) -> Key {
        let has_name = |attributes: &Attributes| {
            let item = Item { key: Key { pk: "".into(), sk: 0 }, attributes: attributes.clone() };
            item.text("name").is_ok_and(|is| **is == *name)
        };
        self.items().iter().find(|(_, attributes)| has_name(attributes)).expect("an item of this name").0.clone()
    }

    fn items(&self) -> MutexGuard<'_, Kept> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn call<'t, T: Send + 't>(
        &'t self,
        call: impl FnOnce(&mut Kept) -> T + Send + 't,
    ) -> BoxFuture<'t, Result<T, TableError>> {
        async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if self.away.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_secs(1)).await;
                return Err(TableError::Unknown("no answer".to_owned()));
            }
            Ok(call(&mut self.items()))
        }
        .boxed()
    }
}

fn item(kept: &Kept, key: &Key) -> Option<Item> {
    kept.get(key).map(|attributes| Item { key: key.clone(), attributes: attributes.clone() })
}

impl Table for FakeTable {
    fn put_if(&self, Put { item: put, condition }: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        self.call(move |kept| {
            if !condition.holds(kept.get(&put.key)) {
                return Conditional::Refused(item(kept, &put.key));
            }
            kept.insert(put.key, put.attributes);
            Conditional::Written(())
        })
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        self.call(move |kept| {
            let Update { key, set, remove, condition } = update;
            if !condition.holds(kept.get(&key)) {
                return Conditional::Refused(item(kept, &key));
            }
            let attributes = kept.entry(key.clone()).or_default();
            attributes.extend(set);
            remove.iter().for_each(|name| drop(attributes.remove(name)));
            Conditional::Written(Item { key, attributes: attributes.clone() })
        })
    }

    fn delete_if(&self, Delete { key, condition }: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        self.call(move |kept| {
            if !condition.holds(kept.get(&key)) {
                return Conditional::Refused(item(kept, &key));
            }
            kept.remove(&key);
            Conditional::Written(())
        })
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        self.call(move |kept| item(kept, &key))
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>> {
        self.call(move |kept| {
            let Query::Items { pk, from, to } = query else { return Items::default() };
            let range = Key { pk: Arc::clone(&pk), sk: from }..=Key { pk, sk: to };
            let items =
                kept.range(range).map(|(key, attributes)| Item { key: key.clone(), attributes: attributes.clone() });
            Items { items: items.collect(), more: false }
        })
    }

    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>> {
        self.call(move |kept| Batch {
            items: keys.iter().filter_map(|key| item(kept, key)).collect(),
            unprocessed: Vec::new(),
        })
    }
}
