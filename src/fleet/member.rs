//! Which process has which cell: each process decides by itself, from the rows that it reads. It takes what nobody has, asks for
//! one cell when it has fewer than others, and declares dead whoever stood still.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::beats::{Beats, SUSPENDED};

/// Nobody asks for a cell before processes and owners have been the same for so long: most changes come in company.
const STILL: Duration = Duration::from_secs(10);
/// A cell that was given back is left so long to the process that had asked for it.
const RESERVED: Duration = Duration::from_secs(5);

/// A process, as its row has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenProcess {
    /// Its incarnation.
    pub id: String,
    /// Counted up by it.
    pub beat: u64,
    /// It is about to end.
    pub is_leaving: bool,
}

/// A cell, as its item has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCell {
    /// Its name.
    pub name: String,
    /// How often it was taken.
    pub epoch: u64,
    /// Who took it last, unless that gave it back.
    pub owner: Option<String>,
    /// Who asks for it.
    pub want: Option<String>,
    /// This process can serve it: it knows its format.
    pub is_known: bool,
}

/// What one read of the fleet's rows has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The processes.
    pub processes: Vec<SeenProcess>,
    /// The cells, by name.
    pub cells: Vec<SeenCell>,
}

/// What a process is doing with a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// It takes and opens it.
    Opening,
    /// It serves it in this epoch.
    Serving(u64),
    /// It gives it back.
    Leaving,
    /// It could not open it a short while ago, and lets others try.
    Avoiding,
}

/// The cells that a process has something to do with.
pub type Holds = BTreeMap<String, Hold>;

/// What a process is to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Its own row is gone: it was declared dead. It leaves all cells as they are, and begins as a new incarnation.
    BeginAnew,
    /// Another process is dead: its row is removed, if it still stands at this beat.
    Remove {
        /// The process.
        process: String,
        /// Where it stood still.
        beat: u64,
    },
    /// A cell that it serves is another's now.
    Abandon {
        /// The cell.
        cell: String,
        /// Who has it, if anybody.
        by: Option<String>,
    },
    /// Another process asks for a cell and has fewer: it is given back.
    HandOver {
        /// The cell.
        cell: String,
    },
    /// Nobody has this cell: it is taken, if it is still in this epoch.
    Take {
        /// The cell.
        cell: String,
        /// As it was seen.
        epoch: u64,
    },
    /// It is its own by the table, and it has no use for it: a try to take it had come late. It is given back, if it is still in
    /// this epoch.
    GiveBack {
        /// The cell.
        cell: String,
        /// As it was seen.
        epoch: u64,
    },
    /// It is asked for, of a process that has more, if it is still in this epoch.
    Want {
        /// The cell.
        cell: String,
        /// As it was seen.
        epoch: u64,
    },
}

/// How much is moved, and when. Tests show that other values do harm.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manners {
    /// [`STILL`].
    pub(super) still: Duration,
    /// Cells that are asked for at once.
    pub(super) moves: usize,
}

impl Default for Manners {
    fn default() -> Self {
        Self { still: STILL, moves: 1 }
    }
}

/// One process among the others. Instants are as in [`Beats`].
#[derive(Clone, Debug)]
pub struct Member {
    id: String,
    manners: Manners,
    beats: Beats,
    /// When it sent the last beat that was confirmed.
    confirmed: Option<Duration>,
    /// Who was alive and who owned what when it last read, and since when that is so.
    picture: Option<(Picture, Duration)>,
    /// Cells without an owner that another process had asked for, and since when they are.
    reserved: BTreeMap<String, Duration>,
    is_leaving: bool,
}

/// Who is alive, and who has which cell.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Picture {
    alive: BTreeSet<String>,
    owners: BTreeMap<String, Option<String>>,
}

impl Member {
    /// An incarnation that has no row yet.
    pub fn new(id: impl Into<String>) -> Self {
        Self::with(id, Manners::default())
    }

    pub(super) fn with(id: impl Into<String>, manners: Manners) -> Self {
        let (beats, reserved) = Default::default();
        Self { id: id.into(), manners, beats, confirmed: None, picture: None, reserved, is_leaving: false }
    }

    /// Its incarnation.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// It is about to end: it takes no cell any more.
    pub fn leave(&mut self) {
        self.is_leaving = true;
    }

    /// A beat that was sent then is confirmed. No two tries are one beat: the others may have seen the first of them long ago.
    pub fn confirmed(&mut self, sent_at: Duration) {
        self.confirmed = self.confirmed.max(Some(sent_at));
    }

    /// Until when it may do what only the owner of a cell may, by the beats that are confirmed; `None`: it may not yet.
    pub fn may_act_until(&self) -> Option<Duration> {
        self.confirmed.map(|sent_at| sent_at + SUSPENDED)
    }

