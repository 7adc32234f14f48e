//! DescribeTasks, ListTasks, StopTask and the tags.

use serde_json::{Value, json};

use super::body::{Body, page};
use super::errors::{error, invalid, invalid_ours};
use super::state::State;
use super::task::Task;
use super::{Scope, request, with_token};
use crate::local::wire::{ApiError, ApiResult};

impl State {
    pub(super) fn describe_tasks(&mut self, scope: &Scope, body: Body<'_>, now: i64) -> ApiResult {
        let cluster = self.cluster_of(scope, body)?;
        let names = body.texts("tasks")?;
        if names.is_empty() {
            return Err(invalid("Tasks cannot be empty."));
        }
        if names.len() > 100 {
            return Err(invalid("taskIds can have at most 100 items."));
        }
        names.iter().try_for_each(|name| check_name(name, &cluster))?;
        let with_tags = body.texts("include")?.contains(&"TAGS");
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in names {
            match self.task_named(scope, &cluster, name).filter(|key| self.visible(*key, now)) {
                Some(key) => tasks.extend(self.tasks.get(&key).map(|task| task.api(with_tags))),
                None => {
                    let id = name.rsplit('/').next().unwrap_or(name);
                    failures.push(json!({"arn": scope.arn(&format!("task/{cluster}/{id}")), "reason": "MISSING"}));
                }
            }
        }
        Ok(json!({"tasks": tasks, "failures": failures}))
    }

    fn visible(&self, key: u64, now: i64) -> bool {
        self.tasks.get(&key).is_some_and(|task| task.invisible_until <= now)
    }

    /// The task by its id or ARN, if it is of this cluster.
    fn task_named(&self, scope: &Scope, cluster: &str, name: &str) -> Option<u64> {
        let id = name.rsplit('/').next()?;
        let key = *self.account(scope)?.ids.get(id)?;
        self.tasks.get(&key).filter(|task| task.launch.cluster == cluster).map(|_| key)
    }

    pub(super) fn list_tasks(&mut self, scope: &Scope, body: Body<'_>, now: i64) -> ApiResult {
        let cluster = self.cluster_of(scope, body)?;
        let wanted = body.text("desiredStatus")?.unwrap_or("RUNNING");
        if !["RUNNING", "PENDING", "STOPPED"].contains(&wanted) {
            return Err(invalid_ours(format!("Invalid desiredStatus {wanted:?}: RUNNING, PENDING or STOPPED.")));
        }
        let (started_by, family) = (body.text("startedBy")?, body.text("family")?);
        let others = ["family", "serviceName", "containerInstance", "launchType"].iter().any(|n| body.get(n).is_some());
        if started_by.is_some() && others {
            return Err(invalid_ours("startedBy must be the only filter besides cluster and desiredStatus."));
        }
        let (launch_type, instance) = (body.text("launchType")?, body.text("containerInstance")?);
        let service = body.text("serviceName")?.is_some();
        let after: u64 = match body.text("nextToken")? {
            None => 0,
            Some(token) => token.parse().map_err(|_| invalid_ours("Invalid token."))?,
        };
        let fits = |task: &Task| {
            // ECS never sets a desired status of PENDING: that filter finds nothing.
            let status =
                (task.stopping_wanted && wanted == "STOPPED") || (!task.stopping_wanted && wanted == "RUNNING");
            status
                && !service
                && task.invisible_until <= now
                && started_by.is_none_or(|s| task.launch.started_by.as_deref() == Some(s))
                && family.is_none_or(|f| task.launch.definition.family == f)
                && launch_type.is_none_or(|l| task.place.launch_type == l)
                && instance.is_none_or(|i| task.instance.as_deref().is_some_and(|arn| arn.ends_with(i)))
        };
        let keys = self.account(scope).and_then(|a| a.clusters.get(&cluster)).map(|c| &c.tasks);
        let all = keys.into_iter().flat_map(|keys| keys.range(after + 1..));
        let found = all.filter_map(|key| self.tasks.get(key).filter(|t| fits(t)).map(|t| (*key, t.arn.clone())));
        let (arns, next) = page(found, body, 100)?;
        Ok(with_token(json!({"taskArns": arns}), next))
    }

