//! Who waits for a run by a token: a Step Functions task, or a callback of a Lambda durable function.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::given::{members, seconds};
use super::{Notify, RequestError};
use crate::core::input::kind;

/// SendTaskSuccess: "taskToken … Length Constraints: Minimum length of 1. Maximum length of 2048" (API reference).
const MOST_TOKEN: usize = 2048;
/// SendDurableExecutionCallbackSuccess: `CallbackId` has 1 to 1,024 characters of base64 (Lambda's service model).
const MOST_CALLBACK_ID: usize = 1024;
/// Beats in the time that the one who waits gives: two may be lost.
const BEATS: u32 = 3;
/// Whether somebody still waits is asked so often where `stopOnTaskTimeout` is set and no `heartbeatSeconds`.
const ASKS: Duration = Duration::from_secs(60);

/// A text that nobody is shown: whoever has it may answer in the run's place.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Its text, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// `notify.durableCallback`: a callback of a Lambda durable function.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DurableCallback {
    /// What the function's `createCallback` gave.
    pub callback_id: Secret,
}

/// The services that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiter {
    /// Step Functions, for a task.
    StepFunctions,
    /// Lambda, for a callback of a durable function.
    DurableFunctions,
}

/// Who waits, by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback<'n> {
    /// The service that takes the answer.
    pub waiter: Waiter,
    /// Its token.
    pub token: &'n Secret,
}

impl Notify {
    /// Who waits for the run's end, if anybody does.
    pub fn callback(&self) -> Option<Callback<'_>> {
        self.callbacks().next()
    }

    /// All who wait: of a request that is wrong there may be two.
    pub fn callbacks(&self) -> impl Iterator<Item = Callback<'_>> {
        let of_task = self.task_token.iter().map(|token| Callback { waiter: Waiter::StepFunctions, token });
        let of_function = self.durable_callback.iter();
        of_task.chain(
            of_function.map(|callback| Callback { waiter: Waiter::DurableFunctions, token: &callback.callback_id }),
        )
    }

    /// Whether the run's end is told with what ECS said of its task.
    pub fn wants_the_task(&self) -> bool {
        self.callback().is_some() || self.after_task.is_some()
    }

    /// How often the one who waits is told that the run lives, or asked whether it still waits.
    pub fn beats_every(&self) -> Option<Duration> {
        self.callback()?;
        match self.heartbeat_seconds {
            Some(seconds) => Some(Duration::from_secs(seconds) / BEATS),
            None => self.stop_on_task_timeout.then_some(ASKS),
        }
    }

    /// The same with its tokens masked.
    #[must_use]
    pub fn masked(&self) -> Self {
        let mask = || Secret::from("***");
        Self {
            task_token: self.task_token.as_ref().map(|_| mask()),
            durable_callback: self.durable_callback.as_ref().map(|_| DurableCallback { callback_id: mask() }),
            ..self.clone()
        }
    }
}

/// Reads the members of `notify` that are about callbacks.
pub(super) fn read<'v>(notify: &mut Notify, get: impl Fn(&str) -> Option<&'v Value>) -> Result<(), RequestError> {
    notify.task_token = get("taskToken").map(|value| secret(value, "notify.taskToken", MOST_TOKEN)).transpose()?;
    notify.durable_callback = get("durableCallback").map(durable_callback).transpose()?;
    notify.heartbeat_seconds =
        get("heartbeatSeconds").map(|value| seconds(value, "notify.heartbeatSeconds")).transpose()?;
    if let Some(value) = get("stopOnTaskTimeout") {
        let stop = value.as_bool();
        notify.stop_on_task_timeout = stop.ok_or_else(|| {
            RequestError::new(format!("notify.stopOnTaskTimeout: expected true or false, got {}", kind(value)))
        })?;
    }
    if notify.task_token.is_some() && notify.durable_callback.is_some() {
        return Err(RequestError::new(
            "notify: has both taskToken and durableCallback, and a run answers one of them: leave one out",
        ));
    }
    if notify.callback().is_none() {
        let alone = [
            ("heartbeatSeconds", notify.heartbeat_seconds.is_some()),
            ("stopOnTaskTimeout", notify.stop_on_task_timeout),
        ];
        if let Some((name, _)) = alone.into_iter().find(|(_, given)| *given) {
            return Err(RequestError::new(format!("notify.{name}: needs taskToken or durableCallback beside it")));
        }
    }
    Ok(())
}

