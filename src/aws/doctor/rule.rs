//! The rule: there, enabled, matching this cell's events and no other's, sending to the queue that lets it.

use serde_json::{Value, json};

use super::super::setup::policy::{Verdict, judge};
use super::super::setup::{PROBE_SOURCE, SetupError, found};
use super::queues::Queues;
use super::{Finding, Identity, Sdk, Subject, unseen};
use crate::core::name::region_in_arn;

/// The checks of the rule.
pub(super) async fn findings(sdk: &Sdk, identity: &Identity, subject: &Subject, queues: &Queues) -> Vec<Finding> {
    let Some(queue) = queues.events_arn() else {
        return vec![Finding::skip("rule", "there is no events queue for it to send to")];
    };
    let (name, rule) = match find(sdk, subject, queue).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            let found = format!("no rule {}-events on the default bus, and none that sends to {queue}", subject.cell);
            return vec![Finding::fail("rule", found, "taskwatch setup")];
        }
        Err(error) => return vec![unseen("rule", &error)],
    };
    let mut findings = vec![match rule.enabled {
        true => Finding::ok("rule", format!("{name} is enabled")),
        false => Finding::fail(
            "rule",
            format!("{name} is disabled"),
            format!("aws events enable-rule --name {name}, or taskwatch setup"),
        ),
    }];
    findings.extend(pattern(sdk, identity, subject, &rule.pattern).await);
    findings.extend(target(&name, &rule.targets, queue));
    if let Ok(Some(attributes)) = &queues.events {
        let arn = arn(identity, queue, &name);
        findings.push(policy(attributes.get("Policy").map(String::as_str), &arn, queue));
    }
    if let Some(dlq) = our_target(&rule.targets, queue).and_then(|t| t["DeadLetterConfig"]["Arn"].as_str()) {
        findings.push(dead_letter(sdk, identity, dlq, &name).await);
    }
    findings
}

pub(super) fn arn(identity: &Identity, queue: &str, rule: &str) -> String {
    let region = region_in_arn(queue).unwrap_or_default();
    format!("arn:{}:events:{region}:{}:rule/{rule}", identity.partition, identity.account)
}

/// The rule that is named, that `setup` makes, or that sends to the queue.
async fn find(sdk: &Sdk, subject: &Subject, queue: &str) -> Result<Option<(String, found::FoundRule)>, SetupError> {
    let usual = subject.rule.clone().unwrap_or_else(|| format!("{}-events", subject.cell));
    if let Some(rule) = found::rule(sdk, &usual).await? {
        return Ok(Some((usual, rule)));
    }
    if subject.rule.is_some() {
        return Ok(None);
    }
    let asked = sdk.events.list_rule_names_by_target().target_arn(queue).send().await;
    let names = asked.map_err(|e| SetupError::of("rule", "events:ListRuleNamesByTarget", &e))?;
    match names.rule_names().first() {
        Some(name) => Ok(found::rule(sdk, name).await?.map(|rule| (name.clone(), rule))),
        None => Ok(None),
    }
}

/// The pattern of the rule that sends to the subject's events queue.
pub(super) async fn pattern_of(sdk: &Sdk, subject: &Subject) -> Result<Value, String> {
    let attributes = super::queue_attributes(sdk, &subject.events_queue).await.map_err(|e| e.to_string())?;
    let arn = attributes.and_then(|all| all.get("QueueArn").cloned()).ok_or("there is no events queue")?;
    let found = find(sdk, subject, &arn).await.map_err(|e| e.to_string())?;
    found.map(|(_, rule)| rule.pattern).ok_or_else(|| "there is no rule".to_owned())
}

/// A task event of a cell, as ECS would send it.
pub(super) fn sample(identity: &Identity, cluster: &str, started_by: &str, status: &str) -> Value {
    let task = format!(
        "arn:{}:ecs:us-east-1:{}:task/sample/0123456789abcdef0123456789abcdef",
        identity.partition, identity.account
    );
    json!({"version": "0", "id": "00000000-0000-0000-0000-000000000000", "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": identity.account, "time": "2026-11-22T00:00:00Z", "region": "us-east-1", "resources": [task],
        "detail": {"clusterArn": cluster, "taskArn": task, "startedBy": started_by, "lastStatus": status, "desiredStatus": status}})
}

