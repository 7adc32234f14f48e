//! What a fleet asks of a table: six calls of DynamoDB, as plain data. The adapter in `aws` sends them.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

/// The name of an attribute.
pub type Name = Cow<'static, str>;
/// The attributes of an item beside its key.
pub type Attributes = BTreeMap<Name, Value>;

/// The key of an item: partition key `pk`, a string, and sort key `sk`, a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Partition key.
    pub pk: Arc<str>,
    /// Sort key.
    pub sk: u64,
}

/// An attribute's value, by DynamoDB's types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// A number; taskwatch has integers only.
    N(i64),
    /// A string.
    S(Arc<str>),
    /// Bytes.
    B(Arc<[u8]>),
    /// A set of strings; never empty.
    Ss(BTreeSet<String>),
}

impl Value {
    /// A string.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::S(text.as_ref().into())
    }

    /// A position, an epoch, a count: none of them gets near 2^63.
    pub fn number(number: u64) -> Self {
        Self::N(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// An item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its key.
    pub key: Key,
    /// Its other attributes.
    pub attributes: Attributes,
}

/// An attribute is not there, or not of its type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("item {pk} {sk} has no {attribute} that can be read")]
pub struct Malformed {
    pk: Arc<str>,
    sk: u64,
    attribute: Name,
}

impl Item {
    fn malformed(&self, attribute: &str) -> Malformed {
        Malformed { pk: Arc::clone(&self.key.pk), sk: self.key.sk, attribute: attribute.to_owned().into() }
    }

    /// A number that cannot be negative.
    ///
    /// # Errors
    /// It is not there, or no such number.
    pub fn number(&self, attribute: &str) -> Result<u64, Malformed> {
        match self.attributes.get(attribute) {
            Some(Value::N(number)) => u64::try_from(*number).map_err(|_| self.malformed(attribute)),
            _ => Err(self.malformed(attribute)),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// It is not there, or no string.
    pub fn text(&self, attribute: &str) -> Result<&Arc<str>, Malformed> {
        match self.attributes.get(attribute) {
            Some(Value::S(text)) => Ok(text),
            _ => Err(self.malformed(attribute)),
        }
    }

    /// Bytes.
    ///
    /// # Errors
    /// They are not there, or no bytes.
    pub fn bytes(&self, attribute: &str) -> Result<&Arc<[u8]>, Malformed> {
        match self.attributes.get(attribute) {
            Some(Value::B(bytes)) => Ok(bytes),
            _ => Err(self.malformed(attribute)),
        }
    }
}

/// Under which condition an item is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `attribute_not_exists(a)`
    Absent(&'static str),
    /// `a = v`
    Equals(&'static str, Value),
    /// `a < v`
    Less(&'static str, Value),
    /// `a > v`
    Greater(&'static str, Value),
    /// All of them; of none, always.
    All(Vec<Condition>),
    /// At least one of them.
    Any(Vec<Condition>),
}

impl Condition {
    /// Whatever is there.
    pub const ALWAYS: Self = Self::All(Vec::new());

    /// Whether an item fulfils it; `None`: there is no item. What an attribute is compared with, it must be there for.
    pub fn holds(&self, attributes: Option<&Attributes>) -> bool {
        let get = |name: &str| attributes.and_then(|attributes| attributes.get(name));
        match self {
            Self::Absent(name) => get(name).is_none(),
            Self::Equals(name, value) => get(name) == Some(value),
            Self::Less(name, value) => get(name).is_some_and(|is| is < value),
            Self::Greater(name, value) => get(name).is_some_and(|is| is > value),
            Self::All(all) => all.iter().all(|one| one.holds(attributes)),
            Self::Any(any) => any.iter().any(|one| one.holds(attributes)),
        }
    }
}

/// `PutItem`: the item, in place of what is under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The whole item.
    pub item: Item,
    /// What must hold of the item that is there.
    pub condition: Condition,
}

/// `UpdateItem`: some attributes of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// Which item; one that is not there is made, if the condition allows it.
    pub key: Key,
    /// Attributes that get a value.
    pub set: Attributes,
    /// Attributes that go.
    pub remove: Vec<Name>,
    /// What must hold of the item that is there.
    pub condition: Condition,
}

/// `DeleteItem`: an item and all it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delete {
    /// Which item; one that is not there is deleted already, if the condition allows it.
    pub key: Key,
    /// What must hold of the item that is there.
    pub condition: Condition,
}

/// `Query`: items of one partition, in the order of their sort keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// Of the table, by a consistent read.
    Items {
        /// The partition.
        pk: Arc<str>,
        /// The first sort key.
        from: u64,
        /// The last sort key.
        to: u64,
    },
    /// Of the index [`ENDED`], newest first. An index lags behind the table.
    Ended {
        /// Its partition ([`ENDED_ON`]).
        on: Arc<str>,
        /// Its sort key ([`ENDED_ID`]) is below this one.
        below: Option<Arc<str>>,
        /// Most items of an answer.
        limit: u32,
    },
}

/// The index of ended runs: sparse, of items that have [`ENDED_ON`].
pub const ENDED: &str = "ended";
/// Partition key of the index.
pub const ENDED_ON: &str = "endedOn";
/// Sort key of the index.
pub const ENDED_ID: &str = "id";
/// What the index has of its items beside their keys: by it a list of ended runs is filtered.
pub const ENDED_SHOWS: [&str; 3] = ["status", "queue", "error"];
/// When an item may go, in seconds since 1970; only rows of ended runs have it.
pub const TTL: &str = "ttl";

/// Items of an answer. There may be few or none, and yet more behind them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items {
    /// They; of an index what it has of them.
    pub items: Vec<Item>,
    /// Whether a query beginning behind the last of them finds more; with no items, whether the same query does.
    pub more: bool,
}

/// `BatchGetItem`, by consistent reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Those that are there, in no order.
    pub items: Vec<Item>,
    /// Keys that it did not come to: ask again.
    pub unprocessed: Vec<Key>,
}

/// What a conditional write came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conditional<T> {
    /// It is written.
    Written(T),
    /// The condition does not hold of what is there. Not every endpoint says what that is (`ALL_OLD`).
    Refused(Option<Item>),
}

impl<T> Conditional<T> {
    /// With what was written read otherwise.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn try_map<U, E>(self, read: impl FnOnce(T) -> Result<U, E>) -> Result<Conditional<U>, E> {
        match self {
            Self::Written(written) => read(written).map(Conditional::Written),
            Self::Refused(old) => Ok(Conditional::Refused(old)),
        }
    }
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Whether it took effect, or still will, nobody knows: a time-out, a broken connection, a 5xx.
    #[error("{0}")]
    Unknown(String),
    /// It took no effect; the table takes less than it is given.
    #[error("{0}")]
    Throttled(String),
    /// It took no effect, and the same call will not either until somebody changes something: no such table, no right to.
    #[error("{0}")]
    Refused(String),
}

/// A table. Each call is one attempt: whoever calls tries again.
pub trait Table: Send + Sync + 'static {
    /// Writes an item if the condition holds of what is under its key.
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>>;
    /// Changes an item if the condition holds of it; answers the whole item as it is then.
    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>>;
    /// Deletes an item if the condition holds of it. Rows of processes only: nothing of a log is ever deleted.
    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>>;
    /// Reads an item, consistently.
    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>>;
    /// Reads items of a partition.
    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>>;
    /// Reads up to 100 items.
    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>>;
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}
