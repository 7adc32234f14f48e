//! `taskwatch serve` as a process of a fleet, until SIGTERM.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use tokio_util::sync::CancellationToken;

use super::beside_cells::{Beside, QueueAt};
use super::error::CliError;
#[cfg(debug_assertions)]
use super::failpoints::Failpoints;
use super::options::Global;
use super::serving::{EMF, FINISHED_IN_MEMORY, Queues};
use super::settings::{Settings, StoreSetting};
use super::signals::Signals;
use super::{aws, output, serving, store};
use crate::aws::Clients;
use crate::cell::{CellConfig, Clock, Ids, LogReader, Ports};
use crate::front::{Fleet, Front};
use crate::host::{Host, HostConfig, HostPorts, Quotas, Supply};
use crate::http;
use crate::store::dynamo::{CellRow, Directory, DynamoOptions, FleetReader, Table, TableError};
use crate::store::{DynamoStore, Store, StoreError};

/// Within the 10 s in which `serve` ends: its cells are handed over, three seconds for all of them, and its row goes.
const DRAIN: Duration = Duration::from_secs(7);
/// A table that does not answer at the start is asked again, for some seconds.
const TRIES: u32 = 4;
const AGAIN: Duration = Duration::from_secs(1);
/// So soon a cell that was taken is reported.
const LOOKS: Duration = Duration::from_secs(1);

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
    let config =
        CellConfig { keep_finished: FINISHED_IN_MEMORY, ..serving::config(settings, fleet, &clients, &requests) };
    #[cfg(feature = "otlp")]
    let traces = super::traces::Target::from_env(&|name| std::env::var(name).ok())?;
    let (listener, address) = serving::bind(address).await?;
    // Calls of their own: what cells write keeps no beat waiting.
    let rows: Arc<dyn Table> = Arc::new(clients.table(&table));
    #[cfg(debug_assertions)]
    let rows = failpoints.around_table(rows);
    let directory = Directory::new(rows, fleet);
    check(&directory, fleet, &table).await?;
    let url = if address.ip().is_loopback() { String::new() } else { format!("http://{address}") };
    let host_config = HostConfig { name: store::host_name(), url, quotas: quotas(&config) };
    let options = store::table_options(&table, config.keep, &clock);
    let reader = FleetReader::new(Arc::new(clients.table(&table)), options.clone());
    let queues = clients.clone();
    let queue: QueueAt = Box::new(move |url| Arc::new(queues.queue(url)));
    let logs = clients.log_reader(settings.log_rate());
    let supply = Equipment {
        table: Arc::new(clients.table(&table)),
        options,
        requests,
        requests_dlq: settings.requests_dlq_url.clone(),
        config: config.clone(),
        clock: clock.clone(),
        #[cfg(debug_assertions)]
        failpoints,
        logs: logs.clone(),
        clients,
    };
    let host = Host::start(
        host_config,
        HostPorts { directory: directory.clone(), supply: Arc::new(supply), clock: clock.clone(), ids: Ids::default() },
    );
    #[cfg(feature = "otlp")]
    let traces = traces.map(|target| super::traces::FleetTraces::begin(target, host.own()));
    let shutdown = CancellationToken::new();
    let own = host.own();
    let beside = Beside::new((host.clone(), reader), directory, queue, config, clock.clone());
    let part = Fleet { name: fleet.to_owned(), elsewhere: Arc::new(beside), clock, ids: Ids::default() };
    let front = Front::of_fleet(own, part).with_logs(logs);
    let http = tokio::spawn(http::serve(listener, front, settings.api_token.clone(), shutdown.clone()));
    tracing::info!(fleet, %address, "serving");
    tokio::select! {
        _ = signals.next() => {}
        () = tell_cloudwatch(fleet, &host), if settings.emf() => {}
    }
    tracing::info!("draining");
    host.drain(DRAIN).await;
    shutdown.cancel();
    let last_traces = async {
        #[cfg(feature = "otlp")]
        if let Some(traces) = traces {
            traces.finish().await;
        }
    };
    serving::end(http, last_traces).await;
    tracing::info!("ended");
    Ok(0)
}

/// Writes a line of metrics for each of this process's cells, at once and then once a minute; never ends.
async fn tell_cloudwatch(fleet: &str, host: &Host) {
    let (own, mut reports) = (host.own(), http::FleetEmf::new(fleet, EMF));
    loop {
        let cells = own.borrow().clone();
        reports.lines(&cells, |cell| host.took(cell)).iter().for_each(|line| output::data(line));
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
    let CellConfig { run_task_rate, run_task_burst, call_rates, max_in_flight, describe_share, .. } = *config;
    Quotas { run_task_rate, run_task_burst, call_rates, max_in_flight, describe_share }
}

/// What cells work with.
struct Equipment {
    table: Arc<dyn Table>,
    options: DynamoOptions,
    requests: String,
    requests_dlq: Option<String>,
    /// Of each cell, but for its name.
    config: CellConfig,
    clock: Clock,
    clients: Clients,
    logs: LogReader,
    #[cfg(debug_assertions)]
    failpoints: Failpoints,
}

impl Supply for Equipment {
    fn open<'a>(
        &'a self,
        cell: &'a CellRow,
        epoch: u64,
        incarnation: &'a str,
    ) -> BoxFuture<'a, Result<Arc<dyn Store>, StoreError>> {
        let table = Arc::clone(&self.table);
        #[cfg(debug_assertions)]
        let table = self.failpoints.around_table(table);
        async move {
            let (cell, options) = ((&*cell.name, epoch), self.options.clone());
            let store = DynamoStore::open_taken(table, cell, incarnation.into(), options).await?;
            Ok(Arc::new(store) as Arc<dyn Store>)
        }
        .boxed()
    }

    fn equip(&self, cell: &CellRow, store: Arc<dyn Store>) -> (CellConfig, Ports) {
        let requests_dlq = self.requests_dlq.as_deref();
        let queues = Queues { events: &cell.events, requests: &self.requests, requests_dlq };
        let ports = serving::ports(&self.clients, &queues, &self.logs, store, self.clock.clone());
        #[cfg(debug_assertions)]
        let ports = self.failpoints.around(ports);
        (CellConfig { name: cell.name.to_string(), ..self.config.clone() }, ports)
    }
}
