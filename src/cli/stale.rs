//! `taskwatch teardown --stale`, and what `setup` says of it: event pipelines that killed runs left in the account.

use std::time::Duration;

use serde_json::json;

use super::aws::{caller, region};
use super::error::CliError;
use super::options::{Format, Global};
use super::{duration, output};
use crate::aws::{Leftover, Leftovers, SetupError};

/// What is asked of `teardown --stale`.
pub(super) struct Asked<'a> {
    /// Younger queues stay.
    pub(super) older_than: &'a str,
    pub(super) yes: bool,
    pub(super) dry_run: bool,
}

pub(super) async fn teardown(arguments: Asked<'_>, global: &Global) -> Result<u8, CliError> {
    let wrong = || {
        let text = arguments.older_than;
        CliError::usage(format!("--older-than {text:?}: expected a duration such as 90s, 10m or 1h"))
    };
    let older_than = duration::parse(arguments.older_than).ok_or_else(wrong)?;
    let (clients, identity) = caller(global).await?;
    let mut leftovers = Leftovers::find(&clients).await?;
    leftovers.keep_younger_than(older_than);
    if arguments.yes {
        leftovers.keep_those_in_use().await?;
    }
    let text = global.output != Some(Format::Json);
    if text {
        output::problem(&format!("account {}, {}", identity.account, region(&clients)));
    }
    for leftover in &leftovers.all {
        let goes = leftover.stays.is_none();
        if goes && arguments.yes {
            leftovers.remove(leftover).await?;
        }
        if text {
            output::data(&line(leftover, arguments.yes));
        }
    }
    let would_remove = leftovers.all.iter().any(|leftover| leftover.stays.is_none());
    if !text {
        output::json(&json!({"account": identity.account, "removed": arguments.yes, "leftovers": leftovers.all}));
    } else if leftovers.all.is_empty() {
        output::problem("no killed run has left a queue or a rule");
    }
    if would_remove && !arguments.yes && !arguments.dry_run {
        return Err(CliError::usage("nothing was removed: run the same command with --yes"));
    }
    Ok(0)
}

/// What became of one.
fn line(leftover: &Leftover, removed: bool) -> String {
    let what = match (&leftover.stays, removed) {
        (None, true) => "removed",
        (None, false) => "would remove",
        (Some(_), _) => "leaves",
    };
    let why = leftover.stays.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{what:<12} {}{why}", thing(leftover))
}

/// Its parts, its name and its age.
fn thing(leftover: &Leftover) -> String {
    let age = leftover.age_seconds.map(|seconds| duration::whole(Duration::from_secs(seconds)));
    let parts = match (&age, leftover.has_rule) {
        (Some(_), true) => "queue and rule",
        (Some(_), false) => "queue",
        (None, _) => "rule",
    };
    let age = age.map(|age| format!(", {age} old")).unwrap_or_default();
    format!("{parts} {}{age}", leftover.name)
}

/// Lines for `setup` about what was found in the account.
pub(super) fn told(found: &Result<Leftovers, SetupError>) -> Vec<String> {
    match found {
        Ok(found) => {
            let left = |leftover| format!("{:<12} {}", "left over", thing(leftover));
            let todo = "left over by runs that were killed, or in use by one at work: taskwatch teardown --stale removes the former";
            let lines = found.all.iter().map(left);
            lines.chain((!found.all.is_empty()).then(|| todo.to_owned())).collect()
        }
        Err(error) => vec![format!("not looked for what killed runs have left: {error}")],
    }
}
