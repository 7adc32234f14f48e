//! The HTTP API of a process that serves cells: submit, look, follow, stop, redrive, limits, metrics, its health, and the page that shows it.

mod attention;
mod body;
mod emf;
mod emf_fleet;
mod error;
mod extract;
mod filter;
mod fleet;
mod guard;
mod health;
mod limits;
mod log;
mod metrics;
mod observed;
mod openapi;
mod page;
mod requests;
mod rollup;
mod runs;
mod serve;
mod stream;
mod submit;
mod summary;
mod view;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use emf::Emf;
pub use emf_fleet::FleetEmf;

use crate::front::Front;
use error::ApiError;

/// What every handler has.
#[derive(Clone)]
struct Api {
    front: Front,
    token: Option<Arc<str>>,
    latest: summary::Latest,
    /// Places for requests that are worked on.
    requests: Arc<Semaphore>,
    /// So many of them may be for submitting.
    submits: Arc<Semaphore>,
    /// Places for answers that last.
    streams: Arc<Semaphore>,
    shutdown: CancellationToken,
}

/// Every route. With a token, all but the health checks and the description ask for it as `Authorization: Bearer`.
fn router(front: Front, token: Option<&str>, shutdown: CancellationToken) -> Router {
    let api = Api {
        front,
        token: token.map(Arc::from),
        latest: summary::Latest::default(),
        requests: Arc::new(Semaphore::new(guard::AT_ONCE)),
        submits: Arc::new(Semaphore::new(guard::SUBMITS_AT_ONCE)),
        streams: Arc::new(Semaphore::new(guard::STREAMS_AT_ONCE)),
        shutdown,
    };
    let submit = post(submit::submit).layer(from_fn_with_state(api.clone(), guard::bound_submits));
    let guarded = Router::new()
        .route("/v1/runs", get(runs::list).merge(submit))
        .route("/v1/rollup", get(rollup::rollup))
        .route("/v1/runs/{run}", get(runs::show))
        .route("/v1/runs/{run}/attempts/{n}/log", get(log::read))
        .route("/v1/runs/{run}/stop", post(runs::stop))
        .route("/v1/runs/{run}/redrive", post(runs::redrive))
        .route("/v1/summary", get(summary::summary))
        .route("/v1/fleet", get(fleet::fleet))
        .route("/v1/observed", get(observed::list))
        .route("/v1/limits", get(limits::show).patch(limits::change))
        .route("/metrics", get(metrics::metrics))
        .layer(from_fn_with_state(api.clone(), guard::bound))
        .route("/v1/stream", get(stream::stream))
        .layer(from_fn_with_state(api.clone(), guard::guard));
    let app = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/openapi.json", get(openapi::describe))
        .merge(page::routes())
        .merge(guarded)
        .fallback(|| async { ApiError::not_found("no such path: /openapi.json lists the paths") })
        .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() });
    guard::secure(app).with_state(api)
}

/// Serves until `shutdown`.
///
/// # Errors
/// None so far: a connection that cannot be accepted is tried again.
pub async fn serve(
    listener: TcpListener,
    front: impl Into<Front>,
    token: Option<String>,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let app = router(front.into(), token.as_deref(), shutdown.clone());
    serve::serve(listener, app, shutdown).await;
    Ok(())
}
