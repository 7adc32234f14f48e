//! Clusters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::body::{Body, page};
use super::errors::{cluster_not_found, error, invalid, invalid_ours};
use super::state::State;
use super::task::Status;
use super::{Scope, request, with_token};
use crate::local::wire::{ApiError, ApiResult};

/// A cluster and the keys of its tasks, oldest first.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) active: bool,
    pub(super) body: Map<String, Value>,
    pub(super) tags: Value,
    pub(super) default_strategy: Vec<(String, i64, i64)>,
    pub(super) tasks: BTreeSet<u64>,
}

/// Clusters by name. `default` is there from the start.
pub(super) type Clusters = BTreeMap<String, Cluster>;

impl Cluster {
    pub(super) fn new() -> Self {
        Self { active: true, tags: json!([]), ..Self::default() }
    }
}

/// The name in a cluster's name or ARN.
pub(super) fn name_of(cluster: &str) -> &str {
    if cluster.starts_with("arn:") { cluster.rsplit('/').next().unwrap_or(cluster) } else { cluster }
}

/// An ARN names its Region and account, and a call is for one of each.
fn check_arn(scope: &Scope, cluster: &str) -> Result<(), ApiError> {
    let mut parts = cluster.split(':').skip(3);
    match (cluster.starts_with("arn:"), parts.next(), parts.next()) {
        (true, Some(region), _) if region != scope.region => Err(invalid_ours(format!(
            "The cluster {cluster} is in the Region {region}, and this call is for {}.",
            scope.region
        ))),
        (true, _, Some(account)) if account != scope.account => {
            Err(invalid(format!("Identifier is for {account}. Your accountId is {}", scope.account)))
        }
        _ => Ok(()),
    }
}

impl State {
    /// The name of the request's cluster, if there is such a cluster.
    pub(super) fn cluster_of(&mut self, scope: &Scope, body: Body<'_>) -> Result<String, ApiError> {
        let cluster = body.text("cluster")?.unwrap_or("default");
        check_arn(scope, cluster)?;
        let name = name_of(cluster);
        if !super::definitions::is_name(name) {
            return Err(invalid(format!("Cluster must match ^[a-zA-Z0-9\\-_]{{1,255}}$, but was {name}")));
        }
        match self.account_mut(scope).clusters.get(name) {
            Some(cluster) if cluster.active => Ok(name.to_owned()),
            Some(_) => Err(error(400, "ClusterNotFoundException", "The referenced cluster was inactive.")),
            None => Err(cluster_not_found()),
        }
    }

    pub(super) fn create_cluster(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let name = body.text("clusterName")?.unwrap_or("default");
        if !super::definitions::is_name(name) {
            return Err(invalid(format!("Cluster must match ^[a-zA-Z0-9\\-_]{{1,255}}$, but was {name}")));
        }
        request::check_tags(body)?;
        let strategy = request::strategy(body.structures("defaultCapacityProviderStrategy")?)?;
        let mut shown = Map::new();
        for member in [
            "settings",
            "configuration",
            "capacityProviders",
            "defaultCapacityProviderStrategy",
            "serviceConnectDefaults",
        ] {
            if let Some(value) = body.get(member) {
                shown.insert(member.to_owned(), value.clone());
            }
        }
        for name in body.texts("capacityProviders")? {
            self.check_provider(scope, name)?;
        }
        let cluster = self.account_mut(scope).clusters.entry(name.to_owned()).or_default();
        cluster.active = true;
        if !shown.is_empty() {
            cluster.body = shown;
            cluster.default_strategy = strategy;
        }
        if body.get("tags").is_some() {
            cluster.tags = Value::Array(body.list("tags")?.to_vec());
        }
        Ok(json!({"cluster": self.cluster_view(scope, name)}))
    }

    pub(super) fn describe_clusters(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let mut names: Vec<String> = body.texts("clusters")?.into_iter().map(|n| name_of(n).to_owned()).collect();
        if names.len() > 100 {
            return Err(invalid_ours("Clusters can not have more than 100 elements."));
        }
        if names.is_empty() {
            names.push("default".to_owned());
        }
        self.account_mut(scope);
        let (known, unknown): (Vec<_>, Vec<_>) =
            names.into_iter().partition(|n| self.account(scope).is_some_and(|a| a.clusters.contains_key(n)));
        let clusters: Vec<_> = known.iter().map(|n| self.cluster_view(scope, n)).collect();
        let failures: Vec<_> =
            unknown.iter().map(|n| json!({"arn": scope.arn(&format!("cluster/{n}")), "reason": "MISSING"})).collect();
        Ok(json!({"clusters": clusters, "failures": failures}))
    }

    pub(super) fn list_clusters(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let after = body.text("nextToken")?.unwrap_or_default().to_owned();
        let clusters = &self.account_mut(scope).clusters;
        let all = clusters.iter().filter(|(name, c)| c.active && name.as_str() > after.as_str());
        let (arns, next) = page(all.map(|(n, _)| (n.clone(), scope.arn(&format!("cluster/{n}")))), body, 100)?;
        Ok(with_token(json!({"clusterArns": arns}), next))
    }

    pub(super) fn delete_cluster(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let name = name_of(body.needed("cluster")?).to_owned();
        self.account_mut(scope);
        let cluster = self.account(scope).and_then(|a| a.clusters.get(&name)).ok_or_else(cluster_not_found)?;
        let busy = cluster.tasks.iter().any(|key| self.tasks.get(key).is_some_and(super::task::Task::live));
        if busy {
            let message = "The Cluster cannot be deleted while Tasks are active.";
            return Err(error(400, "ClusterContainsTasksException", message));
        }
        if let Some(cluster) = self.account_mut(scope).clusters.get_mut(&name) {
            cluster.active = false;
        }
        Ok(json!({"cluster": self.cluster_view(scope, &name)}))
    }

    pub(super) fn cluster_view(&self, scope: &Scope, name: &str) -> Value {
        let Some(cluster) = self.account(scope).and_then(|a| a.clusters.get(name)) else { return Value::Null };
        let tasks = || cluster.tasks.iter().filter_map(|key| self.tasks.get(key));
        let running = tasks().filter(|t| t.status == Status::Running).count();
        let pending = tasks().filter(|t| t.status < Status::Running).count();
        let mut view = json!({
            "clusterArn": scope.arn(&format!("cluster/{name}")),
            "clusterName": name,
            "status": if cluster.active { "ACTIVE" } else { "INACTIVE" },
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": running,
            "pendingTasksCount": pending,
            "activeServicesCount": 0,
            "statistics": [],
            "tags": cluster.tags,
            "settings": [{"name": "containerInsights", "value": "disabled"}],
            "capacityProviders": [],
            "defaultCapacityProviderStrategy": [],
        });
        if let Some(view) = view.as_object_mut() {
            view.extend(cluster.body.clone());
        }
        view
    }
}
