//! AWS Batch jobs: each is an ECS task under another name.
//!
//! Source: AWS Batch API reference, DescribeJobs, and developer guide, "Job states".

use serde_json::{Map, Value, json};

use super::members::get;

/// The ECS task that a job of DescribeJobs, or of a `Batch Job State Change` event, is; none where it is no job.
pub(super) fn task(members: &Map<String, Value>) -> Option<Value> {
    let text = |name: &str| get(members, name).and_then(Value::as_str);
    let status = text("status").filter(|_| text("jobArn").or_else(|| text("jobId")).is_some())?;
    let container = get(members, "container");
    let tasks = ["ecsProperties", "taskProperties"].map(|name| get(members, name));
    let of_ecs = tasks[0].and_then(|ecs| ecs.get("taskProperties")).or(tasks[1]).and_then(|list| list.get(0));
    let last = get(members, "attempts").and_then(Value::as_array).and_then(|list| list.last());
    let arn = |holder: Option<&Value>| holder.and_then(|h| h.get("taskArn")?.as_str().map(str::to_owned));
    let task_arn = arn(container).or_else(|| arn(of_ecs)).or_else(|| arn(last.and_then(|l| l.get("container"))));
    let last_status = match status {
        "SUCCEEDED" | "FAILED" => "STOPPED",
        "RUNNING" => "RUNNING",
        _ => "PENDING",
    };
    let ended = last_status == "STOPPED";
    let asked = ["isTerminated", "isCancelled"].iter().any(|name| get(members, name) == Some(&Value::Bool(true)));
    let reason = text("statusReason").or_else(|| last?.get("statusReason")?.as_str()).filter(|_| ended);
    Some(json!({
        "taskArn": task_arn.as_deref().or_else(|| text("jobArn")).or_else(|| text("jobId")),
        "lastStatus": last_status,
        "stopCode": (ended && asked).then_some("UserInitiated"),
        "stoppedReason": reason,
        "createdAt": get(members, "createdAt"),
        "startedAt": get(members, "startedAt").filter(|at| at.as_i64() != Some(0)),
        "stoppedAt": get(members, "stoppedAt"),
        "containers": if ended { containers(container, of_ecs) } else { Vec::new() },
    }))
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

fn containers(container: Option<&Value>, of_ecs: Option<&Value>) -> Vec<Value> {
    let named = |container: &Value, name: &str| {
        let name = container.get("name").and_then(Value::as_str).unwrap_or(name);
        json!({"name": name, "exitCode": container.get("exitCode"), "reason": container.get("reason")})
    };
    let many = of_ecs.and_then(|task| task.get("containers")?.as_array());
    match many {
        Some(many) => many.iter().map(|container| named(container, "default")).collect(),
        None => container.map(|container| named(container, "default")).into_iter().collect(),
    }
}
