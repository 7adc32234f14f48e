//! What became of the launches of a cluster: how many never ran a container, and why. Counted from CloudTrail's records of
//! RunTask, and from what ECS says of tasks that have stopped.

mod calls;
mod render;
mod tasks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::Serialize;

use super::failure::Class;
use super::launcher::Launcher;
use super::time::Timestamp;
use calls::Calls;
use tasks::{End, Seen};

/// Causes that are shown with what to do.
const WORST: usize = 5;

/// A place from which facts come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// What it is.
    pub name: &'static str,
    /// How many records it gave.
    pub records: usize,
    /// Why it gave none or not all, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Facts about the launches of a cluster, as they come in.
#[derive(Debug)]
pub struct Facts {
    cluster: String,
    since: Timestamp,
    until: Timestamp,
    calls: Calls,
    tasks: BTreeMap<String, Seen>,
    sources: Vec<Source>,
}

/// How many launches share something, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// What they share.
    pub name: String,
    /// Launches that were refused, and tasks that have stopped.
    pub launches: u64,
    /// Of these, refused or never ran a container.
    pub never_ran: u64,
    /// Of these, ran and failed.
    pub failed: u64,
}

/// One cause, with what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// How many launches met it.
    pub launches: u64,
    /// Whether they never ran a container.
    pub never_ran: bool,
    /// The most specific name of the failure.
    pub error: String,
    /// Its class.
    pub class: Class,
    /// What AWS said of one of them.
    pub cause: String,
    /// What to do.
    pub hint: String,
    /// The task definitions' families.
    pub families: Vec<String>,
    /// Who launched them.
    pub launchers: Vec<String>,
    /// Their subnets, with the Availability Zone where ECS says it.
    pub subnets: Vec<String>,
}

/// What became of the launches.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The cluster's name.
    pub cluster: String,
    /// From when on.
    pub since: Timestamp,
    /// Up to when.
    pub until: Timestamp,
    /// RunTask calls that CloudTrail has; none where it could not be read.
    pub calls: Option<u64>,
    /// Launches that they asked for: the sum of `count`.
    pub asked: Option<u64>,
    /// Launches of calls that were throttled; most callers make them again.
    pub throttled: Option<u64>,
    /// Launches that were refused.
    pub refused: Option<u64>,
    /// Launches that ECS made a task of.
    pub accepted: Option<u64>,
    /// Refused launches by reason.
    pub refusals: BTreeMap<String, u64>,
    /// Tasks that have stopped, of those that ECS or its events still tell of.
    pub stopped: u64,
    /// Of these, succeeded.
    pub succeeded: u64,
    /// Of these, never ran a container.
    pub never_started: u64,
    /// Of these, ran and failed, by exit code, or by name where there is none.
    pub failures: BTreeMap<String, u64>,
    /// Launches that never ran a container: refused, or stopped before they ran.
    pub never_ran: u64,
    /// Of so many launches whose fate is known; calls that were throttled are not among them.
    pub of: u64,
    /// The share of these, 0 to 1.
    pub share: f64,
    /// By who launched them.
    pub by_launcher: Vec<Row>,
    /// By family of the task definition.
    pub by_family: Vec<Row>,
    /// By class of the failure; those that did not fail are not in it.
    pub by_class: Vec<Row>,
    /// By subnet, with its Availability Zone.
    pub by_subnet: Vec<Row>,
    /// The causes that cost most.
    pub worst: Vec<Cause>,
    /// Where all of this comes from.
    pub sources: Vec<Source>,
}

/// A launch that did not go well, whether a call or a task tells of it.
struct Lost<'f> {
    launches: u64,
    never_ran: bool,
    failure: &'f super::failure::Failure,
    launcher: &'f Launcher,
    family: &'f str,
    subnets: Vec<String>,
}

impl Facts {
    /// Of a cluster, by name or ARN, in a span of time.
    pub fn new(cluster: &str, since: Timestamp, until: Timestamp) -> Self {
        let cluster = super::name::in_arn(cluster).to_owned();
        Self { cluster, since, until, calls: Calls::default(), tasks: BTreeMap::new(), sources: Vec::new() }
    }

    /// Notes where facts came from, or why they did not.
    pub fn source(&mut self, source: Source) {
        self.sources.push(source);
    }

