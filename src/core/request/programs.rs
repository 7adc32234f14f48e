//! What a text is that is no document: programs and command lines that start tasks, with what can be taken in their place.

use super::RequestError;

/// What stands in a program, and what to do with it.
const PROGRAMS: [(&str, &str); 7] = [
    (
        "EcsRunTaskOperator(",
        "an Airflow DAG: write the operator's arguments as JSON, {\"cluster\": …, \"taskDefinition\": …}, as the RunTask request has them",
    ),
    ("EcsRunTask(", "a CDK program: convert what cdk synth writes (cdk.out/*.template.json)"),
    ("_cdk", "a CDK program: convert what cdk synth writes (cdk.out/*.template.json)"),
    ("aws-cdk", "a CDK program: convert what cdk synth writes (cdk.out/*.template.json)"),
    (".run_task(", PROGRAM),
    ("RunTaskCommand(", PROGRAM),
    (".runTask(", PROGRAM),
];

const PROGRAM: &str = "a program that calls RunTask: write the arguments of that call as JSON, {\"cluster\": …, \"taskDefinition\": …}, as \
                       aws ecs run-task --cli-input-json takes them";

/// Calls of the AWS CLI, and what can be taken in their place.
const CALLS: [(&str, &str); 8] = [
    (
        "batch submit-job",
        "aws batch describe-job-definitions --job-definition-name NAME --status ACTIVE | taskwatch convert -",
    ),
    (
        "batch register-job-definition",
        "aws batch describe-job-definitions --job-definition-name NAME --status ACTIVE | taskwatch convert -",
    ),
    ("events put-targets", "aws events list-targets-by-rule --rule NAME | taskwatch convert -"),
    ("scheduler create-schedule", "aws scheduler get-schedule --name NAME | taskwatch convert -"),
    (
        "stepfunctions start-execution",
        "aws stepfunctions describe-state-machine --state-machine-arn ARN | taskwatch convert - --input JSON",
    ),
    (
        "stepfunctions create-state-machine",
        "aws stepfunctions describe-state-machine --state-machine-arn ARN | taskwatch convert -",
    ),
    (
        "ecs start-task",
        "aws ecs run-task, with --placement-constraints where it must be one instance; then taskwatch convert FILE",
    ),
    ("ecs register-task-definition", "aws ecs describe-task-definition --task-definition NAME | taskwatch convert -"),
];

/// What is said of a text that could not be read; none of one that nothing is known of.
pub(super) fn named(text: &str) -> Option<RequestError> {
    let call = |(call, instead): &(&str, &str)| {
        let is_there = text.contains(&format!("aws {call}"));
        is_there.then(|| {
            RequestError::new(format!("a line with aws {call}, which starts no task by RunTask: use {instead}"))
        })
    };
    let program = |(sign, what): &(&str, &str)| text.contains(sign).then(|| RequestError::new(*what));
    CALLS.iter().find_map(call).or_else(|| PROGRAMS.iter().find_map(program))
}

/// What is said of a Terraform configuration that writes out no machine: other resources of it start tasks too.
pub(super) fn of_terraform(text: &str) -> Option<RequestError> {
    let resources = [
        ("ecs_target", "rules with an ECS target", "aws events list-targets-by-rule --rule NAME | taskwatch convert -"),
        ("_scheduler_schedule", "schedules", "aws scheduler get-schedule --name NAME | taskwatch convert -"),
        (
            "_batch_job_definition",
            "Batch job definitions",
            "aws batch describe-job-definitions --job-definition-name NAME --status ACTIVE | taskwatch convert -",
        ),
        (
            "_ecs_task_definition",
            "task definitions",
            "aws ecs describe-task-definition --task-definition NAME | taskwatch convert -",
        ),
    ];
    let found = resources.into_iter().find(|(sign, ..)| text.contains(sign) && !text.contains("_sfn_state_machine"));
    found.map(|(_, what, how)| {
        RequestError::new(format!(
            "a Terraform configuration with {what}: Terraform knows their values; take what is deployed: {how}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::{document, documents};

    #[test]
    fn programs_and_other_calls_are_named_with_what_can_be_taken() {
        for (text, part) in [
            ("import boto3\nr = ecs.run_task(cluster=\"batch\", x={\"a\": 1})\n", "a program that calls RunTask"),
            ("await c.send(new RunTaskCommand({ cluster: \"batch\", y: [1] }));\n", "a program that calls RunTask"),
            ("run = EcsRunTaskOperator(\n  task_id=\"a\", overrides={\"x\": 1})\n", "an Airflow DAG"),
            ("import * as cdk from 'aws-cdk-lib';\nnew X({ a: { b: 1 } });\n", "a CDK program"),
            ("aws batch submit-job --job-name x --job-definition etl\n", "aws batch describe-job-definitions"),
            ("aws events put-targets --rule nightly --targets '[{\"Id\": \"1\"}]'", "aws events list-targets-by-rule"),
            ("aws ecs start-task --cluster batch", "use aws ecs run-task"),
            (
                "resource \"x_cloudwatch_event_target\" \"a\" {\n  ecs_target {\n    task_count = 1\n  }\n}\n",
                "rules with an ECS target: Terraform knows their values; take what is deployed: aws events list-targets-by-rule",
            ),
            ("resource \"x_batch_job_definition\" \"a\" {\n}\n", "describe-job-definitions"),
        ] {
            for said in [document(text).unwrap_err().message, documents(text).unwrap_err().message] {
                assert!(said.contains(part) && !said.contains('\n'), "{text}: {said}");
            }
        }
    }
}
