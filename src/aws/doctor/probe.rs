//! An event from end to end: PutEvents on the default bus, through the cell's own rule, target, policy and key, into its queue.
//!
//! Only AWS may send as `aws.ecs`, so that the probe has a source of its own, which the rule lets in. A serving cell counts it
//! as foreign and deletes it. Where none serves, doctor looks for it in the queue without hiding anything from anybody.

use aws_sdk_eventbridge::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::json;

use super::super::setup::{PROBE_SOURCE, Sdk};
use super::super::{Clients, errors};
use super::{Subject, queue_attributes, rule};

/// More than so many messages are not searched.
const MOST_LOOKED_AT: u64 = 100;

/// Why the probe could not be sent or searched for.
#[derive(Debug, thiserror::Error)]
#[error("{cause}")]
pub struct ProbeError {
    cause: String,
    /// Whether the caller may not.
    pub denied: bool,
}

impl ProbeError {
    fn of<E, R>(action: &str, error: &SdkError<E, R>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self { denied: errors::is_denied(&errors::code(error)), cause: format!("{action}: {}", errors::cause(error)) }
    }
}

/// What became of the probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is in the queue; now it is deleted.
    Arrived,
    /// Not yet.
    NotYet,
    /// The queue holds too much to look through: about so many messages.
    TooMany(u64),
}

/// One probe.
pub struct Probe {
    sdk: Sdk,
    queue: String,
    id: String,
}

impl Probe {
    /// Sends one, as an event of this cell in a cluster that its rule names.
    ///
    /// # Errors
    /// The rule does not let it in, or EventBridge did not take it.
    pub async fn send(clients: &Clients, subject: &Subject) -> Result<Self, ProbeError> {
        let sdk = Sdk::new(clients);
        let id = uuid::Uuid::new_v4().to_string();
        let pattern = rule::pattern_of(&sdk, subject).await.map_err(|cause| ProbeError { cause, denied: false })?;
        let sources = pattern["source"].as_array().map(Vec::as_slice).unwrap_or_default();
        if !sources.iter().any(|source| source == PROBE_SOURCE) {
            let cause = format!(
                "the rule does not let the source {PROBE_SOURCE} in, so that nothing was sent; taskwatch setup"
            );
            return Err(ProbeError { cause, denied: false });
        }
        let mut detail = json!({"startedBy": format!("{}/doctor", subject.cell), "probe": id, "lastStatus": "STOPPED"});
        if let Some(arn) = pattern["detail"]["clusterArn"][0].as_str() {
            detail["clusterArn"] = arn.into();
        }
        let entry = PutEventsRequestEntry::builder()
            .source(PROBE_SOURCE)
            .detail_type("ECS Task State Change")
            .detail(detail.to_string());
        let answer = sdk.events.put_events().entries(entry.build()).send().await;
        let answer = answer.map_err(|e| ProbeError::of("events:PutEvents", &e))?;
        if let Some(refused) = answer.entries().iter().find(|entry| entry.error_code().is_some()) {
            let (code, message) =
                (refused.error_code().unwrap_or_default(), refused.error_message().unwrap_or_default());
            return Err(ProbeError {
                denied: errors::is_denied(code),
                cause: format!("events:PutEvents: {code}: {message}"),
            });
        }
        Ok(Self { sdk, queue: subject.events_queue.clone(), id })
    }

    /// Looks for it once, for up to a second. With a visibility timeout of 0 what is received stays for everybody else.
    ///
    /// # Errors
    /// SQS does not let the caller look.
    pub async fn look(&self) -> Result<Seen, ProbeError> {
        let waiting = self.waiting().await;
        if waiting > MOST_LOOKED_AT {
            return Ok(Seen::TooMany(waiting));
        }
        let receive = self.sdk.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10);
        let answer = receive.visibility_timeout(0).wait_time_seconds(1).send().await;
        let answer = answer.map_err(|e| ProbeError::of("sqs:ReceiveMessage", &e))?;
        let ours = answer.messages().iter().find(|message| message.body().is_some_and(|body| body.contains(&self.id)));
        let Some(ours) = ours else { return Ok(Seen::NotYet) };
        // A serving cell may have deleted it already: that is as good.
        let receipt = ours.receipt_handle().unwrap_or_default();
        let _ = self.sdk.sqs.delete_message().queue_url(&self.queue).receipt_handle(receipt).send().await;
        Ok(Seen::Arrived)
    }

    async fn waiting(&self) -> u64 {
        let attributes = queue_attributes(&self.sdk, &self.queue).await.ok().flatten().unwrap_or_default();
        attributes.get("ApproximateNumberOfMessages").and_then(|n| n.parse().ok()).unwrap_or(0)
    }
}
