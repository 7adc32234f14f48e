use std::sync::Arc;

use super::*;
use crate::core::failure;
use crate::core::log::{LogConfig, LogPlace};
use crate::core::request::{Goal, MessageFormat, Notify, RunSpec};
use crate::core::run::{Stage, Status};
use crate::core::run_task::RunTask;

fn failed_run(attempts: u32, cause: &str, notify: Notify) -> Run {
    let run_task = json!({"taskDefinition": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7",
        "cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch"});
    let spec =
        RunSpec { until: Goal::Stopped, notify, ..RunSpec::new(serde_json::from_value::<RunTask>(run_task).unwrap()) };
    let at = Timestamp::from_millis(1_800_000_000_123);
    let mut run = Run::new(Uuid::from_u128(7), "nightly".into(), 0, Arc::new(spec), at);
    for number in 1..=attempts {
        let mut attempt = Attempt::new(number, 0);
        attempt.stage = Stage::Over;
        attempt.task_arn = Some(format!("arn:aws:ecs:eu-west-1:123456789012:task/batch/{number}").into());
        let failure = failure::from_refusal("RESOURCE:MEMORY", None);
        attempt.failure = Some(Arc::new(failure::Failure { cause: cause.to_owned(), ..failure }));
        run.attempts.push(attempt);
    }
    run.status = Status::Failed;
    run.ended_by = run.attempt().and_then(|last| last.failure.clone());
    run.finished_at = Some(at);
    run
}

fn origin() -> Origin {
    Origin { cell: "c1".into(), account: "123456789012".into(), region: "eu-west-1".into() }
}

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:t";

fn to_topic(run: &Run) -> Notification {
    build(run, &origin(), &Destinations { topic: Some(TOPIC.into()), bus: None, ..Destinations::default() }).remove(0)
}

#[test]
fn the_envelope_is_eventbridges() {
    let run = failed_run(2, "why", Notify::default());
    let told = to_topic(&run);
    let message: Value = serde_json::from_str(&told.message).unwrap();
    assert_eq!(message["source"], "taskwatch");
    assert_eq!(message["detail-type"], "Taskwatch Run State Change");
    assert_eq!(message["time"], "2027-01-15T08:00:00Z");
    assert_eq!(message["id"], told.id);
    assert_eq!(message["resources"].as_array().map(Vec::len), Some(2));
    let detail = &message["detail"];
    assert_eq!((&detail["status"], &detail["final"], &detail["cell"]), (&json!("FAILED"), &json!(true), &json!("c1")));
    assert_eq!(detail["attempts"][1]["number"], 2);
    assert_eq!(detail["submittedAt"], "2027-01-15T08:00:00.123Z");
    assert_eq!(told.destination, Destination::Topic(TOPIC.into()));
    let attribute = |name: &str| told.attributes.iter().find(|a| a.0 == name).map(|a| a.1.as_str());
    assert_eq!((attribute("cluster"), attribute("family")), (Some("batch"), Some("etl")));
    assert_eq!((attribute("attempts"), attribute("final")), (Some("2"), Some("true")));
    assert!(told.attributes.iter().all(|(_, value)| !value.is_empty()));
}

#[test]
fn the_same_end_has_the_same_id() {
    let run = failed_run(1, "why", Notify::default());
    assert_eq!(to_topic(&run), to_topic(&run));
    let other = Run { status: Status::Aborted, ..run.clone() };
    assert_ne!(to_topic(&run).id, to_topic(&other).id);
    let again = Run { redrives: 1, ..run.clone() };
    assert_ne!(to_topic(&run).id, to_topic(&again).id, "an end after a redrive is another");
}

#[test]
fn a_requests_own_words_replace_the_body_for_their_status_only() {
    let notify = Notify { messages: [(Status::Failed, "it failed".to_owned())].into(), ..Notify::default() };
    let mut run = failed_run(1, "why", notify);
    assert_eq!(to_topic(&run).message, "it failed");
    run.status = Status::Aborted;
    assert!(to_topic(&run).message.starts_with('{'));
}

/// "ASCII text that begins with a letter, number, or punctuation mark; … line breaks or control characters must not be included;
/// less than 100 characters" (SNS API reference, Publish).
#[test]
fn a_subject_is_what_sns_takes() {
    let subject = |text: &str| {
        let subjects = [(Status::Failed, text.to_owned())].into();
        to_topic(&failed_run(1, "why", Notify { subjects, ..Notify::default() })).subject
    };
    assert_eq!(subject("nightly: all is lost (#7)"), "nightly: all is lost (#7)");
    assert_eq!(subject("naïve\nline\u{7f}"), "na?ve?line?");
    assert_eq!(subject("  begins with a letter "), "begins with a letter");
    assert_eq!(subject(&"a".repeat(99)), "a".repeat(99));
    assert_eq!(subject(&"a".repeat(100)), "a".repeat(99));
    for nothing in ["", "  "] {
        assert_eq!(subject(nothing), "taskwatch", "SNS takes no empty one");
    }
}

