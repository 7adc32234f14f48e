//! The attempts of a run: each is one task, or one refusal.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::ids::{TaskArn, Token};
use super::log::{LogPlace, LogView};
use super::task::TaskStatus;
use super::time::Timestamp;

/// Attempts that are kept from the beginning of a run.
pub const FIRST_KEPT: usize = 10;
/// Attempts that are kept from its end.
pub const LAST_KEPT: usize = 50;
/// The same, while one of them may still be needed to tell whose a task is.
const LAST_KEPT_SHARED: usize = 200;
/// For so long the answer to a RunTask call may be open, and name the tasks that its members had. A token is sent again for
/// 40 minutes.
const ANSWER_MAY_BE_OPEN: Duration = Duration::from_secs(3600);

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
pub enum Stage {
    /// Waits for a launch slot; nothing was sent.
    Waiting,
    /// Its token is committed: RunTask may have been sent, the answer is not known.
    Launching,
    /// ECS has a task for it.
    Placed,
    /// StopTask was asked for; its containers may still run.
    Stopping,
    /// Over: no container of it runs.
    Over,
}

/// One try of a run: one task, or one refusal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// RunTask calls with a token of their own, from 1: a 200 with `failures[]` that is tried again needs a new one.
    pub call: u32,
    /// Where it is.
    pub stage: Stage,
    /// `clientToken` of the call, and the last part of `startedBy`; shared by runs launched in one call.
    pub token: Option<Token>,
    /// The `count` of that call.
    pub group_size: u8,
    /// Which placement: 0 is the request as it stands, n the n-th entry of `placements`.
    pub placement: usize,
    /// The task, once known.
    pub task_arn: Option<TaskArn>,
    /// The highest `detail.version` seen.
    pub version: i64,
    /// The task's last status seen.
    pub last_status: Option<TaskStatus>,
    /// When it began to wait for its launch slot.
    #[serde(default)]
    pub queued_at: Option<Timestamp>,
    /// When RunTask was (first) sent.
    pub launched_at: Option<Timestamp>,
    /// When the task was known to us: its start and attempt timeouts count from here.
    pub placed_at: Option<Timestamp>,
    /// When StopTask was last asked for.
    pub stop_sent_at: Option<Timestamp>,
    /// ECS's `createdAt`.
    pub created_at: Option<Timestamp>,
    /// ECS's `pullStartedAt`.
    #[serde(default)]
    pub pull_started_at: Option<Timestamp>,
    /// ECS's `pullStoppedAt`.
    #[serde(default)]
    pub pull_stopped_at: Option<Timestamp>,
    /// ECS's `startedAt`.
    pub started_at: Option<Timestamp>,
    /// ECS's `stoppedAt`, or when the attempt was over for us.
    pub stopped_at: Option<Timestamp>,
    /// The exit code that decided.
    pub exit_code: Option<i64>,
    /// Why it failed.
    pub failure: Option<Arc<Failure>>,
    /// When anything was last heard of the task.
    pub heard_at: Option<Timestamp>,
    /// Where the lines of the container that decided are, once the task has ended.
    #[serde(default)]
    pub log: Option<Arc<LogPlace>>,
}

impl Attempt {
    /// An attempt that waits for its launch slot.
    pub const fn new(number: u32, placement: usize) -> Self {
        Self {
            number,
            call: 1,
            stage: Stage::Waiting,
            token: None,
            group_size: 0,
            placement,
            task_arn: None,
            version: 0,
            last_status: None,
            queued_at: None,
            launched_at: None,
            placed_at: None,
            stop_sent_at: None,
            created_at: None,
            pull_started_at: None,
            pull_stopped_at: None,
            started_at: None,
            stopped_at: None,
            exit_code: None,
            failure: None,
            heard_at: None,
            log: None,
        }
    }
}

impl Attempt {
    /// Where the lines of the container that decided are, as it is shown; none while the task has not ended, and where its
    /// task definition could not be read.
    pub fn log_view(&self) -> Option<LogView> {
        let task_arn = self.task_arn.as_ref()?.to_string();
        self.log.as_ref().map(|place| place.view(&task_arn))
    }

    /// Whether a container of it ran: only then there can be lines.
    pub const fn has_run(&self) -> bool {
        self.started_at.is_some() || self.exit_code.is_some()
    }
}

/// The attempts of a run, oldest first. `MaxAttempts` may be 99,999,999, and all of this is written at each transition: so
/// of very many only the first [`FIRST_KEPT`] and the last [`LAST_KEPT`] are kept. Numbers go on, so that they tell how many
/// are left out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Attempt>")]
pub struct Attempts(Vec<Attempt>);

