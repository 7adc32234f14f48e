//! The item of a cell: who owns it, by its epoch, and where its snapshot is.

use std::sync::Arc;

use super::keys;
use super::link::{JournalError, Link};
use super::record::Author;
use super::ring::{Position, Ring};
use super::rules::Rule;
use super::table::{Attributes, Condition, Conditional, Item, Key, Put, TableError, Update, Value};

/// The format of records, chunks and items. A process takes no cell whose format it does not know.
pub(super) const FORMAT: u64 = 1;

/// How a new cell is laid out. Fixed for ever: records of another layout would not be found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Records between two snapshots at most.
    pub(super) places: u64,
    /// Partitions that they are spread over.
    pub(super) partitions: u64,
}

/// Of two places of a snapshot, the one that is in use and the one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    A,
    B,
}

impl Slot {
    pub(super) const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
        }
    }
}

/// Where a cell's snapshot is, and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) slot: Slot,
    /// All up to here.
    pub(super) position: Position,
    pub(super) chunks: u64,
}

/// A cell's item.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) epoch: u64,
    pub(super) pointer: Pointer,
    pub(super) layout: Layout,
}

impl Cell {
    pub(super) fn ring(&self, name: &str) -> Ring {
        Ring::new(name, self.layout.places, self.layout.partitions)
    }

    fn read(name: &str, item: &Item) -> Result<Self, JournalError> {
        let format = item.number("format")?;
        if format != FORMAT {
            let text =
                format!("cell {name} has format {format}, this taskwatch writes {FORMAT}: use the newer taskwatch");
            return Err(JournalError::Damaged(text));
        }
        if **item.text("name")? != *name {
            let text = format!("cells {name} and {} have one key: give one of them another name", item.text("name")?);
            return Err(JournalError::Damaged(text));
        }
        let slot = match &**item.text("slot")? {
            "A" => Slot::A,
            "B" => Slot::B,
            other => return Err(JournalError::Damaged(format!("cell {name} has its snapshot in slot {other:?}"))),
        };
        let pointer = Pointer { slot, position: item.number("s")?, chunks: item.number("chunks")? };
        let layout = Layout { places: item.number("ring")?, partitions: item.number("partitions")? };
        Ok(Self { epoch: item.number("epoch")?, pointer, layout })
    }
}

/// The cell as it is, if it is there.
pub(super) async fn seen(link: &Link, name: &str) -> Result<Option<Cell>, JournalError> {
    let key = keys::cell(name);
    let item = link.again(|| link.table.get(key.clone())).await?;
    item.map(|item| Cell::read(name, &item)).transpose()
}

/// The cell as it is; made if it is not there.
pub(super) async fn look(link: &Link, name: &str, layout: Layout) -> Result<Cell, JournalError> {
    let key = keys::cell(name);
    loop {
        if let Some(item) = link.again(|| link.table.get(key.clone())).await? {
            return Cell::read(name, &item);
        }
        let put = Put { item: new(key.clone(), name, layout), condition: Condition::Absent("epoch") };
        // Whoever makes it, it is the same.
        link.again(|| link.table.put_if(put.clone())).await?;
    }
}

pub(super) fn new(key: Key, name: &str, layout: Layout) -> Item {
    let attributes = Attributes::from([
        ("kind".into(), Value::text("C")),
        ("name".into(), Value::text(name)),
        ("format".into(), Value::number(FORMAT)),
        ("epoch".into(), Value::number(0)),
        ("slot".into(), Value::text(Slot::A.name())),
        ("s".into(), Value::number(0)),
        ("chunks".into(), Value::number(0)),
        ("ring".into(), Value::number(layout.places)),
        ("partitions".into(), Value::number(layout.partitions)),
    ]);
    Item { key, attributes }
}

