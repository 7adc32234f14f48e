//! The tasks that a cell has now. Without its event pipeline nobody hears by events how they end.

use serde::Serialize;

use super::{Clients, SetupError, gone};

/// Tasks of the cells in one cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterTasks {
    /// The cluster, by name or ARN.
    pub cluster: String,
    /// How many are to run there: from PROVISIONING to RUNNING.
    pub running: usize,
}

/// These cells' tasks in these clusters, or in all where none is named. ListTasks takes no prefix of `startedBy` (API reference), so
/// the tasks are described, 100 a call.
///
/// # Errors
/// The first call that AWS refused.
pub(super) async fn running(
    clients: &Clients,
    cells: &[String],
    clusters: Vec<String>,
) -> Result<Vec<ClusterTasks>, SetupError> {
    let ecs = aws_sdk_ecs::Client::new(&clients.config);
    let clusters = if clusters.is_empty() { all_clusters(&ecs).await? } else { clusters };
    let prefixes: Vec<String> = cells.iter().map(|cell| format!("{cell}/")).collect();
    let mut found = Vec::new();
    for cluster in clusters {
        let running = count(&ecs, &prefixes, &cluster).await?;
        if running > 0 {
            found.push(ClusterTasks { cluster, running });
        }
    }
    Ok(found)
}

async fn all_clusters(ecs: &aws_sdk_ecs::Client) -> Result<Vec<String>, SetupError> {
    let arns = ecs.list_clusters().into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    arns.map_err(|error| SetupError::of("the cell's tasks", "ecs:ListClusters", &error))
}

async fn count(ecs: &aws_sdk_ecs::Client, prefixes: &[String], cluster: &str) -> Result<usize, SetupError> {
    let about = format!("the cell's tasks in {cluster}");
    let listed = ecs.list_tasks().cluster(cluster).into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    // A cluster is deleted only when none of its tasks live (API reference, DeleteCluster).
    let arns = gone(&about, "ecs:ListTasks", listed)?.unwrap_or_default();
    let is_ours = |by: &str| prefixes.iter().any(|prefix| by.starts_with(prefix));
    let mut running = 0;
    for arns in arns.chunks(100) {
        let asked = ecs.describe_tasks().cluster(cluster).set_tasks(Some(arns.to_vec())).send().await;
        let Some(answer) = gone(&about, "ecs:DescribeTasks", asked)? else { continue };
        let ours = |task: &&aws_sdk_ecs::types::Task| task.started_by().is_some_and(is_ours);
        running += answer.tasks().iter().filter(ours).count();
    }
    Ok(running)
}
