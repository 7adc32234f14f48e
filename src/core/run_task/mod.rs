//! The ECS RunTask request, member for member as AWS's service model has it.

mod check;
mod limits;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use check::model;

use super::input::RequestError;
use super::name;

/// Members that taskwatch sets itself, with the reason a request that sets them is refused.
const OURS: [(&str, &str); 2] = [
    ("clientToken", "taskwatch gives every call a clientToken of its own, so that no task is launched twice"),
    ("startedBy", "taskwatch correlates the task's events by startedBy"),
];

/// What stands for a value that is not shown.
pub(in crate::core) const MASK: &str = "***";

/// A checked RunTask request in camelCase, without `count`, `clientToken` and `startedBy`, which are taskwatch's to set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunTask(pub(crate) Map<String, Value>);

impl RunTask {
    /// Checks a RunTask request in camelCase or PascalCase and takes its `count` out. `path` names it in errors.
    pub fn from_value(value: &Value, path: &str) -> Result<(Self, Option<u32>), RequestError> {
        let mut members = check::members(value, path)?;
        let missing = members.get("taskDefinition").is_none_or(|t| t.as_str() == Some(""));
        if missing {
            return Err(RequestError::new(format!("{path}.taskDefinition: is required")));
        }
        let count = limits::take_count(&mut members, path)?;
        refuse_ours(&members, path)?;
        refuse_masked(&members, path)?;
        limits::check(&members, path)?;
        Ok((Self(members), count))
    }

    /// Checks a placement: a partial RunTask request to lay over another.
    pub fn placement(value: &Value, path: &str) -> Result<Map<String, Value>, RequestError> {
        let members = check::members(value, path)?;
        if members.contains_key("count") {
            return Err(RequestError::new(format!("{path}.count: a placement is for one task; set count in runTask")));
        }
        refuse_ours(&members, path)?;
        refuse_masked(&members, path)?;
        Ok(members)
    }

    /// Checks this request with a placement laid over it, which is what RunTask is asked; `path` names the placement.
    pub fn check_at(&self, placement: &Map<String, Value>, path: &str) -> Result<(), RequestError> {
        limits::check(placement, path)?;
        limits::check(self.at(placement).members(), path)
    }

    /// The members, in camelCase.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The cluster's name or ARN; `default` when left out.
    pub fn cluster(&self) -> &str {
        self.0.get("cluster").and_then(Value::as_str).unwrap_or("default")
    }

    /// The task definition: family, family:revision or ARN.
    pub fn task_definition(&self) -> &str {
        self.0.get("taskDefinition").and_then(Value::as_str).unwrap_or_default()
    }

    /// The task definition's name: `family:revision` or `family`.
    pub fn task_definition_name(&self) -> &str {
        name::in_arn(self.task_definition())
    }

    /// The cluster's name.
    pub fn cluster_name(&self) -> &str {
        name::in_arn(self.cluster())
    }

    /// The task definition's family.
    pub fn family(&self) -> &str {
        name::family_of(self.task_definition_name())
    }

    /// This request with a placement laid over it: objects are merged, container overrides and their environment by name,
    /// tags by key; all else is replaced. A launch type and a capacity provider strategy exclude each other (API reference,
    /// RunTask), so one in the placement replaces the other.
    pub fn at(&self, placement: &Map<String, Value>) -> Self {
        let mut members = self.0.clone();
        for (one, other) in [("launchType", "capacityProviderStrategy"), ("capacityProviderStrategy", "launchType")] {
            if placement.contains_key(one) && !placement.contains_key(other) {
                members.remove(other);
            }
        }
        merge(&mut members, placement);
        Self(members)
    }

