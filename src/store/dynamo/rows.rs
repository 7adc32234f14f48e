//! The rows of ended runs. The log decides; a row repeats what it decided, for people and for whoever asks by name.
//!
//! Each write of a row bears the run's revision and replaces a lower one only: what a replaced owner sends late, "ended, and
//! to be forgotten in a week", is not written over a run that was begun again meanwhile.

use std::sync::Arc;

use super::keys;
use super::link::Link;
use super::rules::Rule;
use super::table::{Attributes, Condition, Conditional, Item, Name, Put, TableError, Update, Value};

/// Which row, and of which revision of its run.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) request: Arc<str>,
    /// Of an array: which of its runs.
    pub(super) index: Option<u32>,
    pub(super) id: Arc<str>,
    pub(super) revision: u64,
}

/// What stands in a row after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    /// What was written, by this try or an earlier one.
    Ours,
    /// A later revision, or another run, whose name this was before; or nothing.
    Another,
}

impl Row {
    fn is_lower(&self, link: &Link) -> Condition {
        let is_its = Condition::Equals("id", Value::S(Arc::clone(&self.id)));
        let revision = Value::number(self.revision);
        match link.rules.keep(Rule::EndedRevision) {
            true => Condition::All(vec![
                is_its,
                Condition::Any(vec![Condition::Absent("r"), Condition::Less("r", revision)]),
            ]),
            false => is_its,
        }
    }

    async fn stands(&self, link: &Link, old: Option<Item>) -> Result<Stands, TableError> {
        let item = match old {
            Some(item) => Some(item),
            // TTL may have taken it.
            None => link.table.get(keys::row(&self.request, self.index)).await?,
        };
        let is_ours = |item: Item| {
            item.text("id").is_ok_and(|id| *id == self.id) && item.number("r").is_ok_and(|r| r == self.revision)
        };
        Ok(if item.is_some_and(is_ours) { Stands::Ours } else { Stands::Another })
    }
}

/// Writes the row of a run that has ended: one try. The row of a request's only run is that of its name's claim.
pub(super) async fn write(link: &Link, row: &Row, mut attributes: Attributes) -> Result<Stands, TableError> {
    attributes.insert("id".into(), Value::S(Arc::clone(&row.id)));
    attributes.insert("r".into(), Value::number(row.revision));
    let is_lower = row.is_lower(link);
    let condition = match row.index {
        None => is_lower,
        Some(_) => Condition::Any(vec![Condition::Absent("id"), is_lower]),
    };
    let item = Item { key: keys::row(&row.request, row.index), attributes };
    match link.table.put_if(Put { item, condition }).await? {
        Conditional::Written(()) => Ok(Stands::Ours),
        Conditional::Refused(old) => row.stands(link, old).await,
    }
}

/// Before the log says that an ended run is begun again: its row is open again, and TTL does not take it. One try.
/// [`Stands::Another`]: the run is forgotten already, or was begun again by somebody else.
pub(super) async fn reopen(link: &Link, row: &Row, cleared: &[&'static str], now: u64) -> Result<Stands, TableError> {
    let is_kept = Condition::Any(vec![Condition::Absent("ttl"), Condition::Greater("ttl", Value::number(now))]);
    let update = Update {
        key: keys::row(&row.request, row.index),
        set: Attributes::from([("r".into(), Value::number(row.revision))]),
        remove: cleared.iter().copied().map(Name::from).chain(["ttl".into()]).collect(),
        condition: Condition::All(vec![row.is_lower(link), is_kept]),
    };
    match link.table.update_if(update).await? {
        Conditional::Written(_) => Ok(Stands::Ours),
        Conditional::Refused(old) => row.stands(link, old).await,
    }
}
