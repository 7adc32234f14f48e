//! Capacity providers: Fargate's two are always there; others decide whether tasks run on EC2 or on managed instances.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Scope;
use super::body::Body;
use super::errors::{client_ours, invalid, invalid_ours};
use super::request;
use super::state::State;
use crate::local::wire::{ApiError, ApiResult};

const FARGATE: [&str; 2] = ["FARGATE", "FARGATE_SPOT"];

/// Providers by name, as the API shows them.
pub(super) type Providers = BTreeMap<String, Map<String, Value>>;

impl State {
    /// Whether there is such a provider. Where task definitions are made up, so is a provider: one of an Auto Scaling group.
    pub(super) fn check_provider(&self, scope: &Scope, name: &str) -> Result<(), ApiError> {
        let known = self.account(scope).is_some_and(|a| a.providers.contains_key(name));
        if known || FARGATE.contains(&name) || self.options.auto_register {
            return Ok(());
        }
        Err(invalid("The specified capacity provider was not found. Specify a valid capacity provider and try again."))
    }

    /// Whether a provider launches on managed instances.
    pub(super) fn is_managed(&self, scope: &Scope, name: &str) -> bool {
        let provider = self.account(scope).and_then(|a| a.providers.get(name));
        provider.is_some_and(|provider| provider.contains_key("managedInstancesProvider"))
    }

    pub(super) fn create_provider(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let name = body.needed("name")?;
        let reserved = ["aws", "ecs", "fargate"].iter().any(|prefix| name.to_ascii_lowercase().starts_with(prefix));
        if !super::definitions::is_name(name) || reserved {
            return Err(client_ours(format!("The specified capacity provider name is invalid: {name}.")));
        }
        request::check_tags(body)?;
        let kinds = ["autoScalingGroupProvider", "managedInstancesProvider"];
        let given: Vec<&str> = kinds.into_iter().filter(|kind| body.get(kind).is_some()).collect();
        let &[kind] = given.as_slice() else {
            return Err(client_ours(format!("Exactly one of {} must be specified.", kinds.join(" and "))));
        };
        let settings = body.get(kind).cloned().unwrap_or_default();
        let providers = &mut self.account_mut(scope).providers;
        if providers.contains_key(name) {
            return Err(client_ours(format!("The specified capacity provider already exists: {name}.")));
        }
        let mut shown = Map::new();
        shown.insert("capacityProviderArn".to_owned(), json!(scope.arn(&format!("capacity-provider/{name}"))));
        shown.insert("name".to_owned(), json!(name));
        shown.insert("status".to_owned(), json!("ACTIVE"));
        shown.insert(kind.to_owned(), settings);
        if let Some(cluster) = body.get("cluster") {
            shown.insert("cluster".to_owned(), cluster.clone());
        }
        shown.insert("tags".to_owned(), Value::Array(body.list("tags")?.to_vec()));
        providers.insert(name.to_owned(), shown.clone());
        Ok(json!({"capacityProvider": shown}))
    }

    pub(super) fn describe_providers(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let account = self.account_mut(scope);
        let fargate = FARGATE.map(|name| {
            let arn = scope.arn(&format!("capacity-provider/{name}"));
            (name, json!({"capacityProviderArn": arn, "name": name, "status": "ACTIVE", "tags": []}))
        });
        let own = account.providers.iter().map(|(name, shown)| (name.as_str(), Value::Object(shown.clone())));
        let all: BTreeMap<&str, Value> = fargate.into_iter().chain(own).collect();
        let wanted = body.texts("capacityProviders")?;
        let named = |name: &&str| all.get(name.rsplit('/').next().unwrap_or_default());
        let found: Vec<&Value> =
            if wanted.is_empty() { all.values().collect() } else { wanted.iter().filter_map(named).collect() };
        let missing = wanted.iter().filter(|name| named(name).is_none());
        let failures: Vec<Value> = missing.map(|name| json!({"arn": name, "reason": "MISSING"})).collect();
        Ok(json!({"capacityProviders": found, "failures": failures}))
    }

    pub(super) fn delete_provider(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let name = body.needed("capacityProvider")?;
        let name = name.rsplit('/').next().unwrap_or(name);
        let gone = self.account_mut(scope).providers.remove(name);
        let mut gone = gone.ok_or_else(|| client_ours("The specified capacity provider does not exist."))?;
        gone.insert("status".to_owned(), json!("INACTIVE"));
        Ok(json!({"capacityProvider": gone}))
    }

    pub(super) fn put_providers(&mut self, scope: &Scope, body: Body<'_>) -> ApiResult {
        let name = self.cluster_of(scope, body)?;
        let providers = body.texts("capacityProviders")?;
        providers.iter().try_for_each(|provider| self.check_provider(scope, provider))?;
        let strategy = request::strategy(body.structures("defaultCapacityProviderStrategy")?)?;
        if let Some((other, ..)) = strategy.iter().find(|(provider, ..)| !providers.contains(&provider.as_str())) {
            return Err(invalid_ours(format!("The capacity provider {other} is not associated with the cluster.")));
        }
        let shown = ["capacityProviders", "defaultCapacityProviderStrategy"].map(|n| (n, body.get(n).cloned()));
        if let Some(cluster) = self.account_mut(scope).clusters.get_mut(&name) {
            cluster.default_strategy = strategy;
            for (member, value) in shown {
                cluster.body.insert(member.to_owned(), value.unwrap_or_else(|| json!([])));
            }
        }
        Ok(json!({"cluster": self.cluster_view(scope, &name)}))
    }
}
