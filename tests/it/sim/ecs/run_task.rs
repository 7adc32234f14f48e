//! RunTask: a token's promise, partial success, and every way of not answering.

use taskwatch::cell::ports::{CallError, RunTaskAnswer, RunTaskCall};

use super::super::plan::{Away, HOUR, pick};
use super::super::world::State;
use super::{Call, SimTask};

/// A token is known for 24 hours at most, and an hour after the last of its tasks was stopped at least
/// (API reference, "Ensuring idempotency").
const TOKEN_LIFE: u64 = 24 * HOUR;

const DEFINITIONS: &str = "arn:aws:ecs:us-east-1:123456789012:task-definition/";

const THROTTLES: [(&str, &str); 4] = [
    ("ThrottlingException", "Rate exceeded"),
    (
        "InvalidParameterException",
        "Error retrieving security group information for [sg-0]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)",
    ),
    ("ClientException", "Tasks provisioning capacity limit exceeded."),
    ("TooManyRequestsException", "Too many requests"),
];
const REFUSALS: [(&str, &str); 4] = [
    ("AccessDeniedException", "User: arn:aws:iam::000000000000:user/sim is not authorized to perform this operation"),
    ("ClusterNotFoundException", "Cluster not found."),
    ("InvalidParameterException", "TaskDefinition is inactive"),
    ("ClientException", "Cluster was not ACTIVE."),
];
const NO_ROOM: [&str; 5] = [
    "Capacity is unavailable at this time. Please try again later or in a different availability zone",
    "RESOURCE:MEMORY",
    "RESOURCE:ENI",
    "AGENT",
    "You've reached the limit on the number of vCPUs you can run concurrently",
];

impl State {
    /// The effect of a RunTask call that arrived, and its answer, which may still get lost.
    pub(in super::super) fn run_task(&mut self, call: &RunTaskCall) -> Result<RunTaskAnswer, CallError> {
        let request = self.request_of(call);
        self.note(request, format!("ecs: RunTask {} x{} {:?}", call.client_token, call.count, request));
        self.check_call(call, request);
        self.may_fail()?;
        if self.fault(self.plan.throttled) {
            let (name, message) = *pick(&mut self.dice, &THROTTLES);
            return Err(CallError::from_exception(name, message));
        }
        self.may_refuse()?;
        let known = self.known_call(call);
        let answer = match known {
            Some(known) => known?,
            None => {
                if self.away(Away::Definitions) {
                    return Err(CallError::from_exception("InvalidParameterException", "TaskDefinition is inactive"));
                }
                if self.fault(self.plan.refused) {
                    let (name, message) = *pick(&mut self.dice, &REFUSALS);
                    return Err(CallError::from_exception(name, message));
                }
                self.place(call, request)
            }
        };
        if self.fault(self.plan.answer_lost) {
            self.note(request, format!("net: the answer to {} is lost", call.client_token));
            return Err(CallError::Unknown("connection reset".into()));
        }
        Ok(answer)
    }

    /// Troubles of the ECS API that have no effect.
    pub(in super::super) fn may_fail(&mut self) -> Result<(), CallError> {
        if self.away(Away::Credentials) {
            return Err(CallError::from_exception(
                "ExpiredTokenException",
                "The security token included in the request is expired",
            ));
        }
        if self.away(Away::Ecs) || self.fault(self.plan.server_error) {
            return Err(match self.chance(0.5) {
                true => CallError::from_exception("ServerException", "Service Unavailable. Please try again later."),
                false => CallError::Unknown("connection refused".into()),
            });
        }
        Ok(())
    }

    /// Refusals that do not look at the token: who asks, and for what, is checked first.
    fn may_refuse(&mut self) -> Result<(), CallError> {
        if self.away(Away::Permission) {
            return Err(CallError::from_exception(REFUSALS[0].0, REFUSALS[0].1));
        }
        if self.fault(self.plan.faults.refused_early) {
            let (name, message) = *pick(&mut self.dice, &REFUSALS);
            return Err(CallError::from_exception(name, message));
        }
        Ok(())
    }

    fn request_of(&self, call: &RunTaskCall) -> Option<usize> {
        let group = call.run_task.members().get("group").and_then(|group| group.as_str())?;
        self.fleet.of_group(group)
    }

