//! Open runs in a store, each with a task that was just placed.

use std::error::Error;
use std::sync::Arc;

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

/// One whose task was placed and has not started.
pub(crate) fn placed(n: usize, spec: &Arc<RunSpec>) -> Run {
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let index = u32::try_from(n % MOST).unwrap_or(0);
    let mut run = Run::new(uuid::Uuid::now_v7(), name(n), index, Arc::clone(spec), now);
    apply(&mut run, &Input::Submitted, now);
    apply(&mut run, &Input::Launching { token: Token::of([format!("{n:040}")]), group_size: 1 }, now);
    apply(&mut run, &Input::Placed { task_arn: arn(n).into(), created_at: Some(now) }, now);
    run
}

/// Its task's.
pub(crate) fn arn(run: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{run:032x}")
}

/// Puts so many into a store.
pub(crate) async fn fill(store: &dyn Store, count: usize) -> Result<(), Box<dyn Error>> {
    let (spec, numbers) = (spec()?, (0..count).collect::<Vec<_>>());
    for chunk in numbers.chunks(MOST) {
        store.commit(chunk.iter().map(|n| Change::Put(Arc::new(placed(*n, &spec)))).collect()).await?;
    }
    Ok(())
}
