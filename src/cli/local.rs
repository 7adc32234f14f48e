//! `taskwatch local`: the AWS endpoint that fails on demand.

use super::args::LocalArgs;
use super::error::CliError;
use super::output;
use super::signals::Signals;
use crate::local::ecs::{EcsOptions, Quotas};
use crate::local::faults::Script;
use crate::local::{LocalOptions, Options, start};

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
        quotas: (!arguments.no_quotas).then(Quotas::default),
        auto_register: !arguments.strict,
        max_provisioning: arguments.max_provisioning,
        max_vcpus: arguments.max_vcpus,
        clusters: arguments.cluster,
        ..EcsOptions::default()
    };
    let identity = Options { hosts: arguments.allow_host, ..Options::default() };
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
            "a task definition that nobody registered is made up"
        },
    ));
    signals.next().await;
    running.stop();
    Ok(0)
}
