//! The ECS port. RunTask goes out as the user wrote it: also members that the SDK does not know.

use aws_config::SdkConfig;
use aws_sdk_ecs::Client;
use aws_sdk_ecs::config::retry::RetryConfig;
use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ecs::operation::run_task::RunTaskError;
use aws_sdk_ecs::types;
use aws_smithy_types::body::SdkBody;
use futures::future::BoxFuture;
use serde_json::Value;

use super::{described, errors};
use crate::cell::ports::{CallError, ContainerDefinition, Described, Ecs, RunTaskAnswer, RunTaskCall};
use crate::core::log::LogConfig;
use crate::core::name::region_in_arn;
use crate::core::task::{Container, Task};
use crate::core::time::Timestamp;

/// ECS through the SDK.
#[derive(Clone, Debug)]
pub struct EcsClient {
    /// No retries: the cell tries again itself, at the pace of its governor.
    once: Client,
    patient: Client,
    region: String,
}

impl EcsClient {
    pub(super) fn new(config: &SdkConfig) -> Self {
        let once = aws_sdk_ecs::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        let region = config.region().map(ToString::to_string).unwrap_or_default();
        Self { once: Client::from_conf(once), patient: Client::new(config), region }
    }

    async fn run(&self, call: &RunTaskCall) -> Result<RunTaskAnswer, CallError> {
        let mut members = call.run_task.members().clone();
        members.insert("count".into(), call.count.into());
        members.insert("clientToken".into(), call.client_token.as_str().into());
        members.insert("startedBy".into(), call.started_by.as_str().into());
        let body = Value::Object(members).to_string();
        let request = self.once.run_task().task_definition(call.run_task.task_definition());
        // Before signing, so the signature is of this body.
        let sent = request.customize().mutate_request(move |http| {
            http.headers_mut().insert("content-length", body.len().to_string());
            *http.body_mut() = SdkBody::from(body.clone());
        });
        match sent.send().await {
            Ok(answer) => Ok(RunTaskAnswer {
                tasks: answer.tasks().iter().map(task).collect(),
                failures: answer.failures().iter().map(refusal).collect(),
            }),
            Err(error) => Err(match error.as_service_error() {
                Some(RunTaskError::ConflictException(conflict)) => {
                    CallError::Conflict(conflict.resource_ids().to_vec())
                }
                _ => errors::read(&error),
            }),
        }
    }

    async fn describe(&self, cluster: &str, arns: &[String]) -> Result<Described, CallError> {
        let sent = self.once.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send().await;
        let answer = match sent {
            Ok(answer) => answer,
            // A cluster is deleted only when none of its tasks live (API reference, DeleteCluster). Nothing is known of
            // those in another region.
            Err(e) if is_without_cluster(&e) && arns.iter().all(|arn| region_in_arn(arn) == Some(&self.region)) => {
                return Ok(Described { tasks: Vec::new(), missing: arns.to_vec() });
            }
            Err(e) => return Err(errors::read(&e)),
        };
        let missing = |f: &&types::Failure| f.reason() == Some("MISSING");
        Ok(Described {
            tasks: answer.tasks().iter().map(task).collect(),
            missing: answer.failures().iter().filter(missing).filter_map(|f| f.arn().map(str::to_owned)).collect(),
        })
    }

    async fn started_by(&self, cluster: &str, started_by: &str) -> Result<Vec<String>, CallError> {
        // "When you specify startedBy as the filter, it must be the only filter" besides the status, which is RUNNING
        // unless said otherwise (API reference, ListTasks). One call made 10 at most, but a page may be short, or empty, and
        // not the last.
        let mut arns = Vec::new();
        for status in [types::DesiredStatus::Running, types::DesiredStatus::Stopped] {
            let asked = self.once.list_tasks().cluster(cluster).started_by(started_by).desired_status(status);
            let mut found = asked.into_paginator().items().send();
            while let Some(next) = found.next().await {
                match next {
                    Ok(arn) => arns.push(arn),
                    Err(e) if is_without_cluster(&e) => return Ok(Vec::new()),
                    Err(e) => return Err(errors::read(&e)),
                }
            }
        }
        // One that was stopped between the two calls is in both answers.
        arns.sort_unstable();
        arns.dedup();
        Ok(arns)
    }

