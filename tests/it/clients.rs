//! `taskwatch local` from clients that know nothing of it: the AWS CLI.

use serde_json::Value;
use taskwatch::local::ecs::EcsOptions;
use taskwatch::local::{LocalOptions, Options, RunningLocal, start};

use super::support::python;

/// An endpoint in a hurry; `auto_register` makes task definitions that it does not know.
pub(crate) async fn local(auto_register: bool) -> RunningLocal {
    let ecs = EcsOptions { time_scale: 200.0, auto_register, ..EcsOptions::default() };
    let listen = ([127, 0, 0, 1], 0).into();
    start(LocalOptions { listen, identity: Options::default(), ecs }).await.expect("a free port")
}

/// What the AWS CLI prints, parsed; it ends the test where the CLI did not understand the answer.
async fn cli(url: &str, arguments: &[&str]) -> Value {
    let mut command = python::aws(url);
    command.args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().expect("python")).await.expect("its end");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_runs_a_task_and_hears_of_it() {
    let local = local(true).await;
    let url = local.url();
    let queue = cli(&url, &["sqs", "create-queue", "--queue-name", "events"]).await;
    let queue_url = queue["QueueUrl"].as_str().expect("a URL").to_owned();
    let pattern = r#"{"source":["aws.ecs"],"detail-type":["ECS Task State Change"]}"#;
    let rule = ["events", "put-rule", "--name", "r", "--event-pattern", pattern];
    assert_eq!(cli(&url, &rule).await["RuleArn"], "arn:aws:events:us-east-1:123456789012:rule/r");
    let policy = r#"{"Policy":"{\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"events.amazonaws.com\"},\"Action\":\"sqs:SendMessage\",\"Resource\":\"*\"}]}"}"#;
    cli(&url, &["sqs", "set-queue-attributes", "--queue-url", &queue_url, "--attributes", policy]).await;
    let target = "Id=1,Arn=arn:aws:sqs:us-east-1:123456789012:events";
    cli(&url, &["events", "put-targets", "--rule", "r", "--targets", target]).await;
    let network = "awsvpcConfiguration={subnets=[subnet-0a]}";
    let run =
        ["ecs", "run-task", "--task-definition", "etl", "--launch-type", "FARGATE", "--network-configuration", network];
    let placed = cli(&url, &run).await;
    assert_eq!(placed["tasks"][0]["lastStatus"], "PROVISIONING", "{placed}");
    let receive = ["sqs", "receive-message", "--queue-url", &queue_url, "--wait-time-seconds", "20"];
    let received = cli(&url, &receive).await;
    let body = received["Messages"][0]["Body"].as_str().expect("an event");
    let event: Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        (&event["detail-type"], &event["detail"]["taskArn"]),
        (&"ECS Task State Change".into(), &placed["tasks"][0]["taskArn"])
    );
    let topic = cli(&url, &["sns", "create-topic", "--name", "t"]).await;
    let topic = topic["TopicArn"].as_str().expect("an ARN").to_owned();
    let published = cli(&url, &["sns", "publish", "--topic-arn", &topic, "--message", "<hello & good bye>"]).await;
    assert!(published["MessageId"].is_string());
    let identity = cli(&url, &["sts", "get-caller-identity"]).await;
    assert_eq!(identity["Account"], "123456789012");
}

/// At least so long: how much longer, the machine says.
#[tokio::test]
async fn an_endpoint_that_is_far_away_answers_late() {
    let latency = std::time::Duration::from_millis(60);
    let identity = Options { latency, ..Options::default() };
    let local = start(LocalOptions { identity, ..LocalOptions::default() }).await.expect("a free port");
    let began = std::time::Instant::now();
    let answered = reqwest::get(local.url()).await.expect("an answer");
    assert!(answered.status().is_success() && began.elapsed() >= latency, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_web_page_does_not_drive_the_endpoint_and_every_name_of_loopback_does() {
    let local = local(true).await;
    let client = reqwest::Client::new();
    let status = async |method: &str, header: &str, value: &str| {
        let url = format!("{}/?Action=CreateTopic&Name=made", local.url());
        let sent = client.request(method.parse().expect("a method"), url).header(header, value).send().await;
        sent.expect("an answer").status().as_u16()
    };
    for (header, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("host", "evil.example"),
        ("host", "127.0.0.1.nip.io"),
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            assert_eq!(status(method, header, value).await, 403, "{method} {header}: {value}");
        }
    }
    let call = [("x-amz-target", "AmazonSQS.CreateQueue"), ("origin", "https://evil.example")];
    let sent = call.into_iter().fold(client.post(local.url()), |sent, (name, value)| sent.header(name, value));
    let refused = sent.body("{\"QueueName\": \"made\"}").send().await.expect("an answer");
    assert_eq!(refused.status().as_u16(), 403);
    assert!(local.local.calls().is_empty(), "{:?}", local.local.calls());
    let port = local.address.port();
    for host in ["localhost", "sqs.us-east-1.localhost", "127.0.0.1", "[::1]"] {
        assert_eq!(status("GET", "host", &format!("{host}:{port}")).await, 200, "{host}");
    }
    assert_eq!(status("GET", "sec-fetch-site", "none").await, 200, "typed by a person");
    assert_eq!(status("POST", "origin", &local.url()).await, 200);
}
