//! Reads the lines of a stream.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::budget::Budget;
use crate::cell::definitions::Definitions;
use crate::cell::ports::{CallError, Ecs, LogEvents, LogEventsCall, LogSource};
use crate::core::log::{LogLine, LogPlace};

/// A page may be empty though there are lines behind it (API reference, GetLogEvents): so many are looked at.
const PAGES: usize = 3;
/// A stream that is not there, or empty, is asked for once more: what a container wrote at its end is on its way.
const AGAIN: Duration = Duration::from_secs(2);

/// How long lines are waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience(pub(super) Instant);

impl Patience {
    /// So long, from now.
    pub(super) fn of(time: Duration) -> Self {
        Self(Instant::now() + time)
    }
}

/// Why there are no lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoLines {
    /// The stream or its group is not there.
    Missing,
    /// The stream is empty.
    Empty,
    /// As many calls as may be made are made for others.
    Budget,
    /// AWS throttles the calls.
    Throttled,
    /// The caller has not the right to read it, or AWS refuses it for another reason.
    Refused(String),
    /// There was no answer in time.
    NoAnswer(String),
}

/// What is shown in place of lines.
impl fmt::Display for NoLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str(
                "the log stream is not there: the container wrote nothing, its lines are still on their way, or it could \
                 not reach CloudWatch Logs",
            ),
            Self::Empty => f.write_str(crate::core::log::MAY_BE_MISSING),
            Self::Budget => f.write_str("no call of TASKWATCH_LOG_RATE was free in time: ask again"),
            Self::Throttled => f.write_str("CloudWatch Logs throttles GetLogEvents: ask again"),
            Self::Refused(why) => write!(f, "{why}: grant logs:GetLogEvents on the log group"),
            Self::NoAnswer(why) => write!(f, "CloudWatch Logs gave no answer in time ({why}): ask again"),
        }
    }
}

/// Lines, oldest first, and the token that asks for later ones.
pub(super) type Lines = (Vec<LogLine>, Option<String>);

/// Reads the lines of containers. Clones share the budget.
#[derive(Clone)]
pub struct LogReader {
    pub(super) parts: Arc<Parts>,
}

pub(super) struct Parts {
    source: Arc<dyn LogSource>,
    pub(super) ecs: Arc<dyn Ecs>,
    pub(super) definitions: Definitions,
    budget: Budget,
    /// Groups of which a refusal was logged.
    refused: Mutex<HashSet<String>>,
}

impl LogReader {
    /// Reads at most so many pages a second.
    pub fn new(source: Arc<dyn LogSource>, ecs: Arc<dyn Ecs>, a_second: f64) -> Self {
        let parts = Parts {
            source,
            definitions: Definitions::new(Arc::clone(&ecs)),
            ecs,
            budget: Budget::new(a_second),
            refused: Mutex::default(),
        };
        Self { parts: Arc::new(parts) }
    }

    /// The last lines of a container, `most` of them. What is not there yet is asked for once more.
    pub(super) async fn last(&self, place: &LogPlace, most: u32, patience: Patience) -> Result<Lines, NoLines> {
        let first = self.look(place, most, patience).await;
        let nothing = matches!(first, Err(NoLines::Missing | NoLines::Empty));
        let again = Instant::now() + AGAIN;
        if !nothing || again >= patience.0 {
            return first;
        }
        tokio::time::sleep_until(again).await;
        match self.look(place, most, patience).await {
            Err(NoLines::Budget) => first,
            second => second,
        }
    }

    /// The lines behind a token, oldest first, and the token that asks for those behind them.
    pub(super) async fn later(
        &self,
        place: &LogPlace,
        most: u32,
        token: &str,
        patience: Patience,
    ) -> Result<Lines, NoLines> {
        let Some(call) = call(place, most) else { return Err(NoLines::Missing) };
        let call = LogEventsCall { from_head: true, token: Some(token.to_owned()), ..call };
        let page = self.ask(&call, patience).await?;
        Ok((page.lines, page.forward.or_else(|| Some(token.to_owned()))))
    }

    /// Reads backwards from the newest line.
    async fn look(&self, place: &LogPlace, most: u32, patience: Patience) -> Result<Lines, NoLines> {
        let Some(mut call) = call(place, most) else { return Err(NoLines::Missing) };
        let (mut lines, mut forward) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = match self.ask(&call, patience).await {
                Ok(page) => page,
                // What is read is worth more than what is missing.
                Err(_) if !lines.is_empty() => break,
                Err(error) => return Err(error),
            };
            forward = forward.or(page.forward);
            lines.splice(0..0, page.lines);
            let more = page.backward.filter(|token| call.token.as_ref() != Some(token));
            match more {
                Some(token) if lines.len() < most as usize => call.token = Some(token),
                _ => break,
            }
        }
        if lines.is_empty() {
            return Err(NoLines::Empty);
        }
        lines.drain(..lines.len().saturating_sub(most as usize));
        Ok((lines, forward))
    }

    async fn ask(&self, call: &LogEventsCall, patience: Patience) -> Result<LogEvents, NoLines> {
        if !self.parts.budget.turn(patience.0).await {
            return Err(NoLines::Budget);
        }
        match tokio::time::timeout_at(patience.0, self.parts.source.log_events(call)).await {
            Err(_) => Err(NoLines::NoAnswer("it took too long".to_owned())),
            Ok(Ok(Some(page))) => Ok(page),
            Ok(Ok(None)) => Err(NoLines::Missing),
            Ok(Err(CallError::Throttled(_))) => Err(NoLines::Throttled),
            Ok(Err(CallError::Refused(failure))) => {
                let why = failure.cause.clone();
                self.note_refusal(&call.group, &why);
                Err(NoLines::Refused(why))
            }
            Ok(Err(error)) => Err(NoLines::NoAnswer(error.to_string())),
        }
    }

    /// Logs a refusal once a group.
    fn note_refusal(&self, group: &str, why: &str) {
        let mut refused = self.parts.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < 1_000 && refused.insert(group.to_owned()) {
            tracing::warn!(group, why, "log lines cannot be read; nothing else depends on them");
        }
    }
}

fn call(place: &LogPlace, most: u32) -> Option<LogEventsCall> {
    let (group, stream) = place.in_cloudwatch()?;
    Some(LogEventsCall {
        region: place.region.clone(),
        group: group.to_owned(),
        stream: stream.to_owned(),
        limit: most,
        ..LogEventsCall::default()
    })
}
