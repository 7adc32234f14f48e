//! Answers to those who wait by a token: Step Functions' tasks, and callbacks of Lambda durable functions.

use aws_config::SdkConfig;
use aws_sdk_ecs::error::{ProvideErrorMetadata as _, SdkError};
use futures::future::join_all;
use serde_json::{Value, json};

use super::destinations::{later, never};
use super::errors;
use super::json::services::{LAMBDA, STEP_FUNCTIONS};
use super::json::{Call, CallFailure, JsonClient, Retries};
use crate::cell::ports::CallError;
use crate::core::notification::callback::{self, Answer};
use crate::core::notification::{Destination, Notification};

/// The services that take answers. The cell waits and tries again by itself.
#[derive(Clone, Debug)]
pub(super) struct Callbacks {
    states: JsonClient,
    lambda: JsonClient,
}

impl Callbacks {
    pub(super) fn new(config: &SdkConfig) -> Self {
        let client = |service| JsonClient::new(config, service, Retries::Never);
        Self { states: client(STEP_FUNCTIONS), lambda: client(LAMBDA) }
    }

    /// Gives each its answer, all at once; what becomes of one is nothing to the others.
    pub(super) async fn publish(&self, answers: &[Notification]) -> Vec<Result<(), CallError>> {
        join_all(answers.iter().map(|answer| self.answer(answer))).await
    }

    async fn answer(&self, notification: &Notification) -> Result<(), CallError> {
        let call = callback::call(notification).ok_or_else(|| never("InvalidAnswer", "it has no token"))?;
        let sent = match notification.destination {
            Destination::DurableFunctions => self.to_lambda(call).await,
            _ => self.to_step_functions(call).await,
        };
        sent.map(drop).map_err(|error| meaning(&error))
    }

    async fn to_step_functions(&self, call: callback::Call<'_>) -> Result<Value, CallFailure> {
        let mut body = json!({"taskToken": call.token});
        match call.answer {
            Answer::Success => body["output"] = call.payload.into(),
            Answer::Failure => {
                let reason: Value = serde_json::from_str(call.payload).unwrap_or_default();
                body["error"] = reason["error"].clone();
                body["cause"] = reason["cause"].clone();
            }
            Answer::Heartbeat => {}
        }
        self.states.target(&format!("SendTask{}", call.answer.as_str()), &body).await
    }

    async fn to_lambda(&self, call: callback::Call<'_>) -> Result<Value, CallFailure> {
        let payload: Value = serde_json::from_str(call.payload).unwrap_or_default();
        let (way, body) = match call.answer {
            Answer::Success => ("succeed", payload),
            Answer::Failure => ("fail", json!({"ErrorType": payload["error"], "ErrorMessage": payload["cause"]})),
            Answer::Heartbeat => ("heartbeat", Value::Null),
        };
        // An id is base64: a slash in it is no part of the path.
        let id: String = form_urlencoded::byte_serialize(call.token.as_bytes()).collect();
        let path = format!("/2025-12-01/durable-execution-callbacks/{id}/{way}");
        let operation = format!("SendDurableExecutionCallback{}", call.answer.as_str());
        self.lambda.call(&Call { operation: &operation, method: "POST", path: &path, body: &body }).await
    }
}

/// What an error means for this answer. Rights and keys are of one state machine or function, so whatever the service refuses
/// keeps none of the others waiting.
fn meaning(error: &CallFailure) -> CallError {
    let SdkError::ServiceError(service) = error else { return errors::read(error) };
    let (code, message) = (service.err().code().unwrap_or_default(), service.err().message().unwrap_or_default());
    if callback::is_closed(code) {
        return never(code, message);
    }
    let throttled =
        code.contains("Throttl") || code == "TooManyRequestsException" || service.raw().status().as_u16() == 429;
    match errors::read(error) {
        _ if throttled => CallError::Throttled(format!("{code}: {message}")),
        _ if service.raw().status().is_server_error() => later(code, message),
        unreached @ CallError::Unreached(_) => unreached,
        _ => never(code, message),
    }
}
