//! How the processes of a fleet share places, of which there are so many: tasks at once. Unlike a rate, a place that was taken
//! stays taken. So each process claims places in its beats, and uses what it has claimed once a read behind that beat shows that
//! all claims together are no more than there are: of two that claim the same place at least one sees the other's claim.

use std::collections::BTreeMap;
use std::time::Duration;

use super::shares::{Want, split};

/// What a process says of its places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// It has no more than these, and uses none before it has claimed it.
    pub places: usize,
    /// Those that it could use.
    pub wanted: usize,
    /// How much its wish weighs beside those of the others. Above 0.
    pub weight: f64,
    /// It lives, and may come to use some.
    pub takes_part: bool,
}

/// The places of one process.
#[derive(Clone, Debug)]
pub struct Places {
    hold: Duration,
    /// What it may use.
    limit: usize,
    /// What its next beat claims, unless more are used. Never less than the limit.
    next: usize,
    used: usize,
    /// What its last beat claimed, and whether a read is to show if that may be.
    claimed: usize,
    is_to_be_seen: bool,
    /// What the others claimed when they were last read.
    others: BTreeMap<String, usize>,
    /// What those claimed who are gone, and until when it counts: their tasks go on, and those who take over say so by then.
    gone: Vec<(Duration, usize)>,
}

impl Places {
    /// None as yet. Claims of processes that are gone count for `hold`.
    pub const fn new(hold: Duration) -> Self {
        Self {
            hold,
            limit: 0,
            next: 0,
            used: 0,
            claimed: 0,
            is_to_be_seen: false,
            others: BTreeMap::new(),
            gone: Vec::new(),
        }
    }

    /// How many it may use. If it uses more already, it is to take no further ones.
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// It has none, and its next beat claims some.
    pub const fn is_about_to_have_some(&self) -> bool {
        self.limit == 0 && self.next > 0
    }

    /// What its next beat is to claim, so many being used.
    pub fn claims(&mut self, used: usize) -> usize {
        self.used = used;
        self.claimed = self.next.max(used);
        self.is_to_be_seen = false;
        self.claimed
    }

    /// The beat with the last claim is confirmed.
    pub const fn confirmed(&mut self) {
        self.is_to_be_seen = true;
    }

    /// So many that it uses are another process's now, which claims them: they are part of all that there are.
    pub const fn gave(&mut self, places: usize) {
        self.used = self.used.saturating_sub(places);
        self.limit = self.limit.saturating_sub(places);
        self.next = self.next.saturating_sub(places);
    }

    /// Takes in a read that was sent behind the last beat: the claims of all that have a row.
    pub fn read(&mut self, read_at: Duration, places: usize, own: &str, all: &BTreeMap<&str, Claim>) {
        let others = self.of_others(read_at, own, all);
        if std::mem::take(&mut self.is_to_be_seen) && others.saturating_add(self.claimed) <= places {
            self.limit = self.limit.max(self.claimed.min(self.next));
        }
        // If there are too many all the same (there may be fewer than before), each keeps what it uses.
        self.limit = self.limit.min(self.used.max(places.saturating_sub(others)));
        let has = self.limit.max(self.used);
        let free = places.saturating_sub(others.saturating_add(has));
        let parts = fair(places, all);
        let part = parts.get(own).map_or(0, |part| part.whole);
        if part > has {
            let claimed = |id: &str| if id == own { has } else { places_of(id, all) };
            let lacks = |id: &str, part: &Part| part.whole.saturating_sub(claimed(id));
            let lacking = parts.iter().map(|(id, part)| (*id, lacks(id, part))).collect();
            self.next = has + divide(free, &lacking, all).get(own).copied().unwrap_or(0);
            return;
        }
        let lacks = |(id, part): (&&str, &Part)| part.asked.saturating_sub(places_of(id, all));
        let others_lack: usize = parts.iter().filter(|(id, _)| **id != own).map(lacks).sum();
        // What nobody lacks stays where it is, unless this process cannot use it.
        if others_lack > free || !parts.contains_key(own) {
            self.limit = self.limit.min(part);
        }
        self.next = self.limit;
    }

