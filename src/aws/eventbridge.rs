//! Notifications to an EventBridge bus: one PutEvents a call.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::primitives::DateTime;
use aws_sdk_eventbridge::types::{PutEventsRequestEntry, PutEventsResultEntry};

use super::destinations::{later, never};
use crate::cell::ports::CallError;
use crate::core::notification::Notification;

/// The `source` of every event of ours.
const SOURCE: &str = "taskwatch";
/// Codes of an entry that come and go, or that an operator mends; any other is about the event itself
/// (API reference, PutEventsResultEntry).
const COMES_AND_GOES: [&str; 6] =
    ["Throttling", "Internal", "ServiceUnavailable", "NotFound", "AccessDenied", "LimitExceeded"];

/// Puts up to ten; one answer for each.
pub(super) async fn publish(client: &Client, bus: &str, batch: &[Notification]) -> Vec<Result<(), CallError>> {
    let entries = batch.iter().map(|notification| entry(bus, notification)).collect();
    match client.put_events().set_entries(Some(entries)).send().await {
        Ok(answer) => spread(batch.len(), answer.entries()),
        Err(error) => vec![Err(super::errors::read_later(&error)); batch.len()],
    }
}

fn entry(bus: &str, notification: &Notification) -> PutEventsRequestEntry {
    PutEventsRequestEntry::builder()
        .source(SOURCE)
        .detail_type(&notification.detail_type)
        .time(DateTime::from_millis(notification.at.millis()))
        .set_resources(Some(notification.resources.clone()))
        .detail(&notification.message)
        .event_bus_name(bus)
        .build()
}

/// One answer for each: the entries of the answer are in the order of the request.
fn spread(len: usize, entries: &[PutEventsResultEntry]) -> Vec<Result<(), CallError>> {
    let answer = |place: usize| {
        let Some(entry) = entries.get(place) else { return Err(later("", "the answer has no entry for it")) };
        let Some(code) = entry.error_code() else { return Ok(()) };
        let message = entry.error_message().unwrap_or_default();
        let comes_and_goes = COMES_AND_GOES.iter().any(|part| code.contains(part));
        Err(if comes_and_goes { later(code, message) } else { never(code, message) })
    };
    (0..len).map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_that_failed_fails_no_other_and_its_code_decides() {
        let put = PutEventsResultEntry::builder().event_id("e").build();
        let failed = |code: &str| PutEventsResultEntry::builder().error_code(code).build();
        let answers =
            spread(5, &[put, failed("InternalFailure"), failed("MalformedDetail"), failed("ThrottlingException")]);
        assert!(answers[0].is_ok());
        assert!(matches!(answers[1], Err(CallError::Unknown(_))), "{:?}", answers[1]);
        assert!(matches!(answers[2], Err(CallError::Refused(_))), "{:?}", answers[2]);
        assert!(matches!(answers[3], Err(CallError::Throttled(_))), "{:?}", answers[3]);
        assert!(matches!(answers[4], Err(CallError::Unknown(_))), "no answer is no success: {:?}", answers[4]);
    }
}
