//! Topics and subscriptions; HTTP ones against a real endpoint on loopback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::local::clock::Clock;
use crate::local::sns::Sns;
use crate::local::sqs::Sqs;
use crate::local::wire::{Call, JsonService};

type Got = (String, Option<String>, String);

/// An endpoint that answers 503 so many times first; what it was given.
async fn endpoint(refusals: u32) -> (String, mpsc::UnboundedReceiver<Got>, Arc<AtomicU32>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let refusals = Arc::new(AtomicU32::new(refusals));
    let state = (sender, Arc::clone(&refusals));
    type Shared = (mpsc::UnboundedSender<Got>, Arc<AtomicU32>);
    let take = |State((sender, refusals)): State<Shared>, headers: HeaderMap, body: String| async move {
        if refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
        let _ =
            sender.send((header("x-amz-sns-message-type").unwrap_or_default(), header("x-amz-sns-rawdelivery"), body));
        StatusCode::OK
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(
        async move { axum::serve(listener, Router::new().route("/hook", post(take)).with_state(state)).await },
    );
    (url, receiver, refusals)
}

fn services() -> (Arc<Sqs>, Sns) {
    let clock = Arc::new(Clock::system());
    let sqs = Arc::new(Sqs::new(Arc::clone(&clock)));
    (Arc::clone(&sqs), Sns::new(clock, sqs))
}

async fn call(service: &dyn JsonService, operation: &str, body: Value) -> Value {
    let call = Call {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        operation: operation.into(),
        body,
        origin: "http://127.0.0.1:4566".into(),
    };
    service.handle(call).await.unwrap_or_else(|e| panic!("{operation}: {}", e.message))
}

#[tokio::test]
async fn an_http_endpoint_confirms_and_then_gets_messages_in_order_though_it_refuses_some() {
    let (_, sns) = services();
    let (url, mut got, _) = endpoint(2).await;
    let topic = call(&sns, "CreateTopic", json!({"Name": "t"})).await["TopicArn"].clone();
    let subscribe = json!({"TopicArn": topic, "Protocol": "http", "Endpoint": url});
    assert_eq!(call(&sns, "Subscribe", subscribe).await["SubscriptionArn"], "pending confirmation");
    call(&sns, "Publish", json!({"TopicArn": topic, "Message": "before it was confirmed"})).await;

    let (kind, _, body) = got.recv().await.unwrap();
    assert_eq!(kind, "SubscriptionConfirmation");
    let asked: Value = serde_json::from_str(&body).unwrap();
    assert!(asked["SubscribeURL"].as_str().unwrap().contains("Action=ConfirmSubscription"));
    let confirm = json!({"TopicArn": topic, "Token": asked["Token"]});
    let subscription = call(&sns, "ConfirmSubscription", confirm).await["SubscriptionArn"].clone();

    for n in 0..3 {
        call(&sns, "Publish", json!({"TopicArn": topic, "Message": format!("m{n}")})).await;
    }
    for n in 0..3 {
        let (kind, raw, body) = got.recv().await.unwrap();
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!((kind.as_str(), raw, &body["Message"]), ("Notification", None, &json!(format!("m{n}"))));
    }
    let raw = json!({"SubscriptionArn": subscription, "AttributeName": "RawMessageDelivery", "AttributeValue": "true"});
    call(&sns, "SetSubscriptionAttributes", raw).await;
    call(&sns, "Publish", json!({"TopicArn": topic, "Message": "as it is"})).await;
    assert_eq!(got.recv().await.unwrap(), ("Notification".into(), Some("true".into()), "as it is".into()));
}

#[tokio::test]
async fn what_an_endpoint_never_takes_goes_to_its_dlq() {
    let (sqs, sns) = services();
    let (url, mut got, refusals) = endpoint(0).await;
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage", "Resource": "*"}]});
    let made = json!({"QueueName": "dlq", "Attributes": {"Policy": policy.to_string()}});
    let queue = call(&*sqs, "CreateQueue", made).await["QueueUrl"].clone();
    let topic = call(&sns, "CreateTopic", json!({"Name": "t"})).await["TopicArn"].clone();
    let redrive = json!({"deadLetterTargetArn": "arn:aws:sqs:us-east-1:123456789012:dlq"}).to_string();
    let subscribe = json!({"TopicArn": topic, "Protocol": "http", "Endpoint": url, "ReturnSubscriptionArn": "true",
        "Attributes": {"RedrivePolicy": redrive, "RawMessageDelivery": "true"}});
    call(&sns, "Subscribe", subscribe).await;
    let asked: Value = serde_json::from_str(&got.recv().await.unwrap().2).unwrap();
    call(&sns, "ConfirmSubscription", json!({"TopicArn": topic, "Token": asked["Token"]})).await;
    refusals.store(u32::MAX, Ordering::Relaxed);
    call(&sns, "Publish", json!({"TopicArn": topic, "Message": "lost?"})).await;
    let received = call(&*sqs, "ReceiveMessage", json!({"QueueUrl": queue, "WaitTimeSeconds": 20})).await;
    assert_eq!(received["Messages"][0]["Body"], "lost?");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let posts = Arc::new(AtomicU32::new(0));
    let (sender, mut asked) = mpsc::unbounded_channel();
    let (seen, elsewhere) = (Arc::clone(&posts), Arc::new(AtomicU32::new(0)));
    let hook = move |body: String| async move {
        if seen.fetch_add(1, Ordering::Relaxed) == 0 {
            let _ = sender.send(body);
            return StatusCode::OK.into_response();
        }
        Redirect::temporary("/elsewhere").into_response()
    };
    let followed = Arc::clone(&elsewhere);
    let other = move || async move { followed.fetch_add(1, Ordering::Relaxed).to_string() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let app = Router::new().route("/hook", post(hook)).route("/elsewhere", post(other));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let (sqs, sns) = services();
    let (dlq, arn) = queue(&sqs, "dlq").await;
    let topic = call(&sns, "CreateTopic", json!({"Name": "t"})).await["TopicArn"].clone();
    let redrive = json!({"deadLetterTargetArn": arn}).to_string();
    let subscribe =
        json!({"TopicArn": topic, "Protocol": "http", "Endpoint": url, "Attributes": {"RedrivePolicy": redrive}});
    call(&sns, "Subscribe", subscribe).await;
    let asked: Value = serde_json::from_str(&asked.recv().await.unwrap()).unwrap();
    call(&sns, "ConfirmSubscription", json!({"TopicArn": topic, "Token": asked["Token"]})).await;
    call(&sns, "Publish", json!({"TopicArn": topic, "Message": "lost?"})).await;
    let received = call(&*sqs, "ReceiveMessage", json!({"QueueUrl": dlq, "WaitTimeSeconds": 20})).await;
    assert!(received["Messages"][0]["Body"].as_str().is_some_and(|body| body.contains("lost?")), "{received}");
    assert_eq!((posts.load(Ordering::Relaxed), elsewhere.load(Ordering::Relaxed)), (2, 0));
}

async fn refused(service: &dyn JsonService, operation: &str, body: Value) -> String {
    let call = Call {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        operation: operation.into(),
        body,
        origin: "http://127.0.0.1:4566".into(),
    };
    service.handle(call).await.unwrap_err().code
}

/// A queue that takes from topics, and its ARN.
async fn queue(sqs: &Sqs, name: &str) -> (Value, String) {
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}]}).to_string();
    let attributes = if name.ends_with(".fifo") {
        json!({"Policy": policy, "FifoQueue": "true"})
    } else {
        json!({"Policy": policy})
    };
    let made = call(sqs, "CreateQueue", json!({"QueueName": name, "Attributes": attributes})).await;
    (made["QueueUrl"].clone(), format!("arn:aws:sqs:us-east-1:123456789012:{name}"))
}

