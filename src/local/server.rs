//! One port for every service: the protocol says which. Signatures are not checked.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::wire::{ApiError, ApiResult, Call};
use super::{Local, SERVES, guard, not_here, query, region};

/// SQS takes 1 MiB; what is around it is small.
const MOST_BYTES: usize = 4 * 1024 * 1024;
const SNS: &str = "http://sns.amazonaws.com/doc/2010-03-31/";
const SQS: &str = "http://queue.amazonaws.com/doc/2012-11-05/";
/// What AWS says to a signature for a Region that there is not (many logs).
const WRONG_REGION: &str = "Credential should be scoped to a valid region";
const STS: &str = "https://sts.amazonaws.com/doc/2011-06-15/";

/// Serves until `shutdown`.
///
/// # Errors
/// The listener's.
pub async fn serve(local: Local, listener: TcpListener, shutdown: CancellationToken) -> std::io::Result<()> {
    let (latency, hosts) = (local.options().latency, &local.options().hosts);
    let guard = guard::Guard::new(listener.local_addr()?.ip(), hosts);
    let mut app = Router::new().fallback(answer).layer(DefaultBodyLimit::max(MOST_BYTES));
    if !latency.is_zero() {
        app = app.layer(from_fn_with_state(latency / 2, travel));
    }
    let app = app.layer(from_fn_with_state(guard, guard::guard)).with_state(Arc::new(local));
    axum::serve(listener, app).with_graceful_shutdown(shutdown.cancelled_owned()).await
}

/// The way of a call and that of its answer, each so long.
async fn travel(State(way): State<Duration>, request: Request, next: Next) -> Response<Body> {
    tokio::time::sleep(way).await;
    let answered = next.run(request).await;
    tokio::time::sleep(way).await;
    answered
}

async fn answer(
    State(local): State<Arc<Local>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let request_id = uuid::Uuid::new_v4().to_string();
    let host = Some(text("host")).filter(|h| !h.is_empty()).unwrap_or("127.0.0.1");
    let mut call = Call {
        region: scope(text("authorization"), 2).unwrap_or(&local.options().region).to_owned(),
        account: local.options().account.clone(),
        operation: String::new(),
        body: Value::Null,
        origin: format!("http://{host}"),
    };
    if let Some((target, operation)) = text("x-amz-target").rsplit_once('.') {
        let service = match target {
            t if t.ends_with(".CloudTrail_20131101") => "cloudtrail",
            "AmazonSQS" => "sqs",
            "AWSEvents" => "events",
            "Logs_20140328" => "logs",
            "AWSStepFunctions" => "states",
            t if t.starts_with("AmazonEC2ContainerService") => "ecs",
            // `DynamoDB_20120810`: the service, and the date of its protocol.
            _ => target.split('_').next().unwrap_or(target),
        };
        call.operation = operation.to_owned();
        let bytes = if body.is_empty() { &b"{}"[..] } else { &body[..] };
        let answered = match serde_json::from_slice(bytes) {
            Ok(value) => {
                call.body = value;
                match check_region(&call.region, "InvalidSignatureException") {
                    Ok(()) => local.handle(service, call).await,
                    Err(refused) => Err(refused),
                }
            }
            Err(e) => Err(ApiError::new("SerializationException", format!("not JSON: {e}"))),
        };
        return json_answer(service, answered, &request_id);
    }
    if uri.path() == "/_taskwatch/events" {
        return replay(&local, uri.query(), &body, &request_id);
    }
    if uri.path() == "/_taskwatch/tasks" {
        return reply(StatusCode::OK, "application/json", local.inspection().to_string(), &request_id);
    }
    if uri.path() == "/_taskwatch/calls" {
        return reply(StatusCode::OK, "application/json", json!(local.calls()).to_string(), &request_id);
    }
    if uri.path() == "/_taskwatch/callbacks" {
        return reply(StatusCode::OK, "application/json", local.callbacks().to_string(), &request_id);
    }
    if let Some(answered) = local.lambda(uri.path(), &body) {
        return callback_answer(answered, &request_id);
    }
    let service = scope(text("authorization"), 3);
    if service == Some("scheduler") {
        return rest_answer(&local, "scheduler", (&method, &uri), call, &body, &request_id);
    }
    // A form, or for a SubscribeURL that somebody visits, the URL's query.
    let asked = if body.is_empty() { uri.query().unwrap_or_default().as_bytes() } else { &body[..] };
    let mut form = query::unfold(asked);
    if let Some(Value::String(action)) = form.remove("Action") {
        call.operation = action;
        if service == Some("sqs") {
            call.body = query::sqs::request(form, uri.path(), &call.origin);
        } else {
            call.body = Value::Object(form);
        }
        return query_answer(&local, service.unwrap_or("sns"), call, &request_id).await;
    }
    match service {
        // What a person or a health check asks.
        None => {
            let shown = json!({"service": "taskwatch local", "status": "ok", "serves": SERVES});
            reply(StatusCode::OK, "application/json", shown.to_string(), &request_id)
        }
        Some(other) => refuse(other, &request_id),
    }
}

