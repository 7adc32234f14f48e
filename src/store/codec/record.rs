//! The members of a run's record. Names are short, since millions are read at a start; one that is given up is never used
//! again for something else. Times are milliseconds after the run's submission.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Keys, Shared};
use crate::core::failure::{Class, Failure, Transience};
use crate::core::retry::RetryCounts;
use crate::core::run::{Attempt, Run, Stage, Status};
use crate::core::time::Timestamp;

type Text<'a> = Cow<'a, str>;

#[derive(Serialize, Deserialize)]
pub(super) struct RunRecord<'a> {
    /// Its name, where it is not that of its request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Text<'a>>,
    /// Its name is that of its request and its index.
    #[serde(default, skip_serializing_if = "is_default")]
    many: bool,
    status: Status,
    rev: u64,
    at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<i64>,
    #[serde(rename = "retryAt", default, skip_serializing_if = "Option::is_none")]
    retry_at: Option<i64>,
    #[serde(rename = "stopAsked", default, skip_serializing_if = "Option::is_none")]
    stop_asked: Option<Text<'a>>,
    #[serde(rename = "timedOut", default, skip_serializing_if = "is_default")]
    timed_out: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    redrives: u32,
    #[serde(rename = "redrivenAt", default, skip_serializing_if = "Option::is_none")]
    redriven_at: Option<i64>,
    #[serde(default, skip_serializing_if = "<[u32]>::is_empty")]
    counts: Cow<'a, [u32]>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tries: Vec<AttemptRecord<'a>>,
    /// What ended it is the failure of its last attempt.
    #[serde(rename = "byLast", default, skip_serializing_if = "is_default")]
    by_last: bool,
    #[serde(rename = "endedBy", default, skip_serializing_if = "Option::is_none")]
    ended_by: Option<FailureRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct AttemptRecord<'a> {
    no: u32,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    call: u32,
    stage: Stage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "is_default")]
    group: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    place: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "is_default")]
    ver: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queued: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sent: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    placed: Option<i64>,
    #[serde(rename = "stopSent", default, skip_serializing_if = "Option::is_none")]
    stop_sent: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(rename = "pullFrom", default, skip_serializing_if = "Option::is_none")]
    pull_from: Option<i64>,
    #[serde(rename = "pullTo", default, skip_serializing_if = "Option::is_none")]
    pull_to: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    started: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stopped: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exit: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    heard: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<FailureRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
struct FailureRecord<'a> {
    error: Text<'a>,
    class: Class,
    transience: Transience,
    cause: Text<'a>,
    hint: Text<'a>,
    names: Vec<Text<'a>>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

const fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
const fn is_one(value: &u32) -> bool {
    *value == 1
}

/// Instants as milliseconds after another, and back. Wraps, so that every instant comes back as it was.
#[derive(Clone, Copy)]
struct Since(i64);

impl Since {
    fn to(self, at: Option<Timestamp>) -> Option<i64> {
        at.map(|at| at.millis().wrapping_sub(self.0))
    }

    fn back(self, after: Option<i64>) -> Option<Timestamp> {
        after.map(|after| Timestamp::from_millis(after.wrapping_add(self.0)))
    }
}

impl<'a> RunRecord<'a> {
    /// Every member of a run is named here, so that one that is added is not forgotten.
    pub(super) fn of(run: &'a Run) -> Self {
        let Run {
            id: _,
            name,
            index,
            spec: _,
            digest: _,
            status,
            attempts,
            counts,
            submitted_at,
            finished_at,
            retry_at,
            stop_asked,
            timed_out,
            redrives,
            redriven_at,
            ended_by,
            revision,
        } = run;
        let request = run.request_name();
        let many = name.strip_prefix(request).and_then(|rest| rest.strip_prefix('/')) == Some(&index.to_string());
        let since = Since(submitted_at.millis());
        let last = attempts.last().and_then(|attempt| attempt.failure.as_ref());
        let by_last = ended_by.is_some() && ended_by.as_ref() == last;
        Self {
            name: Some(Cow::from(name.as_str())).filter(|_| !many && name != request),
            many,
            status: *status,
            rev: *revision,
            at: submitted_at.millis(),
            end: since.to(*finished_at),
            retry_at: since.to(*retry_at),
            stop_asked: stop_asked.as_deref().map(Cow::from),
            timed_out: *timed_out,
            redrives: *redrives,
            redriven_at: since.to(*redriven_at),
            counts: Cow::from(&counts.0),
            tries: attempts.iter().map(|attempt| AttemptRecord::of(attempt, since)).collect(),
            by_last,
            ended_by: ended_by.as_deref().filter(|_| !by_last).map(FailureRecord::of),
        }
    }