    pub(super) fn stop_task(&mut self, scope: &Scope, body: Body<'_>, now: i64) -> ApiResult {
        let cluster = self.cluster_of(scope, body)?;
        let name = body.needed("task")?;
        check_name(name, &cluster)?;
        let reason = body.text("reason")?.unwrap_or("Task stopped by user").to_owned();
        let key =
            self.task_named(scope, &cluster, name).ok_or_else(|| invalid("The referenced task was not found."))?;
        let changed = self.tasks.get_mut(&key).is_some_and(|task| task.stop(&reason, now));
        if changed {
            self.tell(key, now);
            self.schedule(key, now);
        }
        Ok(json!({"task": self.tasks.get(&key).map(|task| task.api(true))}))
    }

    pub(super) fn tag_resource(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        request::check_tags(body)?;
        let new = body.list("tags")?.to_vec();
        self.with_tags(scope, body, |tags| {
            tags.retain(|old| !new.iter().any(|n| n["key"] == old["key"]));
            tags.extend(new.iter().cloned());
        })?;
        Ok(json!({}))
    }

    pub(super) fn untag_resource(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let keys = body.texts("tagKeys")?;
        self.with_tags(scope, body, |tags| tags.retain(|tag| !keys.iter().any(|k| tag["key"] == *k)))?;
        Ok(json!({}))
    }

    pub(super) fn list_tags(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let mut found = Vec::new();
        self.with_tags(scope, body, |tags| found.clone_from(tags))?;
        Ok(json!({"tags": found}))
    }

    /// Hands the tags of a task or a cluster to `change`.
    fn with_tags(
        &mut self,
        scope: &Scope,
        body: Body<'_>,
        change: impl FnOnce(&mut Vec<Value>),
    ) -> Result<(), ApiError> {
        let arn = body.needed("resourceArn")?;
        let not_found = || error(400, "ResourceNotFoundException", "The specified resource wasn't found.");
        let resource = arn.splitn(6, ':').nth(5).ok_or_else(|| invalid_ours("Invalid ARN."))?;
        let id = resource.rsplit('/').next().unwrap_or_default();
        let tags = if resource.starts_with("task/") {
            let key = self.account(scope).and_then(|a| a.ids.get(id)).copied();
            key.and_then(|key| self.tasks.get_mut(&key)).map(|task| &mut task.tags)
        } else if resource.starts_with("cluster/") {
            self.account_mut(scope).clusters.get_mut(id).map(|cluster| &mut cluster.tags)
        } else if resource.starts_with("task-definition/") {
            return self.account_mut(scope).definitions.change_tags(arn, change).ok_or_else(not_found);
        } else {
            return Err(invalid_ours("Only tasks, task definitions and clusters can be tagged here."));
        };
        change(tags.and_then(Value::as_array_mut).ok_or_else(not_found)?);
        Ok(())
    }
}

/// What ECS says of a task's name before it looks for it.
fn check_name(name: &str, cluster: &str) -> Result<(), ApiError> {
    let resource = if name.starts_with("arn:") { name.splitn(6, ':').nth(5).unwrap_or_default() } else { name };
    let parts: Vec<&str> = resource.split('/').collect();
    match parts.as_slice() {
        ["task", own, _] if *own != cluster => {
            return Err(invalid(format!(
                "Invalid identifier: Identifier is for cluster {own}. Your cluster is {cluster}"
            )));
        }
        [other, _, ..] if *other != "task" && name.starts_with("arn:") => {
            return Err(invalid(format!("Unsupported resource type: {other}")));
        }
        _ => {}
    }
    let id = parts.last().copied().unwrap_or_default();
    if matches!(id.len(), 32 | 36) { Ok(()) } else { Err(invalid("taskId length should be one of [32,36]")) }
}
