//! Takes run requests: from the requests queue, the command line, or a program.

mod requests;

use std::sync::Arc;

use uuid::Uuid;

use super::clock::Clock;
use super::commit::{NotDurable, Pipeline};
use super::health::DependencyHealth;
use super::ids::Ids;
use super::launch::WaitingRuns;
use super::lifecycle::Lifecycle;
use super::runs::{Claim, RunIndex};
use super::standstill::Standstill;
use super::view::{Counters, Lookup};
use crate::core::notification::callback;
use crate::core::request::{self, Acceptance, RunRequest};
use crate::core::run::Run;
use crate::store::{Key, Store, find_all};

pub(super) use requests::RequestsHandler;

/// The error of a request that was refused, for whoever waits for its run.
const REFUSED: &str = "Taskwatch.Refused";

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
    /// Another cell accepted the same request before: it runs there, and not here.
    #[error("cell {cell} accepted the same request {name:?} before: ask that cell for it")]
    Elsewhere {
        /// The request's name.
        name: String,
        /// The cell that has it.
        cell: String,
    },
    /// As many runs wait for their launch as may.
    #[error("the cell has as many waiting runs as it may: send the request again later")]
    Full,
    /// The store cannot tell whether the name was used.
    #[error("{0}")]
    Store(String),
    /// The store cannot hold it.
    #[error("{0}")]
    TooLarge(String),
    /// The cell takes nothing more.
    #[error("the cell is shutting down; send the request again")]
    Closed,
    /// The process has no cell that could take it.
    #[error("this process of the fleet serves no cell at the moment; send the request again, or to the requests queue")]
    NoCell,
    /// The process may not act for its cells at the moment.
    #[error("{}", Standstill::Suspended)]
    Suspended,
}

/// Accepts requests.
pub(super) struct Admission {
    pub(super) runs: Arc<RunIndex>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) waiting: Arc<WaitingRuns>,
    pub(super) lookup: Arc<Lookup>,
    pub(super) store: Arc<dyn Store>,
    pub(super) store_health: Arc<DependencyHealth>,
    pub(super) ids: Ids,
    pub(super) clock: Clock,
    pub(super) counters: Arc<Counters>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

impl Admission {
    /// Takes a request; it is durable when this answers. The same name with the same request is the same run.
    pub(super) async fn submit(
        &self,
        request: RunRequest,
        default_name: Option<String>,
    ) -> Result<Submitted, SubmitError> {
        if self.lifecycle.is_draining() {
            return Err(SubmitError::Closed);
        }
        if let Some(why) = self.store_health.failure(1) {
            return Err(SubmitError::Store(format!("{why}; send the request again then")));
        }
        let digest = request.digest();
        let given = request.name.clone().or(default_name);
        let name = given.clone().unwrap_or_else(|| self.id().to_string());
        // Before anything is waited for: requests that come in order are listed in order.
        let ids: Vec<Uuid> = (0..request.count.unwrap_or(1)).map(|_| self.id()).collect();
        let claim = loop {
            match self.runs.names().claim(&name, digest) {
                Claim::New(claim) => break claim,
                Claim::Taken => return Err(SubmitError::NameConflict(name)),
                Claim::Same => match self.known(&name).await? {
                    Some(known) => return Ok(known),
                    // They were forgotten a moment ago, with all that is old: the name is free, or about to be.
                    None => tokio::task::yield_now().await,
                },
                // What becomes of the other request decides.
                Claim::Pending(other) => {
                    self.lifecycle.unless_ended(other.settled()).await.ok_or(SubmitError::Closed)?;
                }
            }
        };
        if given.is_some()
            && let Some(earlier) = self.earlier(&name, digest).await?
        {
            return Ok(earlier);
        }
        let runs = self.runs_of(request, &name, digest, &ids);
        let expected = self.waiting.expect(ids.len());
        let pending = self.pipeline.admit(runs, Box::new((claim, expected))).await.ok_or(SubmitError::Closed)?;
        match pending.outcome().await {
            Ok(_) => {}
            Err(NotDurable::Ended) => return Err(SubmitError::Closed),
            Err(NotDurable::TooLarge(why)) => return Err(SubmitError::TooLarge(why)),
            Err(NotDurable::NameTaken { name, same: false, .. }) => return Err(SubmitError::NameConflict(name)),
            // It ended long ago, and only the store knows of it; or it is another cell's.
            Err(NotDurable::NameTaken { name, cell, .. }) => {
                return self.stored(&name, digest).await?.ok_or(SubmitError::Elsewhere { name, cell });
            }
        }
        self.counters.accepted.add(ids.len());
        let runs = ids.iter().filter_map(|id| self.runs.read(*id, Run::clone)).collect();
        Ok(Submitted { runs, existing: false })
    }

    /// Answers whoever waits by a token for a request that is refused, durably: nobody else would, and a task without a timeout
    /// waits for a year. `None`: the cell has ended.
    pub(super) async fn tell_refused(&self, body: &str, reason: &str) -> Option<()> {
        let notify = request::document(body).ok().and_then(|document| request::waiting(&document));
        let Some(notify) = notify else { return Some(()) };
        self.pipeline.post(callback::of_refusal(&notify, REFUSED, reason, self.clock.now())).await
    }

    /// What a request that comes now is evaluated with.
    pub(super) fn acceptance(&self) -> Acceptance {
        self.ids.acceptance(&self.clock)
    }

    fn id(&self) -> Uuid {
        self.ids.next(self.clock.now())
    }

    fn runs_of(&self, request: RunRequest, name: &str, digest: [u8; 32], ids: &[Uuid]) -> Vec<Run> {
        let now = self.clock.now();
        let spec = self.runs.share_spec(digest, Arc::new(request.spec));
        let run = |(index, id): (u32, &Uuid)| {
            // Without a count the run is called as its request; with one it is `name/index`.
            let name = if request.count.is_some() { format!("{name}/{index}") } else { name.to_owned() };
            Run { digest, ..Run::new(*id, name, index, Arc::clone(&spec), now) }
        };
        (0..).zip(ids).map(run).collect()
    }

    /// The runs of a request that came before, if there are any still: they are answered as the first time, all of them.
    async fn known(&self, name: &str) -> Result<Option<Submitted>, SubmitError> {
        let runs = self.lookup.of_request(name).await.map_err(|e| SubmitError::Store(e.to_string()))?;
        Ok((!runs.is_empty()).then_some(Submitted { runs, existing: true }))
    }

    /// The runs of a name that ended long ago, or before a restart: those in the store.
    async fn earlier(&self, name: &str, digest: [u8; 32]) -> Result<Option<Submitted>, SubmitError> {
        if self.store.capabilities().ended_names { self.stored(name, digest).await } else { Ok(None) }
    }

    /// The runs of a name that the store has.
    async fn stored(&self, name: &str, digest: [u8; 32]) -> Result<Option<Submitted>, SubmitError> {
        let found = find_all(&*self.store, Key::request(name)).await;
        match found.map_err(|e| SubmitError::Store(e.to_string()))? {
            runs if runs.is_empty() => Ok(None),
            runs if runs.iter().any(|run| run.digest != digest) => Err(SubmitError::NameConflict(name.to_owned())),
            runs => Ok(Some(Submitted { runs, existing: true })),
        }
    }
}
