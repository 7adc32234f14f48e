//! ECS as a cell meets it: tasks with whole lives, `clientToken`, answers that get lost, and a memory of an hour.

mod api;
mod life;
mod run_task;

use std::collections::BTreeMap;

use taskwatch::core::task::{Container, Task};
use taskwatch::core::time::Timestamp;

pub(super) use life::Step;

use super::plan::HOUR;

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: &'static str,
    pub(super) reason: String,
    pub(super) exit: Option<i64>,
    /// The container's own reason.
    pub(super) why: &'static str,
}

/// One task, in ECS's own ledger. Times are the world's milliseconds.
#[derive(Clone, Debug)]
pub(super) struct SimTask {
    pub(super) arn: String,
    /// By the `group` member of its RunTask call.
    pub(super) request: Option<usize>,
    /// By the call of somebody else that launched it.
    pub(super) call: Option<usize>,
    pub(super) started_by: String,
    pub(super) definition: String,
    pub(super) fargate: bool,
    pub(super) version: i64,
    pub(super) status: &'static str,
    pub(super) to_stop: bool,
    pub(super) epoch: u32,
    pub(super) created_at: u64,
    pub(super) started_at: Option<u64>,
    /// Nothing of it runs from here on.
    pub(super) over_at: Option<u64>,
    pub(super) stopped_at: Option<u64>,
    pub(super) healthy_at: Option<u64>,
    pub(super) end: Option<End>,
    /// The cell could know how it ended: it was told, and let go of the message.
    pub(super) end_told: bool,
    /// DescribeTasks says MISSING until then.
    pub(super) hidden_until: u64,
    /// ListTasks does not have it until then.
    pub(super) listed_from: u64,
    /// When each version was told, and whether that event was lost; from version 2.
    pub(super) told_at: Vec<(u64, bool)>,
    /// How many events came later than the others.
    pub(super) late: usize,
}

/// What a token's first call did.
#[derive(Debug)]
struct Call {
    shape: String,
    tasks: Vec<usize>,
    failures: Vec<(String, Option<String>)>,
    made_at: u64,
}

#[derive(Default)]
pub(super) struct Ecs {
    pub(super) tasks: Vec<SimTask>,
    by_arn: BTreeMap<String, usize>,
    by_started_by: BTreeMap<String, Vec<usize>>,
    tokens: BTreeMap<String, Call>,
    /// Tasks of a request whose containers may run.
    live: BTreeMap<usize, u32>,
}

impl Ecs {
    /// The cell let go of a message that tells how a task ended.
    pub(super) fn end_is_told(&mut self, arn: &str) {
        if let Some(place) = self.by_arn.get(arn) {
            self.tasks[*place].end_told = true;
        }
    }

    /// The tasks of a call, by its token.
    pub(super) fn of_token(&self, token: &str) -> impl Iterator<Item = &SimTask> {
        let places = self.by_started_by.get(&format!("sim/{token}")).into_iter().flatten();
        places.map(|place| &self.tasks[*place])
    }

    pub(super) fn place_of(&self, arn: &str) -> Option<usize> {
        self.by_arn.get(arn).copied()
    }

    pub(super) fn of_arn(&self, arn: &str) -> Option<&SimTask> {
        self.by_arn.get(arn).map(|place| &self.tasks[*place])
    }
}

/// The containers of a task definition: a family with an odd number has a sidecar.
pub(super) fn containers_of(definition: &str) -> &'static [(&'static str, bool)] {
    let family = definition.rsplit('/').next().unwrap_or_default().split(':').next().unwrap_or_default();
    let odd = family.ends_with(['1', '3', '5', '7', '9']);
    if odd { &[("app", true), ("proxy", false)] } else { &[("app", true)] }
}

impl SimTask {
    /// Whether ECS still knows it: an hour after STOPPED it does not (API reference, DescribeTasks).
    fn is_known(&self, now: u64) -> bool {
        self.stopped_at.is_none_or(|at| now < at + HOUR)
    }

    /// Versions whose events were lost.
    pub(super) fn lost_versions(&self) -> impl Iterator<Item = i64> {
        self.told_at.iter().zip(2..).filter(|((_, lost), _)| *lost).map(|(_, version)| version)
    }

    /// Whether its program did what it was to do.
    pub(super) fn did_its_work(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.code == "EssentialContainerExited" && end.exit == Some(0))
    }

    /// The containers as ECS shows them; a sidecar is stopped with its task.
    pub(super) fn containers(&self) -> Vec<(&'static str, Option<i64>, Option<&'static str>)> {
        let end = self.end.as_ref().filter(|_| self.over_at.is_some());
        let of = |(name, essential): &(&'static str, bool)| {
            let started = self.started_at.is_some();
            let exit = end.and_then(|end| if *essential { end.exit } else { Some(143).filter(|_| started) });
            let why = end.map(|end| end.why).filter(|why| *essential && !why.is_empty());
            (*name, exit, why)
        };
        containers_of(&self.definition).iter().map(of).collect()
    }

    /// As DescribeTasks and RunTask answer it.
    pub(super) fn described(&self, start: i64, now: u64) -> Task<'static> {
        let at = |millis: u64| Timestamp::from_millis(start + millis as i64);
        let end = self.end.as_ref().filter(|_| self.to_stop);
        let containers = self.containers().into_iter().map(|(name, exit_code, reason)| Container {
            name: name.into(),
            last_status: self.status.into(),
            exit_code,
            reason: reason.map(Into::into),
            runtime_id: None,
        });
        let healthy = self.healthy_at.is_some_and(|at| at <= now) && self.status == "RUNNING";
        Task {
            task_arn: self.arn.clone().into(),
            task_definition_arn: self.definition.clone().into(),
            started_by: Some(self.started_by.clone().into()),
            version: self.version,
            last_status: self.status.into(),
            desired_status: if self.to_stop { "STOPPED" } else { "RUNNING" }.into(),
            stop_code: end.map(|end| end.code.into()),
            stopped_reason: end.map(|end| end.reason.clone().into()),
            health_status: Some(if healthy { "HEALTHY" } else { "UNKNOWN" }.into()),
            created_at: Some(at(self.created_at)),
            started_at: self.started_at.map(at),
            stopped_at: self.stopped_at.map(at),
            containers: containers.collect(),
            ..Task::default()
        }
    }
}
