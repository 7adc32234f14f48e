use serde_json::Value;

use super::*;
use crate::core::breaker::BreakerRules;
use crate::core::log::LogPlace;
use crate::core::observe::{Series, Told as HowTold};
use crate::core::task::parse_task;
use crate::core::verdict::Deciders;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
const ARN: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

fn failed(more: Value) -> ObservedFailure {
    let mut task = json!({"taskArn": ARN, "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch",
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7", "group": "family:etl",
        "startedBy": "events-rule/nightly", "lastStatus": "STOPPED", "desiredStatus": "STOPPED",
        "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: <!channel> ``` not found",
        "containers": [{"name": "etl", "lastStatus": "STOPPED"}]});
    for (name, value) in more.as_object().unwrap() {
        task[name] = value.clone();
    }
    ObservedFailure::of_task(&parse_task(&task), Deciders::Unknown, NOW).unwrap()
}

fn never_ran() -> ObservedFailure {
    failed(json!({}))
}

fn exited() -> ObservedFailure {
    failed(json!({"stopCode": "EssentialContainerExited", "stoppedReason": "Essential container in task exited",
        "startedAt": "2027-01-15T07:59:00Z", "containers": [{"name": "etl", "lastStatus": "STOPPED", "exitCode": 3}]}))
}

fn refused() -> ObservedFailure {
    let kind = FailureKind::LaunchRefused;
    let role = Some("arn:aws:iam::123456789012:role/events".to_owned());
    ObservedFailure { kind, role, task_arn: None, count: Some(3), missing: Some(2), ..never_ran() }
}

fn outcome(run: Option<&str>) -> ObservedOutcome {
    let why = "its launcher has launched again since: arn".to_owned();
    ObservedOutcome {
        action: ObservedAction::Retry,
        policy: Some("cron jobs".into()),
        run: run.map(str::to_owned),
        why,
    }
}

fn destinations(format: MessageFormat) -> Destinations {
    Destinations { topic: Some("arn:aws:sns:x:1:t".into()), bus: Some("jobs".into()), format }
}

fn told(failed: &ObservedFailure, run: Option<&str>, format: MessageFormat) -> [Notification; 2] {
    observed(failed, &outcome(run), (&Origin::default(), &destinations(format)), (0, &[])).try_into().unwrap()
}

fn parsed(told: &Notification) -> Value {
    serde_json::from_str(&told.message).unwrap()
}

/// Amazon Q shows only what is of its schema (administrator guide, "Custom notifications").
#[test]
fn in_a_chat_a_failure_says_who_launched_what_why_and_what_to_do() {
    let [topic, bus] = told(&never_ran(), None, MessageFormat::Chat);
    let message = parsed(&topic);
    assert_eq!((&message["version"], &message["source"]), (&json!("1.0"), &json!("custom")));
    let content = &message["content"];
    assert_eq!((&message["id"], &content["textType"]), (&json!(topic.id), &json!("client-markdown")));
    assert_eq!(content["title"], "❌ etl:7 never ran: CannotPullContainerError");
    let description = content["description"].as_str().unwrap();
    assert!(description.starts_with("Launched by rule nightly in cluster batch."), "{description}");
    assert!(description.contains("&lt;!channel&gt;") && description.matches("```").count() == 2, "{description}");
    assert!(description.ends_with("Not launched once more: its launcher has launched again since: arn."));
    let steps = content["nextSteps"].as_array().unwrap();
    assert!(steps[1].as_str().unwrap().starts_with("The task: https://eu-west-1.console"), "{steps:?}");
    assert_eq!(content["keywords"], json!(["Taskwatch.Image", "etl"]));
    let metadata = &message["metadata"];
    assert_eq!((&metadata["eventType"], &metadata["relatedResources"]), (&json!(TASK_FAILED), &json!([ARN])));
    assert_eq!(metadata["additionalContext"]["launcher"], "rule nightly");
    assert!(topic.attributes.contains(&("launcher".into(), "rule".into())), "filter policies go on");
    assert_eq!(parsed(&bus)["kind"], "task-failed", "a bus gets events");
}

#[test]
fn a_refused_launch_says_how_much_is_missing_and_who_called() {
    let [topic, _] = told(&refused(), None, MessageFormat::Chat);
    let description = parsed(&topic)["content"]["description"].as_str().unwrap().to_owned();
    let who = "Launched by rule nightly as events in cluster batch. 2 of 3 tasks were not placed.";
    assert!(description.starts_with(who), "{description}");
    let [topic, _] = told(&refused(), None, MessageFormat::Text);
    assert!(topic.message.starts_with("etl:7 was refused: CannotPullContainerError."), "{}", topic.message);
    assert!(topic.message.contains("2 of 3 tasks were not placed."), "{}", topic.message);
}

#[test]
fn a_failure_and_the_run_that_repeats_it_are_one_thread() {
    let failure = never_ran();
    let name = format!("observe:cron-jobs:{}", failure.id);
    let [topic, _] = told(&failure, Some(&name), MessageFormat::Chat);
    let message = parsed(&topic);
    assert_eq!(message["metadata"]["threadId"], failure.id.to_string());
    assert!(message["content"]["title"].as_str().unwrap().starts_with("🔁"), "{message}");
    assert_eq!(message["content"]["nextSteps"][1], format!("`taskwatch show {name}`"));
    assert_eq!(crate::core::observe::repeated(&name), Some(failure.id));
    assert_eq!(crate::core::observe::repeated("observe:nightly"), None);
}

