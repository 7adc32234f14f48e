//! Errors that Step Functions itself names: `States.Timeout`, `States.Runtime`, ….
//!
//! Source: Step Functions developer guide, "Handling errors in Step Functions workflows", error names.

use super::table::Meaning;
use super::{Class, Failure, Transience, says_something, table, text};

/// The failure for an error of Step Functions and its cause, which is no JSON of a task.
pub(in crate::core) fn from_step_functions(name: &str, cause: &str) -> Failure {
    let permanent = |hint| Meaning::new(Class::Configuration, Transience::Permanent, hint);
    let own = |hint| Meaning::new(Class::Application, Transience::Application, hint);
    let meaning = match name {
        "States.Timeout" | "States.HeartbeatTimeout" => own(
            "the time that the state or the machine had (TimeoutSeconds, HeartbeatSeconds) was over, and Step Functions stopped the task: raise it, \
             or find out from the task why it took so long",
        ),
        "States.Permissions" => permanent(
            "grant the state machine's role what the state calls: ecs:RunTask, iam:PassRole for the task's roles, and for .sync also \
             ecs:StopTask, ecs:DescribeTasks and events:PutTargets, PutRule and DescribeRule",
        ),
        "States.DataLimitExceeded" => permanent(
            "what the state passed on is larger than Step Functions takes: keep less of it by ResultSelector or ResultPath, or write it to S3",
        ),
        "States.Runtime" | "States.ParameterPathFailure" | "States.ResultPathMatchFailure" | "States.IntrinsicFailure"
        | "States.QueryEvaluationError" | "States.NoChoiceMatched" => permanent(
            "a path, an expression or a rule of the state machine does not fit the data that reached it: correct the member that the cause names, or \
             the input",
        ),
        // Whatever it says may be ECS's own words.
        _ => Some(cause).filter(|cause| says_something(cause)).and_then(|cause| table::meaning(text::message(cause))).unwrap_or_else(|| {
            own("Step Functions says no more: open the execution's history, and give the task of this state to taskwatch explain")
        }),
    };
    let cause = if cause.trim().is_empty() { name.to_owned() } else { format!("{name}: {}", cause.trim()) };
    Failure::new(&[name], meaning, cause)
}
