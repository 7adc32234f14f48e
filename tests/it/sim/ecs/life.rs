//! The life of a task, with the times that real ones take, and the events that tell of it.

use rand::Rng;
use serde_json::json;
use taskwatch::core::time::Timestamp;

use super::super::agenda::Act;
use super::super::plan::{Away, HOUR, MINUTE, SECOND, pick};
use super::super::world::State;
use super::{End, SimTask};

/// What a task does next.
#[derive(Clone, Debug)]
pub(in super::super) enum Step {
    Pending,
    Running,
    /// A container changed: a version more, nothing else.
    Container,
    /// The notice that Spot takes its place away in two minutes.
    Notice(End),
    /// Its containers have ended, or it never had any.
    Over(End),
    Deprovisioning,
    Stopped,
}

/// Texts of tasks that did not start.
const NOT_STARTED: [&str; 6] = [
    "Timeout waiting for network interface provisioning to complete.",
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref \
     docker.io/library/app:latest: failed to do request: dial tcp 54.198.86.24:443: i/o timeout",
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): docker.io/library/app:gone: not found",
    "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed",
    "TaskFailedToStart: AGENT",
    "Something that nobody has seen before",
];

fn end(code: &'static str, reason: &str, exit: Option<i64>, why: &'static str) -> End {
    End { code, reason: reason.to_owned(), exit, why }
}

fn exited(exit: Option<i64>, why: &'static str) -> End {
    end("EssentialContainerExited", "Essential container in task exited", exit, why)
}

impl State {
    /// Rolls a life for a task that was just placed, and writes its steps into the agenda.
    pub(super) fn begin_life(&mut self, task: usize, fargate: bool) {
        let fails = self.fault(self.plan.task_fails);
        let kind = if fails { self.dice.random_range(1..9) } else { 0 };
        let scale = if fargate { SECOND } else { SECOND / 10 };
        let mut at = self.now() + self.between(scale, 5 * scale);
        let pending = at;
        if kind == 1 && self.chance(0.5) {
            // Not even PENDING.
            let reason = *pick(&mut self.dice, &NOT_STARTED);
            return self.finish_at(task, at + 20 * SECOND, end("TaskFailedToStart", reason, None, ""), fargate);
        }
        self.step(task, pending, Step::Pending);
        at += self.between(10 * scale, 60 * scale);
        match kind {
            1 => {
                let reason = *pick(&mut self.dice, &NOT_STARTED);
                let ends = if reason.starts_with("Cannot") {
                    end("TaskFailedToStart", "Task failed to start", None, "CannotPullContainerError: not found")
                } else {
                    end("TaskFailedToStart", reason, None, "")
                };
                return self.finish_at(task, at, ends, fargate);
            }
            // Stuck until somebody stops it, or ECS gives up.
            2 => {
                return self.finish_at(
                    task,
                    at + 3 * HOUR,
                    end("TaskFailedToStart", NOT_STARTED[0], None, ""),
                    fargate,
                );
            }
            _ => {}
        }
        self.step(task, at, Step::Running);
        let healthy = at + self.between(SECOND, 90 * SECOND);
        self.ecs.tasks[task].healthy_at = self.chance(0.9).then_some(healthy);
        let longest = *pick(&mut self.dice, &[5 * SECOND, MINUTE, 20 * MINUTE, 2 * HOUR]);
        let lasts = self.between(SECOND, longest);
        if self.chance(0.3) {
            let seen = at + self.between(1, lasts);
            self.step(task, seen, Step::Container);
        }
        at += lasts;
        let ends = match kind {
            0 => exited(Some(0), ""),
            3 | 4 => exited(Some(i64::from(self.dice.random_range(1..4_u8))), ""),
            5 => exited(Some(137), "OutOfMemoryError: Container killed due to memory usage"),
            6 => exited(None, ""),
            7 => end("TerminationNotice", "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.", None, ""),
            _ => {
                let spot = end("SpotInterruption", "Your Spot Task was interrupted.", Some(143), "");
                self.step(task, at, Step::Notice(spot.clone()));
                at += self.between(SECOND, 2 * MINUTE);
                spot
            }
        };
        self.finish_at(task, at, ends, fargate);
    }

    /// Its containers end then; Fargate's ENI goes 10 s and more later.
    fn finish_at(&mut self, task: usize, at: u64, end: End, fargate: bool) {
        self.step(task, at, Step::Over(end));
        let mut stopped = at + self.between(SECOND, 2 * SECOND);
        if fargate {
            let deprovisioning = at + self.between(SECOND, 30 * SECOND);
            self.step(task, deprovisioning, Step::Deprovisioning);
            stopped = deprovisioning + 13 * SECOND;
        }
        self.step(task, stopped, Step::Stopped);
    }

    fn step(&mut self, task: usize, at: u64, step: Step) {
        let epoch = self.ecs.tasks[task].epoch;
        self.agenda.add(at, Act::Task { task, epoch, step });
    }

