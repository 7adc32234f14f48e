//! What others launch: the two rules that let it in, and the trail without which no RunTask call is told of.

use aws_sdk_sqs::error::ProvideErrorMetadata as _;
use serde_json::{Value, json};

use super::super::setup::found::{self, FoundRule};
use super::queues::Queues;
use super::rule::{arn, matches, our_target, policy, sample};
use super::{Finding, Identity, Sdk, Subject, unseen};

/// The checks of a cell that observes; nothing of one that does not.
pub(super) async fn findings(sdk: &Sdk, identity: &Identity, subject: &Subject, queues: &Queues) -> Vec<Finding> {
    let (tasks, calls) = (format!("{}-tasks", subject.cell), format!("{}-calls", subject.cell));
    let (of_tasks, of_calls) = match (found::rule(sdk, &tasks).await, found::rule(sdk, &calls).await) {
        (Ok(None), Ok(None)) => return Vec::new(),
        (Ok(of_tasks), Ok(of_calls)) => (of_tasks, of_calls),
        (Err(error), _) | (_, Err(error)) => return vec![unseen("observed", &error)],
    };
    let queue = queues.events_arn().unwrap_or_default();
    let attributes = queues.events.as_ref().ok().and_then(Option::as_ref);
    let allowed = attributes.and_then(|all| all.get("Policy")).map(String::as_str);
    let mut findings = Vec::new();
    for (name, rule, what) in [(&tasks, &of_tasks, "failed tasks"), (&calls, &of_calls, "refused launches")] {
        findings.push(of_rule(name, rule.as_ref(), what, queue, &subject.setup));
        if rule.is_some() {
            let judged = policy(allowed, &arn(identity, queue, name), queue);
            findings.push(Finding { check: format!("{} for {name}", judged.check), ..judged });
        }
    }
    if let Some(rule) = &of_tasks {
        findings.push(pattern(sdk, identity, subject, rule).await);
    }
    findings.push(trail(sdk).await);
    findings
}

fn of_rule(name: &str, rule: Option<&FoundRule>, what: &str, queue: &str, setup: &str) -> Finding {
    let todo = format!("{setup} --observe");
    match rule {
        None => Finding::fail("observed", format!("there is no rule {name}: {what} of others are not seen"), todo),
        Some(rule) if !rule.enabled => Finding::fail("observed", format!("the rule {name} is disabled"), todo),
        Some(rule) if our_target(&rule.targets, queue).is_none() => {
            Finding::fail("observed", format!("the rule {name} does not send to {queue}"), todo)
        }
        Some(_) => Finding::ok("observed", format!("the rule {name} lets {what} of others in")),
    }
}

/// A task that nobody marked must be let in, and the cell's own must not.
async fn pattern(sdk: &Sdk, identity: &Identity, subject: &Subject, rule: &FoundRule) -> Finding {
    let check = "observed tasks' pattern";
    let clusters = found::clusters_of(&rule.pattern);
    let cluster = clusters
        .first()
        .cloned()
        .unwrap_or_else(|| format!("arn:{}:ecs:us-east-1:{}:cluster/default", identity.partition, identity.account));
    let event = |started_by: Option<&str>| {
        let mut event = sample(identity, &cluster, started_by.unwrap_or_default(), "STOPPED");
        event["detail"]["group"] = "family:sample".into();
        if let (None, Some(detail)) = (started_by, event["detail"].as_object_mut()) {
            detail.remove("startedBy");
        }
        event
    };
    let text = rule.pattern.to_string();
    let own = event(Some(&format!("{}/doctor", subject.cell)));
    let asked = (
        matches(sdk, &text, &event(None)).await,
        matches(sdk, &text, &event(Some("events-rule/nightly"))).await,
        matches(sdk, &text, &own).await,
    );
    let todo = format!("{} --observe", subject.setup);
    match asked {
        (Ok(true), Ok(true), Ok(false)) => Finding::ok(check, "lets in tasks of others alone"),
        (Ok(true), Ok(true), Ok(true)) => Finding::warn(check, "lets in the cell's own tasks too, twice then", todo),
        (Ok(_), Ok(_), Ok(_)) => Finding::fail(check, format!("does not let in every task of others: {text}"), todo),
        (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => unseen(check, &error),
    }
}

/// Whether a trail logs in this Region: CloudTrail sends to EventBridge only then (EventBridge user guide, "AWS service events
/// delivered via CloudTrail").
async fn trail(sdk: &Sdk) -> Finding {
    let check = "trail";
    let todo = "make a trail that logs management events (write events are enough), or accept that failed tasks alone are seen";
    let trails = match sdk.cloudtrail.target("DescribeTrails", &json!({})).await {
        Ok(answer) => answer["trailList"].as_array().cloned().unwrap_or_default(),
        Err(error) => return refused(check, "cloudtrail:DescribeTrails", error.code(), &error),
    };
    let mut unknown = None;
    for trail in &trails {
        let text = |name: &str| trail[name].as_str().unwrap_or_default();
        match sdk.cloudtrail.target("GetTrailStatus", &json!({"Name": text("TrailARN")})).await {
            Ok(status) if status["IsLogging"] == true => return logging(check, trail),
            Ok(_) => {}
            Err(error) => unknown = Some(refused(check, "cloudtrail:GetTrailStatus", error.code(), &error)),
        }
    }
    let blind =
        "launches that were refused are not seen: no trail logs here, and CloudTrail tells EventBridge of no call then";
    unknown.unwrap_or_else(|| Finding::warn(check, blind, todo))
}

fn logging(check: &str, trail: &Value) -> Finding {
    let name = trail["Name"].as_str().unwrap_or_default();
    match trail["HasCustomEventSelectors"] == true {
        false => Finding::ok(check, format!("{name} logs: RunTask calls are told of, at best effort")),
        true => Finding::ok(
            check,
            format!(
                "{name} logs by selectors of its own: if they leave out management events, refused launches are not seen"
            ),
        ),
    }
}

fn refused(check: &str, action: &str, code: Option<&str>, error: &dyn std::error::Error) -> Finding {
    let said = code.map_or_else(|| error.to_string(), str::to_owned);
    let found = format!("it is not known whether a trail logs here: {action}: {said}");
    Finding::warn(check, found, "run it as a caller who may read trails (docs/iam.md)")
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_rule_that_is_gone_disabled_or_sends_elsewhere_is_told() {
        let rule = |enabled, arn: &str| FoundRule {
            enabled,
            targets: vec![json!({"Id": "taskwatch", "Arn": arn})],
            ..FoundRule::default()
        };
        let status =
            |rule: Option<FoundRule>| of_rule("blue-tasks", rule.as_ref(), "failed tasks", "q", "setup").status;
        assert_eq!(status(None), Status::Fail);
        assert_eq!(status(Some(rule(false, "q"))), Status::Fail);
        assert_eq!(status(Some(rule(true, "other"))), Status::Fail);
        assert_eq!(status(Some(rule(true, "q"))), Status::Ok);
    }
}
