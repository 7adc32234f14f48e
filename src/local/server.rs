//! One port for every service: the protocol says which. Signatures are not checked.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, Response, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::wire::{ApiError, ApiResult, Call};
use super::{Local, query};

/// SQS takes 1 MiB; what is around it is small.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const SNS: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Serves until `shutdown`.
///
/// # Errors
/// The listener's.
pub async fn serve(local: Local, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let app = Router::new().fallback(answer).layer(DefaultBodyLimit::max(MOST_BYTES)).with_state(Arc::new(local));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

async fn answer(State(local): State<Arc<Local>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let request_id = uuid::Uuid::new_v4().to_string();
    let host = Some(text("host")).filter(|h| !h.is_empty()).unwrap_or("127.0.0.1");
    let mut call = Call {
        region: region(text("authorization")).unwrap_or(&local.options().region).to_owned(),
        account: local.options().account.clone(),
        operation: String::new(),
        body: Value::Null,
        origin: format!("http://{host}"),
    };
    if let Some((target, operation)) = text("x-amz-target").split_once('.') {
        let service = match target {
            "AmazonSQS" => "sqs",
            "AWSEvents" => "events",
            t if t.starts_with("AmazonEC2ContainerService") => "ecs",
            _ => target,
        };
        call.operation = operation.to_owned();
        let bytes = if body.is_empty() { &b"{}"[..] } else { &body[..] };
        let answered = match serde_json::from_slice(bytes) {
            Ok(value) => {
                call.body = value;
                local.handle(service, call).await
            }
            Err(e) => Err(ApiError::new("SerializationException", format!("not JSON: {e}"))),
        };
        return json_answer(service, answered, &request_id);
    }
    // A form, or for a SubscribeURL that somebody visits, the URL's query.
    let asked = if body.is_empty() { uri.query().unwrap_or_default().as_bytes() } else { &body[..] };
    let mut form = query::unfold(asked);
    if let Some(Value::String(action)) = form.remove("Action") {
        call.operation = action;
        call.body = Value::Object(form);
        return query_answer(&local, call, &request_id).await;
    }
    if uri.path() == "/_taskwatch/tasks" {
        return reply(StatusCode::OK, "application/json", local.inspection().to_string(), &request_id);
    }
    // What a person or a health check asks.
    reply(
        StatusCode::OK,
        "application/json",
        json!({"service": "taskwatch local", "status": "ok"}).to_string(),
        &request_id,
    )
}

/// `Credential=KEY/date/region/service/aws4_request`.
fn region(authorization: &str) -> Option<&str> {
    authorization.split("Credential=").nth(1)?.split('/').nth(2)
}

fn json_answer(service: &str, answered: ApiResult, request_id: &str) -> Response<Body> {
    let kind = if service == "sqs" { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
    let error = match answered {
        Ok(value) => return reply(StatusCode::OK, kind, value.to_string(), request_id),
        Err(error) => error,
    };
    if error.drop_connection {
        return broken();
    }
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut body = Value::Object(error.fields);
    body["message"] = error.message.as_str().into();
    if service != "sqs" {
        body["__type"] = error.code.as_str().into();
        return reply(status, kind, body.to_string(), request_id);
    }
    // SDKs of before the JSON protocol know SQS's errors by these names.
    let old = match error.code.as_str() {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "QueueNameExists" => "QueueAlreadyExists".to_owned(),
        code @ ("EmptyBatchRequest"
        | "TooManyEntriesInBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "QueueDeletedRecently"
        | "MessageNotInflight") => {
            format!("AWS.SimpleQueueService.{code}")
        }
        code => code.to_owned(),
    };
    body["__type"] = format!("com.amazonaws.sqs#{}", error.code).into();
    let mut response = reply(status, kind, body.to_string(), request_id);
    if let Ok(value) = format!("{old};Sender").parse() {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

async fn query_answer(local: &Local, call: Call, request_id: &str) -> Response<Body> {
    let operation = call.operation.clone();
    let (namespace, answered) = if operation == "GetCallerIdentity" {
        let arn = format!("arn:aws:iam::{}:user/local", call.account);
        (STS, Ok(json!({"Arn": arn, "UserId": "AIDATASKWATCHLOCAL", "Account": call.account})))
    } else {
        (SNS, local.handle("sns", call).await)
    };
    match answered {
        Ok(value) => {
            reply(StatusCode::OK, "text/xml", query::answer(&operation, namespace, &value, request_id), request_id)
        }
        Err(error) if error.drop_connection => broken(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
            reply(status, "text/xml", query::error(&error, namespace, request_id), request_id)
        }
    }
}

fn reply(status: StatusCode, kind: &str, body: String, request_id: &str) -> Response<Body> {
    let response = Response::builder().status(status).header(header::CONTENT_TYPE, kind);
    let response = response.header("x-amzn-requestid", request_id).body(Body::from(body));
    response.unwrap_or_default()
}

/// An answer that never comes: the connection breaks, as when the effect took place and the network did not.
fn broken() -> Response<Body> {
    let lost = std::io::Error::new(std::io::ErrorKind::ConnectionReset, "the answer is lost by script");
    let stream = futures::stream::once(async move { Err::<Bytes, _>(lost) });
    Response::builder().header(header::CONTENT_LENGTH, "2").body(Body::from_stream(stream)).unwrap_or_default()
}
