//! A task: what was asked for, and how far it has come.

use std::collections::VecDeque;
use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value};

use super::Scope;
use super::definitions::Definition;
use super::life::Step;
use crate::local::faults::{Life, Span};

/// What the tasks of one RunTask call share.
#[derive(Debug)]
pub(super) struct Launch {
    pub(super) scope: Scope,
    pub(super) cluster: String,
    pub(super) definition: Arc<Definition>,
    pub(super) started_by: Option<String>,
    pub(super) client_token: Option<String>,
    pub(super) group: String,
    pub(super) subnets: Vec<String>,
    pub(super) platform_version: String,
    pub(super) enable_execute_command: bool,
    pub(super) tags: Value,
    /// The request's `overrides` with an entry for every container, as ECS shows them.
    pub(super) overrides: Map<String, Value>,
    pub(super) cpu: String,
    pub(super) memory: String,
    pub(super) ephemeral_gib: i64,
    pub(super) containers: Vec<LaunchContainer>,
}

/// What is known of a container before it runs.
#[derive(Debug)]
pub(super) struct LaunchContainer {
    pub(super) cpu: i64,
    pub(super) memory: Option<i64>,
    pub(super) memory_reservation: Option<i64>,
    pub(super) environment: Vec<(String, String)>,
    /// What the environment or the command say of the work: seconds and exit code.
    pub(super) seconds: Option<f64>,
    pub(super) exit_code: Option<i64>,
}

/// Where a task runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) launch_type: &'static str,
    pub(super) capacity_provider: Option<String>,
    pub(super) awsvpc: bool,
}

impl Place {
    pub(super) fn fargate(&self) -> bool {
        self.launch_type == "FARGATE"
    }

    pub(super) fn spot(&self) -> bool {
        self.capacity_provider.as_deref() == Some("FARGATE_SPOT")
    }
}

/// `lastStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Status {
    Provisioning,
    Pending,
    Activating,
    Running,
    Deactivating,
    Stopping,
    Deprovisioning,
    Stopped,
}

impl Status {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Provisioning => "PROVISIONING",
            Self::Pending => "PENDING",
            Self::Activating => "ACTIVATING",
            Self::Running => "RUNNING",
            Self::Deactivating => "DEACTIVATING",
            Self::Stopping => "STOPPING",
            Self::Deprovisioning => "DEPROVISIONING",
            Self::Stopped => "STOPPED",
        }
    }
}

/// One container of a task.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) status: Status,
    pub(super) exit_code: Option<i64>,
    pub(super) reason: Option<String>,
    /// Seconds of work and the code it ends with; no seconds: until it is stopped.
    pub(super) work: (Option<f64>, Option<i64>),
    pub(super) ends_at: Option<i64>,
    pub(super) health: Option<&'static str>,
}

/// The network interface of an awsvpc task.
#[derive(Debug)]
pub(super) struct Interface {
    pub(super) attachment: String,
    pub(super) id: String,
    pub(super) mac: String,
    pub(super) ip: String,
    pub(super) subnet: String,
    pub(super) attached: bool,
}

/// How the containers ended, before ECS shows it.
#[derive(Debug)]
pub(super) struct Ending {
    pub(super) at: Option<i64>,
    pub(super) exits: Vec<(Option<i64>, Option<String>)>,
    pub(super) stop_code: Option<String>,
    pub(super) reason: Option<String>,
}

/// A task.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: String,
    pub(super) arn: String,
    pub(super) launch: Arc<Launch>,
    pub(super) place: Place,
    pub(super) zone: String,
    pub(super) instance: Option<String>,
    pub(super) interface: Option<Interface>,
    pub(super) containers: Vec<Container>,
    pub(super) status: Status,
    pub(super) stopping_wanted: bool,
    pub(super) version: u32,
    pub(super) created: i64,
    pub(super) updated: i64,
    pub(super) connected: Option<i64>,
    pub(super) pull_started: Option<i64>,
    pub(super) pull_stopped: Option<i64>,
    pub(super) started: Option<i64>,
    pub(super) execution_stopped: Option<i64>,
    pub(super) stopping: Option<i64>,
    pub(super) stopped: Option<i64>,
    pub(super) stop_code: Option<String>,
    pub(super) stopped_reason: Option<String>,
    pub(super) ending: Option<Ending>,
    pub(super) no_containers: bool,
    pub(super) invisible_until: i64,
    pub(super) fault: Option<Life>,
    pub(super) attempt: u32,
    pub(super) key: u64,
    pub(super) steps: VecDeque<(f64, Step)>,
    /// Rises when the plan changes, so that timers of the old plan mean nothing.
    pub(super) epoch: u32,
    pub(super) held: Option<Value>,
    /// Seconds of AWS's time after which ECS no longer knows it, once it has stopped.
    pub(super) forgotten_after: f64,
    pub(super) rng: SmallRng,
    pub(super) tags: Value,
    pub(super) log: TaskLog,
}

/// What a task's containers write, and how CloudWatch Logs comes to have it.
#[derive(Clone, Debug, Default)]
pub(super) struct TaskLog {
    /// What the essential containers write; left out, a line at their start and one at their end.
    pub(super) lines: Option<Arc<[String]>>,
    /// The streams are there only so many seconds after the end.
    pub(super) late: Option<f64>,
    /// The first pages are empty.
    pub(super) empty_pages: bool,
}

