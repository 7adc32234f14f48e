//! A launch of somebody else's, once more: whether that is safe, and the request that does it exactly.
//!
//! Repeated is only what provably never ran, of launchers that do not try it again themselves: EventBridge's rules and Scheduler try
//! errors of the API again for a day, and neither `failures[]` nor tasks that failed to start (EventBridge user guide, "Retrying event
//! delivery"; Scheduler user guide, "Retry policy"). What cannot be repeated exactly is not repeated.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{ObservedFailure, RunTaskRecord};
use crate::core::convert::convert;
use crate::core::launcher::LauncherKind;
use crate::core::name;
use crate::core::request::Acceptance;
use crate::core::retry::RetryPolicy;
use crate::core::task::Task;
use crate::core::time::Timestamp;

use super::policy::RetryRules;

/// What stands for a value in CloudTrail's records.
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";
/// The tag of a task that repeats another one's launch.
pub const TAG: &str = "taskwatch:repeats";
/// RunTask takes so many tags (API reference).
const MOST_TAGS: usize = 50;
/// A larger one is not kept.
const MOST_BYTES: usize = 16 * 1024;
/// CloudTrail has whole seconds, and its clock and ECS's may differ by so much.
const CLOCKS: Duration = Duration::from_secs(2);
/// Containers that AWS adds to tasks.
const INJECTED: &str = "aws-guardduty-agent";
/// Members of an override of a container, and of the task's (ECS API reference).
const OF_CONTAINER: [&str; 8] = [
    "name",
    "command",
    "environment",
    "environmentFiles",
    "cpu",
    "memory",
    "memoryReservation",
    "resourceRequirements",
];
const OF_TASK: [&str; 6] =
    ["cpu", "memory", "executionRoleArn", "taskRoleArn", "ephemeralStorage", "inferenceAcceleratorOverrides"];

/// What is launched once more.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Again {
    /// A task: its overrides in full, as its event has them.
    Task {
        /// They.
        overrides: Value,
        /// With its revision.
        task_definition: String,
        /// By ARN.
        cluster: String,
    },
    /// A part of a call: the request as CloudTrail has it, and the tasks that it placed.
    Call {
        /// It.
        request: Map<String, Value>,
        /// By ARN.
        tasks: Vec<String>,
    },
}

/// What names of runs begin with that repeat a failure.
const NAMED: &str = "observe:";

/// The failure that a run of this name repeats.
pub fn repeated(run_name: &str) -> Option<Uuid> {
    run_name.strip_prefix(NAMED)?.rsplit_once(':')?.1.parse().ok()
}

/// A launch that waits to be repeated, until late tasks would have come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Repeat {
    /// What failed.
    pub failed: ObservedFailure,
    /// The policy's name.
    pub policy: String,
    /// `startedBy` of the launcher's tasks.
    pub started_by: String,
    /// When it was launched.
    pub launched_at: Timestamp,
    /// When it is decided.
    pub due: Timestamp,
    /// Not later after its launch.
    pub within: Duration,
    /// A launcher that has launched again since is left alone.
    pub skip_when_newer: bool,
    /// The retries of the repeat.
    pub retry: Option<RetryPolicy>,
    /// What is launched.
    pub again: Again,
}

/// A rule's or schedule's target, as its API shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct LaunchTarget {
    /// The name of the rule or schedule.
    pub name: String,
    /// The target.
    pub target: Value,
}

