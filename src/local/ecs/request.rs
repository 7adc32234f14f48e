//! Checks a RunTask request as ECS does before it launches anything.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Scope;
use super::body::Body;
use super::definitions::{Definition, pairs};
use super::errors::{error, invalid, invalid_ours};
use super::task::{Launch, LaunchContainer, Place};
use super::work;
use crate::local::wire::ApiError;

/// The parts of a request that say nothing of the task definition.
pub(super) struct Checked<'a> {
    pub(super) count: usize,
    pub(super) client_token: Option<&'a str>,
    pub(super) started_by: Option<&'a str>,
    pub(super) launch_type: Option<&'static str>,
    pub(super) strategy: Vec<(String, i64, i64)>,
    pub(super) subnets: Option<Vec<String>>,
}

/// Checks what can be checked without looking anything up.
pub(super) fn check<'a>(body: Body<'a>) -> Result<Checked<'a>, ApiError> {
    body.text("taskDefinition")?
        .filter(|t| !t.is_empty())
        .ok_or_else(|| invalid("TaskDefinition can not be blank."))?;
    let count = body.integer("count")?.unwrap_or(1);
    if !(1..=10).contains(&count) {
        return Err(invalid_ours("count must be between 1 and 10."));
    }
    let client_token = body.text("clientToken")?;
    if client_token.is_some_and(|t| t.is_empty() || t.len() > 64 || !t.bytes().all(|b| (33..=126).contains(&b))) {
        return Err(invalid_ours("clientToken must be 1 to 64 ASCII characters from 33 to 126."));
    }
    let started_by = body.text("startedBy")?;
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'/');
    if started_by.is_some_and(|t| t.len() > 128) {
        return Err(invalid("startedBy longer than 128."));
    }
    if started_by.is_some_and(|t| !t.bytes().all(allowed)) {
        return Err(invalid_ours(
            "startedBy must be up to 128 letters (uppercase and lowercase), numbers, hyphens, forward slashes and underscores.",
        ));
    }
    let launch_type = match body.text("launchType")? {
        None => None,
        Some("EC2") => Some("EC2"),
        Some("FARGATE") => Some("FARGATE"),
        Some("EXTERNAL") => Some("EXTERNAL"),
        Some("MANAGED_INSTANCES") => {
            return Err(invalid_ours("MANAGED_INSTANCES must be launched by a capacity provider strategy."));
        }
        Some(other) => return Err(invalid_ours(format!("Invalid launch type {other:?}: EC2, FARGATE or EXTERNAL."))),
    };
    let strategy = strategy(body.structures("capacityProviderStrategy")?)?;
    if launch_type.is_some() && !strategy.is_empty() {
        return Err(invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        ));
    }
    if body.text("propagateTags")? == Some("SERVICE") {
        return Err(invalid_ours("The SERVICE value of propagateTags is not supported when running a task."));
    }
    if body.text("group")?.is_some_and(|g| g.starts_with("service:")) {
        return Err(invalid_ours("The group name can not start with 'service:'."));
    }
    if body.list("placementConstraints")?.len() > 10 || body.list("placementStrategy")?.len() > 5 {
        return Err(invalid_ours("At most 10 placement constraints and 5 placement strategies can be given."));
    }
    check_tags(body)?;
    Ok(Checked {
        count: usize::try_from(count).unwrap_or(1),
        client_token,
        started_by,
        launch_type,
        strategy,
        subnets: subnets(body)?,
    })
}

/// Providers with their base and weight.
pub(super) fn strategy(items: Vec<Body<'_>>) -> Result<Vec<(String, i64, i64)>, ApiError> {
    let mut providers = Vec::new();
    for item in items {
        let name = item.needed("capacityProvider")?;
        let (base, weight) = (item.integer("base")?.unwrap_or(0), item.integer("weight")?.unwrap_or(0));
        if !(0..=1000).contains(&weight) || !(0..=100_000).contains(&base) {
            return Err(invalid_ours("The weight must be between 0 and 1000 and the base between 0 and 100000."));
        }
        // By name or by ARN.
        let name = if name.starts_with("arn:") { name.rsplit('/').next().unwrap_or(name) } else { name };
        providers.push((name.to_owned(), base, weight));
    }
    let fargate = providers.iter().filter(|(name, ..)| name.starts_with("FARGATE")).count();
    if providers.len() > 20 {
        return Err(invalid_ours("A capacity provider strategy can have at most 20 capacity providers."));
    }
    if fargate > 0 && fargate < providers.len() {
        return Err(invalid_ours(
            "Fargate and Auto Scaling group capacity providers can not be used in the same strategy.",
        ));
    }
    if providers.iter().filter(|(_, base, _)| *base > 0).count() > 1 {
        return Err(invalid_ours("Only one capacity provider in a strategy can have a base value defined."));
    }
    // One alone needs no weight (API reference, CapacityProviderStrategyItem).
    if providers.len() > 1 && providers.iter().all(|(_, _, weight)| *weight == 0) {
        return Err(invalid(
            "There are no capacity providers with a weight value greater than zero defined in the capacity provider strategy. At least one capacity provider must have a weight value greater than zero specified.",
        ));
    }
    Ok(providers)
}

