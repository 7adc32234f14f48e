//! A task that was described, as JSON in the API's own spelling: what messages and callbacks may tell of it.

use std::borrow::Cow;

use aws_sdk_ecs::primitives::DateTime;
use aws_sdk_ecs::types;
use serde_json::{Value, json};

use crate::core::task::members;

/// All of it, once it can be the task of a run's end.
pub(super) fn whole(task: &types::Task) -> Option<Cow<'static, str>> {
    let begins = ["PROVISIONING", "PENDING", "ACTIVATING"];
    let waits = task.last_status().is_some_and(|status| begins.contains(&status));
    (!waits).then(|| described(task).to_string().into())
}

fn described(task: &types::Task) -> Value {
    let text = |text: Option<&str>| text.map(Value::from);
    // In milliseconds, as Step Functions has times.
    let at = |at: Option<&DateTime>| at.and_then(|at| at.to_millis().ok()).map(Value::from);
    members([
        ("attachments", Some(task.attachments().iter().map(attachment).collect())),
        ("attributes", Some(task.attributes().iter().map(|a| json!({"name": a.name(), "value": a.value()})).collect())),
        ("availabilityZone", text(task.availability_zone())),
        ("capacityProviderName", text(task.capacity_provider_name())),
        ("clusterArn", text(task.cluster_arn())),
        ("connectivity", text(task.connectivity().map(types::Connectivity::as_str))),
        ("connectivityAt", at(task.connectivity_at())),
        ("containerInstanceArn", text(task.container_instance_arn())),
        ("containers", Some(task.containers().iter().map(container).collect())),
        ("cpu", text(task.cpu())),
        ("createdAt", at(task.created_at())),
        ("desiredStatus", text(task.desired_status())),
        ("enableExecuteCommand", Some(task.enable_execute_command().into())),
        ("ephemeralStorage", task.ephemeral_storage().map(|s| json!({"sizeInGiB": s.size_in_gib()}))),
        ("executionStoppedAt", at(task.execution_stopped_at())),
        ("group", text(task.group())),
        ("healthStatus", text(task.health_status().map(types::HealthStatus::as_str))),
        ("lastStatus", text(task.last_status())),
        ("launchType", text(task.launch_type().map(types::LaunchType::as_str))),
        ("memory", text(task.memory())),
        ("overrides", task.overrides().map(overrides)),
        ("platformFamily", text(task.platform_family())),
        ("platformVersion", text(task.platform_version())),
        ("pullStartedAt", at(task.pull_started_at())),
        ("pullStoppedAt", at(task.pull_stopped_at())),
        ("startedAt", at(task.started_at())),
        ("startedBy", text(task.started_by())),
        ("stopCode", text(task.stop_code().map(types::TaskStopCode::as_str))),
        ("stoppedAt", at(task.stopped_at())),
        ("stoppedReason", text(task.stopped_reason())),
        ("stoppingAt", at(task.stopping_at())),
        ("tags", Some(task.tags().iter().map(|tag| json!({"key": tag.key(), "value": tag.value()})).collect())),
        ("taskArn", text(task.task_arn())),
        ("taskDefinitionArn", text(task.task_definition_arn())),
        ("version", Some(task.version().into())),
    ])
}

fn container(container: &types::Container) -> Value {
    let text = |text: Option<&str>| text.map(Value::from);
    let interface = |interface: &types::NetworkInterface| {
        members([
            ("attachmentId", text(interface.attachment_id())),
            ("ipv6Address", text(interface.ipv6_address())),
            ("privateIpv4Address", text(interface.private_ipv4_address())),
        ])
    };
    members([
        ("containerArn", text(container.container_arn())),
        ("cpu", text(container.cpu())),
        ("exitCode", container.exit_code().map(Value::from)),
        ("gpuIds", Some(container.gpu_ids().into())),
        ("healthStatus", text(container.health_status().map(types::HealthStatus::as_str))),
        ("image", text(container.image())),
        ("imageDigest", text(container.image_digest())),
        ("lastStatus", text(container.last_status())),
        ("memory", text(container.memory())),
        ("memoryReservation", text(container.memory_reservation())),
        ("name", text(container.name())),
        ("networkInterfaces", Some(container.network_interfaces().iter().map(interface).collect())),
        ("reason", text(container.reason())),
        ("runtimeId", text(container.runtime_id())),
        ("taskArn", text(container.task_arn())),
    ])
}

fn attachment(attachment: &types::Attachment) -> Value {
    let details = attachment.details().iter().map(|detail| json!({"name": detail.name(), "value": detail.value()}));
    members([
        ("details", Some(details.collect())),
        ("id", attachment.id().map(Value::from)),
        ("status", attachment.status().map(Value::from)),
        ("type", attachment.r#type().map(Value::from)),
    ])
}

/// Without the values of the environment: nobody is shown them.
fn overrides(overrides: &types::TaskOverride) -> Value {
    let container = |container: &types::ContainerOverride| {
        let environment =
            container.environment().iter().map(|variable| json!({"name": variable.name(), "value": "***"}));
        members([
            ("command", Some(container.command().into()).filter(|_| !container.command().is_empty())),
            ("cpu", container.cpu().map(Value::from)),
            ("environment", Some(environment.collect())),
            ("memory", container.memory().map(Value::from)),
            ("memoryReservation", container.memory_reservation().map(Value::from)),
            ("name", container.name().map(Value::from)),
        ])
    };
    members([
        ("containerOverrides", Some(overrides.container_overrides().iter().map(container).collect())),
        ("cpu", overrides.cpu().map(Value::from)),
        ("executionRoleArn", overrides.execution_role_arn().map(Value::from)),
        ("memory", overrides.memory().map(Value::from)),
        ("taskRoleArn", overrides.task_role_arn().map(Value::from)),
    ])
}
