//! How a task lives: which step comes after how long, and what each step does to the task.
//!
//! The times are those of recorded events: on Fargate 20 to 60 s from creation to start, some 13 s from stopping to stopped
//! (10 to 25 s more until the control plane hears of the exit); on EC2 one to three seconds each.

use std::collections::VecDeque;

use rand::Rng;

use super::task::{Ending, Status, Task};
use crate::local::faults::{Moment, Span};

/// One thing that happens to a task.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    Connected,
    /// The first event of a task that is PENDING from birth.
    Reported,
    Pending,
    PullStarted,
    PullStopped,
    Activating,
    Running,
    Health(&'static str),
    /// This container's work is done.
    Exit(usize),
    /// ECS wants the task stopped: Spot warning, maintenance.
    Warned,
    /// The containers get their signal: the exit code it gives.
    Killed(i64),
    /// The task cannot start.
    Failed,
    /// The host is gone, and with it all exit codes.
    HostGone,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
    /// ECS no longer knows the task.
    Forgotten,
}

impl Task {
    /// Lays out the way to RUNNING, or to where the fault ends it.
    pub(super) fn plan_start(&mut self) {
        let mut steps = self.way_up();
        if let Some(fault) = self.fault.clone() {
            let after = fault.after.map(|span| super::task::drawn(&mut self.rng, span));
            let cut = |steps: &mut VecDeque<(f64, Step)>, before: &[Step], and: Option<(f64, Step)>| {
                let at = steps.iter().position(|(_, s)| before.contains(s)).unwrap_or(steps.len());
                let due = steps.get(at).map_or(1.0, |(wait, _)| *wait);
                steps.truncate(at);
                steps.extend(and.map(|(wait, step)| (if wait > 0.0 { wait } else { due }, step)));
            };
            let failed = Some((after.unwrap_or(0.0), Step::Failed));
            match fault.moment {
                Moment::Provisioning => cut(&mut steps, &[Step::Connected, Step::Pending, Step::PullStarted], failed),
                Moment::Pulling => cut(&mut steps, &[Step::PullStopped], failed),
                Moment::Starting => cut(&mut steps, &[Step::Activating, Step::Running], failed),
                Moment::StuckProvisioning => {
                    cut(&mut steps, &[Step::Connected, Step::Pending, Step::PullStarted], None)
                }
                Moment::StuckPending => cut(&mut steps, &[Step::PullStopped], None),
                _ => {}
            }
        }
        self.steps = steps;
    }

    fn way_up(&mut self) -> VecDeque<(f64, Step)> {
        let mut t = |least: f64, most: f64| super::task::drawn(&mut self.rng, Span(least, most));
        let mut steps = VecDeque::new();
        if self.place.fargate() {
            steps.push_back((t(3.0, 6.5), Step::Connected));
            steps.push_back((t(4.0, 10.0), Step::Pending));
            steps.push_back((t(3.0, 8.0), Step::PullStarted));
            steps.push_back((t(5.0, 20.0), Step::PullStopped));
            if t(0.0, 1.0) < 0.3 {
                steps.push_back((t(0.5, 2.0), Step::Activating));
            }
            steps.push_back((t(4.0, 13.0), Step::Running));
        } else {
            if self.status == Status::Pending {
                steps.push_back((t(0.05, 0.3), Step::Reported));
            } else {
                steps.push_back((t(0.3, 1.0), Step::Connected));
                steps.push_back((t(0.2, 0.6), Step::Pending));
            }
            steps.push_back((t(0.2, 0.6), Step::PullStarted));
            steps.push_back((t(0.1, 0.5), Step::PullStopped));
            steps.push_back((t(0.3, 0.9), Step::Running));
        }
        steps
    }

    /// Lays out what follows RUNNING: health, the ends of the containers, and a fault in between.
    fn plan_work(&mut self, now: i64, scale: f64) {
        let moment = self.fault.as_ref().map(|f| f.moment);
        let after = self.fault.as_ref().and_then(|f| f.after).map(|span| super::task::drawn(&mut self.rng, span));
        let mut timeline: Vec<(f64, Step)> = Vec::new();
        for index in 0..self.containers.len() {
            let mut seconds = self.containers[index].work.0;
            if moment == Some(Moment::Exit) && self.definition_of(index).essential {
                seconds = after.or(seconds);
            }
            if moment == Some(Moment::NeverEnds) {
                seconds = None;
            }
            if let Some(seconds) = seconds {
                self.containers[index].ends_at = Some(now + super::scaled(seconds, scale));
                timeline.push((seconds, Step::Exit(index)));
            }
            self.containers[index].work.0 = seconds;
        }
        let healthy = self.launch.definition.containers.iter().filter_map(|c| c.healthy_after).reduce(f64::max);
        if let Some(healthy) = healthy {
            let state = if moment == Some(Moment::Unhealthy) { "UNHEALTHY" } else { "HEALTHY" };
            timeline.push((healthy, Step::Health(state)));
        }
        match moment {
            Some(Moment::Warned) => timeline.push((after.unwrap_or(10.0), Step::Warned)),
            Some(Moment::HostGone) => timeline.push((after.unwrap_or(10.0), Step::HostGone)),
            _ => {}
        }
        timeline.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut before = 0.0;
        self.steps = timeline
            .into_iter()
            .map(|(at, step)| {
                let wait = at - before;
                before = at;
                (wait, step)
            })
            .collect();
    }

