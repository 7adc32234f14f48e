//! API and page of a cell, served beside a command.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::settings::Settings;
use crate::front::Front;
use crate::http;

/// What is served.
pub(super) struct Beside {
    wanted: SocketAddr,
    address: SocketAddr,
    shutdown: CancellationToken,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Beside {
    /// Serves at `TASKWATCH_LISTEN`, or at a free port of that address where the port is taken.
    pub(super) async fn serve(front: Front, settings: &Settings) -> Result<Self, CliError> {
        let wanted = settings.listen()?;
        let listener = match TcpListener::bind(wanted).await {
            Err(e) if e.kind() == std::io::ErrorKind::AddrInUse => TcpListener::bind((wanted.ip(), 0)).await,
            other => other,
        };
        let refused = |e| CliError::other(format!("TASKWATCH_LISTEN is {wanted}: {e}"));
        let listener = listener.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let shutdown = CancellationToken::new();
        let token = settings.api_token.clone();
        let serving = tokio::spawn(http::serve(listener, front, token, shutdown.clone()));
        Ok(Self { wanted, address, shutdown, serving })
    }

    /// Where the page is.
    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The address that was wished for, where another program has it.
    pub(super) fn taken(&self) -> Option<SocketAddr> {
        Some(self.wanted).filter(|wanted| wanted.port() != 0 && *wanted != self.address)
    }

    /// Ends what is being answered, and then all of it.
    pub(super) async fn end(self) {
        self.shutdown.cancel();
        let _ = self.serving.await;
    }
}