async fn bodies(sqs: &Sqs, url: &Value) -> Vec<Value> {
    let got = call(sqs, "ReceiveMessage", json!({"QueueUrl": url, "MaxNumberOfMessages": 10})).await;
    got["Messages"].as_array().into_iter().flatten().map(|m| m["Body"].clone()).collect()
}

#[tokio::test]
async fn a_fifo_topic_tells_a_fifo_queue_once_and_in_order() {
    let (sqs, sns) = services();
    let (url, arn) = queue(&sqs, "q.fifo").await;
    let made = json!({"Name": "t.fifo", "Attributes": {"FifoTopic": "true", "ContentBasedDeduplication": "true"}});
    let topic = call(&sns, "CreateTopic", made).await["TopicArn"].clone();
    let raw = json!({"RawMessageDelivery": "true"});
    call(&sns, "Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": raw})).await;
    let message = |text: &str| json!({"TopicArn": topic, "Message": text, "MessageGroupId": "g"});
    let first = call(&sns, "Publish", message("a")).await;
    assert_eq!(call(&sns, "Publish", message("a")).await, first, "a duplicate is the same message");
    assert!(first["SequenceNumber"].is_string());
    call(&sns, "Publish", message("b")).await;
    assert_eq!(bodies(&sqs, &url).await, ["a", "b"]);
    assert_eq!(refused(&sns, "Publish", json!({"TopicArn": topic, "Message": "c"})).await, "InvalidParameter");
    let standard = call(&sns, "CreateTopic", json!({"Name": "t"})).await["TopicArn"].clone();
    let wrong = json!({"TopicArn": standard, "Protocol": "sqs", "Endpoint": arn});
    assert_eq!(refused(&sns, "Subscribe", wrong).await, "InvalidParameter");
}

