//! AWS Batch jobs: each is an ECS task under another name.
//!
//! Source: AWS Batch API reference, DescribeJobs, and developer guide, "Job states".

use serde_json::{Map, Value, json};

use super::members::get;

/// A job as the ECS task that it is.
pub(super) struct Job {
    /// The task.
    pub(super) task: Value,
    /// Whether its ARN is the task's own, and not the job's.
    pub(super) names_its_task: bool,
}

/// What Batch itself ended is no wish of a person, whatever it calls to end it.
const TIMED_OUT: &str = "Job attempt duration exceeded";

/// The ECS task that a job of DescribeJobs, or of a `Batch Job State Change` event, is; none where it is no job.
pub(super) fn task(members: &Map<String, Value>) -> Option<Job> {
    let text = |name: &str| get(members, name).and_then(Value::as_str);
    let status = text("status").filter(|_| text("jobArn").or_else(|| text("jobId")).is_some())?;
    let last = get(members, "attempts").and_then(Value::as_array).and_then(|list| list.last());
    let (container, attempted) = (get(members, "container"), last.and_then(|l| l.get("container")));
    let tasks = ["ecsProperties", "taskProperties"].map(|name| get(members, name));
    let of_ecs = tasks[0].and_then(|ecs| ecs.get("taskProperties")).or(tasks[1]).and_then(|list| list.get(0));
    let of_attempt = last.and_then(|l| l.get("taskProperties")?.get(0));
    let mut holders = [container, of_ecs, attempted, of_attempt].into_iter().flatten();
    let task_arn = holders.find_map(|holder| holder.get("taskArn")?.as_str()).filter(|arn| !arn.is_empty());
    let last_status = match status {
        "SUCCEEDED" | "FAILED" => "STOPPED",
        "RUNNING" => "RUNNING",
        _ => "PENDING",
    };
    let ended = last_status == "STOPPED";
    let reason = text("statusReason").or_else(|| last?.get("statusReason")?.as_str()).filter(|_| ended);
    let asked = who_asked(members).is_some() && !reason.is_some_and(|reason| reason.starts_with(TIMED_OUT));
    let task = json!({
        "taskArn": task_arn.or_else(|| text("jobArn")).or_else(|| text("jobId")),
        "lastStatus": last_status,
        "stopCode": (ended && asked).then_some("UserInitiated"),
        "stoppedReason": reason,
        "createdAt": get(members, "createdAt"),
        "startedAt": get(members, "startedAt").filter(|at| at.as_i64() != Some(0)),
        "stoppedAt": get(members, "stoppedAt"),
        "containers": if ended { containers([container, attempted], [of_ecs, of_attempt]) } else { Vec::new() },
    });
    Some(Job { task, names_its_task: task_arn.is_some() })
}

/// What ended a job on somebody's wish, and what to do.
pub(super) fn stopped_by(members: &Map<String, Value>) -> Option<&'static str> {
    match who_asked(members)? {
        "isTerminated" => {
            Some("somebody called TerminateJob: see CloudTrail for who; submit the job again if that was not meant")
        }
        // TerminateJob cancels a job that has not started.
        _ => Some(
            "somebody called CancelJob or TerminateJob: see CloudTrail for who; submit the job again if that was not meant",
        ),
    }
}

fn who_asked(members: &Map<String, Value>) -> Option<&'static str> {
    ["isCancelled", "isTerminated"].into_iter().find(|name| get(members, name) == Some(&Value::Bool(true)))
}

/// Why a job that has not started waits, where Batch says so.
pub(super) fn waits(members: &Map<String, Value>) -> Option<(String, &'static str)> {
    let text = |name: &str| get(members, name).and_then(Value::as_str);
    let hint = match text("status")? {
        "SUBMITTED" => "the scheduler has not looked at it yet: wait a moment",
        "PENDING" => "it waits for the jobs that it depends on (dependsOn)",
        "RUNNABLE" => {
            "usually the compute environment: it is INVALID or DISABLED, maxvCpus is reached, no instance type is large enough, \
             or its instances do not register with the cluster: see \"Jobs stuck in RUNNABLE\" in the AWS Batch user guide"
        }
        "STARTING" => "usually the image pull, or the network interface: see the job's ECS task",
        _ => return None,
    };
    let reason = text("statusReason").map(|reason| format!(": {}", reason.trim())).unwrap_or_default();
    Some((format!("{}{reason}", text("status")?), hint))
}

/// The containers of a job, and where the job does not have their ends, of its last attempt.
fn containers(one: [Option<&Value>; 2], many: [Option<&Value>; 2]) -> Vec<Value> {
    let lists = many.map(|task| task.and_then(|task| task.get("containers")?.as_array()));
    let tells = |container: &Value| {
        container.get("exitCode").is_some_and(Value::is_number) || container.get("reason").is_some_and(Value::is_string)
    };
    let told = lists.into_iter().flatten().find(|list| list.iter().any(tells));
    let one = || one.into_iter().flatten();
    match told.or_else(|| lists[0].filter(|_| !one().any(tells))) {
        Some(many) => many.iter().map(named).collect(),
        None => one().next().map(|first| both(first, one().last())).into_iter().collect(),
    }
}

/// One container, with what only the other view of it says.
fn both(container: &Value, other: Option<&Value>) -> Value {
    let mut named = named(container);
    for member in ["exitCode", "reason"] {
        if named[member].is_null() {
            named[member] = other.and_then(|other| other.get(member)).cloned().unwrap_or_default();
        }
    }
    named
}

fn named(container: &Value) -> Value {
    let name = container.get("name").and_then(Value::as_str).unwrap_or("default");
    json!({"name": name, "exitCode": container.get("exitCode"), "reason": container.get("reason")})
}