impl Repeat {
    /// A task that failed, if it may be launched once more. `event` is the event's `detail`.
    ///
    /// # Errors
    /// Why it may not.
    pub fn of_task(
        (failed, task, event): (&ObservedFailure, &Task<'_>, &Value),
        (policy, rules): (&str, &RetryRules),
        now: Timestamp,
    ) -> Result<Self, String> {
        if failed.ran || !failed.failure.names.iter().any(|name| name == "TaskFailedToStart") {
            return Err("a task that may have run is never launched once more".to_owned());
        }
        let launched_at = task.created_at.ok_or("its event does not say when it was launched")?;
        let again = Again::Task {
            overrides: overrides(&event["overrides"]),
            task_definition: task.task_definition_arn.to_string(),
            cluster: task.cluster_arn.to_string(),
        };
        Self::new(failed, (task.started_by.as_deref(), launched_at), (policy, rules), again, now)
    }

    /// A launch that was refused, if it may be made once more.
    ///
    /// # Errors
    /// Why it may not.
    pub fn of_call(
        (failed, record): (&ObservedFailure, &RunTaskRecord),
        (policy, rules): (&str, &RetryRules),
        now: Timestamp,
    ) -> Result<Self, String> {
        if record.error.is_some() {
            return Err("EventBridge itself tries a call again that was answered with an error".to_owned());
        }
        let again = Again::Call { request: record.request.clone(), tasks: record.tasks.clone() };
        Self::new(failed, (record.started_by.as_deref(), record.at), (policy, rules), again, now)
    }

    fn new(
        failed: &ObservedFailure,
        (started_by, launched_at): (Option<&str>, Timestamp),
        (policy, rules): (&str, &RetryRules),
        again: Again,
        now: Timestamp,
    ) -> Result<Self, String> {
        let kind = failed.launcher.kind;
        if !matches!(kind, LauncherKind::Rule | LauncherKind::Schedule) {
            return Err(format!("{}: it may try again itself; rules and schedules do not", kind.as_str()));
        }
        let repeat = Self {
            failed: failed.clone(),
            policy: policy.to_owned(),
            started_by: started_by.unwrap_or_default().to_owned(),
            launched_at,
            due: now.plus(rules.settle),
            within: rules.within,
            skip_when_newer: rules.skip_when_newer,
            retry: rules.retry.clone(),
            again,
        };
        repeat.in_time(now)?;
        let bytes = serde_json::to_string(&repeat).map_or(usize::MAX, |text| text.len());
        if bytes > MOST_BYTES { Err("its request is too large to be kept".to_owned()) } else { Ok(repeat) }
    }

    /// Whether it is still to be repeated.
    ///
    /// # Errors
    /// It was launched too long ago.
    pub fn in_time(&self, now: Timestamp) -> Result<(), String> {
        match now.since(self.launched_at) > self.within {
            true => {
                Err(format!("it was launched at {}, longer ago than {} s", self.launched_at, self.within.as_secs()))
            }
            false => Ok(()),
        }
    }

    /// The name of the run that repeats it: one for one failure, in the whole fleet.
    pub fn run_name(&self) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
        let policy: String = self.policy.chars().map(plain).collect();
        format!("{NAMED}{policy}:{}", self.failed.id)
    }

    /// What the tag says.
    fn of(&self) -> String {
        self.failed.task_arn.clone().unwrap_or_else(|| format!("call {}", self.failed.id))
    }

    /// Whether tasks of the same launcher forbid it: `tasks` are those that ECS lists of it, `known` those that answers of calls
    /// named, `siblings` those of the call that launched the task.
    ///
    /// # Errors
    /// Why it is not to be repeated.
    pub fn judge(&self, tasks: &[Task<'_>], known: &dyn Fn(&str) -> bool, siblings: &[String]) -> Result<(), String> {
        // One that is listed and cannot be described yet may be of any family, and as new as can be.
        let of_family = |task: &&Task<'_>| {
            task.task_definition_arn.is_empty() || name::family_of(&task.task_definition_arn) == self.failed.family()
        };
        let is_call = matches!(self.again, Again::Call { .. });
        let its: &[String] = match &self.again {
            Again::Call { tasks, .. } => tasks,
            Again::Task { .. } => siblings,
        };
        for task in tasks.iter().filter(of_family) {
            let arn = task.task_arn.as_ref();
            let is_its = self.failed.task_arn.as_deref() == Some(arn) || its.iter().any(|its| its == arn);
            if is_its || task.created_at.is_some_and(|created| created < self.launched_at.minus(CLOCKS)) {
                continue;
            }
            if is_call && !known(arn) {
                return Err(format!("task {arn} may have come late from the same call"));
            }
            if self.skip_when_newer && task.created_at.is_none_or(|created| created > self.launched_at) {
                return Err(format!("its launcher has launched again since: {arn}"));
            }
        }
        Ok(())
    }

    /// Whether the launcher's targets are needed: what of the request is in no record.
    pub fn needs_target(&self, record: Option<&Map<String, Value>>) -> bool {
        match &self.again {
            Again::Task { .. } => record.is_none(),
            Again::Call { request, .. } => is_hidden(&request.get("overrides").cloned().unwrap_or_default()),
        }
    }

