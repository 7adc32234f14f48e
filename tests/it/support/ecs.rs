//! ECS in a few lines: answers RunTask from memory and writes the events that ECS would send.
//!
//! The task definition's family scripts a task's life; whoever holds the receiver of [`Ecs::new`] decides how its events travel.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::{BoxFuture, FutureExt as _};
use serde_json::{Value, json};
use taskwatch::cell::ports::{self, CallError, ContainerDefinition, Described, RunTaskAnswer, RunTaskCall};
use taskwatch::core::task::Task;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const ACCOUNT: &str = "123456789012";

/// A task that was placed.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) task_arn: String,
    pub(crate) started_by: String,
    pub(crate) family: String,
    /// How many tasks of its family were placed before it.
    pub(crate) earlier: usize,
}

/// The fake. A `clientToken` that it has seen is answered as before, as ECS does.
pub(crate) struct Ecs {
    state: Mutex<State>,
    placed: UnboundedSender<Placed>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, RunTaskAnswer>,
    families: HashMap<String, usize>,
    calls: usize,
}

impl Ecs {
    /// The fake, and the tasks it places, in order.
    pub(crate) fn new() -> (Self, UnboundedReceiver<Placed>) {
        let (placed, tasks) = unbounded_channel();
        (Self { state: Mutex::default(), placed }, tasks)
    }

    /// How many tasks of this family were placed.
    pub(crate) fn placed(&self, family: &str) -> usize {
        self.state().families.get(family).copied().unwrap_or_default()
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self, call: &RunTaskCall) -> RunTaskAnswer {
        let mut state = self.state();
        if let Some(answer) = state.answers.get(&call.client_token) {
            return answer.clone();
        }
        state.calls += 1;
        let number = state.calls;
        let family = call.run_task.family().to_owned();
        let mut answer = RunTaskAnswer::default();
        for item in 0..call.count {
            let earlier = state.families.entry(family.clone()).or_default();
            let task_arn = format!("arn:aws:ecs:us-east-1:{ACCOUNT}:task/batch/{number:016x}{item:016x}");
            let placed =
                Placed { task_arn, started_by: call.started_by.clone(), family: family.clone(), earlier: *earlier };
            *earlier += 1;
            answer.tasks.push(placed.provisioning());
            // The test may have seen enough and be gone.
            let _ = self.placed.send(placed);
        }
        state.answers.insert(call.client_token.clone(), answer.clone());
        answer
    }
}

impl ports::Ecs for Ecs {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        async move { Ok(self.place(call)) }.boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }

    /// Nobody may need it: what these tests prove is that events alone are enough.
    fn describe_tasks<'a>(&'a self, _: &'a str, arns: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        async move { Err(CallError::Unknown(format!("{} tasks were described", arns.len()))) }.boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn container_definitions<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        async { Ok(vec![ContainerDefinition { name: "main".into(), essential: true, log: None }]) }.boxed()
    }
}

impl Placed {
    fn provisioning(&self) -> Task<'static> {
        Task {
            task_arn: self.task_arn.clone().into(),
            cluster_arn: cluster().into(),
            task_definition_arn: definition(&self.family).into(),
            started_by: Some(self.started_by.clone().into()),
            version: 1,
            last_status: "PROVISIONING".into(),
            desired_status: "RUNNING".into(),
            ..Task::default()
        }
    }

    /// The details of the events of the task's whole life, in ECS's order:
    /// family `exit-N` runs and exits with N; `flaky` cannot pull its image the first time, then runs and exits with 0.
    pub(crate) fn life(&self) -> Vec<Value> {
        let exit = match self.family.strip_prefix("exit-") {
            Some(code) => Some(code.parse::<i64>().expect("a family exit-N")),
            None if self.earlier > 0 => Some(0),
            None => None,
        };
        match exit {
            Some(code) => vec![
                self.detail(2, "PENDING", json!({}), json!({})),
                self.detail(3, "RUNNING", json!({ "startedAt": now() }), json!({})),
                self.ended(4, "DEPROVISIONING", code),
                self.ended(5, "STOPPED", code),
            ],
            None => vec![self.not_pulled(3, "DEPROVISIONING"), self.not_pulled(4, "STOPPED")],
        }
    }

    fn ended(&self, version: i64, status: &str, code: i64) -> Value {
        let task = json!({
            "startedAt": now(), "stoppedAt": now(), "executionStoppedAt": now(), "desiredStatus": "STOPPED",
            "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        });
        self.detail(version, status, task, json!({ "exitCode": code, "lastStatus": "STOPPED" }))
    }

    fn not_pulled(&self, version: i64, status: &str) -> Value {
        let reason = "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref: \
                      dial tcp 52.0.0.1:443: i/o timeout";
        let task = json!({
            "stoppedAt": now(), "desiredStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": reason,
        });
        self.detail(version, status, task, json!({ "lastStatus": "STOPPED", "reason": reason }))
    }

    fn detail(&self, version: i64, status: &str, task: Value, container: Value) -> Value {
        let mut main = json!({ "name": "main", "taskArn": self.task_arn, "lastStatus": status });
        lay_over(&mut main, container);
        let mut detail = json!({
            "taskArn": self.task_arn, "clusterArn": cluster(), "taskDefinitionArn": definition(&self.family),
            "startedBy": self.started_by, "version": version, "lastStatus": status, "desiredStatus": "RUNNING",
            "createdAt": now(), "updatedAt": now(), "containers": [main],
        });
        lay_over(&mut detail, task);
        detail
    }
}

/// EventBridge's envelope around a detail, as a queue behind a rule gets it.
pub(crate) fn envelope(detail: &Value) -> String {
    json!({
        "version": "0", "id": uuid::Uuid::new_v4(), "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": ACCOUNT, "time": now(), "region": "us-east-1", "resources": [detail["taskArn"]], "detail": detail,
    })
    .to_string()
}

fn lay_over(base: &mut Value, top: Value) {
    let (Some(base), Value::Object(top)) = (base.as_object_mut(), top) else { return };
    base.extend(top);
}

fn cluster() -> String {
    format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/batch")
}

fn definition(family: &str) -> String {
    format!("arn:aws:ecs:us-east-1:{ACCOUNT}:task-definition/{family}:1")
}

fn now() -> String {
    format!("{:.3}", jiff::Timestamp::now())
}
