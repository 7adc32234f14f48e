//! What EventBridge's rules and its Scheduler launch: RunTask with the members of `EcsParameters`.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::cloudtrail::CloudTrail;
use super::wire::{Call, JsonService};

/// `startedBy` is cut at so many characters (as CloudTrail's records of such calls have it).
const STARTED_BY_CHARS: usize = 36;
/// Errors of the API are tried again so often; `failures[]` never (user guide, "Event retry policy").
const MOST_RETRIES: u64 = 185;
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A RunTask call that is to be made.
#[derive(Clone, Debug)]
pub(in crate::local) struct Launch {
    pub(in crate::local) region: String,
    pub(in crate::local) account: String,
    pub(in crate::local) body: Value,
    pub(in crate::local) role: String,
    pub(in crate::local) retries: u64,
}

/// Where launches go.
pub(in crate::local) type Launches = mpsc::UnboundedSender<Launch>;

impl Launch {
    /// The call of a target. `prefix` and `name` become its `startedBy`; `input` is the JSON text of its overrides.
    ///
    /// # Errors
    /// An input that is no JSON object.
    pub(in crate::local) fn of_target(
        target: &Value,
        (prefix, name): (&str, &str),
        input: Option<&str>,
        (region, account): (&str, &str),
    ) -> Result<Self, String> {
        let mut body = match lowered(&target["EcsParameters"]) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        for (theirs, ours) in [("taskDefinitionArn", "taskDefinition"), ("taskCount", "count")] {
            if let Some(value) = body.remove(theirs) {
                body.insert(ours.to_owned(), value);
            }
        }
        body.insert("cluster".to_owned(), target["Arn"].clone());
        let started_by: String = format!("{prefix}{name}").chars().take(STARTED_BY_CHARS).collect();
        body.insert("startedBy".to_owned(), started_by.into());
        if let Some(input) = input {
            let overrides: Value = serde_json::from_str(input).map_err(|e| format!("the input is no JSON: {e}"))?;
            if !overrides.is_object() {
                return Err("the input is no JSON object".to_owned());
            }
            body.insert("overrides".to_owned(), overrides);
        }
        Ok(Self {
            region: region.to_owned(),
            account: account.to_owned(),
            body: Value::Object(body),
            role: target["RoleArn"].as_str().unwrap_or_default().to_owned(),
            retries: target["RetryPolicy"]["MaximumRetryAttempts"].as_u64().unwrap_or(MOST_RETRIES),
        })
    }
}

/// Members as ECS's API has them: with a small letter first.
fn lowered(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .map(|(name, member)| {
                let mut letters = name.chars();
                let first = letters.next().map(|first| first.to_ascii_lowercase());
                (first.into_iter().chain(letters).collect(), lowered(member))
            })
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(lowered).collect(),
        other => other.clone(),
    }
}

/// Makes the calls until nobody can ask for one any more.
pub(in crate::local) async fn launch_all(
    mut launches: mpsc::UnboundedReceiver<Launch>,
    ecs: std::sync::Weak<dyn JsonService>,
    trail: Arc<CloudTrail>,
    time_scale: f64,
) {
    while let Some(launch) = launches.recv().await {
        let Some(ecs) = ecs.upgrade() else { return };
        if let Some(started_by) = launch.body["startedBy"].as_str() {
            trail.note_role(started_by, &launch.role);
        }
        tokio::spawn(launch_one(launch, ecs, time_scale));
    }
}

async fn launch_one(launch: Launch, ecs: Arc<dyn JsonService>, time_scale: f64) {
    let mut wait = FIRST_WAIT;
    let token = uuid::Uuid::new_v4().to_string();
    for _ in 0..=launch.retries {
        let mut body = launch.body.clone();
        body["clientToken"] = json!(token);
        let call = Call {
            region: launch.region.clone(),
            account: launch.account.clone(),
            operation: "RunTask".to_owned(),
            body,
            origin: String::new(),
        };
        match ecs.handle(call).await {
            Ok(_) => return,
            Err(error) if error.status >= 500 || error.drop_connection || error.code.contains("Throttl") => {
                tokio::time::sleep(wait.div_f64(time_scale.max(1.0))).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
            Err(error) => {
                let (code, message) = (error.code, error.message);
                tracing::warn!(code, message, "a rule's or schedule's launch was refused");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_targets_parameters_become_the_members_of_run_task() {
        let target = json!({"Arn": "arn:aws:ecs:us-east-1:1:cluster/batch", "RoleArn": "r", "EcsParameters": {
            "TaskDefinitionArn": "arn:aws:ecs:us-east-1:1:task-definition/etl:7", "TaskCount": 2, "LaunchType": "FARGATE",
            "NetworkConfiguration": {"awsvpcConfiguration": {"Subnets": ["subnet-a"], "AssignPublicIp": "ENABLED"}},
            "EnableECSManagedTags": true, "Tags": [{"Key": "a", "Value": "b"}]}});
        let name = "a-name-that-is-longer-than-what-is-left";
        let launch = Launch::of_target(&target, ("events-rule/", name), Some("{\"cpu\": \"256\"}"), ("us-east-1", "1"));
        let body = launch.unwrap().body;
        assert_eq!(
            (&body["count"], &body["taskDefinition"]),
            (&json!(2), &target["EcsParameters"]["TaskDefinitionArn"])
        );
        assert_eq!(body["networkConfiguration"]["awsvpcConfiguration"]["subnets"], json!(["subnet-a"]));
        assert_eq!(
            (&body["enableECSManagedTags"], &body["tags"]),
            (&json!(true), &json!([{"key": "a", "value": "b"}]))
        );
        assert_eq!(body["overrides"], json!({"cpu": "256"}));
        assert_eq!(body["startedBy"], "events-rule/a-name-that-is-longer-th");
        assert_eq!(body["startedBy"].as_str().map(str::len), Some(36));
        for input in ["x", "[]"] {
            assert!(Launch::of_target(&target, ("events-rule/", name), Some(input), ("r", "a")).is_err(), "{input}");
        }
    }
}
