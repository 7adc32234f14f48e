//! Whether a run costs the same among a thousand as among a million: time, memory and disk.
//!
//!     cargo bench --locked --bench growth
//!     cargo bench --locked --bench growth -- --runs 1000 --runs 1000000
//!
//! Memory is what the allocator was asked for and not given back: a figure that does not hang on pages and rounds. SQLite's own cache,
//! 32 MB at most, is not in it.

mod ended;
#[path = "../common/events.rs"]
mod events;
mod open;
#[path = "../common/ports.rs"]
mod ports;
#[path = "../common/runs.rs"]
mod runs;

use std::alloc::System;
use std::error::Error;
use std::path::Path;

use cap::Cap;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Bytes in use.
fn in_use() -> usize {
    ALLOCATOR.allocated()
}

/// Bytes of the files in a directory.
fn on_disk(dir: &Path) -> Result<u64> {
    let size = |entry: std::io::Result<std::fs::DirEntry>| Ok(entry?.metadata()?.len());
    std::fs::read_dir(dir)?.map(size).sum()
}

fn sizes() -> Result<Vec<usize>> {
    let (mut sizes, mut arguments) = (Vec::new(), std::env::args().skip(1));
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--runs" => sizes.push(arguments.next().ok_or("--runs needs a value")?.parse()?),
            // Cargo's own.
            "--bench" => {}
            other => return Err(format!("{other}: not known (--runs)").into()),
        }
    }
    Ok(if sizes.is_empty() { vec![1_000, 10_000, 100_000, 1_000_000] } else { sizes })
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let sizes = sizes()?;
    let fixed = open::of_no_runs().await?;
    println!("a cell without runs: {:.1} MB, which are left out below", fixed as f64 / 1e6);
    println!(
        "| open runs | accepted, µs a run | placed, µs a run | on disk, bytes a run | loaded, µs a run | in memory, bytes a run | an event, µs |"
    );
    println!("|---|---|---|---|---|---|---|");
    for count in &sizes {
        let one = open::measure(*count, fixed).await?;
        println!(
            "| {count} | {:.1} | {:.1} | {:.0} | {:.1} | {:.0} | {:.1} |",
            one.accepted, one.placed, one.disk, one.load, one.memory, one.event
        );
    }
    println!(
        "\n| finished runs | written, µs a run | on disk, bytes a run | a page of the 50 newest, ms | of 50 of a request, ms |"
    );
    println!("|---|---|---|---|---|");
    for count in &sizes {
        let one = ended::measure(*count).await?;
        println!("| {count} | {:.1} | {:.0} | {:.2} | {:.2} |", one.put, one.disk, one.page, one.of_request);
    }
    Ok(())
}
