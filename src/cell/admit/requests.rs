//! The requests queue: a body is a run request; what is refused goes to the DLQ with its reason.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

use super::{Admission, SubmitError};
use crate::cell::ports::{Message, Queue};
use crate::cell::receive::{Fate, Handler};
use crate::core::request::RunRequest;

/// SQS takes attributes of any length within the message; a reason that fills the screen helps nobody.
const REASON_CHARS: usize = 1000;
/// Between two tries of a request while the store takes no changes.
const AGAIN: Duration = Duration::from_secs(1);

/// Takes requests from their queue.
pub(in crate::cell) struct RequestsHandler {
    pub(in crate::cell) admission: Arc<Admission>,
    pub(in crate::cell) dlq: Option<Arc<dyn Queue>>,
}

impl RequestsHandler {
    /// What becomes of the message; `None` while the store takes no changes.
    async fn request(&self, message: &Message) -> Option<Fate> {
        let accepted = RunRequest::accept_text(&message.body, &self.admission.acceptance().named(&message.id));
        let reason = match accepted {
            // Without a name, the message's id is one: a message that comes again is the same run.
            Ok(request) => match self.admission.submit(request, Some(message.id.clone())).await {
                // Another cell that reads this queue, or its own, has taken it in: it runs there.
                Ok(_) | Err(SubmitError::Elsewhere { .. }) => return Some(Fate::Done),
                Err(SubmitError::Store(_)) => return None,
                Err(SubmitError::Closed | SubmitError::NoCell | SubmitError::Suspended | SubmitError::Full) => {
                    return Some(self.not_now());
                }
                Err(conflict @ SubmitError::NameConflict(_)) => format!("NameConflict: {conflict}"),
                Err(too_large @ SubmitError::TooLarge(_)) => too_large.to_string(),
            },
            Err(error) => error.to_string(),
        };
        Some(self.refuse(message, reason).await)
    }

    /// What the store does not take now stays in hand, as what it has before it does: it is taken once it can be, and given
    /// back at the end.
    async fn settle(&self, message: &Message) -> Fate {
        loop {
            if let Some(fate) = self.request(message).await {
                return fate;
            }
            tokio::select! {
                biased;
                () = self.admission.lifecycle.draining() => return Fate::Release,
                () = tokio::time::sleep(AGAIN) => {}
            }
        }
    }

    async fn refuse(&self, message: &Message, reason: String) -> Fate {
        self.admission.counters.refused.add(1);
        let reason: String = reason.chars().take(REASON_CHARS).collect();
        tracing::warn!(message = message.id, reason, "a request was refused");
        if self.admission.tell_refused(&message.body, &reason).await.is_none() {
            return self.not_now();
        }
        let Some(dlq) = &self.dlq else { return self.not_now() };
        match dlq.send(&message.body, &[("taskwatchError".to_owned(), reason)]).await {
            Ok(()) => Fate::Done,
            Err(error) => {
                tracing::warn!(%error, "the requests DLQ did not take a refused request; it stays in its queue");
                self.not_now()
            }
        }
    }

    /// Another cell may have it at once when this one is ending.
    fn not_now(&self) -> Fate {
        if self.admission.lifecycle.is_draining() { Fate::Release } else { Fate::Leave }
    }
}

impl Handler for RequestsHandler {
    fn has_room(&self, handed: usize) -> bool {
        let admission = &self.admission;
        !admission.waiting.is_full_with(handed) && !admission.store_health.is_failing()
    }

    fn received(&self, _messages: &[Message]) {}

    fn resumed(&self, _after: Duration) {}

    fn undeleted(&self, messages: usize) {
        self.admission.counters.undeleted.add(messages);
    }

    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate> {
        Box::pin(self.settle(message))
    }
}