    /// Whether it is to do nothing that another process could do.
    pub fn is_suspended(&self, now: Duration) -> bool {
        self.may_act_until().is_none_or(|until| now > until)
    }

    /// Whether a process beats, as far as this one saw.
    pub fn sees_alive(&self, process: &str, now: Duration) -> bool {
        process == self.id || self.beats.is_alive(process, now)
    }

    /// For how long a process's beat has been as it is, as far as this one saw.
    pub fn last_beat(&self, process: &str, now: Duration) -> Option<Duration> {
        self.beats.unchanged_for(process, now)
    }

    /// Whether nobody else has a row: no process that is alive, and none that may be.
    pub fn is_alone(&self, seen: &Seen) -> bool {
        seen.processes.iter().all(|process| process.id == self.id)
    }

    /// Takes in what it read; what it is to do, in this order. `read_at` is when the read was sent.
    pub fn read(&mut self, read_at: Duration, seen: &Seen, holds: &Holds) -> Vec<Act> {
        if seen.processes.iter().all(|process| process.id != self.id) {
            return if self.confirmed.is_some() { vec![Act::BeginAnew] } else { Vec::new() };
        }
        self.beats.read(read_at, seen.processes.iter().map(|process| (process.id.as_str(), process.beat)));
        if self.is_suspended(read_at) {
            return Vec::new();
        }
        let mut acts = self.removals(read_at);
        let fleet = Fleet::new(self, read_at, seen, holds);
        self.look_at(read_at, fleet.picture());
        self.reserve(read_at, &fleet);
        acts.extend(fleet.abandoned());
        let mut taken = Vec::new();
        if !self.is_leaving {
            acts.extend(fleet.hand_over());
            taken = fleet.takes(|cell| self.is_left_to_another(cell, read_at, &fleet));
            if taken.is_empty() {
                acts.extend(self.wants(read_at, &fleet));
            }
        }
        acts.extend(fleet.useless(&taken));
        acts.extend(taken);
        acts
    }

    fn removals(&self, now: Duration) -> Vec<Act> {
        let others = self.beats.dead(now).filter(|(process, _)| *process != self.id);
        others.map(|(process, beat)| Act::Remove { process: process.to_owned(), beat }).collect()
    }

    fn look_at(&mut self, now: Duration, picture: Picture) {
        if self.picture.as_ref().is_none_or(|(before, _)| *before != picture) {
            self.picture = Some((picture, now));
        }
    }

    fn reserve(&mut self, now: Duration, fleet: &Fleet<'_>) {
        let before = std::mem::take(&mut self.reserved);
        for cell in fleet.cells.iter().filter(|cell| cell.owner.is_none() && cell.want.is_some()) {
            self.reserved.insert(cell.name.clone(), before.get(&cell.name).copied().unwrap_or(now));
        }
    }

    fn is_left_to_another(&self, cell: &SeenCell, now: Duration, fleet: &Fleet<'_>) -> bool {
        let by_another = fleet.asked_by(cell).is_some_and(|by| by != self.id);
        let since = self.reserved.get(&cell.name).copied().unwrap_or(now);
        cell.owner.is_none() && by_another && now < since + RESERVED
    }

    /// One cell of the process that has most, once all has been quiet for a while and nobody else asks for any.
    fn wants(&self, now: Duration, fleet: &Fleet<'_>) -> Vec<Act> {
        let is_still = self.picture.as_ref().is_some_and(|(_, since)| now >= *since + self.manners.still);
        let is_asked = fleet.cells.iter().any(|cell| fleet.asked_by(cell).is_some());
        let richest = fleet.richest().filter(|_| is_still && !(is_asked && self.manners.moves == 1));
        let Some(richest) = richest else { return Vec::new() };
        let theirs = fleet.cells.iter().rev().filter(|cell| cell.is_known && cell.owner.as_deref() == Some(richest));
        let want = |cell: &SeenCell| Act::Want { cell: cell.name.clone(), epoch: cell.epoch };
        theirs.take(self.manners.moves).map(want).collect()
    }
}

/// What was read, as one process looks at it.
struct Fleet<'a> {
    me: &'a str,
    cells: &'a [SeenCell],
    holds: &'a Holds,
    /// All that have a row, dead or not: those who are not here have nothing.
    rows: BTreeSet<&'a str>,
    /// Those who beat and stay.
    alive: BTreeSet<&'a str>,
    /// How many cells it has, or is about to have.
    mine: usize,
}