/// The cell that was taken in this epoch. Its pointer stands until somebody takes it again: only its owner moves it.
pub(super) async fn taken(link: &Link, name: &str, epoch: u64) -> Result<Cell, JournalError> {
    let cell = seen(link, name).await?;
    let cell = cell.ok_or_else(|| JournalError::Damaged(format!("cell {name} was taken, and is not there")))?;
    if cell.epoch == epoch { Ok(cell) } else { Err(JournalError::Fenced { epoch: cell.epoch }) }
}

/// Takes a cell: its next epoch is the taker's. Of several who take it at once one has it, and the others are fenced.
pub(super) async fn take(link: &Link, name: &str, owner: &Arc<str>, layout: Layout) -> Result<Cell, JournalError> {
    let mut seen = look(link, name, layout).await?;
    let mut tries = 0;
    loop {
        let update = Update {
            key: keys::cell(name),
            set: Attributes::from([
                ("epoch".into(), Value::number(seen.epoch + 1)),
                ("owner".into(), Value::S(Arc::clone(owner))),
            ]),
            remove: Vec::new(),
            condition: Condition::Equals("epoch", Value::number(seen.epoch)),
        };
        match link.table.update_if(update).await {
            Ok(Conditional::Written(item)) => return Cell::read(name, &item),
            Ok(Conditional::Refused(_)) => return Err(JournalError::Fenced { epoch: seen.epoch + 1 }),
            Err(error @ TableError::Refused(_)) => return Err(error.into()),
            Err(error) => {
                tries += 1;
                if !link.patience.wait(tries).await {
                    return Err(error.into());
                }
                // Whether it was taken is not known: it is taken once more, and an epoch without an owner harms nobody.
                seen = look(link, name, layout).await?;
            }
        }
    }
}

/// Moves the pointer to a snapshot whose chunks are all there.
pub(super) async fn point(link: &Link, name: &str, author: &Author, to: Pointer) -> Result<(), JournalError> {
    let key = keys::cell(name);
    let is_owner = Condition::Equals("epoch", Value::number(author.epoch));
    let is_forward = Condition::Less("s", Value::number(to.position));
    let mut all = Vec::new();
    if link.rules.keep(Rule::PointerEpoch) {
        all.push(is_owner);
    }
    if link.rules.keep(Rule::PointerForward) {
        all.push(is_forward);
    }
    let update = Update {
        key: key.clone(),
        set: Attributes::from([
            ("slot".into(), Value::text(to.slot.name())),
            ("s".into(), Value::number(to.position)),
            ("chunks".into(), Value::number(to.chunks)),
        ]),
        remove: Vec::new(),
        condition: Condition::All(all),
    };
    let Conditional::Refused(old) = link.again(|| link.table.update_if(update.clone())).await? else { return Ok(()) };
    let old = Cell::read(name, &link.again(|| link.refused_by(&old, &key)).await?)?;
    let is_ours = old.epoch == author.epoch && old.pointer == to;
    if is_ours { Ok(()) } else { Err(JournalError::Fenced { epoch: old.epoch }) }
}

/// Whether the cell is of this epoch still; who has it, if not.
pub(super) async fn owner(link: &Link, name: &str, epoch: u64) -> Result<Option<String>, JournalError> {
    let Some(item) = link.table.get(keys::cell(name)).await? else { return Ok(None) };
    if Cell::read(name, &item)?.epoch == epoch {
        return Ok(None);
    }
    let nobody = || "another process, which has ended since,".to_owned();
    Ok(Some(item.text("owner").map_or_else(|_| nobody(), |owner| (**owner).to_owned())))
}

/// Gives a cell up, if it is of this epoch: nobody has to wait for its owner any more. Whether it was.
pub(super) async fn release(link: &Link, name: &str, epoch: u64) -> Result<bool, TableError> {
    let update = Update {
        key: keys::cell(name),
        set: Attributes::new(),
        remove: vec!["owner".into()],
        condition: Condition::Equals("epoch", Value::number(epoch)),
    };
    let released = link.again(|| link.table.update_if(update.clone())).await?;
    Ok(matches!(released, Conditional::Written(_)))
}
