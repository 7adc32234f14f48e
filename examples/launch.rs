//! Launches tasks from a program of one's own, against an AWS endpoint in the same process: `cargo run --example launch`.
//!
//! The first launch cannot pull its image and is tried again. On AWS leave `local` away and say
//! `Taskwatch::builder().connect()`.

use std::time::Duration;

use serde_json::json;
use taskwatch::Taskwatch;
use taskwatch::local::ecs::EcsOptions;
use taskwatch::local::faults::Script;
use taskwatch::local::{LocalOptions, start};

const FAULTS: &str = "
[[fault]]
do = 'image-pull'
[fault.match]
attempt = 1
";

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ecs = EcsOptions {
        time_scale: 60.0,
        auto_register: true,
        script: Script::parse(FAULTS)?,
        clusters: vec!["batch".into()],
        ..EcsOptions::default()
    };
    let endpoint = start(LocalOptions { ecs, ..LocalOptions::default() }).await?;
    let watcher = Taskwatch::builder().cell("example").local(endpoint.url()).connect().await?;

    let request = json!({
        "name": "nightly",
        "runTask": {"cluster": "batch", "taskDefinition": "etl:7", "count": 5},
        "until": "stopped",
        "retry": [{"ErrorEquals": ["Taskwatch.Transient"], "IntervalSeconds": 1, "MaxAttempts": 3}]
    });
    for outcome in watcher.launch_all(request).await? {
        println!("{} {}, exit code {:?}", outcome.name(), outcome.status().as_str(), outcome.exit_code());
        for attempt in outcome.attempts() {
            let failure = attempt.failure.as_ref();
            println!("  attempt {}: {}", attempt.number, failure.map_or("well", |f| f.error.as_str()));
        }
        outcome.into_result()?;
    }
    watcher.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