async fn pattern(sdk: &Sdk, identity: &Identity, subject: &Subject, pattern: &Value) -> Vec<Finding> {
    let (cell, text) = (&subject.cell, pattern.to_string());
    let mut findings = Vec::new();
    for cluster in clusters(identity, subject, pattern) {
        for status in ["RUNNING", "STOPPED"] {
            let event = sample(identity, &cluster, &format!("{cell}/doctor"), status);
            let found = format!("a {status} event of the cell {cell} in {cluster}");
            match matches(sdk, &text, &event).await {
                Ok(true) => findings.push(Finding::ok("pattern", format!("{found} matches"))),
                Ok(false) => findings.push(Finding::fail(
                    "pattern",
                    format!("{found} does not match {text}"),
                    "taskwatch setup, with every --cluster",
                )),
                Err(error) => return vec![unseen("pattern", &error)],
            }
        }
    }
    findings.extend(unheard(sdk, identity, subject, pattern).await);
    let cluster = clusters(identity, subject, pattern).swap_remove(0);
    // A name that begins with this one's is the nearest there is to it.
    let other = sample(identity, &cluster, &format!("{cell}2/doctor"), "STOPPED");
    findings.push(match matches(sdk, &text, &other).await {
        Ok(false) => Finding::ok("pattern", format!("an event of another cell ({cell}2) does not match")),
        Ok(true) => {
            let found = format!("an event of another cell ({cell}2) matches too: {text}");
            Finding::warn("pattern", found, "taskwatch setup: other cells' events cost this one's time")
        }
        Err(error) => unseen("pattern", &error),
    });
    let mut probe = sample(identity, &cluster, &format!("{cell}/doctor"), "STOPPED");
    probe["source"] = PROBE_SOURCE.into();
    if matches(sdk, &text, &probe).await.is_ok_and(|matches| !matches) {
        findings.push(Finding::warn(
            "pattern",
            format!("it does not let doctor's probe (source {PROBE_SOURCE}) in"),
            "taskwatch setup",
        ));
    }
    findings
}

/// Clusters in which the cell has tasks and of which its rule lets no event in; else which ones the rule lets in alone.
async fn unheard(sdk: &Sdk, identity: &Identity, subject: &Subject, pattern: &Value) -> Option<Finding> {
    let (check, known) = ("rule's clusters", found::clusters_of(pattern));
    if known.is_empty() {
        return None;
    }
    let mut unheard = Vec::new();
    for cluster in &subject.launched {
        let event = sample(identity, cluster, &format!("{}/doctor", subject.cell), "STOPPED");
        if matches(sdk, &pattern.to_string(), &event).await.is_ok_and(|matches| !matches) {
            unheard.push(cluster.clone());
        }
    }
    let alone = known.iter().map(|arn| arn.rsplit('/').next().unwrap_or(arn)).collect::<Vec<_>>().join(", ");
    if unheard.is_empty() {
        let found =
            format!("{alone} alone; a run in another is followed late, by DescribeTasks (doctor --cluster NAME asks)");
        return Some(Finding::ok(check, found));
    }
    let all = known.iter().chain(&unheard).cloned().collect::<Vec<_>>().join(",");
    let found =
        format!("the cell has tasks in {}, whose events the rule does not let in: {alone} alone", unheard.join(", "));
    Some(Finding::fail(check, found, format!("{} --cluster {all}", subject.setup)))
}

/// The clusters to ask about: those that are named, else the pattern's own, else any.
fn clusters(identity: &Identity, subject: &Subject, pattern: &Value) -> Vec<String> {
    let arn = |name: &String| match name.starts_with("arn:") {
        true => name.clone(),
        // A pattern compares whole ARNs, so the region must be the pattern's own.
        false => {
            let like = pattern["detail"]["clusterArn"][0].as_str().and_then(region_in_arn).unwrap_or("us-east-1");
            format!("arn:{}:ecs:{like}:{}:cluster/{name}", identity.partition, identity.account)
        }
    };
    let own = || {
        pattern["detail"]["clusterArn"].as_array().into_iter().flatten().filter_map(|c| c.as_str().map(str::to_owned))
    };
    let mut all: Vec<String> = subject.clusters.iter().map(arn).collect();
    if all.is_empty() {
        all = own().collect();
    }
    if all.is_empty() {
        all.push(arn(&"default".to_owned()));
    }
    all
}

/// The clusters that the rule's pattern names; none where it names none, or cannot be seen.
pub(super) async fn clusters_of(sdk: &Sdk, subject: &Subject) -> Vec<String> {
    pattern_of(sdk, subject).await.map(|pattern| found::clusters_of(&pattern)).unwrap_or_default()
}

