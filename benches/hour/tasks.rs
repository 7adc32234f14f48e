//! ECS: places tasks, lets each live and die, and tells EventBridge.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;
use serde_json::Value;
use taskwatch::cell::ports::{CallError, Described, RunTaskAnswer, RunTaskCall};
use taskwatch::core::task::{Container, Task};
use taskwatch::core::time::Timestamp;
use tokio::time::Instant;

use crate::account::ms;
use crate::plan::{EVENT_LOST, EVENT_TWICE, FAILED, INTERRUPTED, NO_CAPACITY, NO_IMAGE, NO_INTERFACE};
use crate::queue::Mailbox;
use crate::world::{State, World};

const FULL: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";

/// What happens next to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Pending,
    Running,
    NoInterface,
    NoImage,
    Interrupted,
    Ends,
    Stopped,
}

/// A task.
struct OneTask {
    started_by: Arc<str>,
    request: u32,
    version: i64,
    status: &'static str,
    started_at: Option<Timestamp>,
    /// Of those that have ended.
    exit: Option<i64>,
    code: Option<&'static str>,
    reason: Option<&'static str>,
    is_spot: bool,
    /// When its containers had ended.
    ended: Option<Instant>,
}

/// All tasks.
#[derive(Default)]
pub(crate) struct Tasks {
    all: Vec<OneTask>,
    by_token: HashMap<String, Vec<usize>>,
    due: BinaryHeap<Reverse<(Instant, usize, Next)>>,
    /// Tasks of each request that did their work, and that may run.
    done: HashMap<u32, usize>,
    live: HashMap<u32, usize>,
    pub(crate) now_live: usize,
    pub(crate) more_than_once: usize,
}

impl Tasks {
    pub(crate) fn place(&self, arn: &str) -> Option<usize> {
        arn.rsplit('/').next()?.parse().ok().filter(|place: &usize| *place < self.all.len())
    }

    /// When a task's containers had ended.
    pub(crate) fn ended(&self, arn: &str) -> Option<Instant> {
        self.all[self.place(arn)?].ended
    }

    pub(crate) fn started_by(&self, by: &str) -> Vec<String> {
        let token = by.rsplit('/').next().unwrap_or(by);
        self.by_token.get(token).into_iter().flatten().map(|place| arn(*place)).collect()
    }

