//! What the caller may, by calls that change nothing: each is about something that does not exist, or lacks something.

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use super::super::setup::Sdk;
use super::super::{Clients, errors};
use super::{Finding, Identity, Subject};
use crate::cell::ports::{CallError, Ecs as _, LogEventsCall, LogSource as _};
use crate::core::name::{family_of, in_arn};

/// No task has this id.
const NO_TASK: &str = "00000000000000000000000000000000";
/// ECS's longest `startedBy` is 128 characters; this one alone keeps a call from launching anything.
const TOO_LONG: usize = 129;
/// No task definition has so high a revision.
const NO_REVISION: u32 = i32::MAX as u32;

/// What the calls said.
pub(super) async fn findings(clients: &Clients, identity: &Identity, subject: &Subject) -> Vec<Finding> {
    let sdk = Sdk::new(clients);
    let mut findings = launching(clients, identity, subject).await;
    findings.extend(queue(&sdk, "events queue", &subject.events_queue).await);
    findings.extend(shared(&sdk, subject).await);
    findings
}

/// What they said for a fleet: its cells' own queues too.
pub(super) async fn of_fleet<'c>(
    clients: &Clients,
    identity: &Identity,
    fleet: &Subject,
    cells: impl Iterator<Item = &'c Subject>,
) -> Vec<Finding> {
    let sdk = Sdk::new(clients);
    let mut findings = launching(clients, identity, fleet).await;
    for cell in cells.filter(|cell| !cell.events_queue.is_empty()) {
        findings.extend(queue(&sdk, &format!("events queue of {}", cell.cell), &cell.events_queue).await);
    }
    findings.extend(shared(&sdk, fleet).await);
    findings
}

/// ECS.
async fn launching(clients: &Clients, identity: &Identity, subject: &Subject) -> Vec<Finding> {
    let ecs = aws_sdk_ecs::Client::new(&clients.config);
    let mut findings = Vec::new();
    let usual = ["default".to_owned()];
    let clusters = if subject.clusters.is_empty() { &usual[..] } else { &subject.clusters[..] };
    for cluster in clusters {
        findings.push(run_task(&ecs, cluster, subject).await);
        findings.extend(tasks(&ecs, cluster, clients, identity).await);
    }
    findings.extend(definition(&ecs, subject).await);
    findings.extend(lines(clients, subject).await);
    findings
}

/// The requests queue, its dead-letter queue, and where notifications go.
async fn shared(sdk: &Sdk, subject: &Subject) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(url) = &subject.requests_queue {
        findings.extend(queue(sdk, "requests queue", url).await);
    }
    if let Some(url) = &subject.requests_dlq {
        // Neither without a body nor with such a delay is anything sent.
        let sent = sdk.sqs.send_message().queue_url(url).message_body("").delay_seconds(901).send().await;
        findings.push(judged("sqs:SendMessage (requests dead-letter queue)", &sent));
    }
    if let Some(topic) = &subject.topic {
        // SNS publishes nothing that is empty, or under a subject with a line break.
        let sent = sdk.sns.publish().topic_arn(topic).message("").subject("no\nsubject").send().await;
        findings.push(judged("sns:Publish", &sent));
    }
    if let Some(bus) = &subject.bus {
        // An entry without source and detail is refused; the call is not.
        let entry =
            PutEventsRequestEntry::builder().event_bus_name(bus).detail_type("Taskwatch Run State Change").build();
        findings.push(judged("events:PutEvents", &sdk.events.put_events().entries(entry).send().await));
    }
    findings
}

/// Whether the call was let through. What AWS checks first is not the same everywhere, so that nothing more is claimed.
pub(super) fn judged<T, E, R>(action: &str, sent: &Result<T, SdkError<E, R>>) -> Finding
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
    let Err(error) = sent else { return Finding::ok(action, "allowed") };
    let (code, cause) = (errors::code(error), errors::cause(error));
    if errors::is_denied(&code) {
        return Finding::fail(action, cause, "give the caller the action (docs/iam.md)");
    }
    match code.is_empty() {
        true => Finding::fail(action, cause, "see that this machine reaches the service"),
        false => Finding::ok(action, "not refused"),
    }
}

/// RunTask of a revision that cannot be, with a mark that is too long: allowed or not, it launches nothing.
async fn run_task(ecs: &aws_sdk_ecs::Client, cluster: &str, subject: &Subject) -> Finding {
    let family = subject.task_definition.as_deref().map(family_of);
    let definition = format!("{}:{NO_REVISION}", family.unwrap_or("taskwatch-doctor"));
    let call = ecs.run_task().cluster(cluster).task_definition(&definition).started_by("x".repeat(TOO_LONG));
    let sent = call.send().await;
    if let Ok(answer) = &sent {
        // No AWS does that; should an emulator, its task goes again.
        for arn in answer.tasks().iter().filter_map(|task| task.task_arn()) {
            let _ = ecs.stop_task().cluster(cluster).task(arn).reason("taskwatch doctor").send().await;
        }
    }
    let check = format!("ecs:RunTask in {}", in_arn(cluster));
    let finding = judged(&check, &sent);
    match (finding.status, family) {
        (super::Status::Fail, None) if sent.as_ref().is_err_and(|e| errors::is_denied(&errors::code(e))) => {
            let todo = "if the policy names task definitions, as it should, give one: --task-definition FAMILY";
            Finding::warn(check, finding.found, todo)
        }
        _ => finding,
    }
}

