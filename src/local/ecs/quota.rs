//! Token buckets in front of the API, with AWS's default sizes
//! (Amazon ECS developer guide: "Request throttling for the Amazon ECS API" and "AWS Fargate throttling quotas").

use std::collections::HashMap;
use std::str::FromStr;

/// A bucket's size and what flows in a second of AWS's time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Calls that can be made at once.
    pub burst: f64,
    /// Calls a second in the long run.
    pub per_second: f64,
}

impl Rate {
    /// A bucket of `burst` that fills at `per_second`.
    pub const fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second }
    }
}

/// The quotas of an account in a Region.
#[derive(Clone, Debug, PartialEq)]
pub struct Quotas {
    /// RunTask and StopTask together.
    pub cluster_resource_modify: Rate,
    /// DescribeTasks and ListTasks together.
    pub cluster_resource_read: Rate,
    /// DescribeClusters and ListClusters.
    pub cluster_read: Rate,
    /// CreateCluster and DeleteCluster.
    pub cluster_modify: Rate,
    /// DescribeTaskDefinition and the lists of them.
    pub task_definition_read: Rate,
    /// RegisterTaskDefinition and DeregisterTaskDefinition.
    pub task_definition_modify: Rate,
    /// TagResource and UntagResource.
    pub tag_modify: Rate,
    /// RunTask calls for Fargate.
    pub fargate_run_task: Rate,
    /// GetLogEvents: 10 a second in Oregon, Ireland, Frankfurt and four others, 25 in most (CloudWatch Logs endpoints and quotas).
    pub get_log_events: Rate,
    /// FilterLogEvents.
    pub filter_log_events: Rate,
    /// Tasks launched on Fargate on demand.
    pub fargate_launch: Rate,
    /// Tasks launched on Fargate Spot.
    pub fargate_spot_launch: Rate,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            cluster_resource_modify: Rate::new(100.0, 40.0),
            cluster_resource_read: Rate::new(100.0, 20.0),
            cluster_read: Rate::new(50.0, 20.0),
            cluster_modify: Rate::new(50.0, 20.0),
            task_definition_read: Rate::new(50.0, 20.0),
            task_definition_modify: Rate::new(20.0, 1.0),
            tag_modify: Rate::new(20.0, 10.0),
            get_log_events: Rate::new(10.0, 10.0),
            filter_log_events: Rate::new(5.0, 5.0),
            fargate_run_task: Rate::new(20.0, 20.0),
            fargate_launch: Rate::new(100.0, 20.0),
            fargate_spot_launch: Rate::new(100.0, 20.0),
        }
    }
}

/// A quota that AWS raised: `fargate-spot-launch=500/1000`, a second and at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raised {
    quota: &'static str,
    rate: Rate,
}

/// Why a quota was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RaisedError {
    /// It is not written as one.
    #[error("expected NAME=PER_SECOND or NAME=PER_SECOND/AT_ONCE, with numbers above 0")]
    Form,
    /// There is none of this name.
    #[error("there is no quota '{0}'; there are {all}", all = NAMES.join(", "))]
    Unknown(String),
}

/// As users write them.
const NAMES: [&str; 12] = [
    "cluster-resource-modify",
    "cluster-resource-read",
    "cluster-read",
    "cluster-modify",
    "task-definition-read",
    "task-definition-modify",
    "tag-modify",
    "get-log-events",
    "filter-log-events",
    "fargate-run-task",
    "fargate-launch",
    "fargate-spot-launch",
];

impl FromStr for Raised {
    type Err = RaisedError;

    fn from_str(text: &str) -> Result<Self, RaisedError> {
        let (name, rate) = text.split_once('=').ok_or(RaisedError::Form)?;
        let quota = NAMES.into_iter().find(|known| *known == name);
        let quota = quota.ok_or_else(|| RaisedError::Unknown(name.to_owned()))?;
        let (per_second, burst) = rate.split_once('/').unwrap_or((rate, rate));
        let number =
            |text: &str| text.parse().ok().filter(|n: &f64| n.is_finite() && *n > 0.0).ok_or(RaisedError::Form);
        Ok(Self { quota, rate: Rate::new(number(burst)?, number(per_second)?) })
    }
}

impl Quotas {
    /// The same, with one of them raised, or lowered.
    #[must_use]
    pub fn with(mut self, raised: Raised) -> Self {
        if let Some(rate) = self.named(raised.quota) {
            *rate = raised.rate;
        }
        self
    }

