//! Takes run requests: from the requests queue, the command line, or a program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use super::ports::Message;
use super::receive::{Fate, Handler};
use super::registry::{Claim, Registry};
use super::{Cell, Inner};
use crate::core::request::RunRequest;
use crate::core::run::Run;
use crate::store::Key;

/// SQS takes attributes of any length within the message; a reason that fills the screen helps nobody.
const REASON_CHARS: usize = 1000;

/// The runs of a request.
#[derive(Debug)]
pub struct Submitted {
    /// As they are now.
    pub runs: Vec<Run>,
    /// The same request had come before: nothing new was started.
    pub existing: bool,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// Its name stands for another request.
    #[error("{0:?} is the name of another request; use another name, or send the same request")]
    NameConflict(String),
    /// As many runs wait for their launch as may.
    #[error("the cell has as many waiting runs as it may: send the request again later")]
    Full,
    /// The store cannot tell whether the name was used.
    #[error("{0}")]
    Store(String),
    /// The cell takes nothing more.
    #[error("the cell is shutting down; send the request again")]
    Closed,
}

/// Runs on their way into the launch queue, counted for as long as this lives.
struct Admitting<'c>(&'c AtomicUsize, usize);

impl<'c> Admitting<'c> {
    fn new(count: &'c AtomicUsize, runs: usize) -> Self {
        count.fetch_add(runs, Ordering::AcqRel);
        Self(count, runs)
    }
}

impl Drop for Admitting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::AcqRel);
    }
}

impl Cell {
    /// Takes a request; it is durable when this answers. The same name with the same request is the same run.
    ///
    /// # Errors
    /// [`SubmitError::NameConflict`] for a name that another request has; [`SubmitError::Full`] while too many wait;
    /// [`SubmitError::Closed`] while draining.
    pub async fn submit(&self, request: RunRequest) -> Result<Submitted, SubmitError> {
        if self.inner.is_full() {
            return Err(SubmitError::Full);
        }
        self.inner.submit(request, None).await
    }
}

/// A name in use by a request that is not taken yet. A sender that goes away before gives it back.
struct Claimed<'c> {
    registry: &'c Registry,
    name: &'c str,
    ids: &'c [Uuid],
}

impl Claimed<'_> {
    /// Its runs are there: they keep the name.
    fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.registry.unclaim(self.name, self.ids);
    }
}

/// The requests queue's messages.
pub(super) struct Requests(pub(super) Arc<Inner>);

impl Handler for Requests {
    fn has_room(&self, handed: usize) -> bool {
        !self.0.is_full_with(handed) && !self.0.store_fails()
    }

    fn handle<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Fate> {
        Box::pin(self.0.take_request(message))
    }

    fn again(&self, _: Duration) {}

    fn undeleted(&self, messages: usize) {
        self.0.counters.undeleted.add(messages);
    }
}

impl Inner {
    async fn submit(&self, request: RunRequest, default_name: Option<String>) -> Result<Submitted, SubmitError> {
        if self.draining.is_cancelled() {
            return Err(SubmitError::Closed);
        }
        if let Some(why) = self.storing.trouble(1) {
            return Err(SubmitError::Store(format!("{why}; send the request again then")));
        }
        let digest = request.digest();
        let now = self.ports.clock.now();
        let id = || self.ports.ids.next(now);
        let given = request.name.clone().or(default_name);
        let name = given.clone().unwrap_or_else(|| id().to_string());
        let ids: Vec<Uuid> = (0..request.count.unwrap_or(1)).map(|_| id()).collect();
        match self.registry.claim(&name, digest, &ids) {
            Claim::New => {}
            Claim::Taken => return Err(SubmitError::NameConflict(name)),
            Claim::Same => return self.known(&name).await,
        }
        let claimed = Claimed { registry: &self.registry, name: &name, ids: &ids };
        if given.is_some()
            && let Some(earlier) = self.earlier(&name, digest).await.transpose()
        {
            return earlier;
        }
        let spec = Arc::new(request.spec);
        let runs = ids.iter().zip(0_u32..).map(|(id, index)| {
            // Without a count the run is called as its request; with one it is `name/index`.
            let name = if request.count.is_some() { format!("{name}/{index}") } else { name.clone() };
            Run { digest, ..Run::new(*id, name, index, Arc::clone(&spec), now) }
        });
        let _counted = Admitting::new(&self.admitting, ids.len());
        let made = self.admit(runs).await.ok_or(SubmitError::Closed)?;
        claimed.keep();
        made.durable().await.ok_or(SubmitError::Closed)?;
        self.counters.accepted.add(ids.len());
        Ok(Submitted { runs: self.snapshot(&ids), existing: false })
    }

    /// The runs of a request that came before: they are answered as the first time, all of them, and once they are durable.
    async fn known(&self, name: &str) -> Result<Submitted, SubmitError> {
        if !self.all_durable().await {
            return Err(SubmitError::Closed);
        }
        let runs = self.runs_of_request(name).await.map_err(|e| SubmitError::Store(e.to_string()))?;
        // Claimed a moment ago, and not there yet: its sender tries again and finds it.
        if runs.is_empty() { Err(SubmitError::Full) } else { Ok(Submitted { runs, existing: true }) }
    }

    /// The runs of a name that ended long ago, or before a restart: those in the store.
    async fn earlier(&self, name: &str, digest: [u8; 32]) -> Result<Option<Submitted>, SubmitError> {
        if !self.ports.store.is_durable() {
            return Ok(None);
        }
        let found = self.ports.store.find(Key::Request(name.to_owned())).await;
        match found.map_err(|e| SubmitError::Store(e.to_string()))? {
            runs if runs.is_empty() => Ok(None),
            runs if runs.iter().any(|run| run.digest != digest) => Err(SubmitError::NameConflict(name.to_owned())),
            runs => Ok(Some(Submitted { runs, existing: true })),
        }
    }

    fn snapshot(&self, ids: &[Uuid]) -> Vec<Run> {
        ids.iter().filter_map(|id| self.registry.read(*id, Run::clone)).collect()
    }

    /// Takes a request from its queue; done with once it is durable, here or in the DLQ.
    async fn take_request(&self, message: &Message) -> Fate {
        match self.is_taken(message).await {
            true => Fate::Done,
            // Another cell may have it at once, for this one is ending.
            false if self.draining.is_cancelled() => Fate::Release,
            false => Fate::Leave,
        }
    }

    async fn is_taken(&self, message: &Message) -> bool {
        let reason = match RunRequest::parse(&message.body) {
            // Without a name, the message's id is one: a message that comes again is the same run.
            Ok(request) => match self.submit(request, Some(message.id.clone())).await {
                Ok(_) => return true,
                Err(SubmitError::Closed | SubmitError::Full | SubmitError::Store(_)) => return false,
                Err(conflict @ SubmitError::NameConflict(_)) => format!("NameConflict: {conflict}"),
            },
            Err(error) => error.to_string(),
        };
        self.counters.refused.add(1);
        let reason: String = reason.chars().take(REASON_CHARS).collect();
        tracing::warn!(message = message.id, reason, "a request was refused");
        let Some(dlq) = &self.ports.requests_dlq else { return false };
        match dlq.send(&message.body, &[("taskwatchError".to_owned(), reason)]).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the requests DLQ did not take a refused request; it stays in its queue");
                false
            }
        }
    }
}