impl<'a> Fleet<'a> {
    fn new(member: &Member, now: Duration, seen: &'a Seen, holds: &'a Holds) -> Self {
        let stays = |process: &&SeenProcess| !process.is_leaving && member.sees_alive(&process.id, now);
        let mine = holds.values().filter(|hold| matches!(hold, Hold::Opening | Hold::Serving(_))).count();
        let me = seen.processes.iter().find(|process| process.id == member.id).map_or("", |own| own.id.as_str());
        Self {
            me,
            cells: &seen.cells,
            holds,
            rows: seen.processes.iter().map(|process| process.id.as_str()).collect(),
            alive: seen.processes.iter().filter(stays).map(|process| process.id.as_str()).collect(),
            mine,
        }
    }

    fn picture(&self) -> Picture {
        let owners = self.cells.iter().map(|cell| (cell.name.clone(), cell.owner.clone())).collect();
        Picture { alive: self.alive.iter().map(|id| (*id).to_owned()).collect(), owners }
    }

    /// As many as each may have.
    fn most(&self) -> usize {
        self.cells.len().div_ceil(self.alive.len().max(1))
    }

    /// Whether nobody has a cell: its owner gave it back or has no row any more, or is this process, which does nothing with it.
    fn is_free(&self, cell: &SeenCell) -> bool {
        cell.owner.as_deref().is_none_or(|owner| !self.rows.contains(owner) || owner == self.me)
            && !self.holds.contains_key(&cell.name)
    }

    fn owned_by(&self, id: &str) -> usize {
        self.cells.iter().filter(|cell| cell.owner.as_deref() == Some(id)).count()
    }

    /// Who asks for a cell: a living process that lacks it still, for it may have asked once and have enough now.
    fn asked_by(&self, cell: &'a SeenCell) -> Option<&'a str> {
        let by = cell.want.as_deref().filter(|by| self.alive.contains(by))?;
        let most = cell.owner.as_deref().map_or(self.most(), |owner| self.owned_by(owner).saturating_sub(1));
        (self.owned_by(by) < most).then_some(by)
    }

    fn abandoned(&self) -> Vec<Act> {
        let lost = self.cells.iter().filter_map(|cell| {
            let Some(Hold::Serving(epoch)) = self.holds.get(&cell.name) else { return None };
            let by = cell.owner.clone();
            (cell.epoch > *epoch).then(|| Act::Abandon { cell: cell.name.clone(), by })
        });
        lost.collect()
    }

    /// The first cell that a living process asks for, unless another is given back just now.
    fn hand_over(&self) -> Option<Act> {
        let is_busy = self.holds.values().any(|hold| *hold == Hold::Leaving);
        let is_served = |cell: &&SeenCell| self.holds.get(&cell.name) == Some(&Hold::Serving(cell.epoch));
        let is_asked = |cell: &&SeenCell| self.asked_by(cell).is_some_and(|by| by != self.me);
        let cell = self.cells.iter().filter(is_served).find(is_asked).filter(|_| !is_busy)?;
        Some(Act::HandOver { cell: cell.name.clone() })
    }

    /// Free cells, up to its part. Each process begins at another one.
    fn takes(&self, is_left: impl Fn(&SeenCell) -> bool) -> Vec<Act> {
        let free = |cell: &&SeenCell| cell.is_known && self.is_free(cell) && !is_left(cell);
        let first = self.alive.iter().position(|id| *id == self.me).unwrap_or_default() * self.most();
        let (before, behind) = self.cells.split_at(first.min(self.cells.len()));
        let all = behind.iter().chain(before).filter(free);
        let take = |cell: &SeenCell| Act::Take { cell: cell.name.clone(), epoch: cell.epoch };
        all.take(self.most().saturating_sub(self.mine)).map(take).collect()
    }

    /// What it owns by the table, does nothing with, and does not take now.
    fn useless(&self, taken: &[Act]) -> Vec<Act> {
        let is_idle = |cell: &SeenCell| matches!(self.holds.get(&cell.name), None | Some(Hold::Avoiding));
        let is_own = |cell: &&SeenCell| cell.owner.as_deref() == Some(self.me) && is_idle(cell);
        let is_taken = |name: &str| taken.iter().any(|act| matches!(act, Act::Take { cell, .. } if cell == name));
        let own = self.cells.iter().filter(is_own).filter(|cell| !is_taken(&cell.name));
        own.map(|cell| Act::GiveBack { cell: cell.name.clone(), epoch: cell.epoch }).collect()
    }

    /// The living process with most cells, if those are two more than its own: then one is moved.
    fn richest(&self) -> Option<&'a str> {
        let others = self.alive.iter().filter(|id| **id != self.me).map(|id| (self.owned_by(id), *id));
        others.max().filter(|(count, _)| *count > self.mine + 1).map(|(_, id)| id)
    }
}
