//! Where a container's log is: what the `logConfiguration` of its task definition says of one task.
//!
//! RunTask cannot change a log configuration (API reference, ContainerOverride), so the task definition decides. The stream
//! of `awslogs` is `prefix/container/task-id`; without a prefix, which Fargate does not allow, Docker's id of the container
//! (developer guide, "Send Amazon ECS logs to CloudWatch"), and that is the container's `runtimeId`.

use serde::{Deserialize, Serialize};

use super::console;
use super::name::region_in_arn;
use super::time::Timestamp;

const AWSLOGS: &str = "awslogs";
/// The last lines of a container whose driver does not block may be lost; that is what awslogs does unless told otherwise
/// (API reference, LogConfiguration, `mode`).
pub const MAY_BE_MISSING: &str = "the container wrote nothing to it yet, or its lines are missing: awslogs does not block by \
                                  default and drops lines when it cannot keep up, and at a sudden end";

/// The `logConfiguration` of one container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogConfig {
    /// `logDriver`.
    pub driver: String,
    /// `awslogs-group`.
    pub group: Option<String>,
    /// `awslogs-stream-prefix`.
    pub prefix: Option<String>,
    /// `awslogs-region`.
    pub region: Option<String>,
}

/// Where the lines of one container of one task are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogPlace {
    /// The container.
    pub container: String,
    /// Its log driver; none where the task definition names none.
    pub driver: Option<String>,
    /// The log group in CloudWatch Logs.
    pub group: Option<String>,
    /// The stream in the group: this container of this task, and no other.
    pub stream: Option<String>,
    /// The Region of the group.
    pub region: Option<String>,
}

/// Where the lines of the container that decided are, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema), schema(as = Log))]
pub struct LogView {
    /// The container that decided how the attempt ended.
    pub container: String,
    /// `awslogs`, `awsfirelens`, `splunk`, …; null where the task definition names none.
    pub driver: Option<String>,
    /// The log group.
    pub group: Option<String>,
    /// The stream of this container of this task.
    pub stream: Option<String>,
    /// The Region of the group.
    pub region: Option<String>,
    /// The stream in AWS's console.
    pub url: Option<String>,
    /// Why its lines cannot be shown here, and where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "service", schema(nullable = false))]
    pub why: Option<String>,
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "service", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// When the container wrote it.
    #[cfg_attr(feature = "service", schema(value_type = String, format = DateTime))]
    pub at: Timestamp,
    /// What it wrote, unmasked.
    pub text: String,
}

impl LogConfig {
    /// A driver with its options.
    pub fn new<'o>(driver: &str, option: impl Fn(&str) -> Option<&'o str>) -> Self {
        let own = |name: &str| option(name).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            driver: driver.to_owned(),
            group: own("awslogs-group"),
            prefix: own("awslogs-stream-prefix"),
            region: own("awslogs-region"),
        }
    }
}

impl LogPlace {
    /// The log of a container of this task. `runtime_id` is what an event or a description of the task says of the container.
    pub fn of(container: &str, config: Option<&LogConfig>, task_arn: &str, runtime_id: Option<&str>) -> Self {
        let awslogs = config.filter(|config| config.driver == AWSLOGS);
        let task_id = task_arn.rsplit('/').next().unwrap_or_default();
        let stream = awslogs.and_then(|config| match &config.prefix {
            Some(prefix) => Some(format!("{prefix}/{container}/{task_id}")),
            // Never the group's latest stream: that may be another task's.
            None => runtime_id.filter(|id| is_dockers(id)).map(str::to_owned),
        });
        let region = awslogs.and_then(|config| config.region.as_deref().or_else(|| region_in_arn(task_arn)));
        Self {
            container: container.to_owned(),
            driver: config.map(|config| config.driver.clone()),
            group: awslogs.and_then(|config| config.group.clone()),
            stream,
            region: region.map(str::to_owned),
        }
    }

    /// Group and stream, where the lines can be asked for.
    pub fn in_cloudwatch(&self) -> Option<(&str, &str)> {
        self.group.as_deref().zip(self.stream.as_deref())
    }

