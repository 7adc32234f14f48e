//! What users ask for: requests of every kind, some of them twice, some with a name that stands for something else.

use std::collections::BTreeMap;

use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};
use taskwatch::core::request::RunRequest;

use super::agenda::Act;
use super::plan::{MINUTE, Plan, SECOND, pick};
use super::world::State;

/// One request of the fleet.
#[derive(Debug)]
pub(super) struct Order {
    /// `None`: its message's id becomes its name.
    name: Option<String>,
    /// The names that its messages' ids would give it.
    pub(super) given: Option<String>,
    pub(super) body: String,
    /// The same name with another body.
    pub(super) other: String,
    pub(super) by_queue: bool,
    pub(super) request: RunRequest,
    pub(super) at: u64,
    /// A user was told that it is accepted, with which digest.
    pub(super) accepted: Option<[u8; 32]>,
}

/// Everything that will be asked for.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    pub(super) orders: Vec<Order>,
    by_name: BTreeMap<String, usize>,
    /// Submissions that have not come to an answer.
    pub(super) under_way: usize,
}

impl Fleet {
    pub(super) fn new(plan: &Plan, dice: &mut SmallRng) -> Self {
        let mut fleet = Self::default();
        for n in 0..plan.requests {
            let at = dice.random_range(0..plan.horizon * 4 / 5);
            let order = order(n, at, dice);
            order.name.iter().for_each(|name| {
                fleet.by_name.insert(name.clone(), n);
            });
            fleet.orders.push(order);
        }
        fleet
    }

    pub(super) fn of_name(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// By the `group` that a request's tasks have.
    pub(super) fn of_group(&self, group: &str) -> Option<usize> {
        group.strip_prefix("order-").and_then(|n| n.parse().ok())
    }
}

impl Order {
    pub(super) fn name(&self) -> Option<&str> {
        self.name.as_deref().or(self.given.as_deref())
    }

    pub(super) fn count(&self) -> u32 {
        self.request.count.unwrap_or(1)
    }

    /// Most attempts that its policy allows.
    pub(super) fn most_attempts(&self) -> usize {
        1 + self.request.spec.retry.0.iter().map(|r| r.max_attempts as usize).sum::<usize>()
    }
}

fn order(n: usize, at: u64, dice: &mut SmallRng) -> Order {
    let by_queue = dice.random_bool(0.5);
    let named = !by_queue || dice.random_bool(0.8);
    let mut body = json!({
        "runTask": {
            "taskDefinition": format!("family-{}:1", dice.random_range(0..8)),
            "launchType": pick(dice, &["FARGATE", "FARGATE", "EC2"]),
            "group": format!("order-{n}"),
        },
        "until": pick(dice, &["stopped", "stopped", "stopped", "running", "running", "healthy"]),
    });
    if named {
        body["name"] = format!("order-{n}").into();
    }
    let counts = [0, 0, 0, 0, 0, 0, 0, 2, 5, 12, 40];
    let count = if dice.random_bool(0.01) { 200 } else { *pick(dice, &counts) };
    if count > 0 {
        body["runTask"]["count"] = count.into();
    }
    options(&mut body, dice);
    let mut other = body.clone();
    other["priority"] = 77.into();
    let request = RunRequest::parse(&body.to_string()).expect("a request");
    let name = body["name"].as_str().map(str::to_owned);
    Order { name, given: None, body: body.to_string(), other: other.to_string(), by_queue, request, at, accepted: None }
}

fn options(body: &mut Value, dice: &mut SmallRng) {
    let retrier = |error: &str, wait: u64, most: u32, jitter: &str| {
        json!({"ErrorEquals": [error], "IntervalSeconds": wait, "MaxAttempts": most, "JitterStrategy": jitter,
            "MaxDelaySeconds": 1800})
    };
    match dice.random_range(0..6) {
        0 => body["retry"] = json!([]),
        1 => body["retry"] = json!([retrier("States.ALL", dice.random_range(1..120), dice.random_range(0..5), "FULL")]),
        2 => {
            let first = retrier("Taskwatch.Transient", dice.random_range(1..30), 6, "NONE");
            body["retry"] = json!([first, retrier("States.TaskFailed", 600, 2, "NONE")]);
        }
        _ => {}
    }
    if dice.random_bool(0.3) {
        body["startTimeoutSeconds"] = json!(dice.random_range(30..600));
    }
    if dice.random_bool(0.3) || body["until"] == "healthy" {
        body["timeoutSeconds"] = json!(dice.random_range(60..9_000));
    }
    if dice.random_bool(0.1) {
        body["attemptTimeoutSeconds"] = json!(dice.random_range(60..3_600));
    }
    if dice.random_bool(0.2) {
        body["decidedBy"] = json!(["app"]);
    }
    if dice.random_bool(0.2) {
        body["placements"] = json!([{"launchType": "EC2"}, {"launchType": "FARGATE"}]);
    }
    if dice.random_bool(0.3) {
        body["queue"] = json!(pick(dice, &["a", "b"]));
        body["priority"] = json!(dice.random_range(-2..3));
    }
    if dice.random_bool(0.1) {
        body["injectEnv"] = json!(true);
    }
    if dice.random_bool(0.2) {
        body["notify"] = json!({"on": ["FAILED", "TIMED_OUT"]});
    }
}

/// Messages that nobody can use.
const RUBBISH: [&str; 6] = [
    "",
    "not json",
    "[]",
    r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":null}"#,
    r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{"taskArn":"arn:aws:ecs:x:1:task/x/1","version":3,"lastStatus":"RUNNING","startedBy":"ecs-svc/1"}}"#,
    r#"{"source":"aws.ecs","detail-type":"ECS Task State Change","detail":{"taskArn":"arn:aws:ecs:x:1:task/x/2","version":3,"lastStatus":"STOPPED","startedBy":"sim/0123"}}"#,
];

