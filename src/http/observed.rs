//! `/v1/observed`: failures of what others launch.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::Api;
use super::error::ApiError;
use super::extract::{Paged, Paging};
use super::runs::{page_size, wrong_token};
use crate::cell::{ObservedFilter, ObservedItem};
use crate::core::failure::{Class, Transience};
use crate::core::launcher::LauncherKind;
use crate::core::notification::ObservedAction;
use crate::core::observe::FailureKind;
use crate::core::time::Timestamp;

/// Which failures.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Of tasks, or of launches.
    #[param(nullable = false, pattern = "^(task-failed|launch-refused)$")]
    kind: Option<String>,
    /// Of launchers of this kind, or of one of several, with commas between them.
    #[param(nullable = false, pattern = "^(rule|schedule|step-functions|service|batch|airflow|taskwatch|other)$")]
    launcher: Option<String>,
    /// Of launchers of this name; with `*` (any characters) or `?` (one) it is a pattern.
    #[param(nullable = false)]
    launcher_name: Option<String>,
    /// Of task definitions of this family, or of a pattern.
    #[param(nullable = false)]
    family: Option<String>,
    /// In the cluster of this name, or of a pattern.
    #[param(nullable = false)]
    cluster: Option<String>,
    /// With this among their names, as of runs.
    #[param(nullable = false)]
    error: Option<String>,
    /// Of tasks of which a container ran, or of those of which none did.
    #[param(nullable = false)]
    ran: Option<bool>,
    /// At this instant or later.
    #[param(nullable = false, format = DateTime)]
    since: Option<String>,
}

/// A page of failures.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObservedList {
    /// Newest first.
    observed: Vec<ObservedFailure>,
    /// Goes on where this page ends; null on the last one.
    next_token: Option<String>,
}

/// Who launched it.
#[derive(Debug, Serialize, ToSchema)]
struct ObservedLauncher {
    /// What it is.
    kind: LauncherKind,
    /// Its name, as far as `startedBy` tells it.
    name: Option<String>,
    /// The name may be longer: EventBridge cuts `startedBy` at 36 characters.
    cut: bool,
    /// The IAM role or user that called RunTask, where CloudTrail tells it.
    role: Option<String>,
}

/// A failure of what somebody else launched.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ObservedFailure {
    /// The notification's id too.
    id: String,
    /// What failed.
    kind: FailureKind,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    launcher: ObservedLauncher,
    /// The cluster's name.
    cluster: String,
    /// `family:revision`, or as the request names it.
    task_definition: String,
    family: String,
    /// The task, if there was one.
    task_arn: Option<String>,
    /// Of a refused launch: tasks asked for.
    count: Option<u32>,
    /// Of a refused launch: tasks that were not placed.
    missing: Option<u32>,
    /// Whether a container ran.
    ran: bool,
    exit_code: Option<i64>,
    /// The most specific name.
    error: String,
    class: Class,
    transience: Transience,
    /// What ECS said.
    cause: String,
    /// What to do.
    hint: String,
    /// What the policy asks for.
    action: ObservedAction,
    /// The policy; null: none matched.
    policy: Option<String>,
    /// Whether it was launched once more.
    repeated: bool,
    /// The run that does so, by name.
    run: Option<String>,
    /// Why it was, or was not.
    why: String,
}

impl Wanted {
    fn filter(self) -> Result<ObservedFilter, ApiError> {
        let launchers = self.launcher.as_deref().map(launchers).transpose()?;
        Ok(ObservedFilter {
            kind: self.kind.as_deref().map(kind).transpose()?,
            launchers: launchers.unwrap_or_default(),
            name: self.launcher_name,
            family: self.family,
            cluster: self.cluster,
            error: self.error,
            ran: self.ran,
            since: self.since.as_deref().map(super::filter::instant).transpose()?,
        })
    }
}

fn kind(text: &str) -> Result<FailureKind, ApiError> {
    let wrong = || ApiError::invalid(format!("kind is {text:?}: expected task-failed or launch-refused"));
    FailureKind::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(wrong)
}

fn launchers(text: &str) -> Result<Vec<LauncherKind>, ApiError> {
    let known = || LauncherKind::ALL.map(LauncherKind::as_str).join(", ");
    let one = |name: &str| {
        let wrong = || ApiError::invalid(format!("launcher is {name:?}: expected {}, or several with commas", known()));
        LauncherKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(wrong)
    };
    text.split(',').map(|name| one(name.trim())).collect()
}

impl From<ObservedItem> for ObservedFailure {
    fn from(item: ObservedItem) -> Self {
        let ObservedItem { failed, outcome, .. } = item;
        let (family, hint) = (failed.family().to_owned(), failed.hint());
        Self {
            id: failed.id.to_string(),
            kind: failed.kind,
            at: failed.at,
            launcher: ObservedLauncher {
                kind: failed.launcher.kind,
                name: failed.launcher.name,
                cut: failed.launcher.cut,
                role: failed.role,
            },
            cluster: failed.cluster,
            task_definition: failed.task_definition,
            family,
            task_arn: failed.task_arn,
            count: failed.count,
            missing: failed.missing,
            ran: failed.ran,
            exit_code: failed.exit_code,
            error: failed.failure.error,
            class: failed.failure.class,
            transience: failed.failure.transience,
            cause: failed.failure.cause,
            hint,
            action: outcome.action,
            policy: outcome.policy,
            repeated: outcome.run.is_some(),
            run: outcome.run,
            why: outcome.why,
        }
    }
}

/// Lists failures of tasks and launches of others, newest first: the newest 10,000. Of those of an earlier process, and in a fleet
/// of those that another process observed, the newest 500.
#[utoipa::path(get, path = "/v1/observed", tag = "cell", operation_id = "observed", params(Wanted, Paging),
    responses((status = 200, description = "A page of failures", body = ObservedList)))]
pub(super) async fn list(
    State(api): State<Api>,
    Paged(wanted, paging): Paged<Wanted>,
) -> Result<Json<ObservedList>, ApiError> {
    let limit = page_size(paging.limit)?;
    let before = paging.next_token.as_deref().map(before).transpose()?;
    let page = api.front.observed(&wanted.filter()?, before, limit);
    let observed = page.items.into_iter().map(ObservedFailure::from).collect();
    let next_token = page.next.map(|number| Uuid::from_u64_pair(number, 0).to_string());
    Ok(Json(ObservedList { observed, next_token }))
}

/// A token is written as those of other lists are.
fn before(token: &str) -> Result<u64, ApiError> {
    Uuid::parse_str(token).map(|token| token.as_u64_pair().0).map_err(|_| wrong_token())
}