async fn tasks(ecs: &aws_sdk_ecs::Client, cluster: &str, clients: &Clients, identity: &Identity) -> Vec<Finding> {
    let name = in_arn(cluster);
    let region = clients.region().unwrap_or_default();
    let task = format!("arn:{}:ecs:{region}:{}:task/{name}/{NO_TASK}", identity.partition, identity.account);
    let stopped = ecs.stop_task().cluster(cluster).task(&task).send().await;
    let described = ecs.describe_tasks().cluster(cluster).tasks(&task).send().await;
    let listed = ecs.list_tasks().cluster(cluster).started_by("taskwatch-doctor").send().await;
    let absent = |code: &str| code == "ClusterNotFoundException";
    if described.as_ref().is_err_and(|e| absent(&errors::code(e))) {
        let todo = "name the clusters that the cell launches into: --cluster NAME";
        return vec![Finding::warn(format!("cluster {cluster}"), "there is no such cluster", todo)];
    }
    vec![
        judged(&format!("ecs:StopTask in {name}"), &stopped),
        judged(&format!("ecs:DescribeTasks in {name}"), &described),
        judged(&format!("ecs:ListTasks in {name}"), &listed),
    ]
}

/// The task definition, and the roles that launching it passes on.
async fn definition(ecs: &aws_sdk_ecs::Client, subject: &Subject) -> Vec<Finding> {
    let name = subject.task_definition.clone().unwrap_or_else(|| "taskwatch-doctor".to_owned());
    let sent = ecs.describe_task_definition().task_definition(&name).send().await;
    let mut findings = vec![judged("ecs:DescribeTaskDefinition", &sent)];
    let roles: Vec<String> = match sent.as_ref().map(|answer| answer.task_definition()) {
        Ok(Some(definition)) => {
            let roles = [definition.task_role_arn(), definition.execution_role_arn()];
            roles.into_iter().flatten().filter(|role| !role.is_empty()).map(str::to_owned).collect()
        }
        Err(error) if subject.task_definition.is_some() && !errors::is_denied(&errors::code(error)) => {
            findings.push(Finding::fail(
                "task definition",
                format!("{name}: {}", errors::cause(error)),
                "see --task-definition",
            ));
            return findings;
        }
        _ => {
            findings.push(Finding::skip("iam:PassRole", "give --task-definition to see which roles it passes"));
            return findings;
        }
    };
    findings.push(match roles.is_empty() {
        true => Finding::ok("iam:PassRole", format!("{name} has no roles to pass")),
        false => Finding::skip(
            "iam:PassRole",
            format!("only a launch proves it; {name} needs it for {}, to ecs-tasks.amazonaws.com", roles.join(" and ")),
        ),
    });
    findings
}

/// The lines of containers: a stream that is not there is asked for, in the group of the task definition. Without the right
/// only the lines are missing.
async fn lines(clients: &Clients, subject: &Subject) -> Option<Finding> {
    let containers = clients.ecs().container_definitions(subject.task_definition.as_deref()?).await.ok()?;
    let log = containers.into_iter().find_map(|container| container.log)?;
    let call = LogEventsCall {
        region: log.region,
        group: log.group?,
        stream: "taskwatch-doctor".to_owned(),
        limit: 1,
        ..LogEventsCall::default()
    };
    let check = format!("logs:GetLogEvents on {}", call.group);
    Some(match clients.logs().log_events(&call).await {
        Ok(_) => Finding::ok(check, "allowed"),
        Err(CallError::Refused(failure)) => {
            Finding::warn(check, failure.cause, "without it nobody is shown what containers wrote (docs/iam.md)")
        }
        Err(error) => Finding::skip(check, error.to_string()),
    })
}

/// A receipt that is none and a number of messages that cannot be: nothing is taken, hidden or deleted.
async fn queue(sdk: &Sdk, name: &str, url: &str) -> Vec<Finding> {
    let receive =
        sdk.sqs.receive_message().queue_url(url).max_number_of_messages(0).visibility_timeout(0).wait_time_seconds(0);
    let deleted = sdk.sqs.delete_message().queue_url(url).receipt_handle("taskwatch-doctor").send().await;
    let changed =
        sdk.sqs.change_message_visibility().queue_url(url).receipt_handle("taskwatch-doctor").visibility_timeout(0);
    vec![
        judged(&format!("sqs:ReceiveMessage ({name})"), &receive.send().await),
        judged(&format!("sqs:DeleteMessage ({name})"), &deleted),
        judged(&format!("sqs:ChangeMessageVisibility ({name})"), &changed.send().await),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        for (definition, expected) in
            [("etl", "etl"), ("etl:7", "etl"), ("arn:aws:ecs:x:1:task-definition/etl:7", "etl")]
        {
            assert_eq!(family_of(definition), expected);
        }
    }
}
