//! ECS for all cells: a token places its tasks once; each task lives, and its events go to the queue of the cell that its
//! `startedBy` names.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use serde_json::json;
use taskwatch::cell::ports::{CallError, Described, RunTaskAnswer, RunTaskCall};
use taskwatch::core::task::{Container, Task};
use taskwatch::core::time::Timestamp;
use tokio::sync::Notify;

use super::world::{State, Trouble, World};

/// RunTask calls on Fargate: so many at once, and so many a second (Amazon ECS developer guide, "AWS Fargate throttling quotas").
const CALLS: f64 = 20.0;

/// What is left of that quota, and what became of the calls.
#[derive(Default)]
pub(super) struct Calls {
    tokens: Option<(Duration, f64)>,
    /// When each was taken.
    pub(super) taken: Vec<Duration>,
    pub(super) throttled: usize,
}

impl Calls {
    fn take(&mut self, now: Duration) -> bool {
        let (at, left) = self.tokens.unwrap_or((now, CALLS));
        let left = (left + (now - at).as_secs_f64() * CALLS).min(CALLS);
        let taken = left >= 1.0;
        self.tokens = Some((now, if taken { left - 1.0 } else { left }));
        match taken {
            true => self.taken.push(now),
            false => self.throttled += 1,
        }
        taken
    }

    /// The part of the quota that was used from the first call to the last.
    pub(super) fn used(&self) -> f64 {
        let (Some(first), Some(last)) = (self.taken.first(), self.taken.last()) else { return 0.0 };
        (self.taken.len() as f64 - CALLS) / (CALLS * (*last - *first).as_secs_f64())
    }
}

/// A task.
#[derive(Clone)]
struct OneTask {
    arn: String,
    group: String,
    started_by: String,
    version: i64,
    status: &'static str,
    started_at: Option<Timestamp>,
    exit: Option<i64>,
    stop: Arc<Notify>,
    stopped_for: Option<String>,
}

#[derive(Default)]
pub(super) struct Ecs {
    tasks: Vec<OneTask>,
    by_token: BTreeMap<String, Vec<usize>>,
    /// Runs of each request: its tasks' `group` is its name.
    runs: BTreeMap<String, usize>,
    /// Tasks of a request whose containers may run.
    live: BTreeMap<String, usize>,
    /// Tasks of a request that did their work.
    done: BTreeMap<String, usize>,
    pub(super) calls: Calls,
}

impl Ecs {
    /// A request of so many runs will come.
    pub(super) fn expect(&mut self, group: &str, runs: usize) {
        self.runs.insert(group.to_owned(), runs);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.live.values().all(|live| *live == 0)
    }

    /// Tasks of each request that did their work, with the number of its runs.
    pub(super) fn done(&self) -> impl Iterator<Item = (&String, usize, usize)> {
        self.runs.iter().map(|(group, runs)| (group, self.done.get(group).copied().unwrap_or(0), *runs))
    }

    pub(super) fn tasks(&self) -> usize {
        self.tasks.len()
    }

    fn place(&self, arn: &str) -> Option<usize> {
        arn.rsplit('/').next()?.parse().ok().filter(|place: &usize| *place < self.tasks.len())
    }

    fn described(&self, place: usize) -> Task<'static> {
        let task = &self.tasks[place];
        let container = Container {
            name: "app".into(),
            last_status: task.status.into(),
            exit_code: task.exit.filter(|_| task.status == "STOPPED"),
            reason: None,
            runtime_id: None,
        };
        let (code, reason) = self.end(place);
        Task {
            task_arn: task.arn.clone().into(),
            started_by: Some(task.started_by.clone().into()),
            version: task.version,
            last_status: task.status.into(),
            desired_status: if code.is_some() { "STOPPED" } else { "RUNNING" }.into(),
            stop_code: code.map(Into::into),
            stopped_reason: reason.map(Into::into),
            started_at: task.started_at,
            containers: vec![container],
            ..Task::default()
        }
    }

    fn end(&self, place: usize) -> (Option<&'static str>, Option<String>) {
        let task = &self.tasks[place];
        match (&task.stopped_for, task.status) {
            (Some(why), _) => (Some("UserInitiated"), Some(why.clone())),
            (None, "STOPPED") => {
                (Some("EssentialContainerExited"), Some("Essential container in task exited".to_owned()))
            }
            (None, _) => (None, None),
        }
    }
}

impl State {
    /// What became of a RunTask call that arrived; new tasks are to be brought to life.
    pub(super) fn run_task(&mut self, call: &RunTaskCall) -> (Result<RunTaskAnswer, CallError>, Vec<usize>) {
        let group =
            call.run_task.members().get("group").and_then(|group| group.as_str()).unwrap_or_default().to_owned();
        self.note(format!("ecs: RunTask {} {group} x{}", call.started_by, call.count));
        let now = self.now();
        if self.fault(0.03) || matches!(self.trouble, Trouble::Load(..)) && !self.ecs.calls.take(now) {
            return (Err(CallError::Throttled("Rate exceeded".into())), Vec::new());
        }
        let known = self.ecs.by_token.get(&call.client_token).cloned();
        let new = known.is_none();
        let placed = known.unwrap_or_else(|| {
            let first = self.ecs.tasks.len();
            let places: Vec<usize> = (first..first + call.count as usize).collect();
            for place in &places {
                self.ecs.tasks.push(OneTask {
                    arn: format!("arn:aws:ecs:us-east-1:123456789012:task/default/{place}"),
                    group: group.clone(),
                    started_by: call.started_by.clone(),
                    version: 1,
                    status: "PROVISIONING",
                    started_at: None,
                    exit: None,
                    stop: Arc::default(),
                    stopped_for: None,
                });
            }
            self.ecs.by_token.insert(call.client_token.clone(), places.clone());
            places
        });
        if new {
            self.count_tasks();
            let live = self.ecs.live.entry(group.clone()).or_default();
            *live += placed.len();
            let (live, runs) = (*live, self.ecs.runs.get(&group).copied().unwrap_or(0));
            if live > runs {
                self.violate(format!("{group}: {live} tasks may run of {runs} runs"));
            }
        }
        let tasks = placed.iter().map(|place| self.ecs.described(*place)).collect();
        let answer = RunTaskAnswer { tasks, failures: Vec::new() };
        let lost = self.fault(0.03);
        let answer = if lost { Err(CallError::Unknown("connection reset".into())) } else { Ok(answer) };
        (answer, if new { placed } else { Vec::new() })
    }

