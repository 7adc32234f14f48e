//! How long a decision takes: from the moment that an event is in the cell's hands until what follows from it is durable.
//!
//!     cargo bench --locked --features fake-table --bench decision -- --rate 500 --seconds 60 --away 10 --put 6
//!
//! Events come at a steady rate, each of which the cell must make durable: a task runs, a task ends. The cell is the real one,
//! in this process; its queue is so many milliseconds away. Its store is a directory, and then a table in memory whose writes
//! take so long. What a durable write takes by itself is measured beside it, in the same run: 4 KiB over what a file in the same
//! directory has, and an fdatasync of it, as SQLite writes its log over; or a write to such a table.

#[path = "../common/events.rs"]
mod events;
#[path = "../common/ports.rs"]
mod ports;
mod probe;
mod queue;
#[path = "../common/runs.rs"]
mod runs;
#[path = "../common/table.rs"]
mod table;
mod timed;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::store::dynamo::fake::FakeTable;
use taskwatch::store::{FileStore, Store};

use ports::{Accepting, NoEcs};
use probe::Probe;
use queue::Paced;
use timed::Timed;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Of a run: its task runs, and its containers have ended. What else is told of a task needs no commit. What runs may wait a second
/// for what must be durable at once, where a commit costs money ([`Capabilities::soft_wait`](taskwatch::store::Capabilities)).
const STEPS: [usize; 2] = [2, 3];
/// Between two writes that are measured by themselves.
const BESIDE: Duration = Duration::from_millis(50);

struct Options {
    rate: usize,
    seconds: usize,
    away: Duration,
    put: Duration,
}

impl Options {
    fn read() -> Result<Self> {
        let ms = |text: String| text.parse().map(Duration::from_millis);
        let (away, put) = (Duration::from_millis(10), Duration::from_millis(6));
        let mut options = Self { rate: 500, seconds: 30, away, put };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--rate" => options.rate = value()?.parse()?,
                "--seconds" => options.seconds = value()?.parse()?,
                "--away" => options.away = ms(value()?)?,
                "--put" => options.put = ms(value()?)?,
                // Cargo's own.
                "--bench" => {}
                other => return Err(format!("{other}: not known (--rate, --seconds, --away, --put)").into()),
            }
        }
        Ok(options)
    }

    fn runs(&self) -> usize {
        self.rate * self.seconds / STEPS.len()
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::read()?;
    println!("{} events/s for {} s, {:?} away", options.rate, options.seconds, options.away);
    println!(
        "| store, write | the task tells | decisions | p50, ms | p99, ms | a write by itself: p50, ms | p50 as a multiple of it | p99 as a multiple of it |"
    );
    println!("|---|---|---|---|---|---|---|---|");

    let home = tempfile::tempdir()?;
    let dir = home.path().join("store");
    runs::fill(&FileStore::open(&dir)?, options.runs()).await?;
    let store = Arc::new(FileStore::open(&dir)?);
    let measured = measure(&options, store, Probe::in_file(&home.path().join("beside"))?).await?;
    show("a directory, fdatasync", &measured);

    let table = Arc::new(FakeTable::default());
    runs::fill(&table::open(&table, "one").await?, options.runs()).await?;
    let store = Arc::new(table::open(&table, "two").await?);
    let beside = Arc::new(FakeTable::default());
    for table in [&table, &beside] {
        table::delay(table, options.put, 5 * options.put);
    }
    show("a table, put", &measure(&options, store, Probe::Put(beside)).await?);
    Ok(())
}

/// Microseconds.
struct Measured {
    /// By step.
    decisions: [Histogram<u64>; STEPS.len()],
    /// Single writes.
    writes: Histogram<u64>,
}

async fn measure(options: &Options, store: Arc<dyn Store>, probe: Probe) -> Result<Measured> {
    let queue = Paced::new(options.rate, options.runs(), options.away)?;
    let timed = Arc::new(Timed::new(store, Arc::clone(&queue)));
    let ports = Ports {
        ecs: Arc::new(NoEcs),
        events: Some(Arc::clone(&queue) as _),
        requests: None,
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(Accepting),
        store: Arc::clone(&timed) as _,
        clock: Clock::system(),
        ids: Ids::default(),
    };
    let cell = Cell::start(CellConfig::new("drain"), ports).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    queue.open();
    let writes = probe.until(timed.ended(options.runs()), BESIDE).await?;
    cell.drain(Duration::from_secs(5)).await;
    Ok(Measured { decisions: [timed.times(0)?, timed.times(1)?], writes })
}

fn show(store: &str, measured: &Measured) {
    let ms = |times: &Histogram<u64>, quantile| times.value_at_quantile(quantile) as f64 / 1_000.0;
    let write = ms(&measured.writes, 0.5);
    for (event, decisions) in ["it runs", "it has ended"].iter().zip(&measured.decisions) {
        let (p50, p99) = (ms(decisions, 0.5), ms(decisions, 0.99));
        println!(
            "| {store} | {event} | {} | {p50:.2} | {p99:.2} | {write:.2} | {:.2} | {:.2} |",
            decisions.len(),
            p50 / write,
            p99 / write
        );
    }
}
