//! Every failure of an attempt gets a name, a class, a cause, a hint, and the names that `ErrorEquals` can match.

use serde::{Deserialize, Serialize};

/// The class of a failure, written `Taskwatch.<Class>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Class {
    /// An API refused for its rate. Never an attempt: the launch waits for a slot.
    #[serde(rename = "Taskwatch.Throttled")]
    Throttled,
    /// No room where the task was to run.
    #[serde(rename = "Taskwatch.Capacity")]
    Capacity,
    /// Network interface, route, or an endpoint that could not be reached.
    #[serde(rename = "Taskwatch.Network")]
    Network,
    /// The image could not be pulled or does not fit.
    #[serde(rename = "Taskwatch.Image")]
    Image,
    /// Disk, volume or file system.
    #[serde(rename = "Taskwatch.Storage")]
    Storage,
    /// Secrets, parameters or environment files.
    #[serde(rename = "Taskwatch.Secrets")]
    Secrets,
    /// The machine under the task, or its agent.
    #[serde(rename = "Taskwatch.Host")]
    Host,
    /// Spot capacity was taken back.
    #[serde(rename = "Taskwatch.Spot")]
    Spot,
    /// ECS or Docker itself.
    #[serde(rename = "Taskwatch.Service")]
    Service,
    /// The program in the container.
    #[serde(rename = "Taskwatch.Application")]
    Application,
    /// The request or the task definition is wrong.
    #[serde(rename = "Taskwatch.Configuration")]
    Configuration,
    /// Somebody stopped it.
    #[serde(rename = "Taskwatch.Stopped")]
    Stopped,
}

/// Whether another try can help, written `Taskwatch.<Transience>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transience {
    /// Try again.
    #[serde(rename = "Taskwatch.Transient")]
    Transient,
    /// Try again, better at the next placement.
    #[serde(rename = "Taskwatch.Elsewhere")]
    Elsewhere,
    /// Trying again never helps.
    #[serde(rename = "Taskwatch.Permanent")]
    Permanent,
    /// The program's own end: only its owner knows.
    #[serde(rename = "Taskwatch.Application")]
    Application,
}

/// Why an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The most specific name.
    pub error: String,
    /// What kind of failure it is.
    pub class: Class,
    /// Whether another try can help.
    pub transience: Transience,
    /// The text that ECS gave.
    pub cause: String,
    /// What to do about it.
    pub hint: String,
    /// Every name that `ErrorEquals` can match, from specific to general (without `States.TaskFailed` and `States.ALL`).
    pub names: Vec<String>,
}

/// The failure for one entry of `failures[]` in a RunTask answer.
pub fn from_refusal(reason: &str, detail: Option<&str>) -> Failure {
    let _ = (reason, detail);
    start_timeout(0)
}

/// The failure for an API exception of RunTask: `name` as AWS spells it (`InvalidParameterException`), and its message.
pub fn from_exception(name: &str, message: &str) -> Failure {
    let _ = (name, message);
    start_timeout(0)
}

/// The task did not reach its goal's start within `seconds`.
pub fn start_timeout(seconds: u64) -> Failure {
    Failure {
        error: "Taskwatch.StartTimeout".into(),
        class: Class::Service,
        transience: Transience::Transient,
        cause: format!("{seconds}"),
        hint: String::new(),
        names: vec![],
    }
}

/// The run (or, with ASL's state timeout, the attempt) took longer than `seconds`.
pub fn run_timeout(seconds: u64) -> Failure {
    start_timeout(seconds)
}

/// ECS no longer knows the task and its end was never heard of.
pub fn task_lost(task_arn: &str) -> Failure {
    let _ = task_arn;
    start_timeout(0)
}

/// The run was asked to stop, with the asker's reason.
pub fn stop_asked(reason: &str) -> Failure {
    let _ = reason;
    start_timeout(0)
}
