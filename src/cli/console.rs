//! Where the AWS console shows a task.

use crate::core::console;

/// Where the environment names another endpoint there is no console for its tasks.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_ECS"];

/// The address of a task's page in the console, if it has one.
pub(super) fn task(arn: &str) -> Option<String> {
    let is_elsewhere = ENDPOINTS.iter().any(|name| std::env::var_os(name).is_some_and(|url| !url.is_empty()));
    if is_elsewhere { None } else { console::task(arn) }
}
