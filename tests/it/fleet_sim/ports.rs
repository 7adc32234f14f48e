//! What else the cells of one process call: ECS, queues, the topic.

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::Rng as _;
use taskwatch::cell::ports::{
    CallError, ContainerDefinition, Described, Ecs, Message, Notifier, Queue, RunTaskAnswer, RunTaskCall,
};
use taskwatch::core::notification::Notification;
use tokio::time::Instant;

use super::ecs;
use super::node::Life;
use super::queue::Mailbox;
use super::world::State;

impl Life {
    /// A call over the network. What a process that is killed meanwhile has sent may still arrive; no answer comes.
    async fn call<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        self.goes_on().await;
        let (there, back, arrives) = {
            let mut state = self.world.state();
            let slow = state.fault(0.02);
            let back = if slow { state.millis(1_000, 6_000) } else { state.millis(2, 100) };
            (state.millis(1, 40), back, state.dice.random_bool(0.5))
        };
        tokio::time::sleep(there).await;
        if self.is_dead() && !arrives {
            return std::future::pending().await;
        }
        let result = act(&mut self.world.state());
        tokio::time::sleep(back).await;
        self.goes_on().await;
        result
    }
}

impl Ecs for Life {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        let world = Arc::clone(&self.world);
        let run = move |state: &mut State| {
            let (answer, placed) = state.run_task(call);
            placed.into_iter().for_each(|place| drop(tokio::spawn(ecs::life(Arc::clone(&world), place))));
            answer
        };
        self.call(run).boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, arn: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        let stop = |state: &mut State| {
            state.stop_task(arn, reason);
            if state.fault(0.03) { Err(CallError::Unknown("connection reset".into())) } else { Ok(()) }
        };
        self.call(stop).boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, arns: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        self.call(|state| Ok(state.describe_tasks(arns))).boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, by: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        self.call(|state| Ok(state.tasks_started_by(by))).boxed()
    }

    fn container_definitions<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        self.call(|_| Ok(vec![ContainerDefinition { name: "app".to_owned(), essential: true, log: None }])).boxed()
    }
}

impl Notifier for Life {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        let publish = move |state: &mut State| {
            let mut answers = Vec::new();
            for notification in notifications {
                let body: serde_json::Value = serde_json::from_str(&notification.message).unwrap_or_default();
                let name = body["detail"]["name"].as_str().unwrap_or_default().to_owned();
                state.note(format!("topic: {name} under {}", notification.id));
                // Without a name: of a circuit breaker.
                if !name.is_empty() {
                    state.told.entry(name).or_default().insert(notification.id.clone());
                }
                let lost = state.fault(0.05);
                answers.push(if lost { Err(CallError::Unknown("connection reset".into())) } else { Ok(()) });
            }
            answers
        };
        self.call(publish).boxed()
    }
}

/// One queue, as one process calls it: the events of a cell, or the requests of all.
pub(super) struct Line(pub(super) Life, pub(super) Option<String>);

impl Line {
    fn with<T>(&self, state: &mut State, act: impl FnOnce(&mut Mailbox, &mut rand::rngs::SmallRng) -> T) -> T {
        let State { requests, events, dice, .. } = state;
        let queue = match &self.1 {
            Some(cell) => events.get_mut(cell).expect("the queue of a cell"),
            None => requests,
        };
        act(queue, dice)
    }

    /// A receive that was sent takes messages also while its process stands still.
    async fn poll(&self, wait: Duration) -> Vec<Message> {
        let until = Instant::now() + wait;
        loop {
            let (messages, next) = {
                let mut state = self.0.world.state();
                self.with(&mut state, |queue, dice| (queue.take(dice), queue.next()))
            };
            if !messages.is_empty() || Instant::now() >= until {
                return messages;
            }
            tokio::select! {
                biased;
                () = self.0.world.came.notified() => {}
                () = tokio::time::sleep_until(next.unwrap_or(until).min(until)) => {}
            }
        }
    }
}

impl Queue for Line {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, Result<Vec<Message>, CallError>> {
        async move {
            self.0.goes_on().await;
            let messages = tokio::select! {
                biased;
                () = self.0.dies() => std::future::pending().await,
                messages = self.poll(wait) => messages,
            };
            let lost = self.0.call(|state| state.fault(0.01)).await;
            if lost { Err(CallError::Unknown("connection reset".into())) } else { Ok(messages) }
        }
        .boxed()
    }

    fn delete(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<Vec<String>, CallError>> {
        async move {
            let delete = |state: &mut State| {
                if state.fault(0.02) {
                    return Err(CallError::Unknown("connection refused".into()));
                }
                self.with(state, |queue, _| receipts.iter().for_each(|receipt| queue.delete(receipt)));
                Ok(Vec::new())
            };
            self.0.call(delete).await
        }
        .boxed()
    }

    fn release(&self, receipts: Vec<String>) -> BoxFuture<'_, Result<(), CallError>> {
        async move {
            let release = |state: &mut State| {
                self.with(state, |queue, _| receipts.iter().for_each(|receipt| queue.release(receipt)));
            };
            self.0.call(release).await;
            self.0.world.came.notify_waiters();
            Ok(())
        }
        .boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, Result<(), CallError>> {
        async { Err(CallError::Unknown("nobody sends here".into())) }.boxed()
    }
}
