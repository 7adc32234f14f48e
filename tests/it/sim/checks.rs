//! What must hold at every instant, from the world's own ledger.

use taskwatch::cell::ports::RunTaskCall;
use taskwatch::core::notification::Notification;
use taskwatch::core::request::{Goal, RunRequest};
use taskwatch::core::run::{Attempt, Run, Stage};
use taskwatch::core::task::{Notice, TaskStatus, parse_notice};

use super::others::is_of_others;
use super::queue::message_id;
use super::world::State;

/// Of a circuit breaker, or of what others launched.
fn is_of_no_run(notification: &Notification) -> bool {
    notification.detail_type.starts_with("Taskwatch Launches") || is_of_others(notification)
}

impl State {
    /// The intent of a call is on the disk before it is made, and `startedBy` leads back to it.
    pub(super) fn check_call(&mut self, call: &RunTaskCall, request: Option<usize>) {
        if !(1..=10).contains(&call.count) || call.started_by != format!("sim/{}", call.client_token) {
            self.violate(request, format!("a call that ECS would refuse: {call:?}"));
        }
        if !self.disk.knows_token(&call.client_token) {
            self.violate(request, format!("RunTask before its intent was durable: {}", call.client_token));
        }
    }

    /// Tasks are placed only for runs that wait for them: not for one that has ended, nor twice for one.
    pub(super) fn check_place(&mut self, call: &RunTaskCall, request: Option<usize>, count: u32) {
        let waiting = self.disk.launching(&call.client_token);
        if waiting < count as usize {
            let what = format!("{count} tasks were placed by {}, for {waiting} runs that wait", call.client_token);
            self.violate(request, what);
        }
    }

    /// As many tasks at once as runs, at most.
    pub(super) fn check_live(&mut self, request: usize, live: u32) {
        let count = self.fleet.orders[request].count();
        if live > count {
            self.violate(Some(request), format!("{live} live tasks of {count} runs at one instant"));
        }
    }

    /// As many tasks at once as the cell was told that there is room for. Those of a run that only waits for its task to start
    /// go on without it, and are not counted.
    pub(super) fn check_room(&mut self, request: usize) {
        if !self.plan.faults.counts_places {
            return;
        }
        let waits = |request: &usize| self.fleet.orders[*request].request.spec.until == Goal::Stopped;
        let tasks = self.ecs.tasks.iter().filter(|task| task.stopped_at.is_none());
        let held = tasks.filter(|task| task.request.as_ref().is_some_and(waits)).count();
        if held > self.plan.max_in_flight {
            let what = format!("{held} tasks have their places, and there is room for {}", self.plan.max_in_flight);
            self.violate(Some(request), what);
        }
    }

    /// A final run never changes but in what is last seen of its task, revisions rise, and a name has one run.
    pub(super) fn check_put(&mut self, run: &Run) {
        let request = self.fleet.of_name(run.request_name());
        if let Some(known) = self.disk.runs.get(&run.id) {
            let what = match () {
                () if known.status.is_final() && run.redrives <= known.redrives && !is_last_word(known, run) => {
                    format!("{} was final and is another one now", run.name)
                }
                () if known.revision >= run.revision => format!("{} goes back to revision {}", run.name, run.revision),
                () => return,
            };
            return self.violate(request, what);
        }
        self.check_repeat(run);
        if self.disk.of_request(run.request_name()).any(|other| other.name == run.name) {
            self.violate(request, format!("a second run with the name {}", run.name));
        }
    }

    /// Its run is final in the same commit. What is about a circuit breaker is posted once.
    pub(super) fn check_post(&mut self, notification: &Notification) {
        let key = (notification.destination.clone(), notification.id.clone());
        if is_of_others(notification) {
            self.check_told_of_others(notification);
        }
        if is_of_no_run(notification) && !self.disk.digests.insert(key) {
            self.violate(None, format!("told twice: {}", notification.subject));
        }
        self.check_told(notification);
    }

    /// Nobody is told of what is not durable.
    pub(super) fn check_told(&mut self, notification: &Notification) {
        if is_of_no_run(notification) {
            if !self.disk.digests.contains(&(notification.destination.clone(), notification.id.clone())) {
                self.violate(None, format!("a notification of no run that is not durable: {}", notification.subject));
            }
            return;
        }
        let run = self.disk.runs.get(&notification.run);
        if !run.is_some_and(|run| run.status.is_final()) {
            self.violate(None, format!("a notification of a run that has not ended durably: {}", notification.subject));
        }
    }

