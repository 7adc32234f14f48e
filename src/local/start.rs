//! Starts the whole endpoint: services, ECS, server.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::ecs::{Ecs, EcsOptions, EventSink};
use super::eventbridge::EventBus;
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

/// Begins to serve.
///
/// # Errors
/// The address cannot be listened on.
pub async fn start(options: LocalOptions) -> std::io::Result<RunningLocal> {
    let listener = TcpListener::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let clock = Arc::new(Clock::system());
    let local = Local::new(&clock, options.identity);
    let ecs = Arc::new(Ecs::new(options.ecs, clock, Arc::new(ToBus(local.bus()))));
    let local = local.with_ecs(Arc::clone(&ecs) as _);
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(local.clone(), listener, shutdown.clone()));
    Ok(RunningLocal { address, local, ecs, shutdown })
}
