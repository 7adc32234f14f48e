//! What a cell on a table of DynamoDB takes: its commits, and its takeover with many open runs. The table is in this process's
//! memory, and every call takes as long as it is told to.
//!
//!     cargo bench --locked --features fake-table --bench table -- --put 6 --query 30 --open 100000 --open 1000000
//!
//! What a call over the network costs is not in it.

#[path = "common/runs.rs"]
mod runs;
#[path = "common/table.rs"]
mod table;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taskwatch::core::run::Run;
use taskwatch::store::dynamo::fake::FakeTable;
use taskwatch::store::{Change, Store as _};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// As the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A commit of the cell has at most so many changes.
const MOST: usize = 1_024;

struct Options {
    /// Of a write or the read of one item.
    put: Duration,
    /// Of a query, which answers up to 1 MB.
    query: Duration,
    open: Vec<usize>,
}

impl Options {
    fn read() -> Result<Self> {
        let ms = |text: String| text.parse().map(Duration::from_millis);
        let mut options = Self { put: Duration::from_millis(6), query: Duration::from_millis(30), open: Vec::new() };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--put" => options.put = ms(value()?)?,
                "--query" => options.query = ms(value()?)?,
                "--open" => options.open.push(value()?.parse()?),
                // Cargo's own.
                "--bench" => {}
                other => return Err(format!("{other}: not known (--put, --query, --open)").into()),
            }
        }
        if options.open.is_empty() {
            options.open = vec![1_000, 100_000];
        }
        Ok(options)
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let options = Options::read()?;
    println!("{:?} a write, {:?} a query", options.put, options.query);
    commits(&options).await?;
    println!("\n| open runs | taken over after, s | of it processor, s | MB |\n|---|---|---|---|");
    for open in &options.open {
        takeover(&options, *open).await?;
    }
    Ok(())
}

/// Runs that are placed, one commit after another, as an endless stream of answers of RunTask would.
async fn commits(options: &Options) -> Result<()> {
    println!(
        "\n| changes a commit | commits | p50, ms | p99, ms | changes/s | µs of processor a change |\n|---|---|---|---|---|---|"
    );
    for changes in [1, 32, MOST] {
        let table = Arc::new(FakeTable::default());
        let store = table::open(&table, "one").await?;
        let spec = runs::spec()?;
        let rounds = 300;
        let mut runs: Vec<Run> = (0..rounds * changes).map(|n| runs::accepted(n, &spec)).collect();
        runs.iter_mut().enumerate().for_each(|(n, run)| runs::place(n, run));
        let put = |n: usize, more: u64| {
            let run = runs[n].clone();
            Change::Put(Arc::new(Run { revision: run.revision + more, ..run }))
        };
        // Known before: a new run's name is claimed as well, when it is accepted.
        for round in 0..rounds {
            store.commit((0..changes).map(|n| put(round * changes + n, 0)).collect()).await?;
        }
        table::delay(&table, options.put, options.query);
        let mut histogram = hdrhistogram::Histogram::<u64>::new(3)?;
        let (used, began) = (processor()?, Instant::now());
        for round in 0..rounds {
            let batch: Arc<[Change]> = (0..changes).map(|n| put(round * changes + n, 1)).collect();
            let at = Instant::now();
            store.commit(batch).await?;
            histogram.record(u64::try_from(at.elapsed().as_micros())?)?;
        }
        let all = (rounds * changes) as f64;
        println!(
            "| {changes} | {rounds} | {:.1} | {:.1} | {:.0} | {:.1} |",
            histogram.value_at_quantile(0.5) as f64 / 1_000.0,
            histogram.value_at_quantile(0.99) as f64 / 1_000.0,
            all / began.elapsed().as_secs_f64(),
            (processor()? - used) * 1e6 / all,
        );
    }
    Ok(())
}

async fn takeover(options: &Options, count: usize) -> Result<()> {
    let table = Arc::new(FakeTable::default());
    let store = table::open(&table, "one").await?;
    runs::fill(&store, count).await?;
    table::delay(&table, options.put, options.query);
    let (used, began) = (processor()?, Instant::now());
    let store = table::open(&table, "two").await?;
    let mut contents = store.load().await?;
    let mut loaded = 0;
    while let Some(part) = contents.runs.next().await? {
        loaded += part.len();
    }
    let (seconds, used) = (began.elapsed().as_secs_f64(), processor()? - used);
    if loaded != count {
        return Err(format!("{loaded} of {count} runs were there").into());
    }
    println!("| {count} | {seconds:.2} | {used:.2} | {:.0} |", memory()?);
    Ok(())
}

/// Seconds of this process on a processor so far: proc(5), utime and stime, in hundredths of a second.
fn processor() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |n: usize| fields.get(n).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((ticks(11) + ticks(12)) / 100.0)
}

/// What is resident, in MB, the table included.
fn memory() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0)
}
