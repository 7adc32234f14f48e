//! The directory of a fleet: which processes there are, which cells, and who owns which. It decides only when a cell is taken;
//! that two owners harm nothing is the log's own doing.
//!
//! A call that may have taken effect unheard is made again by whoever calls: each can be repeated, and tells its own earlier
//! try from another's.

use std::sync::Arc;

use super::cell::{self, Layout};
use super::keys;
use super::table::{
    Attributes, Condition, Conditional, Delete, Item, Items, Put, Query, Table, TableError, Update, Value,
};

/// The newest format of cells that this taskwatch reads and writes.
pub const FORMAT: u64 = cell::FORMAT;

/// Records between two snapshots at most: 131,072, in 16 partitions, so that none of them is the busy one.
const LAYOUT: Layout = Layout { places: 131_072, partitions: 16 };

/// A cell that a fleet is to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCell {
    /// Its name, `<fleet>-<n>`: the prefix of its tasks' `startedBy`.
    pub name: String,
    /// The URL of its events queue.
    pub events: String,
}

/// A cell of the fleet, as its item has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CellRow {
    /// Its name.
    pub name: Arc<str>,
    /// The URL of its events queue.
    pub events: Arc<str>,
    /// How often it was taken.
    pub epoch: u64,
    /// The incarnation that took it last; `None` once that gave it back.
    pub owner: Option<Arc<str>>,
    /// The incarnation that asks for it, to have as many as the others.
    pub want: Option<Arc<str>>,
    /// Its format: one above [`FORMAT`] is left alone.
    pub format: u64,
}

/// A process of the fleet, as its row has it. The texts are JSON of those who write and read them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProcessRow {
    /// Its incarnation: a name that no other start of a process has.
    pub id: Arc<str>,
    /// Counted up with each beat, from 1.
    pub beat: u64,
    /// Its version of taskwatch.
    pub version: Arc<str>,
    /// Where the others reach its API; empty: nowhere.
    pub url: Arc<str>,
    /// When it began, in milliseconds since 1970 by its own clock.
    pub since: u64,
    /// The newest format of cells that it reads.
    pub format: u64,
    /// It is about to end, and takes no cell any more.
    pub is_leaving: bool,
    /// The cells that it serves.
    pub cells: Arc<str>,
    /// What of the quotas it wants.
    pub demand: Arc<str>,
    /// Its open circuit breakers.
    pub breakers: Arc<str>,
}

/// All that a fleet's rows say, by one consistent read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetRows {
    /// Its cells, by name.
    pub cells: Vec<CellRow>,
    /// Its processes, by incarnation.
    pub processes: Vec<ProcessRow>,
    /// What operators changed, if they did.
    pub note: Option<FleetNote>,
}

/// What operators changed for the whole fleet: JSON of those who write and read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetNote {
    /// How often it was changed.
    pub revision: u64,
    /// It.
    pub text: Arc<str>,
}

/// What became of a beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// It is in the row, by this try or an earlier one.
    Confirmed,
    /// The row is gone: another process took this one for dead.
    DeclaredDead,
}

/// Why a cell cannot be one of the fleet's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// A call failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Its name is another fleet's.
    #[error("cell {cell:?} is in fleet {fleet:?} of this table: give the fleets other names, or tables of their own")]
    OfAnother {
        /// The cell.
        cell: String,
        /// That fleet.
        fleet: String,
    },
}

/// The rows of one fleet in a table.
#[derive(Clone)]
pub struct Directory {
    table: Arc<dyn Table>,
    fleet: Arc<str>,
}

impl Directory {
    /// Those of the fleet of this name.
    pub fn new(table: Arc<dyn Table>, fleet: impl Into<Arc<str>>) -> Self {
        Self { table, fleet: fleet.into() }
    }

    /// The fleet's name.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// Makes cells that are not there, and names the events queues of those that are. A cell that one process served without a
    /// fleet joins it with all its runs.
    ///
    /// # Errors
    /// [`AddError::OfAnother`] for a cell of another fleet; those before it are made then.
    pub async fn add_cells(&self, cells: &[NewCell]) -> Result<(), AddError> {
        for NewCell { name, events } in cells {
            let mut item = cell::new(keys::cell(name), name, LAYOUT);
            let of_fleet = Attributes::from([
                ("fleet".into(), Value::S(Arc::clone(&self.fleet))),
                ("events".into(), Value::text(events)),
            ]);
            item.attributes.extend(of_fleet.clone());
            let key = item.key.clone();
            let new = Put { item, condition: Condition::Absent("epoch") };
            if let Conditional::Written(()) = self.table.put_if(new).await? {
                continue;
            }
            let is_free = Condition::Absent("fleet");
            let is_ours = Condition::Equals("fleet", Value::S(Arc::clone(&self.fleet)));
            let condition = Condition::Any(vec![is_free, is_ours]);
            let update = Update { key: key.clone(), set: of_fleet, remove: Vec::new(), condition };
            if let Conditional::Refused(old) = self.table.update_if(update).await? {
                let old = self.refused_by(old, &key).await?;
                let fleet = old.and_then(|old| old.text("fleet").ok().map(ToString::to_string)).unwrap_or_default();
                return Err(AddError::OfAnother { cell: name.clone(), fleet });
            }
        }
        Ok(())
    }

