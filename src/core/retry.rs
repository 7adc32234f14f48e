//! Amazon States Language `Retry`, with its exact meanings.
//!
//! Source of every rule here: the Amazon States Language specification, "Errors", and the Step Functions developer
//! guide, "Handling errors in Step Functions workflows".

mod defaults;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::failure;
use super::input::{kind, nearest};

/// ASL's `JitterStrategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Jitter {
    /// Wait exactly the delay.
    #[default]
    None,
    /// Wait a uniformly random part of the delay.
    Full,
}

/// One ASL retrier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Retrier {
    /// The error names it is for.
    pub error_equals: Vec<String>,
    /// Seconds before the first retry.
    pub interval_seconds: u64,
    /// Retries it allows; 0 means never.
    pub max_attempts: u32,
    /// What the wait is multiplied by after each retry.
    pub backoff_rate: f64,
    /// The longest wait in seconds.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub max_delay_seconds: Option<u64>,
    /// How waits are spread.
    pub jitter_strategy: Jitter,
}

/// A run's `Retry` array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryPolicy(pub Vec<Retrier>);

/// How often each retrier of a policy has been used by one run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RetryCounts(pub Vec<u32>);

/// A `Retry` array that ASL would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct RetryError(pub String);

/// ASL's own error names (specification, appendix A, and the developer guide); others may not begin with `States.`.
const RESERVED: [&str; 17] = [
    "States.ALL",
    "States.TaskFailed",
    "States.Timeout",
    "States.HeartbeatTimeout",
    "States.Permissions",
    "States.ResultPathMatchFailure",
    "States.ParameterPathFailure",
    "States.QueryEvaluationError",
    "States.BranchFailed",
    "States.NoChoiceMatched",
    "States.IntrinsicFailure",
    "States.ExceedToleratedFailureThreshold",
    "States.ItemReaderFailed",
    "States.ResultWriterFailed",
    "States.Http.Socket",
    "States.Runtime",
    "States.DataLimitExceeded",
];
const MEMBERS: [&str; 6] =
    ["ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy"];
const MAX_ATTEMPTS: u64 = 99_999_999;
/// `MaxDelaySeconds` must be less than this (developer guide: "greater than 0 and less than 31622400" in older text).
const MAX_DELAY: u64 = 31_622_401;
/// The longest wait there is: a year and a day, ASL's own bound for a delay.
const LONGEST: f64 = (MAX_DELAY - 1) as f64;

impl RetryPolicy {
    /// Reads a `Retry` array in PascalCase or camelCase. `path` names it in errors.
    pub fn from_value(value: &Value, path: &str) -> Result<Self, RetryError> {
        let Value::Array(items) = value else {
            return Err(RetryError(format!("{path}: expected an array of retriers, got {}", kind(value))));
        };
        let retriers: Vec<Retrier> = items
            .iter()
            .enumerate()
            .map(|(i, item)| retrier(item, &format!("{path}[{i}]")))
            .collect::<Result<_, _>>()?;
        for (i, retrier) in retriers.iter().enumerate() {
            if retrier.error_equals.iter().any(|n| n == "States.ALL") {
                if retrier.error_equals.len() > 1 {
                    return Err(RetryError(format!("{path}[{i}].ErrorEquals: States.ALL must stand alone")));
                }
                if i + 1 < retriers.len() {
                    return Err(RetryError(format!("{path}[{i}]: States.ALL must be in the last retrier")));
                }
            }
        }
        Ok(Self(retriers))
    }

    /// How long to wait before the next attempt after a failure with these names, or `None` when it is final.
    /// Counts the try. The first retrier that matches decides, also when its retries are used up.
    /// `roll` in 0..1 is used for `JitterStrategy` FULL.
    pub fn next_wait(&self, counts: &mut RetryCounts, names: &[String], roll: f64) -> Option<Duration> {
        let index = self.0.iter().position(|r| r.matches(names))?;
        let retrier = &self.0[index];
        if counts.0.len() < self.0.len() {
            counts.0.resize(self.0.len(), 0);
        }
        let used = counts.0.get_mut(index)?;
        if *used >= retrier.max_attempts {
            return None;
        }
        let wait = retrier.wait(*used, roll);
        *used += 1;
        Some(wait)
    }
}

