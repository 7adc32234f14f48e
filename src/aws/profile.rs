//! The profile of the AWS configuration that a process calls as.
//!
//! As the AWS CLI has it (botocore: `credentials.create_credential_resolver`, `Session.get_scoped_config`): a profile that is
//! named for the call goes before the keys in the environment, one that the environment names goes behind them, and one that
//! no file defines is an error, also where there are keys.

use aws_config::SdkConfig;
use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{self, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_types::os_shim_internal::{Env, Fs};

use super::errors::one_line;

/// Variables that name a profile, in the order in which the AWS CLI reads them (botocore, `configprovider`).
const VARIABLES: [&str; 2] = ["AWS_DEFAULT_PROFILE", "AWS_PROFILE"];
/// The profile that is meant where none is named.
const USUAL: &str = "default";

/// Why the AWS configuration cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file defines the profile. The first words are the AWS CLI's.
    #[error("The config profile ({name}) could not be found{}; {known}", by.map(|by| format!(": {by} names it")).unwrap_or_default())]
    NoProfile {
        /// Its name.
        name: String,
        /// The variable that names it, if one does.
        by: Option<&'static str>,
        /// The profiles that there are, in words.
        known: String,
    },
    /// A file of the configuration cannot be read.
    #[error("the AWS configuration: {0}")]
    Unreadable(String),
    /// What calls go to is no URL: the SDK would send nothing, and say so as if the network were away.
    #[error(
        "the endpoint {url:?} is no URL, such as http://127.0.0.1:4566; look at --endpoint-url, AWS_ENDPOINT_URL and the profile's endpoint_url"
    )]
    Endpoint {
        /// As it was given.
        url: String,
    },
    /// What calls of one service go to is no URL.
    #[error(
        "the endpoint {url:?} of {service} is no URL, such as http://127.0.0.1:4566; look at {variable} and the profile's services section",
        variable = variable(service)
    )]
    EndpointOf {
        /// As it was given.
        url: String,
        /// `serviceId` of its API model.
        service: &'static str,
    },
}

/// The variable that has the endpoint of one service (AWS SDKs and Tools Reference Guide, "Service-specific endpoints").
fn variable(service: &str) -> String {
    format!("AWS_ENDPOINT_URL_{}", service.replace(' ', "_").to_uppercase())
}

/// The profile in use.
pub(super) struct Profile {
    name: String,
    /// Whether it was named for the call, not by the environment.
    explicit: bool,
}

impl Profile {
    /// The profile that was asked for, else the environment's.
    pub(super) async fn select(asked: Option<&str>) -> Result<Self, ConfigError> {
        let variable =
            |name: &'static str| std::env::var(name).ok().filter(|set| !set.is_empty()).map(|set| (name, set));
        let by_environment = || VARIABLES.into_iter().find_map(variable);
        let (name, by) = match asked {
            Some(asked) => (Some(asked.to_owned()), None),
            None => by_environment().map_or((None, None), |(variable, set)| (Some(set), Some(variable))),
        };
        let all = profile::load(&Fs::real(), &Env::real(), &Default::default(), None).await;
        let all = all.map_err(|error| ConfigError::Unreadable(one_line(&error)))?;
        match name {
            Some(name) if all.get_profile(&name).is_none() => {
                Err(ConfigError::NoProfile { name, by, known: known(&all) })
            }
            name => Ok(Self { name: name.unwrap_or_else(|| USUAL.to_owned()), explicit: asked.is_some() }),
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The configuration with this profile's credentials where they go before the environment's. Behind the profile come the
    /// roles of tasks and instances, as for the AWS CLI.
    pub(super) fn before_environment(&self, config: SdkConfig) -> SdkConfig {
        if !self.explicit {
            return config;
        }
        let with = ProviderConfig::default()
            .with_region(config.region().cloned())
            .with_behavior_version(Some(super::behavior()))
            .with_use_fips(config.use_fips())
            .with_use_dual_stack(config.use_dual_stack());
        let profile = ProfileFileCredentialsProvider::builder().profile_name(&self.name).configure(&with).build();
        let chain = CredentialsProviderChain::first_try("Profile", profile)
            .or_else("EcsContainer", EcsCredentialsProvider::builder().configure(&with).build())
            .or_else("Ec2InstanceMetadata", ImdsCredentialsProvider::builder().configure(&with).build());
        let chain = aws_credential_types::provider::SharedCredentialsProvider::new(chain);
        config.into_builder().credentials_provider(chain).build()
    }
}

fn known(all: &ProfileSet) -> String {
    let mut names: Vec<&str> = all.profiles().collect();
    names.sort_unstable();
    match names.as_slice() {
        [] => "no profile is defined in ~/.aws/config or ~/.aws/credentials".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}
