//! A fleet for an hour, on virtual time and one thread: real processes (`host`), cells and stores. Only what is AWS's is played:
//! ECS with its quotas, zones and failures, the queues, the topic, and a table in memory.
//!
//!     cargo bench --locked --features fake-table --bench hour -- --out hour.json
//!     python3 benches/hour/plot.py hour.json docs/hour.svg
//!
//! What is assumed stands in `plan.rs`, and is printed beside what comes out.

mod account;
mod fleet;
mod plan;
mod ports;
mod queue;
mod record;
mod tasks;
mod world;

use std::error::Error;
use std::sync::Arc;

use fleet::Fleet;
use plan::Plan;
use world::World;

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let plan = Plan::read(std::env::args().skip(1))?;
    println!("{plan}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    let began = std::time::Instant::now();
    let out = plan.out.clone();
    let result = runtime.block_on(async {
        let world = World::new(plan).await?;
        let fleet = Fleet::begin(&world);
        tokio::spawn(tasks::live(Arc::clone(&world)));
        tokio::spawn(fleet::users(Arc::clone(&world)));
        tokio::spawn(fleet::misfortunes(Arc::clone(&fleet)));
        fleet.live().await;
        Ok::<_, Box<dyn Error>>(world.result())
    })?;
    println!("{result}\n\nsimulated within {:.0} s", began.elapsed().as_secs_f64());
    if let Some(out) = out {
        std::fs::write(&out, serde_json::to_string_pretty(&result)?).map_err(|error| format!("{out}: {error}"))?;
    }
    match result.is_right() {
        true => Ok(()),
        false => Err("some run was lost, ran twice, or was told twice".into()),
    }
}
