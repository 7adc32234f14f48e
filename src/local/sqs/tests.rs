//! Queues by their front door, in paused time.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::clock::Clock;
use super::*;

async fn ask(sqs: &Sqs, operation: &str, body: Value) -> ApiResult {
    let call = Call {
        region: "us-east-1".into(),
        account: "1".into(),
        operation: operation.into(),
        body,
        origin: "http://h".into(),
    };
    sqs.handle(call).await
}

async fn with_queue(attributes: Value) -> (Sqs, String) {
    let sqs = Sqs::new(Arc::new(Clock::new(1_000_000)));
    let made = ask(&sqs, "CreateQueue", json!({"QueueName": "q", "Attributes": attributes})).await.unwrap();
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    (sqs, url)
}

async fn receive(sqs: &Sqs, url: &str, wait: u32) -> Vec<Value> {
    let body = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": wait, "AttributeNames": ["All"]});
    ask(sqs, "ReceiveMessage", body).await.unwrap()["Messages"].as_array().cloned().unwrap_or_default()
}

async fn send(sqs: &Sqs, url: &str, body: &str) {
    ask(sqs, "SendMessage", json!({"QueueUrl": url, "MessageBody": body})).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_is_hidden_while_in_flight_and_comes_again() {
    let (sqs, url) = with_queue(json!({"VisibilityTimeout": "30"})).await;
    send(&sqs, &url, "a").await;
    let first = receive(&sqs, &url, 0).await;
    assert_eq!(first.len(), 1);
    assert!(receive(&sqs, &url, 0).await.is_empty());
    tokio::time::advance(Duration::from_secs(31)).await;
    let again = receive(&sqs, &url, 0).await;
    assert_eq!(again[0]["Attributes"]["ApproximateReceiveCount"], "2");
    let receipt = &again[0]["ReceiptHandle"];
    ask(&sqs, "DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": receipt})).await.unwrap();
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(receive(&sqs, &url, 0).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_long_poll_wakes_for_an_arrival_and_for_a_delay() {
    let (sqs, url) = with_queue(json!({})).await;
    let begun = tokio::time::Instant::now();
    let sender = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        send(&sqs, &url, "a").await;
    };
    let (received, ()) = tokio::join!(receive(&sqs, &url, 20), sender);
    assert_eq!((received.len(), begun.elapsed().as_secs()), (1, 3));
    ask(&sqs, "SendMessage", json!({"QueueUrl": url, "MessageBody": "b", "DelaySeconds": 5})).await.unwrap();
    let received = receive(&sqs, &url, 20).await;
    assert_eq!((received[0]["Body"].as_str(), begun.elapsed().as_secs()), (Some("b"), 8));
    assert!(receive(&sqs, &url, 2).await.is_empty());
    assert_eq!(begun.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_a_queue_that_is_deleted_learns_it_at_once() {
    let (sqs, url) = with_queue(json!({})).await;
    let begun = tokio::time::Instant::now();
    let deleter = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        ask(&sqs, "DeleteQueue", json!({"QueueUrl": url})).await.unwrap();
    };
    let poll = json!({"QueueUrl": url, "WaitTimeSeconds": 20});
    let (refused, ()) = tokio::join!(refused(&sqs, "ReceiveMessage", poll), deleter);
    assert!(refused.contains("NonExistentQueue") || refused.contains("QueueDoesNotExist"), "{refused}");
    assert_eq!(begun.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_nobody_deletes_goes_to_the_dead_letter_queue() {
    let (sqs, url) = with_queue(json!({})).await;
    ask(&sqs, "CreateQueue", json!({"QueueName": "dlq"})).await.unwrap();
    let redrive = json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:1:dlq", "maxReceiveCount": "2"}).to_string();
    ask(&sqs, "SetQueueAttributes", json!({"QueueUrl": url, "Attributes": {"RedrivePolicy": redrive}})).await.unwrap();
    send(&sqs, &url, "poison").await;
    for _ in 0..2 {
        assert_eq!(receive(&sqs, &url, 0).await.len(), 1);
        tokio::time::advance(Duration::from_secs(31)).await;
    }
    assert!(receive(&sqs, &url, 0).await.is_empty());
    assert_eq!(receive(&sqs, "http://h/1/dlq", 0).await[0]["Body"], "poison");
    assert_eq!((sqs.depth("arn:aws:sqs:us-east-1:1:q"), sqs.depth("arn:aws:sqs:us-east-1:1:dlq")), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn visibility_can_be_changed_and_old_messages_are_forgotten() {
    let (sqs, url) = with_queue(json!({"MessageRetentionPeriod": "60"})).await;
    send(&sqs, &url, "a").await;
    let receipt = receive(&sqs, &url, 0).await[0]["ReceiptHandle"].clone();
    let change = json!({"QueueUrl": url, "ReceiptHandle": receipt, "VisibilityTimeout": 0});
    ask(&sqs, "ChangeMessageVisibility", change.clone()).await.unwrap();
    assert_eq!(receive(&sqs, &url, 0).await.len(), 1);
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(receive(&sqs, &url, 0).await.is_empty());
    assert_eq!(ask(&sqs, "ChangeMessageVisibility", change).await.unwrap_err().code, "MessageNotInflight");
}

#[tokio::test(start_paused = true)]
async fn a_batch_fails_entry_by_entry() {
    let (sqs, url) = with_queue(json!({})).await;
    let entries = json!([{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b", "DelaySeconds": 901}]);
    let answer = ask(&sqs, "SendMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await.unwrap();
    assert_eq!((answer["Successful"][0]["Id"].as_str(), answer["Failed"][0]["Id"].as_str()), (Some("1"), Some("2")));
    for entries in [json!([]), json!([{"Id": "1", "MessageBody": "a"}, {"Id": "1", "MessageBody": "b"}])] {
        assert!(ask(&sqs, "SendMessageBatch", json!({"QueueUrl": url, "Entries": entries})).await.is_err());
    }
    assert_eq!(
        ask(&sqs, "SendMessage", json!({"QueueUrl": "http://h/1/none", "MessageBody": "a"})).await.unwrap_err().code,
        "QueueDoesNotExist"
    );
}

async fn refused(sqs: &Sqs, operation: &str, body: Value) -> String {
    ask(sqs, operation, body).await.unwrap_err().code
}

#[tokio::test(start_paused = true)]
async fn a_fifo_queue_keeps_the_order_of_each_group_and_takes_nothing_twice() {
    let sqs = Sqs::new(Arc::new(Clock::new(1_000_000)));
    let made = json!({"QueueName": "q.fifo", "Attributes": {"FifoQueue": "true", "ContentBasedDeduplication": "true"}});
    let url = ask(&sqs, "CreateQueue", made).await.unwrap()["QueueUrl"].as_str().unwrap().to_owned();
    let message = |body: &str, group: &str| json!({"QueueUrl": url, "MessageBody": body, "MessageGroupId": group});
    for (body, group) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("a1", "a")] {
        ask(&sqs, "SendMessage", message(body, group)).await.unwrap();
    }
    let one = json!({"QueueUrl": url, "MaxNumberOfMessages": 1});
    let first = ask(&sqs, "ReceiveMessage", one.clone()).await.unwrap()["Messages"][0].clone();
    let second = ask(&sqs, "ReceiveMessage", one.clone()).await.unwrap()["Messages"][0].clone();
    assert_eq!((&first["Body"], &second["Body"]), (&json!("a1"), &json!("b1")), "a2 waits for a1");
    assert_eq!(ask(&sqs, "ReceiveMessage", one).await.unwrap(), json!({}));
    let visible = json!({"QueueUrl": url, "ReceiptHandle": first["ReceiptHandle"], "VisibilityTimeout": 0});
    ask(&sqs, "ChangeMessageVisibility", visible).await.unwrap();
    let bodies: Vec<Value> = receive(&sqs, &url, 0).await.iter().map(|m| m["Body"].clone()).collect();
    assert_eq!(bodies, ["a1", "a2"], "back at its old place, and the second a1 was never taken");
    let no_group = json!({"QueueUrl": url, "MessageBody": "x"});
    assert_eq!(refused(&sqs, "SendMessage", no_group).await, "MissingParameter");
    assert_eq!(refused(&sqs, "CreateQueue", json!({"QueueName": "r.fifo"})).await, "InvalidParameterValue");
}

#[tokio::test(start_paused = true)]
async fn the_way_back_from_the_dead_letter_queue() {
    let (sqs, url) = with_queue(json!({"VisibilityTimeout": "0"})).await;
    ask(&sqs, "CreateQueue", json!({"QueueName": "dlq"})).await.unwrap();
    let (arn, dlq) = ("arn:aws:sqs:us-east-1:1:dlq", "http://h/1/dlq");
    let policy = |arn: &str, most: u32| {
        let policy = json!({"deadLetterTargetArn": arn, "maxReceiveCount": most}).to_string();
        json!({"QueueUrl": "http://h/1/q", "Attributes": {"RedrivePolicy": policy}})
    };
    let nowhere = policy("arn:aws:sqs:us-east-1:1:gone", 1);
    assert_eq!(refused(&sqs, "SetQueueAttributes", nowhere).await, "InvalidParameterValue");
    assert_eq!(refused(&sqs, "SetQueueAttributes", policy(arn, 0)).await, "InvalidParameterValue");
    let start = json!({"SourceArn": arn});
    assert_eq!(refused(&sqs, "StartMessageMoveTask", start.clone()).await, "InvalidParameterValue", "nobody's DLQ");
    ask(&sqs, "SetQueueAttributes", policy(arn, 1)).await.unwrap();
    let sources = ask(&sqs, "ListDeadLetterSourceQueues", json!({"QueueUrl": dlq})).await.unwrap();
    assert_eq!(sources, json!({"queueUrls": [url]}));
    send(&sqs, &url, "a").await;
    assert_eq!((receive(&sqs, &url, 0).await.len(), receive(&sqs, &url, 0).await.len()), (1, 0));
    assert_eq!(sqs.depth(arn), 1);
    ask(&sqs, "StartMessageMoveTask", start.clone()).await.unwrap();
    let moves = ask(&sqs, "ListMessageMoveTasks", start).await.unwrap();
    assert_eq!(moves["Results"][0]["ApproximateNumberOfMessagesMoved"], 1);
    assert_eq!((sqs.depth(arn), receive(&sqs, &url, 0).await.len()), (0, 1));
    assert_eq!(sqs.depth("arn:aws:sqs:us-east-1:1:q"), 1, "one receive gets a message once, hidden or not");
    // A dead-letter queue that is gone swallows nothing.
    ask(&sqs, "DeleteQueue", json!({"QueueUrl": dlq})).await.unwrap();
    assert_eq!(receive(&sqs, &url, 0).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_message_may_be() {
    let (sqs, url) = with_queue(json!({"MaximumMessageSize": "1024"})).await;
    let number = |text: &str| json!({"n": {"DataType": "Number", "StringValue": text}});
    let eleven: serde_json::Map<String, Value> =
        (0..11).map(|n| (format!("a{n}"), json!({"DataType": "String", "StringValue": "x"}))).collect();
    for (body, code) in [
        (json!({"MessageBody": "x".repeat(1025)}), "InvalidParameterValue"),
        (json!({"MessageBody": "x".repeat(1020), "MessageAttributes": number("1")}), "InvalidParameterValue"),
        (json!({"MessageBody": "x", "MessageAttributes": number("one")}), "InvalidParameterValue"),
        (json!({"MessageBody": "x", "MessageAttributes": eleven}), "InvalidParameterValue"),
        (json!({"MessageBody": "a\u{0}b"}), "InvalidMessageContents"),
        (json!({"MessageBody": ""}), "MissingParameter"),
    ] {
        let mut body = body;
        body["QueueUrl"] = url.clone().into();
        assert_eq!(refused(&sqs, "SendMessage", body).await, code);
    }
    let trace = json!({"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1"}});
    let sent = json!({"QueueUrl": url, "MessageBody": "x", "MessageSystemAttributes": trace, "MessageGroupId": "g"});
    assert!(ask(&sqs, "SendMessage", sent).await.unwrap()["MD5OfMessageSystemAttributes"].is_string());
    let attributes = receive(&sqs, &url, 0).await[0]["Attributes"].clone();
    assert_eq!((&attributes["AWSTraceHeader"], &attributes["MessageGroupId"]), (&json!("Root=1"), &json!("g")));
    let unknown = json!({"QueueUrl": url, "AttributeNames": ["Sise"]});
    assert_eq!(refused(&sqs, "GetQueueAttributes", unknown).await, "InvalidAttributeName");
    let same = json!({"QueueName": "q", "Attributes": {"MaximumMessageSize": "1024", "VisibilityTimeout": "30"}});
    assert!(ask(&sqs, "CreateQueue", same).await.is_ok(), "a default that is said is no difference");
}
