//! What is done about a failure: the first policy that matches decides.

use std::time::Duration;

use super::ObservedFailure;
use crate::core::failure::Class;
use crate::core::launcher::LauncherKind;
use crate::core::pattern;
use crate::core::retry::{Retrier, RetryPolicy};

/// What is done.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// It is told.
    Notify,
    /// It is only counted.
    Ignore,
    /// What never ran is launched once more; everything else is told.
    Retry(Box<RetryRules>),
}

/// How a launch is repeated.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryRules {
    /// The attempts of the repeat.
    pub retry: Option<RetryPolicy>,
    /// A failure that is older is only told.
    pub within: Duration,
    /// So long a task that came late is looked for.
    pub settle: Duration,
    /// A launcher that has launched again since is left alone.
    pub skip_when_newer: bool,
}

/// One `[[observe.policy]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Of launchers of these kinds; none said: of all but services and taskwatch, which tell themselves.
    pub launchers: Vec<LauncherKind>,
    /// Of launchers of these names.
    pub names: Vec<String>,
    /// Of these families.
    pub families: Vec<String>,
    /// In these clusters.
    pub clusters: Vec<String>,
    /// Of tasks that ran, or of those that did not.
    pub ran: Option<bool>,
    /// For failures with one of these names.
    pub when: Option<Retrier>,
    /// What is done.
    pub action: Action,
    /// So many of the last lines of a container that ran go with the message.
    pub log_lines: Option<u32>,
}

/// What is to be done about a failure, and which policy says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision<'p> {
    /// What.
    pub action: &'p Action,
    /// By which policy; none: by the default.
    pub policy: Option<&'p Policy>,
}

/// What the first policy that matches says, else the default: everything is told but what somebody stopped.
pub fn decide<'p>(policies: &'p [Policy], failed: &ObservedFailure) -> Decision<'p> {
    if let Some(policy) = policies.iter().find(|policy| policy.matches(failed)) {
        return Decision { action: &policy.action, policy: Some(policy) };
    }
    let is_told = !tells_itself(failed.launcher.kind) && failed.failure.class != Class::Stopped;
    Decision { action: if is_told { &Action::Notify } else { &Action::Ignore }, policy: None }
}

/// Launchers whose failures are told elsewhere: a service starts its tasks again, a cell notifies of its runs.
fn tells_itself(kind: LauncherKind) -> bool {
    matches!(kind, LauncherKind::Service | LauncherKind::Taskwatch)
}

impl Policy {
    fn matches(&self, failed: &ObservedFailure) -> bool {
        let launcher = &failed.launcher;
        let of_kind = match self.launchers.as_slice() {
            [] => !tells_itself(launcher.kind),
            kinds => kinds.contains(&launcher.kind),
        };
        let any = |patterns: &[String], text: &str| {
            patterns.is_empty() || patterns.iter().any(|wanted| pattern::fits(wanted, text))
        };
        let name = launcher.name.as_deref().unwrap_or_default();
        let named = |wanted: &String| pattern::fits(wanted, name) || (launcher.cut && begins(wanted, name));
        let when = match &self.when {
            Some(when) => when.matches(&failed.failure.names),
            None => failed.failure.class != Class::Stopped,
        };
        of_kind
            && (self.names.is_empty() || self.names.iter().any(named))
            && any(&self.families, failed.family())
            && any(&self.clusters, &failed.cluster)
            && self.ran.is_none_or(|ran| ran == failed.ran)
            && when
    }
}

/// Whether a whole name may have been cut to this one.
fn begins(wanted: &str, cut: &str) -> bool {
    match wanted.char_indices().nth(cut.chars().count()) {
        Some((end, _)) if !pattern::is_pattern(wanted) => pattern::fits(&wanted[..end], cut),
        _ => false,
    }
}
