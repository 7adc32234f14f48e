//! A task as the API shows it, and as its events do. The differences are AWS's: an event has ISO times, leaves out what is empty,
//! never has tags or health, calls an interface `eni` and a managed agent's state `status`.

use serde_json::{Map, Value, json};

use super::definitions::{ContainerDefinition, Port};
use super::task::{Container, Status, Task};

/// A timestamp of the JSON protocol: seconds since the epoch, with milliseconds as a fraction.
pub(super) fn seconds(millis: i64) -> Value {
    json!(millis as f64 / 1000.0)
}

/// A timestamp of an event: ISO 8601 without trailing zeros in the fraction, as ECS writes it.
pub(super) fn iso(millis: i64) -> String {
    jiff::Timestamp::from_millisecond(millis).map(|t| t.to_string()).unwrap_or_default()
}

impl Task {
    /// As RunTask, DescribeTasks and StopTask answer it.
    pub(super) fn api(&self, with_tags: bool) -> Value {
        let mut task = self.common(true, &|millis| seconds(millis));
        task.insert("inferenceAccelerators".to_owned(), json!([]));
        task.insert("tags".to_owned(), if with_tags { self.tags.clone() } else { json!([]) });
        if self.place.fargate() {
            task.entry("platformFamily").or_insert(json!("Linux"));
            task.insert("fargateEphemeralStorage".to_owned(), json!({"sizeInGiB": self.launch.ephemeral_gib}));
        }
        let health: Vec<_> = self.containers.iter().filter_map(|c| c.health).collect();
        let health = match () {
            () if health.contains(&"UNHEALTHY") => "UNHEALTHY",
            () if health.is_empty() || health.contains(&"UNKNOWN") => "UNKNOWN",
            () => "HEALTHY",
        };
        task.insert("healthStatus".to_owned(), json!(health));
        Value::Object(task)
    }

    /// As the `detail` of an ECS Task State Change event has it.
    pub(super) fn detail(&self) -> Value {
        Value::Object(self.common(false, &|millis| json!(iso(millis))))
    }

    fn common(&self, api: bool, time: &dyn Fn(i64) -> Value) -> Map<String, Value> {
        let launch = &self.launch;
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| {
            out.insert(name.to_owned(), value);
        };
        put("attachments", self.attachments(api));
        put("attributes", json!([{"name": "ecs.cpu-architecture", "value": "x86_64"}]));
        put("availabilityZone", json!(self.zone));
        if let Some(provider) = &self.place.capacity_provider {
            put("capacityProviderName", json!(provider));
        }
        put("clusterArn", json!(launch.scope.arn(&format!("cluster/{}", launch.cluster))));
        if let Some(instance) = &self.instance {
            put("containerInstanceArn", json!(instance));
        }
        let containers = if self.no_containers { Vec::new() } else { self.containers_view(api) };
        put("containers", Value::Array(containers));
        put("cpu", json!(launch.cpu));
        put("memory", json!(launch.memory));
        put("desiredStatus", json!(if self.stopping_wanted { "STOPPED" } else { "RUNNING" }));
        put("enableExecuteCommand", json!(launch.enable_execute_command));
        if self.place.fargate() {
            put("ephemeralStorage", json!({"sizeInGiB": launch.ephemeral_gib}));
            put("platformVersion", json!(launch.platform_version));
            // In events of Windows tasks only.
            if let Some(family) = launch.definition.windows_family() {
                put("platformFamily", json!(family));
            }
        }
        put("group", json!(launch.group));
        put("launchType", json!(self.place.launch_type));
        put("lastStatus", json!(self.status.name()));
        put("overrides", self.overrides(api));
        if let Some(started_by) = &launch.started_by {
            put("startedBy", json!(started_by));
        }
        put("taskArn", json!(self.arn));
        put("taskDefinitionArn", json!(launch.definition.arn));
        put("version", json!(self.version));
        if self.connected.is_some() {
            put("connectivity", json!("CONNECTED"));
        }
        for (name, text) in [("stopCode", &self.stop_code), ("stoppedReason", &self.stopped_reason)] {
            if let Some(text) = text {
                put(name, json!(text));
            }
        }
        for (name, at) in [
            ("connectivityAt", self.connected),
            ("createdAt", Some(self.created)),
            ("executionStoppedAt", self.execution_stopped),
            ("pullStartedAt", self.pull_started),
            ("pullStoppedAt", self.pull_stopped),
            ("startedAt", self.started),
            ("stoppedAt", self.stopped),
            ("stoppingAt", self.stopping),
            ("updatedAt", Some(self.updated).filter(|_| !api)),
        ] {
            if let Some(at) = at {
                put(name, time(at));
            }
        }
        out
    }

    fn overrides(&self, api: bool) -> Value {
        let mut overrides = self.launch.overrides.clone();
        if api {
            overrides.entry("inferenceAcceleratorOverrides").or_insert(json!([]));
        }
        Value::Object(overrides)
    }

