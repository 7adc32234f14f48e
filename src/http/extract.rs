//! Parameters of a request; an error in them is answered as every error.

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::Uri;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::error::ApiError;

/// The `{run}` of a path: an id or a name.
pub(super) struct RunName(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for RunName {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.map(|Path(run)| Self(run)).map_err(|e| ApiError::invalid(e.body_text()))
    }
}

/// The query.
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| Self(params)).map_err(|e| ApiError::invalid(e.body_text()))
    }
}

/// Which page of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Paging {
    /// Most runs in the answer.
    #[param(nullable = false, minimum = 1, maximum = 1000, default = 100)]
    pub(super) limit: Option<usize>,
    /// Where an earlier answer ended.
    #[param(nullable = false, format = Uuid)]
    pub(super) next_token: Option<String>,
}

/// A query that narrows a list, and asks for a page of it.
pub(super) struct Paged<T>(pub(super) T, pub(super) Paging);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Paged<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let pairs = parts.uri.query().unwrap_or_default().split('&');
        let is_paging = |pair: &&str| matches!(pair.split('=').next(), Some("limit" | "nextToken"));
        let (paging, rest): (Vec<&str>, Vec<&str>) = pairs.partition(is_paging);
        Ok(Self(read(&rest)?, read(&paging)?))
    }
}

/// Reads a part of a query.
fn read<T: DeserializeOwned>(pairs: &[&str]) -> Result<T, ApiError> {
    let uri: Uri =
        format!("/?{}", pairs.join("&")).parse().map_err(|e| ApiError::invalid(format!("the query: {e}")))?;
    Query::<T>::try_from_uri(&uri).map(|Query(params)| params).map_err(|e| ApiError::invalid(e.body_text()))
}