    async fn containers(&self, task_definition: &str) -> Result<Vec<ContainerDefinition>, CallError> {
        let sent = self.patient.describe_task_definition().task_definition(task_definition).send().await;
        let answer = sent.map_err(|e| errors::read(&e))?;
        let definitions = answer.task_definition().map(|d| d.container_definitions()).unwrap_or_default();
        let container = |c: &types::ContainerDefinition| ContainerDefinition {
            name: c.name().unwrap_or_default().to_owned(),
            // Left out, `essential` is true (API reference, ContainerDefinition).
            essential: c.essential().unwrap_or(true),
            log: c.log_configuration().map(|log| {
                let options = log.options();
                LogConfig::new(log.log_driver().as_str(), |name| options?.get(name).map(String::as_str))
            }),
        };
        Ok(definitions.iter().map(container).collect())
    }
}

impl Ecs for EcsClient {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        Box::pin(self.run(call))
    }

    fn stop_task<'a>(
        &'a self,
        cluster: &'a str,
        task_arn: &'a str,
        reason: &'a str,
    ) -> BoxFuture<'a, Result<(), CallError>> {
        Box::pin(async move {
            let sent = self.once.stop_task().cluster(cluster).task(task_arn).reason(reason).send().await;
            match sent {
                Ok(_) => Ok(()),
                // Stopped long ago, so forgotten.
                Err(e) if is_without_cluster(&e) || e.message().is_some_and(|m| m.contains("not found")) => Ok(()),
                Err(e) => Err(errors::read(&e)),
            }
        })
    }

    fn describe_tasks<'a>(
        &'a self,
        cluster: &'a str,
        task_arns: &'a [String],
    ) -> BoxFuture<'a, Result<Described, CallError>> {
        Box::pin(self.describe(cluster, task_arns))
    }

    fn tasks_started_by<'a>(
        &'a self,
        cluster: &'a str,
        started_by: &'a str,
    ) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        Box::pin(self.started_by(cluster, started_by))
    }

    fn container_definitions<'a>(
        &'a self,
        task_definition: &'a str,
    ) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        Box::pin(self.containers(task_definition))
    }
}

/// The cluster was deleted, or never was.
fn is_without_cluster<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> bool {
    error.code() == Some("ClusterNotFoundException")
}

fn refusal(failure: &types::Failure) -> (String, Option<String>) {
    (failure.reason().unwrap_or_default().to_owned(), failure.detail().map(str::to_owned))
}

/// The SDK's task as the core has it.
fn task(task: &types::Task) -> Task<'static> {
    let text = |t: Option<&str>| t.map(|t| t.to_owned().into());
    let at =
        |t: Option<&aws_sdk_ecs::primitives::DateTime>| t.and_then(|t| t.to_millis().ok()).map(Timestamp::from_millis);
    Task {
        task_arn: text(task.task_arn()).unwrap_or_default(),
        cluster_arn: text(task.cluster_arn()).unwrap_or_default(),
        task_definition_arn: text(task.task_definition_arn()).unwrap_or_default(),
        started_by: text(task.started_by()),
        group: text(task.group()),
        version: task.version(),
        last_status: text(task.last_status()).unwrap_or_default(),
        desired_status: text(task.desired_status()).unwrap_or_default(),
        launch_type: text(task.launch_type().map(|l| l.as_str())),
        stop_code: text(task.stop_code().map(|c| c.as_str())),
        stopped_reason: text(task.stopped_reason()),
        health_status: text(task.health_status().map(|h| h.as_str())),
        created_at: at(task.created_at()),
        started_at: at(task.started_at()),
        execution_stopped_at: at(task.execution_stopped_at()),
        stopped_at: at(task.stopped_at()),
        pull_started_at: at(task.pull_started_at()),
        pull_stopped_at: at(task.pull_stopped_at()),
        connectivity: text(task.connectivity().map(|c| c.as_str())),
        attachment_reason: {
            let mut details = task.attachments().iter().flat_map(|a| a.details());
            text(details.find(|d| d.name() == Some("statusReason")).and_then(|d| d.value()))
        },
        containers: task.containers().iter().map(container).collect(),
        whole: described::whole(task),
    }
}

fn container(container: &types::Container) -> Container<'static> {
    Container {
        name: container.name().unwrap_or_default().to_owned().into(),
        last_status: container.last_status().unwrap_or_default().to_owned().into(),
        exit_code: container.exit_code().map(i64::from),
        reason: container.reason().map(|r| r.to_owned().into()),
        runtime_id: container.runtime_id().map(|id| id.to_owned().into()),
    }
}
