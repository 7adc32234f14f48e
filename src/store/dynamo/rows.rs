//! The rows of ended runs. The log decides; a row repeats what it decided, for people and for whoever asks by name.
//!
//! Each write of a row bears the run's revision and replaces a lower one only: what a replaced owner sends late, "ended, and
//! to be forgotten in a week", is not written over a run that was begun again meanwhile. It bears the owner's epoch too, which
//! comes before the revision: a row is opened before the log says that its run is begun again, and where the log never does,
//! for the owner ended, the next one knows better than the row.

use std::sync::Arc;

use super::keys;
use super::link::Link;
use super::rules::Rule;
use super::table::{Attributes, Condition, Conditional, Item, Name, Put, TableError, Update, Value};

/// The epoch of the owner that wrote a row.
const EPOCH: &str = "e";
/// What `ttl` was before the row was opened: the run is counted among those that ended until the log has it open.
pub(super) const WAS: &str = "was";

/// Which row; of which revision of its run, and by the owner of which epoch.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) request: Arc<str>,
    /// Of an array: which of its runs.
    pub(super) index: Option<u32>,
    pub(super) id: Arc<str>,
    pub(super) epoch: u64,
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
    /// What tells this write from others.
    fn marks(&self) -> Attributes {
        Attributes::from([
            ("id".into(), Value::S(Arc::clone(&self.id))),
            (EPOCH.into(), Value::number(self.epoch)),
            ("r".into(), Value::number(self.revision)),
        ])
    }

    fn is_lower(&self, link: &Link) -> Condition {
        let is_its = Condition::Equals("id", Value::S(Arc::clone(&self.id)));
        if !link.rules.keep(Rule::EndedRevision) {
            return is_its;
        }
        let (epoch, is_lower) = (Value::number(self.epoch), Condition::Less("r", Value::number(self.revision)));
        let mut lower = vec![Condition::Absent("r")];
        if link.rules.keep(Rule::RowEpoch) {
            let is_of_this = Condition::Any(vec![Condition::Absent(EPOCH), Condition::Equals(EPOCH, epoch.clone())]);
            lower.extend([Condition::Less(EPOCH, epoch), Condition::All(vec![is_of_this, is_lower])]);
        } else {
            lower.push(is_lower);
        }
        Condition::All(vec![is_its, Condition::Any(lower)])
    }

    /// After a refusal: what stands there. `is_done` judges by its revision whether the write need not be made any more.
    async fn stands(
        &self,
        link: &Link,
        old: Option<Item>,
        is_done: impl Fn(u64) -> bool,
    ) -> Result<Stands, TableError> {
        let item = match old {
            Some(item) => Some(item),
            // TTL may have taken it.
            None => link.table.get(keys::row(&self.request, self.index)).await?,
        };
        let is_ours = |item: Item| {
            item.text("id").is_ok_and(|id| *id == self.id)
                && item.number(EPOCH).map_or(true, |epoch| epoch == self.epoch)
                && item.number("r").is_ok_and(&is_done)
        };
        Ok(if item.is_some_and(is_ours) { Stands::Ours } else { Stands::Another })
    }
}

/// Writes the row of a run that has ended: one try. The row of a request's only run is that of its name's claim.
pub(super) async fn write(link: &Link, row: &Row, mut attributes: Attributes, now: u64) -> Result<Stands, TableError> {
    attributes.extend(row.marks());
    let is_lower = row.is_lower(link);
    let condition = match row.index {
        None => is_lower,
        Some(_) => Condition::Any(vec![is_free(now), is_lower]),
    };
    let item = Item { key: keys::row(&row.request, row.index), attributes };
    match link.table.put_if(Put { item, condition }).await? {
        Conditional::Written(()) => Ok(Stands::Ours),
        Conditional::Refused(old) => row.stands(link, old, |r| r == row.revision).await,
    }
}

/// Of an array's run: nothing is there, or what TTL has not taken yet of an earlier request of the name.
fn is_free(now: u64) -> Condition {
    Condition::Any(vec![Condition::Absent("id"), Condition::Less("ttl", Value::number(now))])
}

fn is_kept(now: u64) -> Condition {
    Condition::Any(vec![Condition::Absent("ttl"), Condition::Greater("ttl", Value::number(now))])
}

