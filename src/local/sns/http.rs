//! HTTP subscriptions: confirmed by their endpoint, delivered by POST, tried again, and then handed to their DLQ.
//! (SNS developer guide, "Fanout to HTTP/S endpoints" and "Message delivery retries".)

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::local::sqs::{Extras, Sqs};

/// Deliveries that wait for one endpoint: more than an endpoint that is down for a while gathers in a test.
const MOST_WAITING: usize = 10_000;
/// SNS tries three times without a pause and then slower and slower; an endpoint in a test needs less patience.
const TRIES: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const ANSWER: Duration = Duration::from_secs(15);

/// One POST to an endpoint.
pub(super) struct Delivery {
    /// `x-amz-sns-message-type`.
    pub(super) kind: &'static str,
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) subscription: String,
    pub(super) body: String,
    pub(super) raw: bool,
    /// Where it goes if the endpoint never takes it.
    pub(super) dlq: Option<String>,
}

/// The way to one endpoint, in order. It ends with its last sender.
#[derive(Clone)]
pub(super) struct Endpoint(mpsc::Sender<Delivery>);

impl Endpoint {
    pub(super) fn open(url: String, sqs: Arc<Sqs>) -> Self {
        let (sender, mut deliveries) = mpsc::channel::<Delivery>(MOST_WAITING);
        tokio::spawn(async move {
            // An endpoint that redirects does not get elsewhere what is sent to it.
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
            let client = match client {
                Ok(client) => client,
                Err(error) => return tracing::error!(%error, "there is no HTTP client: nothing is delivered"),
            };
            while let Some(delivery) = deliveries.recv().await {
                deliver(&client, &url, &delivery, &sqs).await;
            }
        });
        Self(sender)
    }

    /// Queues a delivery; false when too many wait.
    pub(super) fn send(&self, delivery: Delivery) -> bool {
        self.0.try_send(delivery).is_ok()
    }
}

async fn deliver(client: &reqwest::Client, url: &str, delivery: &Delivery, sqs: &Sqs) {
    let mut wait = FIRST_WAIT;
    for attempt in 1..=TRIES {
        let mut post = client
            .post(url)
            .timeout(ANSWER)
            .header("content-type", "text/plain; charset=UTF-8")
            .header("x-amz-sns-message-type", delivery.kind)
            .header("x-amz-sns-message-id", &delivery.id)
            .header("x-amz-sns-topic-arn", &delivery.topic)
            .body(delivery.body.clone());
        if delivery.kind == "Notification" {
            post = post.header("x-amz-sns-subscription-arn", &delivery.subscription);
        }
        if delivery.raw {
            post = post.header("x-amz-sns-rawdelivery", "true");
        }
        match post.send().await {
            Ok(answer) if answer.status().is_success() => return,
            Ok(answer) if answer.status().is_redirection() => break,
            // "SNS considers … 4XX (except 429) … permanently failed" (Message delivery retries).
            Ok(answer) if answer.status().is_client_error() && answer.status().as_u16() != 429 => break,
            _ if attempt == TRIES => break,
            _ => tokio::time::sleep(wait).await,
        }
        wait *= 2;
    }
    let lost = match &delivery.dlq {
        Some(dlq) => sqs.deliver(dlq, "sns.amazonaws.com", &delivery.topic, &delivery.body, Extras::default()).err(),
        None => Some(("", "it has no RedrivePolicy".to_owned())),
    };
    if let Some((_, why)) = lost {
        // Not its URL: there may be a password in it.
        tracing::warn!(
            subscription = delivery.subscription,
            message = delivery.id,
            why,
            "an HTTP endpoint did not take a message; it is lost"
        );
    }
}
