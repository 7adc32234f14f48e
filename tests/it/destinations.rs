//! Topics and buses over the wire: our endpoint's, and moto's FIFO topics.

use std::sync::Arc;

use aws_sdk_sns::types::Tag;
use aws_sdk_sqs::types::{MessageSystemAttributeName, QueueAttributeName};
use serde_json::{Value, json};
use taskwatch::aws::{Clients, Publisher, Target};
use taskwatch::cell::ports::{CallError, Notifier as _};
use taskwatch::core::machine::{self, Input};
use taskwatch::core::notification::{self, Destinations, Notification, Origin};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use uuid::Uuid;

use super::support::aws::Aws;
use super::support::emulator::{self, Emulator};
use super::support::whole::Whole;

/// A bus of the account, a rule on it for what failed, and the queue behind that.
async fn failures_of(aws: &Aws, bus: &str) -> String {
    let queue = aws.queue("failures").await;
    let arn = aws.arn(&queue).await;
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": arn}]});
    let allow = aws.sqs.set_queue_attributes().queue_url(&queue);
    allow.attributes(QueueAttributeName::Policy, policy.to_string()).send().await.expect("SetQueueAttributes");
    aws.events.create_event_bus().name(bus).send().await.expect("CreateEventBus");
    let pattern = json!({"source": ["taskwatch"], "detail-type": ["Taskwatch Run State Change"], "detail": {"status": ["FAILED"]}});
    let rule = aws.events.put_rule().name("failures").event_bus_name(bus).event_pattern(pattern.to_string());
    rule.send().await.expect("PutRule");
    let target = aws_sdk_eventbridge::types::Target::builder().id("1").arn(arn).build().expect("whole");
    let targets = aws.events.put_targets().rule("failures").event_bus_name(bus).targets(target);
    targets.send().await.expect("PutTargets");
    queue
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_and_a_bus_get_the_same_notifications_under_the_same_ids() {
    let mut queues = Vec::new();
    let script = "[task]\nseconds = 5\n[[fault]]\ndo = \"exit-code\"\nexit_code = 3\n[fault.match]\nfamily = \"bad\"\n";
    let whole = Whole::new(script, async |config, clients| {
        let (topic, told) = clients.create_subscribed_topic("runs").await.expect("a topic");
        queues.push(told);
        config.destinations = Destinations { topic: Some(topic), bus: Some("jobs".into()), ..Destinations::default() };
    })
    .await;
    let aws = Aws::new(&emulator::sdk(&whole.local.url()));
    let failures = failures_of(&aws, "jobs").await;
    let request = |family: &str, count: u32| {
        json!({"name": family, "until": "stopped", "retry": [], "runTask": {"taskDefinition": family, "launchType": "FARGATE",
            "count": count, "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
    };
    let mut runs = whole.submit(request("good", 12)).await;
    runs.extend(whole.submit(request("bad", 3)).await);
    for run in &runs {
        whole.end(run).await;
    }
    let body = |message: aws_sdk_sqs::types::Message| -> Value {
        serde_json::from_str(message.body.as_deref().unwrap_or_default()).expect("JSON")
    };
    let told: Vec<Value> = aws.take(&queues[0], 16, 2).await.into_iter().map(body).collect();
    let events: Vec<Value> = aws.take(&failures, 4, 2).await.into_iter().map(body).collect();
    assert_eq!((told.len(), events.len()), (15, 3));
    for event in &events {
        let told = told.iter().find(|told| told["detail"]["run"] == event["detail"]["run"]).expect("told as well");
        assert_eq!(event["detail"], told["detail"]);
        assert_eq!((&event["detail"]["notificationId"], &event["resources"]), (&told["id"], &told["resources"]));
    }
    assert_eq!((whole.cell.undelivered(), whole.cell.delivery_failures()), (0, Vec::new()));
}

/// The notification of a run that was stopped.
fn stopped(topic: &str, name: &str) -> Notification {
    let request = RunRequest::parse(&json!({"runTask": {"taskDefinition": "x"}}).to_string()).expect("a request");
    let now = Timestamp::from_millis(1_800_000_000_000);
    let mut run = Run::new(Uuid::now_v7(), name.into(), 0, Arc::new(request.spec), now);
    machine::apply(&mut run, &Input::Submitted, now);
    machine::apply(&mut run, &Input::StopAsked { reason: "x".into() }, now);
    assert_eq!(run.status, Status::Aborted);
    let destinations = Destinations { topic: Some(topic.into()), bus: None, ..Destinations::default() };
    notification::build(&run, &Origin::default(), &destinations).remove(0)
}

/// Our publisher, and the SDK, at an emulator.
async fn at(emulator: &Emulator) -> (Publisher, Aws) {
    let target = Target {
        region: Some("us-east-1".into()),
        endpoint_url: Some(emulator.endpoint()),
        test_credentials: true,
        ..Target::default()
    };
    (Clients::load(&target).await.expect("no profile is named").publisher(), Aws::new(&emulator.sdk()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_topic_gets_a_group_a_run_and_what_comes_again_is_dropped() {
    let moto = Emulator::moto();
    let (publisher, aws) = at(&moto).await;
    let queue = aws.sqs.create_queue().queue_name("q.fifo").attributes(QueueAttributeName::FifoQueue, "true");
    let queue = queue.send().await.expect("CreateQueue").queue_url.expect("a URL");
    let tag = Tag::builder().key("k").value("v").build().expect("whole");
    let topic = aws.sns.create_topic().name("t.fifo").attributes("FifoTopic", "true").tags(tag);
    let topic = topic.send().await.expect("CreateTopic").topic_arn.expect("an ARN");
    let subscription = aws.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(aws.arn(&queue).await);
    subscription.attributes("RawMessageDelivery", "true").send().await.expect("Subscribe");

    let batch: Vec<Notification> = ["a", "b", "c"].iter().map(|name| stopped(&topic, name)).collect();
    for _ in 0..2 {
        let answers = publisher.publish(&batch).await;
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    let receive = aws.sqs.receive_message().queue_url(&queue).max_number_of_messages(10);
    let receive = receive.message_system_attribute_names(MessageSystemAttributeName::All);
    let messages = receive.send().await.expect("ReceiveMessage").messages.unwrap_or_default();
    let attribute =
        |name| -> Vec<String> { messages.iter().filter_map(|m| m.attributes.as_ref()?.get(&name).cloned()).collect() };
    let runs: Vec<String> = batch.iter().map(|n| n.run.to_string()).collect();
    assert_eq!(attribute(MessageSystemAttributeName::MessageGroupId), runs);
    let ids: Vec<String> = batch.iter().map(|n| n.id.clone()).collect();
    assert_eq!(attribute(MessageSystemAttributeName::MessageDeduplicationId), ids);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_there_is_no_fault_of_the_message() {
    let moto = Emulator::moto();
    let (publisher, aws) = at(&moto).await;
    let batch = [stopped("arn:aws:sns:us-east-1:123456789012:gone", "a")];
    let answers = publisher.publish(&batch).await;
    assert!(
        matches!(answers.as_slice(), [Err(CallError::Unknown(why))] if why.contains("Topic does not exist")),
        "{answers:?}"
    );
    // One message of two that is not taken, in a 200.
    let (topic, told) = aws.topic("runs").await;
    let mut batch = [stopped(&topic, "a"), stopped(&topic, "b")];
    batch[0].message = "x".repeat(256 * 1024 + 1);
    let answers = publisher.publish(&batch).await;
    assert!(
        matches!(answers.as_slice(), [Err(CallError::Refused(why)), Ok(())] if why.cause.contains("Message too long")),
        "{answers:?}"
    );
    let taken: Vec<String> = aws.take(&told, 2, 2).await.into_iter().filter_map(|message| message.body).collect();
    assert_eq!(taken, [batch[1].message.as_str()]);
}
