//! Two cells share a queue of requests with names: each name is launched as one run, by whichever cell, and none is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use rand::Rng as _;

use super::net::Wire;
use super::ring::{fenced, settled, take};
use super::world::{Clients, Lived};
use crate::store::dynamo::cell::Layout;
use crate::store::dynamo::claims::{self, Claim, Verdict};
use crate::store::dynamo::journal::Journal;
use crate::store::dynamo::link::{JournalError, Link};
use crate::store::dynamo::replay::State;
use crate::store::dynamo::rules::Rules;
use crate::store::dynamo::table::Value;
use crate::store::dynamo::takeover::Taker;

const STEPS: u32 = 700;
const CELLS: [&str; 2] = ["blue", "green"];
const NAMES: u8 = 3;
const HOUR: u64 = 3_600;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Accepted at this time; whether the name is its own is not known.
    Claiming(u64),
    Launching,
}

/// A name's run and where it is; `None`: the run is dropped.
#[derive(Clone, Copy)]
struct Step {
    name: u8,
    run: u32,
    stage: Option<Stage>,
}

#[derive(Default)]
struct Names(BTreeMap<u8, (u32, Stage)>);

impl State for Names {
    type Group = Step;
    type Cursor = ();

    fn encode(step: &Step) -> Vec<u8> {
        let (kind, at) = match step.stage {
            None => (0, 0),
            Some(Stage::Claiming(at)) => (1, at),
            Some(Stage::Launching) => (2, 0),
        };
        [&[step.name, kind][..], &step.run.to_le_bytes(), &at.to_le_bytes()].concat()
    }

    fn decode(bytes: &[u8]) -> Result<Step, String> {
        let (head, at) = bytes.split_at_checked(6).ok_or("half a step")?;
        let at = u64::from_le_bytes(at.try_into().map_err(|_| "half a step")?);
        let run = u32::from_le_bytes([head[2], head[3], head[4], head[5]]);
        let stage = [None, Some(Stage::Claiming(at)), Some(Stage::Launching)][usize::from(head[1])];
        Ok(Step { name: head[0], run, stage })
    }

    fn apply(&mut self, step: Step) {
        match step.stage {
            Some(stage) => drop(self.0.insert(step.name, (step.run, stage))),
            None => drop(self.0.remove(&step.name)),
        }
    }

    fn chunk(&self, _: Option<()>) -> (Vec<u8>, Option<()>) {
        let step = |(name, (run, stage)): (&u8, &(u32, Stage))| {
            Self::encode(&Step { name: *name, run: *run, stage: Some(*stage) })
        };
        (self.0.iter().flat_map(step).collect(), None)
    }

    fn restore(&mut self, chunk: &[u8]) -> Result<(), String> {
        chunk.chunks(14).try_for_each(|step| Self::decode(step).map(|step| self.apply(step)))
    }
}

/// The queue, and ECS.
#[derive(Default)]
struct Around {
    deleted: BTreeSet<u8>,
    launched: BTreeMap<u8, BTreeSet<u32>>,
    runs: u32,
    /// Names whose messages were deleted hours ago: they come no more.
    gone: BTreeSet<u8>,
}

struct Owner {
    wire: Wire,
    link: Link,
    cell: Arc<str>,
    journal: Journal<Names>,
    around: Arc<Mutex<Around>>,
}

fn taker(wire: &Wire) -> Taker {
    let incarnation = format!("process {}", wire.client).into();
    Taker { incarnation, taken: None, layout: Layout { places: 64, partitions: 2 }, most: 64 }
}

impl Owner {
    async fn take(
        wire: Wire,
        rules: Rules,
        cell: &'static str,
        around: Arc<Mutex<Around>>,
    ) -> Result<Self, JournalError> {
        let (link, taker) = (wire.link(rules), taker(&wire));
        let journal = take::<Names>(&wire, &link, cell, taker).await?;
        wire.world().lived.takeovers += 1;
        Ok(Self { wire, link, cell: cell.into(), journal, around })
    }