    /// Counts.
    pub fn report(&self) -> Report {
        let mut lost: Vec<Lost<'_>> = self.calls.lost().chain(self.tasks.values().filter_map(Seen::lost)).collect();
        // A call names subnets alone; a task says in which zone one is.
        let zones: BTreeMap<&str, &str> = self.tasks.values().filter_map(Seen::zone).collect();
        let placed = |subnet: &String| match zones.get(subnet.as_str()) {
            Some(zone) => format!("{subnet} ({zone})"),
            None => subnet.clone(),
        };
        lost.iter_mut().for_each(|one| one.subnets = one.subnets.iter().map(placed).collect());
        let known = self.calls.known;
        let never_started = self.ended(|end| matches!(end, End::NeverRan(_)));
        let never_ran = never_started + self.calls.refused();
        // Where nobody tells of calls the tasks are all that is known.
        let of = self.calls.refused() + self.calls.accepted.max(self.tasks.len() as u64);
        let only = |value: u64| known.then_some(value);
        let mut failures = BTreeMap::new();
        for end in self.tasks.values().map(|task| &task.end) {
            if let End::Failed(failure, exit_code) = end {
                let name = exit_code.map_or_else(|| failure.error.clone(), |code| format!("exit code {code}"));
                *failures.entry(name).or_default() += 1;
            }
        }
        Report {
            cluster: self.cluster.clone(),
            since: self.since,
            until: self.until,
            calls: only(self.calls.calls),
            asked: only(self.calls.asked),
            throttled: only(self.calls.throttled),
            refused: only(self.calls.refused()),
            accepted: only(self.calls.accepted),
            refusals: self.calls.reasons(),
            stopped: self.tasks.len() as u64,
            succeeded: self.ended(|end| matches!(end, End::Succeeded)),
            never_started,
            failures,
            never_ran,
            of,
            share: if of == 0 { 0.0 } else { never_ran as f64 / of as f64 },
            by_launcher: self.rows(&lost, |task| vec![task.launcher.to_string()], |one| vec![one.launcher.to_string()]),
            by_family: self.rows(&lost, |task| vec![task.family.clone()], |one| vec![one.family.to_owned()]),
            by_class: self.rows(&lost, |_| Vec::new(), |one| vec![one.failure.class.as_str().to_owned()]),
            by_subnet: self.rows(&lost, |task| task.subnet.iter().map(placed).collect(), |one| one.subnets.clone()),
            worst: worst(&lost),
            sources: self.sources.clone(),
        }
    }

    fn ended(&self, is_so: impl Fn(&End) -> bool) -> u64 {
        self.tasks.values().filter(|task| is_so(&task.end)).count() as u64
    }

    /// Rows by what launches share, those that lost most first. A refused call names several subnets: it counts in each.
    fn rows(
        &self,
        lost: &[Lost<'_>],
        of_task: impl Fn(&Seen) -> Vec<String>,
        of_lost: impl Fn(&Lost<'_>) -> Vec<String>,
    ) -> Vec<Row> {
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        let mut row = |name: String, add: &dyn Fn(&mut Row)| add(rows.entry(name).or_default());
        for task in self.tasks.values().filter(|task| task.lost().is_none()) {
            of_task(task).into_iter().for_each(|name| row(name, &|row| row.launches += 1));
        }
        for one in lost {
            let add = |row: &mut Row| {
                row.launches += one.launches;
                *(if one.never_ran { &mut row.never_ran } else { &mut row.failed }) += one.launches;
            };
            of_lost(one).into_iter().for_each(|name| row(name, &add));
        }
        let mut rows: Vec<Row> = rows.into_iter().map(|(name, row)| Row { name, ..row }).collect();
        rows.sort_by_key(|row| std::cmp::Reverse((row.never_ran, row.failed, row.launches)));
        rows
    }
}

/// What costs most, first.
fn worst(lost: &[Lost<'_>]) -> Vec<Cause> {
    let mut causes: BTreeMap<(bool, &str, String), Cause> = BTreeMap::new();
    for one in lost {
        let failure = one.failure;
        let key = (one.never_ran, failure.error.as_str(), super::pattern::alike(&failure.cause));
        let cause = causes.entry(key).or_insert_with(|| Cause {
            launches: 0,
            never_ran: one.never_ran,
            error: failure.error.clone(),
            class: failure.class,
            cause: failure.cause.clone(),
            hint: failure.hint_with("taskwatch explain TASK_ARN --logs"),
            families: Vec::new(),
            launchers: Vec::new(),
            subnets: Vec::new(),
        });
        cause.launches += one.launches;
        let mut note = |list: fn(&mut Cause) -> &mut Vec<String>, text: String| {
            let list = list(cause);
            if !list.contains(&text) && list.len() < WORST {
                list.push(text);
            }
        };
        note(|cause| &mut cause.families, one.family.to_owned());
        note(|cause| &mut cause.launchers, one.launcher.to_string());
        one.subnets.iter().for_each(|subnet| note(|cause| &mut cause.subnets, subnet.clone()));
    }
    let mut causes: Vec<Cause> = causes.into_values().collect();
    causes.sort_by_key(|cause| std::cmp::Reverse((cause.never_ran, cause.launches)));
    causes.truncate(WORST);
    causes
}
