//! RunTask calls, as CloudTrail records them (user guide, "CloudTrail record contents").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Facts, Lost};
use crate::core::failure::{self, Class, Failure};
use crate::core::launcher::Launcher;
use crate::core::name;

/// What RunTask takes when no cluster is named (API reference).
const DEFAULT_CLUSTER: &str = "default";

/// Calls, counted.
#[derive(Debug, Default)]
pub(super) struct Calls {
    /// Whether there is anybody who tells of calls.
    pub(super) known: bool,
    pub(super) calls: u64,
    pub(super) asked: u64,
    pub(super) accepted: u64,
    pub(super) throttled: u64,
    refused: Vec<Refused>,
    /// Records that were counted: an answer may come twice.
    seen: BTreeSet<String>,
}

/// Launches that one call was refused.
#[derive(Debug)]
struct Refused {
    launches: u64,
    reason: String,
    failure: Failure,
    launcher: Launcher,
    family: String,
    subnets: Vec<String>,
}

impl Calls {
    pub(super) fn refused(&self) -> u64 {
        self.refused.iter().map(|refused| refused.launches).sum()
    }

    pub(super) fn reasons(&self) -> BTreeMap<String, u64> {
        let mut reasons = BTreeMap::new();
        for refused in &self.refused {
            *reasons.entry(refused.reason.clone()).or_default() += refused.launches;
        }
        reasons
    }

    pub(super) fn lost(&self) -> impl Iterator<Item = Lost<'_>> {
        self.refused.iter().map(|refused| Lost {
            launches: refused.launches,
            never_ran: true,
            failure: &refused.failure,
            launcher: &refused.launcher,
            family: &refused.family,
            subnets: refused.subnets.clone(),
        })
    }
}

impl Facts {
    /// Says that CloudTrail was read: that it has no call is then known too.
    pub fn calls_are_known(&mut self) {
        self.calls.known = true;
    }

    /// Takes in CloudTrail's record of a RunTask call; whether it is one, of this cluster.
    pub fn add_call(&mut self, record: &Value) -> bool {
        let request = &record["requestParameters"];
        let cluster = request["cluster"].as_str().unwrap_or(DEFAULT_CLUSTER);
        if record["eventName"] != "RunTask" || name::in_arn(cluster) != self.cluster {
            return false;
        }
        let calls = &mut self.calls;
        calls.known = true;
        if record["eventID"].as_str().is_some_and(|id| !calls.seen.insert(id.to_owned())) {
            return true;
        }
        let count = request["count"].as_u64().unwrap_or(1).max(1);
        calls.calls += 1;
        calls.asked += count;
        let answer = &record["responseElements"];
        let placed = answer["tasks"].as_array().map_or(0, |tasks| tasks.len() as u64).min(count);
        calls.accepted += placed;
        let Some((reason, failure)) = refusal(record, count - placed) else { return true };
        // Throttling is no failure, whatever it hides in: it is told of by itself.
        if failure.class == Class::Throttled {
            calls.throttled += count - placed;
            return true;
        }
        let text = |name: &str| request[name].as_str().unwrap_or_default();
        let family = name::in_arn(text("taskDefinition")).split(':').next().unwrap_or_default().to_owned();
        let started_by = request["startedBy"].as_str();
        let subnets = request["networkConfiguration"]["awsvpcConfiguration"]["subnets"].as_array();
        calls.refused.push(Refused {
            launches: count - placed,
            reason,
            failure,
            launcher: Launcher::of(started_by, request["group"].as_str(), cluster),
            family,
            subnets: subnets.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect(),
        });
        true
    }
}

/// Why launches are missing. `failures` may have an entry for each container instance that was looked at: what is missing is
/// what was asked for and has no task, however many entries there are.
fn refusal(record: &Value, missing: u64) -> Option<(String, Failure)> {
    if let Some(code) = record["errorCode"].as_str() {
        let message = record["errorMessage"].as_str().unwrap_or_default();
        return Some((code.to_owned(), failure::from_exception(code, message)));
    }
    if missing == 0 {
        return None;
    }
    let entries = record["responseElements"]["failures"].as_array().map_or(&[][..], Vec::as_slice);
    let mut reasons: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    for entry in entries {
        let reason = entry["reason"].as_str().unwrap_or_default();
        *reasons.entry((reason, entry["detail"].as_str())).or_default() += 1;
    }
    let most = reasons.into_iter().max_by_key(|(_, entries)| *entries).map(|(reason, _)| reason);
    let (reason, detail) = most.unwrap_or_default();
    let failure = failure::from_refusal(reason, detail);
    Some((if reason.is_empty() { "no reason given".to_owned() } else { reason.to_owned() }, failure))
}