    /// What all others claim, those who are gone since a short while included.
    fn of_others(&mut self, read_at: Duration, own: &str, all: &BTreeMap<&str, Claim>) -> usize {
        let now = all.iter().filter(|(id, _)| **id != own).map(|(id, claim)| ((*id).to_owned(), claim.places));
        let before = std::mem::replace(&mut self.others, now.collect());
        let gone = before.into_iter().filter(|(id, _)| !self.others.contains_key(id));
        self.gone.extend(gone.map(|(_, places)| (read_at + self.hold, places)));
        self.gone.retain(|(until, _)| *until > read_at);
        let gone = self.gone.iter().map(|(_, places)| *places);
        self.others.values().copied().chain(gone).fold(0, usize::saturating_add)
    }
}

/// A process's fair part.
struct Part {
    whole: usize,
    /// What the others are to leave it. One that wants nothing is left what is its own without rounding: a place that two have
    /// equal parts of does not go to and fro between them.
    asked: usize,
}

/// The fair part of each process that takes part. One that wants nothing has one in mind all the same, for its first task.
fn fair<'a>(places: usize, all: &BTreeMap<&'a str, Claim>) -> BTreeMap<&'a str, Part> {
    let take_part = all.iter().filter(|(_, claim)| claim.takes_part);
    let want = |claim: &Claim| Want { demand: claim.wanted.max(1) as f64, weight: claim.weight };
    let parts = split(places as f64, &take_part.map(|(id, claim)| (*id, want(claim))).collect());
    let wanted = |id: &str| all.get(id).map_or(0, |claim| claim.wanted);
    let asked = |id: &str, whole: usize| whole.min(wanted(id).max(parts.get(id).map_or(0, |part| *part as usize)));
    whole(places, &parts).into_iter().map(|(id, whole)| (id, Part { whole, asked: asked(id, whole) })).collect()
}

fn places_of(id: &str, all: &BTreeMap<&str, Claim>) -> usize {
    all.get(id).map_or(0, |claim| claim.places)
}

/// So much as is free, divided between those who lack some, by weight; none gets more than it lacks.
fn divide<'a>(
    free: usize,
    lacking: &BTreeMap<&'a str, usize>,
    all: &BTreeMap<&'a str, Claim>,
) -> BTreeMap<&'a str, usize> {
    let lack = lacking.iter().filter(|(_, lacks)| **lacks > 0);
    let weight = |id: &str| all.get(id).map_or(1.0, |claim| claim.weight);
    let wants = lack.map(|(id, lacks)| (*id, Want { demand: *lacks as f64, weight: weight(id) })).collect();
    let most = free.min(lacking.values().copied().fold(0, usize::saturating_add));
    whole(most, &split(most as f64, &wants))
}

/// Parts of so many in whole numbers: what is left of fractions goes to the largest of them, and of equal ones to the first.
/// Whoever has the same parts comes to the same.
fn whole<P: Clone + Ord>(all: usize, parts: &BTreeMap<P, f64>) -> BTreeMap<P, usize> {
    let mut whole: BTreeMap<P, usize> = parts.iter().map(|(id, part)| (id.clone(), part.max(0.0) as usize)).collect();
    let left = all.saturating_sub(whole.values().copied().fold(0, usize::saturating_add));
    let mut fractions: Vec<(&P, f64)> = parts.iter().map(|(id, part)| (id, part.fract())).collect();
    // Divisions that differ in their last digits are equal.
    fractions.sort_by_key(|(_, fraction)| std::cmp::Reverse((fraction * 1e6).round() as i64));
    for (id, _) in fractions.into_iter().cycle().take(if parts.is_empty() { 0 } else { left }) {
        *whole.entry(id.clone()).or_default() += 1;
    }
    whole
}