#[tokio::test]
async fn a_subscription_is_made_once_and_its_policy_is_checked() {
    let (sqs, sns) = services();
    let (url, arn) = queue(&sqs, "q").await;
    let topic =
        call(&sns, "CreateTopic", json!({"Name": "t", "Tags": [{"Key": "a", "Value": "b"}]})).await["TopicArn"].clone();
    let subscribe =
        |attributes: Value| json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": attributes});
    let first = call(&sns, "Subscribe", subscribe(json!({}))).await;
    assert_eq!(call(&sns, "Subscribe", subscribe(json!({}))).await, first);
    for attributes in [
        json!({"RawMessageDelivery": "true"}),
        json!({"RawMessageDelivery": "yes"}),
        json!({"FilterPolicy": "{\"a\": {\"b\": [1]}}"}),
        json!({"FilterPolicy": "{\"a\": 1}"}),
        json!({"FilterPolicyScope": "Body"}),
        json!({"Colour": "red"}),
    ] {
        assert_eq!(refused(&sns, "Subscribe", subscribe(attributes)).await, "InvalidParameter");
    }
    let set = |name: &str, value: &str| json!({"SubscriptionArn": first["SubscriptionArn"], "AttributeName": name, "AttributeValue": value});
    let policy = "{\"a\": {\"b\": [{\"prefix\": \"x\"}]}}";
    assert_eq!(refused(&sns, "SetSubscriptionAttributes", set("FilterPolicy", policy)).await, "InvalidParameter");
    call(&sns, "SetSubscriptionAttributes", set("FilterPolicyScope", "MessageBody")).await;
    call(&sns, "SetSubscriptionAttributes", set("FilterPolicy", policy)).await;
    call(&sns, "SetSubscriptionAttributes", set("RawMessageDelivery", "true")).await;
    for text in ["{\"a\": {\"b\": \"xy\"}}", "{\"a\": {\"b\": \"y\"}}", "no JSON"] {
        call(&sns, "Publish", json!({"TargetArn": topic, "Message": text})).await;
    }
    assert_eq!(bodies(&sqs, &url).await, ["{\"a\": {\"b\": \"xy\"}}"]);
    let shown = call(&sns, "GetTopicAttributes", json!({"TopicArn": topic})).await["Attributes"].clone();
    assert_eq!((&shown["SubscriptionsConfirmed"], &shown["Owner"]), (&json!("1"), &json!("123456789012")));
    let tags = call(&sns, "ListTagsForResource", json!({"ResourceArn": topic})).await;
    assert_eq!(tags["Tags"], json!([{"Key": "a", "Value": "b"}]));
}

#[tokio::test]
async fn a_batch_is_published_entry_by_entry_and_a_message_may_differ_by_protocol() {
    let (sqs, sns) = services();
    let (url, arn) = queue(&sqs, "q").await;
    let topic = call(&sns, "CreateTopic", json!({"Name": "t"})).await["TopicArn"].clone();
    let raw = json!({"RawMessageDelivery": "true"});
    call(&sns, "Subscribe", json!({"TopicArn": topic, "Protocol": "sqs", "Endpoint": arn, "Attributes": raw})).await;
    let batch = |entries: Value| json!({"TopicArn": topic, "PublishBatchRequestEntries": entries});
    let json_message = json!({"default": "d", "sqs": "for a queue"}).to_string();
    let entries = json!([{"Id": "1", "Message": "a"}, {"Id": "2", "Message": ""}, {"Id": "3", "Message": "b", "Subject": "x\ny"},
        {"Id": "4", "Message": json_message, "MessageStructure": "json"}, {"Id": "5", "Message": "{}", "MessageStructure": "json"}]);
    let answer = call(&sns, "PublishBatch", batch(entries)).await;
    let ids = |list: &str| -> Vec<Value> { answer[list].as_array().unwrap().iter().map(|e| e["Id"].clone()).collect() };
    assert_eq!(
        (ids("Successful"), ids("Failed")),
        (vec![json!("1"), json!("4")], vec![json!("2"), json!("3"), json!("5")])
    );
    assert_eq!(bodies(&sqs, &url).await, ["a", "for a queue"]);
    let half = "x".repeat(140_000);
    for (entries, code) in [
        (json!([{"Id": "1", "Message": "a"}, {"Id": "1", "Message": "b"}]), "BatchEntryIdsNotDistinct"),
        (json!([{"Id": "1", "Message": half}, {"Id": "2", "Message": half}]), "BatchRequestTooLong"),
        (json!([]), "EmptyBatchRequest"),
    ] {
        assert_eq!(refused(&sns, "PublishBatch", batch(entries)).await, code);
    }
    let long = json!({"TopicArn": topic, "Message": "x".repeat(262_145)});
    assert_eq!(refused(&sns, "Publish", long).await, "InvalidParameter");
}