    pub(super) fn into_run(self, keys: Keys, shared: &Shared) -> Run {
        let Keys { id, request, index } = keys;
        let since = Since(self.at);
        let attempts: Vec<Attempt> = self.tries.into_iter().map(|attempt| attempt.into_attempt(since)).collect();
        let last = attempts.last().and_then(|attempt| attempt.failure.as_ref());
        let ended_by =
            if self.by_last { last.cloned() } else { self.ended_by.map(FailureRecord::into_failure).map(Arc::new) };
        let name = match self.name {
            Some(name) => name.into_owned(),
            None if self.many => format!("{request}/{index}"),
            None => request,
        };
        Run {
            id,
            name,
            index,
            spec: Arc::clone(&shared.spec),
            digest: shared.digest,
            status: self.status,
            attempts: attempts.into(),
            counts: RetryCounts(self.counts.into_owned()),
            submitted_at: Timestamp::from_millis(self.at),
            finished_at: since.back(self.end),
            retry_at: since.back(self.retry_at),
            stop_asked: self.stop_asked.map(Cow::into_owned),
            timed_out: self.timed_out,
            redrives: self.redrives,
            redriven_at: since.back(self.redriven_at),
            ended_by,
            revision: self.rev,
        }
    }
}

impl<'a> AttemptRecord<'a> {
    fn of(attempt: &'a Attempt, since: Since) -> Self {
        let Attempt {
            number,
            call,
            stage,
            token,
            group_size,
            placement,
            task_arn,
            version,
            last_status,
            queued_at,
            launched_at,
            placed_at,
            stop_sent_at,
            created_at,
            pull_started_at,
            pull_stopped_at,
            started_at,
            stopped_at,
            exit_code,
            failure,
            heard_at,
        } = attempt;
        Self {
            no: *number,
            call: *call,
            stage: *stage,
            token: token.as_deref().map(Cow::from),
            group: *group_size,
            place: *placement,
            task: task_arn.as_deref().map(Cow::from),
            ver: *version,
            last: last_status.as_deref().map(Cow::from),
            queued: since.to(*queued_at),
            sent: since.to(*launched_at),
            placed: since.to(*placed_at),
            stop_sent: since.to(*stop_sent_at),
            created: since.to(*created_at),
            pull_from: since.to(*pull_started_at),
            pull_to: since.to(*pull_stopped_at),
            started: since.to(*started_at),
            stopped: since.to(*stopped_at),
            exit: *exit_code,
            heard: since.to(*heard_at),
            failure: failure.as_deref().map(FailureRecord::of),
        }
    }

    fn into_attempt(self, since: Since) -> Attempt {
        Attempt {
            number: self.no,
            call: self.call,
            stage: self.stage,
            token: self.token.map(Cow::into_owned),
            group_size: self.group,
            placement: self.place,
            task_arn: self.task.map(Cow::into_owned),
            version: self.ver,
            last_status: self.last.map(Cow::into_owned),
            queued_at: since.back(self.queued),
            launched_at: since.back(self.sent),
            placed_at: since.back(self.placed),
            stop_sent_at: since.back(self.stop_sent),
            created_at: since.back(self.created),
            pull_started_at: since.back(self.pull_from),
            pull_stopped_at: since.back(self.pull_to),
            started_at: since.back(self.started),
            stopped_at: since.back(self.stopped),
            exit_code: self.exit,
            failure: self.failure.map(FailureRecord::into_failure).map(Arc::new),
            heard_at: since.back(self.heard),
        }
    }
}

impl<'a> FailureRecord<'a> {
    fn of(failure: &'a Failure) -> Self {
        let Failure { error, class, transience, cause, hint, names } = failure;
        Self {
            error: Cow::from(error.as_str()),
            class: *class,
            transience: *transience,
            cause: Cow::from(cause.as_str()),
            hint: Cow::from(hint.as_str()),
            names: names.iter().map(|name| Cow::from(name.as_str())).collect(),
        }
    }

    fn into_failure(self) -> Failure {
        Failure {
            error: self.error.into_owned(),
            class: self.class,
            transience: self.transience,
            cause: self.cause.into_owned(),
            hint: self.hint.into_owned(),
            names: self.names.into_iter().map(Cow::into_owned).collect(),
        }
    }
}