impl Attempts {
    /// Adds the newest attempt. Returns those that are kept no longer: whoever finds runs by their tasks and tokens forgets
    /// these.
    pub fn push(&mut self, attempt: Attempt) -> Vec<Attempt> {
        let now = attempt.queued_at;
        self.0.reserve_exact(1);
        self.0.push(attempt);
        let mut dropped = Vec::new();
        while self.0.len() > FIRST_KEPT + LAST_KEPT {
            let needed = self.0.len() <= FIRST_KEPT + LAST_KEPT_SHARED && may_be_named(&self.0[FIRST_KEPT], now);
            if needed {
                break;
            }
            dropped.push(self.0.remove(FIRST_KEPT));
        }
        dropped
    }

    /// How many there were, those left out included.
    pub fn total(&self) -> usize {
        self.0.last().map_or(0, |last| usize::try_from(last.number).unwrap_or(usize::MAX)).max(self.0.len())
    }

    /// How many were launched: of the others RunTask was never called.
    pub fn launched(&self) -> usize {
        let never = |attempt: &&Attempt| attempt.stage == Stage::Waiting || attempt.launched_at.is_none();
        self.total() - self.0.iter().filter(never).count()
    }

    /// How many are left out, between the first and the last ones.
    pub fn omitted(&self) -> usize {
        self.total() - self.0.len()
    }
}

#[cfg(test)]
impl Attempts {
    /// Bytes on the heap, failures apart.
    pub(super) fn heap(&self) -> usize {
        self.0.capacity() * size_of::<Attempt>()
    }
}

/// Whether an answer that is still to come may name the task of this attempt: it was launched together with other runs, not
/// long ago. Without it the task would be given to one of them.
fn may_be_named(attempt: &Attempt, now: Option<Timestamp>) -> bool {
    let lately = |now: Timestamp| attempt.launched_at.is_some_and(|at| now.since(at) < ANSWER_MAY_BE_OPEN);
    attempt.group_size > 1 && attempt.task_arn.is_some() && now.is_some_and(lately)
}

impl Deref for Attempts {
    type Target = [Attempt];

    fn deref(&self) -> &[Attempt] {
        &self.0
    }
}

impl DerefMut for Attempts {
    fn deref_mut(&mut self) -> &mut [Attempt] {
        &mut self.0
    }
}

/// As a store had them.
impl From<Vec<Attempt>> for Attempts {
    fn from(mut attempts: Vec<Attempt>) -> Self {
        attempts.shrink_to_fit();
        Self(attempts)
    }
}

impl<'a> IntoIterator for &'a Attempts {
    type Item = &'a Attempt;
    type IntoIter = std::slice::Iter<'a, Attempt>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000).plus(Duration::from_secs(seconds))
    }

    /// `count` attempts, one every 20 s, each launched together with `others`.
    fn tried(count: u32, others: u32) -> (Attempts, Vec<Attempt>) {
        let mut attempts = Attempts::default();
        let mut dropped = Vec::new();
        for number in 1..=count {
            let now = Some(at(u64::from(number) * 20));
            dropped.extend(attempts.push(Attempt {
                queued_at: now,
                launched_at: now,
                group_size: u8::try_from(1 + others).unwrap(),
                task_arn: Some(format!("t{number}").into()),
                ..Attempt::new(number, 0)
            }));
        }
        (attempts, dropped)
    }

    fn numbers(attempts: &[Attempt]) -> Vec<u32> {
        attempts.iter().map(|attempt| attempt.number).collect()
    }

    #[test]
    fn the_first_and_the_last_are_kept_and_each_of_the_others_is_returned_once() {
        let (attempts, dropped) = tried(60, 0);
        assert_eq!((attempts.len(), attempts.total(), attempts.omitted(), dropped.len()), (60, 60, 0, 0));
        let (attempts, dropped) = tried(1_000, 0);
        let kept: Vec<u32> = (1..=10).chain(951..=1_000).collect();
        assert_eq!(numbers(&attempts), kept);
        assert_eq!(numbers(&dropped), (11..=950).collect::<Vec<_>>());
        assert_eq!((attempts.total(), attempts.omitted()), (1_000, 940));
    }

    #[test]
    fn what_shared_its_call_lately_is_kept_longer_within_bounds() {
        let (attempts, _) = tried(1_000, 1);
        assert_eq!((attempts.len(), attempts[10].number), (10 + 180, 821), "an hour of 20 s");
        let mut refused = attempts;
        for number in 1_001..=1_100 {
            refused.push(Attempt { queued_at: Some(at(20_000)), ..Attempt::new(number, 0) });
        }
        assert_eq!(refused.len(), 10 + 200, "however fast they follow each other");
    }

    #[test]
    fn what_an_older_release_kept_whole_is_cut_at_the_next_attempt() {
        let mut attempts = Attempts::from((1..=5_000).map(|number| Attempt::new(number, 0)).collect::<Vec<_>>());
        assert_eq!(attempts.push(Attempt::new(5_001, 0)).len(), 5_001 - 60);
        assert_eq!((attempts.len(), attempts.total()), (60, 5_001));
    }
}