    /// Lays out the way from the end of the containers to STOPPED and into oblivion.
    fn plan_stop(&mut self) {
        let stuck = self.fault.as_ref().is_some_and(|f| f.moment == Moment::StuckStopping);
        let mut t = |least: f64, most: f64| super::task::drawn(&mut self.rng, Span(least, most));
        self.steps.clear();
        if self.place.fargate() {
            let mut heard = t(10.0, 25.0);
            for step in [Step::Deactivating, Step::Stopping] {
                if t(0.0, 1.0) < 0.2 {
                    let part = heard * 0.4;
                    heard -= part;
                    self.steps.push_back((part, step));
                }
            }
            self.steps.push_back((heard, Step::Deprovisioning));
            self.steps.push_back((t(12.7, 13.1), Step::Stopped));
        } else {
            if self.place.awsvpc {
                self.steps.push_back((t(0.3, 0.9), Step::Deprovisioning));
            }
            self.steps.push_back((t(0.9, 1.7), Step::Stopped));
        }
        if stuck {
            self.steps.pop_back();
        }
    }

    /// Carries out one step. Says whether ECS sends an event for it.
    pub(super) fn apply(&mut self, step: &Step, now: i64, scale: f64) -> bool {
        match step {
            Step::Connected => {
                self.connected = Some(now);
                if let Some(interface) = &mut self.interface {
                    interface.attached = true;
                }
                return false;
            }
            Step::Reported => self.connected = Some(self.created),
            Step::Pending => {
                self.status = Status::Pending;
                self.changed(now);
            }
            Step::PullStarted => {
                self.pull_started = Some(now);
                return false;
            }
            Step::PullStopped => {
                self.pull_stopped = Some(now);
                return false;
            }
            Step::Activating => {
                self.status = Status::Activating;
                self.changed(now);
            }
            Step::Running => self.run(now, scale),
            Step::Health(state) => {
                for container in self.containers.iter_mut().filter(|c| c.health.is_some()) {
                    container.health = Some(state);
                }
                return false;
            }
            Step::Exit(index) => return self.exited(*index, now),
            Step::Warned => self.warned(now),
            Step::Killed(code) => {
                self.killed(*code, now);
                return false;
            }
            Step::Failed => {
                self.failed(now);
                return false;
            }
            Step::HostGone => {
                self.host_gone(now);
                return false;
            }
            Step::Deactivating => self.winding_down(Status::Deactivating, now),
            Step::Stopping => self.winding_down(Status::Stopping, now),
            Step::Deprovisioning => self.winding_down(Status::Deprovisioning, now),
            Step::Stopped => {
                self.winding_down(Status::Stopped, now);
                self.stopped = Some(now);
                self.steps.clear();
                self.steps.push_back((self.forgotten_after, Step::Forgotten));
            }
            Step::Forgotten => return false,
        }
        true
    }

    fn run(&mut self, now: i64, scale: f64) {
        self.status = Status::Running;
        self.started = Some(now);
        for container in &mut self.containers {
            container.status = Status::Running;
        }
        self.changed(now);
        self.plan_work(now, scale);
    }

    /// A container's work is done. If it is essential, so is the task's.
    fn exited(&mut self, index: usize, now: i64) -> bool {
        if self.definition_of(index).essential {
            let reason = self.fault.as_ref().filter(|f| f.moment == Moment::Exit);
            let (code, text) =
                (reason.and_then(|f| f.stop_code.clone()), reason.and_then(|f| f.stopped_reason.clone()));
            let in_container = reason.and_then(|f| f.container_reason.clone());
            let code_lost = reason.is_some_and(|f| f.exit_code.is_none());
            // Those that end at the same instant end by themselves too, whatever rounding makes of it.
            let instant = self.containers[index].ends_at.map_or(now, |at| at.max(now));
            let mut exits = self.exits(instant, 143);
            exits[index].1 = in_container;
            // Its own step says that it ended, whatever rounding makes of the instant.
            exits[index].0 = if code_lost { None } else { self.containers[index].work.1 };
            self.end(
                Some(now),
                exits,
                code.or(Some("EssentialContainerExited".to_owned())),
                text.or(Some("Essential container in task exited".to_owned())),
            );
            return false;
        }
        let container = &mut self.containers[index];
        container.status = Status::Stopped;
        container.exit_code = container.work.1;
        self.changed(now);
        true
    }