/// A token answers once, so it is of one run.
pub(super) fn check(notify: &Notify, count: Option<u32>) -> Result<(), RequestError> {
    let Some(count) = count.filter(|count| *count > 1 && notify.callback().is_some()) else { return Ok(()) };
    let name = if notify.task_token.is_some() { "taskToken" } else { "durableCallback" };
    Err(RequestError::new(format!(
        "notify.{name}: is answered once, and count {count} makes {count} runs with an end each: send a request with a token of its own \
         for each run (in Step Functions a Map state does), or leave count out"
    )))
}

fn durable_callback(value: &Value) -> Result<DurableCallback, RequestError> {
    let path = "notify.durableCallback";
    let Value::Object(given) = value else {
        return Err(RequestError::new(format!("{path}: expected {{\"callbackId\": …}}, got {}", kind(value))));
    };
    let members = members(given, &["callbackId"], &format!("{path}."))?;
    let id = members.get("callbackId").copied().filter(|id| !id.is_null());
    let id = id.ok_or_else(|| RequestError::new(format!("{path}.callbackId: is required")))?;
    Ok(DurableCallback { callback_id: secret(id, &format!("{path}.callbackId"), MOST_CALLBACK_ID)? })
}

/// A token, of which no error shows anything.
fn secret(value: &Value, path: &str, most: usize) -> Result<Secret, RequestError> {
    let Some(text) = value.as_str() else {
        return Err(RequestError::new(format!("{path}: expected a string, got {}", kind(value))));
    };
    match text.chars().count() {
        0 => Err(RequestError::new(format!("{path}: is empty"))),
        length if length > most => {
            Err(RequestError::new(format!("{path}: has {length} characters; AWS's tokens have {most} at most")))
        }
        _ if text.chars().any(|c| c.is_control() || c.is_whitespace()) => {
            Err(RequestError::new(format!("{path}: has blanks or line breaks, which no token has")))
        }
        _ if text == "***" => Err(RequestError::new(format!(
            "{path}: is the mask of a token, not the token: take the request that was not printed by taskwatch"
        ))),
        _ => Ok(Secret::from(text)),
    }
}

