//! Those who wait by a token: Step Functions' tasks, and callbacks of Lambda durable functions. There are no state machines
//! and no functions here: every token is one by which somebody waits, until it is answered.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::wire::{self, ApiError, ApiResult, Call, JsonService};

const OPERATIONS: [&str; 3] = ["SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess"];
/// Length constraints of the API references.
const MOST_TOKEN: usize = 2048;
const MOST_OUTPUT: usize = 262_144;
const MOST_ERROR: usize = 256;
const MOST_CAUSE: usize = 32_768;
const MOST_CALLBACK_ID: usize = 1024;
const MOST_RESULT: usize = 1024 * 1024;
/// Of more than so many tokens the first ones are forgotten.
const MOST_TOKENS: usize = 10_000;
const DURABLE: &str = "/2025-12-01/durable-execution-callbacks/";

/// What came for one token.
#[derive(Clone, Debug, Default)]
struct Token {
    heartbeats: u64,
    /// Its answer; after that it is closed.
    answer: Option<Value>,
}

/// Every token that was used, by service.
#[derive(Debug, Default)]
pub(super) struct Callbacks {
    tokens: Mutex<BTreeMap<(&'static str, String), Token>>,
}

impl JsonService for Callbacks {
    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        async move { self.of_step_functions(&call) }.boxed()
    }

    fn inspection(&self) -> Value {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = |((service, token), came): (&(&str, String), &Token)| {
            let mut shown = came.answer.clone().unwrap_or_else(|| json!({"status": "WAITING"}));
            shown["service"] = (*service).into();
            shown["token"] = token.as_str().into();
            shown["heartbeats"] = came.heartbeats.into();
            shown
        };
        tokens.iter().map(shown).collect()
    }
}

impl Callbacks {
    fn of_step_functions(&self, call: &Call) -> ApiResult {
        let text = |name: &str| call.body.get(name).and_then(Value::as_str);
        let within = |name: &str, most: usize| match text(name).filter(|text| text.chars().count() > most) {
            Some(_) => Err(invalid(&format!(
                "Value at '{name}' failed to satisfy constraint: Member must have length less than or equal to {most}"
            ))),
            None => Ok(()),
        };
        let token = text("taskToken").unwrap_or_default();
        if token.is_empty() {
            return Err(invalid("Value at 'taskToken' failed to satisfy constraint: Member must not be null"));
        }
        within("taskToken", MOST_TOKEN)?;
        let answer = match call.operation.as_str() {
            "SendTaskSuccess" => {
                within("output", MOST_OUTPUT)?;
                let output = text("output").unwrap_or_default();
                let read = serde_json::from_str::<Value>(output);
                let output =
                    read.map_err(|_| ApiError::new("InvalidOutput", "Invalid Output: 'The output is not JSON'"))?;
                Some(json!({"status": "SUCCEEDED", "output": output}))
            }
            "SendTaskFailure" => {
                within("error", MOST_ERROR)?;
                within("cause", MOST_CAUSE)?;
                Some(json!({"status": "FAILED", "error": text("error"), "cause": text("cause")}))
            }
            "SendTaskHeartbeat" => None,
            other => return Err(wire::unknown("Step Functions", other, &OPERATIONS)),
        };
        let closed = ApiError::new("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'");
        self.take("states", token, answer).ok_or(closed).map(|()| json!({}))
    }

    /// Answers a call to Lambda by its path, if it is of a durable function's callback.
    pub(super) fn of_lambda(&self, path: &str, body: &[u8]) -> Option<(String, ApiResult)> {
        let (id, way) = path.strip_prefix(DURABLE)?.rsplit_once('/')?;
        let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy().into_owned();
        let operation = match way {
            "succeed" => "SendDurableExecutionCallbackSuccess",
            "fail" => "SendDurableExecutionCallbackFailure",
            "heartbeat" => "SendDurableExecutionCallbackHeartbeat",
            _ => return None,
        };
        Some((format!("lambda.{operation}"), self.of_callback(&id, way, body)))
    }