#[test]
fn thousands_of_attempts_with_long_causes_still_fit_into_a_message() {
    let run = failed_run(5_000, &"ü".repeat(10_000), Notify::default());
    assert!(to_topic(&run).bytes() < 256 * 1024);
    // Escaped, one character is six bytes.
    let run = failed_run(60, &"\u{1}".repeat(2_000), Notify::default());
    let told = to_topic(&run);
    assert!(told.bytes() < 256 * 1024, "{}", told.bytes());
    let message: Value = serde_json::from_str(&told.message).unwrap();
    assert_eq!(message["detail"]["attempts"][49]["number"], 60, "only causes had to be cut");
}

#[test]
fn attempts_that_are_left_out_are_counted() {
    let many = to_topic(&failed_run(1_000, "why", Notify::default()));
    let message: Value = serde_json::from_str(&many.message).unwrap();
    let shown = message["detail"]["attempts"].as_array().unwrap();
    assert_eq!((shown.len(), &message["detail"]["attemptsOmitted"]), (60, &json!(940)));
    assert_eq!((&shown[9]["number"], &shown[10]["number"]), (&json!(10), &json!(951)));
    assert!(many.attributes.contains(&("attempts".into(), "1000".into())));
    let few: Value = serde_json::from_str(&to_topic(&failed_run(60, "why", Notify::default())).message).unwrap();
    assert_eq!(few["detail"].get("attemptsOmitted"), None);
    // Where the newest alone fit, the first ones are left out as well.
    let long = to_topic(&failed_run(60, &"x".repeat(20_000), Notify { topic_arn: None, ..Notify::default() }));
    let detail = &serde_json::from_str::<Value>(&long.message).unwrap()["detail"];
    assert_eq!(
        detail["attempts"].as_array().unwrap().len(),
        60 - detail["attemptsOmitted"].as_u64().unwrap_or(0) as usize
    );
}

#[test]
fn a_request_as_large_as_a_message_and_a_text_that_is_larger_are_cut() {
    let mut run = failed_run(2, "why", Notify::default());
    let spec = Arc::make_mut(&mut run.spec);
    spec.run_task.0.insert("referenceId".into(), "x".repeat(300_000).into());
    let told = to_topic(&run);
    let message: Value = serde_json::from_str(&told.message).unwrap();
    assert!(told.bytes() < 256 * 1024 && message["detail"]["runTask"].is_null());
    assert_eq!(message["detail"]["attempts"].as_array().map(Vec::len), Some(2));
    Arc::make_mut(&mut run.spec).notify.messages = [(Status::Failed, "é".repeat(200_000))].into();
    let told = to_topic(&run);
    assert!(told.bytes() < 256 * 1024 && told.message.ends_with("é…"));
}

#[test]
fn an_empty_text_is_none_for_sns_takes_none() {
    let notify = Notify { messages: [(Status::Failed, String::new())].into(), ..Notify::default() };
    assert!(to_topic(&failed_run(1, "why", notify)).message.starts_with('{'));
}

#[test]
fn a_bus_gets_the_same_notification_under_the_same_id_and_never_the_requests_own_text() {
    let notify = Notify { messages: [(Status::Failed, "it failed".to_owned())].into(), ..Notify::default() };
    let run = failed_run(2, "why", notify);
    let both = build(
        &run,
        &origin(),
        &Destinations { topic: Some(TOPIC.into()), bus: Some("jobs".into()), ..Destinations::default() },
    );
    let [topic, bus] = both.as_slice() else { panic!("{both:?}") };
    assert_eq!(
        (&topic.destination, &bus.destination),
        (&Destination::Topic(TOPIC.into()), &Destination::Bus("jobs".into()))
    );
    assert_eq!((&topic.id, topic.message.as_str()), (&bus.id, "it failed"));
    let detail: Value = serde_json::from_str(&bus.message).unwrap();
    assert_eq!((&detail["status"], &detail["notificationId"]), (&json!("FAILED"), &json!(bus.id)));
    assert_eq!((bus.detail_type.as_str(), bus.resources.len()), ("Taskwatch Run State Change", 2));
    assert!(build(&run, &origin(), &Destinations::default()).is_empty(), "nobody to tell");
}