/// Before the log says that an ended run is begun again: its row is open, and TTL does not take it. One try; `was` is its `ttl`
/// if that is known. [`Stands::Another`]: the run is forgotten already, or was begun again by somebody else.
pub(super) async fn reopen(link: &Link, row: &Row, was: Option<u64>, now: u64) -> Result<Stands, TableError> {
    let mut set = row.marks();
    set.extend(was.map(|was| (WAS.into(), Value::number(was))));
    let update = Update {
        key: keys::row(&row.request, row.index),
        set,
        remove: vec!["ttl".into()],
        condition: Condition::All(vec![row.is_lower(link), is_kept(now)]),
    };
    match link.table.update_if(update).await? {
        Conditional::Written(_) => Ok(Stands::Ours),
        // An earlier try may have been of a later step of the same redrive.
        Conditional::Refused(old) => row.stands(link, old, |r| r >= row.revision).await,
    }
}

/// Before an ended run of an array that has no row yet is begun again: a row that bears its revision, so that no late one of a
/// lower revision is written. One try.
pub(super) async fn hold(link: &Link, row: &Row, now: u64) -> Result<Stands, TableError> {
    let item = Item { key: keys::row(&row.request, row.index), attributes: row.marks() };
    match link.table.put_if(Put { item, condition: is_free(now) }).await? {
        Conditional::Written(()) => Ok(Stands::Ours),
        Conditional::Refused(old) => row.stands(link, old, |r| r >= row.revision).await,
    }
}

/// A run is to be forgotten at once, and its name is free: one try.
pub(super) async fn give_up(link: &Link, row: &Row) -> Result<(), TableError> {
    let update = Update {
        key: keys::row(&row.request, row.index),
        set: Attributes::from([("ttl".into(), Value::number(1))]),
        remove: Vec::new(),
        condition: Condition::Equals("id", Value::S(Arc::clone(&row.id))),
    };
    link.table.update_if(update).await.map(drop)
}

/// The name of an array, and the number of this write of it: a later one has a higher one, whoever its owner is.
#[derive(Clone, Debug)]
pub(super) struct NameRow {
    pub(super) request: Arc<str>,
    pub(super) cell: Arc<str>,
    pub(super) number: u64,
}

/// All runs of an array have ended: its name is free from `ttl` on. One try.
pub(super) async fn close_name(link: &Link, row: &NameRow, ttl: u64) -> Result<Stands, TableError> {
    let set = Attributes::from([("r".into(), Value::number(row.number)), ("ttl".into(), Value::number(ttl))]);
    row.update(link, set, Vec::new(), Condition::ALWAYS).await
}

/// Before a run of an array is begun again: its name is kept. One try. [`Stands::Another`]: it is free already.
pub(super) async fn keep_name(link: &Link, row: &NameRow, now: u64) -> Result<Stands, TableError> {
    let set = Attributes::from([("r".into(), Value::number(row.number))]);
    row.update(link, set, vec!["ttl".into()], is_kept(now)).await
}

impl NameRow {
    /// Changes it, if it is this cell's and no later change was made.
    async fn update(
        &self,
        link: &Link,
        set: Attributes,
        remove: Vec<Name>,
        condition: Condition,
    ) -> Result<Stands, TableError> {
        let key = keys::row(&self.request, None);
        let Some(item) = link.table.get(key.clone()).await? else { return Ok(Stands::Another) };
        let (Ok(id), Ok(cell)) = (item.text("id"), item.text("cell")) else { return Ok(Stands::Another) };
        if *cell != self.cell {
            return Ok(Stands::Another);
        }
        let number = Value::number(self.number);
        let condition = Condition::All(vec![
            // The name may be another request's meanwhile.
            Condition::Equals("id", Value::S(Arc::clone(id))),
            Condition::Any(vec![Condition::Absent("r"), Condition::Less("r", number.clone())]),
            condition,
        ]);
        match link.table.update_if(Update { key, set, remove, condition }).await? {
            Conditional::Written(_) => Ok(Stands::Ours),
            Conditional::Refused(old) => {
                let is_ours = |old: Item| old.attributes.get("r") == Some(&number);
                Ok(if old.is_some_and(is_ours) { Stands::Ours } else { Stands::Another })
            }
        }
    }
}
