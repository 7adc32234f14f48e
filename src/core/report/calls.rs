//! RunTask calls, as CloudTrail records them (user guide, "CloudTrail record contents").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Facts, Lost};
use crate::core::failure::{self, Class, Failure};
use crate::core::launcher::Launcher;
use crate::core::name;
use crate::core::observe::RunTaskRecord;

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
        let Ok(Some(call)) = RunTaskRecord::of_record(record) else { return false };
        let text = |name: &str| call.request.get(name).and_then(Value::as_str);
        if name::in_arn(text("cluster").unwrap_or(DEFAULT_CLUSTER)) != self.cluster {
            return false;
        }
        let calls = &mut self.calls;
        calls.known = true;
        if !calls.seen.insert(call.event_id.clone()) {
            return true;
        }
        let placed = u32::try_from(call.tasks.len()).unwrap_or(u32::MAX).min(call.count);
        calls.calls += 1;
        calls.asked += u64::from(call.count);
        calls.accepted += u64::from(placed);
        let Some(missing) = call.missing().filter(|missing| *missing > 0) else { return true };
        let (reason, failure) = refusal(&call);
        // Throttling is no failure, whatever it hides in: it is told of by itself.
        if failure.class == Class::Throttled {
            calls.throttled += u64::from(missing);
            return true;
        }
        let network = call.request.get("networkConfiguration").unwrap_or(&Value::Null);
        let subnets = network["awsvpcConfiguration"]["subnets"].as_array().into_iter().flatten();
        calls.refused.push(Refused {
            launches: u64::from(missing),
            reason,
            failure,
            family: name::family_of(text("taskDefinition").unwrap_or_default()).to_owned(),
            subnets: subnets.filter_map(Value::as_str).map(str::to_owned).collect(),
            launcher: call.launcher,
        });
        true
    }
}

/// Why launches are missing: the error, or the reason that most entries of `failures` have.
fn refusal(call: &RunTaskRecord) -> (String, Failure) {
    if let Some((code, message)) = &call.error {
        return (code.clone(), failure::from_exception(code, message));
    }
    let mut reasons: BTreeMap<(&str, Option<&str>), usize> = BTreeMap::new();
    for (reason, detail) in &call.failures {
        *reasons.entry((reason, detail.as_deref())).or_default() += 1;
    }
    let most = reasons.into_iter().max_by_key(|(_, entries)| *entries).map(|(reason, _)| reason);
    let (reason, detail) = most.unwrap_or_default();
    let failure = failure::from_refusal(reason, detail);
    (if reason.is_empty() { "no reason given".to_owned() } else { reason.to_owned() }, failure)
}