    /// StopTask took effect: what was to come does not; SIGTERM now, SIGKILL up to two minutes later.
    pub(in super::super) fn begin_stop(&mut self, task: usize, reason: &str) {
        let (over, fargate, started) = {
            let task = &self.ecs.tasks[task];
            (task.over_at.is_some() || task.to_stop, task.fargate, task.started_at.is_some())
        };
        if over {
            return;
        }
        let exit = *pick(&mut self.dice, &[Some(143), Some(137), Some(0), None]);
        let ends = end("UserInitiated", reason, exit.filter(|_| started), "");
        let stopping = &mut self.ecs.tasks[task];
        stopping.epoch += 1;
        stopping.to_stop = true;
        stopping.end = Some(ends.clone());
        self.tell(task);
        let at = self.now() + self.between(100, if started { 120 * SECOND } else { 10 * SECOND });
        self.finish_at(task, at, ends, fargate);
    }

    pub(in super::super) fn go_on(&mut self, task: usize, epoch: u32, step: Step) {
        let now = self.now();
        let known = &mut self.ecs.tasks[task];
        if known.epoch != epoch {
            return;
        }
        match step {
            Step::Pending => known.status = "PENDING",
            Step::Running => {
                known.status = "RUNNING";
                known.started_at = Some(now);
            }
            Step::Container => {}
            Step::Notice(end) => {
                known.to_stop = true;
                known.end = Some(end);
            }
            Step::Over(end) => {
                known.over_at = Some(now);
                known.to_stop = true;
                known.end = Some(end);
                let (arn, request) = (known.arn.clone(), known.request);
                if let Some(live) = request.and_then(|request| self.ecs.live.get_mut(&request)) {
                    *live -= 1;
                }
                let line = format!("ecs: {arn} is over: {:?}", self.ecs.tasks[task].end);
                // ECS tells of it only when it deprovisions or has stopped.
                return self.note(request, line);
            }
            Step::Deprovisioning => known.status = "DEPROVISIONING",
            Step::Stopped => {
                known.status = "STOPPED";
                known.stopped_at = Some(now);
            }
        }
        self.tell(task);
    }

    /// One version more, and an event of it: lost, late, twice, or out of order by its delay.
    pub(super) fn tell(&mut self, task: usize) {
        self.ecs.tasks[task].version += 1;
        let told = self.ecs.tasks[task].clone();
        let line = format!("ecs: {} {} v{}", told.arn, told.status, told.version);
        self.note(told.request, line);
        let lost = self.fault(self.plan.event_lost);
        let now = self.now();
        self.ecs.tasks[task].told_at.push((now, lost));
        if lost {
            return self.note(told.request, format!("bus: loses v{} of {}", told.version, told.arn));
        }
        let Some(body) = self.event(&told) else { return };
        self.note_failure_of_others(&body);
        let copies = if self.fault(self.plan.event_twice) { 2 } else { 1 };
        for _ in 0..copies {
            let mut at = self.now() + self.between(20, 800);
            if self.fault(self.plan.event_late) {
                let longest = *pick(&mut self.dice, &[10 * SECOND, 5 * MINUTE, 3 * HOUR]);
                at += self.between(SECOND, longest);
                self.ecs.tasks[task].late += 1;
            }
            at = at.max(self.plan.back_at(self.now(), Away::Bus).unwrap_or(0));
            self.agenda.add(at, Act::Deliver(body.clone()));
        }
    }

    /// None of a state of somebody else's task that the cell's rules do not let in.
    fn event(&self, task: &SimTask) -> Option<String> {
        let at = |millis: u64| Timestamp::from_millis(self.start + millis as i64).to_string();
        let containers: Vec<_> = task
            .containers()
            .into_iter()
            .map(|(name, exit, why)| {
                let mut container = json!({"name": name, "lastStatus": task.status});
                exit.into_iter().for_each(|exit| container["exitCode"] = exit.into());
                why.into_iter().for_each(|why| container["reason"] = why.into());
                container
            })
            .collect();
        let mut detail = json!({
            "taskArn": task.arn, "taskDefinitionArn": task.definition, "startedBy": task.started_by,
            "version": task.version, "lastStatus": task.status,
            "desiredStatus": if task.to_stop { "STOPPED" } else { "RUNNING" },
            "createdAt": at(task.created_at), "containers": containers,
        });
        task.started_at.into_iter().for_each(|millis| detail["startedAt"] = at(millis).into());
        task.stopped_at.into_iter().for_each(|millis| detail["stoppedAt"] = at(millis).into());
        if let Some(end) = task.end.as_ref().filter(|_| task.to_stop) {
            detail["stopCode"] = end.code.into();
            detail["stoppedReason"] = end.reason.clone().into();
        }
        if task.call.is_some() {
            let more = self.event_of_others(task)?;
            more.as_object().into_iter().flatten().for_each(|(name, value)| detail[name] = value.clone());
        }
        let event =
            json!({"version": "0", "source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail});
        Some(event.to_string())
    }
}
