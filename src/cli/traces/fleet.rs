//! The traces of a fleet's process: of each of its cells, as they come and go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{ENDING, Target, Traces};
use crate::cell::Cell;
use crate::core::time::Timestamp;

/// Sends the traces of a process's cells until it is finished.
pub(in crate::cli) struct FleetTraces {
    stop: CancellationToken,
    following: JoinHandle<()>,
}

/// A cell that left and came back is another one.
type Each = BTreeMap<(String, Timestamp), Traces>;

impl FleetTraces {
    /// Begins to listen to the cells that a process serves.
    pub(in crate::cli) fn begin(target: Target, own: watch::Receiver<Arc<[Cell]>>) -> Self {
        let stop = CancellationToken::new();
        let following = tokio::spawn(follow(target, own, stop.clone()));
        Self { stop, following }
    }

    /// Sends what has ended so far, and ends.
    pub(in crate::cli) async fn finish(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(ENDING + Duration::from_millis(100), self.following).await;
    }
}

async fn follow(target: Target, mut own: watch::Receiver<Arc<[Cell]>>, stop: CancellationToken) {
    let mut each = Each::new();
    loop {
        let cells = Arc::clone(&own.borrow_and_update());
        let key = |cell: &Cell| (cell.name().to_owned(), cell.began_at());
        let (stay, gone): (Each, Each) =
            each.into_iter().partition(|(known, _)| cells.iter().any(|cell| key(cell) == *known));
        gone.into_values().for_each(|traces| drop(tokio::spawn(traces.finish())));
        each = stay;
        for cell in cells.iter().filter(|cell| !each.contains_key(&key(cell))).collect::<Vec<_>>() {
            match Traces::begin(target.clone(), cell) {
                Ok(traces) => drop(each.insert(key(cell), traces)),
                Err(error) => tracing::warn!(cell = cell.name(), %error, "the cell's runs are not traced"),
            }
        }
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            changed = own.changed() => if changed.is_err() { break },
        }
    }
    join_all(each.into_values().map(Traces::finish)).await;
}
