//! The lines of containers: where they are, and reading them, at a rate that leaves the account's quota to people.

mod budget;
mod locate;
mod notifier;
mod reader;
#[cfg(test)]
mod tests;

pub use locate::LogAnswer;
pub use notifier::WithLines;
pub use reader::LogReader;

use super::ports::ContainerDefinition;
use crate::core::log::LogPlace;
use crate::core::task::{Container, Task};
use crate::core::verdict::Deciders;

/// Calls of GetLogEvents a second. The account has 10 to 30, by Region, for everybody (CloudWatch Logs quotas).
pub const LOG_RATE: f64 = 2.0;

/// Where the lines of the container are that decided how a task ended; none: no container of it is known.
pub(super) fn log_of(task: &Task<'_>, containers: &[ContainerDefinition], deciding: &[String]) -> Option<LogPlace> {
    let deciders = if deciding.is_empty() { Deciders::Unknown } else { Deciders::Named(deciding) };
    let telling = task.telling_container(deciders).map(|container| container.name.as_ref());
    // A task that was never placed has no containers: the definition's first essential one would have told.
    let essential = || containers.iter().find(|c| c.essential).map(|c| c.name.as_str());
    let name = telling.or_else(|| deciding.first().map(String::as_str)).or_else(essential)?;
    place_of(name, task, containers)
}

/// Where the lines of this container of a task are; none: its task definition has no such container.
pub(super) fn place_of(name: &str, task: &Task<'_>, containers: &[ContainerDefinition]) -> Option<LogPlace> {
    let definition = containers.iter().find(|container| container.name == name)?;
    let seen = task.containers.iter().find(|container| container.name == name);
    let runtime_id = seen.and_then(|container: &Container<'_>| container.runtime_id.as_deref());
    Some(LogPlace::of(name, definition.log.as_ref(), &task.task_arn, runtime_id))
}