#[test]
fn destinations_are_written_and_read() {
    for destination in [
        Destination::Topic(TOPIC.into()),
        Destination::Bus("jobs".into()),
        Destination::Bus("arn:aws:events:x:1:event-bus/b".into()),
    ] {
        assert_eq!(Destination::from(destination.to_string().as_str()), destination);
    }
    assert!(
        Destination::Topic("arn:aws:sns:x:1:t.fifo".into()).is_fifo() && !Destination::Topic(TOPIC.into()).is_fifo()
    );
}

fn of_size(run: u128, bytes: usize) -> Notification {
    let mut notification = to_topic(&failed_run(1, "why", Notify::default()));
    notification.run = Uuid::from_u128(run);
    notification.message = "x".repeat(bytes);
    notification
}

#[test]
fn a_call_holds_ten_messages_and_less_than_256_kib() {
    let sizes = |bytes: usize, count: u128| {
        let all: Vec<_> = (0..count).map(|run| of_size(run, bytes)).collect();
        calls(&all)
    };
    assert_eq!(sizes(1_000, 25), [10, 10, 5]);
    assert_eq!(sizes(100 * 1024, 5), [2, 2, 1]);
    assert_eq!(sizes(249 * 1024, 2), [1, 1]);
    assert!(sizes(1, 0).is_empty());
    // Attributes, subjects and ids count too.
    assert_eq!(sizes(25 * 1024 - 100, 10), [9, 1]);
}

#[test]
fn a_call_holds_one_message_of_a_run() {
    let all: Vec<_> = [1, 2, 1, 2, 3].iter().map(|run| of_size(*run, 10)).collect();
    assert_eq!(calls(&all), [2, 3]);
}

/// A run whose container ran, failed, and has its log in CloudWatch.
fn talked(notify: Notify, cause: &str) -> Run {
    let mut run = failed_run(2, cause, notify);
    let config = LogConfig {
        driver: "awslogs".into(),
        group: Some("/ecs/etl".into()),
        prefix: Some("ecs".into()),
        region: None,
    };
    let last = run.attempts.last_mut().unwrap();
    last.exit_code = Some(3);
    last.log = Some(Arc::new(LogPlace::of("app", Some(&config), &last.task_arn.as_ref().unwrap().to_string(), None)));
    let failure = failure::Failure {
        hint: "look; its log: taskwatch logs NAME".into(),
        ..(**last.failure.as_ref().unwrap()).clone()
    };
    last.failure = Some(Arc::new(failure));
    run.ended_by = last.failure.clone();
    run
}

fn asking(lines: u32, format: MessageFormat) -> Notify {
    Notify { log_lines: Some(lines), format: Some(format), ..Notify::default() }
}

fn json(told: &Notification) -> Value {
    serde_json::from_str(&told.message).unwrap()
}

#[test]
fn every_attempt_names_its_log_and_the_hint_the_command_that_shows_it() {
    let told = json(&to_topic(&talked(Notify::default(), "why")));
    let log = &told["detail"]["attempts"][1]["log"];
    assert_eq!((&log["group"], &log["stream"]), (&json!("/ecs/etl"), &json!("ecs/app/2")));
    assert_eq!(log.get("lines"), None, "nobody asked for lines");
    assert!(told["detail"]["attempts"][0]["log"].is_null());
    assert_eq!(told["detail"]["hint"], "look; its log: taskwatch logs nightly");
}

#[test]
fn lines_are_asked_for_where_a_container_ran_and_failed_and_come_last() {
    let asked = to_topic(&talked(asking(10, MessageFormat::Json), "why"));
    assert_eq!(asked.log.as_ref().map(|log| (log.lines, log.place.container.as_str())), Some((10, "app")));
    let filled = asked.with_lines(Ok(vec!["one".into(), "two".into()]));
    assert_eq!(json(&filled)["detail"]["attempts"][1]["log"]["lines"], json!(["one", "two"]));
    assert_eq!(filled.log, None);
    let without = json(&asked.with_lines(Err("throttled".into())));
    let log = &without["detail"]["attempts"][1]["log"];
    assert_eq!((log["lines"].is_null(), &log["why"]), (true, &json!("throttled")));
    // Nothing ran, nobody failed, or somebody has his own words.
    assert_eq!(to_topic(&failed_run(1, "why", asking(10, MessageFormat::Json))).log, None);
    let own = Notify { messages: [(Status::Failed, "mine".into())].into(), ..asking(10, MessageFormat::Chat) };
    let own = to_topic(&talked(own, "why"));
    assert_eq!((own.log.as_ref(), own.message.as_str()), (None, "mine"));
}

