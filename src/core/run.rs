//! A run and its attempts, as kept in the store.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use super::attempt::{Attempt, Attempts, Stage};
use super::failure::Failure;
use super::name;
use super::request::RunSpec;
use super::retry::RetryCounts;
pub use super::status::Status;
use super::time::Timestamp;

/// One request that one ECS task reach its goal.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    /// A UUIDv7.
    pub id: Uuid,
    /// The idempotency key: `name` or `name/index`.
    pub name: String,
    /// 0-based index among the runs of its request.
    pub index: u32,
    /// What it shares with its siblings.
    pub spec: Arc<RunSpec>,
    /// The digest of its request: the same name with another digest is a conflict.
    pub digest: [u8; 32],
    /// Where it is.
    pub status: Status,
    /// Its attempts, oldest first; of very many, the first and the last ones.
    pub attempts: Attempts,
    /// Which retriers were used how often.
    pub counts: RetryCounts,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When the next attempt is due (`PENDING_RETRY`); of a run that has none yet, its `startAt`.
    pub retry_at: Option<Timestamp>,
    /// Why somebody asked it to stop.
    pub stop_asked: Option<String>,
    /// Its `timeoutSeconds` are over: it ends when its task has.
    pub timed_out: bool,
    /// How often it was redriven: begun again after its end.
    #[serde(default)]
    pub redrives: u32,
    /// When it was last redriven: its `timeoutSeconds` count from here.
    #[serde(default)]
    pub redriven_at: Option<Timestamp>,
    /// What ended it, unless it succeeded: the last attempt's failure, or the run's own timeout or stop.
    pub ended_by: Option<Arc<Failure>>,
    /// Rises with every change, also with those that are not committed, so that of two records of a run the one with the
    /// higher revision is the newer one, whichever changes were written with it. A crash may lose changes that were not
    /// committed; the next ones then have their revisions again, but all of these are above that of every record.
    pub revision: u64,
}

impl Run {
    /// A run that was just accepted.
    pub fn new(id: Uuid, mut name: String, index: u32, spec: Arc<RunSpec>, now: Timestamp) -> Self {
        name.shrink_to_fit();
        Self {
            id,
            name,
            index,
            spec,
            digest: [0; 32],
            status: Status::Queued,
            attempts: Attempts::default(),
            counts: RetryCounts::default(),
            submitted_at: now,
            finished_at: None,
            retry_at: None,
            stop_asked: None,
            timed_out: false,
            redrives: 0,
            redriven_at: None,
            ended_by: None,
            revision: 0,
        }
    }

    /// The name its request had: all of `name`, or `name` of `name/3`.
    pub fn request_name(&self) -> &str {
        name::request_of(&self.name)
    }

    /// Whether one of the attempts that are kept was this task.
    pub fn had(&self, task_arn: &str) -> bool {
        self.attempts.iter().any(|attempt| attempt.task_arn.as_ref().is_some_and(|known| known == task_arn))
    }

    /// When its time began to count: its `startAt`, its submission, or when it was last redriven.
    pub fn began_at(&self) -> Timestamp {
        let first = self.spec.start_at.map_or(self.submitted_at, |at| at.max(self.submitted_at));
        self.redriven_at.unwrap_or(first)
    }

    /// Whether it ended without reaching its goal, so that it may be begun again.
    pub fn can_be_redriven(&self) -> bool {
        matches!(self.status, Status::Failed | Status::TimedOut | Status::Aborted)
    }

    /// Whether a task of it may be running.
    pub fn is_live(&self) -> bool {
        let live = |a: &Attempt| matches!(a.stage, Stage::Launching | Stage::Placed | Stage::Stopping);
        !self.status.is_final() && self.attempt().is_some_and(live)
    }

    /// The cluster of its newest attempt: the placement's, else the request's.
    pub fn cluster(&self) -> &str {
        self.placed("cluster").unwrap_or_else(|| self.spec.run_task.cluster())
    }

    /// The task definition of its newest attempt, as the placement or the request names it.
    pub fn task_definition(&self) -> &str {
        self.placed("taskDefinition").unwrap_or_else(|| self.spec.run_task.task_definition())
    }

    /// What the newest attempt's placement says in place of the request.
    fn placed(&self, member: &str) -> Option<&str> {
        let placement = self.attempt()?.placement.checked_sub(1)?;
        self.spec.placements.get(placement)?.get(member)?.as_str()
    }

    /// The latest instant that this cell has noted of it as past; instants that ECS gave do not count.
    pub fn noted_at(&self) -> Timestamp {
        let of_attempt =
            |a: &Attempt| [a.launched_at, a.placed_at, a.stop_sent_at, a.heard_at].into_iter().flatten().max();
        let noted = self.attempts.iter().filter_map(of_attempt).chain(self.redriven_at).chain(self.finished_at).max();
        noted.map_or(self.submitted_at, |noted| noted.max(self.submitted_at))
    }

    /// The newest attempt.
    pub fn attempt(&self) -> Option<&Attempt> {
        self.attempts.last()
    }

    /// What ended it, or the newest attempt's failure.
    pub fn failure(&self) -> Option<&Failure> {
        self.ended_by.as_deref().or_else(|| self.attempts.last().and_then(|a| a.failure.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ids::Token;
    use crate::core::machine::{Input, apply};
    use crate::core::run_task::RunTask;

    /// What a million open runs take is a million times this, and the index entries that lead to them.
    #[test]
    fn an_open_run_with_its_task_takes_less_than_450_bytes() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let spec = Arc::new(RunSpec::new(RunTask::default()));
        let mut run = Run::new(Uuid::nil(), "nightly-fleet/1234".into(), 1234, spec, now);
        let arn = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";
        for input in [
            Input::Submitted,
            Input::Launching { token: Token::of(["call"]), group_size: 10 },
            Input::Placed { task_arn: arn.into(), created_at: Some(now) },
        ] {
            assert!(apply(&mut run, &input, now).changed());
        }
        let heap = |run: &Run| run.name.capacity() + run.attempts.heap() + run.counts.0.capacity() * size_of::<u32>();
        let bytes = size_of::<Run>() + heap(&run);
        assert!(bytes < 450, "{bytes}: a run {}, an attempt {}", size_of::<Run>(), size_of::<Attempt>());
        let read: Run = serde_json::from_str(&serde_json::to_string(&run).unwrap()).unwrap();
        assert_eq!(heap(&read), heap(&run), "one that was read has no spare room either");
    }
}
