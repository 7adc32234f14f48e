//! Documents of others that start ECS tasks: what each is, and what to do with it.

use serde_json::{Map, Value};

/// What a document is that is no run request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// A target of an EventBridge rule, with `EcsParameters`.
    Target,
    /// A rule's targets: what put-targets takes, and list-targets-by-rule answers.
    Targets,
    /// A schedule of EventBridge Scheduler.
    Schedule,
    /// An AWS Batch job definition.
    JobDefinition,
    /// The answer of describe-job-definitions.
    JobDefinitions,
    /// What submit-job takes.
    Job,
    /// A CloudFormation template.
    Template,
    /// A resource of a template.
    Resource,
    /// A file of the Serverless framework with state machines.
    Serverless,
    /// An ECS task definition.
    TaskDefinition,
    /// An ECS service.
    Service,
}

/// What a document is, by its members, in the spelling of the API or of CloudFormation.
pub fn of(members: &Map<String, Value>) -> Option<Foreign> {
    let has = |name: &str| get(members, name).is_some();
    let is_list = |name: &str| get(members, name).is_some_and(Value::is_array);
    let is_object = |name: &str| get(members, name).is_some_and(Value::is_object);
    Some(if has("EcsParameters") {
        Foreign::Target
    } else if is_list("Targets") {
        Foreign::Targets
    } else if has("ScheduleExpression") && is_object("Target") {
        Foreign::Schedule
    } else if is_list("jobDefinitions") {
        Foreign::JobDefinitions
    } else if has("jobQueue") && has("jobDefinition") {
        Foreign::Job
    } else if has("jobDefinitionName") || (has("retryStrategy") && !has("runTask")) {
        Foreign::JobDefinition
    } else if is_object("stepFunctions") || is_object("stateMachines") || has_machine(members) {
        Foreign::Serverless
    } else if is_object("Resources") {
        Foreign::Template
    } else if is_object("Properties") && get(members, "Type").is_some_and(Value::is_string) {
        Foreign::Resource
    } else if is_list("containerDefinitions") || get(members, "taskDefinition").is_some_and(Value::is_object) {
        Foreign::TaskDefinition
    } else if has("serviceName") && has("taskDefinition") || has("desiredCount") {
        Foreign::Service
    } else {
        return None;
    })
}

/// A machine of the Serverless framework in a file of its own: its definition with a name.
fn has_machine(members: &Map<String, Value>) -> bool {
    members.get("definition").is_some_and(|definition| definition.get("States").is_some_and(Value::is_object))
}

/// A member, whatever the case of its letters: APIs, the AWS CLI and CloudFormation write them differently.
pub fn get<'v>(members: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    members
        .get(name)
        .or_else(|| members.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

impl Foreign {
    /// What it is, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Target => "a target of an EventBridge rule",
            Self::Targets => "the targets of an EventBridge rule",
            Self::Schedule => "a schedule of EventBridge Scheduler",
            Self::JobDefinition => "an AWS Batch job definition",
            Self::JobDefinitions => "AWS Batch job definitions",
            Self::Job => "an AWS Batch job",
            Self::Template => "a CloudFormation template",
            Self::Resource => "a resource of a CloudFormation template",
            Self::Serverless => "a file of the Serverless framework",
            Self::TaskDefinition => "an ECS task definition",
            Self::Service => "an ECS service",
        }
    }

    /// What to do with it, where a run request is expected.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Service => {
                "it keeps tasks running, and a run is one task that ends: send the RunTask request of that task"
            }
            _ => "taskwatch convert FILE prints its run request",
        }
    }
}
