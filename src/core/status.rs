//! Where a run is.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where a run is, in Step Functions' words where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Accepted, waits for a launch slot.
    Queued,
    /// Placed with ECS, goal not reached.
    Starting,
    /// The task is RUNNING and the goal is its end.
    Running,
    /// Waits for its next attempt.
    PendingRetry,
    /// The goal was reached.
    Succeeded,
    /// It was not, and no retry is left.
    Failed,
    /// The last failure was a timeout.
    TimedOut,
    /// It was asked to stop.
    Aborted,
}

impl Status {
    /// All of them, in the order of a run's life.
    pub const ALL: [Self; 8] = [
        Self::Queued,
        Self::Starting,
        Self::Running,
        Self::PendingRetry,
        Self::Succeeded,
        Self::Failed,
        Self::TimedOut,
        Self::Aborted,
    ];

    /// Whether nothing more will happen to the run.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::TimedOut | Self::Aborted)
    }

    /// As written everywhere outside.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Starting => "STARTING",
            Self::Running => "RUNNING",
            Self::PendingRetry => "PENDING_RETRY",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::TimedOut => "TIMED_OUT",
            Self::Aborted => "ABORTED",
        }
    }
}

/// A text that is no status.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no status: expected QUEUED, STARTING, RUNNING, PENDING_RETRY, SUCCEEDED, FAILED, TIMED_OUT or ABORTED"
)]
pub struct NoStatus(String);

impl FromStr for Status {
    type Err = NoStatus;

    /// In capitals or not.
    fn from_str(text: &str) -> Result<Self, NoStatus> {
        let named = |status: &Self| status.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or_else(|| NoStatus(text.to_owned()))
    }
}