#[test]
fn what_a_program_wrote_is_shown_by_the_command_that_the_hint_ends_with() {
    let command = format!("taskwatch explain {ARN} --logs");
    let [topic, bus] = told(&exited(), None, MessageFormat::Text);
    assert!(topic.message.contains(&command), "{}", topic.message);
    assert!(parsed(&bus)["hint"].as_str().unwrap().ends_with(&command), "{}", bus.message);
    assert!(topic.message.starts_with("etl:7 failed: "), "{}", topic.message);
}

#[test]
fn a_series_begins_and_ends_in_one_thread_in_every_format() {
    let rules = BreakerRules { failures: 1, ..BreakerRules::default() };
    let mut series = Series::new(rules, Vec::new());
    let HowTold::AsSeries(open, _) = series.record(&exited(), None, NOW) else { panic!("one begins it") };
    let changes = [SeriesChange::Repeating((*open).clone()), SeriesChange::Quiet(*open)];
    let told =
        |change, format| super::series(change, NOW, (&Origin::default(), &destinations(format)), (0, &[])).remove(0);
    let chats = changes.each_ref().map(|change| parsed(&told(change, MessageFormat::Chat)));
    assert_eq!(chats[0]["metadata"]["threadId"], chats[1]["metadata"]["threadId"]);
    assert_ne!(chats[0]["id"], chats[1]["id"]);
    let steps = |chat: &Value| chat["content"]["nextSteps"].as_array().map(Vec::len);
    assert_eq!((steps(&chats[0]), steps(&chats[1])), (Some(1), Some(0)));
    let text = told(&changes[0], MessageFormat::Text).message;
    assert!(text.starts_with("1 failures of etl:7") && !text.contains("taskwatch logs NAME"), "{text}");
    assert_eq!(parsed(&told(&changes[1], MessageFormat::Json))["detail"]["status"], "QUIET");
}

/// Three examples share the room of one message: what does not fit is left out, the oldest lines before others.
#[test]
fn the_message_of_a_series_has_the_lines_of_its_three_newest_examples() {
    let rules = BreakerRules { failures: 5, ..BreakerRules::default() };
    let mut series = Series::new(rules, Vec::new());
    let log = |n: usize| ObservedLog {
        task_arn: format!("{ARN}{n}"),
        place: LogPlace {
            container: "etl".into(),
            driver: Some("awslogs".into()),
            group: Some("/ecs/etl".into()),
            stream: Some(format!("etl/{n}")),
            region: Some("eu-west-1".into()),
        },
    };
    for n in 0..4 {
        assert_eq!(series.record(&exited(), Some(&log(n)), NOW), HowTold::Singly);
    }
    let HowTold::AsSeries(open, logs) = series.record(&exited(), Some(&log(4)), NOW) else { panic!("five begin it") };
    assert_eq!(logs, [2, 3, 4].map(log));
    let change = SeriesChange::Repeating(*open);
    let told = |format, at: usize| {
        super::series(&change, NOW, (&Origin::default(), &destinations(format)), (10, &logs)).swap_remove(at)
    };
    let long = vec!["x".repeat(4_000); 3];
    let lines =
        || vec![Ok(vec!["one".to_owned(), "two".to_owned()]), Err("no call was free".to_owned()), Ok(long.clone())];
    for at in [0, 1] {
        let asking = told(MessageFormat::Json, at);
        assert_eq!(asking.log.as_ref().map(|log| (log.lines, log.examples.len())), Some((10, 3)));
        let filled = asking.with_examples(lines());
        assert!(filled.log.is_none() && filled.message.len() < 16_000, "{}", filled.message.len());
        let detail = if at == 0 { parsed(&filled)["detail"].take() } else { parsed(&filled) };
        assert_eq!(
            (&detail["logs"][0]["stream"], &detail["logs"][0]["lines"]),
            (&json!("etl/2"), &json!(["one", "two"]))
        );
        assert_eq!(
            (&detail["logs"][1]["lines"], &detail["logs"][1]["why"]),
            (&Value::Null, &json!("no call was free"))
        );
        assert_eq!(
            detail["logs"][2]["why"], "the message has no room for them",
            "a third of 8 KiB is less than a line"
        );
        assert_eq!(detail["logs"][2]["taskArn"], format!("{ARN}4"));
    }
    let chat = parsed(&told(MessageFormat::Chat, 0).with_examples(lines()));
    let description = chat["content"]["description"].as_str().unwrap();
    assert!(
        description.contains("one\ntwo") && description.contains("No log lines: no call was free"),
        "{description}"
    );
    assert!(description.chars().count() <= 2_000, "{description}");
    let text = told(MessageFormat::Text, 0).with_examples(lines()).message;
    assert!(
        text.contains("Last lines of etl (etl/2):\none\ntwo\n\nNo log lines of etl (etl/3): no call was free"),
        "{text}"
    );
}