    fn attachments(&self, api: bool) -> Value {
        let Some(interface) = &self.interface else { return json!([]) };
        let mut details = vec![json!({"name": "subnetId", "value": interface.subnet})];
        let status = match (interface.attached, self.status) {
            (_, Status::Stopped) => "DELETED",
            (true, _) => "ATTACHED",
            (false, _) => "PRECREATED",
        };
        if interface.attached {
            let region = &self.launch.scope.region;
            let domain =
                if region == "us-east-1" { "ec2.internal".to_owned() } else { format!("{region}.compute.internal") };
            let host = format!("ip-{}.{domain}", interface.ip.replace('.', "-"));
            details.push(json!({"name": "networkInterfaceId", "value": interface.id}));
            details.push(json!({"name": "macAddress", "value": interface.mac}));
            details.push(json!({"name": "privateDnsName", "value": host}));
            details.push(json!({"name": "privateIPv4Address", "value": interface.ip}));
        }
        let kind = if api { "ElasticNetworkInterface" } else { "eni" };
        json!([{"id": interface.attachment, "type": kind, "status": status, "details": details}])
    }

    fn containers_view(&self, api: bool) -> Vec<Value> {
        (0..self.containers.len()).map(|index| self.container_view(index, api)).collect()
    }

    fn container_view(&self, index: usize, api: bool) -> Value {
        let (container, definition): (&Container, _) = (&self.containers[index], self.definition_of(index));
        let asked = &self.launch.containers[index];
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| {
            out.insert(name.to_owned(), value);
        };
        let arn = self.launch.scope.arn(&format!("container/{}/{}/{}", self.launch.cluster, self.id, container.id));
        put("containerArn", json!(arn));
        put("taskArn", json!(self.arn));
        put("name", json!(definition.name));
        put("image", json!(definition.image));
        put("lastStatus", json!(container.status.name()));
        put("cpu", json!(asked.cpu.to_string()));
        for (name, value) in [("memory", asked.memory), ("memoryReservation", asked.memory_reservation)] {
            if let Some(value) = value {
                put(name, json!(value.to_string()));
            }
        }
        if self.pull_stopped.is_some() {
            let digest = format!("{:016x}", crate::local::faults::hash_of(&definition.image)).repeat(4);
            put("imageDigest", json!(format!("sha256:{digest}")));
        }
        if self.started.is_some() {
            put("runtimeId", json!(self.runtime_id(container)));
        }
        if let Some(code) = container.exit_code {
            put("exitCode", json!(code));
        }
        if let Some(reason) = &container.reason {
            put("reason", json!(reason));
        }
        let attached = self.interface.as_ref().filter(|i| i.attached);
        let interfaces: Vec<_> =
            attached.map(|i| json!({"attachmentId": i.attachment, "privateIpv4Address": i.ip})).into_iter().collect();
        put("networkInterfaces", Value::Array(interfaces));
        if self.launch.enable_execute_command {
            let state = if api { "lastStatus" } else { "status" };
            let mut agent = json!({"name": "ExecuteCommandAgent", state: container.status.name()});
            if let Some(at) = self.started.filter(|_| container.status == Status::Running) {
                agent["lastStartedAt"] = if api { seconds(at) } else { json!(iso(at)) };
            }
            put("managedAgents", json!([agent]));
        }
        let bindings = self.bindings(container, definition);
        if api || !bindings.is_empty() {
            put("networkBindings", Value::Array(bindings));
        }
        if api {
            put("healthStatus", json!(container.health.unwrap_or("UNKNOWN")));
        }
        Value::Object(out)
    }

    /// Docker's id of a container, or what Fargate makes of the task's.
    pub(super) fn runtime_id(&self, container: &Container) -> String {
        if self.place.fargate() {
            let number = u32::from_str_radix(&container.id[..8], 16).unwrap_or(0);
            return format!("{}-{number}", self.id);
        }
        format!("{:016x}", crate::local::faults::hash_of(&container.id)).repeat(4)
    }

    /// The ports that Docker has bound on the host: once the containers run, and never in `awsvpc`.
    fn bindings(&self, container: &Container, definition: &ContainerDefinition) -> Vec<Value> {
        if self.place.awsvpc || self.started.is_none() {
            return Vec::new();
        }
        let dynamic = |port: i64| 32_768 + crate::local::faults::hash_of(&(&container.id, port)) % 28_000;
        let bind = |port: &Port| {
            let host = if port.host > 0 { json!(port.host) } else { json!(dynamic(port.container)) };
            json!({"bindIP": "0.0.0.0", "containerPort": port.container, "hostPort": host, "protocol": port.protocol})
        };
        definition.ports.iter().map(bind).collect()
    }

    /// The whole event.
    pub(super) fn event(&self) -> Value {
        let id = crate::local::faults::hash_of(&(&self.arn, self.version, "event"));
        let id = uuid::Builder::from_random_bytes((u128::from(id) << 64 | u128::from(self.key)).to_be_bytes());
        json!({
            "version": "0",
            "id": id.into_uuid().to_string(),
            "detail-type": "ECS Task State Change",
            "source": "aws.ecs",
            "account": self.launch.scope.account,
            "time": iso(self.updated.div_euclid(1000) * 1000),
            "region": self.launch.scope.region,
            "resources": [self.arn],
            "detail": self.detail(),
        })
    }
}