fn subnets(body: Body<'_>) -> Result<Option<Vec<String>>, ApiError> {
    let network = body.structure("networkConfiguration")?.structure("awsvpcConfiguration")?;
    if network.is_absent() {
        return Ok(None);
    }
    let subnets = network.texts("subnets")?;
    if subnets.is_empty() {
        return Err(invalid("subnets can not be empty."));
    }
    if let Some(id) = subnets.iter().find(|id| !is_id(id, "subnet-")) {
        return Err(invalid(format!(
            "Error retrieving subnet information for [{id}]: The subnet ID '{id}' does not exist (ErrorCode: InvalidSubnetID.NotFound)"
        )));
    }
    if let Some(id) = network.texts("securityGroups")?.into_iter().find(|id| !is_id(id, "sg-")) {
        return Err(invalid(format!(
            "Error retrieving security group information for [{id}]: The security group '{id}' does not exist (ErrorCode: InvalidGroup.NotFound)"
        )));
    }
    if subnets.len() > 16 || network.texts("securityGroups")?.len() > 5 {
        return Err(invalid_ours("At most 16 subnets and 5 security groups can be given."));
    }
    match network.text("assignPublicIp")? {
        None | Some("ENABLED" | "DISABLED") => Ok(Some(subnets.into_iter().map(str::to_owned).collect())),
        Some(other) => Err(invalid_ours(format!("Invalid assignPublicIp {other:?}: ENABLED or DISABLED."))),
    }
}

/// Whether this can be the id of such a thing. EC2's have 8 or 17 hexadecimal digits; shorter and plainer ones are easier to read in tests.
fn is_id(id: &str, kind: &str) -> bool {
    id.strip_prefix(kind)
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// At most 50 tags, keys to 128 and values to 256 characters, none of AWS's own.
pub(super) fn check_tags(body: Body<'_>) -> Result<(), ApiError> {
    let tags = body.structures("tags")?;
    if tags.len() > 50 {
        return Err(invalid_ours("At most 50 tags can be given."));
    }
    for tag in tags {
        let key = tag.text("key")?.unwrap_or_default();
        let value = tag.text("value")?.unwrap_or_default();
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(invalid_ours(format!("Tag {key:?}: keys have 1 to 128 characters, values up to 256.")));
        }
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid_ours(format!("Tag {key:?}: tags that start with aws: are reserved.")));
        }
    }
    Ok(())
}

