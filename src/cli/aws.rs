//! AWS, as the flags and the environment have it.

use super::error::CliError;
use super::options::Global;
use crate::aws::{Clients, Identity, SetupError, Target};

/// Clients in the region that is set.
pub(super) async fn clients(global: &Global) -> Result<Clients, CliError> {
    clients_in(global, None).await
}

/// The same where a region follows from what is asked for, such as an ARN: nothing of it is in the region of `--region`.
pub(super) async fn clients_in(global: &Global, region: Option<&str>) -> Result<Clients, CliError> {
    let target = Target {
        region: region.map(str::to_owned).or_else(|| global.region.clone()),
        profile: global.profile.clone(),
        endpoint_url: global.endpoint_url.clone(),
        test_credentials: false,
    };
    let clients = Clients::load(&target).await.map_err(|e| CliError::usage(e.to_string()))?;
    match clients.region() {
        Some(_) => Ok(clients),
        None => Err(CliError::usage("no AWS region is set: use --region or AWS_REGION")),
    }
}

/// Clients, and who they call as.
pub(super) async fn caller(global: &Global) -> Result<(Clients, Identity), CliError> {
    let clients = clients(global).await?;
    let identity = clients.identity().await;
    let identity =
        identity.map_err(|e| CliError::other(format!("sts:GetCallerIdentity in {}: {e}", region(&clients))))?;
    Ok((clients, identity))
}

/// The region that these clients call, which is set.
pub(super) fn region(clients: &Clients) -> String {
    clients.region().unwrap_or_default()
}

impl From<SetupError> for CliError {
    fn from(error: SetupError) -> Self {
        if error.is_usage() { Self::usage(error.to_string()) } else { Self::other(error.to_string()) }
    }
}
