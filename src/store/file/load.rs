//! Open runs at a start, read and decoded by a thread of their own while the cell takes the parts before.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use futures::stream::StreamExt as _;
use rusqlite::Connection;
use tokio::sync::mpsc;

use super::{record, said};
use crate::store::Runs;

/// Runs in a part.
const PART: usize = 4_096;
/// Parts that wait for the cell.
const AHEAD: usize = 4;

pub(super) fn open_runs(connection: Arc<Mutex<Connection>>, dir: PathBuf) -> Runs {
    let (sender, mut parts) = mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
        let read = record::each_open(&connection, PART, |part| sender.blocking_send(Ok(part)).is_ok());
        if let Err(error) = read {
            // Nobody waiting for the parts any more is no error.
            let _ = sender.blocking_send(Err(said(&dir, &error)));
        }
    });
    Runs::new(futures::stream::poll_fn(move |context| parts.poll_recv(context)).boxed())
}
