//! Finished runs: written, and listed.

use std::sync::Arc;
use std::time::Instant;

use taskwatch::core::filter::RunFilter;
use taskwatch::core::request::RunSpec;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, FileStore, Query, Store as _};

use super::{Result, on_disk, runs};

const CHUNK: usize = 10_000;
const PAGE: usize = 50;
/// Of which the median counts.
const TRIES: usize = 21;

/// Of one run, or of one page.
pub(crate) struct Costs {
    pub(crate) put: f64,
    pub(crate) disk: f64,
    pub(crate) page: f64,
    pub(crate) of_request: f64,
}

pub(crate) async fn measure(count: usize) -> Result<Costs> {
    let home = tempfile::tempdir()?;
    let dir = home.path().join("store");
    let store = FileStore::open(&dir)?;
    let (spec, numbers) = (runs::spec()?, (0..count).collect::<Vec<_>>());
    let began = Instant::now();
    for chunk in numbers.chunks(CHUNK) {
        store.commit(chunk.iter().map(|n| Change::Put(Arc::new(ended(*n, &spec)))).collect()).await?;
    }
    let put = began.elapsed().as_secs_f64() * 1e6 / count as f64;
    let disk = on_disk(&dir)? as f64 / count as f64;
    let page = page(&store, None).await?;
    let of_request = self::page(&store, Some("fleet-0".to_owned())).await?;
    Ok(Costs { put, disk, page, of_request })
}

fn ended(n: usize, spec: &Arc<RunSpec>) -> Run {
    let mut run = runs::accepted(n, spec);
    runs::place(n, &mut run);
    let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
    run.status = Status::Succeeded;
    run.finished_at = Some(now);
    run.revision += 1;
    run
}

/// Milliseconds until a page was read: of all, or of the runs of this name.
async fn page(store: &FileStore, name: Option<String>) -> Result<f64> {
    let mut tries = Vec::with_capacity(TRIES);
    for _ in 0..TRIES {
        let filter = RunFilter { name: name.clone(), ..RunFilter::default() };
        let query = Query { filter, limit: PAGE, ..Query::default() };
        let began = Instant::now();
        let found = store.finished(query).await?.items.len();
        tries.push(began.elapsed().as_secs_f64() * 1e3);
        if found != PAGE {
            return Err(format!("{found} of {PAGE} runs on a page").into());
        }
    }
    tries.sort_by(f64::total_cmp);
    Ok(tries[TRIES / 2])
}
