//! What must hold at the end of a world: every run told, every task accounted for, nothing left lying about.

use std::collections::BTreeMap;

use taskwatch::cell::Sizes;
use taskwatch::core::request::Goal;
use taskwatch::core::run::{Run, Status};

use super::world::State;

impl State {
    /// Whether everything has come to its end.
    pub(super) fn is_settled(&self) -> bool {
        let all_final = self.disk.runs.values().all(|run| run.status.is_final());
        let quiet = self.agenda.is_empty() && self.fleet.under_way == 0;
        quiet
            && self.is_quiet_about_others()
            && all_final
            && self.disk.outbox.is_empty()
            && self.events.len() == 0
            && self.requests.len() == 0
    }

    /// Why it has not settled.
    pub(super) fn audit_unsettled(&mut self) {
        let open: Vec<(Option<usize>, String)> = self
            .disk
            .runs
            .values()
            .filter(|run| !run.status.is_final())
            .map(|run| (self.fleet.of_name(run.request_name()), format!("{} never ended: {run:?}", run.name)))
            .collect();
        open.into_iter().for_each(|(request, what)| self.violate(request, what));
        let left = format!(
            "never settled: {} events, {} requests, {} notifications, {} submissions left, agenda empty: {}",
            self.events.len(),
            self.requests.len(),
            self.disk.outbox.len(),
            self.fleet.under_way,
            self.agenda.is_empty()
        );
        self.violate(None, left);
    }

    /// Everything that can be said of the whole.
    pub(super) fn audit(&mut self, sizes: Option<Sizes>) {
        self.audit_orders();
        let runs: Vec<Run> = self.disk.runs.values().cloned().collect();
        let mut owners = BTreeMap::new();
        for run in &runs {
            let request = self.fleet.of_name(run.request_name());
            for what in self.faults_of(run, request) {
                self.violate(request, format!("{}: {what}", run.name));
            }
            owners.extend(run.attempts.iter().filter_map(|a| a.task_arn.as_ref()).map(|arn| (arn.to_string(), run.id)));
        }
        for task in self.ecs.tasks.clone() {
            // Where the cell was away until ECS had forgotten the task, and every event of it was lost or came
            // hours later, nobody can know.
            let unheard = task.lost_versions().count() + task.late;
            let unknowable = self.plan.may_lose_tasks() && unheard >= task.told_at.len();
            if !owners.contains_key(&task.arn) && !unknowable && task.call.is_none() {
                self.violate(task.request, format!("nobody knows task {}", task.arn));
            }
        }
        self.audit_others();
        self.audit_corrections();
        if let Some(sizes) = sizes {
            self.audit_memory(sizes);
        }
    }

    fn audit_orders(&mut self) {
        for n in 0..self.fleet.orders.len() {
            let order = &self.fleet.orders[n];
            let (count, name) = (order.count(), order.name().unwrap_or_default().to_owned());
            let there = self.disk.of_request(&name).count();
            if there != count as usize {
                self.violate(Some(n), format!("{name} was ordered {count} times and is there {there} times"));
            }
        }
    }

    fn faults_of(&self, run: &Run, request: Option<usize>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |what: String| faults.push(what);
        let told: Vec<usize> =
            self.topic.told.values().filter_map(|told| told.get(&run.id)).map(|ids| ids.len()).collect();
        // One id an end, at the topic and at the bus.
        let ends = self.watch.ends.get(&run.id).copied().unwrap_or_default();
        if told != if ends > 0 { vec![ends, ends] } else { vec![] } {
            fault(format!("{told:?} notification ids for its end, {}", run.status.as_str()));
        }
        let lives = 1 + run.redrives as usize;
        let most = request.map_or(usize::MAX, |n| self.fleet.orders[n].most_attempts() * lives);
        if run.attempts.len() > most {
            fault(format!("{} attempts, {most} allowed", run.attempts.len()));
        }
        let tasks: Vec<_> =
            run.attempts.iter().map(|a| a.task_arn.as_ref().and_then(|t| self.ecs.of_arn(&t.to_string()))).collect();
        let mut before = 0;
        for (attempt, task) in run.attempts.iter().zip(&tasks) {
            let Some(task) = task else { continue };
            if task.created_at < before {
                fault(format!("attempt {} began before the one before it was over", attempt.number));
            }
            before = task.over_at.unwrap_or(u64::MAX);
            let last = attempt.number as usize == run.attempts.len();
            let given_up = attempt.failure.as_ref().is_some_and(|f| f.error == "Taskwatch.TaskLost");
            // Nobody told how it ended before ECS forgot it: the cell was away for about an hour, and the events were lost.
            let lost = attempt.version < task.version && !task.end_told && self.plan.may_lose_tasks();
            if given_up && !lost {
                fault(format!("{} was given up without need: {task:?}", task.arn));
            }
            let succeeded = last && run.status == Status::Succeeded;
            if run.spec.until == Goal::Stopped && task.did_its_work() != succeeded && !lost {
                fault(format!(
                    "attempt {} ended as {:?}, the run is {}",
                    attempt.number,
                    task.end,
                    run.status.as_str()
                ));
            }
            if run.spec.until == Goal::Running && succeeded && task.started_at.is_none() {
                fault(format!("{} never was RUNNING", task.arn));
            }
        }
        faults
    }

    fn audit_memory(&mut self, sizes: Sizes) {
        let kept = self.plan.keep_finished;
        let attempts: usize = self.disk.runs.values().map(|run| run.attempts.len()).max().unwrap_or(0);
        let is_small = sizes.timers == 0 && sizes.waiting == 0 && sizes.live == 0 && sizes.undelivered == 0;
        let is_kept = sizes.runs <= kept && sizes.names <= kept;
        let is_found = sizes.tasks <= kept * attempts && sizes.tokens <= kept * attempts;
        if !(is_small && is_kept && is_found) {
            self.violate(None, format!("the cell still holds {sizes:?}, {kept} finished runs may be kept"));
        }
    }
}
