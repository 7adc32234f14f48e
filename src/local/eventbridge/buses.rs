//! Event buses, and the tags of buses and rules.

use serde_json::{Value, json};

use super::rules::{bus_arn, not_found, page, tags_of, text};
use super::{Bus, EventBus, invalid, lock};
use crate::local::wire::{ApiError, ApiResult, Call};

impl EventBus {
    /// Whether there is such a bus.
    pub(super) fn known_bus(&self, arn: &str) -> Result<(), ApiError> {
        let name = arn.rsplit('/').next().unwrap_or_default();
        if name == "default" || lock(&self.buses).contains_key(arn) {
            return Ok(());
        }
        Err(not_found(&format!("Event bus {name}")))
    }

    pub(super) fn create_bus(&self, call: &Call) -> ApiResult {
        let name = text(call, "Name").unwrap_or("default");
        let arn = bus_arn(call, Some(name));
        let mut buses = lock(&self.buses);
        if name == "default" || buses.contains_key(&arn) {
            return Err(ApiError::new("ResourceAlreadyExistsException", format!("Event bus {name} already exists.")));
        }
        let bus = buses.entry(arn.clone()).or_insert_with(|| Bus { name: name.to_owned(), ..Bus::default() });
        tags_of(call, &mut bus.tags);
        Ok(json!({"EventBusArn": arn}))
    }

    pub(super) fn delete_bus(&self, call: &Call) -> ApiResult {
        let arn = bus_arn(call, text(call, "Name"));
        if arn.ends_with("/default") {
            return Err(invalid("Cannot delete event bus default."));
        }
        lock(&self.buses).remove(&arn);
        lock(&self.rules).retain(|_, rule| rule.bus != arn);
        Ok(json!({}))
    }

    pub(super) fn describe_bus(&self, call: &Call) -> ApiResult {
        let arn = bus_arn(call, text(call, "Name"));
        self.known_bus(&arn)?;
        Ok(json!({"Name": arn.rsplit('/').next(), "Arn": arn}))
    }

    pub(super) fn list_buses(&self, call: &Call) -> Value {
        let prefix = text(call, "NamePrefix").unwrap_or_default();
        let mine = bus_arn(call, None);
        let scope = mine.strip_suffix("default").unwrap_or_default();
        let buses = lock(&self.buses);
        let own = buses.iter().filter(|(arn, _)| arn.starts_with(scope)).map(|(arn, bus)| (bus.name.as_str(), arn));
        let all = std::iter::once(("default", &mine)).chain(own).filter(|(name, _)| name.starts_with(prefix));
        page(call, "EventBuses", all.map(|(name, arn)| (name, json!({"Name": name, "Arn": arn}))))
    }

    pub(super) fn tags(&self, call: &Call) -> ApiResult {
        let arn = text(call, "ResourceARN").unwrap_or_default();
        let (mut rules, mut buses) = (lock(&self.rules), lock(&self.buses));
        let rule = rules.get_mut(arn).map(|rule| &mut rule.tags);
        let tags = rule.or_else(|| buses.get_mut(arn).map(|bus| &mut bus.tags)).ok_or_else(|| not_found(arn))?;
        tags_of(call, tags);
        for key in call.body["TagKeys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            tags.remove(key);
        }
        if call.operation == "ListTagsForResource" {
            let tags: Vec<Value> = tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
            return Ok(json!({"Tags": tags}));
        }
        Ok(json!({}))
    }
}
