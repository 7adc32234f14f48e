use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::super::*;

/// Keeps every event.
#[derive(Default)]
pub(super) struct Kept(Mutex<Vec<Value>>);

impl EventSink for Kept {
    fn put<'a>(&'a self, _: &'a str, _: &'a str, event: Value) -> BoxFuture<'a, ()> {
        self.0.lock().unwrap().push(event);
        async {}.boxed()
    }
}

pub(super) struct Bench {
    pub(super) ecs: Ecs,
    pub(super) kept: Arc<Kept>,
}

pub(super) fn bench(script: &str) -> Bench {
    with(EcsOptions {
        auto_register: true,
        quotas: None,
        script: Script::parse(script).unwrap(),
        ..EcsOptions::default()
    })
}

pub(super) fn with(options: EcsOptions) -> Bench {
    let kept = Arc::new(Kept::default());
    let clock = Arc::new(Clock::new(1_739_453_293_034));
    Bench { ecs: Ecs::new(options, clock, kept.clone()), kept }
}

/// A RunTask request for Fargate.
pub(super) fn fargate(family: &str) -> Value {
    json!({"taskDefinition": family, "launchType": "FARGATE", "startedBy": "cell/1",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-a"], "assignPublicIp": "ENABLED"}}})
}

pub(super) fn merged(mut base: Value, more: &Value) -> Value {
    for (name, value) in more.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

impl Bench {
    pub(super) async fn call(&self, operation: &str, body: Value) -> ApiResult {
        let call = Call {
            region: "eu-west-2".to_owned(),
            account: "123456789012".to_owned(),
            operation: operation.to_owned(),
            body,
            origin: "http://localhost".to_owned(),
        };
        self.ecs.handle(call).await
    }

    pub(super) async fn ok(&self, operation: &str, body: Value) -> Value {
        self.call(operation, body).await.unwrap()
    }

    pub(super) async fn err(&self, operation: &str, body: Value) -> (String, String) {
        let error = self.call(operation, body).await.unwrap_err();
        (error.code, error.message)
    }

    /// Runs one task and gives its ARN.
    pub(super) async fn run(&self, body: Value) -> String {
        let answer = self.ok("RunTask", body).await;
        assert_eq!(answer["failures"], json!([]), "{answer}");
        answer["tasks"][0]["taskArn"].as_str().unwrap().to_owned()
    }

    pub(super) async fn describe(&self, arn: &str) -> Value {
        let answer = self.ok("DescribeTasks", json!({"tasks": [arn]})).await;
        answer["tasks"][0].clone()
    }

    /// Lets so many seconds pass.
    pub(super) async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    pub(super) fn events(&self) -> Vec<Value> {
        self.kept.0.lock().unwrap().clone()
    }

    /// `lastStatus`, `desiredStatus` and version of each event.
    pub(super) fn story(&self) -> Vec<(String, String, i64)> {
        let text = |v: &Value| v.as_str().unwrap().to_owned();
        let one = |e: &Value| {
            let d = &e["detail"];
            (text(&d["lastStatus"]), text(&d["desiredStatus"]), d["version"].as_i64().unwrap())
        };
        self.events().iter().map(one).collect()
    }

    pub(super) fn last(&self) -> Value {
        self.events().last().unwrap()["detail"].clone()
    }
}
