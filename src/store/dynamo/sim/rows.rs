//! A cell's run ends, is written as a row that TTL takes some day, and is begun again; another cell would like its name.

use std::sync::{Arc, Mutex};

use rand::Rng as _;

use super::net::Wire;
use super::ring::{fenced, settled, take, taker};
use super::world::{Clients, Lived};
use crate::store::dynamo::claims::{self, Claim, Verdict};
use crate::store::dynamo::journal::Journal;
use crate::store::dynamo::link::{JournalError, Link};
use crate::store::dynamo::record::Record;
use crate::store::dynamo::replay::State;
use crate::store::dynamo::rows::{self, Row, Stands};
use crate::store::dynamo::rules::Rules;
use crate::store::dynamo::table::{Attributes, Value};
use crate::store::dynamo::takeover::take_over;

const STEPS: u32 = 700;
/// More than there are steps: no snapshot is needed.
const PLACES: u64 = 1_024;
/// Seconds for which an ended run is kept.
const KEEP: u64 = 1_000;

/// Where the run is, as the log has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Open,
    /// Since then.
    Ended(u64),
    /// And its row is written.
    Written(u64),
    /// Its row is gone: so is the run.
    Forgotten,
}

/// One run.
#[derive(Clone, Copy)]
struct Life {
    revision: u64,
    stage: Stage,
}

#[derive(Default)]
struct One(Option<Life>);

impl State for One {
    type Group = Life;
    type Cursor = ();

    fn encode(life: &Life) -> Vec<u8> {
        let (kind, at) = match life.stage {
            Stage::Open => (0, 0),
            Stage::Ended(at) => (1, at),
            Stage::Written(at) => (2, at),
            Stage::Forgotten => (3, 0),
        };
        [life.revision, kind, at].iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    fn decode(bytes: &[u8]) -> Result<Life, String> {
        let numbers: Vec<u64> = bytes.chunks(8).map(|n| n.try_into().map_or(0, u64::from_le_bytes)).collect();
        let [revision, kind, at] = numbers[..] else { return Err("half a life".to_owned()) };
        let stage = [Stage::Open, Stage::Ended(at), Stage::Written(at), Stage::Forgotten][kind as usize];
        Ok(Life { revision, stage })
    }

    fn apply(&mut self, life: Life) {
        self.0 = Some(life);
    }

    fn chunk(&self, _: Option<()>) -> (Vec<u8>, Option<()>) {
        (self.0.iter().flat_map(Self::encode).collect(), None)
    }

    fn restore(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.0 = (!chunk.is_empty()).then(|| Self::decode(chunk)).transpose()?;
        Ok(())
    }
}

struct Owner {
    wire: Wire,
    link: Link,
    journal: Journal<One>,
}

fn claim_of(id: &str, at: u64) -> Claim {
    Claim { name: "nightly".into(), id: id.into(), digest: "d".into(), count: 1, at }
}

impl Owner {
    fn row(&self, revision: u64) -> Row {
        Row { request: "nightly".into(), index: None, id: "run".into(), epoch: self.journal.epoch(), revision }
    }

    fn now(&self) -> u64 {
        self.wire.world().now
    }

    async fn commit(&self, life: Life) -> Result<(), JournalError> {
        settled(&self.wire, async || self.journal.commit(|_| life).await).await?;
        self.wire.world().lived.commits += 1;
        Ok(())
    }

    async fn serve(&self) -> Result<(), JournalError> {
        loop {
            self.wire.nap().await;
            let Some(life) = self.journal.read(|one| one.0) else { return self.begin().await };
            let next = Life { revision: life.revision + 1, stage: Stage::Open };
            match life.stage {
                Stage::Open => self.commit(Life { stage: Stage::Ended(self.now()), ..next }).await?,
                // The row waits at times, and so it is still to be written when the run is begun again.
                Stage::Ended(at) if self.wire.world().dice.random_bool(0.6) => self.write(life.revision, at).await?,
                Stage::Ended(_) | Stage::Written(_) => self.redrive(life, next).await?,
                Stage::Forgotten => return Ok(()),
            }
        }
    }

    /// The first acceptance.
    async fn begin(&self) -> Result<(), JournalError> {
        let claim = claim_of("run", self.now());
        let cell = "blue".into();
        let verdict = settled(&self.wire, async || claims::claim(&self.link, &cell, &claim, self.now()).await).await?;
        assert_eq!(verdict, Verdict::Ours);
        self.commit(Life { revision: 1, stage: Stage::Open }).await
    }

