//! Every failure of an attempt gets a name, a class, a cause, a hint, and the names that `ErrorEquals` can match.

#[cfg(test)]
mod bare_tests;
mod step_functions;
mod stopped;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub(super) use step_functions::from_step_functions;
pub(super) use stopped::{has_another_cause, is_container_exit, stopped, warned};

use serde::{Deserialize, Serialize};

use table::Meaning;

/// The class of a failure, written `Taskwatch.<Class>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
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

impl Class {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Throttled,
        Self::Capacity,
        Self::Network,
        Self::Image,
        Self::Storage,
        Self::Secrets,
        Self::Host,
        Self::Spot,
        Self::Service,
        Self::Application,
        Self::Configuration,
        Self::Stopped,
    ];

    /// As written everywhere outside: `Taskwatch.Capacity`, ….
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "Taskwatch.Throttled",
            Self::Capacity => "Taskwatch.Capacity",
            Self::Network => "Taskwatch.Network",
            Self::Image => "Taskwatch.Image",
            Self::Storage => "Taskwatch.Storage",
            Self::Secrets => "Taskwatch.Secrets",
            Self::Host => "Taskwatch.Host",
            Self::Spot => "Taskwatch.Spot",
            Self::Service => "Taskwatch.Service",
            Self::Application => "Taskwatch.Application",
            Self::Configuration => "Taskwatch.Configuration",
            Self::Stopped => "Taskwatch.Stopped",
        }
    }
}

impl Transience {
    /// As written everywhere outside: `Taskwatch.Transient`, ….
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "Taskwatch.Transient",
            Self::Elsewhere => "Taskwatch.Elsewhere",
            Self::Permanent => "Taskwatch.Permanent",
            Self::Application => "Taskwatch.Application",
        }
    }
}

/// Failures that no text of AWS's tells of.
const START_TIMEOUT: &str = "Taskwatch.StartTimeout";
const RUN_TIMEOUT: &str = "Taskwatch.RunTimeout";
const TASK_LOST: &str = "Taskwatch.TaskLost";

/// What shows a run's lines; `NAME` stands for the run's.
const LOG_COMMAND: &str = "taskwatch logs NAME";
/// How hints name that command.
const LOG_REMARKS: [&str; 3] =
    ["; its log: taskwatch logs NAME", "; what it wrote: taskwatch logs NAME", " (taskwatch logs NAME)"];
/// Exceptions of RunTask whose code some records write without `Exception`, as CloudTrail does with what IAM refuses.
const WITHOUT_EXCEPTION: [&str; 16] = [
    "AccessDenied",
    "Blocked",
    "Client",
    "ClusterNotFound",
    "Conflict",
    "ExpiredToken",
    "IncompleteSignature",
    "InvalidParameter",
    "PlatformTaskDefinitionIncompatibility",
    "PlatformUnknown",
    "RequestTimeout",
    "Server",
    "Throttling",
    "TooManyRequests",
    "UnrecognizedClient",
    "UnsupportedFeature",
];

/// Every name of taskwatch's own that `ErrorEquals` can match.
pub(in crate::core) fn own_names() -> impl Iterator<Item = &'static str> {
    let transience = [Transience::Transient, Transience::Elsewhere, Transience::Permanent, Transience::Application];
    let names = Class::ALL.map(Class::as_str).into_iter().chain(transience.map(Transience::as_str));
    names.chain([START_TIMEOUT, RUN_TIMEOUT, TASK_LOST])
}

impl Failure {
    /// A failure with these specific names, to which class and transience are added.
    fn new(names: &[&str], meaning: Meaning, cause: impl Into<String>) -> Self {
        let elsewhere = (meaning.transience == Transience::Elsewhere).then_some(Transience::Transient.as_str());
        let general = [meaning.class.as_str(), meaning.transience.as_str()];
        let mut all: Vec<String> = Vec::new();
        for name in names.iter().copied().chain(general).chain(elsewhere) {
            if !name.is_empty() && !all.iter().any(|n| n == name) {
                all.push(name.to_owned());
            }
        }
        Self {
            error: all.first().cloned().unwrap_or_default(),
            class: meaning.class,
            transience: meaning.transience,
            cause: cause.into(),
            hint: match meaning.class {
                Class::Application => format!("{}; its log: {LOG_COMMAND}", meaning.hint),
                _ => meaning.hint.to_owned(),
            },
            names: all,
        }
    }

