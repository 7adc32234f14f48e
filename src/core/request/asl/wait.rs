//! Wait states before the task: the run starts later.

use std::time::Duration;

use serde_json::{Map, Value};

use super::RequestError;
use super::evaluation::InState;
use super::members::{Language, wrong};
use crate::core::time::Timestamp;

pub(super) const MEMBERS: [&str; 13] = [
    "Type",
    "Comment",
    "Seconds",
    "Timestamp",
    "SecondsPath",
    "TimestampPath",
    "InputPath",
    "OutputPath",
    "Assign",
    "Output",
    "Next",
    "End",
    "QueryLanguage",
];
/// The Amazon States Language's own bound.
const MOST_SECONDS: f64 = 99_999_999.0;

/// When a Wait that begins at `from` is over: then, if its instant is past.
pub(super) fn until(
    state: &Map<String, Value>,
    evaluator: &InState<'_>,
    input: &Value,
    from: Timestamp,
) -> Result<Timestamp, RequestError> {
    let forms = ["Seconds", "Timestamp", "SecondsPath", "TimestampPath"];
    let mut given = forms.iter().filter_map(|form| Some((*form, state.get(*form)?)));
    let (Some((form, value)), None) = (given.next(), given.next()) else {
        return Err(RequestError::new(format!("{}: needs one of {}", evaluator.path, forms.join(", "))));
    };
    let here = format!("{}.{form}", evaluator.path);
    let value = match (form.ends_with("Path"), evaluator.language) {
        (true, Language::JsonPath) => evaluator.expression(form, value, input)?,
        (true, Language::Jsonata) => {
            return Err(RequestError::new(format!("{here}: is of JSONPath, and the state is of JSONata")));
        }
        (false, _) => evaluator.template(form, value, input)?,
    };
    if form.starts_with("Timestamp") {
        let instant = value.as_str().and_then(Timestamp::parse);
        let instant = instant.ok_or_else(|| wrong(&here, "an instant such as 2026-11-22T03:00:00Z", Some(&value)))?;
        return Ok(from.max(instant));
    }
    evaluator.differs();
    let seconds = value.as_f64().filter(|seconds| seconds.fract() == 0.0 && (0.0..=MOST_SECONDS).contains(seconds));
    let seconds = seconds.ok_or_else(|| wrong(&here, "a whole number of seconds from 0 to 99999999", Some(&value)))?;
    Ok(from.plus(Duration::from_secs_f64(seconds)))
}
