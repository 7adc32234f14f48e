//! A state by key: groups of one to three parts, with deletes, and snapshots that are taken while commits go on. What a new
//! owner knows is compared with the whole log, read in another way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::future::join;
use rand::Rng as _;

use super::net::Wire;
use super::ring::{fenced, settled, take, taker};
use super::world::{Clients, Lived};
use crate::store::dynamo::follow::Follower;
use crate::store::dynamo::journal::Journal;
use crate::store::dynamo::link::JournalError;
use crate::store::dynamo::record::Record;
use crate::store::dynamo::replay::State;
use crate::store::dynamo::rules::Rules;
use crate::store::dynamo::takeover::take_over;

const STEPS: u32 = 700;
const PLACES: u64 = 8;
const KEYS: u8 = 7;
/// Bytes of one change, and so most of a record.
const CHANGE: usize = 6;
/// Keys of a chunk.
const CHUNK: usize = 3;

/// A key, and its value from then on.
type Set = (u8, Option<u32>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Keyed(BTreeMap<u8, u32>);

impl State for Keyed {
    type Group = Vec<Set>;
    type Cursor = u8;

    fn encode(group: &Vec<Set>) -> Vec<u8> {
        let one =
            |(key, value): &Set| [&[*key, u8::from(value.is_some())][..], &value.unwrap_or(0).to_le_bytes()].concat();
        group.iter().flat_map(one).collect()
    }

    fn decode(bytes: &[u8]) -> Result<Vec<Set>, String> {
        let one = |change: &[u8]| match change {
            [key, is, a, b, c, d] => Ok((*key, (*is == 1).then(|| u32::from_le_bytes([*a, *b, *c, *d])))),
            _ => Err("half a change".to_owned()),
        };
        bytes.chunks(CHANGE).map(one).collect()
    }

    fn apply(&mut self, group: Vec<Set>) {
        for (key, value) in group {
            match value {
                Some(value) => drop(self.0.insert(key, value)),
                None => drop(self.0.remove(&key)),
            }
        }
    }

    fn chunk(&self, after: Option<u8>) -> (Vec<u8>, Option<u8>) {
        let mut behind = self.0.range(after.map_or(0, |after| after + 1)..).map(|(key, value)| (*key, Some(*value)));
        let chunk: Vec<Set> = behind.by_ref().take(CHUNK).collect();
        let end = chunk.last().map(|(key, _)| *key).filter(|_| behind.next().is_some());
        (Self::encode(&chunk), end)
    }

    fn restore(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.apply(Self::decode(chunk)?);
        Ok(())
    }
}

/// Groups that were acknowledged, by the number that each has as its value, and who wrote them.
type Told = Arc<Mutex<(u32, BTreeMap<u32, u64>)>>;

async fn own(wire: Wire, rules: Rules, told: Told) {
    let (link, taker) = (wire.link(rules), taker(&wire, PLACES, CHANGE));
    let Ok(journal) = take::<Keyed>(&wire, &link, "blue", taker).await else { return };
    wire.world().took_over(journal.epoch());
    // It acts on what it knows: that must be all that the log has up to its fence.
    compare(&wire, &journal, "behind its fence");
    loop {
        let (behind, _) = journal.behind_snapshot();
        let is_due = behind + 3 > PLACES || (behind >= 4 && wire.world().dice.random_bool(0.25));
        let once =
            if is_due { snapshot(&wire, &journal, &told).await } else { commit(&wire, &journal, &told, 3).await };
        if let Err(error) = once {
            return fenced(&wire, &journal, &error);
        }
    }
}

/// A snapshot, and commits meanwhile.
async fn snapshot(wire: &Wire, journal: &Journal<Keyed>, told: &Told) -> Result<(), JournalError> {
    let meanwhile = wire.world().dice.random_range(0..3);
    let commits = async {
        for _ in 0..meanwhile {
            if journal.behind_snapshot().0 + 2 < PLACES {
                commit(wire, journal, told, 1).await?;
            }
        }
        Ok(())
    };
    let (snapshot, commits) = join(settled(wire, async || journal.snapshot().await), commits).await;
    wire.world().lived.snapshots += u64::from(snapshot.is_ok());
    snapshot.and(commits)
}

async fn commit(wire: &Wire, journal: &Journal<Keyed>, told: &Told, most: usize) -> Result<(), JournalError> {
    let number = {
        let mut told = told.lock().unwrap();
        told.0 += 1;
        told.0
    };
    let group: Vec<Set> = {
        let dice = &mut wire.world().dice;
        let changes = dice.random_range(1..=most);
        (0..changes)
            .map(|n| (dice.random_range(0..KEYS), (n == 0 || dice.random_bool(0.7)).then_some(number)))
            .collect()
    };
    settled(wire, async || journal.commit(|_| group.clone()).await).await?;
    told.lock().unwrap().1.insert(number, journal.epoch());
    wire.world().lived.commits += 1;
    Ok(())
}

/// What the log says up to a position, read group by group.
fn truth(log: &BTreeMap<u64, Record>, upto: u64) -> Keyed {
    let (mut state, mut position) = (Keyed::default(), 1);
    while position <= upto {
        let Some(first) = log.get(&position) else { break };
        let parts: Vec<&Record> = log.range(position..=upto).map(|(_, part)| part).take(first.of as usize).collect();
        let is_whole = parts.len() as u64 == first.of
            && parts.iter().zip(1..).all(|(part, n)| part.part == n && part.author == first.author);
        if is_whole {
            let bytes: Vec<u8> = parts.iter().flat_map(|part| part.body.to_vec()).collect();
            state.apply(Keyed::decode(&bytes).unwrap());
        }
        position += if is_whole { first.of } else { 1 };
    }
    state
}

fn compare(wire: &Wire, journal: &Journal<Keyed>, when: &'static str) {
    let position = journal.position();
    let mut world = wire.world();
    let (known, said) = (journal.read(Keyed::clone), truth(&world.log, position));
    if known != said {
        world.violate(when, || format!("at {position} it knows {:?}, and the log says {:?}", known.0, said.0));
    }
}

/// Reads along, and compares what it knows with the log each time.
async fn follow(wire: Wire, rules: Rules) {
    let follower = Follower::new(wire.link(rules), "blue".into(), Keyed::default);
    loop {
        let looked = follower.catch_up().await;
        let position = follower.position();
        let mut world = wire.world();
        if let (Ok(_), Some(known)) = (&looked, follower.with(|known| known.clone())) {
            let said = truth(&world.log, position);
            if known != said {
                world.violate("reading along", || format!("up to {position} it knows {:?}, not {:?}", known.0, said.0));
            }
            world.lived.read += u64::from(position > 0);
        }
    }
}

pub(super) fn live(seed: u64, rules: Rules) -> Lived {
    let (mut clients, told) = (Clients::new(seed), Told::default());
    for _ in 0..STEPS {
        if clients.running() < 3 && clients.world().dice.random_bool(0.06) {
            let told = Arc::clone(&told);
            clients.start(|wire| own(wire, rules, told));
        } else if clients.world().dice.random_bool(0.02) {
            clients.start_slowest(|wire| follow(wire, rules));
        } else {
            clients.step();
        }
    }
    clients.live_well(|wire| async move {
        let (link, taker) = (wire.link(rules), taker(&wire, PLACES, CHANGE));
        match take_over(link, "blue", &taker, Keyed::default()).await {
            Ok(journal) => compare(&wire, &journal, "in the end"),
            Err(error) => wire.world().violate("cannot be read", || error.to_string()),
        }
        let mut world = wire.world();
        let has = |number: u32, epoch: u64| {
            let is_it = |record: &Record| {
                record.author.epoch == epoch
                    && Keyed::decode(&record.body).unwrap().iter().any(|set| set.1 == Some(number))
            };
            world.log.values().any(is_it)
        };
        let told = told.lock().unwrap();
        let lost: Vec<u32> = told.1.iter().filter(|(number, epoch)| !has(**number, **epoch)).map(|(n, _)| *n).collect();
        if !lost.is_empty() {
            world.violate("acknowledged and lost", || format!("{lost:?}"));
        }
    });
    clients.lived()
}
