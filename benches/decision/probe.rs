//! What a durable write takes by itself.

use std::fs::File;
use std::future::Future;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use taskwatch::store::dynamo::fake::FakeTable;
use taskwatch::store::dynamo::{Condition, Item, Key, Put, Table as _};
use tokio::time::Instant;

use super::Result;

pub(crate) enum Probe {
    /// 4 KiB more in this file, and an fsync of it.
    Fsync(PathBuf),
    /// An item into this table.
    Put(Arc<FakeTable>),
}

impl Probe {
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
            self.write().await?;
            times.record(u64::try_from(began.elapsed().as_micros())?)?;
        }
    }

    async fn write(&self) -> Result<()> {
        match self {
            Self::Fsync(file) => {
                let file = file.clone();
                tokio::task::spawn_blocking(move || {
                    let mut file = File::options().create(true).append(true).open(file)?;
                    file.write_all(&[0; 4096])?;
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
