//! Task definitions: registered, made up on the fly, described, listed, deregistered.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::Scope;
use super::body::{Body, page};
use super::errors::{client, client_ours, invalid_ours};
use super::sizes;
use crate::local::wire::{ApiError, ApiResult};

/// A registered revision.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) arn: String,
    pub(super) family: String,
    pub(super) revision: u32,
    pub(super) active: bool,
    /// Made up because a request named it.
    pub(super) made_up: bool,
    pub(super) network_mode: String,
    pub(super) compatibilities: Vec<String>,
    pub(super) cpu: Option<String>,
    pub(super) memory: Option<String>,
    pub(super) containers: Vec<ContainerDefinition>,
    pub(super) tags: Value,
    body: Map<String, Value>,
}

/// The members of a container definition that a life depends on.
#[derive(Clone, Debug)]
pub(super) struct ContainerDefinition {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) essential: bool,
    pub(super) cpu: i64,
    pub(super) memory: Option<i64>,
    pub(super) memory_reservation: Option<i64>,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    /// Seconds until a health check can have passed.
    pub(super) healthy_after: Option<f64>,
    pub(super) stop_timeout: f64,
    pub(super) ports: Vec<Port>,
}

/// One of `portMappings`. Host port 0: any.
#[derive(Clone, Debug)]
pub(super) struct Port {
    pub(super) container: i64,
    pub(super) host: i64,
    pub(super) protocol: String,
}

/// All task definitions of an account in a Region.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    families: BTreeMap<String, BTreeMap<u32, Arc<Definition>>>,
}

impl Definitions {
    /// A definition by family, `family:revision` or ARN.
    pub(super) fn find(&self, name: &str) -> Option<&Arc<Definition>> {
        let (family, revision) = split(name)?;
        let revisions = self.families.get(family)?;
        match revision {
            Some(revision) => revisions.get(&revision),
            None => revisions.values().rev().find(|d| d.active),
        }
    }

    /// The same, made up with one essential container if there is none.
    pub(super) fn find_or_make(
        &mut self,
        scope: &Scope,
        name: &str,
        containers: &[&str],
        now: i64,
    ) -> Option<Arc<Definition>> {
        if let Some(found) = self.find(name) {
            let lacking = containers.iter().any(|c| !found.containers.iter().any(|d| d.name == *c));
            if !(found.made_up && lacking) {
                return Some(found.clone());
            }
        }
        let (family, revision) = split(name)?;
        if !is_name(family) {
            return None;
        }
        let known = self.find(name).cloned();
        let mut names: Vec<&str> = known.iter().flat_map(|d| &d.containers).map(|c| c.name.as_str()).collect();
        for container in containers {
            if !names.contains(container) {
                names.push(container);
            }
        }
        if names.is_empty() {
            names.push(family);
        }
        // Only the first is essential: a sidecar that a later request names must not change who decides.
        let definitions: Vec<Value> = names
            .iter()
            .enumerate()
            .map(|(i, n)| {
                let log = json!({"logDriver": "awslogs", "options": {"awslogs-group": format!("/ecs/{family}"),
                    "awslogs-region": scope.region, "awslogs-stream-prefix": "ecs"}});
                json!({"name": n, "image": format!("{n}:latest"), "essential": i == 0, "logConfiguration": log})
            })
            .collect();
        let body = json!({"family": family, "containerDefinitions": definitions, "cpu": "256", "memory": "512"});
        let revision = known.map(|d| d.revision).or(revision);
        self.register(scope, Body::of(&body).ok()?, revision.or(Some(1)), true, now).ok()
    }

    /// Whether any of them names this log group.
    pub(super) fn log_to(&self, group: &str) -> bool {
        let names_it = |d: &Definition, c: &ContainerDefinition| {
            d.log_of(&c.name).is_some_and(|log| log["options"]["awslogs-group"] == group)
        };
        let mut all = self.families.values().flat_map(BTreeMap::values);
        all.any(|d| d.containers.iter().any(|c| names_it(d, c)))
    }

