//! Tasks that have stopped, as DescribeTasks or ECS's events tell of them.

use serde_json::Value;

use super::{Facts, Lost};
use crate::core::failure::Failure;
use crate::core::launcher::Launcher;
use crate::core::name;
use crate::core::task::{Task, parse_task};
use crate::core::verdict::{Deciders, Verdict};

/// A task, as far as the report goes.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) launcher: Launcher,
    pub(super) family: String,
    pub(super) subnet: Option<String>,
    zone: Option<String>,
    pub(super) end: End,
}

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    Succeeded,
    /// No container of it ran.
    NeverRan(Box<Failure>),
    /// It ran, and failed: with this exit code, if there is one.
    Failed(Box<Failure>, Option<i64>),
}

impl Seen {
    /// Its subnet, and the Availability Zone that this is in.
    pub(super) fn zone(&self) -> Option<(&str, &str)> {
        self.subnet.as_deref().zip(self.zone.as_deref())
    }

    pub(super) fn lost(&self) -> Option<Lost<'_>> {
        let (failure, never_ran) = match &self.end {
            End::Succeeded => return None,
            End::NeverRan(failure) => (failure, true),
            End::Failed(failure, _) => (failure, false),
        };
        Some(Lost {
            launches: 1,
            never_ran,
            failure,
            launcher: &self.launcher,
            family: &self.family,
            subnets: self.subnet.iter().cloned().collect(),
        })
    }
}

impl Facts {
    /// Takes in a task of DescribeTasks, or the `detail` of an event; whether it is one of this cluster that has stopped.
    pub fn add_task(&mut self, document: &Value) -> bool {
        let task = parse_task(document);
        if task.task_arn.is_empty() || name::in_arn(&task.cluster_arn) != self.cluster {
            return false;
        }
        if task.stopped_at.or(task.created_at).is_some_and(|at| at < self.since) {
            return false;
        }
        let Some(end) = end(&task) else { return false };
        let details = document["attachments"].as_array().into_iter().flatten();
        let mut details = details.flat_map(|attachment| attachment["details"].as_array().into_iter().flatten());
        let subnet = details.find(|detail| detail["name"] == "subnetId").and_then(|detail| detail["value"].as_str());
        let family = name::family_of(&task.task_definition_arn);
        let seen = Seen {
            launcher: Launcher::of(task.started_by.as_deref(), document["group"].as_str(), &task.cluster_arn),
            family: family.to_owned(),
            subnet: subnet.map(str::to_owned),
            zone: document["availabilityZone"].as_str().map(str::to_owned),
            end,
        };
        self.tasks.insert(task.task_arn.into_owned(), seen);
        true
    }
}

fn end(task: &Task<'_>) -> Option<End> {
    match task.verdict(Deciders::Unknown) {
        Verdict::Succeeded => Some(End::Succeeded),
        Verdict::Failed(failure) => Some(match task.has_run() {
            false => End::NeverRan(failure),
            true => End::Failed(failure, task.exit_code(Deciders::Unknown).filter(|code| *code != 0)),
        }),
        _ => None,
    }
}