impl State {
    /// Puts everything that will be asked for, and every crash, into the agenda.
    pub(super) fn schedule(&mut self) {
        for request in 0..self.fleet.orders.len() {
            let at = self.fleet.orders[request].at;
            self.agenda.add(at, Act::Submit { request, other: false });
            // Without a name it would be another request.
            if self.fleet.orders[request].name.is_some() && self.chance(self.plan.repeated) {
                let again = at + self.between(0, 90 * MINUTE);
                let other = self.chance(0.4);
                self.agenda.add(again, Act::Submit { request, other });
            }
            if self.chance(self.plan.stopped_by_hand) {
                let longest = *pick(&mut self.dice, &[10 * SECOND, 5 * MINUTE, 60 * MINUTE]);
                let stop = at + self.between(0, longest);
                self.agenda.add(stop, Act::Stop(request));
            }
        }
        self.schedule_faults();
        self.schedule_others();
        for at in self.plan.crashes.clone() {
            self.agenda.add(at, Act::Crash);
        }
        for at in self.plan.restarts.clone() {
            self.agenda.add(at, Act::Restart);
        }
        for _ in 0..self.plan.requests / 2 {
            let at = self.between(0, self.plan.horizon);
            let body = (*pick(&mut self.dice, &RUBBISH)).to_owned();
            self.agenda.add(at, Act::Deliver(body));
        }
    }

    /// What operators and users do at the worst moment, and sleeping machines.
    fn schedule_faults(&mut self) {
        for (request, long) in self.plan.faults.suspends.clone() {
            let Some(at) = self.fleet.orders.get(request).map(|order| order.at) else { continue };
            let at = at + self.between(200, 3_000);
            self.agenda.add(at, Act::Suspend(long));
        }
        for request in 0..self.fleet.orders.len() {
            let at = self.fleet.orders[request].at;
            if self.fleet.orders[request].name.is_none() {
                continue;
            }
            if self.chance(self.plan.faults.races) {
                let (stop, again) = (at + self.between(0, 400), at + self.between(0, 400));
                self.agenda.add(stop, Act::Stop(request));
                self.agenda.add(again, Act::Submit { request, other: false });
            }
            if self.chance(self.plan.faults.redriven) {
                let redrive = at + self.between(MINUTE, 60 * MINUTE);
                self.agenda.add(redrive, Act::Redrive(request));
                if self.chance(0.7) {
                    let again = redrive + self.between(0, 12);
                    self.agenda.add(again, Act::Submit { request, other: false });
                }
            }
        }
    }

    /// Sends an order to the requests queue; without a name, the message's id is one.
    pub(super) fn order_by_queue(&mut self, request: usize, other: bool) {
        let now = self.now();
        let order = &self.fleet.orders[request];
        let body = if other { order.other.clone() } else { order.body.clone() };
        let place = self.requests.put(now, body);
        let order = &mut self.fleet.orders[request];
        if order.name.is_none() && order.given.is_none() {
            let name = super::queue::message_id(place);
            order.given = Some(name.clone());
            self.fleet.by_name.insert(name, request);
        }
        self.note(Some(request), format!("user: sends order {request} as message-{place}, other: {other}"));
    }
}