    /// An event is deleted when what it said is on the disk: all of an end, and that the task started. What the task did on
    /// its way may be lost by a crash.
    pub(super) fn check_event_is_durable(&mut self, place: u64) {
        let Some(body) = self.events.body(place).map(str::to_owned) else { return };
        self.check_event_of_others_is_durable(&body);
        let Ok(Notice::Task(event)) = parse_notice(&body) else { return };
        let task = &event.task;
        let Some(request) = self.ecs.of_arn(&task.task_arn).map(|task| task.request) else { return };
        // An event may come hours late: after its task was given up it helps nobody.
        let given_up = self.disk.of_task(&task.task_arn).is_some_and(|run| {
            let mut attempts =
                run.attempts.iter().filter(|a| a.task_arn.as_ref().is_some_and(|arn| *arn == *task.task_arn));
            attempts.any(|a| a.failure.as_ref().is_some_and(|f| f.error == "Taskwatch.TaskLost"))
        });
        // Ahead of its last container, an end that the containers are to tell of is not told yet.
        let ahead = task.stop_code.as_deref() == Some("EssentialContainerExited")
            && task.containers.iter().any(|container| container.exit_code.is_none());
        let ended = task.last_status == "STOPPED" || task.last_status == "DEPROVISIONING" && !ahead;
        if ended && !given_up {
            self.ecs.end_is_told(&task.task_arn);
        }
        self.watch.heard(&task.task_arn, task.version, self.now(), &self.ecs);
        let token = task.started_by.as_deref().and_then(|by| by.strip_prefix("sim/")).unwrap_or_default();
        let what = match self.disk.of_task(&task.task_arn) {
            Some(run) => {
                let attempt = run.attempt().filter(|a| a.task_arn.as_ref().is_some_and(|arn| *arn == *task.task_arn));
                let open =
                    attempt.filter(|a| matches!(a.stage, Stage::Placed | Stage::Stopping) && !run.status.is_final());
                let has_run = task.started_at.is_some() || task.last_status == "RUNNING";
                let matters = |a: &&Attempt| ended || (has_run && a.started_at.is_none());
                let Some(behind) = open.filter(|a| a.version < task.version).filter(matters) else { return };
                format!("v{} of {} was deleted, {} has v{}", task.version, task.task_arn, run.name, behind.version)
            }
            None if self.disk.launching(token) > 0 => {
                format!("v{} of {} was deleted, and no run has the task", task.version, task.task_arn)
            }
            None => return,
        };
        self.violate(request, what);
    }

    /// A request is deleted when its runs are on the disk, all of them, or it is in the DLQ.
    pub(super) fn check_request_is_durable(&mut self, place: u64) {
        let Some(body) = self.requests.body(place).map(str::to_owned) else { return };
        if self.dlq.iter().any(|(dead, _)| *dead == body) {
            return;
        }
        let Ok(request) = RunRequest::parse(&body) else {
            return self.violate(None, format!("a message that is no request was dropped: {body}"));
        };
        let name = request.name.clone().unwrap_or_else(|| message_id(place));
        self.check_accepted(&name, &request);
    }

    /// What was accepted is on the disk, as a whole, and as it was asked for.
    pub(super) fn check_accepted(&mut self, name: &str, request: &RunRequest) {
        let order = self.fleet.of_name(name);
        let digest = request.digest();
        let durable = self.disk.of_request(name).filter(|run| run.digest == digest).count();
        let asked = request.count.unwrap_or(1) as usize;
        if durable != asked {
            self.violate(order, format!("{name} was accepted, and {durable} of its {asked} runs are on the disk"));
        }
        if let Some(order) = order {
            let accepted = self.fleet.orders[order].accepted.get_or_insert(digest);
            if *accepted != digest {
                self.violate(Some(order), format!("{name} was accepted twice, with two bodies"));
            }
        }
    }

    /// A name is refused only when another request has it.
    pub(super) fn check_conflict(&mut self, order: usize, digest: [u8; 32]) {
        if self.fleet.orders[order].accepted == Some(digest) {
            self.violate(Some(order), "its own request was refused as a conflict".to_owned());
        }
    }
}

/// Whether a run that had ended is now the same but for its task, which was seen to have stopped.
fn is_last_word(known: &Run, now: &Run) -> bool {
    let mut expected = known.clone();
    let (Some(shown), Some(seen)) = (expected.attempts.last_mut(), now.attempt()) else { return false };
    if seen.version <= shown.version || seen.last_status != Some(TaskStatus::Stopped) {
        return false;
    }
    (shown.version, shown.last_status, shown.stopped_at) = (seen.version, seen.last_status.clone(), seen.stopped_at);
    // Where its log is may not have been known at its end: the task definition could not be read then.
    shown.log = seen.log.clone();
    expected.revision = now.revision;
    let whole = |run: &Run| serde_json::to_value(run).expect("a run");
    whole(&expected) == whole(now)
}
