//! `[[observe.policy]]` of `taskwatch.toml`.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::policy::{Action, Policy, RetryRules};
use crate::core::input::nearest;
use crate::core::launcher::LauncherKind;
use crate::core::retry::{Retrier, RetryPolicy};

const ACTIONS: [&str; 3] = ["notify", "retry", "ignore"];
/// A policy's name is in logs and messages.
const LONGEST_NAME: usize = 64;
const WITHIN: Duration = Duration::from_secs(1800);
const SETTLE: Duration = Duration::from_secs(60);
/// ECS forgets a stopped task after about an hour: whether it ran is not known any more then.
const LONGEST_WITHIN: Duration = Duration::from_secs(50 * 60);
/// As of `notify.logLines`.
const MOST_LINES: u32 = 50;
const LONGEST_SETTLE: Duration = Duration::from_secs(600);

/// One text, or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts")]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Several.
    More(Vec<String>),
}

impl OneOrMore {
    fn all(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// A policy as it is written.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicySettings {
    name: Option<String>,
    #[serde(rename = "match")]
    matching: Matching,
    when: Option<OneOrMore>,
    action: Option<String>,
    retry: Option<Value>,
    within: Option<String>,
    settle: Option<String>,
    newer: Option<String>,
    log_lines: Option<u32>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Matching {
    launcher: Option<OneOrMore>,
    name: Option<OneOrMore>,
    family: Option<OneOrMore>,
    cluster: Option<OneOrMore>,
    ran: Option<bool>,
}

impl PolicySettings {
    /// The policy that is `number`-th in its file, from 1. `duration` reads texts such as `30m`.
    ///
    /// # Errors
    /// A line that names what is wrong, its value and what is allowed.
    pub fn policy(self, number: usize, duration: impl Fn(&str) -> Option<Duration>) -> Result<Policy, String> {
        let place = match &self.name {
            Some(name) => format!("observe.policy {number} ({name:?})"),
            None => format!("observe.policy {number}"),
        };
        self.read(number, duration).map_err(|what| format!("{place}: {what}"))
    }

    fn read(self, number: usize, duration: impl Fn(&str) -> Option<Duration>) -> Result<Policy, String> {
        let name = self.name.unwrap_or_else(|| format!("policy {number}"));
        if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(format!("name: expected 1 to {LONGEST_NAME} visible characters"));
        }
        let kinds = texts("match.launcher", self.matching.launcher)?;
        let launchers = kinds.iter().map(|kind| launcher(kind)).collect::<Result<Vec<_>, _>>()?;
        let when = match self.when {
            None => None,
            Some(when) => Some(names(&texts("when", Some(when))?)?),
        };
        let action = self.action.as_deref().unwrap_or("notify");
        let of_retry = [
            ("retry", self.retry.is_some()),
            ("within", self.within.is_some()),
            ("settle", self.settle.is_some()),
            ("newer", self.newer.is_some()),
        ];
        if let Some((key, _)) = of_retry.into_iter().find(|(_, given)| *given && action != "retry") {
            return Err(format!("{key} is for action = \"retry\", and the action is {action:?}"));
        }
        let log_lines = match self.log_lines {
            Some(_) if action == "ignore" => {
                return Err("log_lines is for what is told, and the action is \"ignore\"".to_owned());
            }
            Some(lines @ 1..=MOST_LINES) => Some(lines),
            Some(lines) => return Err(format!("log_lines is {lines}: expected 1 to {MOST_LINES}")),
            None => None,
        };
        let time = |key: &str, given: Option<String>, usual: Duration, most: Duration| match given {
            None => Ok(usual),
            Some(text) => {
                duration(&text).filter(|time| (Duration::from_secs(1)..=most).contains(time)).ok_or_else(|| {
                    format!("{key} is {text:?}: expected a duration from 1s to {}m, such as 90s", most.as_secs() / 60)
                })
            }
        };
        let action = match action {
            "notify" => Action::Notify,
            "ignore" => Action::Ignore,
            "retry" => Action::Retry(Box::new(RetryRules {
                retry: self.retry.map(|retry| retriers(retry, when.as_ref())).transpose()?,
                within: time("within", self.within, WITHIN, LONGEST_WITHIN)?,
                settle: time("settle", self.settle, SETTLE, LONGEST_SETTLE)?,
                skip_when_newer: newer(self.newer.as_deref())?,
            })),
            other => return Err(format!("action is {other:?}: expected {}", ACTIONS.join(", "))),
        };
        Ok(Policy {
            name,
            launchers,
            names: texts("match.name", self.matching.name)?,
            families: texts("match.family", self.matching.family)?,
            clusters: texts("match.cluster", self.matching.cluster)?,
            ran: self.matching.ran,
            when,
            action,
            log_lines,
        })
    }
}

fn texts(key: &str, given: Option<OneOrMore>) -> Result<Vec<String>, String> {
    let Some(given) = given else { return Ok(Vec::new()) };
    let texts = given.all();
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(format!("{key} is empty: leave it out for all"));
    }
    Ok(texts)
}

fn launcher(text: &str) -> Result<LauncherKind, String> {
    let known = LauncherKind::ALL.map(LauncherKind::as_str);
    LauncherKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let near = nearest(text, &known);
        format!("match.launcher is {text:?}: expected {}; did you mean {near}?", known.join(", "))
    })
}

/// Names as `ErrorEquals` takes them.
fn names(names: &[String]) -> Result<Retrier, String> {
    let policy = RetryPolicy::from_value(&json!([{ "ErrorEquals": names }]), "when");
    let policy = policy.map_err(|e| e.0.replace("when[0].ErrorEquals", "when").replace("when[0]", "when"))?;
    policy.0.into_iter().next().ok_or_else(|| "when is empty".to_owned())
}

/// One retrier or a list of them; one that names no errors is for those of `when`, or for all.
fn retriers(given: Value, when: Option<&Retrier>) -> Result<RetryPolicy, String> {
    let mut items = match given {
        Value::Array(items) => items,
        one => vec![one],
    };
    let usual = when.map_or_else(|| vec!["States.ALL".to_owned()], |when| when.error_equals.clone());
    for item in items.iter_mut().filter_map(Value::as_object_mut) {
        if !item.contains_key("ErrorEquals") && !item.contains_key("errorEquals") {
            item.insert("ErrorEquals".to_owned(), json!(usual));
        }
    }
    RetryPolicy::from_value(&Value::Array(items), "retry").map_err(|e| e.0)
}

fn newer(given: Option<&str>) -> Result<bool, String> {
    match given {
        None | Some("skip") => Ok(true),
        Some("repeat") => Ok(false),
        Some(other) => Err(format!("newer is {other:?}: expected skip or repeat")),
    }
}
