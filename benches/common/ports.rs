//! What the cell calls beside its queue and its store: an ECS that is asked for nothing here, and a topic that takes all.

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, ContainerDefinition, Described, Ecs, Notifier, RunTaskAnswer, RunTaskCall};
use taskwatch::core::notification::Notification;

pub(crate) struct NoEcs;

impl Ecs for NoEcs {
    fn run_task<'a>(&'a self, _: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        async { Err(CallError::Unknown("nothing is launched here".into())) }.boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        async { Ok(()) }.boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        async { Ok(Described::default()) }.boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        async { Ok(Vec::new()) }.boxed()
    }

    fn container_definitions<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        let name = "voterintake".to_owned();
        async { Ok(vec![ContainerDefinition { name, essential: true, log: None }]) }.boxed()
    }
}

pub(crate) struct Accepting;

impl Notifier for Accepting {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        async { notifications.iter().map(|_| Ok(())).collect() }.boxed()
    }
}