/// REST JSON names an error in the head of its answer.
fn callback_answer(answered: ApiResult, request_id: &str) -> Response<Body> {
    let error = match answered {
        Ok(value) => return reply(StatusCode::OK, "application/json", value.to_string(), request_id),
        Err(error) => error,
    };
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({"Type": "User", "Message": error.message}).to_string();
    let mut response = reply(status, "application/json", body, request_id);
    if let Ok(code) = error.code.parse() {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

/// What is told to the client of a service that is not here, in the two protocols that its error may be read by.
fn refuse(service: &str, request_id: &str) -> Response<Body> {
    let why = not_here(service).message;
    if service == "s3" {
        let xml = format!("<Error><Code>NotImplemented</Code><Message>{}</Message></Error>", query::escape(&why));
        return reply(StatusCode::NOT_IMPLEMENTED, "application/xml", xml, request_id);
    }
    let body = json!({"__type": "UnknownOperationException", "message": why}).to_string();
    let mut response = reply(StatusCode::NOT_FOUND, "application/json", body, request_id);
    response.headers_mut().insert("x-amzn-errortype", header::HeaderValue::from_static("UnknownOperationException"));
    response
}

/// `POST /_taskwatch/events?region=…`: recorded events, put on the default bus.
fn replay(local: &Local, query: Option<&str>, body: &[u8], request_id: &str) -> Response<Body> {
    let asked = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).find(|(name, _)| name == "region");
    let region = asked.map_or_else(|| local.options().region.clone(), |(_, region)| region.into_owned());
    let text = String::from_utf8_lossy(body);
    let (status, answer) = match local.bus().replay(&region, &local.options().account, &text) {
        Ok(events) => (StatusCode::OK, json!({"events": events})),
        Err(why) => (StatusCode::BAD_REQUEST, json!({"message": why})),
    };
    reply(status, "application/json", answer.to_string(), request_id)
}

/// Refuses a signature for a Region that there cannot be, as each protocol calls it.
fn check_region(region: &str, code: &str) -> Result<(), ApiError> {
    match region::can_be(region) {
        true => Ok(()),
        false => Err(ApiError { status: 403, ..ApiError::new(code, format!("{WRONG_REGION}, not '{region}'.")) }),
    }
}

/// A part of `Credential=KEY/date/region/service/aws4_request`.
fn scope(authorization: &str, part: usize) -> Option<&str> {
    authorization.split("Credential=").nth(1)?.split([',', ' ']).next()?.split('/').nth(part)
}

fn json_answer(service: &str, answered: ApiResult, request_id: &str) -> Response<Body> {
    let kind =
        if matches!(service, "sqs" | "states") { "application/x-amz-json-1.0" } else { "application/x-amz-json-1.1" };
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
    body["__type"] = format!("com.amazonaws.sqs#{}", error.code).into();
    let mut response = reply(status, kind, body.to_string(), request_id);
    // SDKs of before the JSON protocol know SQS's errors by their old names.
    if let Ok(value) = format!("{};Sender", query::sqs::old_code(&error.code)).parse() {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

/// A call whose operation is its method and path.
fn rest_answer(
    local: &Local,
    service: &str,
    (method, uri): (&Method, &Uri),
    mut call: Call,
    body: &[u8],
    request_id: &str,
) -> Response<Body> {
    let bytes = if body.is_empty() { &b"{}"[..] } else { body };
    let answered = match serde_json::from_slice(bytes) {
        Ok(value) => {
            call.body = value;
            local.handle_rest(service, (method.as_str(), uri.path(), uri.query().unwrap_or_default()), &call)
        }
        Err(e) => Err(ApiError::new("SerializationException", format!("not JSON: {e}"))),
    };
    let error = match answered {
        Ok(value) => return reply(StatusCode::OK, "application/json", value.to_string(), request_id),
        Err(error) => error,
    };
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({"Message": error.message}).to_string();
    let mut response = reply(status, "application/json", body, request_id);
    if let Ok(code) = error.code.parse() {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

async fn query_answer(local: &Local, service: &str, call: Call, request_id: &str) -> Response<Body> {
    let operation = call.operation.clone();
    let checked = check_region(&call.region, "SignatureDoesNotMatch");
    let (namespace, answered) = match (service, operation.as_str()) {
        _ if checked.is_err() => (STS, checked.map(|()| Value::Null)),
        (_, "GetCallerIdentity") => {
            let arn = format!("arn:aws:iam::{}:user/local", call.account);
            (STS, Ok(json!({"Arn": arn, "UserId": "AIDATASKWATCHLOCAL", "Account": call.account})))
        }
        ("sqs", _) => (SQS, local.handle("sqs", call).await),
        ("sns", _) => (SNS, local.handle("sns", call).await),
        (other, _) => (SNS, Err(ApiError { code: "InvalidAction".to_owned(), ..not_here(other) })),
    };
    match answered {
        Ok(value) => {
            let value = if service == "sqs" { query::sqs::answer(&operation, value) } else { value };
            reply(StatusCode::OK, "text/xml", query::answer(&operation, namespace, &value, request_id), request_id)
        }
        Err(error) if error.drop_connection => broken(),
        Err(mut error) => {
            if service == "sqs" {
                error.code = query::sqs::old_code(&error.code);
            }
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