    fn named(&mut self, name: &str) -> Option<&mut Rate> {
        Some(match name {
            "cluster-resource-modify" => &mut self.cluster_resource_modify,
            "cluster-resource-read" => &mut self.cluster_resource_read,
            "cluster-read" => &mut self.cluster_read,
            "cluster-modify" => &mut self.cluster_modify,
            "task-definition-read" => &mut self.task_definition_read,
            "task-definition-modify" => &mut self.task_definition_modify,
            "tag-modify" => &mut self.tag_modify,
            "get-log-events" => &mut self.get_log_events,
            "filter-log-events" => &mut self.filter_log_events,
            "fargate-run-task" => &mut self.fargate_run_task,
            "fargate-launch" => &mut self.fargate_launch,
            "fargate-spot-launch" => &mut self.fargate_spot_launch,
            _ => return None,
        })
    }

    /// The bucket an operation draws from.
    pub(super) fn of_operation(&self, operation: &str) -> Option<(&'static str, Rate)> {
        Some(match operation {
            "RunTask" | "StopTask" => ("cluster resource modify", self.cluster_resource_modify),
            "DescribeTasks" | "ListTasks" => ("cluster resource read", self.cluster_resource_read),
            "DescribeClusters" | "ListClusters" => ("cluster read", self.cluster_read),
            "CreateCluster" | "DeleteCluster" => ("cluster modify", self.cluster_modify),
            "DescribeTaskDefinition" | "ListTaskDefinitions" | "ListTaskDefinitionFamilies" => {
                ("task definition read", self.task_definition_read)
            }
            "RegisterTaskDefinition" | "DeregisterTaskDefinition" => {
                ("task definition modify", self.task_definition_modify)
            }
            "TagResource" | "UntagResource" | "ListTagsForResource" => ("tag modify", self.tag_modify),
            "GetLogEvents" => ("get log events", self.get_log_events),
            "FilterLogEvents" => ("filter log events", self.filter_log_events),
            _ => return None,
        })
    }
}

/// The buckets of all accounts and Regions.
#[derive(Debug, Default)]
pub(super) struct Buckets(HashMap<(String, &'static str), Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled: i64,
}

impl Buckets {
    /// Takes `n` tokens, or none and says no. `scale` is how much faster than AWS time runs here.
    pub(super) fn take(&mut self, scope: &str, name: &'static str, rate: Rate, n: f64, now: i64, scale: f64) -> bool {
        let key = (scope.to_owned(), name);
        let bucket = self.0.entry(key).or_insert(Bucket { tokens: rate.burst, filled: now });
        let seconds = (now - bucket.filled).max(0) as f64 / 1000.0 * scale;
        bucket.tokens = (bucket.tokens + seconds * rate.per_second).min(rate.burst);
        bucket.filled = now;
        let enough = bucket.tokens >= n;
        if enough {
            bucket.tokens -= n;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_then_its_rate() {
        let (mut buckets, rate) = (Buckets::default(), Rate::new(3.0, 2.0));
        let mut take = |now, n| buckets.take("r/a", "x", rate, n, now, 1.0);
        assert!(take(0, 3.0));
        assert!(!take(0, 1.0));
        assert!(take(500, 1.0));
        assert!(!take(900, 1.0));
        assert!(take(1000, 1.0));
        assert!(!take(60_000, 4.0));
        assert!(take(60_000, 3.0));
    }

    #[test]
    fn every_quota_can_be_raised_by_its_name() {
        for name in NAMES {
            let raised: Raised = format!("{name}=500.5/1000").parse().unwrap();
            let mut quotas = Quotas::default().with(raised);
            assert_eq!(quotas.named(name).copied(), Some(Rate::new(1000.0, 500.5)), "{name}");
        }
        assert_eq!("tag-modify=7".parse::<Raised>().unwrap().rate, Rate::new(7.0, 7.0), "as many at once as a second");
        for wrong in ["tag-modify", "tag-modify=", "tag-modify=0", "tag-modify=1/x", "tag-modify=inf", "tags=1"] {
            assert!(wrong.parse::<Raised>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn scaled_time_fills_faster() {
        let (mut buckets, rate) = (Buckets::default(), Rate::new(1.0, 1.0));
        assert!(buckets.take("r/a", "x", rate, 1.0, 0, 20.0));
        assert!(buckets.take("r/a", "x", rate, 1.0, 50, 20.0));
    }
}
