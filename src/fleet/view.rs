//! A fleet as one of its processes sees it.

use serde::{Deserialize, Serialize};

/// Processes and cells.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FleetView {
    /// Its name.
    pub fleet: String,
    /// Its processes, by incarnation.
    pub processes: Vec<ProcessView>,
    /// Its cells, by name.
    pub cells: Vec<CellView>,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessView {
    /// Its incarnation.
    pub id: String,
    /// Its version of taskwatch.
    pub version: String,
    /// When it began, RFC 3339.
    pub since: String,
    /// How long ago the process that says so saw its beat change.
    pub last_beat_seconds_ago: f64,
    /// The cells that are its own.
    pub cells: Vec<String>,
}

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct CellView {
    /// Its name.
    pub name: String,
    /// The incarnation that serves it; `null` while nobody does.
    pub owner: Option<String>,
    /// How often it was taken.
    pub epoch: u64,
    /// Its runs that have not ended, as its owner last said; `null` while nobody serves it.
    pub open: Option<u64>,
}