impl Retrier {
    /// Whether this retrier is for a failure with these names.
    pub fn matches(&self, names: &[String]) -> bool {
        let timeout = || names.iter().any(|n| n == "States.Timeout" || n == "States.HeartbeatTimeout");
        self.error_equals.iter().any(|wanted| match wanted.as_str() {
            "States.ALL" => true,
            "States.TaskFailed" => !timeout(),
            wanted => names.iter().any(|n| n == wanted),
        })
    }

    fn wait(&self, used: u32, roll: f64) -> Duration {
        let exponent = i32::try_from(used).unwrap_or(i32::MAX);
        let delay = self.interval_seconds as f64 * self.backoff_rate.powi(exponent);
        let cap = self.max_delay_seconds.map_or(LONGEST, |s| s as f64);
        let delay = if delay.is_finite() { delay.min(cap) } else { cap };
        let share = match self.jitter_strategy {
            Jitter::None => 1.0,
            Jitter::Full => roll.clamp(0.0, 1.0),
        };
        Duration::from_millis((delay * share * 1000.0).round() as u64)
    }
}

fn retrier(value: &Value, path: &str) -> Result<Retrier, RetryError> {
    let Value::Object(given) = value else {
        return Err(RetryError(format!("{path}: expected a retrier (an object), got {}", kind(value))));
    };
    let members = pascal_members(given, path)?;
    let number = |name: &str, default: u64, least: u64, most: u64| match members.get(name) {
        None => Ok(default),
        Some(v) => whole(v).filter(|n| (least..=most).contains(n)).ok_or_else(|| {
            RetryError(format!("{path}.{name}: expected a whole number from {least} to {most}, got {v}"))
        }),
    };
    Ok(Retrier {
        error_equals: error_equals(members.get("ErrorEquals"), path)?,
        interval_seconds: number("IntervalSeconds", 1, 1, MAX_ATTEMPTS)?,
        max_attempts: u32::try_from(number("MaxAttempts", 3, 0, MAX_ATTEMPTS)?).unwrap_or(u32::MAX),
        backoff_rate: backoff_rate(members.get("BackoffRate"), path)?,
        max_delay_seconds: match members.get("MaxDelaySeconds") {
            None => None,
            Some(_) => Some(number("MaxDelaySeconds", 1, 1, MAX_DELAY - 1)?),
        },
        jitter_strategy: match members.get("JitterStrategy").map(|v| v.as_str()) {
            None | Some(Some("NONE")) => Jitter::None,
            Some(Some("FULL")) => Jitter::Full,
            Some(_) => {
                let got = &members["JitterStrategy"];
                return Err(RetryError(format!("{path}.JitterStrategy: expected FULL or NONE, got {got}")));
            }
        },
    })
}

/// ASL has JSON numbers: 10.0 is the whole number 10.
fn whole(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && (0.0..1e15).contains(f)).map(|f| f as u64))
}

fn backoff_rate(value: Option<&Value>, path: &str) -> Result<f64, RetryError> {
    match value {
        None => Ok(2.0),
        Some(v) => v
            .as_f64()
            .filter(|rate| *rate >= 1.0 && rate.is_finite())
            .ok_or_else(|| RetryError(format!("{path}.BackoffRate: expected a number of at least 1.0, got {v}"))),
    }
}

fn error_equals(value: Option<&Value>, path: &str) -> Result<Vec<String>, RetryError> {
    let wrong = || RetryError(format!("{path}.ErrorEquals: expected a non-empty array of error names"));
    let names: Vec<String> = value
        .and_then(Value::as_array)
        .filter(|names| !names.is_empty())
        .ok_or_else(wrong)?
        .iter()
        .map(|n| n.as_str().filter(|n| !n.is_empty()).map(str::to_owned).ok_or_else(wrong))
        .collect::<Result<_, _>>()?;
    // Other names are AWS's or the program's: any may come.
    for (prefix, whose, known) in [
        ("States.", "of the States Language", RESERVED.to_vec()),
        ("Taskwatch.", "of taskwatch", failure::own_names().collect()),
    ] {
        if let Some(unknown) = names.iter().find(|n| n.starts_with(prefix) && !known.contains(&n.as_str())) {
            return Err(RetryError(format!(
                "{path}.ErrorEquals: {unknown} is not an error name {whose}; did you mean {}?",
                nearest(unknown, &known)
            )));
        }
    }
    Ok(names)
}

