//! Asks runs to stop.

use uuid::Uuid;

use crate::cell::commit::Pipeline;
use crate::core::machine::Input;

/// Asks runs to stop, all in as few commits as there must be; durable when this answers. Whether each had not ended and
/// had not been asked before.
pub(in crate::cell) async fn stop_all(pipeline: &Pipeline, ids: &[Uuid], reason: &str) -> Vec<bool> {
    let asked = pipeline.advance_all(ids, &Input::StopAsked { reason: reason.to_owned() }).await;
    asked.into_iter().map(|changed| changed.unwrap_or(false)).collect()
}
