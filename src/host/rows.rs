//! The fleet's rows, as `fleet` and as people take them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::core::time::Timestamp;
use crate::fleet::{CellView, FleetView, Member, ProcessView, Seen, SeenCell, SeenProcess};
use crate::store::dynamo::{CellRow, FORMAT, FleetRows, ProcessRow};

/// What a process decides by.
pub(super) fn seen(rows: &FleetRows) -> Seen {
    let process = |row: &ProcessRow| SeenProcess { id: row.id.to_string(), beat: row.beat, is_leaving: row.is_leaving };
    let text = |text: &Option<std::sync::Arc<str>>| text.as_deref().map(str::to_owned);
    let cell = |row: &CellRow| SeenCell {
        name: row.name.to_string(),
        epoch: row.epoch,
        owner: text(&row.owner),
        want: text(&row.want),
        is_known: row.format <= FORMAT,
    };
    Seen { processes: rows.processes.iter().map(process).collect(), cells: rows.cells.iter().map(cell).collect() }
}

/// What a process says of the cells that it serves: how many runs of each have not ended.
pub(super) type Open = BTreeMap<String, u64>;

fn open(row: &ProcessRow) -> Open {
    serde_json::from_str(&row.cells).unwrap_or_default()
}

/// Whether a process serves cells, and so counts the tasks of some.
pub(super) fn counts_some(row: &ProcessRow) -> bool {
    !open(row).is_empty()
}

/// The cells whose tasks are counted by the processes that have them.
pub(super) fn counted(rows: &FleetRows) -> impl Iterator<Item = (&str, &str)> {
    let open: BTreeMap<&str, Open> = rows.processes.iter().map(|row| (&*row.id, open(row))).collect();
    let owned = rows.cells.iter().filter_map(|cell| Some((cell.owner.as_deref()?, &*cell.name)));
    owned.filter(move |(owner, cell)| open.get(owner).is_some_and(|open| open.contains_key(*cell)))
}

/// The task definitions whose circuit breakers are open, by cell.
pub(super) type Breakers = BTreeMap<String, BTreeSet<String>>;

/// Those of the living processes but one.
pub(super) fn breakers(rows: &FleetRows, member: &Member, now: Duration) -> Breakers {
    let others = rows.processes.iter().filter(|row| *row.id != *member.id() && member.sees_alive(&row.id, now));
    others.filter_map(|row| serde_json::from_str::<Breakers>(&row.breakers).ok()).flatten().collect()
}

/// Where the others reach the API of each process that says so.
pub(super) fn urls(rows: &FleetRows) -> BTreeMap<String, String> {
    let reached = rows.processes.iter().filter(|row| !row.url.is_empty());
    reached.map(|row| (row.id.to_string(), row.url.to_string())).collect()
}

/// What is shown of the fleet.
pub(super) fn view(fleet: &str, rows: &FleetRows, member: &Member, now: Duration) -> FleetView {
    let is_alive = |id: &str| rows.processes.iter().any(|row| &*row.id == id);
    let owned = |id: &str| {
        let own = rows.cells.iter().filter(|cell| cell.owner.as_deref() == Some(id));
        own.map(|cell| cell.name.to_string()).collect()
    };
    let process = |row: &ProcessRow| ProcessView {
        id: row.id.to_string(),
        version: row.version.to_string(),
        since: Timestamp::from_millis(i64::try_from(row.since).unwrap_or(i64::MAX)).to_string(),
        last_beat_seconds_ago: seconds(member.last_beat(&row.id, now).unwrap_or_default()),
        cells: owned(&row.id),
    };
    let open = |owner: &str, cell: &str| {
        let row = rows.processes.iter().find(|row| &*row.id == owner)?;
        self::open(row).get(cell).copied()
    };
    let cell = |row: &CellRow| {
        let owner = row.owner.as_deref().filter(|owner| is_alive(owner));
        let open = owner.and_then(|owner| open(owner, &row.name));
        CellView { name: row.name.to_string(), owner: owner.map(str::to_owned), epoch: row.epoch, open }
    };
    let processes = rows.processes.iter().map(process).collect();
    FleetView { fleet: fleet.to_owned(), processes, cells: rows.cells.iter().map(cell).collect() }
}

/// To a tenth.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}
