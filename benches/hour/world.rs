//! What all processes share.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::SeedableRng as _;
use rand::rngs::SmallRng;
use taskwatch::cell::Clock;
use taskwatch::core::time::Timestamp;
use taskwatch::store::dynamo::fake::FakeTable;
use taskwatch::store::dynamo::{Directory, DynamoOptions, DynamoStore, NewCell};
use tokio::time::Instant;

use crate::account::Quotas;
use crate::plan::{Plan, READS};
use crate::queue::Mailbox;
use crate::record::{End, Outcome, Record};
use crate::tasks::Tasks;

pub(crate) const FLEET: &str = "blue";
const KEEP: Duration = Duration::from_secs(7 * 86_400);

pub(crate) struct State {
    pub(crate) plan: Plan,
    pub(crate) dice: SmallRng,
    begun: Instant,
    pub(crate) clock: Clock,
    pub(crate) tasks: Tasks,
    pub(crate) quotas: Quotas,
    pub(crate) events: BTreeMap<String, Arc<Mailbox>>,
    /// What EventBridge does not deliver now.
    pub(crate) held: Vec<(Arc<Mailbox>, String)>,
    pub(crate) record: Record,
    pub(crate) takeovers: [u64; 2],
}

/// The world.
pub(crate) struct World {
    state: Mutex<State>,
    pub(crate) plan: Plan,
    pub(crate) table: Arc<FakeTable>,
    pub(crate) clock: Clock,
    pub(crate) requests: Arc<Mailbox>,
}

impl World {
    pub(crate) async fn new(plan: Plan) -> Result<Arc<Self>, Box<dyn Error>> {
        let (table, clock) =
            (Arc::<FakeTable>::default(), Clock::starting_at(Timestamp::from_millis(1_800_000_000_000)));
        let names: Vec<String> = (0..plan.cells).map(|n| format!("{FLEET}-{n}")).collect();
        for name in &names {
            let first = DynamoStore::open(Arc::clone(&table) as _, name, "the first".into(), options(&clock));
            first.await?.release().await?;
        }
        let new = |name: &String| NewCell { events: format!("https://sqs/{name}"), name: name.clone() };
        let new: Vec<NewCell> = names.iter().map(new).collect();
        Directory::new(Arc::clone(&table) as _, FLEET).add_cells(&new).await?;
        let state = State {
            dice: SmallRng::seed_from_u64(plan.seed),
            begun: Instant::now(),
            clock: clock.clone(),
            tasks: Tasks::default(),
            quotas: Quotas::new(plan.rate, f64::from(plan.burst), READS),
            events: names.into_iter().map(|name| (name, Arc::default())).collect(),
            held: Vec::new(),
            record: Record::default(),
            takeovers: [0; 2],
            plan: plan.clone(),
        };
        Ok(Arc::new(Self { state: Mutex::new(state), plan, table, clock, requests: Arc::default() }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn result(&self) -> Outcome {
        let state = self.state();
        let (ran_twice, passed) = (state.ran_twice(), state.passed());
        Outcome::of(&state.record, &End { plan: self.plan.clone(), ran_twice, takeovers: state.takeovers, passed })
    }
}

impl State {
    /// Since the first request.
    pub(crate) fn passed(&self) -> Duration {
        self.begun.elapsed().saturating_sub(BEFORE)
    }
}

/// The fleet has so long to find itself before the first request.
pub(crate) const BEFORE: Duration = Duration::from_secs(30);

pub(crate) fn options(clock: &Clock) -> DynamoOptions {
    let clock = clock.clone();
    DynamoOptions { place: "dynamodb:hour".into(), keep: KEEP, now: Arc::new(move || clock.now()) }
}
