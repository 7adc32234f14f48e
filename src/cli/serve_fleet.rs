//! `taskwatch serve` as a process of a fleet, until SIGTERM.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::beside_cells::{Beside, QueueAt};
use super::error::CliError;
#[cfg(debug_assertions)]
use super::failpoints::Failpoints;
use super::options::Global;
use super::settings::{Settings, StoreSetting};
use super::signals::Signals;
use super::{aws, output, store};
use crate::aws::Clients;
use crate::cell::ports::Queue;
use crate::cell::{Cell, CellConfig, Clock, Ids, Ports};
use crate::core::time::Timestamp;
use crate::front::{Fleet, Front, OwnCells};
use crate::host::{Host, HostConfig, HostPorts, Opened, Quotas, Supply};
use crate::http;
use crate::store::dynamo::{CellRow, Directory, DynamoOptions, FleetReader, Table, TableError};
use crate::store::{DynamoStore, Store, StoreError};

/// Within the 10 s in which `serve` ends: its cells are handed over, three seconds for all of them, and its row goes.
const DRAIN: Duration = Duration::from_secs(7);
const LAST_ANSWERS: Duration = Duration::from_secs(1);
/// A table that does not answer at the start is asked again, for some seconds.
const TRIES: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);
/// Between two lines of metrics; the alarms of infra/fleet.yaml count them.
const EMF: Duration = Duration::from_secs(60);
/// So soon a cell that was taken is reported.
const LOOKS: Duration = Duration::from_secs(1);
/// Finished runs in memory, of each cell.
const FINISHED_IN_MEMORY: usize = 10_000;

pub(super) async fn serve(fleet: &str, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let StoreSetting::Table(table) = settings.store()? else {
        let text = format!(
            "TASKWATCH_FLEET is {fleet:?}: the store of a fleet is a table; set TASKWATCH_STORE=dynamodb:TABLE"
        );
        return Err(CliError::usage(text));
    };
    let requests = settings.requests_queue_url.clone();
    let requests =
        requests.ok_or_else(|| CliError::usage("TASKWATCH_REQUESTS_QUEUE_URL is not set: serve needs it"))?;
    for (name, set) in [("CELL", &settings.cell), ("EVENTS_QUEUE_URL", &settings.events_queue_url)] {
        if set.is_some() {
            tracing::warn!(
                "TASKWATCH_{name} is set and not used: the cells of fleet {fleet} and their queues are in its table"
            );
        }
    }
    let address = settings.listen()?;
    #[cfg(debug_assertions)]
    let failpoints = Failpoints::from_env()?;
    let mut signals = Signals::listen()?;
    let clients = aws::clients(global).await?;
    let clock = Clock::system();
    let mut config = settings.cell_config(fleet);
    config.region = aws::region(&clients);
    config.keep_finished = FINISHED_IN_MEMORY;
    // https://sqs.<region>.amazonaws.com/<account>/<name>
    config.account = requests.rsplit('/').nth(1).unwrap_or_default().to_owned();
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|e| CliError::other(format!("TASKWATCH_LISTEN is {address}: {e}")))?;
    let address = listener.local_addr().unwrap_or(address);
    // Calls of their own: what cells write keeps no beat waiting.
    let directory = Directory::new(Arc::new(clients.table(&table)), fleet);
    check(&directory, fleet, &table).await?;
    let url = if address.ip().is_loopback() { String::new() } else { format!("http://{address}") };
    let host_config = HostConfig { name: store::host_name(), url, quotas: quotas(&config) };
    let now = clock.clone();
    let options =
        DynamoOptions { place: format!("dynamodb:{table}"), keep: config.keep, now: Arc::new(move || now.now()) };
    let reader = FleetReader::new(Arc::new(clients.table(&table)), options);
    let queues = clients.clone();
    let queue: QueueAt = Box::new(move |url| Arc::new(queues.queue(url.to_owned())));
    let supply = Equipment {
        table: Arc::new(clients.table(&table)),
        place: format!("dynamodb:{table}"),
        requests,
        requests_dlq: settings.requests_dlq_url.clone(),
        config: config.clone(),
        clock: clock.clone(),
        #[cfg(debug_assertions)]
        failpoints,
        clients,
    };
    let host = Host::start(
        host_config,
        HostPorts { directory: directory.clone(), supply: Arc::new(supply), clock: clock.clone() },
    );
    let shutdown = CancellationToken::new();
    let own = host.own();
    let beside = Beside::new((host.clone(), reader), directory, queue, config, clock.clone());
    let part = Fleet { name: fleet.to_owned(), elsewhere: Arc::new(beside), clock, ids: Ids::default() };
    let front = Front::of_fleet(own, part);
    let http = tokio::spawn(http::serve(listener, front, settings.api_token.clone(), shutdown.clone()));
    tracing::info!(fleet, %address, "serving");
    tokio::select! {
        _ = signals.next() => {}
        () = tell_cloudwatch(fleet, host.own()), if settings.emf() => {}
    }
    tracing::info!("draining");
    host.drain(DRAIN).await;
    shutdown.cancel();
    let _ = tokio::time::timeout(LAST_ANSWERS, http).await;
    tracing::info!("ended");
    Ok(0)
}