pub(super) async fn matches(sdk: &Sdk, pattern: &str, event: &Value) -> Result<bool, SetupError> {
    let asked = sdk.events.test_event_pattern().event_pattern(pattern).event(event.to_string()).send().await;
    asked.map(|answer| answer.result()).map_err(|e| SetupError::of("pattern", "events:TestEventPattern", &e))
}

pub(super) fn our_target<'t>(targets: &'t [Value], queue: &str) -> Option<&'t Value> {
    targets.iter().find(|target| target["Arn"] == *queue)
}

fn target(rule: &str, targets: &[Value], queue: &str) -> Vec<Finding> {
    let Some(ours) = our_target(targets, queue) else {
        let others: Vec<&str> = targets.iter().filter_map(|t| t["Arn"].as_str()).collect();
        let found = format!(
            "{rule} does not send to {queue}, but to {}",
            if others.is_empty() { "nothing".into() } else { others.join(", ") }
        );
        return vec![Finding::fail("target", found, "taskwatch setup, and see TASKWATCH_EVENTS_QUEUE_URL")];
    };
    let changed = ["Input", "InputPath", "InputTransformer"].into_iter().find(|name| !ours[*name].is_null());
    let mut findings = vec![match changed {
        Some(name) => Finding::fail(
            "target",
            format!("{name} changes the event on its way"),
            "taskwatch setup: the cell needs it as it is",
        ),
        None => Finding::ok("target", format!("{rule} sends to {queue}")),
    }];
    if ours["DeadLetterConfig"]["Arn"].is_null() {
        let found = "none: an event that the queue does not take is gone without a trace";
        findings.push(Finding::warn("target's dead-letter queue", found, "taskwatch setup"));
    }
    findings
}

pub(super) fn policy(policy: Option<&str>, rule: &str, queue: &str) -> Finding {
    let check = "events queue's policy";
    match judge(policy.unwrap_or_default(), rule, queue) {
        Verdict::Allowed => Finding::ok(check, format!("lets {rule} send")),
        Verdict::NotAllowed => {
            Finding::fail(check, format!("does not let {rule} send: its events are dropped"), "taskwatch setup")
        }
        Verdict::Denied(statement) => Finding::fail(
            check,
            format!("statement {statement} denies sqs:SendMessage to events.amazonaws.com"),
            "except AWS services from it (aws:PrincipalIsAWSService), or take it away",
        ),
        Verdict::Unclear(statement) => Finding::warn(
            check,
            format!("statement {statement} has conditions that cannot be judged from here"),
            "the probe proves it; see the target's dead-letter queue too",
        ),
    }
}

async fn dead_letter(sdk: &Sdk, identity: &Identity, dlq: &str, rule: &str) -> Finding {
    let check = "target's dead-letter queue";
    let name = dlq.rsplit(':').next().unwrap_or_default();
    match found::queue(sdk, name).await {
        Err(error) => unseen(check, &error),
        Ok(None) => Finding::fail(check, format!("{dlq} does not exist"), "taskwatch setup"),
        Ok(Some(queue)) => {
            let policy = queue.attributes.get("Policy").map(String::as_str).unwrap_or_default();
            match judge(policy, &arn(identity, dlq, rule), dlq) {
                Verdict::Allowed | Verdict::Unclear(_) => Finding::ok(check, dlq),
                _ => Finding::fail(check, format!("{dlq} does not let the rule send"), "taskwatch setup"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_target_is_judged_by_where_it_points_and_what_it_changes() {
        let queue = "arn:aws:sqs:x:1:q";
        let good = json!({"Id": "a", "Arn": queue, "DeadLetterConfig": {"Arn": "arn:aws:sqs:x:1:dlq"}});
        let statuses = |targets: &[Value]| target("r", targets, queue).iter().map(|f| f.status).collect::<Vec<_>>();
        assert_eq!(statuses(std::slice::from_ref(&good)), [Status::Ok]);
        assert_eq!(statuses(&[]), [Status::Fail]);
        assert_eq!(statuses(&[json!({"Id": "a", "Arn": queue})]), [Status::Ok, Status::Warn]);
        let mut changed = good;
        changed["InputPath"] = "$.detail".into();
        assert_eq!(statuses(&[changed]), [Status::Fail]);
    }
}