    /// Reads the whole fleet.
    ///
    /// # Errors
    /// A page could not be read.
    pub async fn read(&self) -> Result<FleetRows, TableError> {
        let (mut rows, mut from) = (FleetRows::default(), 1);
        loop {
            let query = Query::Items { pk: keys::FLEET.into(), from, to: u64::MAX };
            let Items { items, more } = self.table.query(query).await?;
            from = items.last().map_or(from, |item| item.key.sk + 1);
            let is_ours = |item: &&Item| item.text("fleet").is_ok_and(|fleet| *fleet == self.fleet);
            for item in items.iter().filter(is_ours) {
                match item.text("kind").map(|kind| &**kind) {
                    Ok("C") => rows.cells.extend(cell_row(item)),
                    Ok("P") => rows.processes.extend(process_row(item)),
                    Ok("N") => rows.note = note(item),
                    _ => {}
                }
            }
            if !more {
                rows.cells.sort_by(|one, other| one.name.cmp(&other.name));
                rows.processes.sort_by(|one, other| one.id.cmp(&other.id));
                return Ok(rows);
            }
        }
    }

    /// What operators changed for the fleet.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn note(&self) -> Result<FleetNote, TableError> {
        let item = self.table.get(keys::note(&self.fleet)).await?;
        Ok(item.as_ref().and_then(note).unwrap_or_default())
    }

    /// Changes that, if it is still of this revision; false if somebody else has changed it since.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn change_note(&self, seen: u64, text: &str) -> Result<bool, TableError> {
        let key = keys::note(&self.fleet);
        let attributes = Attributes::from([
            ("kind".into(), Value::text("N")),
            ("fleet".into(), Value::S(Arc::clone(&self.fleet))),
            ("revision".into(), Value::number(seen + 1)),
            ("text".into(), Value::text(text)),
        ]);
        let condition = match seen {
            0 => Condition::Absent("revision"),
            _ => Condition::Equals("revision", Value::number(seen)),
        };
        let put = Put { item: Item { key: key.clone(), attributes }, condition };
        let Conditional::Refused(old) = self.table.put_if(put).await? else { return Ok(true) };
        // An earlier try of the same.
        let there = self.refused_by(old, &key).await?.as_ref().and_then(note);
        Ok(there.is_some_and(|there| there.revision == seen + 1 && *there.text == *text))
    }

    /// Puts the row of a process that begins. That is no beat: an earlier try may have put it long ago, and the others count from
    /// then.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn begin(&self, process: &ProcessRow) -> Result<(), TableError> {
        let mut attributes = said(process);
        attributes.insert("kind".into(), Value::text("P"));
        attributes.insert("fleet".into(), Value::S(Arc::clone(&self.fleet)));
        attributes.insert("id".into(), Value::S(Arc::clone(&process.id)));
        let item = Item { key: keys::process(&process.id), attributes };
        // Refused: it is there from an earlier try.
        self.table.put_if(Put { item, condition: Condition::Absent("id") }).await.map(drop)
    }

    /// Counts a process's beat up to `process.beat`, and says how it is. Each try has a beat of its own: the others may have seen
    /// an earlier one long ago.
    ///
    /// # Errors
    /// The call failed.
    pub async fn beat(&self, process: &ProcessRow) -> Result<Beat, TableError> {
        let key = keys::process(&process.id);
        let condition = Condition::All(vec![
            Condition::Equals("id", Value::S(Arc::clone(&process.id))),
            Condition::Less("beat", Value::number(process.beat)),
        ]);
        let update = Update { key: key.clone(), set: said(process), remove: Vec::new(), condition };
        let Conditional::Refused(old) = self.table.update_if(update).await? else { return Ok(Beat::Confirmed) };
        let is_there = self.refused_by(old, &key).await?.is_some_and(|old| old.text("id") == Ok(&process.id));
        Ok(if is_there { Beat::Confirmed } else { Beat::DeclaredDead })
    }

    /// Removes the row of a process that stood still at this beat; false if it has beaten since, or has no row.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn remove(&self, process: &str, beat: u64) -> Result<bool, TableError> {
        self.delete(process, Condition::Equals("beat", Value::number(beat))).await
    }

    /// Removes the row of a process that ends.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn leave(&self, process: &str) -> Result<(), TableError> {
        self.delete(process, Condition::Equals("id", Value::text(process))).await.map(drop)
    }

    async fn delete(&self, process: &str, condition: Condition) -> Result<bool, TableError> {
        let deleted = self.table.delete_if(Delete { key: keys::process(process), condition }).await?;
        Ok(matches!(deleted, Conditional::Written(())))
    }

    /// Takes a cell that was last seen in this epoch; the epoch in which the taker has it, `None` if another was first.
    ///
    /// # Errors
    /// The call failed. Whether the cell is taken the next read tells: its owner is the taker then.
    pub async fn take(&self, cell: &str, seen: u64, taker: &str) -> Result<Option<u64>, TableError> {
        let update = Update {
            key: keys::cell(cell),
            set: Attributes::from([("epoch".into(), Value::number(seen + 1)), ("owner".into(), Value::text(taker))]),
            remove: vec!["want".into()],
            condition: Condition::Equals("epoch", Value::number(seen)),
        };
        let taken = self.table.update_if(update).await?;
        Ok(matches!(taken, Conditional::Written(_)).then_some(seen + 1))
    }

    /// Asks the owner of a cell for it; false if it was taken since it was seen in this epoch.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn want(&self, cell: &str, seen: u64, by: &str) -> Result<bool, TableError> {
        let set = Attributes::from([("want".into(), Value::text(by))]);
        self.change(cell, seen, set, Vec::new()).await
    }

    /// Gives a cell back: it has no owner any more. False if it was taken since.
    ///
    /// # Errors
    /// The call failed; it may be made again.
    pub async fn release(&self, cell: &str, epoch: u64) -> Result<bool, TableError> {
        self.change(cell, epoch, Attributes::new(), vec!["owner".into()]).await
    }

    async fn change(
        &self,
        cell: &str,
        epoch: u64,
        set: Attributes,
        remove: Vec<super::table::Name>,
    ) -> Result<bool, TableError> {
        let condition = Condition::Equals("epoch", Value::number(epoch));
        let changed = self.table.update_if(Update { key: keys::cell(cell), set, remove, condition }).await?;
        Ok(matches!(changed, Conditional::Written(_)))
    }

    /// What refused a write, where the answer does not say it; `None`: nothing is there.
    async fn refused_by(&self, old: Option<Item>, key: &super::table::Key) -> Result<Option<Item>, TableError> {
        match old {
            Some(item) => Ok(Some(item)),
            None => self.table.get(key.clone()).await,
        }
    }
}

