//! The seed sample's own state machine, through the requests queue unchanged, on paused time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use serde_json::json;
use taskwatch::cell::ports::{self, CallError, ContainerDefinition, Described, Message, RunTaskAnswer, RunTaskCall};
use taskwatch::cell::{Cell, CellConfig, Clock, Ports};
use taskwatch::core::notification::Notification;
use taskwatch::core::run::Status;
use taskwatch::core::task::Task;
use taskwatch::core::time::Timestamp;
use taskwatch::store::MemoryStore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

const STATE_MACHINE: &str = include_str!("../../examples/state-machine.json");

/// A queue of messages in memory; what was deleted, and when.
struct Queue {
    messages: tokio::sync::Mutex<UnboundedReceiver<String>>,
    deleted: Mutex<Vec<String>>,
}

fn queue() -> (UnboundedSender<String>, Arc<Queue>) {
    let (send, receive) = unbounded_channel();
    (send, Arc::new(Queue { messages: tokio::sync::Mutex::new(receive), deleted: Mutex::default() }))
}

impl ports::Queue for Queue {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        async move {
            let next = async { self.messages.lock().await.recv().await };
            let Ok(Some(body)) = tokio::time::timeout(wait, next).await else { return Ok(Vec::new()) };
            let id = uuid::Uuid::new_v4().to_string();
            Ok(vec![Message { receipt: id.clone(), id, body }])
        }
        .boxed()
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        self.deleted.lock().unwrap_or_else(PoisonError::into_inner).extend(receipts);
        async { Ok(Vec::new()) }.boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }
}

/// ECS whose tasks fail a number of times and then succeed; it notes when each was launched.
struct Ecs {
    failures: usize,
    launches: Mutex<Vec<Instant>>,
    events: UnboundedSender<String>,
}

impl Ecs {
    fn place(&self, call: &RunTaskCall) -> RunTaskAnswer {
        let mut launches = self.launches.lock().unwrap_or_else(PoisonError::into_inner);
        launches.push(Instant::now());
        let task_arn = format!("arn:aws:ecs:us-east-1:123456789012:task/default/{}", launches.len());
        let exit_code = i64::from(launches.len() <= self.failures);
        let event = json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": {
            "taskArn": task_arn, "startedBy": call.started_by, "version": 5, "lastStatus": "STOPPED",
            "stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "goapp", "exitCode": exit_code}]}});
        // Before the answer: the event overtakes it every time.
        let _ = self.events.send(event.to_string());
        let task = Task { task_arn: task_arn.into(), ..Task::default() };
        RunTaskAnswer { tasks: vec![task], failures: Vec::new() }
    }
}

impl ports::Ecs for Ecs {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        async move { Ok(self.place(call)) }.boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        async { Ok(Described::default()) }.boxed()
    }

    fn container_definitions<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        async { Ok(vec![ContainerDefinition { name: "goapp".into(), essential: true }]) }.boxed()
    }
}

/// SNS that refuses twice before it takes a message.
struct Topic {
    refusals: Mutex<u32>,
    taken: UnboundedSender<Notification>,
}

impl ports::Notifier for Topic {
    fn publish<'a>(&'a self, notification: &'a Notification) -> BoxFuture<'a, Result<(), CallError>> {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = if *refusals == 0 {
            let _ = self.taken.send(notification.clone());
            Ok(())
        } else {
            *refusals -= 1;
            Err(CallError::Throttled("Rate exceeded".into()))
        };
        async { answer }.boxed()
    }
}

/// Sends the state machine to the requests queue; answers the waits between launches and the message of the end.
async fn run(failures: usize) -> (Status, Vec<u64>, String) {
    let (requests, requests_queue) = queue();
    let (events, events_queue) = queue();
    let (taken, mut told) = unbounded_channel();
    let ecs = Arc::new(Ecs { failures, launches: Mutex::default(), events });
    let ports = Ports {
        ecs: Arc::clone(&ecs) as _,
        events: Some(events_queue),
        requests: Some(Arc::clone(&requests_queue) as _),
        requests_dlq: None,
        notifier: Arc::new(Topic { refusals: Mutex::new(2), taken }),
        store: Arc::new(MemoryStore::default()),
        clock: Clock::starting_at(Timestamp::from_millis(1_800_000_000_000)),
    };
    let cell = Cell::start(CellConfig::new("seed"), ports).await.expect("a cell");
    requests.send(STATE_MACHINE.to_owned()).expect("the queue");
    let told = told.recv().await.expect("a notification");
    assert_eq!(told.topic_arn.as_deref(), Some("arn:aws:sns:us-east-1:123456789012:taskwatch"));
    assert_eq!(requests_queue.deleted.lock().unwrap_or_else(PoisonError::into_inner).len(), 1);
    let launches = ecs.launches.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let waits = launches.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64().round() as u64).collect();
    let status = cell.runs().first().expect("a run").status;
    (status, waits, told.message)
}

#[tokio::test(start_paused = true)]
async fn the_seeds_retries_wait_10_20_and_40_seconds_and_its_failure_is_told_word_for_word() {
    let (status, waits, message) = run(9).await;
    assert_eq!((status, waits), (Status::Failed, vec![10, 20, 40]));
    assert_eq!(message, "AWS Fargate Task started by Step Functions failed");
}

#[tokio::test(start_paused = true)]
async fn the_seeds_success_is_told_word_for_word() {
    let (status, waits, message) = run(1).await;
    assert_eq!((status, waits), (Status::Succeeded, vec![10]));
    assert_eq!(message, "AWS Fargate Task started by Step Functions succeeded");
}