/// Writes a line of metrics for each of this process's cells, at once and then once a minute; never ends.
async fn tell_cloudwatch(fleet: &str, own: watch::Receiver<OwnCells>) {
    // A cell that left and came back is another one, which counts from 0.
    let mut reports: BTreeMap<(String, Timestamp), (http::Emf, Instant)> = BTreeMap::new();
    loop {
        let (cells, now) = (own.borrow().clone(), Instant::now());
        let key = |cell: &Cell| (cell.name().to_owned(), cell.began_at());
        reports.retain(|known, _| cells.iter().any(|cell| key(cell) == *known));
        for cell in cells.iter() {
            let new = || (http::Emf::new(cell.clone()).of_fleet(fleet), now);
            let (report, due) = reports.entry(key(cell)).or_insert_with(new);
            if *due <= now {
                output::data(&report.line());
                *due = now + EMF;
            }
        }
        tokio::time::sleep(LOOKS).await;
    }
}

/// What cannot be mended by waiting is said at the start, and not again and again.
async fn check(directory: &Directory, fleet: &str, table: &str) -> Result<(), CliError> {
    let (mut read, mut tries) = (directory.read().await, 1);
    while let Err(TableError::Unknown(_) | TableError::Throttled(_)) = read
        && tries < TRIES
    {
        tokio::time::sleep(AGAIN).await;
        (read, tries) = (directory.read().await, tries + 1);
    }
    let make = format!("taskwatch setup --fleet {fleet} --cells 4 --store dynamodb:{table}");
    match read {
        Ok(rows) if rows.cells.is_empty() => {
            tracing::warn!("dynamodb:{table} has no cells of fleet {fleet} yet: {make} makes them");
            Ok(())
        }
        Ok(_) => Ok(()),
        Err(TableError::Refused(why)) => Err(CliError::other(format!(
            "dynamodb:{table}: the table cannot be used ({why}); make it ({make}), or give this role the rights that docs/iam.md names"
        ))),
        Err(error) => Err(CliError::other(format!("dynamodb:{table}: DynamoDB does not answer ({error})"))),
    }
}

const fn quotas(config: &CellConfig) -> Quotas {
    let CellConfig { run_task_rate, run_task_burst, max_in_flight, describe_share, .. } = *config;
    Quotas { run_task_rate, run_task_burst, max_in_flight, describe_share }
}

/// What cells work with.
struct Equipment {
    table: Arc<dyn Table>,
    place: String,
    requests: String,
    requests_dlq: Option<String>,
    /// Of each cell, but for its name.
    config: CellConfig,
    clock: Clock,
    clients: Clients,
    #[cfg(debug_assertions)]
    failpoints: Failpoints,
}

impl Supply for Equipment {
    fn open<'a>(&'a self, cell: &'a CellRow, incarnation: &'a str) -> BoxFuture<'a, Result<Opened, StoreError>> {
        let clock = self.clock.clone();
        let options =
            DynamoOptions { place: self.place.clone(), keep: self.config.keep, now: Arc::new(move || clock.now()) };
        let table = Arc::clone(&self.table);
        #[cfg(debug_assertions)]
        let table = self.failpoints.around_table(table);
        async move {
            let store = DynamoStore::open(table, &cell.name, incarnation.into(), options).await?;
            let epoch = store.epoch();
            Ok(Opened { store: Arc::new(store), epoch })
        }
        .boxed()
    }

    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports) {
        let queue = |url: &str| Arc::new(self.clients.queue(url)) as Arc<dyn Queue>;
        let ports = Ports {
            ecs: Arc::new(self.clients.ecs()),
            events: Some(queue(&cell.events)),
            requests: Some(queue(&self.requests)),
            requests_dlq: self.requests_dlq.as_deref().map(queue),
            notifier: Arc::new(self.clients.publisher()),
            store,
            clock: self.clock.clone(),
            ids: Ids::default(),
        };
        #[cfg(debug_assertions)]
        let ports = self.failpoints.around(ports);
        (CellConfig { name: cell.name.to_string(), ..self.config.clone() }, ports)
    }
}