    /// What each container exits with if all are stopped now: those whose work is done with its code, the others by signal.
    fn exits(&self, now: i64, signal: i64) -> Vec<(Option<i64>, Option<String>)> {
        let code = |c: &super::task::Container| match c.exit_code {
            Some(code) => Some(code),
            None if c.ends_at.is_some_and(|at| at <= now) => c.work.1,
            None => Some(signal),
        };
        self.containers.iter().map(|c| (code(c), None)).collect()
    }

    fn warned(&mut self, now: i64) {
        self.stopping_wanted = true;
        if let Some(fault) = &self.fault {
            self.stop_code = fault.stop_code.clone();
            self.stopped_reason = fault.stopped_reason.clone();
        }
        self.changed(now);
        // SIGTERM comes with the warning; two minutes are the most a program may take, few do.
        let code = self.fault.as_ref().and_then(|f| f.exit_code).unwrap_or(143);
        let wait = self.rng.random_range(2.0..30.0);
        self.steps.clear();
        self.steps.push_back((wait, Step::Killed(code)));
    }

    fn killed(&mut self, signal: i64, now: i64) {
        let exits = self.exits(now, signal);
        self.end(Some(now), exits, None, None);
    }

    fn failed(&mut self, now: i64) {
        let fault = self.fault.clone();
        let (code, reason, in_container) =
            fault.map_or((None, None, None), |f| (f.stop_code, f.stopped_reason, f.container_reason));
        let mut exits = vec![(None, None); self.containers.len()];
        if let Some(first) = exits.first_mut() {
            first.1 = in_container;
        }
        self.end(self.pull_started.map(|_| now), exits, code, reason);
    }

    fn host_gone(&mut self, now: i64) {
        let fault = self.fault.clone();
        let (code, reason) = fault.map_or((None, None), |f| (f.stop_code, f.stopped_reason));
        let exits = vec![(None, None); self.containers.len()];
        self.end(None, exits, code, reason);
        self.steps.clear();
        self.steps.push_back((0.5, Step::Stopped));
        self.updated = now;
    }

    fn end(
        &mut self,
        at: Option<i64>,
        exits: Vec<(Option<i64>, Option<String>)>,
        stop_code: Option<String>,
        reason: Option<String>,
    ) {
        self.ending = Some(Ending { at, exits, stop_code, reason });
        self.plan_stop();
    }

    /// ECS has heard of the end: everything about it shows from here on.
    fn winding_down(&mut self, status: Status, now: i64) {
        if let Some(ending) = self.ending.take() {
            self.execution_stopped = ending.at;
            self.stop_code = self.stop_code.take().or(ending.stop_code);
            self.stopped_reason = self.stopped_reason.take().or(ending.reason);
            for (container, (code, reason)) in self.containers.iter_mut().zip(ending.exits) {
                container.status = Status::Stopped;
                container.exit_code = code;
                container.reason = reason;
            }
        }
        self.stopping_wanted = true;
        self.stopping.get_or_insert(now);
        self.status = status;
        self.changed(now);
    }

    /// StopTask. Says whether anything changed.
    pub(super) fn stop(&mut self, reason: &str, now: i64) -> bool {
        if self.stopping_wanted || self.ending.is_some() {
            return false;
        }
        self.epoch += 1;
        self.stopping_wanted = true;
        self.stop_code = Some("UserInitiated".to_owned());
        self.stopped_reason = Some(reason.to_owned());
        self.changed(now);
        if self.started.is_none() {
            let exits = vec![(None, None); self.containers.len()];
            self.end(None, exits, None, None);
            return true;
        }
        let deaf = self.fault.as_ref().is_some_and(|f| f.moment == Moment::IgnoresSigterm);
        let patience = self.launch.definition.containers.iter().map(|c| c.stop_timeout).fold(0.0, f64::max);
        let (wait, code) = if deaf { (patience, 137) } else { (self.rng.random_range(0.2..2.0), 143) };
        self.steps.clear();
        self.steps.push_back((wait, Step::Killed(code)));
        true
    }
}
