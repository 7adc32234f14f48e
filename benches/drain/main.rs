//! How fast a serving cell takes in a backlog of its events queue, and what an event costs it.
//!
//!     cargo bench --bench drain -- --events 200000 --away 0 --away 10
//!     cargo bench --bench drain -- --foreign
//!     cargo bench --bench drain -- --beside
//!     cargo bench --bench drain -- --binary /tmp/before --binary target/release/taskwatch --rounds 3
//!
//! The cell is a process of its own (`taskwatch serve`, its store on the disk); this process is the endpoint, which answers
//! every call so many milliseconds late. Processor time is the cell's alone; the endpoint shares the machine with it.

mod alone;
mod backlog;
mod cell;
mod endpoint;
#[path = "../common/events.rs"]
mod events;
#[path = "../common/runs.rs"]
mod runs;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use backlog::{Backlog, Whose};
use cell::Serving;
use endpoint::Endpoint;
use taskwatch::store::FileStore;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// So long nothing may happen before a round is given up.
const STUCK: Duration = Duration::from_secs(60);

struct Options {
    events: usize,
    away: Vec<u64>,
    rounds: usize,
    binaries: Vec<PathBuf>,
    /// Of whose tasks the events are: `--foreign`, of others'; `--beside`, of others' and of the cell's.
    whose: Whose,
}

impl Options {
    fn read() -> Result<Self> {
        let mut options =
            Self { events: 200_000, away: Vec::new(), rounds: 1, binaries: Vec::new(), whose: Whose::Own };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--events" => options.events = value()?.parse()?,
                "--away" => options.away.push(value()?.parse()?),
                "--rounds" => options.rounds = value()?.parse()?,
                "--binary" => options.binaries.push(std::path::absolute(value()?)?),
                "--foreign" => options.whose = Whose::Others,
                "--beside" => options.whose = Whose::Both,
                // Cargo's own.
                "--bench" => {}
                other => {
                    let known = "--events, --away, --rounds, --binary, --foreign, --beside";
                    return Err(format!("{other}: not known ({known})").into());
                }
            }
        }
        if options.away.is_empty() {
            options.away = vec![0, 10];
        }
        if options.binaries.is_empty() {
            options.binaries.push(env!("CARGO_BIN_EXE_taskwatch").into());
        }
        Ok(options)
    }
}

/// What one round showed.
struct Figures {
    seconds: f64,
    processor: f64,
    memory: f64,
    receives: usize,
    deletes: usize,
    most_polls: usize,
}

fn main() -> Result<()> {
    if let Some(endpoint) = std::env::var("DRAIN_ALONE").ok().filter(|endpoint| !endpoint.is_empty()) {
        return alone::run(&endpoint);
    }
    let options = Options::read()?;
    let backlog = Arc::new(Backlog::new(options.events, options.whose)?);
    println!("{} events of {} runs, {} bytes each", backlog.len(), backlog.runs(), backlog.body_bytes());
    println!(
        "| binary | ms a call | events/s | µs of processor an event | receives | deletes | receives at once | MB |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    // In turns, so that what else the machine does falls on all alike.
    for _ in 0..options.rounds {
        for away in &options.away {
            // Then the calls alone: this program as a client without a cell.
            let alone = std::env::current_exe()?;
            for binary in options.binaries.iter().chain([&alone]) {
                let figures = round(&backlog, *away, binary, *binary == alone)?;
                let events = backlog.len() as f64;
                println!(
                    "| {} | {away} | {:.0} | {:.1} | {} | {} | {} | {:.0} |",
                    if *binary == alone { "the calls alone".into() } else { binary.display().to_string() },
                    events / figures.seconds,
                    figures.processor * 1e6 / events,
                    figures.receives,
                    figures.deletes,
                    figures.most_polls,
                    figures.memory,
                );
            }
        }
    }
    Ok(())
}

fn round(backlog: &Arc<Backlog>, away: u64, binary: &Path, alone: bool) -> Result<Figures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let home = tempfile::tempdir()?;
    runtime.block_on(async {
        if !alone {
            runs::fill(&FileStore::open(&home.path().join("store"))?, backlog.runs()).await?;
        }
        let endpoint = Endpoint::start(Arc::clone(backlog), Duration::from_millis(away)).await?;
        let cell = Serving::start(binary, &endpoint.url(), home.path())?;
        if !alone {
            cell.ready().await?;
        }
        // What it does at its start (it asks for its tasks) is over soon.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (used, began) = (cell.processor()?, Instant::now());
        endpoint.open();
        let mut seen = (0, Instant::now());
        while endpoint.deleted() < backlog.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let deleted = endpoint.deleted();
            if deleted > seen.0 {
                seen = (deleted, Instant::now());
            } else if seen.1.elapsed() > STUCK {
                return Err(format!("{deleted} of {} events were deleted, and no more", backlog.len()).into());
            }
        }
        let figures = Figures {
            seconds: began.elapsed().as_secs_f64(),
            processor: cell.processor()? - used,
            memory: cell.memory()?,
            receives: endpoint.receives(),
            deletes: endpoint.deletes(),
            most_polls: endpoint.most_polls(),
        };
        if !alone && cell.ended().await? != backlog.runs() {
            let ended = cell.ended().await?;
            return Err(format!("{ended} of {} runs have succeeded", backlog.runs()).into());
        }
        Ok(figures)
    })
}