/// Who waits for a request that cannot be taken, as far as it can be told: the request may be wrong anywhere else.
pub fn waiting(document: &Value) -> Option<Notify> {
    let own = |of: &Map<String, Value>, name: &str| {
        let find = |(known, _): &(&String, &Value)| known.eq_ignore_ascii_case(name);
        of.iter().find(find).map(|(_, value)| value.clone())
    };
    let Value::Object(given) = own(document.as_object()?, "notify")? else { return None };
    let (token, callback) = (own(&given, "taskToken"), own(&given, "durableCallback"));
    // Of two, each is answered: one is wrong as well.
    let notify = Notify {
        task_token: token.and_then(|token| secret(&token, "", MOST_TOKEN).ok()),
        durable_callback: callback.and_then(|callback| durable_callback(&callback).ok()),
        ..Notify::default()
    };
    notify.callback().is_some().then_some(notify)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::request::RunRequest;

    fn read(notify: Value) -> Result<RunRequest, RequestError> {
        RunRequest::from_value(json!({"runTask": {"taskDefinition": "x"}, "notify": notify}))
    }

    #[test]
    fn a_token_is_kept_and_never_shown() {
        for (notify, waiter) in [
            (json!({"taskToken": "s3cret", "heartbeatSeconds": 60, "stopOnTaskTimeout": true}), Waiter::StepFunctions),
            (json!({"TaskToken": "s3cret"}), Waiter::StepFunctions),
            (json!({"durableCallback": {"callbackId": "s3cret"}}), Waiter::DurableFunctions),
            (json!({"durableCallback": {"CallbackId": "s3cret"}}), Waiter::DurableFunctions),
        ] {
            let request = read(notify).unwrap();
            let callback = request.spec.notify.callback().unwrap();
            assert_eq!((callback.waiter, callback.token.expose()), (waiter, "s3cret"));
            assert_eq!(
                RunRequest::from_value(request.to_value()).unwrap(),
                request,
                "its native form is the same request"
            );
            for shown in [format!("{request:?}"), request.masked().to_string()] {
                assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
            }
            assert!(RunRequest::from_value(request.masked()).unwrap_err().message.contains("is the mask of a token"));
        }
    }

    #[test]
    fn what_is_no_token_is_refused_without_showing_it() {
        for (notify, why) in [
            (json!({"taskToken": 8_211_503_447_i64}), "notify.taskToken: expected a string, got a number"),
            (
                json!({"taskToken": "x".repeat(2049)}),
                "notify.taskToken: has 2049 characters; AWS's tokens have 2048 at most",
            ),
            (json!({"taskToken": ""}), "notify.taskToken: is empty"),
            (json!({"taskToken": "s3cret\n"}), "notify.taskToken: has blanks or line breaks"),
            (json!({"taskToken": {"s3cret": 1}}), "notify.taskToken: expected a string, got an object"),
            (
                json!({"taskToken": "s3cret", "durableCallback": {"callbackId": "s3cret"}}),
                "has both taskToken and durableCallback",
            ),
            (
                json!({"durableCallback": "s3cret"}),
                "notify.durableCallback: expected {\"callbackId\": …}, got a string",
            ),
            (json!({"durableCallback": {}}), "notify.durableCallback.callbackId: is required"),
            (json!({"durableCallback": {"callbackID": "s3cret"}}), "did you mean callbackId?"),
            (json!({"durableCallback": {"callbackId": "x".repeat(1025)}}), "has 1025 characters"),
            (json!({"taskTocken": "s3cret"}), "notify.taskTocken: unknown member; did you mean taskToken?"),
            (json!({"heartbeatSeconds": 60}), "notify.heartbeatSeconds: needs taskToken or durableCallback"),
            (json!({"stopOnTaskTimeout": true}), "notify.stopOnTaskTimeout: needs taskToken or durableCallback"),
            (
                json!({"taskToken": "s3cret", "heartbeatSeconds": 0}),
                "notify.heartbeatSeconds: expected a whole number of seconds",
            ),
            (
                json!({"taskToken": "s3cret", "stopOnTaskTimeout": "yes"}),
                "notify.stopOnTaskTimeout: expected true or false",
            ),
        ] {
            let error = read(notify.clone()).unwrap_err().message;
            assert!(error.contains(why), "{notify}: {error}");
            assert!(!error.contains("s3cret") && !error.contains("8211503447") && !error.contains("xxx"), "{error}");
        }
        let many = json!({"runTask": {"taskDefinition": "x", "count": 2}, "notify": {"taskToken": "t"}});
        assert!(RunRequest::from_value(many).unwrap_err().message.contains("count 2 makes 2 runs"));
        let one = json!({"runTask": {"taskDefinition": "x", "count": 1}, "notify": {"taskToken": "t"}});
        assert!(RunRequest::from_value(one).is_ok());
    }

    #[test]
    fn a_heartbeat_comes_three_times_in_the_time_that_is_given() {
        for (notify, every) in [
            (json!({"taskToken": "t", "heartbeatSeconds": 600}), Some(200_000)),
            (json!({"taskToken": "t", "heartbeatSeconds": 1}), Some(333)),
            (json!({"taskToken": "t", "stopOnTaskTimeout": true}), Some(60_000)),
            (json!({"taskToken": "t"}), None),
        ] {
            let given = read(notify).unwrap().spec.notify.beats_every().map(|wait| wait.as_millis() as u64);
            assert_eq!(given, every);
        }
    }

    #[test]
    fn who_waits_for_a_wrong_request_is_found() {
        for (document, found) in [
            (json!({"runTask": 7, "notify": {"taskToken": "t", "on": 7}}), true),
            (json!({"Notify": {"TaskToken": "t"}}), true),
            (json!({"notify": {"durableCallback": {"callbackId": "t"}}}), true),
            (json!({"notify": {"taskToken": 7}}), false),
            (json!({"notify": 7}), false),
            (json!([]), false),
        ] {
            assert_eq!(waiting(&document).is_some(), found, "{document}");
        }
    }
}
