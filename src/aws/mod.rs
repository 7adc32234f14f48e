//! The only module that knows the AWS SDK: the cell's ports, on real AWS or any endpoint that speaks its protocols.

mod callbacks;
mod described;
mod destinations;
mod doctor;
mod dynamodb;
mod ecs;
mod endpoint;
mod errors;
mod eventbridge;
mod identity;
mod json;
mod launchers;
mod logs;
mod profile;
mod provision;
mod report;
mod setup;
mod sns;
mod sqs;

use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sqs::config::timeout::TimeoutConfig;

use crate::cell::LogReader;
use profile::Profile;

pub use destinations::Publisher;
pub use doctor::{
    Finding, FleetReport, FleetSubject, Probe, ProbeError, Seen, Status, Subject, examine, examine_fleet, examine_table,
};
pub use dynamodb::DynamoTable;
pub use ecs::EcsClient;
pub use identity::{Identity, IdentityError};
pub use launchers::LauncherClient;
pub use logs::LogsClient;
pub use profile::ConfigError;
pub use provision::{EventsPath, ProvisionError};
pub use report::{Found, NoSource, ReportSources};
pub use setup::{
    Action, Ask, ClusterTasks, FleetAsk, Leftover, Leftovers, PROBE_SOURCE, Place, Removal, Setup, SetupError, Step,
    Thing, template,
};
pub use sqs::SqsQueue;

/// For a log that a person reads: what the SDK finds wrong with the configuration comes as a command's own error.
pub const QUIET: &str = "aws_config=error,aws_runtime=error";

/// The defaults of the SDK as of this date.
fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

/// Where and as whom AWS is called. What is left out comes from the environment, as the AWS CLI has it.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// `--region`.
    pub region: Option<String>,
    /// `--profile`.
    pub profile: Option<String>,
    /// `--endpoint-url`.
    pub endpoint_url: Option<String>,
    /// Credentials that no file or service is asked for: for endpoints that check none.
    pub test_credentials: bool,
}

/// Clients of the services that taskwatch uses.
#[derive(Clone, Debug)]
pub struct Clients {
    config: SdkConfig,
}

impl Clients {
    /// Reads the AWS configuration.
    ///
    /// # Errors
    /// A profile that is named and not there, a file that cannot be read, or an endpoint that is no URL, be it for all services
    /// or for one that taskwatch calls. With `test_credentials` only endpoints are looked at.
    pub async fn load(target: &Target) -> Result<Self, ConfigError> {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            // Longer than SQS's longest poll, so that a dead connection is noticed and a live poll is not cut.
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        let mut loader = aws_config::defaults(behavior()).timeout_config(timeouts);
        if let Some(region) = &target.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(url) = &target.endpoint_url {
            loader = loader.endpoint_url(url);
        }
        let config = if target.test_credentials {
            let credentials = aws_sdk_sqs::config::Credentials::new("test", "test", None, None, "test");
            loader.credentials_provider(credentials).load().await
        } else {
            let profile = Profile::select(target.profile.as_deref()).await?;
            profile.before_environment(loader.profile_name(profile.name()).load().await)
        };
        endpoint::check(&config, json::services::ALL.map(|service| service.id))?;
        Ok(Self { config })
    }

    /// The region in use, if any is set.
    pub fn region(&self) -> Option<String> {
        self.config.region().map(ToString::to_string)
    }

    /// The ECS port.
    pub fn ecs(&self) -> EcsClient {
        EcsClient::new(&self.config)
    }

    /// Rules and schedules.
    pub fn launchers(&self) -> LauncherClient {
        LauncherClient::new(&self.config)
    }

    /// CloudWatch Logs.
    pub fn logs(&self) -> LogsClient {
        LogsClient::new(&self.config)
    }

    /// Reads the lines of containers, at most so many pages a second.
    pub fn log_reader(&self, a_second: f64) -> LogReader {
        LogReader::new(Arc::new(self.logs()), Arc::new(self.ecs()), a_second)
    }

    /// A queue, by its URL.
    pub fn queue(&self, url: impl Into<String>) -> SqsQueue {
        SqsQueue::new(&self.config, url.into())
    }

    /// The cell, or the fleet, for which `setup` made a queue; none where nobody did, or the caller may not ask.
    pub async fn queue_made_for(&self, url: &str) -> Option<String> {
        let tags = aws_sdk_sqs::Client::new(&self.config).list_queue_tags().queue_url(url).send().await.ok()?;
        let owner = setup::Owner::of(tags.tags()?.iter().map(|(key, value)| (key.as_str(), value.as_str())))?;
        Some(owner.name().to_owned())
    }

    /// The notifier: SNS topics and EventBridge buses.
    pub fn publisher(&self) -> Publisher {
        Publisher::new(&self.config)
    }
}