    fn register(
        &mut self,
        scope: &Scope,
        body: Body<'_>,
        revision: Option<u32>,
        made_up: bool,
        now: i64,
    ) -> Result<Arc<Definition>, ApiError> {
        let mut definition = checked(body, now)?;
        let revisions = self.families.entry(definition.family.clone()).or_default();
        let next = revisions.last_key_value().map_or(1, |(last, _)| last + 1);
        definition.revision = revision.unwrap_or(next);
        definition.made_up = made_up;
        definition.arn = scope.arn(&format!("task-definition/{}:{}", definition.family, definition.revision));
        let definition = Arc::new(definition);
        revisions.insert(definition.revision, definition.clone());
        Ok(definition)
    }

    pub(super) fn register_call(&mut self, scope: &Scope, body: Body<'_>, now: i64) -> ApiResult {
        let definition = self.register(scope, body, None, false, now)?;
        Ok(json!({"taskDefinition": definition.view(), "tags": definition.tags}))
    }

    pub(super) fn describe_call(&mut self, scope: &Scope, body: Body<'_>, make_up: bool, now: i64) -> ApiResult {
        let name = body.needed("taskDefinition")?;
        let found = if make_up { self.find_or_make(scope, name, &[], now) } else { self.find(name).cloned() };
        let found = found.ok_or_else(unknown)?;
        let mut answer = json!({"taskDefinition": found.view()});
        if body.texts("include")?.contains(&"TAGS") {
            answer["tags"] = found.tags.clone();
        }
        Ok(answer)
    }

    pub(super) fn deregister_call(&mut self, body: Body<'_>, now: i64) -> ApiResult {
        let name = body.needed("taskDefinition")?;
        let Some((_, Some(_))) = split(name) else {
            return Err(client_ours(
                "Unable to describe task definition: a revision is needed (family:revision or ARN).",
            ));
        };
        let found = self.find(name).cloned().ok_or_else(unknown)?;
        let mut body = found.body.clone();
        body.insert("status".to_owned(), json!("INACTIVE"));
        body.insert("deregisteredAt".to_owned(), super::view::seconds(now));
        let gone = Arc::new(Definition { active: false, body, ..found.copy() });
        if let Some(revisions) = self.families.get_mut(&found.family) {
            revisions.insert(found.revision, gone.clone());
        }
        Ok(json!({"taskDefinition": gone.view()}))
    }

    /// Hands the tags of a revision to `change`; `None`: there is no such revision.
    pub(super) fn change_tags(&mut self, name: &str, change: impl FnOnce(&mut Vec<Value>)) -> Option<()> {
        let found = self.find(name)?.clone();
        let mut copy = found.copy();
        change(copy.tags.as_array_mut()?);
        self.families.get_mut(&found.family)?.insert(found.revision, Arc::new(copy));
        Some(())
    }

    pub(super) fn list_call(&self, body: Body<'_>) -> ApiResult {
        let prefix = body.text("familyPrefix")?;
        let active = body.text("status")?.unwrap_or("ACTIVE") == "ACTIVE";
        let after = body.text("nextToken")?;
        let mut all: Vec<(String, String)> = self
            .families
            .values()
            .flat_map(BTreeMap::values)
            .filter(|d| prefix.is_none_or(|p| d.family == p) && d.active == active)
            .map(|d| (format!("{}:{:010}", d.family, d.revision), d.arn.clone()))
            .collect();
        let downwards = body.text("sort")? == Some("DESC");
        if downwards {
            all.reverse();
        }
        let rest = all
            .into_iter()
            .filter(|(key, _)| after.is_none_or(|a| if downwards { key.as_str() < a } else { key.as_str() > a }));
        let (arns, next) = page(rest, body, 100)?;
        Ok(super::with_token(json!({"taskDefinitionArns": arns}), next))
    }

    pub(super) fn families_call(&self, body: Body<'_>) -> ApiResult {
        let prefix = body.text("familyPrefix")?.unwrap_or_default();
        let status = body.text("status")?.unwrap_or("ACTIVE");
        let after = body.text("nextToken")?.unwrap_or_default();
        let fits = |revisions: &BTreeMap<u32, Arc<Definition>>| match status {
            "ALL" => true,
            "INACTIVE" => revisions.values().all(|d| !d.active),
            _ => revisions.values().any(|d| d.active),
        };
        let all = self.families.iter().filter(|(f, r)| f.starts_with(prefix) && f.as_str() > after && fits(r));
        let (families, next) = page(all.map(|(f, _)| (f.clone(), f.clone())), body, 100)?;
        Ok(super::with_token(json!({"families": families}), next))
    }
}

