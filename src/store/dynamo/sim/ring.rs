//! A list of values: what was acknowledged is in what every later owner reads, once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use rand::Rng as _;

use super::net::Wire;
use super::world::{Clients, Lived};
use crate::store::dynamo::cell::{self, Layout};
use crate::store::dynamo::journal::Journal;
use crate::store::dynamo::link::{JournalError, Link};
use crate::store::dynamo::replay::State;
use crate::store::dynamo::rules::{Rule, Rules};
use crate::store::dynamo::takeover::{Taker, take_over};

const STEPS: u32 = 700;
/// A tiny ring: laps all the time.
const PLACES: u64 = 6;

/// Values in the order in which they were committed. No snapshot is taken of it while commits go on: it is no state that
/// says the same twice.
#[derive(Default)]
struct Values(Vec<u32>);

impl State for Values {
    type Group = u32;
    type Cursor = usize;

    fn encode(group: &u32) -> Vec<u8> {
        group.to_le_bytes().to_vec()
    }

    fn decode(bytes: &[u8]) -> Result<u32, String> {
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| "no value".to_owned())?))
    }

    fn apply(&mut self, group: u32) {
        self.0.push(group);
    }

    /// In two chunks.
    fn chunk(&self, after: Option<usize>) -> (Vec<u8>, Option<usize>) {
        let half = self.0.len() / 2;
        let values = after.map_or(&self.0[..half], |from| &self.0[from..]);
        (values.iter().flat_map(|value| value.to_le_bytes()).collect(), after.is_none().then_some(half))
    }

    fn restore(&mut self, chunk: &[u8]) -> Result<(), String> {
        chunk.chunks(4).try_for_each(|value| Self::decode(value).map(|value| self.0.push(value)))?;
        self.0.sort_unstable();
        Ok(())
    }
}

/// What the clients of the log were told.
#[derive(Default)]
struct Told {
    given: u32,
    acknowledged: BTreeSet<u32>,
}

pub(super) fn taker(wire: &Wire, places: u64, most: usize) -> Taker {
    let incarnation = format!("process {}", wire.client).into();
    Taker { incarnation, taken: None, layout: Layout { places, partitions: 2 }, most }
}

/// Takes a cell as processes do: some take it and open it later, in that epoch, however often they try.
pub(super) async fn take<S: State + Default>(
    wire: &Wire,
    link: &Link,
    name: &str,
    mut taker: Taker,
) -> Result<Journal<S>, JournalError> {
    if wire.world().dice.random_bool(0.5) {
        let take = async || cell::take(link, name, &taker.incarnation, taker.layout).await;
        taker.taken = Some(settled(wire, take).await?.epoch);
        if wire.world().dice.random_bool(0.5) {
            wire.nap().await;
        }
    }
    settled(wire, async || take_over(link.clone(), name, &taker, S::default()).await).await
}

/// The same until it is answered.
pub(super) async fn settled<T>(
    wire: &Wire,
    mut call: impl AsyncFnMut() -> Result<T, JournalError>,
) -> Result<T, JournalError> {
    loop {
        match call().await {
            Err(JournalError::Table(_)) => {}
            Err(error @ (JournalError::Damaged(_) | JournalError::Full(_))) => {
                wire.world().violate("cannot be read", || error.to_string());
                return Err(error);
            }
            answer => return answer,
        }
    }
}

/// Notes that an owner found its cell taken.
pub(super) fn fenced<S: State>(wire: &Wire, journal: &Journal<S>, error: &JournalError) {
    wire.world().lived.fenced += 1;
    if let JournalError::Fenced { epoch } = error
        && *epoch == journal.epoch()
    {
        wire.world().violate("fenced itself", || format!("epoch {epoch}"));
    }
}

async fn own(wire: Wire, rules: Rules, told: Arc<Mutex<Told>>) {
    let (link, taker) = (wire.link(rules), taker(&wire, PLACES, 64));
    let Ok(journal) = take::<Values>(&wire, &link, "blue", taker).await else { return };
    wire.world().took_over(journal.epoch());
    if let Err(error) = go_on(&wire, rules, &journal, &told).await {
        fenced(&wire, &journal, &error);
    }
}

async fn go_on(wire: &Wire, rules: Rules, journal: &Journal<Values>, told: &Mutex<Told>) -> Result<(), JournalError> {
    loop {
        let (behind, _) = journal.behind_snapshot();
        if behind + 1 > PLACES || (behind >= 3 && wire.world().dice.random_bool(0.3)) {
            let upto = journal.position();
            settled(wire, async || journal.snapshot().await).await?;
            wire.world().lived.snapshots += 1;
            if !rules.keep(Rule::OverwritesOnly) {
                wire.delete_log(upto).await;
            }
        }
        let value = {
            let mut told = told.lock().unwrap();
            told.given += 1;
            told.given
        };
        let mut once = journal.commit(|_| value).await;
        while let (Err(JournalError::Table(_)), true) = (&once, rules.keep(Rule::SameBytesAgain)) {
            once = journal.commit(|_| value).await;
        }
        match once {
            Ok(()) => {
                told.lock().unwrap().acknowledged.insert(value);
                wire.world().lived.commits += 1;
            }
            Err(JournalError::Table(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

pub(super) fn live(seed: u64, rules: Rules) -> Lived {
    let (mut clients, told) = (Clients::new(seed), Arc::new(Mutex::new(Told::default())));
    for _ in 0..STEPS {
        if clients.running() < 3 && clients.world().dice.random_bool(0.08) {
            let told = Arc::clone(&told);
            clients.start(|wire| own(wire, rules, told));
        } else {
            clients.step();
        }
    }
    // A last owner reads it all.
    clients.live_well(|wire| async move {
        let (link, taker) = (wire.link(rules), taker(&wire, PLACES, 64));
        match take_over(link, "blue", &taker, Values::default()).await {
            Ok(journal) => journal.read(|values| check(&wire, &values.0, &told.lock().unwrap().acknowledged)),
            Err(error) => wire.world().violate("cannot be read", || error.to_string()),
        }
    });
    clients.lived()
}

fn check(wire: &Wire, values: &[u32], acknowledged: &BTreeSet<u32>) {
    let known: BTreeSet<u32> = values.iter().copied().collect();
    let lost: Vec<&u32> = acknowledged.difference(&known).take(5).collect();
    if !lost.is_empty() {
        let what = || format!("{lost:?} of {}", acknowledged.len());
        wire.world().violate("acknowledged and lost", what);
    }
    if known.len() != values.len() {
        wire.world().violate("applied twice", || format!("{values:?}"));
    }
    if !values.is_sorted() {
        wire.world().violate("out of order", || format!("{values:?}"));
    }
}