    fn of_callback(&self, id: &str, way: &str, body: &[u8]) -> ApiResult {
        let refused = |why: &str| Err(ApiError::new("InvalidParameterValueException", why));
        let is_base64 = |c: char| c.is_ascii_alphanumeric() || "+/=".contains(c);
        if id.is_empty() || id.len() > MOST_CALLBACK_ID || !id.chars().all(is_base64) {
            return refused("CallbackId: 1 to 1024 characters of base64");
        }
        if body.len() > MOST_RESULT {
            return refused("the payload has more than 1 MiB");
        }
        let payload: Value = serde_json::from_slice(body).unwrap_or_default();
        let answer = match way {
            "succeed" => Some(json!({"status": "SUCCEEDED", "output": payload})),
            "fail" => {
                Some(json!({"status": "FAILED", "error": payload["ErrorType"], "cause": payload["ErrorMessage"]}))
            }
            _ => None,
        };
        let closed = ApiError::new("CallbackTimeoutException", "The callback has expired or was already closed");
        self.take("lambda", id, answer).ok_or(closed).map(|()| json!({}))
    }

    /// Notes an answer, or without one a heartbeat. `None`: the token is closed.
    fn take(&self, service: &'static str, token: &str, answer: Option<Value>) -> Option<()> {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let came = tokens.entry((service, token.to_owned())).or_default();
        if came.answer.is_some() {
            return None;
        }
        came.heartbeats += u64::from(answer.is_none());
        came.answer = answer;
        if tokens.len() > MOST_TOKENS {
            tokens.pop_first();
        }
        Some(())
    }
}

fn invalid(why: &str) -> ApiError {
    ApiError::new("ValidationException", format!("1 validation error detected: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(operation: &str, body: Value) -> Call {
        let (region, account, origin) = ("us-east-1".into(), "1".into(), String::new());
        Call { region, account, operation: operation.into(), body, origin }
    }

    #[test]
    fn a_token_is_answered_once() {
        let callbacks = Callbacks::default();
        let send =
            |operation: &str, body: Value| callbacks.of_step_functions(&call(operation, body)).map_err(|e| e.code);
        assert!(send("SendTaskHeartbeat", json!({"taskToken": "t"})).is_ok());
        assert_eq!(send("SendTaskSuccess", json!({"taskToken": "t", "output": "{"})), Err("InvalidOutput".into()));
        assert!(send("SendTaskSuccess", json!({"taskToken": "t", "output": "{\"a\": 1}"})).is_ok());
        for operation in OPERATIONS {
            let again = send(operation, json!({"taskToken": "t", "output": "{}"}));
            assert_eq!(again, Err("TaskTimedOut".into()), "{operation}");
        }
        let long = "x".repeat(MOST_ERROR + 1);
        for body in
            [json!({}), json!({"taskToken": "u", "error": long}), json!({"taskToken": "x".repeat(MOST_TOKEN + 1)})]
        {
            assert_eq!(send("SendTaskFailure", body), Err("ValidationException".into()));
        }
        assert_eq!(
            callbacks.inspection(),
            json!([{"service": "states", "token": "t", "heartbeats": 1, "status": "SUCCEEDED", "output": {"a": 1}}])
        );
    }

    #[test]
    fn a_callbacks_id_may_have_slashes() {
        let callbacks = Callbacks::default();
        let at = |way: &str| format!("{DURABLE}a%2Fb%2B%3D/{way}");
        let (name, answered) = callbacks.of_lambda(&at("fail"), br#"{"ErrorType": "E", "ErrorMessage": "m"}"#).unwrap();
        assert!(name.ends_with("CallbackFailure") && answered.is_ok());
        let (_, again) = callbacks.of_lambda(&at("heartbeat"), b"").unwrap();
        assert_eq!(again.map_err(|e| e.code), Err("CallbackTimeoutException".into()));
        assert_eq!(callbacks.inspection()[0]["token"], "a/b+=");
        assert!(callbacks.of_lambda("/2015-03-31/functions/f/invocations", b"").is_none());
    }
}
