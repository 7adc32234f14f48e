//! Open runs in a store, each with a task that was just placed.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskwatch::core::ids::Token;
use taskwatch::core::machine::{Input, apply};
use taskwatch::core::request::{RunRequest, RunSpec};
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, Store};

const REQUEST: &str = r#"{"runTask": {"cluster": "batch", "taskDefinition": "etl:7", "launchType": "FARGATE", "networkConfiguration":
    {"awsvpcConfiguration": {"subnets": ["subnet-0a", "subnet-0b"]}}}, "until": "stopped"}"#;

/// What all these runs were asked for with.
pub(crate) fn spec() -> Result<Arc<RunSpec>, Box<dyn Error>> {
    Ok(Arc::new(RunRequest::parse(REQUEST)?.spec))
}

/// A request has 10,000 runs at most.
const MOST: usize = 10_000;

/// A run's.
pub(crate) fn name(n: usize) -> String {
    format!("fleet-{}/{}", n / MOST, n % MOST)
}

fn now() -> Timestamp {
    Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// One that was just accepted.
pub(crate) fn accepted(n: usize, spec: &Arc<RunSpec>) -> Run {
    let index = u32::try_from(n % MOST).unwrap_or(0);
    let mut run = Run::new(uuid::Uuid::now_v7(), name(n), index, Arc::clone(spec), now());
    apply(&mut run, &Input::Submitted, now());
    run
}

/// The same, its task placed and not started.
pub(crate) fn place(n: usize, run: &mut Run) {
    apply(run, &Input::Launching { token: Token::of([format!("{n:040}")]), group_size: 1 }, now());
    apply(run, &Input::Placed { task_arn: arn(n).into(), created_at: Some(now()) }, now());
}

/// Its task's.
pub(crate) fn arn(run: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{run:032x}")
}

/// Puts so many into a store: a request's runs are accepted, and then their tasks are placed. How long the store took for each of the two.
pub(crate) async fn fill(store: &dyn Store, count: usize) -> Result<[Duration; 2], Box<dyn Error>> {
    let (spec, numbers) = (spec()?, (0..count).collect::<Vec<_>>());
    let mut took = [Duration::ZERO; 2];
    for chunk in numbers.chunks(MOST) {
        let mut runs: Vec<Run> = chunk.iter().map(|n| accepted(*n, &spec)).collect();
        took[0] += put(store, &runs).await?;
        runs.iter_mut().zip(chunk).for_each(|(run, n)| place(*n, run));
        took[1] += put(store, &runs).await?;
    }
    Ok(took)
}

async fn put(store: &dyn Store, runs: &[Run]) -> Result<Duration, Box<dyn Error>> {
    let changes = runs.iter().map(|run| Change::Put(Arc::new(run.clone()))).collect();
    let began = Instant::now();
    store.commit(changes).await?;
    Ok(began.elapsed())
}