impl Definition {
    /// `family:revision`.
    pub(super) fn name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or_default()
    }

    /// The `logConfiguration` of a container.
    pub(super) fn log_of(&self, container: &str) -> Option<&Value> {
        let containers = self.body.get("containerDefinitions")?.as_array()?;
        containers.iter().find(|definition| definition["name"] == container)?.get("logConfiguration")
    }

    /// `Windows-Server-2019-Core` for WINDOWS_SERVER_2019_CORE, as `platformFamily` has it.
    pub(super) fn windows_family(&self) -> Option<String> {
        let system = self.body.get("runtimePlatform")?["operatingSystemFamily"].as_str()?;
        let word = |word: &str| match word.split_at_checked(1) {
            Some((first, rest)) => first.to_owned() + &rest.to_lowercase(),
            None => word.to_owned(),
        };
        let words = system.split('_').map(word).collect::<Vec<_>>();
        system.starts_with("WINDOWS").then(|| words.join("-"))
    }

    /// As the API shows it.
    pub(super) fn view(&self) -> Value {
        let mut body = self.body.clone();
        body.insert("taskDefinitionArn".to_owned(), json!(self.arn));
        body.insert("revision".to_owned(), json!(self.revision));
        Value::Object(body)
    }

    fn copy(&self) -> Self {
        Self {
            arn: self.arn.clone(),
            family: self.family.clone(),
            revision: self.revision,
            active: self.active,
            made_up: self.made_up,
            network_mode: self.network_mode.clone(),
            compatibilities: self.compatibilities.clone(),
            cpu: self.cpu.clone(),
            memory: self.memory.clone(),
            containers: self.containers.clone(),
            tags: self.tags.clone(),
            body: self.body.clone(),
        }
    }
}

fn unknown() -> ApiError {
    client("Unable to describe task definition.")
}

/// Family and revision of a name or ARN.
fn split(name: &str) -> Option<(&str, Option<u32>)> {
    let name = if name.starts_with("arn:") { name.split_once("task-definition/")?.1 } else { name };
    match name.split_once(':') {
        None => Some((name, None)),
        Some((family, revision)) => revision.parse().ok().map(|r| (family, Some(r))),
    }
}