    /// What to do about it, of a run with this name.
    pub fn hint_for(&self, run: &str) -> String {
        self.hint.replace(LOG_COMMAND, &format!("taskwatch logs {run}"))
    }

    /// What to do about it, where no command shows what the program wrote.
    pub(in crate::core) fn hint_without_log(&self) -> String {
        LOG_REMARKS.iter().fold(self.hint.clone(), |hint, remark| hint.replace(remark, ""))
    }

    /// What to do about it, where this command shows what the program wrote.
    pub fn hint_with(&self, command: &str) -> String {
        self.hint.replace(LOG_COMMAND, command)
    }
}

/// What a text means that neither the table nor its words explain.
fn unexplained(class: Class, transience: Transience) -> Meaning {
    Meaning::new(class, transience, table::hint("unknown-stop"))
}

/// The failure for one entry of `failures[]` in a RunTask answer.
///
/// `AmazonECS.Unknown` is what Step Functions calls it (developer guide, "Manage Amazon ECS or Fargate tasks").
pub fn from_refusal(reason: &str, detail: Option<&str>) -> Failure {
    let reason = reason.trim();
    let detail = detail.map(str::trim).filter(|d| !d.is_empty());
    let cause = detail.map_or_else(|| reason.to_owned(), |d| format!("{reason}: {d}"));
    let throttled = table::exception(&cause).filter(|meaning| meaning.class == Class::Throttled);
    let meaning = throttled.or_else(|| table::known(reason)).or_else(|| table::meaning(&cause));
    let meaning = meaning.unwrap_or_else(|| unexplained(Class::Capacity, Transience::Elsewhere));
    // A reason that is a name (RESOURCE:MEMORY) can be matched; a sentence is a cause.
    let name = if reason.contains(char::is_whitespace) { "" } else { reason };
    let mut failure = Failure::new(&[name, "AmazonECS.Unknown"], meaning, cause);
    if failure.cause.is_empty() {
        failure.cause = "RunTask placed fewer tasks than were asked for, and gave no reason".to_owned();
    }
    failure
}

/// The failure for an API exception of RunTask: `name` as AWS spells it (`InvalidParameterException`), and its message.
/// Throttling comes out as class [`Class::Throttled`], whatever name it hides behind.
pub fn from_exception(name: &str, message: &str) -> Failure {
    let name = name.rsplit(['#', '/']).next().unwrap_or_default();
    let name = name.split(':').next().unwrap_or_default().trim();
    // boto3's text: `An error occurred (ClientException) when calling the RunTask operation`.
    let name = name.split_once('(').map_or(name, |(_, rest)| rest.split(')').next().unwrap_or_default());
    let text = format!("{name}: {message}");
    let meaning = table::exception(&text).or_else(|| table::meaning(message)).or_else(|| table::words(&text));
    let meaning = meaning.unwrap_or_else(|| unexplained(Class::Service, Transience::Transient));
    let specific = if name.is_empty() { String::new() } else { format!("ECS.{name}") };
    // A retry on the exception's own name matches however the record spells it.
    let full = if WITHOUT_EXCEPTION.contains(&name) { format!("{specific}Exception") } else { String::new() };
    let cause = if message.trim().is_empty() { name.to_owned() } else { text };
    Failure::new(&[&specific, &full, "ECS.AmazonECSException"], meaning, cause)
}

/// Whether a text has a name of ECS's, such as `CannotPullContainerError`.
pub(in crate::core) fn has_name(text: &str) -> bool {
    text::prefix(text).is_some()
}

/// Whether a name of ECS's own stands in a text, also behind what programs write before it.
pub(in crate::core) fn has_ecs_name(text: &str) -> bool {
    text::has_ecs_name(text)
}

