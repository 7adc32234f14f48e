//! How far a task is, and how it ended.

use super::failure::{Failure, has_another_cause, is_container_exit, no_such_container, stopped};
use super::task::{Container, Task};

/// Which containers decide how a task ended.
#[derive(Clone, Copy, Debug)]
pub enum Deciders<'e> {
    /// Nobody said and the task definition is not known: any container that ended by itself with a non-zero code decides.
    Unknown,
    /// These, by the task definition's `essential` or the request's `decidedBy`.
    Named(&'e [String]),
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not RUNNING yet.
    Starting,
    /// RUNNING, and not being stopped.
    Running,
    /// On its way to STOPPED (or wanted so), its outcome not to be told yet.
    Stopping,
    /// Ended (from DEPROVISIONING on), every deciding container with 0.
    Succeeded,
    /// Ended (from DEPROVISIONING on) otherwise.
    Failed(Box<Failure>),
}

/// Exit codes of a container that was stopped from outside: SIGTERM, and SIGKILL after `stopTimeout`.
const STOPPED_FROM_OUTSIDE: [i64; 2] = [143, 137];
/// Stop codes that say that something other than the containers' own end ended the task.
const NOT_BY_ITSELF: [&str; 5] =
    ["UserInitiated", "ServiceSchedulerInitiated", "SpotInterruption", "TerminationNotice", "InfrastructureHealth"];
/// GuardDuty adds this container to tasks; its end says nothing of theirs.
const INJECTED: &str = "aws-guardduty-agent";