    /// The run request. `record` is the request of the call that launched the task, `targets` are those of launchers with its name.
    ///
    /// # Errors
    /// Why it cannot be repeated exactly.
    pub fn request(
        &self,
        record: Option<&Map<String, Value>>,
        targets: &[LaunchTarget],
        at: &Acceptance,
    ) -> Result<Value, String> {
        let mut members = match (&self.again, record) {
            (Again::Task { .. }, Some(record)) => record.clone(),
            (Again::Task { .. }, None) => self.target(targets, at)?,
            (Again::Call { request, .. }, _) if self.needs_target(None) => {
                let mut request = request.clone();
                match self.target(targets, at)?.remove("overrides") {
                    Some(overrides) => drop(request.insert("overrides".to_owned(), overrides)),
                    None => return Err("its environment is hidden by CloudTrail, and its target has none".to_owned()),
                }
                request
            }
            (Again::Call { request, .. }, _) => request.clone(),
        };
        for ours in ["clientToken", "startedBy", "count"] {
            members.remove(ours);
        }
        members.retain(|_, value| !value.is_null());
        if let Again::Task { overrides, task_definition, cluster } = &self.again {
            members.insert("taskDefinition".to_owned(), task_definition.as_str().into());
            members.insert("cluster".to_owned(), cluster.as_str().into());
            match overrides.as_object().is_some_and(Map::is_empty) {
                true => drop(members.remove("overrides")),
                false => drop(members.insert("overrides".to_owned(), overrides.clone())),
            }
        }
        if is_hidden(&Value::Object(members.clone())) {
            return Err("a part of its request is hidden by CloudTrail".to_owned());
        }
        let tags = members.entry("tags").or_insert_with(|| json!([]));
        let tags = tags.as_array_mut().ok_or("its tags are no list")?;
        if tags.len() < MOST_TAGS {
            tags.push(json!({"key": TAG, "value": self.of()}));
        }
        let mut request = json!({"name": self.run_name(), "runTask": members, "until": "stopped"});
        if let Some(missing) = self.failed.missing.filter(|missing| *missing > 1) {
            request["runTask"]["count"] = missing.into();
        }
        if let Some(retry) = &self.retry {
            request["retry"] = serde_json::to_value(retry).unwrap_or_default();
        }
        Ok(request)
    }

    /// The one target of these launchers that launches this family in this cluster, as RunTask's members.
    fn target(&self, targets: &[LaunchTarget], at: &Acceptance) -> Result<Map<String, Value>, String> {
        let fits = |target: &&LaunchTarget| {
            let text = |value: &Value| name::in_arn(value.as_str().unwrap_or_default()).to_owned();
            let definition = target.target["EcsParameters"]["TaskDefinitionArn"].as_str().unwrap_or_default();
            name::family_of(definition) == self.failed.family() && text(&target.target["Arn"]) == self.failed.cluster
        };
        let found: Vec<&LaunchTarget> = targets.iter().filter(fits).collect();
        let target = match found.as_slice() {
            [one] => one,
            [] => return Err(format!("no target of {} launches {}", self.failed.launcher, self.failed.family())),
            more => {
                let names: Vec<&str> = more.iter().map(|target| target.name.as_str()).collect();
                return Err(format!("it is not certain which target launched it: {}", names.join(", ")));
            }
        };
        let converted =
            convert(json!({"Targets": [target.target]}), at).map_err(|e| format!("{}: {e}", target.name))?;
        let request = converted.into_iter().next().map(|one| one.request).unwrap_or_default();
        request["runTask"]
            .as_object()
            .cloned()
            .ok_or_else(|| format!("{}: its target is no RunTask request", target.name))
    }
}

/// Overrides of an event, without what AWS has put in: they name every container, and those that it injected.
fn overrides(event: &Value) -> Value {
    let kept = |value: &Value| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty());
    let chosen = |from: &Value, members: &[&str]| -> Map<String, Value> {
        let from = from.as_object();
        let value =
            |name: &&str| from?.get(*name).filter(|value| kept(value)).map(|value| ((*name).to_owned(), value.clone()));
        members.iter().filter_map(value).collect()
    };
    let mut all = chosen(event, &OF_TASK);
    let is_own = |container: &&Value| !container["name"].as_str().unwrap_or_default().starts_with(INJECTED);
    let containers = event["containerOverrides"].as_array().into_iter().flatten().filter(is_own);
    let containers: Vec<Value> = containers
        .map(|container| chosen(container, &OF_CONTAINER))
        .filter(|c| c.len() > 1)
        .map(Value::Object)
        .collect();
    if !containers.is_empty() {
        all.insert("containerOverrides".to_owned(), containers.into());
    }
    Value::Object(all)
}

/// Whether CloudTrail has hidden something in it.
fn is_hidden(value: &Value) -> bool {
    match value {
        Value::String(text) => text == HIDDEN,
        Value::Array(items) => items.iter().any(is_hidden),
        Value::Object(members) => members.iter().any(|(name, member)| name == HIDDEN || is_hidden(member)),
        _ => false,
    }
}
