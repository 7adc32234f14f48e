use aws_config::{BehaviorVersion, Region};
use aws_sdk_ecs::config::Credentials;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use std::sync::{Arc, Mutex};

use super::services::{LOGS, SCHEDULER};
use super::*;

fn config(region: &'static str) -> aws_types::sdk_config::Builder {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new(region))
        .credentials_provider(aws_credential_types::provider::SharedCredentialsProvider::new(Credentials::new(
            "AKID", "secret", None, None, "test",
        )))
}

type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// A service that answers each call with what its first word says, and keeps what it saw.
async fn service(answers: Vec<(u16, &'static str, &'static str)>) -> (String, Seen) {
    let seen = Seen::default();
    let answers = Arc::new(Mutex::new(answers.into_iter()));
    let app = axum::Router::new().fallback(
        async |State((seen, answers)): State<(Seen, Arc<Mutex<std::vec::IntoIter<_>>>)>, request: Request| {
            let (head, body) = request.into_parts();
            let headers: Vec<_> = head.headers.iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
            let body = axum::body::to_bytes(body, 10_000).await.unwrap();
            let line = format!("{} {}\n{}", head.method, head.uri, headers.join("\n"));
            seen.lock().unwrap().push((line, String::from_utf8(body.to_vec()).unwrap()));
            let (status, kind, body): (u16, &str, &str) = answers.lock().unwrap().next().expect("an answer");
            (StatusCode::from_u16(status).unwrap(), [("x-amzn-errortype", kind)], body).into_response()
        },
    );
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let app = app.with_state((Arc::clone(&seen), answers));
    tokio::spawn(async move { axum::serve(listener, app).await });
    (url, seen)
}

#[tokio::test]
async fn an_operation_is_named_in_the_head_and_signed_for_its_service() {
    let (url, seen) = service(vec![(200, "", "{\"events\":[]}")]).await;
    let client = JsonClient::new(&config("eu-west-1").endpoint_url(url).build(), LOGS, Retries::Never);
    let answer = client.target("GetLogEvents", &serde_json::json!({ "limit": 5 })).await.unwrap();
    assert_eq!(answer, serde_json::json!({ "events": [] }));
    let (head, body) = seen.lock().unwrap().remove(0);
    assert!(head.starts_with("POST /\n"), "{head}");
    assert!(head.contains("x-amz-target: \"Logs_20140328.GetLogEvents\""), "{head}");
    assert!(head.contains("content-type: \"application/x-amz-json-1.1\""), "{head}");
    assert!(head.contains("Credential=AKID/") && head.contains("/eu-west-1/logs/aws4_request"), "{head}");
    assert_eq!(body, "{\"limit\":5}");
}

#[tokio::test]
async fn a_rest_call_has_its_method_path_and_query_and_no_body() {
    let (url, seen) = service(vec![(200, "", "")]).await;
    let client = JsonClient::new(&config("eu-west-1").endpoint_url(url).build(), SCHEDULER, Retries::Never);
    let path = "/schedules/nightly%20one?groupName=a";
    let call = Call { operation: "GetSchedule", method: "GET", path, body: &Value::Null };
    assert_eq!(client.call(&call).await.unwrap(), Value::Null);
    let (head, body) = seen.lock().unwrap().remove(0);
    assert!(head.starts_with(&format!("GET {path}\n")) && body.is_empty(), "{head}");
}

#[tokio::test]
async fn an_error_has_its_code_however_it_is_written() {
    let answers = vec![
        (400, "", "{\"__type\":\"com.amazon#ResourceNotFoundException\",\"message\":\"no group\"}"),
        (400, "TaskTimedOut:http://internal.amazon.com/", "{\"message\":\"late\"}"),
        (403, "", "{\"__type\":\"AccessDeniedException\",\"Message\":\"may not\"}"),
        (502, "", "<html>"),
    ];
    let (url, _) = service(answers).await;
    let client = JsonClient::new(&config("eu-west-1").endpoint_url(url).build(), LOGS, Retries::Never);
    let mut said = Vec::new();
    for _ in 0..4 {
        let error = client.target("GetLogEvents", &Value::Null).await.unwrap_err();
        said.push((error.code().map(str::to_owned), error.message().map(str::to_owned)));
    }
    let some = |code: &str, text: &str| (Some(code.to_owned()), Some(text.to_owned()));
    let codes = [
        some("ResourceNotFoundException", "no group"),
        some("TaskTimedOut", "late"),
        some("AccessDeniedException", "may not"),
        (None, None),
    ];
    assert_eq!(said, codes);
}

#[tokio::test]
async fn what_was_throttled_is_tried_again_where_that_is_asked_for() {
    let throttled = (400, "ThrottlingException", "{\"message\":\"Rate exceeded\"}");
    let (url, seen) = service(vec![throttled, (200, "", "{}"), throttled]).await;
    let config = config("eu-west-1")
        .endpoint_url(url)
        .retry_config(RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1)))
        .build();
    let client = JsonClient::new(&config, LOGS, Retries::Configured);
    client.target("GetLogEvents", &Value::Null).await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 2);
    let client = JsonClient::new(&config, LOGS, Retries::Never);
    client.target("GetLogEvents", &Value::Null).await.unwrap_err();
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[test]
fn a_service_is_where_the_partition_has_it() {
    let place = |config: SdkConfig| place(&config, LOGS).unwrap();
    assert_eq!(place(config("eu-west-1").build()), "https://logs.eu-west-1.amazonaws.com");
    assert_eq!(place(config("cn-north-1").build()), "https://logs.cn-north-1.amazonaws.com.cn");
    assert_eq!(place(config("us-east-1").use_fips(true).build()), "https://logs-fips.us-east-1.amazonaws.com");
    assert_eq!(place(config("us-east-1").use_dual_stack(true).build()), "https://logs.us-east-1.api.aws");
    assert_eq!(place(config("eu-west-1").endpoint_url("http://127.0.0.1:1").build()), "http://127.0.0.1:1");
}
