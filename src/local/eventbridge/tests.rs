//! Rules and their targets, without a socket.

use serde_json::{Value, json};

use super::*;

fn services() -> (Arc<Sqs>, EventBus) {
    let clock = Arc::new(Clock::new(1_739_453_293_034));
    let sqs = Arc::new(Sqs::new(Arc::clone(&clock)));
    let sns = Arc::new(Sns::new(Arc::clone(&clock), Arc::clone(&sqs)));
    (Arc::clone(&sqs), EventBus::new(clock, sqs, sns))
}

async fn call(service: &dyn JsonService, operation: &str, body: Value) -> ApiResult {
    let call = Call {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        operation: operation.into(),
        body,
        origin: "http://127.0.0.1:4566".into(),
    };
    service.handle(call).await
}

async fn queue(sqs: &Sqs, name: &str) -> String {
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}]});
    let body = json!({"QueueName": name, "Attributes": {"Policy": policy.to_string()}});
    call(sqs, "CreateQueue", body).await.unwrap();
    format!("arn:aws:sqs:us-east-1:123456789012:{name}")
}

async fn received(sqs: &Sqs, arn: &str) -> Vec<String> {
    let name = arn.rsplit(':').next().unwrap();
    let url = format!("http://127.0.0.1:4566/123456789012/{name}");
    let got = call(sqs, "ReceiveMessage", json!({"QueueUrl": url, "MaxNumberOfMessages": 10})).await.unwrap();
    let bodies = got["Messages"].as_array().cloned().unwrap_or_default();
    bodies.iter().map(|m| m["Body"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn targets_are_checked_before_any_is_taken() {
    let (sqs, bus) = services();
    let arn = queue(&sqs, "q").await;
    call(&bus, "PutRule", json!({"Name": "r", "EventPattern": "{\"source\":[\"a\"]}"})).await.unwrap();
    for (target, part) in [
        (json!({"Id": "1", "Arn": "nonsense"}), "not in correct format"),
        (json!({"Id": "1", "Arn": "arn:aws:lambda:us-east-1:1:function:f"}), "SQS queues, SNS topics and ECS clusters"),
        (json!({"Id": "1", "Arn": "arn:aws:ecs:us-east-1:1:cluster/c"}), "EcsParameters must be specified"),
        (json!({"Id": "", "Arn": arn}), "Target Id"),
        (json!({"Id": "1", "Arn": format!("{arn}.fifo")}), "SqsParameters"),
        (json!({"Id": "1", "Arn": arn, "RetryPolicy": {"MaximumRetryAttempts": 186}}), "0 to 185"),
        (json!({"Id": "1", "Arn": arn, "DeadLetterConfig": {"Arn": "x"}}), "DeadLetterConfig"),
        (json!({"Id": "1", "Arn": arn, "Input": "{"}), "JSON syntax error"),
    ] {
        let put = call(&bus, "PutTargets", json!({"Rule": "r", "Targets": [target]})).await.unwrap_err();
        assert!(put.code == "ValidationException" && put.message.contains(part), "{put:?}");
    }
    let many: Vec<Value> = (0..6).map(|n| json!({"Id": n.to_string(), "Arn": arn})).collect();
    let put = call(&bus, "PutTargets", json!({"Rule": "r", "Targets": many})).await.unwrap();
    assert_eq!((&put["FailedEntryCount"], &put["FailedEntries"][0]["TargetId"]), (&json!(1), &json!("5")));
    let first = call(&bus, "ListTargetsByRule", json!({"Rule": "r", "Limit": 3})).await.unwrap();
    assert_eq!(first["Targets"].as_array().unwrap().len(), 3);
    let rest = json!({"Rule": "r", "Limit": 3, "NextToken": first["NextToken"]});
    let rest = call(&bus, "ListTargetsByRule", rest).await.unwrap();
    assert_eq!((rest["Targets"].as_array().unwrap().len(), rest.get("NextToken")), (2, None));
}

#[tokio::test]
async fn put_events_refuses_entry_by_entry_and_rules_can_be_switched_off() {
    let (sqs, bus) = services();
    let arn = queue(&sqs, "q").await;
    call(&bus, "PutRule", json!({"Name": "r", "EventPattern": "{\"source\":[{\"prefix\":\"\"}]}"})).await.unwrap();
    let target = json!({"Id": "1", "Arn": arn, "InputPath": "$.detail"});
    call(&bus, "PutTargets", json!({"Rule": "r", "Targets": [target]})).await.unwrap();
    let entry = |source: &str, detail: &str| json!({"Source": source, "DetailType": "T", "Detail": detail});
    let entries =
        json!({"Entries": [entry("mine", "{\"a\":1}"), entry("aws.ecs", "{}"), entry("", "{}"), entry("mine", "x")]});
    let put = call(&bus, "PutEvents", entries.clone()).await.unwrap();
    let codes: Vec<_> = put["Entries"].as_array().unwrap().iter().map(|e| e["ErrorCode"].clone()).collect();
    assert_eq!(
        codes,
        [Value::Null, json!("NotAuthorizedForSourceException"), json!("InvalidArgument"), json!("MalformedDetail")]
    );
    assert_eq!(received(&sqs, &arn).await, ["{\"a\":1}"]);
    call(&bus, "DisableRule", json!({"Name": "r"})).await.unwrap();
    call(&bus, "PutEvents", entries).await.unwrap();
    assert!(received(&sqs, &arn).await.is_empty());
    let huge = json!({"Entries": [entry("mine", &format!("{{\"a\":\"{}\"}}", "x".repeat(1_048_576)))]});
    assert_eq!(call(&bus, "PutEvents", huge).await.unwrap_err().code, "ValidationException");
}

#[tokio::test]
async fn recorded_events_can_be_put_on_the_bus() {
    let (sqs, bus) = services();
    let arn = queue(&sqs, "q").await;
    call(&bus, "PutRule", json!({"Name": "r", "EventPattern": "{\"source\":[\"aws.ecs\"]}"})).await.unwrap();
    call(&bus, "PutTargets", json!({"Rule": "r", "Targets": [{"Id": "1", "Arn": arn}]})).await.unwrap();
    let event =
        json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "region": "eu-west-2", "detail": {}});
    let text = format!("{event}\n{event}\n[{event}]");
    assert_eq!(bus.replay("us-east-1", "123456789012", &text), Ok(3));
    let got = received(&sqs, &arn).await;
    assert!(got.len() == 3 && got[0].contains("eu-west-2") && got[0].contains("\"id\""), "{got:?}");
    for bad in ["x", "{\"source\": \"aws.ecs\"}", "[1]"] {
        assert!(bus.replay("us-east-1", "123456789012", bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let (_, bus) = services();
    let pattern = "{\"source\":[\"a\"]}";
    for (operation, body, code) in [
        ("PutRule", json!({"Name": "r", "EventPattern": pattern, "EventBusName": "gone"}), "ResourceNotFoundException"),
        ("PutRule", json!({"Name": "r", "ScheduleExpression": "rate(1 second)"}), "ValidationException"),
        ("PutRule", json!({"Name": "r"}), "ValidationException"),
        ("EnableRule", json!({"Name": "r"}), "ResourceNotFoundException"),
        ("DeleteEventBus", json!({"Name": "default"}), "ValidationException"),
        ("PutRul", json!({}), "UnknownOperationException"),
    ] {
        assert_eq!(call(&bus, operation, body).await.unwrap_err().code, code, "{operation}");
    }
    let unknown = call(&bus, "PutRul", json!({})).await.unwrap_err().message;
    assert!(unknown.contains("Did you mean PutRule?") && unknown.contains("ListTargetsByRule"), "{unknown}");
}
