//! Starts the whole endpoint: services, ECS, server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::ecs::{Ecs, EcsOptions, EventSink};
use super::eventbridge::EventBus;
use super::launch::launch_all;
use super::wire::JsonService;
use super::{Local, Options, serve};

/// How the endpoint is to be.
#[derive(Clone, Debug)]
pub struct LocalOptions {
    /// Where it listens; port 0 takes any.
    pub listen: SocketAddr,
    /// Who it is.
    pub identity: Options,
    /// How its ECS behaves.
    pub ecs: EcsOptions,
}

impl Default for LocalOptions {
    /// On any free port of loopback.
    fn default() -> Self {
        Self { listen: ([127, 0, 0, 1], 0).into(), identity: Options::default(), ecs: EcsOptions::default() }
    }
}

/// An endpoint that serves until it is stopped or dropped.
pub struct RunningLocal {
    /// Where it listens.
    pub address: SocketAddr,
    /// Its services.
    pub local: Local,
    /// Its ECS, to look into.
    pub ecs: Arc<Ecs>,
    shutdown: CancellationToken,
}

impl RunningLocal {
    /// What `AWS_ENDPOINT_URL` is to be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops serving.
    pub fn stop(&self) {
        self.shutdown.cancel();
    }
}

impl Drop for RunningLocal {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

struct ToBus(Arc<EventBus>);

impl EventSink for ToBus {
    fn put<'a>(&'a self, region: &'a str, account: &'a str, event: Value) -> BoxFuture<'a, ()> {
        async move { self.0.put_service_event(region, account, &event) }.boxed()
    }
}

/// Schedules are looked at so often.
const TICK: Duration = Duration::from_millis(100);

/// Does what schedules say, until the endpoint ends.
async fn tick(local: Local, shutdown: CancellationToken) {
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(TICK) => {}
        }
        local.bus().tick();
        local.scheduler().tick();
    }
}

/// Begins to serve.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: LocalOptions) -> std::io::Result<RunningLocal> {
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let clock = Arc::new(Clock::system());
    let local = Local::new(&clock, options.identity);
    let time_scale = Some(options.ecs.time_scale).filter(|scale| scale.is_finite() && *scale > 0.0).unwrap_or(1.0);
    let ecs = Arc::new(Ecs::new(options.ecs, clock, Arc::new(ToBus(local.bus()))));
    let as_service: Arc<dyn JsonService> = Arc::clone(&ecs) as _;
    let (launches, to_launch) = mpsc::unbounded_channel();
    local.bus().launch_with(launches.clone(), time_scale);
    local.scheduler().launch_with(launches, time_scale);
    tokio::spawn(launch_all(to_launch, Arc::downgrade(&as_service), local.trail(), time_scale));
    ecs.tell_trail(local.trail());
    let local = local.with_ecs(as_service);
    let shutdown = CancellationToken::new();
    tokio::spawn(tick(local.clone(), shutdown.clone()));
    tokio::spawn(serve(local.clone(), listener, shutdown.clone()));
    Ok(RunningLocal { address, local, ecs, shutdown })
}
