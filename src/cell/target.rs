//! Where an attempt's task is to run, and which quotas its launch draws on.

use serde_json::{Map, Value};

use crate::core::name;
use crate::core::run::{Run, Stage};
use crate::core::task::TaskStatus;

/// What RunTask takes when no cluster is named (API reference).
const DEFAULT_CLUSTER: &str = "default";

/// The capacity that a task is launched on, as far as quotas tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    /// Fargate on demand; also what a cluster's default strategy decides, which the cell does not know: Fargate is the
    /// slower one.
    Fargate,
    /// Fargate Spot.
    FargateSpot,
    /// Another capacity provider: an Auto Scaling group, behind which tasks wait in PROVISIONING for instances.
    Provider,
    /// EC2, EXTERNAL, MANAGED_INSTANCES.
    Instances,
}

impl Kind {
    /// Of a RunTask request with a placement laid over it. A launch type in the placement takes the place of a strategy
    /// in the request, and the other way about.
    fn of(request: &Map<String, Value>, over: Option<&Map<String, Value>>) -> Self {
        let says = |members: &&Map<String, Value>| {
            members.contains_key("launchType") || members.contains_key("capacityProviderStrategy")
        };
        let members = over.filter(says).unwrap_or(request);
        match members.get("launchType").and_then(Value::as_str) {
            Some("FARGATE") => return Self::Fargate,
            Some(_) => return Self::Instances,
            None => {}
        }
        let items = members.get("capacityProviderStrategy").and_then(Value::as_array).map(Vec::as_slice);
        let name = |item: &Value| item.get("capacityProvider").and_then(Value::as_str).unwrap_or_default().to_owned();
        let names: Vec<String> = items.unwrap_or_default().iter().map(name).collect();
        // Fargate's providers and others cannot be mixed (API reference, RunTask). With both of Fargate's, the slower
        // to recover is taken for all: on demand.
        match names.as_slice() {
            [] => Self::Fargate,
            names if names.iter().all(|name| name == "FARGATE_SPOT") => Self::FargateSpot,
            names if names.iter().any(|name| name.starts_with("FARGATE")) => Self::Fargate,
            _ => Self::Provider,
        }
    }
}

/// Where an attempt's task is to run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LaunchTarget {
    pub(super) kind: Kind,
    pub(super) cluster: String,
    /// `family:revision` or `family`, as the request names it.
    pub(super) definition: String,
}

impl LaunchTarget {
    /// Of a run's newest attempt.
    pub(super) fn of(run: &Run) -> Self {
        let (request, over) = parts(run);
        Self {
            kind: Kind::of(request, over),
            cluster: name::in_arn(text(request, over, "cluster").unwrap_or(DEFAULT_CLUSTER)).to_owned(),
            definition: name::in_arn(text(request, over, "taskDefinition").unwrap_or_default()).to_owned(),
        }
    }

    /// The cluster of a run's newest attempt as the request names it.
    pub(super) fn cluster_named(run: &Run) -> &str {
        let (request, over) = parts(run);
        text(request, over, "cluster").unwrap_or(DEFAULT_CLUSTER)
    }

    /// The cluster in which a run's task is, or will be, in PROVISIONING until there is an instance for it.
    pub(super) fn waits_for_instances(run: &Run) -> Option<&str> {
        let attempt =
            run.attempt().filter(|a| matches!(a.stage, Stage::Launching | Stage::Placed | Stage::Stopping))?;
        let provisioning = attempt.last_status.as_ref().is_none_or(|status| *status == TaskStatus::Provisioning);
        if run.status.is_final() || !provisioning {
            return None;
        }
        let (request, over) = parts(run);
        (Kind::of(request, over) == Kind::Provider).then(|| name::in_arn(Self::cluster_named(run)))
    }
}

fn text<'r>(request: &'r Map<String, Value>, over: Option<&'r Map<String, Value>>, name: &str) -> Option<&'r str> {
    over.and_then(|over| over.get(name)).or_else(|| request.get(name)).and_then(Value::as_str)
}

/// A run's request, and the placement that its newest attempt lays over it.
fn parts(run: &Run) -> (&Map<String, Value>, Option<&Map<String, Value>>) {
    let placement = run.attempt().map_or(0, |a| a.placement);
    (run.spec.run_task.members(), placement.checked_sub(1).and_then(|n| run.spec.placements.get(n)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kind(request: Value, over: Option<Value>) -> Kind {
        Kind::of(request.as_object().unwrap(), over.as_ref().and_then(Value::as_object))
    }

    #[test]
    fn kinds_are_known_by_launch_type_strategy_and_placement() {
        let strategy = |names: &[&str]| {
            let items: Vec<Value> = names.iter().map(|name| json!({"capacityProvider": name, "weight": 1})).collect();
            json!({"capacityProviderStrategy": items})
        };
        let launch = |kind: &str| json!({"launchType": kind});
        assert_eq!(kind(json!({}), None), Kind::Fargate, "what a cluster's default decides is not known");
        assert_eq!(kind(launch("FARGATE"), None), Kind::Fargate);
        assert_eq!(kind(launch("EC2"), None), Kind::Instances);
        assert_eq!(kind(launch("EXTERNAL"), None), Kind::Instances);
        assert_eq!(kind(strategy(&["FARGATE_SPOT"]), None), Kind::FargateSpot);
        assert_eq!(kind(strategy(&["FARGATE_SPOT", "FARGATE"]), None), Kind::Fargate);
        assert_eq!(kind(strategy(&["my-asg"]), None), Kind::Provider);
        assert_eq!(kind(launch("FARGATE"), Some(strategy(&["FARGATE_SPOT"]))), Kind::FargateSpot);
        assert_eq!(kind(strategy(&["FARGATE_SPOT"]), Some(launch("FARGATE"))), Kind::Fargate);
        assert_eq!(kind(launch("EC2"), Some(json!({"cluster": "other"}))), Kind::Instances);
    }
}