    /// No more tasks than there may be have not stopped.
    fn count_tasks(&mut self) {
        let tasks = self.ecs.tasks.iter().filter(|task| task.status != "STOPPED").count();
        self.sum.most_tasks = self.sum.most_tasks.max(tasks);
        if matches!(self.trouble, Trouble::Narrow(most) if tasks > most) {
            self.violate(format!("fleet has {tasks} tasks at once"));
        }
    }

    pub(super) fn stop_task(&mut self, arn: &str, reason: &str) {
        if let Some(place) = self.ecs.place(arn) {
            let task = &mut self.ecs.tasks[place];
            if task.status != "STOPPED" && task.stopped_for.is_none() {
                task.stopped_for = Some(reason.to_owned());
                task.stop.notify_one();
            }
        }
    }

    pub(super) fn describe_tasks(&self, arns: &[String]) -> Described {
        let mut described = Described::default();
        for arn in arns {
            match self.ecs.place(arn) {
                Some(place) => described.tasks.push(self.ecs.described(place)),
                None => described.missing.push(arn.clone()),
            }
        }
        described
    }

    pub(super) fn tasks_started_by(&self, by: &str) -> Vec<String> {
        self.ecs.tasks.iter().filter(|task| task.started_by == by).map(|task| task.arn.clone()).collect()
    }
}

/// A task's life.
pub(super) async fn life(world: Arc<World>, place: usize) {
    let (pending, runs, exit, stop) = {
        let mut state = world.state();
        let exit = i64::from(state.fault(0.1));
        let long = if state.dice.random_bool(0.1) { 120_000 } else { 20_000 };
        let (pending, runs) = (state.millis(500, 8_000), state.millis(500, long));
        (pending, runs, exit, Arc::clone(&state.ecs.tasks[place].stop))
    };
    let is_stopped = tokio::select! {
        biased;
        () = stop.notified() => true,
        () = tokio::time::sleep(pending) => false,
    };
    if !is_stopped {
        let at = world.clock.now();
        tell(&world, place, "RUNNING", |task| task.started_at = Some(at));
        let exit = tokio::select! {
            biased;
            () = stop.notified() => 143,
            () = tokio::time::sleep(runs) => exit,
        };
        let mut state = world.state();
        let task = &mut state.ecs.tasks[place];
        task.exit = Some(exit);
        let group = task.group.clone();
        if exit == 0 {
            *state.ecs.done.entry(group).or_default() += 1;
        }
    }
    {
        let mut state = world.state();
        let group = state.ecs.tasks[place].group.clone();
        if let Some(live) = state.ecs.live.get_mut(&group) {
            *live = live.saturating_sub(1);
        }
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    tell(&world, place, "STOPPED", |_| ());
}

/// A version more, and its event: lost, late, or twice.
fn tell(world: &Arc<World>, place: usize, status: &'static str, change: impl FnOnce(&mut OneTask)) {
    let mut state = world.state();
    let task = &mut state.ecs.tasks[place];
    task.status = status;
    task.version += 1;
    change(task);
    let (line, cell) = (format!("ecs: {} of {} is {status}", task.arn, task.group), task.started_by.clone());
    let cell = cell.split('/').next().unwrap_or_default().to_owned();
    state.note(line);
    if state.fault(0.05) {
        return;
    }
    let body = event(&state.ecs, place);
    let copies = if state.fault(0.05) { 2 } else { 1 };
    for _ in 0..copies {
        let late = state.fault(0.05);
        let after = if late { state.millis(1_000, 60_000) } else { state.millis(20, 800) };
        let (world, body, cell) = (Arc::clone(world), body.clone(), cell.clone());
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if let Some(queue) = world.state().events.get_mut(&cell) {
                queue.put(body);
            }
            world.came.notify_waiters();
        });
    }
}

fn event(ecs: &Ecs, place: usize) -> String {
    let task = &ecs.tasks[place];
    let mut container = json!({"name": "app", "lastStatus": task.status});
    if let Some(exit) = task.exit.filter(|_| task.status == "STOPPED") {
        container["exitCode"] = exit.into();
    }
    let (code, reason) = ecs.end(place);
    let mut detail = json!({"taskArn": task.arn, "startedBy": task.started_by, "version": task.version,
        "lastStatus": task.status, "containers": [container],
        "desiredStatus": if code.is_some() { "STOPPED" } else { "RUNNING" }});
    task.started_at.iter().for_each(|at| detail["startedAt"] = at.to_string().into());
    code.into_iter().for_each(|code| detail["stopCode"] = code.into());
    reason.into_iter().for_each(|reason| detail["stoppedReason"] = reason.into());
    json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": detail}).to_string()
}
