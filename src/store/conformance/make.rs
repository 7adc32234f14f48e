//! Runs and notifications for tests of stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;
use uuid::{Builder, Uuid};

use crate::core::machine::{self, Input};
use crate::core::notification::{Destination, Destinations};
use crate::core::request::RunRequest;
use crate::core::run::Run;
use crate::core::time::Timestamp;
use crate::store::Change;

pub(in crate::store) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// The next UUIDv7 of [`NOW`].
fn next_id() -> Uuid {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&count.to_be_bytes());
    Builder::from_unix_timestamp_millis(NOW.millis().unsigned_abs(), &bytes).into_uuid()
}

/// Runs of one request, `n/0` and so on.
pub(in crate::store) fn runs(count: u32) -> Vec<Run> {
    of_request("n", count)
}

pub(in crate::store) fn of_request(name: &str, count: u32) -> Vec<Run> {
    let request = json!({"runTask": {"taskDefinition": "etl:7", "overrides": {"cpu": "256"}}, "name": name});
    let spec = Arc::new(RunRequest::parse(&request.to_string()).unwrap().spec);
    let run = |index| {
        let mut run = Run::new(next_id(), format!("{name}/{index}"), index, Arc::clone(&spec), NOW);
        machine::apply(&mut run, &Input::Submitted, NOW);
        run
    };
    (0..count).map(run).collect()
}

/// The same run, stopped: final.
pub(in crate::store) fn ended(run: &Run, at: Timestamp) -> Run {
    let mut run = run.clone();
    machine::apply(&mut run, &Input::StopAsked { reason: "x".into() }, at);
    assert!(run.status.is_final());
    run
}

pub(in crate::store) fn topic() -> Destination {
    Destination::Topic("arn:t".into())
}

pub(in crate::store) fn bus() -> Destination {
    Destination::Bus("b".into())
}

pub(in crate::store) fn destinations() -> Destinations {
    Destinations { topic: Some("arn:t".into()), bus: Some("b".into()), ..Destinations::default() }
}

pub(in crate::store) fn puts(runs: &[Run]) -> Vec<Change> {
    runs.iter().map(|run| Change::Put(Arc::new(run.clone()))).collect()
}

pub(in crate::store) fn same(one: &Run, other: &Run) {
    assert_eq!(serde_json::to_value(one).unwrap(), serde_json::to_value(other).unwrap());
}