    /// The answer of an earlier call with this token, if ECS still knows it.
    fn known_call(&mut self, call: &RunTaskCall) -> Option<Result<RunTaskAnswer, CallError>> {
        let now = self.now();
        let known = self.ecs.tokens.get(&call.client_token)?;
        let tasks: Vec<&SimTask> = known.tasks.iter().map(|place| &self.ecs.tasks[*place]).collect();
        let last = tasks.iter().map(|task| task.stopped_at).try_fold(known.made_at, |last, at| Some(last.max(at?)));
        let until = (known.made_at + TOKEN_LIFE).min(last.map_or(u64::MAX, |last| last + HOUR));
        if now >= until {
            let line = format!("ecs: has forgotten {}", call.client_token);
            self.note(None, line);
            return None;
        }
        if known.shape != shape(call) {
            return Some(Err(CallError::Conflict(tasks.iter().map(|task| task.arn.clone()).collect())));
        }
        let described = tasks.iter().map(|task| task.described(self.start, now)).collect();
        Some(Ok(RunTaskAnswer { tasks: described, failures: known.failures.clone() }))
    }

    fn place(&mut self, call: &RunTaskCall, request: Option<usize>) -> RunTaskAnswer {
        let mut count = call.count;
        let mut failures = Vec::new();
        if self.fault(self.plan.no_capacity) {
            count = u32::try_from(self.between(0, u64::from(count) - 1)).unwrap_or(0);
            let reason = *pick(&mut self.dice, &NO_ROOM);
            failures = vec![(reason.to_owned(), None); (call.count - count) as usize];
        } else if self.fault(self.plan.throttled / 10.0) {
            count = 0;
            failures = vec![("Rate exceeded".to_owned(), None); call.count as usize];
        }
        self.check_place(call, request, count);
        self.tell_call_of_cell(call, &failures);
        let places: Vec<usize> = (0..count).map(|_| self.place_one(call, request)).collect();
        let (now, start) = (self.now(), self.start);
        let tasks = places.iter().map(|place| self.ecs.tasks[*place].described(start, now)).collect();
        let made = Call { shape: shape(call), tasks: places, failures: failures.clone(), made_at: now };
        self.ecs.tokens.insert(call.client_token.clone(), made);
        RunTaskAnswer { tasks, failures }
    }

    fn place_one(&mut self, call: &RunTaskCall, request: Option<usize>) -> usize {
        let named = call.run_task.task_definition();
        let named = if named.starts_with("arn:") { named.to_owned() } else { format!("{DEFINITIONS}{named}") };
        let fargate = call.run_task.members().get("launchType").and_then(|t| t.as_str()) == Some("FARGATE");
        self.place_task(call.started_by.clone(), named, fargate, request, None)
    }

    /// Places a task, and begins its life; its place.
    pub(in super::super) fn place_task(
        &mut self,
        started_by: String,
        definition: String,
        fargate: bool,
        request: Option<usize>,
        call: Option<usize>,
    ) -> usize {
        let (place, now) = (self.ecs.tasks.len(), self.now());
        let task = SimTask {
            arn: format!("arn:aws:ecs:us-east-1:123456789012:task/default/{place:032x}"),
            request,
            call,
            started_by,
            definition,
            fargate,
            version: 1,
            status: "PROVISIONING",
            to_stop: false,
            epoch: 0,
            created_at: now,
            started_at: None,
            over_at: None,
            stopped_at: None,
            healthy_at: None,
            end: None,
            end_told: false,
            listed_from: now,
            told_at: Vec::new(),
            late: 0,
            hidden_until: if self.chance(0.3) { now + self.between(0, 8_000) } else { now },
        };
        let lag = self.plan.faults.list_lag;
        let listed_from = if lag > 0 && self.chance(0.5) { now + self.between(0, lag) } else { now };
        let task = SimTask { listed_from, ..task };
        self.note(request, format!("ecs: places {} for {}", task.arn, task.started_by));
        self.ecs.by_arn.insert(task.arn.clone(), place);
        self.ecs.by_started_by.entry(task.started_by.clone()).or_default().push(place);
        self.ecs.tasks.push(task);
        if let Some(request) = request {
            let live = self.ecs.live.entry(request).or_default();
            *live += 1;
            let live = *live;
            self.check_live(request, live);
            self.check_room(request);
        }
        self.begin_life(place, fargate);
        place
    }
}

/// All that a token stands for.
fn shape(call: &RunTaskCall) -> String {
    format!("{} {} {}", serde_json::to_string(&call.run_task).unwrap_or_default(), call.count, call.started_by)
}