    /// Why its lines cannot be asked for, and what to do.
    pub fn why(&self) -> Option<String> {
        let container = &self.container;
        Some(match self.driver.as_deref() {
            Some(AWSLOGS) if self.in_cloudwatch().is_some() => return None,
            Some(AWSLOGS) if self.group.is_none() => {
                format!("awslogs of container {container:?} names no awslogs-group: add it to the task definition")
            }
            Some(AWSLOGS) => format!(
                "without awslogs-stream-prefix the stream bears the id of container {container:?}, and ECS gave none: the \
                 container never ran, or set the prefix in the task definition"
            ),
            Some("awsfirelens") => {
                "awsfirelens: its configuration says where the lines go: see the options of the container and of the log \
                 router beside it"
                    .to_owned()
            }
            Some("splunk") => "splunk: the lines are in Splunk, at the splunk-url of the task definition".to_owned(),
            Some(driver @ ("json-file" | "journald" | "syslog")) => {
                format!("{driver}: the lines are on the container instance that ran the task")
            }
            Some(driver) => format!("{driver}: the lines are where the options of this log driver send them"),
            None => format!(
                "the task definition gives container {container:?} no logConfiguration: add one (awslogs) to keep its lines"
            ),
        })
    }

    /// The stream in AWS's console, for a task with this ARN.
    fn url(&self, task_arn: &str) -> Option<String> {
        let (group, stream) = self.in_cloudwatch()?;
        console::log(task_arn.split(':').nth(1)?, self.region.as_deref()?, group, stream)
    }

    /// As it is shown of a task with this ARN.
    pub fn view(&self, task_arn: &str) -> LogView {
        LogView {
            container: self.container.clone(),
            driver: self.driver.clone(),
            group: self.group.clone(),
            stream: self.stream.clone(),
            region: self.region.clone(),
            url: self.url(task_arn),
            why: self.why(),
        }
    }
}

/// Docker's id of a container: 64 hexadecimal digits. Fargate's `runtimeId` is the task's id with a number.
fn is_dockers(runtime_id: &str) -> bool {
    runtime_id.len() == 64 && runtime_id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: &str = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

    fn config(driver: &str, options: &[(&str, &'static str)]) -> LogConfig {
        LogConfig::new(driver, |name| options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value))
    }

    #[test]
    fn with_a_prefix_the_stream_is_prefix_container_and_task() {
        let config = config("awslogs", &[("awslogs-group", "/ecs/etl"), ("awslogs-stream-prefix", "ecs")]);
        let place = LogPlace::of("app", Some(&config), TASK, None);
        assert_eq!(place.in_cloudwatch(), Some(("/ecs/etl", "ecs/app/0123456789abcdef0123456789abcdef")));
        assert_eq!((place.region.as_deref(), place.why()), (Some("eu-west-1"), None), "the task's own Region");
        assert!(place.view(TASK).url.unwrap().contains("#logsV2:log-groups/log-group/$252Fecs$252Fetl/log-events/"));
    }

    #[test]
    fn without_a_prefix_it_is_the_containers_own_id_and_never_a_guess() {
        let config = config("awslogs", &[("awslogs-group", "g"), ("awslogs-region", "us-east-1")]);
        let docker = "ab".repeat(32);
        let place = LogPlace::of("app", Some(&config), TASK, Some(&docker));
        assert_eq!((place.in_cloudwatch(), place.region.as_deref()), (Some(("g", docker.as_str())), Some("us-east-1")));
        for unknown in [None, Some("0123456789abcdef0123456789abcdef-527074092"), Some("")] {
            let place = LogPlace::of("app", Some(&config), TASK, unknown);
            assert_eq!(place.in_cloudwatch(), None, "{unknown:?}");
            assert!(place.why().unwrap().contains("awslogs-stream-prefix"), "{place:?}");
        }
    }

    #[test]
    fn other_drivers_say_where_to_look() {
        for (driver, says) in [
            ("awsfirelens", "its configuration says where the lines go"),
            ("splunk", "splunk-url"),
            ("json-file", "container instance"),
            ("gelf", "gelf"),
        ] {
            let place = LogPlace::of("app", Some(&config(driver, &[("awslogs-group", "g")])), TASK, None);
            assert_eq!((place.driver.as_deref(), place.group.as_deref()), (Some(driver), None));
            assert!(place.why().unwrap().contains(says), "{place:?}");
        }
        assert!(LogPlace::of("app", None, TASK, None).why().unwrap().contains("no logConfiguration"));
        let nowhere = LogPlace::of("app", Some(&config("awslogs", &[("awslogs-stream-prefix", "p")])), TASK, None);
        assert!(nowhere.why().unwrap().contains("awslogs-group"), "{nowhere:?}");
    }
}
