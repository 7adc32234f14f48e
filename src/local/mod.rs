//! An AWS endpoint on one port: SQS, SNS and EventBridge over their real wire protocols, an ECS that fails on demand, and what Step
//! Functions and Lambda take as answers to their tokens.
//!
//! It knows nothing of the other modules: whatever works against it, works by AWS's protocols alone.

mod callbacks;
pub mod clock;
pub mod cloudtrail;
pub mod ecs;
pub mod eventbridge;
pub mod faults;
mod guard;
mod launch;
mod pattern;
mod policy;
mod query;
mod region;
mod schedule;
pub mod scheduler;
mod server;
pub mod sns;
pub mod sqs;
mod start;
pub mod wire;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

pub use server::serve;
pub use start::{LocalOptions, RunningLocal, start};

use callbacks::Callbacks;
use clock::Clock;
use cloudtrail::CloudTrail;
use eventbridge::EventBus;
use scheduler::Scheduler;
use sns::Sns;
use sqs::Sqs;
use wire::{ApiError, ApiResult, Call, JsonService};

/// Who the endpoint is.
#[derive(Clone, Debug)]
pub struct Options {
    /// The account of every caller.
    pub account: String,
    /// The region of callers that sign for none.
    pub region: String,
    /// Names, besides loopback's, by which it may be called.
    pub hosts: Vec<String>,
    /// How far away it is: a call and its answer are so long on their way, together.
    pub latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            account: "123456789012".to_owned(),
            region: "us-east-1".to_owned(),
            hosts: Vec::new(),
            latency: Duration::ZERO,
        }
    }
}

/// Every service. Clones are the same endpoint.
#[derive(Clone)]
pub struct Local {
    inner: Arc<Inner>,
}

struct Inner {
    options: Options,
    sqs: Arc<Sqs>,
    sns: Arc<Sns>,
    bus: Arc<EventBus>,
    trail: Arc<CloudTrail>,
    scheduler: Arc<Scheduler>,
    callbacks: Callbacks,
    ecs: OnceLock<Arc<dyn JsonService>>,
    calls: Mutex<BTreeMap<String, u64>>,
}

impl Local {
    /// An endpoint without queues, topics, rules or ECS.
    pub fn new(clock: &Arc<Clock>, options: Options) -> Self {
        let sqs = Arc::new(Sqs::new(Arc::clone(clock)));
        let sns = Arc::new(Sns::new(Arc::clone(clock), Arc::clone(&sqs)));
        let bus = Arc::new(EventBus::new(Arc::clone(clock), Arc::clone(&sqs), Arc::clone(&sns)));
        let (trail, scheduler) = (CloudTrail::new(Arc::clone(clock)), Scheduler::new(Arc::clone(clock)));
        let (trail, scheduler) = (Arc::new(trail), Arc::new(scheduler));
        let (ecs, calls) = Default::default();
        let callbacks = Callbacks::default();
        Self { inner: Arc::new(Inner { options, sqs, sns, bus, trail, scheduler, callbacks, ecs, calls }) }
    }

    /// Gives the endpoint its ECS, once.
    pub fn with_ecs(self, ecs: Arc<dyn JsonService>) -> Self {
        // A second one is not taken: the first has tasks already.
        let _ = self.inner.ecs.set(ecs);
        self
    }

    /// Who the endpoint is.
    pub fn options(&self) -> &Options {
        &self.inner.options
    }

    /// The bus that ECS puts its events on.
    pub fn bus(&self) -> Arc<EventBus> {
        Arc::clone(&self.inner.bus)
    }

    /// The records of RunTask calls.
    pub fn trail(&self) -> Arc<CloudTrail> {
        Arc::clone(&self.inner.trail)
    }

    /// The schedules.
    pub fn scheduler(&self) -> Arc<Scheduler> {
        Arc::clone(&self.inner.scheduler)
    }

    /// Answers a call of a service whose protocol is REST: the Scheduler.
    ///
    /// # Errors
    /// As [`Self::handle`].
    pub fn handle_rest(&self, service: &str, (method, path, query): (&str, &str, &str), call: &Call) -> ApiResult {
        match service {
            "scheduler" => self.inner.scheduler.answer(method, path, query, call),
            other => Err(not_here(other)),
        }
    }

    /// The topics.
    pub fn sns(&self) -> &Sns {
        &self.inner.sns
    }

    /// The queues.
    pub fn sqs(&self) -> &Sqs {
        &self.inner.sqs
    }

    /// ECS's own ledger: every task and what was done to calls and events.
    pub fn inspection(&self) -> serde_json::Value {
        self.inner.ecs.get().map_or(serde_json::Value::Null, |ecs| ecs.inspection())
    }

    /// Every token that was used, and what came for it.
    pub fn callbacks(&self) -> serde_json::Value {
        self.inner.callbacks.inspection()
    }

    /// Answers a call to Lambda, which has no name but its path; none where the path is of nothing that is served.
    fn lambda(&self, path: &str, body: &[u8]) -> Option<ApiResult> {
        let (name, answered) = self.inner.callbacks.of_lambda(path, body)?;
        self.count(name);
        Some(answered)
    }

    fn count(&self, name: String) {
        *self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() += 1;
    }

    /// How many calls there were, by service and operation (`sqs.ReceiveMessage`), answered well or not.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers one call without a socket: `ecs`, `sqs`, `sns`, `events`, `cloudtrail` or `states`.
    ///
    /// # Errors
    /// What AWS would answer, and an error that names a service that is not here.
    pub async fn handle(&self, service: &str, call: Call) -> ApiResult {
        self.count(format!("{service}.{}", call.operation));
        match (service, self.inner.ecs.get()) {
            ("sqs", _) => self.inner.sqs.handle(call).await,
            ("sns", _) => self.inner.sns.handle(call).await,
            ("events", _) => self.inner.bus.handle(call).await,
            ("cloudtrail", _) => self.inner.trail.handle(call).await,
            ("states", _) => self.inner.callbacks.handle(call).await,
            ("ecs" | "logs", Some(ecs)) => match ecs.serves(service, &call.operation) {
                Ok(()) => ecs.handle(call).await,
                Err(unknown) => Err(unknown),
            },
            (other, _) => Err(not_here(other)),
        }
    }
}

/// The services that are served.
const SERVES: [&str; 10] = [
    "ECS",
    "SQS",
    "SNS",
    "EventBridge",
    "EventBridge Scheduler",
    "CloudTrail",
    "CloudWatch Logs (GetLogEvents, FilterLogEvents, DescribeLogStreams)",
    "STS (GetCallerIdentity)",
    "Step Functions (SendTask…)",
    "Lambda (SendDurableExecutionCallback…)",
];

fn not_here(service: &str) -> ApiError {
    let message = format!("taskwatch local does not serve {service}. It serves: {}.", SERVES.join(", "));
    ApiError::new("UnknownOperationException", message)
}
