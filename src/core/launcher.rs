//! Who launched a task, by what its events and descriptions say: `startedBy`, `group` and the cluster.
//!
//! Sources: `startedBy` of tasks that EventBridge rules, EventBridge Scheduler, Step Functions and ECS services launched,
//! as recorded events and CloudTrail records have it; AWS Batch API reference, DescribeComputeEnvironments (`ecsClusterArn`).

use serde::{Deserialize, Serialize};

use super::ids::Token;
use super::name;

/// EventBridge and its Scheduler cut `startedBy` at so many characters.
const CUT_AT: usize = 36;
const RULE: &str = "events-rule/";
const SCHEDULE: &str = "chronos-schedule/";
const SERVICE: &str = "ecs-svc/";
const SERVICE_GROUP: &str = "service:";
const STEP_FUNCTIONS: &str = "AWS Step Functions";
/// The Airflow operator sends the task's owner, which is this by default.
const AIRFLOW: &str = "airflow";
const UUID_CHARS: usize = 36;

/// What kind of thing launches tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LauncherKind {
    /// An EventBridge rule with an ECS target.
    Rule,
    /// A schedule of EventBridge Scheduler.
    Schedule,
    /// A Step Functions state machine.
    StepFunctions,
    /// An ECS service.
    Service,
    /// AWS Batch.
    Batch,
    /// Airflow's operator.
    Airflow,
    /// A cell of taskwatch.
    Taskwatch,
    /// Anything else, or somebody who did not say: a program, a person, a CI job.
    Other,
}

/// Who launched a task.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Launcher {
    /// What it is.
    pub kind: LauncherKind,
    /// Its name: of the rule, schedule, service, compute environment or cell; of anything else its `startedBy`. None where
    /// nothing tells it.
    pub name: Option<String>,
    /// The name may be longer: EventBridge cuts `startedBy` at 36 characters, so that 24 are left of a rule's name and 19
    /// of a schedule's. Whoever looks for it looks for a prefix.
    pub cut: bool,
}

impl LauncherKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rule,
        Self::Schedule,
        Self::StepFunctions,
        Self::Service,
        Self::Batch,
        Self::Airflow,
        Self::Taskwatch,
        Self::Other,
    ];

    /// As settings and answers have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Schedule => "schedule",
            Self::StepFunctions => "step-functions",
            Self::Service => "service",
            Self::Batch => "batch",
            Self::Airflow => "airflow",
            Self::Taskwatch => "taskwatch",
            Self::Other => "other",
        }
    }
}

impl Launcher {
    /// The launcher of a task with this `startedBy` and `group` in this cluster (name or ARN).
    pub fn of(started_by: Option<&str>, group: Option<&str>, cluster: &str) -> Self {
        let started_by = started_by.filter(|text| !text.is_empty());
        let named = |kind, name: &str| Self { kind, name: Some(name.to_owned()).filter(|n| !n.is_empty()), cut: false };
        let service = group.and_then(|group| group.strip_prefix(SERVICE_GROUP));
        match started_by {
            Some(text) if text.starts_with(RULE) => Self::cut_name(LauncherKind::Rule, text, RULE),
            Some(text) if text.starts_with(SCHEDULE) => Self::cut_name(LauncherKind::Schedule, text, SCHEDULE),
            Some(STEP_FUNCTIONS) => named(LauncherKind::StepFunctions, ""),
            Some(text) if text.starts_with(SERVICE) => named(LauncherKind::Service, service.unwrap_or_default()),
            Some(AIRFLOW) => named(LauncherKind::Airflow, ""),
            Some(text) => match cell(text) {
                Some(cell) => named(LauncherKind::Taskwatch, cell),
                None => named(LauncherKind::Other, text),
            },
            None => match (service, batch(cluster)) {
                (Some(service), _) => named(LauncherKind::Service, service),
                (None, Some(environment)) => named(LauncherKind::Batch, environment),
                (None, None) => named(LauncherKind::Other, ""),
            },
        }
    }

    fn cut_name(kind: LauncherKind, started_by: &str, prefix: &str) -> Self {
        let name = started_by.strip_prefix(prefix).filter(|name| !name.is_empty()).map(str::to_owned);
        Self { kind, name, cut: started_by.chars().count() >= CUT_AT }
    }
}

