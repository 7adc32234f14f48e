//! Who may ask: the bearer token, this machine's own names, and no page of another site. How many at once.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};
use subtle::ConstantTimeEq;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::set_header::SetResponseHeaderLayer;

use super::Api;
use super::error::ApiError;

/// Requests worked on at once, each until the last of its answer was taken; server-sent events count apart.
pub(super) const AT_ONCE: usize = 256;
/// Of these, those that submit: their bodies may take long, and must leave room to look, stop and pause.
pub(super) const SUBMITS_AT_ONCE: usize = 192;
/// Answers at once that last as long as the client likes: server-sent events, and answers in NDJSON.
pub(super) const STREAMS_AT_ONCE: usize = 64;

/// Lets a request through if it may ask.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    match refusal(&api, &request) {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    }
}

/// Why a request may not ask; `None` if it may.
pub(super) fn refusal(api: &Api, request: &Request) -> Option<ApiError> {
    let headers = request.headers();
    let host = host(request);
    if from_elsewhere(request.method(), headers, &host) {
        return Some(ApiError::forbidden("pages of other sites may not change anything here"));
    }
    match &api.token {
        Some(token) => match given(headers) {
            None => Some(ApiError::token_missing()),
            // In constant time: how long a refusal takes must not tell how much of the token was right.
            Some(given) => (!bool::from(given.as_bytes().ct_eq(token.as_bytes()))).then(ApiError::token_wrong),
        },
        // Without a token the cell listens on loopback only. A name that was made to point there (DNS rebinding) must not do.
        None => (!is_own_name(&host)).then(|| {
            let message = format!(
                "{host:?} is not this machine's own name: use 127.0.0.1 or localhost, or set TASKWATCH_API_TOKEN"
            );
            ApiError::forbidden(message)
        }),
    }
}

/// Whether a browser sent it for a page of another site.
fn from_elsewhere(method: &Method, headers: &HeaderMap, host: &str) -> bool {
    if matches!(*method, Method::GET | Method::HEAD) {
        return false;
    }
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text(header::ORIGIN), text(HeaderName::from_static("sec-fetch-site"))) {
        (Some(origin), _) => origin.split_once("://").is_none_or(|(_, from)| !from.eq_ignore_ascii_case(host)),
        (None, Some(site)) => !matches!(site, "same-origin" | "none"),
        (None, None) => false,
    }
}

/// Host and port as the client named them.
fn host(request: &Request) -> String {
    let named = request.headers().get(header::HOST).and_then(|value| value.to_str().ok());
    named.map(str::to_owned).or_else(|| request.uri().authority().map(ToString::to_string)).unwrap_or_default()
}

/// Whether it names this machine to itself.
fn is_own_name(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The bearer token that came with a request.
fn given(headers: &HeaderMap) -> Option<&str> {
    let (kind, given) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    kind.eq_ignore_ascii_case("bearer").then(|| given.trim())
}

/// Refuses at once what cannot be worked on soon.
pub(super) async fn bound(State(api): State<Api>, request: Request, next: Next) -> Response {
    within(&api.requests, "as many requests are being worked on as may; send it again", request, next).await
}

/// The same for those that submit.
pub(super) async fn bound_submits(State(api): State<Api>, request: Request, next: Next) -> Response {
    within(&api.submits, "as many submit as may; send it again", request, next).await
}

async fn within(places: &Arc<Semaphore>, busy: &'static str, request: Request, next: Next) -> Response {
    match Arc::clone(places).try_acquire_owned() {
        Ok(place) => holding(next.run(request).await, place),
        Err(_) => ApiError::busy(busy).into_response(),
    }
}

/// A place for an answer that lasts.
pub(super) fn stream_place(api: &Api) -> Result<OwnedSemaphorePermit, ApiError> {
    Arc::clone(&api.streams).try_acquire_owned().map_err(|_| ApiError::too_many_streams())
}

/// The answer, which keeps its request's place until the last of its body was taken or its client has gone: a handler that
/// streams returns long before that.
pub(super) fn holding(answer: Response, place: OwnedSemaphorePermit) -> Response {
    answer.map(|body| Body::new(Held { body, _place: place }))
}

struct Held {
    body: Body,
    _place: OwnedSemaphorePermit,
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Nothing of the API is for a browser to run, frame, guess at or keep.
pub(super) fn secure(app: Router<Api>) -> Router<Api> {
    let headers = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        // By this, and by the shape of its answers, the commands know a cell from whatever else listens at a URL.
        (header::SERVER, concat!("taskwatch/", env!("CARGO_PKG_VERSION"))),
    ];
    headers.into_iter().fold(app, |app, (name, value)| {
        app.layer(SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_this_machines_own_name() {
        for name in ["localhost", "LOCALHOST:7717", "127.0.0.1:7717", "127.9.9.9", "[::1]:7717"] {
            assert!(is_own_name(name), "{name}");
        }
        for name in ["", "evil.example", "localhost.evil.example:7717", "10.0.0.1", "[::2]:80", "127.0.0.1.nip.io"] {
            assert!(!is_own_name(name), "{name}");
        }
    }

    #[test]
    fn a_page_of_another_site_changes_nothing() {
        let host = "127.0.0.1:7717";
        let sent = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        assert!(!from_elsewhere(&Method::POST, &HeaderMap::new(), host), "no browser");
        assert!(!from_elsewhere(&Method::POST, &sent("origin", "http://127.0.0.1:7717"), host));
        assert!(!from_elsewhere(&Method::POST, &sent("sec-fetch-site", "same-origin"), host));
        for (name, value) in [
            ("origin", "http://127.0.0.1:8000"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(from_elsewhere(&Method::POST, &sent(name, value), host), "{name}: {value}");
        }
    }
}
