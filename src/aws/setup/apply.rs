//! Carries out the steps, in order: each call may be made twice.

use std::collections::HashMap;

use aws_sdk_eventbridge::types::{DeadLetterConfig, RetryPolicy, RuleState, Target};
use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::Value;

use super::diff::{Action, Step};
use super::found::{Found, FoundQueue, FoundTopic};
use super::wanted::{TAG, Wanted, WantedTopic};
use super::{Sdk, SetupError};

/// Does every step that is not `Leave`, and notes what is there then.
pub(super) async fn apply(sdk: &Sdk, wanted: &Wanted, found: &mut Found, steps: &[Step]) -> Result<(), SetupError> {
    for step in steps.iter().filter(|step| step.action != Action::Leave) {
        match step.kind {
            "queue" => queue(sdk, wanted, found, step).await?,
            "rule" => rule(sdk, wanted).await?,
            "target" => target(sdk, wanted).await?,
            "topic" => {
                topic(sdk, wanted, &wanted.topic).await?;
                found.topic = Some(FoundTopic::default());
            }
            _ => {
                bus(sdk, wanted, &step.name).await?;
                found.bus = true;
            }
        }
    }
    Ok(())
}

async fn queue(sdk: &Sdk, wanted: &Wanted, found: &mut Found, step: &Step) -> Result<(), SetupError> {
    let about = format!("queue {}", step.name);
    let attributes: HashMap<QueueAttributeName, String> =
        step.attributes.iter().map(|(name, value)| (name.as_str().into(), value.clone())).collect();
    if let Some(there) = found.queues.get(&step.name) {
        let sent = sdk.sqs.set_queue_attributes().queue_url(&there.url).set_attributes(Some(attributes)).send().await;
        return sent.map(drop).map_err(|e| SetupError::of(&about, "sqs:SetQueueAttributes", &e));
    }
    let made = sdk.sqs.create_queue().queue_name(&step.name).set_attributes(Some(attributes)).tags(TAG, &wanted.cell);
    let made = made.send().await.map_err(|e| SetupError::of(&about, "sqs:CreateQueue", &e))?;
    let url = made.queue_url().unwrap_or_default().to_owned();
    found.queues.insert(step.name.clone(), FoundQueue { url, ..FoundQueue::default() });
    Ok(())
}

async fn rule(sdk: &Sdk, wanted: &Wanted) -> Result<(), SetupError> {
    let rule = &wanted.rule;
    let put = sdk.events.put_rule().name(&rule.name).event_pattern(rule.pattern.to_string());
    // Tags are for a new rule; for one that is there they are ignored (API reference, PutRule).
    let put = put.description(&rule.description).state(RuleState::Enabled).tags(tag(wanted)?);
    put.send().await.map(drop).map_err(|e| SetupError::of(&format!("rule {}", rule.name), "events:PutRule", &e))
}

async fn target(sdk: &Sdk, wanted: &Wanted) -> Result<(), SetupError> {
    let (about, value) = (format!("rule {}", wanted.rule.name), &wanted.rule.target);
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
    let answer = sdk.events.put_targets().rule(&wanted.rule.name).targets(target).send().await;
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

async fn topic(sdk: &Sdk, wanted: &Wanted, topic: &WantedTopic) -> Result<(), SetupError> {
    let Some(name) = &topic.name else { return Ok(()) };
    let about = format!("topic {name}");
    let tag = aws_sdk_sns::types::Tag::builder().key(TAG).value(&wanted.cell).build();
    let tag = tag.map_err(|e| SetupError::other(format!("{about}: {e}")))?;
    let attributes = topic.attributes.iter().map(|(n, v)| ((*n).to_owned(), super::diff::text(v))).collect();
    let made = sdk.sns.create_topic().name(name).set_attributes(Some(attributes)).tags(tag).send().await;
    made.map(drop).map_err(|e| SetupError::of(&about, "sns:CreateTopic", &e))
}

async fn bus(sdk: &Sdk, wanted: &Wanted, name: &str) -> Result<(), SetupError> {
    let made = sdk.events.create_event_bus().name(name).tags(tag(wanted)?).send().await;
    made.map(drop).map_err(|e| SetupError::of(&format!("event bus {name}"), "events:CreateEventBus", &e))
}

fn tag(wanted: &Wanted) -> Result<aws_sdk_eventbridge::types::Tag, SetupError> {
    let tag = aws_sdk_eventbridge::types::Tag::builder().key(TAG).value(&wanted.cell).build();
    tag.map_err(|e| SetupError::other(format!("tag {TAG}: {e}")))
}