/// Whether a text that stands by itself tells of a failure: the table knows it, its words say something, or it has a name.
pub(in crate::core) fn says_something(text: &str) -> bool {
    table::meaning(text).is_some() || table::exception(text).is_some() || has_name(text)
}

/// The task did not reach RUNNING within `seconds`.
pub fn start_timeout(seconds: u64) -> Failure {
    let hint = "see which status it was stuck in: PROVISIONING points to capacity or network, PENDING to the image pull; \
                raise startTimeoutSeconds if the image is just large";
    let meaning = Meaning::new(Class::Service, Transience::Transient, hint);
    let cause = format!("the task did not reach RUNNING within {seconds} s and was stopped");
    Failure::new(&[START_TIMEOUT, "States.Timeout"], meaning, cause)
}

/// The run took longer than `seconds`.
pub fn run_timeout(seconds: u64) -> Failure {
    let hint = "raise the timeout, or find out what takes so long";
    let meaning = Meaning::new(Class::Application, Transience::Application, hint);
    Failure::new(&[RUN_TIMEOUT, "States.Timeout"], meaning, format!("not done within {seconds} s"))
}

/// The attempt took longer than `seconds` (ASL's `TimeoutSeconds` of a state). One whose containers had not `started` is a
/// failure to start, not the program's own end.
pub fn attempt_timeout(seconds: u64, started: bool) -> Failure {
    if started {
        return run_timeout(seconds);
    }
    let hint = "the attempt's time was over before its containers started: see which status it was stuck in, or raise \
                attemptTimeoutSeconds";
    let meaning = Meaning::new(Class::Service, Transience::Transient, hint);
    let cause = format!("the task did not reach RUNNING within the {seconds} s of its attempt and was stopped");
    Failure::new(&[RUN_TIMEOUT, "States.Timeout"], meaning, cause)
}

/// What to do about a container that ran out of memory.
pub(in crate::core) fn out_of_memory_hint() -> &'static str {
    table::hint("oom")
}

/// ECS no longer knows the task and nothing told how it ended. A task that was `seen` (by an event or a description) may
/// have done its work meanwhile: whether it may run again is for its owner to say, as after a program's own end.
pub fn task_lost(task_arn: &str, seen: bool) -> Failure {
    let hint = "ECS forgets a stopped task after about an hour, so nobody can tell how it ended: see what it wrote \
                (taskwatch logs NAME) before it is run again; if a cell reads its events from a queue, check that they reach it";
    let transience = if seen { Transience::Application } else { Transience::Transient };
    let meaning = Meaning::new(Class::Service, transience, hint);
    let cause = format!("ECS does not know {task_arn} any more, and nothing told how it ended");
    Failure::new(&[TASK_LOST], meaning, cause)
}

/// The run was asked to stop, with the asker's reason.
pub fn stop_asked(reason: &str) -> Failure {
    let hint = "somebody asked for it; submit it again if that was not meant";
    let meaning = Meaning::new(Class::Stopped, Transience::Permanent, hint);
    Failure::new(&["Taskwatch.Stopped"], meaning, format!("stopped on request: {reason}"))
}

/// The store cannot hold the run, with what the store said.
pub fn too_large(why: &str) -> Failure {
    let hint = "make the request smaller: its environment, overrides and messages are kept with the run";
    let meaning = Meaning::new(Class::Configuration, Transience::Permanent, hint);
    Failure::new(&["Taskwatch.TooLarge"], meaning, why.chars().take(300).collect::<String>())
}

/// The failure of a task that ended by itself, where the container that is to decide is none of its own.
pub(in crate::core) fn no_such_container<'n>(name: &str, containers: impl Iterator<Item = &'n str>) -> Failure {
    let hint =
        "correct decidedBy: it names containers of the task definition; leave it out, and the essential ones decide";
    let meaning = Meaning::new(Class::Configuration, Transience::Permanent, hint);
    let known: Vec<&str> = containers.collect();
    Failure::new(
        &[],
        meaning,
        format!("the task has no container {name:?} to decide how it ended, only {}", known.join(", ")),
    )
}
