//! What must hold of others' launches: each failure is told once, nothing that ran is repeated, and nothing is repeated twice.

use taskwatch::core::failure::Class;
use taskwatch::core::notification::{Destination, Notification};
use taskwatch::core::observe::{ObservedFailure, RunTaskRecord, repeated};
use taskwatch::core::run::Run;
use taskwatch::core::task::{Notice, parse_notice};
use taskwatch::core::time::Timestamp;
use taskwatch::core::verdict::Deciders;
use uuid::Uuid;

use super::super::ecs::containers_of;
use super::super::plan::{Away, SECOND};
use super::super::world::State;
use super::{Call, Failure, LAUNCHERS, Launcher, What};

/// What is listed may be so old when a repeat is decided by it.
const LISTED: u64 = 60 * SECOND;

/// Whether it is about a failure of others.
pub(in super::super) fn is_of_others(notification: &Notification) -> bool {
    ["Taskwatch Task Failed", "Taskwatch Launch Refused", "Taskwatch Failures Repeating"]
        .contains(&notification.detail_type.as_str())
}

impl State {
    fn launcher(&self, what: What) -> &'static Launcher {
        &LAUNCHERS[self.call(what).launcher]
    }

    fn call(&self, what: What) -> &Call {
        let call = match what {
            What::Task(place) => self.ecs.tasks[place].call.unwrap_or_default(),
            What::Call(call) => call,
        };
        &self.others.calls[call]
    }

    /// Nothing of theirs waits to be launched once more.
    pub(in super::super) fn is_quiet_about_others(&self) -> bool {
        self.disk.notes_of("observed-repeats-").all(|(_, text)| text == "[]")
    }

    /// Only failures are told of.
    pub(in super::super) fn check_told_of_others(&mut self, notification: &Notification) {
        if notification.detail_type == "Taskwatch Failures Repeating" {
            return;
        }
        let known = Uuid::parse_str(&notification.id).ok().and_then(|id| self.others.failures.get(&id));
        let is_wrong = match known.map(|failure| failure.what) {
            Some(What::Task(place)) => self.ecs.tasks[place].did_its_work(),
            Some(What::Call(_)) => false,
            None => true,
        };
        if is_wrong {
            self.violate(None, format!("told of what did not fail: {}", notification.subject));
        }
    }

    /// A message is deleted when what it tells is told, waits to be decided, or was counted with others.
    pub(in super::super) fn check_event_of_others_is_durable(&mut self, body: &str) {
        let told_of = self.failure_of_others(body);
        let Some((id, what)) = told_of else { return };
        self.others.failures.entry(id).or_insert(Failure { what, is_heard: false }).is_heard = true;
        let is_held = self.disk.notes_of("observed-repeats-").any(|(_, text)| text.contains(&id.to_string()));
        if self.plan.breaker == 0 && !is_held && !self.is_told(id) {
            self.violate(None, format!("a message about {what:?} was deleted, and nothing of it is durable"));
        }
    }

    /// Notes what a message tells of, before anybody has heard it.
    pub(in super::super) fn note_failure_of_others(&mut self, body: &str) {
        if self.others.calls.is_empty() {
            return;
        }
        if let Some((id, what)) = self.failure_of_others(body) {
            self.others.failures.entry(id).or_insert(Failure { what, is_heard: false });
        }
    }

    /// The failure of which a message tells, if the cell is to tell of it.
    fn failure_of_others(&self, body: &str) -> Option<(Uuid, What)> {
        if let Ok(Some(record)) = RunTaskRecord::read(body) {
            let id = record.refusal()?.id;
            return Some((id, self.others.failures.get(&id)?.what));
        }
        let Ok(Notice::Task(event)) = parse_notice(body) else { return None };
        let place = self.ecs.place_of(&event.task.task_arn).filter(|place| self.ecs.tasks[*place].call.is_some())?;
        let essential = containers_of(&event.task.task_definition_arn).iter().filter(|(_, essential)| *essential);
        let essential: Vec<String> = essential.map(|(name, _)| (*name).to_owned()).collect();
        let failed = ObservedFailure::of_task(&event.task, Deciders::Named(&essential), Timestamp::from_millis(0))?;
        (failed.failure.class != Class::Stopped).then_some((failed.id, What::Task(place)))
    }

    fn is_told(&self, id: Uuid) -> bool {
        let topic = Destination::Topic("arn:aws:sns:x:1:t".into());
        [topic, Destination::Bus("default".into())]
            .into_iter()
            .all(|destination| self.disk.digests.contains(&(destination, id.to_string())))
    }

    /// A run that is new and repeats something.
    pub(in super::super) fn check_repeat(&mut self, run: &Run) {
        let Some(id) = repeated(run.request_name()) else { return };
        self.others.repeats.entry(id).or_default().insert(run.request_name().to_owned());
        if self.others.repeats[&id].len() > 1 {
            let names = self.others.repeats[&id].clone();
            return self.violate(None, format!("two repeats of one failure: {names:?}"));
        }
        match self.others.failures.get(&id).map(|failure| failure.what) {
            None => self.violate(None, format!("{} repeats nothing that failed", run.name)),
            Some(what) => {
                for wrong in self.wrong_with_repeat(what, run) {
                    self.violate(None, format!("{} repeats {what:?}: {wrong}", run.name));
                }
            }
        }
    }

    fn wrong_with_repeat(&self, what: What, run: &Run) -> Vec<String> {
        let (launcher, call, mut wrong) = (self.launcher(what), self.call(what), Vec::new());
        let mut fault = |is_wrong: bool, text: &str| wrong.extend(is_wrong.then(|| text.to_owned()));
        fault(!launcher.is_repeated(), "its launcher may try again itself");
        match what {
            What::Task(place) => {
                let task = &self.ecs.tasks[place];
                fault(task.started_at.is_some(), "it ran");
                fault(task.end.as_ref().is_none_or(|end| end.code != "TaskFailedToStart"), "it did not fail to start");
            }
            What::Call(_) => {
                fault(call.late > 0, "a task of it came late");
                fault(call.missing == 0, "it was throttled, and EventBridge makes it again");
                fault(launcher.transforms, "nobody knows its overrides");
            }
        }
        let members = run.spec.run_task.members();
        let overrides = members.get("overrides").cloned().unwrap_or_else(|| serde_json::json!({}));
        fault(overrides != launcher.overrides(), "its overrides are others");
        let definition = members.get("taskDefinition").and_then(|definition| definition.as_str());
        fault(definition != Some(launcher.definition().as_str()), "its task definition is another");
        // What was decided may wait for the store.
        let is_prompt = !self.plan.windows.iter().any(|(_, _, away)| *away == Away::Disk);
        let late = self.now().saturating_sub(call.at) > 31 * 60 * SECOND + LISTED;
        fault(late && is_prompt, "it was launched too long ago");
        let skips = is_prompt && self.plan.seed.is_multiple_of(2);
        let is_newer = |other: &&Call| {
            LAUNCHERS[other.launcher].started_by == launcher.started_by
                && LAUNCHERS[other.launcher].family == launcher.family
                && other.at > call.at + 3 * SECOND
                && other.tasks.iter().any(|place| self.ecs.tasks[*place].listed_from + LISTED < self.now())
        };
        let newer = self.others.calls.iter().find(is_newer).filter(|_| skips);
        fault(newer.is_some(), "its launcher has launched again since");
        wrong
    }

    /// What can be said at the end.
    pub(in super::super) fn audit_others(&mut self) {
        for (id, what) in self.heard() {
            if self.plan.breaker == 0 && !self.is_told(id) {
                self.violate(None, format!("nobody was told of {what:?}, which the cell heard of"));
            }
        }
        for number in 0..self.others.calls.len() {
            self.audit_call(number);
        }
    }

    fn heard(&self) -> Vec<(Uuid, What)> {
        let heard = self.others.failures.iter().filter(|(_, failure)| failure.is_heard);
        heard.map(|(id, failure)| (*id, failure.what)).collect()
    }

    /// No more is launched than was asked for: what ran, and what was repeated.
    fn audit_call(&mut self, number: usize) {
        let call = &self.others.calls[number];
        let ran = call.tasks.iter().filter(|place| self.ecs.tasks[**place].started_at.is_some()).count();
        let is_of_call = |what: &What| match what {
            What::Task(place) => self.ecs.tasks[*place].call == Some(number),
            What::Call(its) => *its == number,
        };
        let repeats: usize = self
            .others
            .repeats
            .iter()
            .filter(|(id, _)| self.others.failures.get(id).is_some_and(|failure| is_of_call(&failure.what)))
            .flat_map(|(_, names)| names)
            .map(|name| self.disk.of_request(name).count())
            .sum();
        let asked = LAUNCHERS[call.launcher].count as usize;
        if ran + repeats > asked {
            let what = format!("call {number} asked for {asked}: {ran} ran, and {repeats} were repeated: {call:?}");
            self.violate(None, what);
        }
    }
}