#[test]
fn lines_never_make_a_message_too_large() {
    let lines: Vec<String> = (0..50).map(|n| format!("{n} {}", "\u{1}".repeat(1_000))).collect();
    for format in [MessageFormat::Json, MessageFormat::Chat, MessageFormat::Text] {
        let asked = to_topic(&talked(asking(50, format), "why"));
        let filled = asked.with_lines(Ok(lines.clone()));
        assert!(filled.message.len() <= asked.message.len() + 8 * 1024 + 512, "{format:?} {}", filled.message.len());
    }
    let kept = json(&to_topic(&talked(asking(50, MessageFormat::Json), "why")).with_lines(Ok(lines)));
    let kept = kept["detail"]["attempts"][1]["log"]["lines"].as_array().unwrap().clone();
    assert!(kept.last().unwrap().as_str().unwrap().starts_with("49 "), "the oldest are left out");
    let large = to_topic(&failed_run(60, &"\u{1}".repeat(2_000), asking(50, MessageFormat::Json)));
    assert!(large.bytes() < 256 * 1024);
}

#[test]
fn a_chat_message_has_amazon_qs_schema() {
    let told = to_topic(&talked(asking(5, MessageFormat::Chat), "why"));
    let message = json(&told);
    assert_eq!((&message["version"], &message["source"]), (&json!("1.0"), &json!("custom")));
    assert_eq!(message["id"], told.id);
    let content = &message["content"];
    assert_eq!(content["textType"], "client-markdown");
    assert!(content["title"].as_str().unwrap().starts_with("❌ nightly failed: "), "{content}");
    assert!(content["description"].as_str().unwrap().contains("```\nwhy\n```"), "{content}");
    let steps = content["nextSteps"].as_array().unwrap();
    assert!(steps.iter().any(|step| step == "`taskwatch show nightly`"), "{steps:?}");
    assert!(steps[0].as_str().unwrap().contains("taskwatch logs nightly"), "{steps:?}");
    assert_eq!(content["keywords"], json!(["Taskwatch.Capacity", "etl"]));
    let run = Uuid::from_u128(7).to_string();
    assert_eq!(message["metadata"]["threadId"], run);
    assert_eq!(message["metadata"]["relatedResources"].as_array().unwrap().len(), 2);
    assert!(told.attributes.iter().any(|(name, _)| name == "errorClass"), "filter policies go on");
    let filled = json(&told.with_lines(Ok(vec!["last words".into()])));
    assert!(filled["content"]["description"].as_str().unwrap().ends_with("```\nlast words\n```"));
}

#[test]
fn nothing_of_a_cause_mentions_anybody_or_ends_its_block_and_all_has_its_length() {
    let cause = format!("<!channel> ``` *now* @here {}", "x".repeat(5_000));
    let told = to_topic(&talked(asking(5, MessageFormat::Chat), &cause));
    let message = json(&told);
    let description = message["content"]["description"].as_str().unwrap();
    assert!(!description.contains("<!channel>") && description.contains("&lt;!channel&gt;"), "{description}");
    assert_eq!(description.matches("```").count() % 2, 0, "{description}");
    assert!(description.chars().count() <= 2_000);
    let filled = json(&told.with_lines(Ok((0..500).map(|n| format!("line ``` {n}")).collect())));
    let description = filled["content"]["description"].as_str().unwrap();
    assert!(description.chars().count() <= 2_000, "{}", description.chars().count());
    assert_eq!(description.matches("```").count() % 2, 0, "{description}");
    let mut odd = talked(asking(5, MessageFormat::Chat), "why");
    odd.name = "*_~`<@U1>".repeat(100);
    let title = json(&to_topic(&odd))["content"]["title"].as_str().unwrap().to_owned();
    assert!(title.chars().count() <= 250 && !title.contains("<@"), "{title}");
}

#[test]
fn the_cells_format_is_that_of_topics_whose_request_names_none_and_never_of_a_bus() {
    let chat = |run: &Run| {
        let destinations =
            Destinations { topic: Some(TOPIC.into()), bus: Some("jobs".into()), format: MessageFormat::Chat };
        build(run, &origin(), &destinations)
    };
    let told = chat(&failed_run(1, "why", Notify::default()));
    assert_eq!(
        (json(&told[0])["source"].clone(), json(&told[1])["status"].clone()),
        (json!("custom"), json!("FAILED"))
    );
    let text = Notify { format: Some(MessageFormat::Text), ..Notify::default() };
    let told = chat(&failed_run(1, "why", text));
    assert!(told[0].message.starts_with("nightly failed after 1 attempt: "), "{}", told[0].message);
    assert!(told[0].message.contains("What to do: "), "{}", told[0].message);
}
