//! The RunTask calls of others, what CloudTrail tells of them, and what is in the events of their tasks.

use serde_json::{Value, json};
use taskwatch::cell::ports::RunTaskCall;
use taskwatch::core::observe::RunTaskRecord;
use taskwatch::core::time::Timestamp;

use super::super::agenda::Act;
use super::super::ecs::SimTask;
use super::super::plan::{MINUTE, SECOND, pick};
use super::super::world::State;
use super::{CLUSTER, Call, Failure, LATEST, LAUNCHERS, What};

const REASONS: [&str; 3] = [
    "RESOURCE:MEMORY",
    "You've reached the limit on the number of vCPUs you can run concurrently",
    "Capacity is unavailable at this time. Please try again later or in a different availability zone",
];

impl State {
    /// One of them calls RunTask.
    pub(in super::super) fn launch_of_others(&mut self, launcher: usize) {
        let (count, at) = (LAUNCHERS[launcher].count, self.now());
        let is_throttled = self.fault(0.1);
        let placed = match () {
            () if is_throttled => 0,
            () if self.fault(0.35) => u32::try_from(self.between(0, u64::from(count) - 1)).unwrap_or(0),
            () => count,
        };
        let missing = if is_throttled { 0 } else { count - placed };
        let number = self.others.calls.len();
        self.note(
            None,
            format!("others: {:?} launches {placed} of {count}, call {number}", LAUNCHERS[launcher].started_by),
        );
        let call = Call { launcher, at, tasks: Vec::new(), missing, late: 0, record: String::new() };
        self.others.calls.push(call);
        (0..placed).for_each(|_| self.place_for_others(number));
        let record = self.record(number, is_throttled);
        if is_throttled {
            // EventBridge makes it again.
            let again = at + self.between(30 * SECOND, 5 * MINUTE);
            self.agenda.add(again, Act::Launch(launcher));
        }
        if missing > 0 && self.chance(0.3) {
            let late = at + self.between(SECOND, LATEST);
            self.agenda.add(late, Act::LateTask(number));
        }
        let refusal = RunTaskRecord::read(&record).expect("a record").and_then(|record| record.refusal());
        if let Some(failed) = refusal {
            self.others.failures.insert(failed.id, Failure { what: What::Call(number), is_heard: false });
        }
        self.others.calls[number].record = record.clone();
        self.deliver_record(record);
    }

    /// CloudTrail tells EventBridge at best effort.
    fn deliver_record(&mut self, record: String) {
        if self.fault(0.15) {
            return;
        }
        for _ in 0..if self.fault(0.2) { 2 } else { 1 } {
            let longest = *pick(&mut self.dice, &[2 * SECOND, 90 * SECOND, 90 * SECOND, 20 * MINUTE]);
            let at = self.now() + self.between(SECOND, longest);
            self.agenda.add(at, Act::Deliver(record.clone()));
        }
    }

    /// CloudTrail tells of the cell's own calls too.
    pub(in super::super) fn tell_call_of_cell(&mut self, call: &RunTaskCall, failures: &[(String, Option<String>)]) {
        if self.plan.faults.launches == 0 {
            return;
        }
        let failures: Vec<Value> = failures.iter().map(|(reason, _)| json!({ "reason": reason })).collect();
        let detail = json!({"eventID": format!("own-{}", call.client_token), "eventSource": "ecs.amazonaws.com",
            "eventName": "RunTask", "eventTime": "2027-01-15T08:00:00Z",
            "requestParameters": {"taskDefinition": "own", "count": call.count, "startedBy": call.started_by},
            "responseElements": {"tasks": [], "failures": failures}});
        let event = json!({"source": "aws.ecs", "detail-type": "AWS API Call via CloudTrail", "detail": detail});
        self.deliver_record(event.to_string());
    }

    /// RunTask had refused it, and it is there all the same.
    pub(in super::super) fn late_task(&mut self, call: usize) {
        self.note(None, format!("others: a task of call {call} comes late"));
        self.others.calls[call].late += 1;
        self.place_for_others(call);
    }

    fn place_for_others(&mut self, call: usize) {
        let launcher = &LAUNCHERS[self.others.calls[call].launcher];
        let started_by = launcher.started_by.unwrap_or_default().to_owned();
        let place = self.place_task(started_by, launcher.definition(), true, None, Some(call));
        self.others.calls[call].tasks.push(place);
        if self.fault(0.05) {
            let at = self.now() + self.between(SECOND, MINUTE);
            self.agenda.add(at, Act::StopOfOthers(place));
        }
    }

    fn record(&mut self, number: usize, is_throttled: bool) -> String {
        let (launcher, at) = (&LAUNCHERS[self.others.calls[number].launcher], self.others.calls[number].at);
        let whole_seconds = Timestamp::from_millis((self.start + at as i64) / 1_000 * 1_000);
        let mut request = json!({"cluster": CLUSTER, "taskDefinition": launcher.definition(), "count": launcher.count,
            "launchType": "FARGATE", "startedBy": launcher.started_by, "clientToken": format!("token-{number}")});
        if launcher.environment.is_some() {
            request["overrides"] =
                json!({"containerOverrides": [{"name": "app", "environment": "HIDDEN_DUE_TO_SECURITY_REASONS"}]});
        }
        let mut detail = json!({"eventID": format!("call-{number}"), "eventSource": "ecs.amazonaws.com",
            "eventName": "RunTask", "eventTime": whole_seconds.to_string(), "requestParameters": request});
        if is_throttled {
            detail["errorCode"] = "ThrottlingException".into();
            detail["errorMessage"] = "Rate exceeded".into();
        } else {
            detail["responseElements"] = self.answer(number);
        }
        json!({"version": "0", "source": "aws.ecs", "detail-type": "AWS API Call via CloudTrail", "detail": detail})
            .to_string()
    }

    fn answer(&mut self, number: usize) -> Value {
        let missing = u64::from(self.others.calls[number].missing);
        // On EC2 each instance that did not fit has an entry.
        let entries = if missing > 0 { self.between(1, 3 * missing) } else { 0 };
        let reason = *pick(&mut self.dice, &REASONS);
        let failures: Vec<Value> = (0..entries).map(|_| json!({ "reason": reason })).collect();
        let tasks: Vec<Value> = self.others.calls[number]
            .tasks
            .iter()
            .map(|place| json!({"taskArn": self.ecs.tasks[*place].arn}))
            .collect();
        json!({"tasks": tasks, "failures": failures})
    }

    /// What the event of a task of theirs says beside its state; none of a state that no rule lets in.
    pub(in super::super) fn event_of_others(&self, task: &SimTask) -> Option<Value> {
        let launcher = &LAUNCHERS[self.others.calls[task.call?].launcher];
        let is_let_in = matches!(task.status, "DEPROVISIONING" | "STOPPED");
        is_let_in.then(|| {
            let overrides = match launcher.environment {
                Some(_) => launcher.overrides(),
                // ECS names every container.
                None => json!({"containerOverrides": [{"name": "app"}], "inferenceAcceleratorOverrides": []}),
            };
            json!({"clusterArn": CLUSTER, "group": format!("family:{}", launcher.family), "overrides": overrides,
                "startedBy": launcher.started_by, "launchType": "FARGATE"})
        })
    }
}