/// `rule nightly`, `schedule a-name-that-was-cut…`, `other`.
impl std::fmt::Display for Launcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.as_str())?;
        match &self.name {
            Some(name) => write!(f, " {name}{}", if self.cut { "…" } else { "" }),
            None => Ok(()),
        }
    }
}

/// The cell whose task this is: `<cell>/<token>`.
fn cell(started_by: &str) -> Option<&str> {
    let (cell, token) = started_by.rsplit_once('/')?;
    token.parse::<Token>().ok().map(|_| cell)
}

/// The compute environment of an AWS Batch cluster: `AWSBatch-<name>-<uuid>`, and of older ones `<name>_Batch_<uuid>`.
fn batch(cluster: &str) -> Option<&str> {
    let cluster = name::in_arn(cluster);
    let uuid = cluster.len().checked_sub(UUID_CHARS).filter(|at| cluster.is_char_boundary(*at))?;
    let (name, uuid) = cluster.split_at(uuid);
    uuid::Uuid::try_parse(uuid).ok()?;
    let new = || name.strip_prefix("AWSBatch-")?.strip_suffix('-');
    new().or_else(|| name.strip_suffix("_Batch_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(started_by: &str, group: &str, cluster: &str) -> (LauncherKind, String, bool) {
        let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
        let launcher = Launcher::of(some(started_by), some(group), cluster);
        (launcher.kind, launcher.name.unwrap_or_default(), launcher.cut)
    }

    #[test]
    fn a_launcher_is_known_by_what_it_puts_into_started_by_or_by_group_and_cluster() {
        use LauncherKind::*;
        let token = Token::of(["call"]);
        let batch = "arn:aws:ecs:eu-west-1:1:cluster/AWSBatch-nightly-ce-0a1b2c3d-1111-2222-3333-444455556666";
        for (started_by, group, cluster, kind, name, cut) in [
            ("events-rule/nightly", "family:etl", "c", Rule, "nightly", false),
            ("events-rule/prd-recommend-batch-even", "family:etl", "c", Rule, "prd-recommend-batch-even", true),
            ("chronos-schedule/homework-chat-daily", "family:etl", "c", Schedule, "homework-chat-daily", true),
            ("chronos-schedule/daily", "family:etl", "c", Schedule, "daily", false),
            ("AWS Step Functions", "family:etl", "c", StepFunctions, "", false),
            ("AWS Step Functions of mine", "", "c", Other, "AWS Step Functions of mine", false),
            ("ecs-svc/1234567890123456789", "service:web", "c", Service, "web", false),
            ("ecs-svc/1234567890123456789", "", "c", Service, "", false),
            ("", "service:web", "c", Service, "web", false),
            ("", "family:etl", batch, Batch, "nightly-ce", false),
            ("", "", "M4OnDemand_Batch_ae4bbb1d-1111-2222-3333-444455556666", Batch, "M4OnDemand", false),
            ("", "", "AWSBatch-ce", Other, "", false),
            ("", "", "mine-ae4bbb1d-1111-2222-3333-444455556666", Other, "", false),
            ("airflow", "family:etl", "c", Airflow, "", false),
            ("deploy-bot", "family:etl", "c", Other, "deploy-bot", false),
            ("deploy/bot", "family:etl", "c", Other, "deploy/bot", false),
            ("", "family:etl", "c", Other, "", false),
            ("events-rule/", "", "c", Rule, "", false),
        ] {
            assert_eq!(of(started_by, group, cluster), (kind, name.to_owned(), cut), "{started_by:?} {group:?}");
        }
        assert_eq!(of(&token.started_by("blue-0"), "family:etl", "c"), (Taskwatch, "blue-0".to_owned(), false));
    }

    #[test]
    fn a_name_that_may_be_longer_is_shown_so() {
        let rule = Launcher::of(Some("events-rule/prd-recommend-batch-even"), None, "c");
        assert_eq!(rule.to_string(), "rule prd-recommend-batch-even…");
        assert_eq!(Launcher::of(None, None, "c").to_string(), "other");
        for kind in LauncherKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
