//! The bearer token.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use super::Api;
use super::error::ApiError;

/// Lets a request through if the cell asks for no token, or this is it.
pub(super) async fn guard(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Some(token) = &api.token else { return next.run(request).await };
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.split_once(' ')).filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
    // In constant time: how long a refusal takes must not tell how much of the token was right.
    let right = given.is_some_and(|(_, given)| bool::from(given.trim().as_bytes().ct_eq(token.as_bytes())));
    if right { next.run(request).await } else { ApiError::unauthorized().into_response() }
}
