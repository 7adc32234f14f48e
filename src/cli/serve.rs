//! `taskwatch serve`: the cell, until SIGTERM.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::options::Global;
use super::serving::{EMF, FINISHED_IN_MEMORY, Queues};
use super::settings::Settings;
use super::signals::Signals;
use super::store::Opened;
use super::{aws, output, serving};
use crate::cell::{Cell, Clock};
use crate::front::Front;
use crate::http;

pub(super) const SERVE_EXAMPLES: &str = "\
Example:
  TASKWATCH_CELL=blue TASKWATCH_EVENTS_QUEUE_URL=https://… TASKWATCH_REQUESTS_QUEUE_URL=https://… taskwatch serve";

/// With the last commits (2 s) and the last answers it ends within 10 s of SIGTERM; ECS sends SIGKILL after 30.
const DRAIN: Duration = Duration::from_secs(6);

pub(super) async fn serve(global: &Global, settings: &Settings) -> Result<u8, CliError> {
    if let Some(fleet) = &settings.fleet {
        return super::serve_fleet::serve(fleet, global, settings).await;
    }
    let missing = |name: &str| CliError::usage(format!("TASKWATCH_{name} is not set: serve needs it"));
    let name = settings.cell.clone().ok_or_else(|| missing("CELL"))?;
    let events = settings.events_queue_url.clone().ok_or_else(|| missing("EVENTS_QUEUE_URL"))?;
    let requests = settings.requests_queue_url.clone().ok_or_else(|| missing("REQUESTS_QUEUE_URL"))?;
    let address = settings.listen()?;
    #[cfg(debug_assertions)]
    let failpoints = super::failpoints::Failpoints::from_env()?;
    let setting = settings.store()?;
    let mut signals = Signals::listen()?;
    let clients = aws::clients(global).await?;
    let mut config = serving::config(settings, &name, &clients, &events);
    let clock = Clock::system();
    let opened = Opened::open(
        setting,
        &config,
        &clients,
        &clock,
        #[cfg(debug_assertions)]
        &failpoints,
    )
    .await?;
    let store = Arc::clone(&opened.store);
    if store.capabilities().ended_runs {
        config.keep_finished = FINISHED_IN_MEMORY;
    }
    let queues = Queues { events: &events, requests: &requests, requests_dlq: settings.requests_dlq_url.as_deref() };
    let logs = clients.log_reader(settings.log_rate());
    let ports = serving::ports(&clients, &queues, &logs, store, clock);
    #[cfg(debug_assertions)]
    let ports = failpoints.around(ports);
    let (listener, address) = serving::bind(address).await?;
    #[cfg(feature = "otlp")]
    let traces = super::traces::Target::from_env(&|name| std::env::var(name).ok())?;
    let cell = Cell::start(config, ports).await.map_err(|e| CliError::other(e.to_string()))?;
    #[cfg(feature = "otlp")]
    let traces = traces.map(|target| super::traces::Traces::begin(target, &cell)).transpose()?;
    let shutdown = CancellationToken::new();
    let front = Front::from(cell.clone()).with_logs(logs);
    let http = tokio::spawn(http::serve(listener, front, settings.api_token.clone(), shutdown.clone()));
    tracing::info!(cell = name, %address, "serving");
    tokio::select! {
        _ = signals.next() => {}
        // Another process has the cell: nothing is left to drain.
        () = cell.ended() => {}
        () = tell_cloudwatch(&cell), if settings.emf() => {}
    }
    tracing::info!("draining");
    cell.drain(DRAIN).await;
    shutdown.cancel();
    let last_traces = async {
        #[cfg(feature = "otlp")]
        if let Some(traces) = traces {
            traces.finish().await;
        }
    };
    serving::end(http, last_traces).await;
    if cell.lost().is_none() {
        opened.release().await;
    }
    if let Some(why) = cell.lost() {
        return Err(CliError::other(format!("the cell is not served any more: {why}")));
    }
    tracing::info!("ended");
    Ok(0)
}

/// A line of metrics every minute, without end.
async fn tell_cloudwatch(cell: &Cell) {
    let mut emf = http::Emf::new(cell.clone());
    loop {
        tokio::time::sleep(EMF).await;
        output::data(&emf.line());
    }
}
