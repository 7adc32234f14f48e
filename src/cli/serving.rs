//! What `taskwatch serve` has in common, with a cell of its own and as a process of a fleet.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use super::aws;
use super::error::CliError;
use super::settings::Settings;
use crate::aws::Clients;
use crate::cell::ports::Queue;
use crate::cell::{CellConfig, Clock, Ids, LogReader, Ports, WithLines};
use crate::store::Store;

/// CloudWatch keeps metrics by the minute; the alarms of infra/ count the lines.
pub(super) const EMF: Duration = Duration::from_secs(60);
/// For what is being answered at the end.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// Finished runs of a cell in memory beside a store that has them all: what people look at, and memory stays flat.
pub(super) const FINISHED_IN_MEMORY: usize = 10_000;

/// The settings of a cell of this name. `queue` is the URL of a queue in its account:
/// `https://sqs.<region>.amazonaws.com/<account>/<name>`.
pub(super) fn config(settings: &Settings, name: &str, clients: &Clients, queue: &str) -> CellConfig {
    let account = queue.rsplit('/').nth(1).unwrap_or_default().to_owned();
    CellConfig { region: aws::region(clients), account, ..settings.cell_config(name) }
}

/// The URLs of a cell's queues.
pub(super) struct Queues<'a> {
    pub(super) events: &'a str,
    pub(super) requests: &'a str,
    pub(super) requests_dlq: Option<&'a str>,
}

/// What a cell works with.
pub(super) fn ports(
    clients: &Clients,
    queues: &Queues<'_>,
    logs: &LogReader,
    store: Arc<dyn Store>,
    clock: Clock,
) -> Ports {
    let queue = |url: &str| Arc::new(clients.queue(url)) as Arc<dyn Queue>;
    Ports {
        ecs: Arc::new(clients.ecs()),
        events: Some(queue(queues.events)),
        requests: Some(queue(queues.requests)),
        requests_dlq: queues.requests_dlq.map(queue),
        launchers: Some(Arc::new(clients.launchers())),
        notifier: Arc::new(WithLines::new(Arc::new(clients.publisher()), logs.clone())),
        store,
        clock,
        ids: Ids::default(),
    }
}

/// The socket of the API, and its address: port 0 is any port.
pub(super) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), CliError> {
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|e| CliError::other(format!("TASKWATCH_LISTEN is {address}: {e}")))?;
    let address = listener.local_addr().unwrap_or(address);
    Ok((listener, address))
}

/// Waits for the last answers of the API, a moment at most, and beside them until what is to be told last was told.
pub(super) async fn end<Answered>(http: impl Future<Output = Answered>, last: impl Future<Output = ()>) {
    let _ = tokio::join!(tokio::time::timeout(LAST_ANSWERS, http), last);
}