/// Checks the request against the task definition, and the place it will run at.
pub(super) fn check_place(
    body: Body<'_>,
    definition: &Definition,
    launch_type: &str,
    subnets: bool,
) -> Result<bool, ApiError> {
    let fargate = launch_type == "FARGATE";
    if definition.made_up {
        if fargate && !subnets {
            return Err(invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."));
        }
        return Ok(subnets);
    }
    if launch_type == "MANAGED_INSTANCES" && definition.network_mode == "bridge" {
        return Err(invalid_ours("Task definition does not support launch_type MANAGED_INSTANCES."));
    }
    if fargate && !definition.compatibilities.iter().any(|c| c == "FARGATE") {
        return Err(invalid("Task definition does not support launch_type FARGATE."));
    }
    let awsvpc = definition.network_mode == "awsvpc";
    if awsvpc && !subnets {
        return Err(invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."));
    }
    if !awsvpc && subnets {
        return Err(invalid("Network Configuration is not valid for the given networkMode of this task definition."));
    }
    if fargate && !body.list("placementConstraints")?.is_empty() {
        return Err(invalid("Placement constraints are not supported with FARGATE launch type."));
    }
    if let Some(version) = body.text("platformVersion")? {
        if !fargate {
            return Err(invalid("The platform version must be null when specifying an EC2 launch type."));
        }
        if version != "LATEST" && !["1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0"].contains(&version) {
            return Err(error(
                400,
                "PlatformUnknownException",
                format!("The platform version {version:?} does not exist."),
            ));
        }
    }
    Ok(awsvpc)
}

/// The names of the containers that the overrides speak of.
pub(super) fn override_names(body: Body<'_>) -> Result<Vec<&str>, ApiError> {
    let containers = body.structure("overrides")?.structures("containerOverrides")?;
    containers
        .into_iter()
        .map(|c| c.text("name")?.ok_or_else(|| invalid_ours("Container override name can not be empty.")))
        .collect()
}

/// Lays the request over the task definition.
pub(super) fn launch(
    body: Body<'_>,
    checked: &Checked<'_>,
    scope: &Scope,
    cluster: &str,
    definition: &Arc<Definition>,
) -> Result<Launch, ApiError> {
    let overrides = body.structure("overrides")?;
    if body.get("overrides").is_some_and(|o| o.to_string().len() > 8192) {
        return Err(invalid_ours("Overrides can have at most 8192 characters."));
    }
    let given = overrides.structures("containerOverrides")?;
    for name in override_names(body)? {
        if !definition.containers.iter().any(|c| c.name == name) {
            return Err(invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
    }
    let mut containers = Vec::new();
    let mut shown = Vec::new();
    for definition in &definition.containers {
        let over = given.iter().find(|o| matches!(o.text("name"), Ok(Some(n)) if n == definition.name)).copied();
        let raw = overrides.list("containerOverrides")?.iter().find(|o| o["name"] == definition.name.as_str());
        shown.push(raw.cloned().unwrap_or_else(|| json!({"name": definition.name})));
        containers.push(container(definition, over)?);
    }
    let mut shown_overrides: Map<String, Value> =
        body.get("overrides").and_then(Value::as_object).cloned().unwrap_or_default();
    shown_overrides.insert("containerOverrides".to_owned(), Value::Array(shown));
    let sum = |of: fn(&LaunchContainer) -> i64| containers.iter().map(of).sum::<i64>().to_string();
    let size = |name, defined: &Option<String>, of| -> Result<String, ApiError> {
        Ok(overrides.text(name)?.map(str::to_owned).or(defined.clone()).unwrap_or_else(|| sum(of)))
    };
    let mut tags = body.list("tags")?.to_vec();
    if body.text("propagateTags")? == Some("TASK_DEFINITION") {
        let own: Vec<_> = tags.iter().map(|t| t["key"].clone()).collect();
        tags.extend(definition.tags.as_array().into_iter().flatten().filter(|t| !own.contains(&t["key"])).cloned());
    }
    let platform = body.text("platformVersion")?.filter(|v| *v != "LATEST").unwrap_or("1.4.0");
    Ok(Launch {
        scope: scope.clone(),
        cluster: cluster.to_owned(),
        definition: definition.clone(),
        started_by: checked.started_by.map(str::to_owned),
        client_token: checked.client_token.map(str::to_owned),
        group: body.text("group")?.map_or_else(|| format!("family:{}", definition.family), str::to_owned),
        subnets: checked.subnets.clone().unwrap_or_default(),
        platform_version: platform.to_owned(),
        enable_execute_command: body.flag("enableExecuteCommand")?,
        tags: Value::Array(tags),
        overrides: shown_overrides,
        cpu: size("cpu", &definition.cpu, |c| c.cpu)?,
        memory: size("memory", &definition.memory, |c| c.memory.or(c.memory_reservation).unwrap_or(0))?,
        ephemeral_gib: overrides.structure("ephemeralStorage")?.integer("sizeInGiB")?.unwrap_or(20),
        containers,
    })
}

fn container(
    definition: &super::definitions::ContainerDefinition,
    over: Option<Body<'_>>,
) -> Result<LaunchContainer, ApiError> {
    let mut environment = definition.environment.clone();
    let mut command = definition.command.clone();
    let (mut cpu, mut memory, mut reservation) = (definition.cpu, definition.memory, definition.memory_reservation);
    if let Some(over) = over {
        for (name, value) in pairs(over, "environment")? {
            environment.retain(|(n, _)| *n != name);
            environment.push((name, value));
        }
        if over.get("command").is_some() {
            command = over.texts("command")?.into_iter().map(str::to_owned).collect();
        }
        cpu = over.integer("cpu")?.unwrap_or(cpu);
        memory = over.integer("memory")?.or(memory);
        reservation = over.integer("memoryReservation")?.or(reservation);
    }
    let (seconds, exit_code) = work::told(&environment, &command);
    Ok(LaunchContainer { cpu, memory, memory_reservation: reservation, environment, seconds, exit_code })
}

/// Where the `index`-th of `count` tasks goes: first the base, then shares by weight.
pub(super) fn place(strategy: &[(String, i64, i64)], launch_type: &'static str, index: usize, awsvpc: bool) -> Place {
    let index = i64::try_from(index).unwrap_or(0);
    let mut rest = index;
    let mut chosen = None;
    for (name, base, _) in strategy {
        if chosen.is_none() && rest < *base {
            chosen = Some(name);
        }
        rest -= base;
    }
    if let ([(only, ..)], None) = (strategy, chosen) {
        chosen = Some(only);
    }
    let total: i64 = strategy.iter().map(|(_, _, weight)| weight).sum();
    if chosen.is_none() && total > 0 {
        let mut spot = rest.max(0).rem_euclid(total);
        for (name, _, weight) in strategy {
            if chosen.is_none() && spot < *weight {
                chosen = Some(name);
            }
            spot -= weight;
        }
    }
    Place { launch_type, capacity_provider: chosen.cloned(), awsvpc }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strategy_fills_its_base_then_its_weights() {
        let strategy = [("FARGATE".to_owned(), 2, 1), ("FARGATE_SPOT".to_owned(), 0, 3)];
        let names: Vec<_> = (0..6).map(|i| place(&strategy, "FARGATE", i, true).capacity_provider.unwrap()).collect();
        assert_eq!(names, ["FARGATE", "FARGATE", "FARGATE", "FARGATE_SPOT", "FARGATE_SPOT", "FARGATE_SPOT"]);
        assert_eq!(place(&[], "EC2", 0, false).capacity_provider, None);
    }
}
