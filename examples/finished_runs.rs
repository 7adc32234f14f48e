//! Fills a store with finished runs and measures what listings of them cost (docs/performance.md).
//!
//!     cargo run --release --example finished_runs -- DIR 1000000

use std::sync::Arc;
use std::time::Instant;

use taskwatch::core::failure;
use taskwatch::core::filter::RunFilter;
use taskwatch::core::ids::Token;
use taskwatch::core::machine::{Input, apply};
use taskwatch::core::request::{RunRequest, RunSpec};
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, FileStore, Query, Store as _};
use uuid::Uuid;

/// Of each hundred, five fail for want of room and one for its image; a request in ten thousand has 10,000 runs.
const ERRORS: [&str; 2] = ["RESOURCE:CPU", "AGENT"];
const QUEUES: [&str; 4] = ["default", "nightly", "adhoc", "rare"];

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(dir), Some(count)) = (arguments.next(), arguments.next()) else {
        return Err("usage: finished_runs DIR COUNT".into());
    };
    let store = FileStore::open(dir.as_ref())?;
    let count: u32 = count.parse()?;
    if store.finished(Query { limit: 1, ..Query::default() }).await?.items.is_empty() {
        let began = Instant::now();
        let specs: Vec<Arc<RunSpec>> = QUEUES.iter().map(|queue| spec(queue)).collect::<Result<_, _>>()?;
        let numbers: Vec<u32> = (0..count).collect();
        for chunk in numbers.chunks(10_000) {
            store.commit(chunk.iter().map(|n| Change::Put(Arc::new(ended(*n, &specs)))).collect()).await?;
        }
        println!("{count} written in {:.1} s", began.elapsed().as_secs_f64());
    }
    let (slowest, queries) = measure(&store, count).await?;
    println!("{queries} listings of 50, slowest first:");
    slowest.iter().take(8).for_each(|(ms, query)| println!("{ms:8.2} ms  {query}"));
    Ok(())
}

fn spec(queue: &str) -> Result<Arc<RunSpec>, taskwatch::core::request::RequestError> {
    let request = format!(
        r#"{{"runTask": {{"cluster": "batch", "taskDefinition": "etl:7", "launchType": "FARGATE", "networkConfiguration":
        {{"awsvpcConfiguration": {{"subnets": ["subnet-0a", "subnet-0b"]}}}}}}, "until": "stopped", "queue": "{queue}", "retry": []}}"#
    );
    RunRequest::parse(&request).map(|request| Arc::new(request.spec))
}

fn ended(n: u32, specs: &[Arc<RunSpec>]) -> Run {
    let at = |later: u32| Timestamp::from_millis(1_800_000_000_000 + i64::from(n) * 50 + i64::from(later));
    let id = uuid::Builder::from_unix_timestamp_millis(
        u64::try_from(at(0).millis()).unwrap_or_default(),
        &Uuid::new_v4().as_bytes().first_chunk().copied().unwrap_or_default(),
    );
    // The rare queue has one run in ten thousand.
    let spec = if n.is_multiple_of(10_000) { &specs[3] } else { &specs[n as usize % 3] };
    let (name, index) = if n < 10_000 { (format!("large/{n}"), n) } else { (format!("run-{n}"), 0) };
    let mut run = Run::new(id.into_uuid(), name, index, Arc::clone(spec), at(0));
    apply(&mut run, &Input::Submitted, at(0));
    apply(
        &mut run,
        &Input::Launching { token: Token::of([format!("{:040x}", u128::from(n) << 90)]), group_size: 1 },
        at(10),
    );
    if n % 20 == 7 {
        let error = ERRORS[usize::from(n % 100 == 7)];
        apply(&mut run, &Input::Refused(failure::from_refusal(error, Some("closest match"))), at(20));
        return run;
    }
    let task_arn = format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{}", Uuid::new_v4().simple());
    apply(&mut run, &Input::Placed { task_arn: task_arn.into(), created_at: Some(at(15)) }, at(20));
    run.status = Status::Succeeded;
    run.finished_at = Some(at(30_000));
    run.revision += 1;
    run
}

/// Every combination of filters, on the first page and on one in the middle; the least of three tries.
async fn measure(store: &FileStore, count: u32) -> Result<(Vec<(f64, String)>, usize), Box<dyn std::error::Error>> {
    let text = |text: &&str| (*text).to_owned();
    let middle =
        uuid::Builder::from_unix_timestamp_millis(1_800_000_000_000 + u64::from(count) * 25, &[0; 10]).into_uuid();
    let statuses = [None, Some(vec![Status::Failed]), Some(vec![Status::Succeeded]), Some(vec![Status::TimedOut])];
    let queues = [None, Some("default"), Some("rare"), Some("none")];
    let errors = [None, Some("RESOURCE:CPU"), Some("AGENT"), Some("Taskwatch.Stopped")];
    let names = [None, Some("large"), Some("large/9999"), Some("run-500000"), Some("none"), Some("*none*")];
    let mut all = Vec::new();
    for statuses in &statuses {
        for queue in &queues {
            for error in &errors {
                for name in &names {
                    for before in [None, Some(middle)] {
                        let (queue, error, name) =
                            (queue.as_ref().map(text), error.as_ref().map(text), name.as_ref().map(text));
                        let query = Query {
                            filter: RunFilter {
                                statuses: statuses.clone(),
                                queue,
                                error,
                                name,
                                ..RunFilter::default()
                            },
                            before,
                            limit: 50,
                        };
                        let mut least = f64::MAX;
                        for _ in 0..3 {
                            let began = Instant::now();
                            store.finished(query.clone()).await?;
                            least = least.min(began.elapsed().as_secs_f64() * 1000.0);
                        }
                        all.push((least, format!("{query:?}")));
                    }
                }
            }
        }
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    let count = all.len();
    Ok((all, count))
}
