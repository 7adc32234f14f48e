//! `taskwatch local`: the AWS endpoint that fails on demand.

use std::time::Duration;

use super::error::CliError;
use super::output;
use super::signals::Signals;
use crate::local::ecs::{EcsOptions, Quotas, Raised};
use crate::local::faults::Script;
use crate::local::{LocalOptions, Options, start};
use clap::Args;

pub(super) const LOCAL_EXAMPLES: &str = "\
Examples:
  taskwatch local
  taskwatch local --listen 127.0.0.1:0 --time-scale 20 --seed 7 --script faults.toml";

/// `taskwatch local`.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Address and port; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:4566")]
    listen: std::net::SocketAddr,
    /// A host name that clients may use, besides localhost and the address that it listens on: host.docker.internal
    #[arg(long, value_name = "NAME")]
    allow_host: Vec<String>,
    /// How many times faster than AWS's time runs
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    time_scale: f64,
    /// How far away it is: milliseconds from a call to its answer, above what the work takes
    #[arg(long, default_value_t = 0, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    latency: u64,
    /// Decides all random choices, so that a run can be repeated [default: the script's `seed`, or 0]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// TOML file of faults (docs/local.md)
    #[arg(long, visible_alias = "faults", value_name = "FILE")]
    script: Option<std::path::PathBuf>,
    /// Never throttle
    #[arg(long)]
    no_quotas: bool,
    /// A quota that AWS raised, tasks or calls a second and at once: fargate-launch=500/1000 (docs/local.md)
    #[arg(long, value_name = "NAME=N[/N]", conflicts_with = "no_quotas")]
    quota: Vec<String>,
    /// Refuse task definitions that were not registered, as AWS does, instead of making them up
    #[arg(long)]
    strict: bool,
    /// How many tasks may be in PROVISIONING in a cluster
    #[arg(long, value_name = "N")]
    max_provisioning: Option<usize>,
    /// How many Fargate vCPUs may be in use at once
    #[arg(long, value_name = "N")]
    max_vcpus: Option<f64>,
    /// How many tasks the subnets have addresses for
    #[arg(long, value_name = "N")]
    max_addresses: Option<usize>,
    /// Clusters that are there from the start, besides `default`
    #[arg(long, value_name = "NAME")]
    cluster: Vec<String>,
}

pub(super) async fn local(arguments: LocalArgs) -> Result<u8, CliError> {
    let mut signals = Signals::listen()?;
    let mut script = match &arguments.script {
        Some(path) => Script::load(path).map_err(|e| CliError::usage(e.to_string().replace('\n', " ")))?,
        None => Script::default(),
    };
    if let Some(seed) = arguments.seed {
        script = script.with_seed(seed);
    }
    if !(arguments.time_scale.is_finite() && arguments.time_scale > 0.0) {
        return Err(CliError::usage(format!("--time-scale {}: expected a number above 0", arguments.time_scale)));
    }
    if let Some(vcpus) = arguments.max_vcpus.filter(|vcpus| !(vcpus.is_finite() && *vcpus >= 0.0)) {
        return Err(CliError::usage(format!("--max-vcpus {vcpus}: expected a number of vCPUs, 0 or more")));
    }
    let ecs = EcsOptions {
        time_scale: arguments.time_scale,
        script,
        quotas: (!arguments.no_quotas).then_some(quotas(&arguments.quota)?),
        auto_register: !arguments.strict,
        max_provisioning: arguments.max_provisioning,
        max_vcpus: arguments.max_vcpus,
        max_addresses: arguments.max_addresses,
        clusters: arguments.cluster,
        ..EcsOptions::default()
    };
    let latency = Duration::from_millis(arguments.latency);
    let identity = Options { hosts: arguments.allow_host, latency, ..Options::default() };
    let region = identity.region.clone();
    let options = LocalOptions { listen: arguments.listen, identity, ecs };
    let running = start(options).await.map_err(|e| CliError::other(format!("--listen {}: {e}", arguments.listen)))?;
    output::problem(&format!(
        "taskwatch local listens on {url}\n\n  export AWS_ENDPOINT_URL={url} AWS_REGION={region} AWS_DEFAULT_REGION={region} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test\n\n\
         ECS, SQS, SNS and EventBridge until Ctrl-C; {definitions}. Chances: --seed {seed}.",
        url = running.url(),
        seed = running.ecs.seed(),
        definitions = if arguments.strict {
            "task definitions have to be registered"
        } else {
            "a task definition that was not registered is made up"
        },
    ));
    signals.next().await;
    running.stop();
    Ok(0)
}

/// AWS's default quotas, and those that are said to be raised.
fn quotas(raised: &[String]) -> Result<Quotas, CliError> {
    raised.iter().try_fold(Quotas::default(), |quotas, text| {
        let raised: Raised = text.parse().map_err(|e| CliError::usage(format!("--quota {text}: {e}")))?;
        Ok(quotas.with(raised))
    })
}