impl Task<'_> {
    /// How far the task is, and if it ended, how.
    ///
    /// From DEPROVISIONING on an event has exit codes, stop code and reason: on Fargate 13 s and more before STOPPED.
    pub fn verdict(&self, deciders: Deciders<'_>) -> Verdict {
        let to_stop = self.desired_status.eq_ignore_ascii_case("STOPPED");
        match self.last_status.to_ascii_uppercase().as_str() {
            "DEPROVISIONING" | "STOPPED" | "DELETED" => self.ended(deciders),
            // A document cut down to what somebody needed of it.
            "" if self.stopped_at.is_some() || self.stopped_reason.is_some() => self.ended(deciders),
            "DEACTIVATING" | "STOPPING" => Verdict::Stopping,
            _ if to_stop => Verdict::Stopping,
            "RUNNING" => Verdict::Running,
            "PROVISIONING" | "PENDING" | "ACTIVATING" => Verdict::Starting,
            // A status not known today: startedAt tells on which side of RUNNING it is.
            _ if self.started_at.is_some() => Verdict::Running,
            _ => Verdict::Starting,
        }
    }

    /// The exit code that tells how the task ended: the first non-zero one of the deciding containers, else 0; none when none is known.
    pub fn exit_code(&self, deciders: Deciders<'_>) -> Option<i64> {
        let judged = self.judged(deciders);
        if !self.exited_well(&judged, deciders)
            && let Some(code) = culprit(&judged).and_then(|c| c.exit_code)
        {
            return Some(code);
        }
        judged.iter().find_map(|c| c.exit_code.filter(|code| *code == 0))
    }

    /// The container whose log tells of the end: the one to blame, else the first of those that decide.
    pub fn telling_container(&self, deciders: Deciders<'_>) -> Option<&Container<'_>> {
        let judged = self.judged(deciders);
        culprit(&judged).or_else(|| judged.first().copied())
    }

    fn ended(&self, deciders: Deciders<'_>) -> Verdict {
        let judged = self.judged(deciders);
        let by_itself = self.ended_by_itself();
        if by_itself && self.exited_well(&judged, deciders) {
            return Verdict::Succeeded;
        }
        // DEPROVISIONING may be a little ahead of its last container: its exit code is still to come.
        let ahead = |c: &&Container<'_>| c.exit_code.is_none() && c.reason.is_none() && !c.is_stopped();
        if by_itself && self.last_status.eq_ignore_ascii_case("DEPROVISIONING") && judged.iter().any(ahead) {
            return Verdict::Stopping;
        }
        let culprit = culprit(&judged);
        let failure = match self.missing(deciders).filter(|_| by_itself && culprit.is_none()) {
            Some(name) => no_such_container(name, self.containers.iter().map(|c| c.name.as_ref())),
            None => stopped(self, culprit),
        };
        Verdict::Failed(Box::new(failure))
    }

    /// Whether the containers' own end ended the task, and nothing else.
    fn ended_by_itself(&self) -> bool {
        let reason = self.stopped_reason.as_deref();
        match self.stop_code.as_deref() {
            None => reason.is_none_or(is_container_exit),
            Some("EssentialContainerExited") => reason.is_none_or(|r| is_container_exit(r) || !has_another_cause(r)),
            // `TaskFailedToStart`, where not all had started when the one that counts had ended, or a stop code not known
            // today: only a reason that is known can say so.
            Some(code) => !NOT_BY_ITSELF.contains(&code) && reason.is_some_and(is_container_exit),
        }
    }

    fn judged<'t>(&'t self, deciders: Deciders<'_>) -> Vec<&'t Container<'t>> {
        let judges = |name: &str| match deciders {
            Deciders::Named(names) if !names.is_empty() => names.iter().any(|n| n == name),
            _ => !name.starts_with(INJECTED),
        };
        self.containers.iter().filter(|c| judges(&c.name)).collect()
    }

    /// A container that is to decide and that the task does not have.
    fn missing<'e>(&self, deciders: Deciders<'e>) -> Option<&'e str> {
        let Deciders::Named(names) = deciders else { return None };
        let here = |name: &String| self.containers.iter().any(|c| c.name == **name);
        names.iter().find(|name| !here(name)).map(String::as_str).filter(|_| !self.containers.is_empty())
    }

    /// Named: each of them ended with 0. Unknown: one ended with 0, and every other too or was stopped after it. One that
    /// has no exit code may be the essential one: absent is not 0.
    fn exited_well(&self, judged: &[&Container<'_>], deciders: Deciders<'_>) -> bool {
        match deciders {
            Deciders::Named(names) if !names.is_empty() => {
                names.iter().all(|name| judged.iter().any(|c| c.name == **name && c.exit_code == Some(0)))
            }
            _ => {
                let fine = |c: &&Container<'_>| c.exit_code == Some(0) || c.was_stopped();
                judged.iter().any(|c| c.exit_code == Some(0)) && judged.iter().all(fine)
            }
        }
    }
}

impl Container<'_> {
    /// Stopped from outside, by its exit code; one that ran out of memory was killed for its own end.
    fn was_stopped(&self) -> bool {
        // The agent gives 143 to a container that it never started, for another did not come up (task_manager.go).
        let never = ["OutOfMemory", "CannotStart", "CannotCreate", "CannotPull"];
        let own = || self.reason.as_deref().is_some_and(|reason| never.iter().any(|begin| reason.starts_with(begin)));
        self.exit_code.is_some_and(|code| STOPPED_FROM_OUTSIDE.contains(&code)) && !own()
    }

    fn is_stopped(&self) -> bool {
        self.last_status.is_empty() || self.last_status.eq_ignore_ascii_case("STOPPED")
    }
}

/// The container to blame: one that ended itself before one that was stopped, an exit code before a mere reason.
fn culprit<'t>(judged: &[&'t Container<'t>]) -> Option<&'t Container<'t>> {
    let not_zero = |c: &&&Container<'_>| c.exit_code.is_some_and(|e| e != 0);
    let by_itself = |c: &&&Container<'_>| not_zero(c) && !c.was_stopped();
    let no_code = |c: &&&Container<'_>| c.exit_code.is_none() && c.reason.is_some();
    let found = judged.iter().find(by_itself).or_else(|| judged.iter().find(no_code));
    found.or_else(|| judged.iter().find(not_zero)).copied()
}
