//! The API's description, made from the types and handlers themselves.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::{fleet, health, limits, log, metrics, observed, rollup, runs, stream, submit, summary};

#[derive(OpenApi)]
#[openapi(
    info(title = "taskwatch", description = "Launches Amazon ECS tasks, follows them by their events, retries the failures that a retry can fix."),
    paths(
        submit::submit, runs::list, runs::show, runs::stop, runs::redrive, log::read, rollup::rollup, stream::stream, summary::summary, limits::show,
        limits::change, metrics::metrics, fleet::fleet, observed::list, health::alive, health::ready, describe,
    ),
    modifiers(&Common),
    security(("token" = []))
)]
struct Description;

/// What any operation may answer: said once here instead of at each.
struct Common;

impl Modify for Common {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = api.components.get_or_insert_with(Default::default);
        components.add_security_scheme("token", scheme);
        for (path, item) in &mut api.paths.paths {
            let open = matches!(path.as_str(), "/healthz" | "/readyz" | "/openapi.json");
            let operations = [&mut item.get, &mut item.post, &mut item.patch];
            for operation in operations.into_iter().flatten() {
                if !open {
                    answer(operation, "400", "InvalidRequest: what is wrong, and what is expected");
                    answer(operation, "401", "Unauthorized: the cell has a token, and this was not it");
                    answer(
                        operation,
                        "403",
                        "Forbidden: sent by a page of another site, or to a name that is not this machine's",
                    );
                    answer(operation, "408", "RequestTimeout: the body did not come");
                    answer(operation, "429", "TooManyRuns or TooManyStreams: later");
                }
                answer(operation, "503", "Busy, ShuttingDown, StoreUnavailable or Suspended: later");
            }
        }
    }
}

/// Adds an error answer, unless the operation says its own about that status.
fn answer(operation: &mut Operation, status: &str, description: &str) {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Error"))).build();
    let response = ResponseBuilder::new().description(description).content("application/json", content).build();
    operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
}

/// The description as JSON.
static TEXT: LazyLock<String> = LazyLock::new(|| Description::openapi().to_json().unwrap_or_default());

/// Shows this description.
#[utoipa::path(get, path = "/openapi.json", tag = "cell", operation_id = "openapi", security(()),
    responses((status = 200, description = "OpenAPI 3.1", body = Object)))]
pub(super) async fn describe() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], TEXT.as_str()).into_response()
}
