//! What happens: which call arrives when, what the table says, who stands still, who is killed.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::fleet::member::Manners;
use crate::fleet::{Act, BEAT, Hold, Holds, Member, Seen, SeenCell, SeenProcess};

pub(super) const CELLS: usize = 5;
/// A call that is not answered is given up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Something that is done otherwise than it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    Nothing,
    /// A read that failed counts as one in which nothing had changed.
    FailedReadsCount,
    /// The row of a dead process is removed also if it has beaten since.
    RemovesWhateverItSees,
    /// A beat that is sent again is the same beat, and counts from then on.
    BeatsAgain,
    /// A process that has fewer cells asks for all that it lacks.
    SeveralAtOnce,
}

/// What befalls a fleet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    /// In a second, of each process.
    stands_still: f64,
    is_killed: f64,
    /// For how long one stands still, in seconds.
    stands: (f64, f64),
    /// In a second.
    comes: f64,
    /// Of each call: lost on its way, its answer lost, late.
    lost: f64,
    deaf: f64,
    late: f64,
    /// From when to when the table answers nobody.
    away: (f64, f64),
}

pub(super) const MUCH: Trouble = Trouble {
    stands_still: 0.02,
    is_killed: 0.005,
    stands: (1.0, 20.0),
    comes: 0.02,
    lost: 0.03,
    deaf: 0.03,
    late: 0.05,
    away: (100.0, 130.0),
};
/// Processes stand still for about as long as they may.
pub(super) const STOPS: Trouble = Trouble { stands_still: 0.06, is_killed: 0.0, comes: 0.0, away: (0.0, 0.0), ..MUCH };
/// Many begin, and stand still at once.
pub(super) const STARTS: Trouble =
    Trouble { stands_still: 0.3, is_killed: 0.05, stands: (5.0, 9.0), comes: 0.5, deaf: 0.3, away: (0.0, 0.0), ..MUCH };
pub(super) const OUTAGE: Trouble = Trouble {
    stands_still: 0.0,
    is_killed: 0.0,
    stands: (0.0, 0.0),
    comes: 0.0,
    lost: 0.0,
    deaf: 0.0,
    late: 0.0,
    away: (60.0, 120.0),
};
pub(super) const NONE: Trouble = Trouble { away: (0.0, 0.0), ..OUTAGE };

#[derive(Clone, Debug)]
enum Call {
    Begin,
    Beat(u64),
    Read,
    Remove { process: String, beat: u64 },
    Take { cell: String, epoch: u64 },
    Want { cell: String, epoch: u64 },
    Release { cell: String, epoch: u64 },
    Leave,
}

enum Answer {
    Beat { is_there: bool },
    Rows(Seen),
    Taken { cell: String, epoch: Option<u64> },
    Removed,
    Done,
    Failed,
}

enum Event {
    Arrives { call: Call, sent_at: Duration, is_heard: bool },
    Answered(Call, Duration, Answer),
    Ticks,
    Opened { cell: String, epoch: u64 },
    HandedOver { cell: String, epoch: u64 },
}

pub(super) struct Process {
    pub(super) member: Member,
    pub(super) holds: Holds,
    beat: u64,
    stands_still: Duration,
    last_seen: Seen,
    pub(super) ends: bool,
}

#[derive(Default)]
struct Row {
    epoch: u64,
    owner: Option<String>,
    want: Option<String>,
}

pub(super) struct World {
    dice: SmallRng,
    pub(super) trouble: Trouble,
    broken: Broken,
    pub(super) now: Duration,
    calls: u64,
    events: BTreeMap<(Duration, u64), (String, Event)>,
    rows: BTreeMap<String, u64>,
    cells: BTreeMap<String, Row>,
    pub(super) processes: BTreeMap<String, Process>,
    started: u32,
    pub(super) removed: u32,
    pub(super) taken: u32,
    pub(super) violation: Option<String>,
}

pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl World {
    pub(super) fn new(seed: u64, trouble: Trouble, broken: Broken) -> Self {
        let cells = (0..CELLS).map(|n| (format!("cell-{n}"), Row::default())).collect();
        let (events, rows, processes) = Default::default();
        let (dice, now) = (SmallRng::seed_from_u64(seed), seconds(1_000.0));
        let (calls, started, removed, taken, violation) = Default::default();
        Self { dice, trouble, broken, now, calls, events, rows, cells, processes, started, removed, taken, violation }
    }

    pub(super) fn begin(&mut self, delay: Duration) -> String {
        self.started += 1;
        let id = format!("p{}", self.started);
        let moves = if self.broken == Broken::SeveralAtOnce { CELLS } else { 1 };
        let member = Member::with(&id, Manners { moves, ..Manners::default() });
        let (holds, last_seen) = Default::default();
        let stands_still = self.now;
        let process = Process { member, holds, beat: 1, stands_still, last_seen, ends: false };
        self.processes.insert(id.clone(), process);
        self.after(delay, &id, Event::Ticks);
        id
    }

    fn after(&mut self, delay: Duration, process: &str, event: Event) {
        self.calls += 1;
        self.events.insert((self.now + delay, self.calls), (process.to_owned(), event));
    }

    fn chance(&mut self, of_one: f64) -> bool {
        self.dice.random_bool(of_one)
    }

    /// One call on its way. It is answered once, in time or as one that failed; and may arrive all the same.
    fn call(&mut self, process: &str, call: Call) {
        let on_its_way = if self.chance(self.trouble.late) { 6.0 } else { 0.1 };
        let delay = seconds(self.dice.random_range(0.002..on_its_way));
        let (is_lost, is_deaf) = (self.chance(self.trouble.lost), self.chance(self.trouble.deaf));
        let (sent_at, is_heard) = (self.now, !is_lost && !is_deaf && delay < PATIENCE);
        if !is_heard {
            self.after(PATIENCE, process, Event::Answered(call.clone(), sent_at, Answer::Failed));
        }
        if !is_lost {
            self.after(delay, process, Event::Arrives { call, sent_at, is_heard });
        }
    }

    fn is_away(&self) -> bool {
        let (from, to) = self.trouble.away;
        (seconds(1_000.0 + from)..seconds(1_000.0 + to)).contains(&self.now)
    }

    pub(super) fn live_until(&mut self, end: Duration) {
        while let Some((&(at, number), _)) = self.events.first_key_value().filter(|((at, _), _)| *at <= end) {
            let Some((process, event)) = self.events.remove(&(at, number)) else { continue };
            let passed = at.saturating_sub(self.now);
            self.now = at;
            self.fate(passed.as_secs_f64());
            self.happen(&process, event);
            self.check();
        }
        self.now = end;
    }

    /// What befalls processes in so many seconds.
    fn fate(&mut self, seconds: f64) {
        let Trouble { stands_still, is_killed, comes, stands: (from, to), .. } = self.trouble;
        if self.processes.len() < 4 && self.chance((comes * seconds).min(1.0)) {
            self.begin(Duration::ZERO);
        }
        for id in self.processes.keys().cloned().collect::<Vec<_>>() {
            if self.chance((stands_still * seconds).min(1.0)) {
                let until = self.now + self::seconds(self.dice.random_range(from..to));
                self.processes.get_mut(&id).expect("it lives").stands_still = until;
            }
            if self.processes.len() > 1 && self.chance((is_killed * seconds).min(1.0)) {
                self.processes.remove(&id);
            } else if self.processes.len() > 1 && self.chance((is_killed * seconds).min(1.0)) {
                self.end(&id);
            }
        }
    }

    /// SIGTERM.
    pub(super) fn end(&mut self, id: &str) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.ends = true;
        process.member.leave();
        let served: Vec<(String, u64)> = process
            .holds
            .iter()
            .filter_map(
                |(cell, hold)| if let Hold::Serving(epoch) = hold { Some((cell.clone(), *epoch)) } else { None },
            )
            .collect();
        for (cell, epoch) in served {
            self.hand_over(id, &cell, epoch);
        }
    }

    fn hand_over(&mut self, id: &str, cell: &str, epoch: u64) {
        let Some(process) = self.processes.get_mut(id) else { return };
        process.holds.insert(cell.to_owned(), Hold::Leaving);
        let takes = seconds(self.dice.random_range(0.1..3.0));
        self.after(takes, id, Event::HandedOver { cell: cell.to_owned(), epoch });
    }

    fn happen(&mut self, id: &str, event: Event) {
        if let Event::Arrives { call, sent_at, is_heard } = event {
            let answer = if self.is_away() { Answer::Failed } else { self.apply(id, &call) };
            if is_heard {
                let delay = seconds(self.dice.random_range(0.002..0.1));
                self.after(delay, id, Event::Answered(call, sent_at, answer));
            }
            return;
        }
        let Some(process) = self.processes.get(id) else { return };
        if process.stands_still > self.now {
            let rest = process.stands_still - self.now;
            return self.after(rest, id, event);
        }
        match event {
            Event::Ticks => self.tick(id),
            Event::Answered(call, sent_at, answer) => self.answered(id, call, sent_at, answer),
            Event::Opened { cell, epoch } if process.ends => self.hand_over(id, &cell, epoch),
            Event::Opened { cell, epoch } => {
                self.processes.get_mut(id).expect("it lives").holds.insert(cell, Hold::Serving(epoch));
            }
            Event::HandedOver { cell, epoch } => self.call(id, Call::Release { cell, epoch }),
            Event::Arrives { .. } => {}
        }
    }

    fn tick(&mut self, id: &str) {
        let next = BEAT.mul_f64(self.dice.random_range(0.9..1.1));
        self.after(next, id, Event::Ticks);
        let broken = self.broken;
        let process = self.processes.get_mut(id).expect("it lives");
        if process.ends && process.holds.is_empty() {
            self.processes.remove(id);
            return self.call(id, Call::Leave);
        }
        match process.member.may_act_until() {
            None => self.call(id, Call::Begin),
            // As if the answer to the first one had not come.
            Some(_)
                if broken == Broken::BeatsAgain && process.beat.is_multiple_of(3) && self.calls.is_multiple_of(2) =>
            {
                let again = Call::Beat(process.beat);
                self.call(id, again);
            }
            Some(_) => self.beat(id),
        }
    }

    fn beat(&mut self, id: &str) {
        let process = self.processes.get_mut(id).expect("it lives");
        process.beat += 1;
        let beat = Call::Beat(process.beat);
        self.call(id, beat);
    }

    /// A beat or a read failed: the next one comes with the next beat.
    fn failed(&mut self, id: &str) {
        let (now, broken) = (self.now, self.broken);
        let process = self.processes.get_mut(id).expect("it lives");
        if broken == Broken::FailedReadsCount {
            let (seen, holds) = (process.last_seen.clone(), process.holds.clone());
            process.member.read(now, &seen, &holds);
        }
    }

    fn answered(&mut self, id: &str, call: Call, sent_at: Duration, answer: Answer) {
        let process = self.processes.get_mut(id).expect("it lives");
        match (call, answer) {
            (Call::Begin, Answer::Beat { .. }) => self.beat(id),
            (Call::Beat(_), Answer::Beat { is_there: true }) => {
                process.member.confirmed(sent_at);
                self.call(id, Call::Read);
            }
            (Call::Beat(_), Answer::Beat { is_there: false }) => self.begin_anew(id),
            (Call::Read, Answer::Rows(seen)) => {
                process.last_seen = seen.clone();
                let holds = process.holds.clone();
                let acts = process.member.read(sent_at, &seen, &holds);
                acts.into_iter().for_each(|act| self.act(id, act));
            }
            (Call::Take { .. }, Answer::Taken { cell, epoch: Some(epoch) }) => {
                let takes = seconds(self.dice.random_range(0.05..2.0));
                self.after(takes, id, Event::Opened { cell, epoch });
            }
            (Call::Take { cell, .. }, _) => drop(process.holds.remove(&cell)),
            (Call::Remove { .. }, Answer::Removed) => self.call(id, Call::Read),
            (Call::Release { cell, .. }, Answer::Done) => drop(process.holds.remove(&cell)),
            (Call::Release { cell, epoch }, _) if process.holds.get(&cell) == Some(&Hold::Leaving) => {
                self.call(id, Call::Release { cell, epoch })
            }
            (_, Answer::Failed) => self.failed(id),
            _ => {}
        }
    }

    fn begin_anew(&mut self, id: &str) {
        let ends = self.processes.remove(id).is_some_and(|process| process.ends);
        if !ends {
            self.begin(Duration::ZERO);
        }
    }

    fn act(&mut self, id: &str, act: Act) {
        let Some(process) = self.processes.get_mut(id) else { return };
        match act {
            Act::BeginAnew => self.begin_anew(id),
            Act::Remove { process, beat } => self.call(id, Call::Remove { process, beat }),
            Act::Abandon { cell, .. } => drop(process.holds.remove(&cell)),
            Act::HandOver { cell } => {
                if let Some(Hold::Serving(epoch)) = process.holds.get(&cell).copied() {
                    self.hand_over(id, &cell, epoch);
                }
            }
            Act::Take { cell, epoch } => {
                process.holds.insert(cell.clone(), Hold::Opening);
                self.call(id, Call::Take { cell, epoch });
            }
            Act::GiveBack { cell, epoch } => self.call(id, Call::Release { cell, epoch }),
            Act::Want { cell, epoch } => self.call(id, Call::Want { cell, epoch }),
        }
    }

    fn apply(&mut self, id: &str, call: &Call) -> Answer {
        match call {
            Call::Begin => {
                self.rows.entry(id.to_owned()).or_insert(1);
                Answer::Beat { is_there: true }
            }
            Call::Beat(beat) => {
                let row = self.rows.get_mut(id);
                let is_there = row.is_some();
                row.into_iter().for_each(|row| *row = (*row).max(*beat));
                Answer::Beat { is_there }
            }
            Call::Read => Answer::Rows(self.seen()),
            Call::Remove { process, beat } => self.remove(process, *beat),
            Call::Take { cell, epoch } => {
                let row = self.cells.get_mut(cell).expect("a cell");
                let is_first = row.epoch == *epoch;
                if is_first {
                    (row.epoch, row.owner, row.want) = (epoch + 1, Some(id.to_owned()), None);
                    self.taken += 1;
                }
                Answer::Taken { cell: cell.clone(), epoch: is_first.then_some(epoch + 1) }
            }
            Call::Want { cell, epoch } => {
                let row = self.cells.get_mut(cell).expect("a cell");
                if row.epoch == *epoch {
                    row.want = Some(id.to_owned());
                }
                let wanted = self.cells.values().filter(|row| row.want.as_deref() == Some(id)).count();
                self.violate(wanted > 1, || format!("{id} asks for {wanted} cells at once"));
                Answer::Done
            }
            Call::Release { cell, epoch } => {
                let row = self.cells.get_mut(cell).expect("a cell");
                if row.epoch == *epoch {
                    row.owner = None;
                }
                Answer::Done
            }
            Call::Leave => {
                self.rows.remove(id);
                Answer::Done
            }
        }
    }

    fn remove(&mut self, process: &str, beat: u64) -> Answer {
        let Some(is) = self.rows.get(process).copied() else { return Answer::Removed };
        if is != beat && self.broken != Broken::RemovesWhateverItSees {
            return Answer::Done;
        }
        self.rows.remove(process);
        self.removed += 1;
        Answer::Removed
    }

    fn seen(&self) -> Seen {
        let process = |(id, beat): (&String, &u64)| {
            let is_leaving = self.processes.get(id).is_some_and(|process| process.ends);
            SeenProcess { id: id.clone(), beat: *beat, is_leaving }
        };
        let cell = |(name, row): (&String, &Row)| {
            let Row { epoch, owner, want } = row;
            let (owner, want) = (owner.clone(), want.clone());
            SeenCell { name: name.clone(), epoch: *epoch, owner, want, is_known: true }
        };
        Seen { processes: self.rows.iter().map(process).collect(), cells: self.cells.iter().map(cell).collect() }
    }

    fn violate(&mut self, is: bool, what: impl FnOnce() -> String) {
        if is && self.violation.is_none() {
            self.violation = Some(format!("at {:?}: {}", self.now, what()));
        }
    }

    /// Whoever may act on a cell owns it, by the table's word.
    fn check(&mut self) {
        let mut wrong = None;
        for (id, process) in &self.processes {
            if process.stands_still > self.now || process.member.is_suspended(self.now) {
                continue;
            }
            for (cell, hold) in &process.holds {
                let Hold::Serving(epoch) = hold else { continue };
                let row = &self.cells[cell];
                if row.epoch != *epoch {
                    wrong = Some(format!("{id} acts on {cell}, which {:?} has taken", row.owner));
                }
            }
        }
        self.violate(wrong.is_some(), || wrong.unwrap_or_default());
    }

    pub(super) fn shown(&self) -> String {
        let cell = |(name, row): (&String, &Row)| format!("{name} {} {:?} {:?}", row.epoch, row.owner, row.want);
        let cells: Vec<String> = self.cells.iter().map(cell).collect();
        let process = |(id, process): (&String, &Process)| format!("{id} {} {:?}", process.ends, process.holds);
        let processes: Vec<String> = self.processes.iter().map(process).collect();
        format!("{:?}; {}; {}", self.rows, cells.join(", "), processes.join(", "))
    }

    pub(super) fn parts(&self) -> Vec<usize> {
        let served = |process: &Process| process.holds.values().filter(|hold| matches!(hold, Hold::Serving(_))).count();
        let mut parts: Vec<usize> = self.processes.values().map(served).collect();
        parts.sort_unstable();
        parts
    }
}
