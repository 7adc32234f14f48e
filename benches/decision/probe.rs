//! What a durable write takes by itself.

use std::fs::File;
use std::future::Future;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use taskwatch::store::dynamo::fake::FakeTable;
use taskwatch::store::dynamo::{Condition, Item, Key, Put, Table as _};
use tokio::time::Instant;

use super::Result;

pub(crate) enum Probe {
    /// A page of this file, and an fdatasync of it.
    Fdatasync(Arc<File>),
    /// An item into this table.
    Put(Arc<FakeTable>),
}

/// Of a write, in bytes.
const PAGE: usize = 4096;
/// Pages that are written over one after the other.
const PAGES: u64 = 256;

impl Probe {
    /// Writes to a new file that has its length already: no write changes anything but its page.
    pub(crate) fn in_file(path: &Path) -> Result<Self> {
        let file = File::create(path)?;
        (0..PAGES).try_for_each(|page| file.write_all_at(&[0; PAGE], page * PAGE as u64))?;
        file.sync_all()?;
        Ok(Self::Fdatasync(Arc::new(file)))
    }

    /// Writes again and again until something is over; how long each took, in microseconds.
    pub(crate) async fn until(self, over: impl Future<Output = ()>, between: Duration) -> Result<Histogram<u64>> {
        let mut times = Histogram::new(3)?;
        let mut over = std::pin::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return Ok(times),
                () = tokio::time::sleep(between) => {}
            }
            let began = Instant::now();
            self.write(times.len()).await?;
            times.record(u64::try_from(began.elapsed().as_micros())?)?;
        }
    }

    async fn write(&self, nth: u64) -> Result<()> {
        match self {
            Self::Fdatasync(file) => {
                let file = Arc::clone(file);
                tokio::task::spawn_blocking(move || {
                    file.write_all_at(&[1; PAGE], nth % PAGES * PAGE as u64)?;
                    file.sync_data()
                })
                .await??;
            }
            Self::Put(table) => {
                let item = Item { key: Key { pk: "beside".into(), sk: 0 }, attributes: Default::default() };
                table.put_if(Put { item, condition: Condition::ALWAYS }).await?;
            }
        }
        Ok(())
    }
}