    async fn write(&self, revision: u64, at: u64) -> Result<(), JournalError> {
        let text = |text: &str| Value::text(text);
        let attributes = Attributes::from([
            ("name".into(), text("nightly")),
            ("cell".into(), text("blue")),
            ("digest".into(), text("d")),
            ("ttl".into(), Value::number(at + KEEP)),
        ]);
        let write = async || Ok(rows::write(&self.link, &self.row(revision), attributes.clone(), self.now()).await?);
        let stands = settled(&self.wire, write).await?;
        let stage = if stands == Stands::Ours { Stage::Written(at) } else { Stage::Forgotten };
        // Whatever stands there: this process may have been replaced, and its commit then says so.
        self.commit(Life { revision, stage }).await?;
        self.check_kept(stage, at);
        Ok(())
    }

    async fn redrive(&self, life: Life, next: Life) -> Result<(), JournalError> {
        let reopen = async || Ok(rows::reopen(&self.link, &self.row(next.revision), None, self.now()).await?);
        match settled(&self.wire, reopen).await? {
            Stands::Ours => self.commit(next).await,
            Stands::Another => {
                self.commit(Life { stage: Stage::Forgotten, ..life }).await?;
                if let Stage::Ended(at) | Stage::Written(at) = life.stage {
                    self.check_kept(Stage::Forgotten, at);
                }
                Ok(())
            }
        }
    }

    /// What ended a while ago is not forgotten before its time.
    fn check_kept(&self, stage: Stage, ended_at: u64) {
        let now = self.now();
        if stage == Stage::Forgotten && now < ended_at + KEEP {
            let what = || format!("at {now}, and it ended at {ended_at}");
            self.wire.world().violate("an ended run was forgotten", what);
        }
    }
}

async fn own(wire: Wire, rules: Rules) {
    let (link, taker) = (wire.link(rules), taker(&wire, PLACES, 64));
    let Ok(journal) = take::<One>(&wire, &link, "blue", taker).await else { return };
    wire.world().took_over(journal.epoch());
    let owner = Owner { wire, link, journal };
    if let Err(error) = owner.serve().await {
        fenced(&owner.wire, &owner.journal, &error);
    }
}

/// What the log says of the run now.
fn in_the_log(wire: &Wire) -> Option<Life> {
    let world = wire.world();
    let last = world.log.values().rev().find(|record: &&Record| !record.is_fence())?;
    One::decode(&last.body).ok()
}

/// Another cell would like the name, again and again.
async fn other(wire: Wire, rules: Rules) {
    let link = wire.link(rules);
    loop {
        wire.nap().await;
        let now = wire.world().now;
        let Ok(verdict) = claims::claim(&link, &"green".into(), &claim_of("other", now), now).await else { continue };
        if verdict != Verdict::Ours {
            continue;
        }
        // It may have waited long on its way.
        let (life, now) = (in_the_log(&wire), wire.world().now);
        let is_free = |life: Life| match life.stage {
            Stage::Open => false,
            Stage::Ended(at) | Stage::Written(at) => at + KEEP < now,
            Stage::Forgotten => true,
        };
        if let Some(life) = life.filter(|life| !is_free(*life)) {
            let what = || format!("the log says {:?} at {now}", life.stage);
            wire.world().violate("the name went to another run", what);
        }
        return;
    }
}

pub(super) fn live(seed: u64, rules: Rules) -> Lived {
    let mut clients = Clients::new(seed);
    // The first owner accepts the run, so that the name is its own.
    let accepted = Arc::new(Mutex::new(()));
    clients.live_well(|wire| async move {
        let _accepted = accepted;
        own_once(wire, rules).await;
    });
    clients.start(|wire| other(wire, rules));
    for _ in 0..STEPS {
        if clients.running() < 4 && clients.world().dice.random_bool(0.05) {
            clients.start(|wire| own(wire, rules));
        } else {
            let passes = clients.world().dice.random_bool(0.02);
            if passes {
                pass_time(&clients);
            }
            clients.step();
        }
    }
    clients.lived()
}

async fn own_once(wire: Wire, rules: Rules) {
    let (link, taker) = (wire.link(rules), taker(&wire, PLACES, 64));
    let Ok(journal) = take_over(link.clone(), "blue", &taker, One::default()).await else { return };
    let owner = Owner { wire, link, journal };
    let begun = owner.begin().await;
    assert!(begun.is_ok(), "{begun:?}");
}

/// Some of the time for which runs are kept passes; DynamoDB deletes what has expired, if it comes to it.
fn pass_time(clients: &Clients) {
    let mut world = clients.world();
    world.now += world.dice.random_range(KEEP / 4..KEEP);
    if world.dice.random_bool(0.5) {
        let now = Value::number(world.now);
        world.items.retain(|_, row| row.get("ttl").is_none_or(|ttl| *ttl >= now));
    }
}