    fn around(&self) -> MutexGuard<'_, Around> {
        self.around.lock().unwrap()
    }

    fn known(&self, name: u8) -> Option<(u32, Stage)> {
        self.journal.read(|names| names.0.get(&name).copied())
    }

    fn claim(name: u8, run: u32, at: u64) -> Claim {
        Claim { name: format!("n{name}").into(), id: format!("r{run}").into(), digest: "d".into(), count: 1, at }
    }

    /// What an earlier owner of the cell left.
    async fn take_up(&self) -> Result<(), JournalError> {
        for name in 0..NAMES {
            match self.known(name) {
                Some((run, Stage::Claiming(at))) => self.claim_again(name, run, at).await?,
                Some((run, Stage::Launching)) => self.launch(name, run),
                None => {}
            }
        }
        Ok(())
    }

    fn launch(&self, name: u8, run: u32) {
        self.around().launched.entry(name).or_default().insert(run);
    }

    async fn claim_again(&self, name: u8, run: u32, at: u64) -> Result<(), JournalError> {
        let claim = Self::claim(name, run, at);
        let again = async || {
            let now = self.wire.world().now;
            claims::claim_again(&self.link, &self.cell, &claim, now).await
        };
        let verdict = settled(&self.wire, again).await?;
        self.follow(name, run, &verdict).await
    }

    async fn follow(&self, name: u8, run: u32, verdict: &Verdict) -> Result<(), JournalError> {
        let stage = (*verdict == Verdict::Ours).then_some(Stage::Launching);
        settled(&self.wire, async || self.journal.commit(|_| Step { name, run, stage }).await).await?;
        if stage.is_some() {
            self.launch(name, run);
        }
        Ok(())
    }

    /// Takes a message in; it is deleted once that is done.
    async fn receive(&self, name: u8) -> Result<(), JournalError> {
        match self.known(name) {
            None => self.accept(name).await?,
            Some((run, Stage::Claiming(at))) => self.claim_again(name, run, at).await?,
            Some((_, Stage::Launching)) => {}
        }
        self.delete(name).await;
        Ok(())
    }

    /// A call of its own: the process may end before it or behind it.
    async fn delete(&self, name: u8) {
        self.wire.nap().await;
        self.around().deleted.insert(name);
        self.wire.nap().await;
    }

    async fn accept(&self, name: u8) -> Result<(), JournalError> {
        let run = {
            let mut around = self.around();
            around.runs += 1;
            around.runs
        };
        let at = self.wire.world().now;
        let accept = async || {
            let group = |_: &Names| Step { name, run, stage: Some(Stage::Claiming(at)) };
            let claims = |_: &Names| vec![Self::claim(name, run, at)];
            let now = self.wire.world().now;
            claims::accept(&self.link, &self.cell, &self.journal, group, claims, now).await
        };
        let verdicts = settled(&self.wire, accept).await?;
        for (_, verdict, _) in &verdicts {
            self.follow(name, run, verdict).await?;
        }
        // Acknowledged, as it seems; claimed later.
        if verdicts.is_empty() {
            self.delete(name).await;
            self.claim_again(name, run, at).await?;
        }
        Ok(())
    }

    async fn serve(&self, rounds: usize) -> Result<(), JournalError> {
        self.take_up().await?;
        for _ in 0..rounds {
            self.wire.nap().await;
            let name = self.wire.world().dice.random_range(0..NAMES);
            let comes = {
                let around = self.around();
                // SQS may give a deleted message once more.
                let once_more = self.wire.world().dice.random_bool(0.1) && !around.gone.contains(&name);
                !around.deleted.contains(&name) || once_more
            };
            if comes {
                self.receive(name).await?;
            }
        }
        Ok(())
    }
}

async fn own(wire: Wire, rules: Rules, cell: &'static str, around: Arc<Mutex<Around>>, rounds: usize) {
    let Ok(owner) = Owner::take(wire, rules, cell, around).await else { return };
    if let Err(error) = owner.serve(rounds).await {
        fenced(&owner.wire, &owner.journal, &error);
    }
}

/// All were down for hours. Once everything is launched it may be weeks: runs have ended, and their names are free again.
fn sleep(clients: &mut Clients, around: &Mutex<Around>) {
    clients.kill_all();
    let mut around = around.lock().unwrap();
    let mut world = clients.world();
    around.gone = around.deleted.clone();
    let is_over = around.deleted.len() == usize::from(NAMES) && around.launched.len() == usize::from(NAMES);
    world.now += if is_over { 1_000 * HOUR } else { 2 * HOUR };
    if is_over {
        let expired = Value::number(world.now - 1);
        let rows = world.items.iter_mut().filter(|(key, _)| key.pk.starts_with("N#"));
        rows.for_each(|(_, row)| drop(row.insert("ttl".into(), expired.clone())));
        // DynamoDB comes to them within days, one by one.
        if world.dice.random_bool(0.5) {
            world.items.retain(|key, _| !key.pk.starts_with("N#"));
        }
    }
}

pub(super) fn live(seed: u64, rules: Rules) -> Lived {
    let (mut clients, around) = (Clients::new(seed), Arc::new(Mutex::new(Around::default())));
    for _ in 0..STEPS {
        if clients.running() < 4 && clients.world().dice.random_bool(0.08) {
            let (around, cell) = (Arc::clone(&around), CELLS[usize::from(clients.world().dice.random_bool(0.5))]);
            clients.start(|wire| own(wire, rules, cell, around, usize::MAX));
        } else if clients.world().dice.random_bool(0.01) {
            sleep(&mut clients, &around);
        } else {
            clients.step();
        }
    }
    // In the end both cells are well.
    for cell in CELLS {
        let around = Arc::clone(&around);
        clients.live_well(|wire| own(wire, rules, cell, around, 60));
    }
    for name in 0..NAMES {
        let launched = around.lock().unwrap().launched.get(&name).map_or(0, BTreeSet::len);
        if launched != 1 {
            let kind = if launched == 0 { "a name was lost" } else { "a name was launched twice" };
            clients.world().violate(kind, || format!("{name}"));
        }
    }
    clients.lived()
}
