//! What the cell pauses automatically, and destinations to which notifications cannot be delivered: as the API shows them.

use serde::Serialize;
use utoipa::ToSchema;

use crate::cell::{DeliveryFailure, Limits};
use crate::core::breaker::OpenBreaker;
use crate::core::failure::Class;
use crate::core::time::Timestamp;
use crate::front::Front;

/// Shown at once; how many more there are stands beside them.
const MOST: usize = 100;
/// What is shown of a cause or an error.
const TEXT_CHARS: usize = 1_000;

/// A task definition that is not launched, because it failed for one reason again and again. Its runs wait as QUEUED and
/// use up no attempt; now and then one is let through as a probe, and when that one starts the others follow.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OpenBreaker)]
pub(super) struct Paused {
    /// As requests name it: `family:revision` or `family`. `resume` of the limits lets it go.
    task_definition: String,
    /// The failures' most specific name.
    error: String,
    class: Class,
    /// What ECS said, the last time, cut.
    cause: String,
    /// What to do about it.
    hint: String,
    /// How many attempts failed so.
    failures: u64,
    /// Runs that were last seen to fail so, by name.
    examples: Vec<String>,
    /// The first of the failures that were counted.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// When launches were paused.
    #[schema(value_type = String, format = DateTime)]
    paused_at: Timestamp,
    failed_probes: u32,
    /// When the next probe may go; none while one is out or may leave at any moment.
    #[schema(value_type = Option<String>, format = DateTime)]
    next_probe_at: Option<Timestamp>,
}

impl From<OpenBreaker> for Paused {
    fn from(breaker: OpenBreaker) -> Self {
        Self {
            task_definition: breaker.task_definition,
            error: breaker.error,
            class: breaker.class,
            cause: cut(&breaker.cause),
            hint: breaker.hint,
            failures: breaker.failures,
            examples: breaker.examples.into(),
            since: breaker.since,
            paused_at: breaker.paused_at,
            failed_probes: breaker.failed_probes,
            next_probe_at: breaker.next_probe_at,
        }
    }
}

/// The task definitions that are paused so.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CircuitBreakers {
    /// The newest first, 100 at most.
    circuit_breakers: Vec<Paused>,
    /// Those that are not among them.
    circuit_breakers_left_out: usize,
}

/// As the cells have them now.
pub(super) fn breakers(front: &Front) -> CircuitBreakers {
    let mut breakers = front.figures().open_breakers();
    breakers.sort_by(|a, b| b.paused_at.cmp(&a.paused_at).then_with(|| a.task_definition.cmp(&b.task_definition)));
    let circuit_breakers_left_out = breakers.len().saturating_sub(MOST);
    CircuitBreakers {
        circuit_breakers: breakers.into_iter().take(MOST).map(Paused::from).collect(),
        circuit_breakers_left_out,
    }
}

/// Limits, and all that is paused: by an operator and automatically.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct InForce {
    #[serde(flatten)]
    limits: Limits,
    #[serde(flatten)]
    breakers: CircuitBreakers,
}

/// What is in force now.
pub(super) fn in_force(front: &Front, limits: Limits) -> InForce {
    InForce { limits, breakers: breakers(front) }
}

/// A destination to which notifications cannot be delivered. They are kept and sent again.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeliveryFailure)]
pub(super) struct FailingDestination {
    /// The topic's ARN, or `event-bus:` and the bus's name.
    destination: String,
    /// Notifications that it rejected; 0: it cannot be reached, and they wait.
    rejected: usize,
    /// What it said last, cut.
    error: String,
}

impl From<DeliveryFailure> for FailingDestination {
    fn from(failure: DeliveryFailure) -> Self {
        Self { destination: failure.destination, rejected: failure.rejected, error: cut(&failure.error) }
    }
}

/// The failing destinations, 100 at most, and how many more there are.
pub(super) fn delivery_failures(front: &Front) -> (Vec<FailingDestination>, usize) {
    let failures = front.figures().delivery_failures();
    let left_out = failures.len().saturating_sub(MOST);
    (failures.into_iter().take(MOST).map(FailingDestination::from).collect(), left_out)
}

fn cut(text: &str) -> String {
    text.chars().take(TEXT_CHARS).collect()
}