/// Who took a cell last and has not given it back, in a fleet or not; `None`: nobody, or there is no such cell.
///
/// # Errors
/// The call failed; it may be made again.
pub async fn owner_of(table: &dyn Table, cell: &str) -> Result<Option<Arc<str>>, TableError> {
    let item = table.get(keys::cell(cell)).await?;
    Ok(item.and_then(|item| item.text("owner").ok().cloned()))
}

/// What a beat says beside that it is one.
fn said(process: &ProcessRow) -> Attributes {
    Attributes::from([
        ("beat".into(), Value::number(process.beat)),
        ("version".into(), Value::S(Arc::clone(&process.version))),
        ("url".into(), Value::S(Arc::clone(&process.url))),
        ("since".into(), Value::number(process.since)),
        ("format".into(), Value::number(process.format)),
        ("leaving".into(), Value::number(u64::from(process.is_leaving))),
        ("cells".into(), Value::S(Arc::clone(&process.cells))),
        ("demand".into(), Value::S(Arc::clone(&process.demand))),
        ("breakers".into(), Value::S(Arc::clone(&process.breakers))),
    ])
}

/// What a later taskwatch writes otherwise is no reason to see no fleet: a cell of which not even the format can be read is
/// one of a later format.
fn cell_row(item: &Item) -> Option<CellRow> {
    let text = |name| item.text(name).ok().cloned();
    Some(CellRow {
        name: text("name")?,
        events: text("events").unwrap_or_default(),
        epoch: item.number("epoch").ok()?,
        owner: text("owner"),
        want: text("want"),
        format: item.number("format").unwrap_or(u64::MAX),
    })
}

fn note(item: &Item) -> Option<FleetNote> {
    Some(FleetNote { revision: item.number("revision").ok()?, text: item.text("text").ok().cloned()? })
}

fn process_row(item: &Item) -> Option<ProcessRow> {
    let text = |name| item.text(name).ok().cloned().unwrap_or_default();
    let number = |name| item.number(name).unwrap_or_default();
    Some(ProcessRow {
        id: item.text("id").ok().cloned()?,
        beat: item.number("beat").ok()?,
        version: text("version"),
        url: text("url"),
        since: number("since"),
        format: number("format"),
        is_leaving: number("leaving") > 0,
        cells: text("cells"),
        demand: text("demand"),
        breakers: text("breakers"),
    })
}
