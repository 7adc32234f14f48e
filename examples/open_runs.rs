//! Fills a store with open runs, to measure how long a cell takes to be ready with them (docs/performance.md).
//!
//!     cargo run --release --example open_runs -- DIR 1000000
//!     cargo run --release --example open_runs -- DIR 1000000 own
//!
//! Requests of 10,000 runs each; or, with `own`, each run's own, equal but for their names.

use std::sync::Arc;

use taskwatch::core::ids::Token;
use taskwatch::core::machine::{Input, apply};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, FileStore, Store as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: open_runs DIR COUNT [own]".into());
    };
    let own = arguments.next().is_some_and(|word| word == "own");
    let store = FileStore::open(dir.as_ref())?;
    let request = r#"{"runTask": {"cluster": "batch", "taskDefinition": "etl:7", "launchType": "FARGATE", "networkConfiguration":
        {"awsvpcConfiguration": {"subnets": ["subnet-0a", "subnet-0b"]}}}, "until": "stopped"}"#;
    let spec = Arc::new(RunRequest::parse(request)?.spec);
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    let numbers: Vec<u32> = (0..count.parse()?).collect();
    for chunk in numbers.chunks(10_000) {
        store.commit(chunk.iter().map(|n| open_run(*n, own, &spec, now)).collect()).await?;
    }
    drop(store);
    let began = std::time::Instant::now();
    let store = FileStore::open(dir.as_ref())?;
    let mut contents = store.load().await?;
    let mut loaded = 0;
    while let Some(part) = contents.runs.next().await? {
        loaded += part.len();
    }
    println!("{loaded} open runs are loaded in {:.2} s", began.elapsed().as_secs_f64());
    Ok(())
}

/// One whose task was placed and has not started.
fn open_run(n: u32, own: bool, spec: &Arc<taskwatch::core::request::RunSpec>, now: Timestamp) -> Change {
    let id = uuid::Uuid::now_v7();
    // A request has 10,000 runs at most.
    let (name, index) =
        if own { (id.to_string(), 0) } else { (format!("fleet-{}/{}", n / 10_000, n % 10_000), n % 10_000) };
    let mut run = Run::new(id, name, index, Arc::clone(spec), now);
    apply(&mut run, &Input::Submitted, now);
    apply(&mut run, &Input::Launching { token: Token::of([format!("{n:040}")]), group_size: 1 }, now);
    let task_arn = format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{n:032x}");
    apply(&mut run, &Input::Placed { task_arn: task_arn.into(), created_at: Some(now) }, now);
    Change::Put(Arc::new(run))
}