    fn described(&self, place: usize) -> Task<'static> {
        let task = &self.all[place];
        let container = Container {
            name: "app".into(),
            last_status: task.status.into(),
            exit_code: task.exit,
            reason: None,
            runtime_id: None,
        };
        Task {
            task_arn: arn(place).into(),
            started_by: Some(task.started_by.to_string().into()),
            version: task.version,
            last_status: task.status.into(),
            desired_status: if task.code.is_some() { "STOPPED" } else { "RUNNING" }.into(),
            launch_type: Some("FARGATE".into()),
            stop_code: task.code.map(Into::into),
            stopped_reason: task.reason.map(Into::into),
            started_at: task.started_at,
            containers: vec![container],
            ..Task::default()
        }
    }

    fn event(&self, place: usize) -> String {
        let task = &self.all[place];
        let started = task.started_at.map(|at| format!(r#","startedAt":"{at}""#)).unwrap_or_default();
        let exit = task.exit.map(|exit| format!(r#","exitCode":{exit}"#)).unwrap_or_default();
        let (desired, ended) = match (task.code, task.reason) {
            (Some(code), reason) => {
                let reason = reason.unwrap_or_default();
                ("STOPPED", format!(r#","stopCode":"{code}","stoppedReason":"{reason}""#))
            }
            _ => ("RUNNING", String::new()),
        };
        let (arn, status, by, version) = (arn(place), task.status, &task.started_by, task.version);
        format!(
            concat!(
                r#"{{"version":"0","id":"{id:032x}","detail-type":"ECS Task State Change","source":"aws.ecs","#,
                r#""account":"123456789012","region":"us-east-1","resources":["{arn}"],"detail":{{"#,
                r#""attachments":[{{"id":"a","type":"eni","status":"ATTACHED","details":[{{"name":"subnetId","value":"subnet-0a"}}]}}],"#,
                r#""availabilityZone":"us-east-1a","clusterArn":"arn:aws:ecs:us-east-1:123456789012:cluster/batch","#,
                r#""containers":[{{"name":"app","lastStatus":"{status}","cpu":"256","memory":"512"{exit}}}],"cpu":"256","#,
                r#""group":"family:app","launchType":"FARGATE","memory":"512","overrides":{{"containerOverrides":[{{"name":"app"}}]}},"#,
                r#""taskDefinitionArn":"arn:aws:ecs:us-east-1:123456789012:task-definition/app:1","taskArn":"{arn}","#,
                r#""startedBy":"{by}","version":{version},"lastStatus":"{status}","desiredStatus":"{desired}"{started}{ended}}}}}"#
            ),
            id = (place as u128) << 8 | version as u128,
            arn = arn,
            status = status,
            exit = exit,
            by = by,
            version = version,
            desired = desired,
            started = started,
            ended = ended,
        )
    }
}

fn arn(place: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{place}")
}

/// What a request asks of ECS: its number, its zone, whether it is for Spot.
fn asked(call: &RunTaskCall) -> Option<(u32, usize, bool)> {
    let members = call.run_task.members();
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let number = text(members.get("group"))?.rsplit('-').next()?.parse().ok()?;
    let network = members.get("networkConfiguration")?;
    let subnet = text(network.pointer("/awsvpcConfiguration/subnets/0"))?;
    let zone = subnet.rsplit('-').next()?.parse().ok()?;
    Some((number, zone, members.contains_key("capacityProviderStrategy")))
}

impl State {
    /// What becomes of a RunTask call.
    pub(crate) fn run_task(&mut self, call: &RunTaskCall) -> Result<RunTaskAnswer, CallError> {
        self.record.run_task_calls += 1;
        let Some((request, zone, is_spot)) = asked(call) else {
            return Err(CallError::Unknown(format!("a RunTask call that nobody asked for: {:?}", call.run_task)));
        };
        if let Some(places) = self.tasks.by_token.get(&call.client_token) {
            let tasks = places.iter().map(|place| self.tasks.described(*place)).collect();
            return Ok(RunTaskAnswer { tasks, failures: Vec::new() });
        }
        let tasks = f64::from(call.count);
        let quotas = &mut self.quotas;
        let launches = if is_spot { &mut quotas.spot } else { &mut quotas.fargate };
        if !(quotas.calls.take(1.0) && launches.take(tasks)) {
            self.record.throttled += 1;
            return Err(CallError::Throttled("Rate exceeded".into()));
        }
        self.record.asked[usize::from(is_spot)] += call.count as usize;
        let is_full = zone == 0 && self.plan.zone_is_full.contains(&self.passed());
        let (mut answer, mut places) = (RunTaskAnswer::default(), Vec::new());
        for _ in 0..call.count {
            if is_full || self.dice.random_bool(NO_CAPACITY) {
                answer.failures.push((FULL.to_owned(), None));
                self.record.refused += 1;
            } else {
                let place = self.launch(request, call, is_spot);
                answer.tasks.push(self.tasks.described(place));
                places.push(place);
            }
        }
        self.record.launched += places.len();
        self.tasks.by_token.insert(call.client_token.clone(), places);
        Ok(answer)
    }

    fn launch(&mut self, request: u32, call: &RunTaskCall, is_spot: bool) -> usize {
        let place = self.tasks.all.len();
        self.tasks.all.push(OneTask {
            started_by: call.started_by.as_str().into(),
            request,
            version: 1,
            status: "PROVISIONING",
            started_at: None,
            exit: None,
            code: None,
            reason: None,
            is_spot,
            ended: None,
        });
        self.tasks.now_live += 1;
        let live = self.tasks.live.entry(request).or_default();
        *live += 1;
        if *live > crate::plan::ARRAY {
            self.tasks.more_than_once += 1;
        }
        self.tell(place);
        match self.dice.random_bool(NO_INTERFACE) {
            true => self.then(place, Duration::from_secs(180), Next::NoInterface),
            false => {
                let after = ms(self.dice.random_range(5_000..15_000));
                self.then(place, after, Next::Pending);
            }
        }
        place
    }

    fn then(&mut self, place: usize, after: Duration, next: Next) {
        self.tasks.due.push(Reverse((Instant::now() + after, place, next)));
    }

    /// The event of a task's new version.
    fn tell(&mut self, place: usize) {
        self.record.events += 1;
        if self.dice.random_bool(EVENT_LOST) {
            return;
        }
        let body = self.tasks.event(place);
        let by = Arc::clone(&self.tasks.all[place].started_by);
        let Some(queue) = by.split('/').next().and_then(|cell| self.events.get(cell)).cloned() else { return };
        let copies = if self.dice.random_bool(EVENT_TWICE) { 2 } else { 1 };
        let silent = &self.plan.is_silent;
        for _ in 0..copies {
            let body = body.clone();
            if silent.contains(&self.passed()) {
                self.held.push((Arc::clone(&queue), body));
            } else {
                queue.put(body);
            }
        }
    }

    fn set(&mut self, place: usize, status: &'static str) -> &mut OneTask {
        let task = &mut self.tasks.all[place];
        task.status = status;
        task.version += 1;
        task
    }

    fn happens(&mut self, place: usize, next: Next) {
        match next {
            Next::Pending => {
                self.set(place, "PENDING");
                let (after, next) = match self.dice.random_bool(NO_IMAGE) {
                    true => (Duration::from_secs(120), Next::NoImage),
                    false => (ms(self.dice.random_range(5_000..30_000)), Next::Running),
                };
                self.then(place, after, next);
            }
            Next::Running => {
                let at = self.clock.now();
                let is_spot = self.tasks.all[place].is_spot;
                self.set(place, "RUNNING").started_at = Some(at);
                let seconds = 60.0 * 60.0_f64.powf(self.dice.random_range(0.0..1.0));
                let is_interrupted = is_spot && self.dice.random_bool(INTERRUPTED);
                let (part, next) = match is_interrupted {
                    true => (self.dice.random_range(0.0..1.0), Next::Interrupted),
                    false => (1.0, Next::Ends),
                };
                self.then(place, Duration::from_secs_f64(seconds * part), next);
            }
            Next::NoInterface => self.ends(place, ("TaskFailedToStart", "Timeout waiting for network interface provisioning to complete."), None),
            Next::NoImage => self.ends(place, ("TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 5 time(s): dial tcp 10.0.0.1:443: i/o timeout"), None),
            Next::Interrupted => self.ends(place, ("SpotInterruption", "Your Spot Task was interrupted."), Some(143)),
            Next::Ends => {
                let exit = i64::from(self.dice.random_bool(FAILED));
                if exit == 0 {
                    *self.tasks.done.entry(self.tasks.all[place].request).or_default() += 1;
                }
                self.ends(place, ("EssentialContainerExited", "Essential container in task exited"), Some(exit));
            }
            Next::Stopped => {
                self.set(place, "STOPPED");
            }
        }
        self.tell(place);
    }

    fn ends(&mut self, place: usize, (code, reason): (&'static str, &'static str), exit: Option<i64>) {
        let task = self.set(place, "DEPROVISIONING");
        (task.code, task.reason, task.exit, task.ended) = (Some(code), Some(reason), exit, Some(Instant::now()));
        let request = task.request;
        self.tasks.now_live -= 1;
        self.record.ended += 1;
        if let Some(live) = self.tasks.live.get_mut(&request) {
            *live = live.saturating_sub(1);
        }
        self.then(place, Duration::from_secs(15), Next::Stopped);
    }

    pub(crate) fn stop_task(&mut self, arn: &str) {
        self.record.other_calls += 1;
        if let Some(place) = self.tasks.place(arn).filter(|place| self.tasks.all[*place].code.is_none()) {
            self.tasks.all[place].exit = Some(143);
            self.then(place, Duration::from_secs(1), Next::Interrupted);
        }
    }

    pub(crate) fn describe_tasks(&mut self, arns: &[String]) -> Result<Described, CallError> {
        self.record.describe_calls += 1;
        if !self.quotas.reads.take(1.0) {
            self.record.throttled += 1;
            return Err(CallError::Throttled("Rate exceeded".into()));
        }
        let mut described = Described::default();
        for arn in arns {
            match self.tasks.place(arn) {
                Some(place) => described.tasks.push(self.tasks.described(place)),
                None => described.missing.push(arn.clone()),
            }
        }
        Ok(described)
    }

    /// Requests of which more tasks did their work than they have runs.
    pub(crate) fn ran_twice(&self) -> usize {
        self.tasks.done.values().filter(|done| **done > crate::plan::ARRAY).count() + self.tasks.more_than_once
    }

    /// What is due now; when the next is.
    fn advance(&mut self) -> Instant {
        let now = Instant::now();
        while let Some(Reverse((at, place, next))) = self.tasks.due.peek().copied() {
            if at > now {
                return at;
            }
            self.tasks.due.pop();
            // Who was stopped meanwhile has ended.
            if next == Next::Stopped || self.tasks.all[place].code.is_none() {
                self.happens(place, next);
            }
        }
        now + Duration::from_secs(1)
    }
}

/// The tasks' lives, for ever.
pub(crate) async fn live(world: Arc<World>) {
    loop {
        let next = world.state().advance();
        // Whole steps: what happens within one happens at its end.
        let step = Instant::now() + ms(50);
        tokio::time::sleep_until(next.max(step).min(Instant::now() + Duration::from_secs(1))).await;
        let held = {
            let mut state = world.state();
            let is_over = !state.plan.is_silent.contains(&state.passed());
            if is_over { std::mem::take(&mut state.held) } else { Vec::new() }
        };
        if !held.is_empty() {
            tokio::spawn(deliver(held));
        }
    }
}

/// EventBridge catches up within a minute.
async fn deliver(held: Vec<(Arc<Mailbox>, String)>) {
    let a_step = held.len().div_ceil(120);
    for (n, (queue, body)) in held.into_iter().enumerate() {
        queue.put(body);
        if (n + 1) % a_step == 0 {
            tokio::time::sleep(ms(500)).await;
        }
    }
}