    /// This request with environment variables added to the override of every container named.
    pub fn with_env(&self, containers: &[String], variables: &[(String, String)]) -> Self {
        let mut members = self.0.clone();
        let overrides = members.entry("overrides").or_insert_with(|| json!({}));
        let Value::Object(overrides) = overrides else { return self.clone() };
        let list = overrides.entry("containerOverrides").or_insert_with(|| json!([]));
        let Value::Array(list) = list else { return self.clone() };
        for name in containers {
            if !list.iter().any(|o| o["name"] == **name) {
                list.push(json!({"name": name}));
            }
        }
        for container in list.iter_mut().filter_map(Value::as_object_mut) {
            let environment = container.entry("environment").or_insert_with(|| json!([]));
            if let Value::Array(environment) = environment {
                environment.retain(|e| !variables.iter().any(|(name, _)| e["name"] == **name));
                environment.extend(variables.iter().map(|(name, value)| json!({"name": name, "value": value})));
            }
        }
        Self(members)
    }

    /// The values of the overrides' environment.
    pub fn environment_values(&self) -> impl Iterator<Item = &str> {
        let containers = items(self.0.get("overrides").and_then(|overrides| overrides.get("containerOverrides")));
        let variables = containers.flat_map(|(_, container)| items(container.get("environment")));
        variables.filter_map(|(_, variable)| variable["value"].as_str())
    }

    /// The members with every environment value of the overrides replaced by `***`, for all that leaves the process other than RunTask.
    pub fn masked(&self) -> Value {
        let mut members = Value::Object(self.0.clone());
        let containers = members.pointer_mut("/overrides/containerOverrides").and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let environment = container.get_mut("environment").and_then(Value::as_array_mut);
            for variable in environment.into_iter().flatten().filter_map(Value::as_object_mut) {
                if let Some(value) = variable.get_mut("value") {
                    *value = json!(MASK);
                }
            }
        }
        members
    }
}

fn refuse_ours(members: &Map<String, Value>, path: &str) -> Result<(), RequestError> {
    match OURS.iter().find(|(name, _)| members.contains_key(*name)) {
        Some((name, why)) => Err(RequestError::new(format!("{path}.{name}: leave it out; {why}"))),
        None => Ok(()),
    }
}

/// A request that was shown has no values to run with, and the container would never know.
fn refuse_masked(members: &Map<String, Value>, path: &str) -> Result<(), RequestError> {
    let overrides = members.get("overrides").and_then(|overrides| overrides.get("containerOverrides"));
    for (n, container) in items(overrides) {
        let masked = items(container.get("environment")).find(|(_, variable)| variable["value"] == MASK);
        if let Some((m, variable)) = masked {
            return Err(RequestError::new(format!(
                "{path}.overrides.containerOverrides[{n}].environment[{m}].value: {MASK} stands for the value of {} of container {}: \
                 this request comes from a dry run, the API or a notification, which show no values; write the value \
                 (taskwatch run --dry-run --show-values shows them)",
                variable["name"], container["name"]
            )));
        }
    }
    Ok(())
}

/// The items of a list, numbered.
fn items(list: Option<&Value>) -> impl Iterator<Item = (usize, &Value)> {
    list.and_then(Value::as_array).into_iter().flatten().enumerate()
}

fn merge(into: &mut Map<String, Value>, over: &Map<String, Value>) {
    for (name, value) in over {
        match (into.get_mut(name), value, key_of(name)) {
            (Some(Value::Object(below)), Value::Object(above), _) => merge(below, above),
            (Some(Value::Array(below)), Value::Array(above), Some(key)) => merge_by(key, below, above),
            _ => {
                into.insert(name.clone(), value.clone());
            }
        }
    }
}

/// What tells the items of a list apart, where they have names.
fn key_of(list: &str) -> Option<&'static str> {
    match list {
        "containerOverrides" | "environment" => Some("name"),
        "tags" => Some("key"),
        _ => None,
    }
}

fn merge_by(key: &str, into: &mut Vec<Value>, over: &[Value]) {
    for item in over {
        let same = into.iter_mut().find(|below| below.get(key).is_some() && below.get(key) == item.get(key));
        match (same, item) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            _ => into.push(item.clone()),
        }
    }
}
