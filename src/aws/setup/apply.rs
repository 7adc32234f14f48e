//! Carries out the steps, in order: each call may be made twice.

use std::collections::HashMap;

use aws_sdk_eventbridge::types::{DeadLetterConfig, RetryPolicy, RuleState, Tag, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::diff::{Action, Step, Work};
use super::found::{Found, FoundQueue, FoundTopic};
use super::owner::Owner;
use super::rows::Rows;
use super::table::{self, FoundTable, Repair, WantedTable};
use super::wanted::{Pipeline, Wanted, WantedQueue, WantedRule};
use super::{Sdk, SetupError};
use crate::store::dynamo::NewCell;

/// Does every step that is not `Leave`, and notes what is there then.
pub(super) async fn apply(
    sdk: &Sdk,
    rows: Option<&Rows>,
    wanted: &Wanted,
    found: &mut Found,
    steps: &[Step],
) -> Result<(), SetupError> {
    for step in steps.iter().filter(|step| step.action != Action::Leave) {
        match &step.work {
            Work::Table(repairs) => of_table(sdk, wanted.table.as_ref(), found, repairs).await?,
            Work::Queue(place, attributes) => {
                if let Some(wanted) = wanted.queues().nth(*place) {
                    queue(sdk, wanted, found, attributes).await?;
                }
            }
            Work::Rule(place, number) => {
                let pipeline = &wanted.pipelines[*place];
                if let Some(wanted) = pipeline.rules().nth(*number) {
                    rule(sdk, pipeline, wanted).await?;
                }
            }
            Work::Target(place, number) => {
                if let Some(wanted) = wanted.pipelines[*place].rules().nth(*number) {
                    target(sdk, wanted).await?;
                }
            }
            Work::Topic => {
                topic(sdk, wanted).await?;
                found.topic = Some(FoundTopic::default());
            }
            Work::Bus => {
                bus(sdk, &step.name, &wanted.owner).await?;
                found.bus = true;
            }
            Work::Cell(place) => cell(rows, &wanted.pipelines[*place], found).await?,
        }
    }
    Ok(())
}

async fn of_table(
    sdk: &Sdk,
    wanted: Option<&WantedTable>,
    found: &mut Found,
    repairs: &[Repair],
) -> Result<(), SetupError> {
    let Some(wanted) = wanted else { return Ok(()) };
    match &found.table {
        Some(there) => {
            for repair in repairs {
                table::repair(sdk, wanted, Some(there), *repair).await?;
            }
        }
        None => {
            table::make(sdk, wanted).await?;
            found.table = Some(FoundTable::default());
        }
    }
    Ok(())
}

async fn queue(
    sdk: &Sdk,
    wanted: &WantedQueue,
    found: &mut Found,
    attributes: &[(String, String)],
) -> Result<(), SetupError> {
    let about = format!("queue {}", wanted.name);
    let attributes: HashMap<QueueAttributeName, String> =
        attributes.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect();
    if let Some(there) = found.queues.get(&wanted.name) {
        let sent = sdk.sqs.set_queue_attributes().queue_url(&there.url).set_attributes(Some(attributes)).send().await;
        return sent.map(drop).map_err(|e| SetupError::of(&about, "sqs:SetQueueAttributes", &e));
    }
    let tags = wanted.owner.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let made = sdk.sqs.create_queue().queue_name(&wanted.name).set_attributes(Some(attributes)).set_tags(Some(tags));
    let made = made.send().await.map_err(|e| SetupError::of(&about, "sqs:CreateQueue", &e))?;
    let url = made.queue_url().unwrap_or_default().to_owned();
    found.queues.insert(wanted.name.clone(), FoundQueue { url, ..FoundQueue::default() });
    Ok(())
}

async fn rule(sdk: &Sdk, pipeline: &Pipeline, rule: &WantedRule) -> Result<(), SetupError> {
    let put = sdk.events.put_rule().name(&rule.name).event_pattern(rule.pattern.to_string());
    // Tags are for a new rule; for one that is there they are ignored (API reference, PutRule).
    let put = put.description(&rule.description).state(RuleState::Enabled).set_tags(Some(tags(&pipeline.owner)?));
    put.send().await.map(drop).map_err(|e| SetupError::of(&format!("rule {}", rule.name), "events:PutRule", &e))
}

async fn target(sdk: &Sdk, rule: &WantedRule) -> Result<(), SetupError> {
    let (about, value) = (format!("rule {}", rule.name), &rule.target);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = |value: &Value| value.as_i64().and_then(|n| i32::try_from(n).ok());
    let retry = RetryPolicy::builder()
        .set_maximum_retry_attempts(number(&value["RetryPolicy"]["MaximumRetryAttempts"]))
        .set_maximum_event_age_in_seconds(number(&value["RetryPolicy"]["MaximumEventAgeInSeconds"]));
    let target = Target::builder()
        .id(text(&value["Id"]))
        .arn(text(&value["Arn"]))
        .dead_letter_config(DeadLetterConfig::builder().arn(text(&value["DeadLetterConfig"]["Arn"])).build())
        .retry_policy(retry.build())
        .build();
    let target = target.map_err(|e| SetupError::other(format!("{about}: {e}")))?;
    let answer = sdk.events.put_targets().rule(&rule.name).targets(target).send().await;
    let answer = answer.map_err(|e| SetupError::of(&about, "events:PutTargets", &e))?;
    match answer.failed_entries().first() {
        // The call succeeds though its entry does not.
        Some(failed) => {
            let (code, message) = (failed.error_code().unwrap_or_default(), failed.error_message().unwrap_or_default());
            let todo = if code.contains("LimitExceeded") { "; a rule has at most 5 targets: remove one" } else { "" };
            Err(SetupError::other(format!("{about}: events:PutTargets: {code}: {message}{todo}")))
        }
        None => Ok(()),
    }
}

async fn topic(sdk: &Sdk, wanted: &Wanted) -> Result<(), SetupError> {
    let topic = &wanted.topic;
    let Some(name) = &topic.name else { return Ok(()) };
    let about = format!("topic {name}");
    let tag = |(key, value): (&str, &str)| aws_sdk_sns::types::Tag::builder().key(key).value(value).build();
    let tags = wanted.owner.tags().map(tag).collect::<Result<Vec<_>, _>>();
    let tags = tags.map_err(|e| SetupError::other(format!("{about}: {e}")))?;
    let attributes = topic.attributes.iter().map(|(n, v)| ((*n).to_owned(), super::diff::text(v))).collect();
    let made = sdk.sns.create_topic().name(name).set_attributes(Some(attributes)).set_tags(Some(tags)).send().await;
    made.map(drop).map_err(|e| SetupError::of(&about, "sns:CreateTopic", &e))
}

async fn bus(sdk: &Sdk, name: &str, owner: &Owner) -> Result<(), SetupError> {
    let made = sdk.events.create_event_bus().name(name).set_tags(Some(tags(owner)?)).send().await;
    made.map(drop).map_err(|e| SetupError::of(&format!("event bus {name}"), "events:CreateEventBus", &e))
}

async fn cell(rows: Option<&Rows>, pipeline: &Pipeline, found: &Found) -> Result<(), SetupError> {
    let (Some(rows), Some(queue)) = (rows, found.queues.get(&pipeline.events.name)) else { return Ok(()) };
    rows.add(&[NewCell { name: pipeline.cell.clone(), events: queue.url.clone() }]).await
}

fn tags(owner: &Owner) -> Result<Vec<Tag>, SetupError> {
    let tags = owner.tags().map(|(key, value)| Tag::builder().key(key).value(value).build());
    tags.collect::<Result<_, _>>().map_err(|e| SetupError::other(format!("tags of {owner}: {e}")))
}
