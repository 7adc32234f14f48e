//! The members of a run's record. Names are short, since millions are read at a start; one that is given up is never used
//! again for something else. Times are milliseconds after the run's submission.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Keys, Shared};
use crate::core::failure::{Class, Failure, Transience};
use crate::core::ids::{TaskArn, Token};
use crate::core::log::LogPlace;
use crate::core::name::region_in_arn;
use crate::core::retry::RetryCounts;
use crate::core::run::{Attempt, Run, Stage, Status};
use crate::core::task::TaskStatus;
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
    token: Option<Token>,
    #[serde(default, skip_serializing_if = "is_default")]
    group: u32,
    #[serde(default, skip_serializing_if = "is_default")]
    place: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task: Option<TaskArn>,
    #[serde(default, skip_serializing_if = "is_default")]
    ver: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<TaskStatus>,
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<LogRecord<'a>>,
}

/// Where the lines of a container are. What follows from the task's ARN is left out.
#[derive(Serialize, Deserialize)]
struct LogRecord<'a> {
    #[serde(rename = "of")]
    container: Text<'a>,
    /// Left out: `awslogs`. Empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Text<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<Text<'a>>,
    /// The stream without the container and the task's id behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre: Option<Text<'a>>,
    /// The stream, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stream: Option<Text<'a>>,
    /// Left out: the task's. Empty: none.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    region: Option<Text<'a>>,
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
            log,
        } = attempt;
        Self {
            no: *number,
            call: *call,
            stage: *stage,
            token: *token,
            group: u32::from(*group_size),
            place: *placement,
            task: task_arn.clone(),
            ver: *version,
            last: last_status.clone(),
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
            log: log.as_deref().map(|log| LogRecord::of(log, task_arn.as_ref())),
        }
    }

    fn into_attempt(self, since: Since) -> Attempt {
        let log = self.log.map(|log| Arc::new(log.into_place(self.task.as_ref())));
        Attempt {
            number: self.no,
            call: self.call,
            stage: self.stage,
            token: self.token,
            group_size: u8::try_from(self.group).unwrap_or(u8::MAX),
            placement: self.place,
            task_arn: self.task,
            version: self.ver,
            last_status: self.last,
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
            log,
        }
    }
}

const AWSLOGS: &str = "awslogs";

/// What stands behind the prefix in a stream of awslogs.
fn of_task(container: &str, task: Option<&TaskArn>) -> String {
    format!("/{container}/{}", task.map(TaskArn::task_id).unwrap_or_default())
}

/// The Region of a task.
fn region_of(task: Option<&TaskArn>) -> Option<String> {
    task.and_then(|task| region_in_arn(&task.to_string()).map(str::to_owned))
}

impl<'a> LogRecord<'a> {
    fn of(log: &'a LogPlace, task: Option<&TaskArn>) -> Self {
        let LogPlace { container, driver, group, stream, region } = log;
        let behind = of_task(container, task);
        let pre = stream.as_deref().and_then(|stream| stream.strip_suffix(behind.as_str()));
        let own_region = *region == region_of(task);
        Self {
            container: Cow::from(container.as_str()),
            by: Some(Cow::from(driver.as_deref().unwrap_or_default())).filter(|driver| driver != AWSLOGS),
            group: group.as_deref().map(Cow::from),
            pre: pre.map(Cow::from),
            stream: stream.as_deref().filter(|_| pre.is_none()).map(Cow::from),
            region: Some(Cow::from(region.as_deref().unwrap_or_default())).filter(|_| !own_region),
        }
    }

    fn into_place(self, task: Option<&TaskArn>) -> LogPlace {
        let none_if_empty = |text: Text<'_>| Some(text.into_owned()).filter(|text| !text.is_empty());
        let stream = self.pre.map(|pre| format!("{pre}{}", of_task(&self.container, task)));
        LogPlace {
            driver: self.by.map_or_else(|| Some(AWSLOGS.to_owned()), none_if_empty),
            group: self.group.map(Cow::into_owned),
            stream: stream.or_else(|| self.stream.map(Cow::into_owned)),
            region: self.region.map_or_else(|| region_of(task), none_if_empty),
            container: self.container.into_owned(),
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