pub(super) fn is_name(name: &str) -> bool {
    (1..=255).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn checked(body: Body<'_>, now: i64) -> Result<Definition, ApiError> {
    let family = body.text("family")?.unwrap_or_default();
    if !is_name(family) {
        return Err(client_ours("Family should be 1 to 255 letters, numbers, hyphens and underscores."));
    }
    let containers =
        body.structures("containerDefinitions")?.into_iter().map(container).collect::<Result<Vec<_>, _>>()?;
    if containers.is_empty() {
        return Err(client("Container list cannot be empty."));
    }
    for (index, container) in containers.iter().enumerate() {
        if containers[..index].iter().any(|c| c.name == container.name) {
            return Err(client_ours("Container.name contains duplicates."));
        }
    }
    if !containers.iter().any(|c| c.essential) {
        return Err(client_ours("At least one container must be essential."));
    }
    let requires = body.texts("requiresCompatibilities")?;
    let network_mode = body.text("networkMode")?.unwrap_or("bridge");
    let (cpu, memory) = (sizes::cpu(body)?, sizes::memory(body)?);
    if requires.contains(&"FARGATE") && network_mode != "awsvpc" {
        return Err(client("Fargate only supports network mode ‘awsvpc’."));
    }
    sizes::check(&containers, requires.contains(&"FARGATE"), cpu, memory)?;
    let mut compatibilities = vec!["EC2"];
    if network_mode == "awsvpc" && cpu.zip(memory).is_some_and(|(cpu, memory)| sizes::fargate(cpu, memory)) {
        compatibilities.push("FARGATE");
    }
    if network_mode != "bridge" {
        compatibilities.push("MANAGED_INSTANCES");
    }
    let (cpu, memory) = (cpu.map(|n| n.to_string()), memory.map(|n| n.to_string()));
    let mut shown = shown(body, &compatibilities, network_mode, now)?;
    for (name, size) in [("cpu", &cpu), ("memory", &memory)] {
        if let Some(size) = size {
            shown.insert(name.to_owned(), json!(size));
        }
    }
    Ok(Definition {
        arn: String::new(),
        family: family.to_owned(),
        revision: 0,
        active: true,
        made_up: false,
        network_mode: network_mode.to_owned(),
        compatibilities: compatibilities.iter().map(|&c| c.to_owned()).collect(),
        cpu,
        memory,
        tags: Value::Array(body.list("tags")?.to_vec()),
        body: shown,
        containers,
    })
}

/// The registered body with the defaults that ECS fills in.
fn shown(
    body: Body<'_>,
    compatibilities: &[&str],
    network_mode: &str,
    now: i64,
) -> Result<Map<String, Value>, ApiError> {
    let mut shown = Map::new();
    for name in MEMBERS {
        if let Some(value) = body.get(name) {
            shown.insert((*name).to_owned(), value.clone());
        }
    }
    let mut containers = body.list("containerDefinitions")?.to_vec();
    for container in containers.iter_mut().filter_map(Value::as_object_mut) {
        container.entry("cpu").or_insert(json!(0));
        container.entry("essential").or_insert(json!(true));
        for list in ["portMappings", "environment", "mountPoints", "volumesFrom", "systemControls"] {
            container.entry(list).or_insert(json!([]));
        }
    }
    shown.insert("containerDefinitions".to_owned(), Value::Array(containers));
    shown.insert("compatibilities".to_owned(), json!(compatibilities));
    shown.insert("networkMode".to_owned(), json!(network_mode));
    shown.insert("status".to_owned(), json!("ACTIVE"));
    shown.insert("registeredAt".to_owned(), super::view::seconds(now));
    for list in ["volumes", "placementConstraints"] {
        shown.entry(list).or_insert(json!([]));
    }
    Ok(shown)
}

/// What a task definition keeps of its registration.
const MEMBERS: &[&str] = &[
    "family",
    "taskRoleArn",
    "executionRoleArn",
    "volumes",
    "placementConstraints",
    "requiresCompatibilities",
    "cpu",
    "memory",
    "pidMode",
    "ipcMode",
    "proxyConfiguration",
    "inferenceAccelerators",
    "ephemeralStorage",
    "runtimePlatform",
    "enableFaultInjection",
];

fn container(body: Body<'_>) -> Result<ContainerDefinition, ApiError> {
    let name = body.text("name")?.unwrap_or_default();
    if name.is_empty() {
        return Err(client("Container.name should not be null or empty."));
    }
    if !is_name(name) {
        return Err(client_ours("Container.name should be 1 to 255 letters, numbers, hyphens and underscores."));
    }
    let image = body
        .text("image")?
        .filter(|image| !image.is_empty())
        .ok_or_else(|| client("Container.image should not be null or empty."))?;
    let health = body.structure("healthCheck")?;
    let healthy_after = if health.is_absent() {
        None
    } else {
        let interval = health.integer("interval")?.unwrap_or(30);
        Some((health.integer("startPeriod")?.unwrap_or(0).max(0) + interval.max(1)) as f64)
    };
    let essential = body.get("essential").is_none_or(|v| v.as_bool() != Some(false));
    Ok(ContainerDefinition {
        name: name.to_owned(),
        image: image.to_owned(),
        essential,
        cpu: body.integer("cpu")?.unwrap_or(0),
        memory: body.integer("memory")?,
        memory_reservation: body.integer("memoryReservation")?,
        command: body.texts("command")?.into_iter().map(str::to_owned).collect(),
        environment: pairs(body, "environment")?,
        healthy_after,
        stop_timeout: body.integer("stopTimeout")?.unwrap_or(30).clamp(0, 120) as f64,
        ports: body.structures("portMappings")?.into_iter().map(port).collect::<Result<_, _>>()?,
    })
}

fn port(body: Body<'_>) -> Result<Port, ApiError> {
    Ok(Port {
        container: body.integer("containerPort")?.unwrap_or(0),
        host: body.integer("hostPort")?.unwrap_or(0),
        protocol: body.text("protocol")?.unwrap_or("tcp").to_owned(),
    })
}

/// A list of `{name, value}`.
pub(super) fn pairs(body: Body<'_>, member: &str) -> Result<Vec<(String, String)>, ApiError> {
    body.structures(member)?
        .into_iter()
        .map(|pair| {
            let name = pair.text("name")?.ok_or_else(|| invalid_ours("Environment variable name must be given."))?;
            Ok((name.to_owned(), pair.text("value")?.unwrap_or_default().to_owned()))
        })
        .collect()
}
