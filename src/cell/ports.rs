//! What a cell needs from the world, as small traits. The AWS adapters and the tests' fakes implement them.

use std::time::Duration;

use futures::future::BoxFuture;

use crate::core::failure::{self, Class, Failure, Transience};
use crate::core::launcher::Launcher;
use crate::core::log::{LogConfig, LogLine};
use crate::core::notification::Notification;
use crate::core::observe::LaunchTarget;
use crate::core::run_task::RunTask;
use crate::core::task::Task;
use crate::core::time::Timestamp;

/// Why a call to AWS did not answer as hoped.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// Refused for its rate, in whatever disguise: nothing happened, slow down.
    #[error("throttled: {0}")]
    Throttled(String),
    /// Broken connection, timeout, 5xx: it may have happened. Safe to send again. Also what is refused now and may be taken
    /// later: its text says which.
    #[error("{0}")]
    Unknown(String),
    /// No connection, or no caller that AWS knows (no credentials, wrong or expired ones): nothing happened. It may go well
    /// once that is mended; its text says what to do.
    #[error("{0}")]
    Unreached(String),
    /// RunTask's ConflictException: the token was used for these tasks.
    #[error("the token was already used, for {0:?}")]
    Conflict(Vec<String>),
    /// AWS said no and will say no again.
    #[error("{}: {}", .0.error, .0.cause)]
    Refused(Box<Failure>),
}

impl CallError {
    /// What an exception of any AWS call means: throttling hides behind many names, and what a server or credentials
    /// that ran out had to say may be otherwise the next time.
    pub fn from_exception(name: &str, message: &str) -> Self {
        let failure = failure::from_exception(name, message);
        match (failure.class, failure.transience) {
            (Class::Throttled, _) => Self::Throttled(failure.cause),
            // Of the configuration nothing but the caller's credentials can mend itself.
            (Class::Configuration, Transience::Transient) => Self::Unreached(failure.cause),
            (Class::Service | Class::Configuration | Class::Network, Transience::Transient | Transience::Elsewhere) => {
                Self::Unknown(failure.cause)
            }
            _ => Self::Refused(Box::new(failure)),
        }
    }
}

/// One RunTask call.
#[derive(Clone, Debug)]
pub struct RunTaskCall {
    /// The request, placement and environment included.
    pub run_task: RunTask,
    /// 1 to 10.
    pub count: u32,
    /// `clientToken`.
    pub client_token: String,
    /// `<cell>/<token>`.
    pub started_by: String,
}

/// RunTask's 200.
#[derive(Clone, Debug, Default)]
pub struct RunTaskAnswer {
    /// The tasks that were placed.
    pub tasks: Vec<Task<'static>>,
    /// What was refused: reason and detail as given.
    pub failures: Vec<(String, Option<String>)>,
}

/// DescribeTasks' answer.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// The tasks ECS knows.
    pub tasks: Vec<Task<'static>>,
    /// ARNs it does not (`MISSING`).
    pub missing: Vec<String>,
}

/// One container of a task definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerDefinition {
    /// Its name.
    pub name: String,
    /// Whether its end ends the task (AWS's default is true).
    pub essential: bool,
    /// Where its lines go; none: nowhere that is known.
    pub log: Option<LogConfig>,
}

/// The part of ECS that a cell uses.
pub trait Ecs: Send + Sync + 'static {
    /// RunTask, once: no retries inside.
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>>;
    /// StopTask.
    fn stop_task<'a>(
        &'a self,
        cluster: &'a str,
        task_arn: &'a str,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), CallError>>;
    /// DescribeTasks for up to 100 tasks of one cluster.
    fn describe_tasks<'a>(
        &'a self,
        cluster: &'a str,
        task_arns: &'a [String],
    ) -> BoxFuture<'a, Result<Described, CallError>>;
    /// ListTasks by `startedBy`: the ARNs of tasks that ECS knows, also of those that are stopped.
    fn tasks_started_by<'a>(
        &'a self,
        cluster: &'a str,
        started_by: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, CallError>>;
    /// The containers of one task definition (family, family:revision or ARN).
    fn container_definitions<'a>(
        &'a self,
        task_definition: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>>;
}

/// A message in hand.
#[derive(Clone, Debug)]
pub struct Message {
    /// SQS's message id.
    pub id: String,
    /// What deletes it.
    pub receipt: String,
    /// Its text.
    pub body: String,
    /// When it was put into the queue, if the queue says so.
    pub sent_at: Option<Timestamp>,
}

/// One SQS queue.
pub trait Queue: Send + Sync + 'static {
    /// Up to 10 messages; waits up to `wait` (20 s at most) for the first.
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>>;
    /// Deletes up to 10; answers the receipts that were not deleted.
    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>>;
    /// Makes messages visible again at once.
    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>>;
    /// Sends one message with string attributes.
    fn send<'a>(&'a self, body: &'a str, attributes: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>>;
}

/// Where notifications go.
pub trait Notifier: Send + Sync + 'static {
    /// Publishes what [`crate::core::notification::calls`] puts into one call, all for one destination, in order; one answer for each.
    /// [`CallError::Refused`]: the destination will never take this one as it is. Anything else: it may take it later.
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>>;
}

/// What launches tasks by itself: EventBridge's rules and schedules.
pub trait Launchers: Send + Sync + 'static {
    /// The ECS targets of those that have a launcher's name; of a name that was cut, of all whose name begins so.
    fn targets<'a>(&'a self, launcher: &'a Launcher) -> BoxFuture<'a, Result<Vec<LaunchTarget>, CallError>>;
}

/// One call for the lines of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEventsCall {
    /// Of the group; none: the caller's own.
    pub region: Option<String>,
    /// The log group.
    pub group: String,
    /// The stream.
    pub stream: String,
    /// Most lines of the answer, 1 to 10,000.
    pub limit: u32,
    /// Oldest lines first; else the newest ones. Of a call with a token it does not count.
    pub from_head: bool,
    /// Where an earlier answer ended, in one of the two directions.
    pub token: Option<String>,
}

/// A page of lines, oldest first. It may be empty and not the last one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogEvents {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Asks for earlier ones; the token of the call: there are none.
    pub backward: Option<String>,
    /// Asks for later ones; the token of the call: there are none yet.
    pub forward: Option<String>,
}

/// CloudWatch Logs.
pub trait LogSource: Send + Sync + 'static {
    /// GetLogEvents, once: no retries inside. `None`: the stream, or its group, is not there (yet).
    fn log_events<'a>(&'a self, call: &'a LogEventsCall) -> BoxFuture<'a, Result<Option<LogEvents>, CallError>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_whom_aws_does_not_know_has_changed_nothing() {
        for (name, message) in [
            ("ExpiredTokenException", "The security token included in the request is expired"),
            ("UnrecognizedClientException", "The security token included in the request is invalid."),
            ("InvalidSignatureException", "The request signature we calculated does not match"),
        ] {
            let error = CallError::from_exception(name, message);
            assert!(matches!(&error, CallError::Unreached(why) if why.contains(message)), "{name}: {error:?}");
        }
        let denied = CallError::from_exception("AccessDeniedException", "not authorized to perform: ecs:RunTask");
        assert!(matches!(denied, CallError::Refused(_)), "{denied:?}");
    }

    #[test]
    fn what_aws_said_is_not_called_no_answer() {
        let gone = CallError::Unknown("NotFound: Topic does not exist".into());
        assert_eq!(gone.to_string(), "NotFound: Topic does not exist");
    }
}
