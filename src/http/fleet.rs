//! `/v1/fleet`: processes and cells.

use axum::Json;
use axum::extract::State;

use super::Api;
use super::error::{ApiError, ErrorBody};
use crate::fleet::FleetView;

/// Shows the fleet as this process last read it: who is alive, and who serves which cell.
#[utoipa::path(get, path = "/v1/fleet", tag = "cell", operation_id = "fleet",
    responses(
        (status = 200, description = "The fleet", body = FleetView),
        (status = 404, description = "NotFound: this process serves one cell and no fleet", body = ErrorBody),
    ))]
pub(super) async fn fleet(State(api): State<Api>) -> Result<Json<FleetView>, ApiError> {
    let none = || ApiError::not_found("this process serves one cell and is in no fleet: set TASKWATCH_FLEET");
    api.front.fleet_view().map(Json).ok_or_else(none)
}