/// What [`Task::new`] needs besides the launch.
pub(super) struct Birth {
    pub(super) place: Place,
    pub(super) now: i64,
    pub(super) attempt: u32,
    /// Decides chances and delays.
    pub(super) key: u64,
    /// Decides names.
    pub(super) name_seed: u64,
    pub(super) fault: Option<Life>,
    pub(super) work: (Span, i64),
    pub(super) seed: u64,
    pub(super) forgotten_after: f64,
    pub(super) log: TaskLog,
}

impl Task {
    pub(super) fn new(launch: Arc<Launch>, birth: Birth) -> Self {
        let mut names = SmallRng::seed_from_u64(birth.name_seed);
        let mut rng = SmallRng::seed_from_u64(crate::local::faults::hash_of(&(birth.seed, birth.key, "jitter")));
        let id = hex(&mut names, 32);
        let seconds = drawn(&mut rng, birth.work.0);
        let definitions = &launch.definition.containers;
        let only_fault = birth.fault.as_ref().and_then(|f| f.exit_code);
        let first_essential = definitions.iter().position(|d| d.essential);
        let containers = definitions
            .iter()
            .zip(&launch.containers)
            .enumerate()
            .map(|(index, (definition, asked))| {
                // A sidecar runs until the essential containers are done, unless it is told its own time.
                let own = definition.essential.then_some(seconds);
                let code =
                    only_fault.filter(|_| Some(index) == first_essential).or(asked.exit_code).unwrap_or(birth.work.1);
                Container {
                    id: uuid(&mut names),
                    status: Status::Pending,
                    exit_code: None,
                    reason: None,
                    work: (asked.seconds.or(own), Some(code)),
                    ends_at: None,
                    health: definition.healthy_after.map(|_| "UNKNOWN"),
                }
            })
            .collect();
        let interface = birth.place.awsvpc.then(|| interface(&mut names, &mut rng, &launch.subnets));
        let provisioned = birth.place.awsvpc || birth.place.capacity_provider.is_some();
        let region = &launch.scope.region;
        Self {
            arn: launch.scope.arn(&format!("task/{}/{id}", launch.cluster)),
            zone: format!("{region}{}", ['a', 'b', 'c'][rng.random_range(0..3)]),
            instance: (!birth.place.fargate())
                .then(|| launch.scope.arn(&format!("container-instance/{}/{}", launch.cluster, hex(&mut names, 32)))),
            id,
            interface,
            containers,
            status: if provisioned { Status::Provisioning } else { Status::Pending },
            stopping_wanted: false,
            version: 1,
            created: birth.now,
            updated: birth.now,
            connected: None,
            pull_started: None,
            pull_stopped: None,
            started: None,
            execution_stopped: None,
            stopping: None,
            stopped: None,
            stop_code: None,
            stopped_reason: None,
            ending: None,
            no_containers: birth.fault.as_ref().is_some_and(|f| f.no_containers),
            invisible_until: i64::MIN,
            fault: birth.fault,
            attempt: birth.attempt,
            forgotten_after: birth.forgotten_after,
            key: birth.key,
            steps: VecDeque::new(),
            epoch: 0,
            held: None,
            tags: launch.tags.clone(),
            log: birth.log,
            place: birth.place,
            rng,
            launch,
        }
    }

    /// The container's definition.
    pub(super) fn definition_of(&self, index: usize) -> &super::definitions::ContainerDefinition {
        &self.launch.definition.containers[index]
    }

    /// A change that ECS tells of.
    pub(super) fn changed(&mut self, now: i64) {
        self.version += 1;
        self.updated = now;
    }

    /// Whether its containers may still be running.
    pub(super) fn live(&self) -> bool {
        self.status != Status::Stopped
    }
}

/// A number of seconds out of the span.
pub(super) fn drawn(rng: &mut SmallRng, span: Span) -> f64 {
    if span.0 < span.1 { rng.random_range(span.0..=span.1) } else { span.0 }
}

/// A network interface; which subnet it is in is a chance of the task's, not a name.
fn interface(names: &mut SmallRng, rng: &mut SmallRng, subnets: &[String]) -> Interface {
    let mac: Vec<String> = (0..5).map(|_| format!("{:02x}", names.random::<u8>())).collect();
    let subnet = match subnets.len() {
        0 => format!("subnet-{}", hex(names, 17)),
        n => subnets[rng.random_range(0..n)].clone(),
    };
    Interface {
        attachment: uuid(names),
        id: format!("eni-0{}", hex(names, 16)),
        mac: format!("0a:{}", mac.join(":")),
        ip: format!("10.0.{}.{}", names.random_range(0..16), names.random_range(4..255)),
        subnet,
        attached: false,
    }
}

/// `length` hexadecimal digits.
pub(super) fn hex(names: &mut SmallRng, length: usize) -> String {
    let digits = format!("{:032x}", names.random::<u128>());
    digits[..length.min(32)].to_owned()
}

/// A version 4 UUID out of these dice.
pub(super) fn uuid(names: &mut SmallRng) -> String {
    uuid::Builder::from_random_bytes(names.random()).into_uuid().to_string()
}
