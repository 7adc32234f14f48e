//! Others who launch in the same account: rules, schedules, Step Functions, Airflow, a person. What they launch fails as the cell's own
//! tasks do, and is told by events of tasks and by CloudTrail, each late, twice or never.

mod audit;
mod calls;

pub(super) use audit::is_of_others;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::ports::CallError;
use taskwatch::core::launcher::{Launcher as Told, LauncherKind};
use taskwatch::core::observe::{Action, LaunchTarget, Policy, RetryRules};
use uuid::Uuid;

use super::agenda::Act;
use super::plan::{MINUTE, Plan, SECOND, pick};
use super::world::State;

const CLUSTER: &str = "arn:aws:ecs:us-east-1:123456789012:cluster/default";
/// A task that RunTask refused may be placed all the same, so long after it.
const LATEST: u64 = 40 * SECOND;

/// Somebody who launches.
#[derive(Debug)]
pub(super) struct Launcher {
    kind: LauncherKind,
    name: &'static str,
    started_by: Option<&'static str>,
    family: &'static str,
    count: u32,
    /// The value of a variable that its overrides set.
    environment: Option<&'static str>,
    /// Its target makes the overrides of an event.
    transforms: bool,
}

const fn rule(name: &'static str, started_by: &'static str, family: &'static str, count: u32) -> Launcher {
    let (kind, started_by) = (LauncherKind::Rule, Some(started_by));
    Launcher { kind, name, started_by, family, count, environment: None, transforms: false }
}

const fn other(kind: LauncherKind, started_by: Option<&'static str>) -> Launcher {
    Launcher { kind, name: "", started_by, family: "others-4", count: 1, environment: None, transforms: false }
}

/// They.
const LAUNCHERS: [Launcher; 9] = [
    rule("nightly", "events-rule/nightly", "others-0", 1),
    Launcher { environment: Some("of-each"), ..rule("each", "events-rule/each", "others-1", 3) },
    // Two of which EventBridge leaves the same name.
    rule("prd-recommend-batch-evening", "events-rule/prd-recommend-batch-even", "others-2", 1),
    Launcher {
        environment: Some("of-the-second"),
        ..rule("prd-recommend-batch-even-more", "events-rule/prd-recommend-batch-even", "others-2", 2)
    },
    Launcher {
        environment: Some("of-an-event"),
        transforms: true,
        ..rule("files", "events-rule/files", "others-3", 2)
    },
    Launcher {
        kind: LauncherKind::Schedule,
        environment: Some("of-hourly"),
        ..rule("hourly", "chronos-schedule/hourly", "others-5", 2)
    },
    other(LauncherKind::StepFunctions, Some("AWS Step Functions")),
    other(LauncherKind::Airflow, Some("airflow")),
    other(LauncherKind::Other, None),
];

/// One RunTask call of theirs.
#[derive(Debug)]
pub(super) struct Call {
    launcher: usize,
    at: u64,
    /// Tasks by their places, also those that came late.
    tasks: Vec<usize>,
    missing: u32,
    late: u32,
    /// What CloudTrail tells of it.
    record: String,
}

/// What failed.
#[derive(Clone, Copy, Debug)]
enum What {
    Task(usize),
    Call(usize),
}

/// A failure of theirs.
#[derive(Debug)]
struct Failure {
    what: What,
    /// The cell let go of a message that tells of it, and is to tell.
    is_heard: bool,
}

/// All that they did.
#[derive(Default)]
pub(super) struct Others {
    calls: Vec<Call>,
    failures: BTreeMap<Uuid, Failure>,
    /// Names of runs that repeat a failure.
    repeats: BTreeMap<Uuid, BTreeSet<String>>,
}

impl Others {
    /// How many failures were repeated.
    pub(super) fn repeats(&self) -> usize {
        self.repeats.len()
    }
}

impl Launcher {
    /// Whether it tries nothing again itself.
    fn is_repeated(&self) -> bool {
        matches!(self.kind, LauncherKind::Rule | LauncherKind::Schedule)
    }

    fn definition(&self) -> String {
        format!("arn:aws:ecs:us-east-1:123456789012:task-definition/{}:1", self.family)
    }

    fn overrides(&self) -> Value {
        match self.environment {
            Some(value) => {
                json!({"containerOverrides": [{"name": "app", "environment": [{"name": "JOB", "value": value}]}]})
            }
            None => json!({}),
        }
    }

    fn target(&self) -> LaunchTarget {
        let mut target = json!({"Id": "1", "Arn": CLUSTER, "RoleArn": "arn:aws:iam::123456789012:role/events",
            "EcsParameters": {"TaskDefinitionArn": self.definition(), "TaskCount": self.count, "LaunchType": "FARGATE"}});
        if self.transforms {
            target["InputTransformer"] = json!({"InputPathsMap": {"name": "$.detail.name"}, "InputTemplate": "<name>"});
        } else if self.environment.is_some() {
            target["Input"] = self.overrides().to_string().into();
        }
        LaunchTarget { name: format!("rule {}", self.name), target }
    }
}

/// What the cell is to do about failures of others. The name differs from life to life, as a user may rename a policy.
pub(super) fn policies(plan: &Plan, life: u64) -> Vec<Policy> {
    let rules = RetryRules {
        retry: None,
        within: Duration::from_secs(30 * 60),
        settle: Duration::from_secs(60),
        skip_when_newer: plan.seed.is_multiple_of(2),
    };
    let policy = Policy {
        name: format!("policy-{}", life % 2),
        // Of any launcher: which ones are repeated is not for the policy to say.
        launchers: Vec::new(),
        names: Vec::new(),
        families: Vec::new(),
        clusters: Vec::new(),
        ran: None,
        when: None,
        action: Action::Retry(Box::new(rules)),
        log_lines: None,
    };
    if plan.faults.launches > 0 { vec![policy] } else { Vec::new() }
}

impl State {
    /// Puts what they will launch into the agenda.
    pub(super) fn schedule_others(&mut self) {
        for _ in 0..self.plan.faults.launches {
            let at = self.between(0, self.plan.horizon * 4 / 5);
            let launcher = self.between(0, LAUNCHERS.len() as u64 - 1) as usize;
            self.agenda.add(at, Act::Launch(launcher));
            // A rule that launches again soon.
            if self.chance(0.3) {
                let again = at + *pick(&mut self.dice, &[SECOND, 30 * SECOND, 5 * MINUTE]);
                self.agenda.add(again, Act::Launch(launcher));
            }
            // While what failed waits to be launched once more, or just as that is decided.
            if self.chance(0.3) {
                let crash = at + self.between(10 * SECOND, 150 * SECOND);
                self.agenda.add(crash, Act::Crash);
            }
        }
    }

    /// Rules and schedules of this name, as their API shows them.
    pub(super) fn targets(&mut self, launcher: &Told) -> Result<Vec<LaunchTarget>, CallError> {
        self.note(None, format!("events: targets of {launcher}"));
        self.may_fail()?;
        if self.fault(self.plan.throttled) {
            return Err(CallError::from_exception("ThrottlingException", "Rate exceeded"));
        }
        let name = launcher.name.as_deref().unwrap_or_default();
        let is_it = |one: &&Launcher| {
            one.kind == launcher.kind && (one.name == name || launcher.cut && one.name.starts_with(name))
        };
        Ok(LAUNCHERS.iter().filter(is_it).map(Launcher::target).collect())
    }
}