/// The members under their PascalCase names; unknown ones and twins are errors.
fn pascal_members(given: &Map<String, Value>, path: &str) -> Result<Map<String, Value>, RetryError> {
    let mut members = Map::new();
    for (name, value) in given {
        let mut letters = name.chars();
        let pascal: String =
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect();
        if pascal == "Comment" {
            continue;
        }
        if !MEMBERS.contains(&pascal.as_str()) {
            let near = nearest(&pascal, &MEMBERS);
            return Err(RetryError(format!("{path}.{name}: unknown member; did you mean {near}?")));
        }
        if members.insert(pascal, value.clone()).is_some() {
            return Err(RetryError(format!("{path}.{name}: given twice")));
        }
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn policy(value: Value) -> RetryPolicy {
        RetryPolicy::from_value(&value, "Retry").unwrap()
    }

    fn waits(policy: &RetryPolicy, names: &[&str], roll: f64) -> Vec<f64> {
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        let mut counts = RetryCounts::default();
        let next = || policy.next_wait(&mut counts, &names, roll).map(|w| w.as_secs_f64());
        std::iter::from_fn(next).take(100).collect()
    }

    #[test]
    fn defaults_are_asls() {
        let policy = policy(json!([{"ErrorEquals": ["States.ALL"]}]));
        assert_eq!(waits(&policy, &["X"], 0.0), [1.0, 2.0, 4.0]);
    }

    #[test]
    fn camel_case_is_taken_too() {
        let policy =
            policy(json!([{"errorEquals": ["X"], "intervalSeconds": 10, "maxAttempts": 2, "backoffRate": 1.5}]));
        assert_eq!(waits(&policy, &["X"], 0.0), [10.0, 15.0]);
    }

    #[test]
    fn the_first_that_matches_decides_and_each_counts_its_own() {
        let policy = policy(json!([
            {"ErrorEquals": ["A"], "MaxAttempts": 1},
            {"ErrorEquals": ["A", "B"], "MaxAttempts": 2, "IntervalSeconds": 7, "BackoffRate": 1},
            {"ErrorEquals": ["States.ALL"], "MaxAttempts": 0},
        ]));
        let mut counts = RetryCounts::default();
        let mut next = |name: &str| policy.next_wait(&mut counts, &[name.to_owned()], 0.0).map(|w| w.as_secs());
        assert_eq!(next("A"), Some(1));
        assert_eq!(next("A"), None, "its budget is spent; later retriers are not asked");
        assert_eq!(next("B"), Some(7));
        assert_eq!(next("B"), Some(7));
        assert_eq!(next("B"), None);
        assert_eq!(next("C"), None);
    }

    #[test]
    fn task_failed_is_all_but_timeouts() {
        let policy = policy(json!([{"ErrorEquals": ["States.TaskFailed"]}]));
        assert_eq!(waits(&policy, &["CannotPullContainerError"], 0.0).len(), 3);
        assert_eq!(waits(&policy, &["Taskwatch.StartTimeout", "States.Timeout"], 0.0).len(), 0);
    }

    #[test]
    fn any_name_of_a_failure_can_match() {
        let policy = policy(json!([{"ErrorEquals": ["Taskwatch.Network"]}]));
        assert_eq!(waits(&policy, &["ResourceInitializationError", "Taskwatch.Network"], 0.0).len(), 3);
    }

    #[test]
    fn a_delay_is_capped_before_jitter() {
        let policy = policy(
            json!([{"ErrorEquals": ["X"], "IntervalSeconds": 10, "MaxAttempts": 4, "MaxDelaySeconds": 30, "JitterStrategy": "FULL"}]),
        );
        assert_eq!(waits(&policy, &["X"], 0.5), [5.0, 10.0, 15.0, 15.0]);
        assert_eq!(waits(&policy, &["X"], 0.0), [0.0; 4]);
    }

    #[test]
    fn what_asl_would_not_take_is_refused_with_the_place() {
        for (value, part) in [
            (json!({}), "Retry: expected an array"),
            (json!([7]), "Retry[0]: expected a retrier"),
            (json!([{"ErrorEquals": []}]), "Retry[0].ErrorEquals"),
            (json!([{"ErrorEquals": [1]}]), "Retry[0].ErrorEquals"),
            (json!([{}]), "Retry[0].ErrorEquals"),
            (json!([{"ErrorEquals": ["States.All"]}]), "did you mean States.ALL"),
            (json!([{"ErrorEquals": ["X", "Taskwatch.Transcient"]}]), "did you mean Taskwatch.Transient"),
            (json!([{"ErrorEquals": ["Taskwatch.TaskLost", "Taskwatch.capacity"]}]), "did you mean Taskwatch.Capacity"),
            (json!([{"ErrorEquals": ["States.ALL", "X"]}]), "must stand alone"),
            (json!([{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["X"]}]), "last retrier"),
            (json!([{"ErrorEquals": ["X"], "MaxAttempt": 1}]), "did you mean MaxAttempts"),
            (json!([{"ErrorEquals": ["X"], "MaxAttempts": -1}]), "whole number"),
            (json!([{"ErrorEquals": ["X"], "MaxAttempts": 100_000_000}]), "99999999"),
            (json!([{"ErrorEquals": ["X"], "BackoffRate": 0.5}]), "at least 1.0"),
            (json!([{"ErrorEquals": ["X"], "IntervalSeconds": 0}]), "from 1"),
            (json!([{"ErrorEquals": ["X"], "IntervalSeconds": "1"}]), "whole number"),
            (json!([{"ErrorEquals": ["X"], "MaxDelaySeconds": 0}]), "from 1"),
            (json!([{"ErrorEquals": ["X"], "JitterStrategy": "SOME"}]), "FULL or NONE"),
            (json!([{"ErrorEquals": ["X"], "maxAttempts": 1, "MaxAttempts": 2}]), "given twice"),
        ] {
            let error = RetryPolicy::from_value(&value, "Retry").unwrap_err().to_string();
            assert!(error.contains(part), "{value}: {error}");
        }
    }

    #[test]
    fn the_longest_delay_is_a_year_and_a_day() {
        let asked = |seconds: u64| {
            RetryPolicy::from_value(&json!([{"ErrorEquals": ["X"], "MaxDelaySeconds": seconds}]), "Retry")
        };
        assert_eq!(asked(31_622_400).unwrap().0[0].max_delay_seconds, Some(31_622_400));
        assert!(asked(31_622_401).unwrap_err().to_string().contains("from 1 to 31622400"));
    }

    proptest! {
        #[test]
        fn never_more_retries_than_the_budget_and_never_a_shorter_wait(
            interval in 1..1_000_000_u64, max in 0..2_000_u32, rate in 1.0..1e6_f64, cap in proptest::option::of(1..MAX_DELAY),
            roll in 0.0..1.0_f64,
        ) {
            let waits = |jitter_strategy| {
                let retrier = Retrier {
                    error_equals: vec!["States.ALL".into()],
                    interval_seconds: interval,
                    max_attempts: max,
                    backoff_rate: rate,
                    max_delay_seconds: cap,
                    jitter_strategy,
                };
                let (policy, mut counts) = (RetryPolicy(vec![retrier]), RetryCounts::default());
                std::iter::from_fn(|| policy.next_wait(&mut counts, &[], roll)).collect::<Vec<_>>()
            };
            let shaken = waits(Jitter::Full);
            let waits = waits(Jitter::None);
            prop_assert_eq!((waits.len(), shaken.len()), (max as usize, max as usize));
            // FULL: any share of the delay, and so of the capped one, by the roll.
            let share = |(delay, wait): (&Duration, &Duration)| wait.as_secs_f64() - delay.as_secs_f64() * roll;
            prop_assert!(waits.iter().zip(&shaken).map(share).all(|off| off.abs() <= 0.002), "{roll}: {shaken:?}");
            prop_assert!(waits.windows(2).all(|w| w[0] <= w[1]));
            prop_assert!(waits.iter().all(|w| *w <= Duration::from_secs(cap.unwrap_or(MAX_DELAY))));
        }
    }
}
