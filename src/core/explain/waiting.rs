//! What a task is at that has not started, and what usually keeps it there.
//!
//! Source: Amazon ECS developer guide, "Task lifecycle".

use crate::core::task::Task;
use crate::core::time::Timestamp;

/// Where a task is on its way to RUNNING.
struct Phase {
    /// What ECS does meanwhile.
    at: &'static str,
    /// When it began; none where the task does not say.
    since: Option<Timestamp>,
    /// What usually causes a long stay, and what to do.
    hint: &'static str,
}

/// What a task that has not started is at, since when, and whether it is to be stopped already; and what to do.
pub(super) fn waiting(task: &Task<'_>) -> (String, String) {
    let phase = phase(task);
    let status = if task.last_status.is_empty() { "not started" } else { &task.last_status };
    let since = phase.since.map(|at| format!(", since {at}")).unwrap_or_default();
    let created = task.created_at.filter(|at| phase.since != Some(*at));
    let created = created.map(|at| format!(" (the task was created at {at})")).unwrap_or_default();
    let mut cause = format!("{status}: {}{since}{created}", phase.at);
    if task.desired_status.eq_ignore_ascii_case("STOPPED") {
        cause += "; desiredStatus is STOPPED already: it will not start";
        let reason = task.stopped_reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        cause.extend(reason.map(|reason| format!(" ({reason})")));
        return (
            cause,
            "wait for its end, and explain it then: its reason and exit codes come with DEPROVISIONING".into(),
        );
    }
    cause.extend(task.attachment_reason.as_deref().map(|reason| format!("; attachment: {}", reason.trim())));
    (cause, phase.hint.to_owned())
}

fn phase(task: &Task<'_>) -> Phase {
    let lost = task.connectivity.as_deref().is_some_and(|link| link.eq_ignore_ascii_case("DISCONNECTED"));
    match (task.last_status.to_ascii_uppercase().as_str(), task.pull_started_at, task.pull_stopped_at) {
        _ if lost => Phase {
            at: "the ECS agent is not connected",
            since: task.created_at,
            hint: "check the instance, its network and its instance role; on Fargate see AWS Health",
        },
        ("PROVISIONING", ..) => Phase {
            at: "ECS prepares what the task needs before it is placed",
            since: task.created_at,
            hint: "usually the network interface, or capacity: look at the subnet's free addresses and the ENI quota; with a \
                   capacity provider of EC2 instances it waits until the Auto Scaling group has room",
        },
        ("ACTIVATING", ..) => Phase {
            at: "its containers run, and ECS registers it (load balancer, Service Connect, service discovery)",
            since: task.pull_stopped_at.or(task.created_at),
            hint: "usually the Service Connect proxy, or the target group: see the service's events and the containers' health",
        },
        (_, Some(began), None) => Phase {
            at: "the image is being pulled",
            since: Some(began),
            hint: "usually a large image, or a registry that is far away or cannot be reached: check its size, the route (NAT \
                   gateway, VPC endpoints ecr.api, ecr.dkr, s3) and the security group",
        },
        (_, _, Some(ended)) => Phase {
            at: "the image is there, and its containers are being created and started",
            since: Some(ended),
            hint: "usually a container that another waits for (dependsOn, its health check), a volume or a log driver: see the \
                   containers' statuses and logs",
        },
        ("PENDING", ..) => Phase {
            at: "it is placed, and its image is not being pulled yet",
            since: task.created_at,
            hint: "usually the ECS agent is busy, or secrets, volumes or the network interface are being set up: check the \
                   route to Secrets Manager, Systems Manager and ECR, the file system, and on EC2 the agent's log",
        },
        _ => Phase {
            at: "it has not started",
            since: task.created_at,
            hint: "describe it again: aws ecs describe-tasks --cluster CLUSTER --tasks TASK",
        },
    }
}
