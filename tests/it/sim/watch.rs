//! What must hold over time: deadlines that restarts do not put off, and corrections that are of lost events.

use std::collections::{BTreeMap, BTreeSet};

use taskwatch::core::machine::next_deadline;
use taskwatch::core::run::{Attempt, Run, Stage};
use taskwatch::core::time::Timestamp;
use tokio::time::Instant;
use uuid::Uuid;

use super::ecs::Ecs;
use super::faults::HUNG;
use super::plan::{Away, MINUTE, SECOND};
use super::world::State;

/// How often deadlines are looked at.
pub(super) const EVERY: u64 = 5 * SECOND;
/// What a deadline may take beyond the queue's visibility timeout while nothing is away.
const A_LITTLE: u64 = 90 * SECOND;
/// An event that comes so long after DescribeTasks has said the same was not lost.
const NOT_LOST: u64 = MINUTE;

#[derive(Default)]
pub(super) struct Watch {
    /// How long each deadline has been over while the cell was up and nothing away.
    overdue: BTreeMap<(Uuid, Timestamp), u64>,
    /// Versions that DescribeTasks told before any event did, and when.
    ahead: BTreeMap<(String, i64), u64>,
    heard: BTreeMap<String, i64>,
    /// What the cell counted over all lives.
    pub(super) corrections: u64,
    /// Ends that were to be told, by run.
    pub(super) ends: BTreeMap<Uuid, usize>,
}

impl Watch {
    /// DescribeTasks told this version of a task.
    pub(super) fn described(&mut self, arn: &str, version: i64, now: u64) {
        if self.heard.get(arn).is_none_or(|heard| *heard < version) {
            self.ahead.entry((arn.to_owned(), version)).or_insert(now);
        }
    }

    /// The event of this version was taken in.
    pub(super) fn heard(&mut self, arn: &str, version: i64, now: u64, ecs: &Ecs) {
        let heard = self.heard.entry(arn.to_owned()).or_default();
        *heard = (*heard).max(version);
        let lost: BTreeSet<i64> = ecs.of_arn(arn).map(|task| task.lost_versions().collect()).unwrap_or_default();
        self.ahead.retain(|(task, ahead), at| {
            task != arn || *ahead > version || lost.contains(ahead) || now > *at + NOT_LOST
        });
    }
}

impl State {
    /// Deadlines of placed tasks: given up for the restarts of the process they must not be.
    pub(super) fn check_deadlines(&mut self) {
        let away = [Away::Ecs, Away::Events, Away::Disk, Away::Credentials, Away::Bus, Away::Describe];
        if !self.plan.faults.keeps_deadlines || away.into_iter().any(|what| self.away(what)) {
            return;
        }
        let now = Timestamp::from_millis(self.start + self.now() as i64);
        let open = self.disk.runs.values().filter(|run| !run.status.is_final());
        let placed = open.filter(|run| run.attempt().is_some_and(|a| a.stage == Stage::Placed));
        let over = placed.filter_map(|run| Some((run.id, next_deadline(run).filter(|at| *at < now)?)));
        let over: Vec<(Uuid, Timestamp)> = over.collect();
        self.watch.overdue.retain(|key, _| over.contains(key));
        let longest = self.plan.visibility + A_LITTLE;
        for (run, at) in over {
            let long = self.watch.overdue.entry((run, at)).or_default();
            *long += EVERY;
            if *long > longest && *long <= longest + EVERY {
                let run = &self.disk.runs[&run];
                let what = format!("the deadline of {}, {at}, is over for {longest} ms of the cell's time", run.name);
                self.violate(self.fleet.of_name(run.request_name()), what);
            }
        }
    }

