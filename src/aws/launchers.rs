//! Targets of EventBridge rules and of EventBridge Scheduler's schedules: what launches tasks, and with which parameters.

use aws_config::SdkConfig;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::errors;
use super::json::services::{EVENTS, SCHEDULER};
use super::json::{Call, CallFailure, JsonClient, Retries};
use crate::cell::ports::{CallError, Launchers};
use crate::core::launcher::{Launcher, LauncherKind};
use crate::core::observe::LaunchTarget;

/// A name of which 19 characters are known and that more schedules have is ambiguous anyway.
const MOST: usize = 100;

/// Reads rules and schedules.
#[derive(Clone, Debug)]
pub struct LauncherClient {
    events: JsonClient,
    scheduler: JsonClient,
}

impl LauncherClient {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self {
            events: JsonClient::new(config, EVENTS, Retries::Configured),
            scheduler: JsonClient::new(config, SCHEDULER, Retries::Configured),
        }
    }

    async fn find(&self, launcher: &Launcher) -> Result<Vec<LaunchTarget>, CallError> {
        let Some(name) = launcher.name.as_deref() else { return Ok(Vec::new()) };
        match launcher.kind {
            LauncherKind::Rule => self.of_rules(name, launcher.cut).await,
            LauncherKind::Schedule => self.of_schedules(name, launcher.cut).await,
            _ => Ok(Vec::new()),
        }
        .map_err(|error| errors::read(&error))
    }

    async fn of_rules(&self, name: &str, cut: bool) -> Result<Vec<LaunchTarget>, CallFailure> {
        let listed = pages(&self.events, "ListRules", json!({"NamePrefix": name}), "Rules").await?;
        let names = listed.iter().filter_map(|rule| rule["Name"].as_str()).filter(|found| cut || *found == name);
        let mut all = Vec::new();
        for name in names.take(MOST) {
            let targets = pages(&self.events, "ListTargetsByRule", json!({"Rule": name}), "Targets").await?;
            let of_ecs = targets.into_iter().filter(|target| target["EcsParameters"].is_object());
            all.extend(of_ecs.map(|target| LaunchTarget { name: format!("rule {name}"), target }));
        }
        Ok(all)
    }

    async fn of_schedules(&self, name: &str, cut: bool) -> Result<Vec<LaunchTarget>, CallFailure> {
        let (mut all, mut next) = (Vec::new(), None::<String>);
        loop {
            let mut path = format!("/schedules?NamePrefix={}", encoded(name));
            if let Some(token) = &next {
                path += &format!("&NextToken={}", encoded(token));
            }
            let page = self.get("ListSchedules", &path).await?;
            for schedule in page["Schedules"].as_array().into_iter().flatten() {
                let text = |member: &str| schedule[member].as_str().unwrap_or_default();
                if !cut && text("Name") != name {
                    continue;
                }
                let path = format!("/schedules/{}?groupName={}", encoded(text("Name")), encoded(text("GroupName")));
                let shown = self.get("GetSchedule", &path).await?;
                let name = format!("schedule {}/{}", text("GroupName"), text("Name"));
                if shown["Target"]["EcsParameters"].is_object() {
                    all.push(LaunchTarget { name, target: shown["Target"].clone() });
                }
            }
            next = page["NextToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
            if next.is_none() || all.len() >= MOST {
                return Ok(all);
            }
        }
    }

    async fn get(&self, operation: &str, path: &str) -> Result<Value, CallFailure> {
        self.scheduler.call(&Call { operation, method: "GET", path, body: &Value::Null }).await
    }
}

/// The items of all pages of a list.
async fn pages(client: &JsonClient, operation: &str, mut body: Value, list: &str) -> Result<Vec<Value>, CallFailure> {
    let mut all = Vec::new();
    loop {
        let mut page = client.target(operation, &body).await?;
        if let Value::Array(items) = page[list].take() {
            all.extend(items);
        }
        match page["NextToken"].as_str().filter(|token| !token.is_empty()) {
            Some(token) if all.len() < MOST => body["NextToken"] = token.into(),
            _ => return Ok(all),
        }
    }
}

/// A text as a part of a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

impl Launchers for LauncherClient {
    fn targets<'a>(&'a self, launcher: &'a Launcher) -> BoxFuture<'a, Result<Vec<LaunchTarget>, CallError>> {
        Box::pin(self.find(launcher))
    }
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn a_text_is_encoded_for_a_url() {
        assert_eq!(encoded("a-b_c.d~e 1/ü="), "a-b_c.d~e%201%2F%C3%BC%3D");
    }
}
