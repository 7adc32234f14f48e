//! `clientToken`: the same token and parameters give the same answer again, other parameters a ConflictException.
//!
//! A token lives for the shorter of 24 hours and one hour after the last of its tasks has stopped
//! (Amazon ECS developer guide, "Ensuring idempotency"). A token whose call launched nothing lives for an hour.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use super::Scope;
use super::errors::conflict;
use super::state::State;
use super::timers::What;
use crate::local::wire::{ApiError, ApiResult};

const DAY_SECONDS: f64 = 86_400.0;

/// By cluster and token.
pub(super) type Tokens = HashMap<(String, String), Used>;

/// A token that was used.
#[derive(Debug)]
pub(super) struct Used {
    parameters: u64,
    tasks: Vec<(u64, String)>,
    failures: Vec<Value>,
    expires: i64,
}

impl State {
    /// The answer that this token has had, with the tasks as they are now.
    pub(super) fn replay(
        &self,
        scope: &Scope,
        cluster: &str,
        token: &str,
        parameters: u64,
        now: i64,
    ) -> Option<ApiResult> {
        let used = self.account(scope)?.tokens.get(&(cluster.to_owned(), token.to_owned()))?;
        if used.expires <= now || !self.remembers(used) {
            return None;
        }
        if used.parameters != parameters {
            let arns: Vec<String> = used.tasks.iter().map(|(_, arn)| arn.clone()).collect();
            return Some(Err(conflict(&arns)) as Result<Value, ApiError>);
        }
        let tasks: Vec<Value> =
            used.tasks.iter().filter_map(|(key, _)| self.tasks.get(key)).map(|task| task.api(true)).collect();
        Some(Ok(json!({"tasks": tasks, "failures": used.failures})))
    }

    /// Tasks are forgotten an hour after they stopped, and with the last of them goes their token.
    fn remembers(&self, used: &Used) -> bool {
        used.tasks.is_empty() || used.tasks.iter().any(|(key, _)| self.tasks.contains_key(key))
    }

    pub(super) fn keep_token(
        &mut self,
        (scope, cluster, token): (&Scope, &str, &str),
        parameters: u64,
        tasks: Vec<(u64, String)>,
        failures: Vec<Value>,
        now: i64,
    ) {
        let life = if tasks.is_empty() { super::FORGOTTEN_AFTER_SECONDS } else { DAY_SECONDS };
        let expires = now + self.wait(life);
        let used = Used { parameters, tasks, failures, expires };
        self.account_mut(scope).tokens.insert((cluster.to_owned(), token.to_owned()), used);
        let what = What::Token { scope: scope.clone(), cluster: cluster.to_owned(), token: token.to_owned() };
        self.set_timer(expires, what);
    }

    pub(super) fn expire_token(&mut self, scope: &Scope, cluster: &str, token: &str, now: i64) {
        let tokens = &mut self.account_mut(scope).tokens;
        let key = (cluster.to_owned(), token.to_owned());
        if tokens.get(&key).is_some_and(|used| used.expires <= now) {
            tokens.remove(&key);
        }
    }
}

/// A digest of the parameters that does not depend on the order of members.
pub(super) fn digest(body: &Map<String, Value>, without: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let kept: BTreeMap<&String, &Value> = body.iter().filter(|(name, _)| !without.contains(&name.as_str())).collect();
    for (name, value) in kept {
        name.hash(&mut hasher);
        hash(value, &mut hasher);
    }
    hasher.finish()
}

fn hash(value: &Value, hasher: &mut DefaultHasher) {
    match value {
        Value::Object(map) => {
            hasher.write_u8(1);
            digest(map, &[]).hash(hasher);
        }
        Value::Array(items) => {
            hasher.write_usize(items.len());
            for item in items {
                hash(item, hasher);
            }
        }
        other => other.to_string().hash(hasher),
    }
}