    /// A run that is told that its call was refused, or that begins another attempt, has no task that runs.
    pub(super) fn check_refusal(&mut self, run: &Run) {
        let last = run.attempts.len();
        let given_up = run.attempts.iter().enumerate().filter(|(n, _)| n + 1 < last || run.status.is_final());
        let tokens = given_up.filter(|(_, a)| a.task_arn.is_none()).filter_map(|(_, a)| a.token);
        for token in tokens.collect::<BTreeSet<_>>() {
            let nobodys = |arn: &str| self.disk.of_task(arn).is_none() && !run.had(arn);
            let live = self
                .ecs
                .of_token(&token.to_string())
                .filter(|task| task.over_at.is_none() && nobodys(&task.arn))
                .count();
            let waiting = self.disk.launching(&token.to_string());
            let itself = self.disk.runs.get(&run.id).and_then(Run::attempt);
            let itself = itself.is_some_and(|a| a.stage == Stage::Launching && a.token == Some(token));
            let others = waiting - usize::from(itself && waiting > 0);
            if live > others {
                let what = format!("{} is given up as refused, and {live} tasks of {token} run", run.name);
                self.violate(self.fleet.of_name(run.request_name()), what);
            }
        }
    }

    /// What is said of a task is taken in, though the definition of another cannot be read.
    pub(super) fn check_is_not_held_up(&mut self, run: &Run) {
        let Some((from, _)) = self.plan.faults.hung else { return };
        let news = |run: &Run| run.attempt().map(|a| (a.task_arn.clone(), a.version));
        let (Some((Some(arn), version)), before) = (news(run), self.disk.runs.get(&run.id).and_then(news)) else {
            return;
        };
        // What is shown of a run that has ended is written with the next commit, whenever there is one.
        if self.disk.runs.get(&run.id).is_some_and(|known| known.status.is_final()) && run.status.is_final() {
            return;
        }
        // What only follows the task on its way is committed with what comes after it.
        let known = self.disk.runs.get(&run.id).and_then(Run::attempt).is_some_and(|a| a.started_at.is_some());
        let decides = |a: &Attempt| a.stage == Stage::Over || a.started_at.is_some() && !known;
        if !run.attempt().is_some_and(decides) {
            return;
        }
        let is_new = before.is_none_or(|(known, old)| known.as_ref() != Some(&arn) || old < version);
        let Some(task) = self.ecs.of_arn(&arn.to_string()).filter(|task| is_new && !is_hung(&task.definition)) else {
            return;
        };
        let told = usize::try_from(version - 2).ok().and_then(|n| task.told_at.get(n).copied());
        let late = told.filter(|(_, lost)| !lost).map_or(0, |(at, _)| self.now().saturating_sub(at.max(from)));
        if late > 2 * self.plan.visibility + MINUTE {
            let what = format!("v{version} of {arn} was taken in {late} ms after it was told");
            self.violate(task.request, what);
        }
    }

    pub(super) fn count_end(&mut self, run: &Run) {
        let is_new = self.disk.runs.get(&run.id).is_none_or(|known| !known.status.is_final());
        let wanted = run.spec.notify.on.as_ref().is_none_or(|on| on.contains(&run.status));
        if run.status.is_final() && is_new && wanted {
            *self.watch.ends.entry(run.id).or_default() += 1;
        }
    }

    /// Until when DescribeTaskDefinition is not answered.
    pub(super) fn hangs(&self, definition: &str) -> Option<Instant> {
        let (from, to) = self.plan.faults.hung?;
        (is_hung(definition) && (from..to).contains(&self.now())).then(|| self.instant(to))
    }

    /// As many corrections at most as events were lost, or came more than a minute after DescribeTasks.
    pub(super) fn audit_corrections(&mut self) {
        let (counted, lost) = (self.watch.corrections, self.watch.ahead.len() as u64);
        if self.plan.faults.counts_corrections && counted > lost {
            self.violate(None, format!("{counted} corrections were counted, {lost} events were lost"));
        }
    }
}

fn is_hung(definition: &str) -> bool {
    definition.rsplit('/').next().unwrap_or_default().split(':').next() == Some(HUNG)
}
