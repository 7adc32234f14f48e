//! Where the facts of a report come from: ECS, the log group of its event capture, CloudTrail. Everything is read, nothing
//! changed.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::Clients;
use super::errors;
use super::json::services::{CLOUDTRAIL, ECS, LOGS};
use super::json::{CallFailure, JsonClient, Retries};
use crate::cell::ports::CallError;
use crate::core::time::Timestamp;

/// Tasks of a DescribeTasks call (API reference).
const TASKS_A_CALL: usize = 100;
/// Records of a LookupEvents call, and the time between calls: AWS takes two a second (API reference, LookupEvents).
const RECORDS_A_CALL: u32 = 50;
const BETWEEN_LOOKUPS: Duration = Duration::from_millis(500);
/// FilterLogEvents: events of a page, pages that are read, and the time between them (quota: 5 a second).
const EVENTS_A_PAGE: u32 = 10_000;
const PAGES: usize = 1_000;
const BETWEEN_PAGES: Duration = Duration::from_millis(200);

/// Waits after a throttle.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);

/// What a source gave.
#[derive(Debug, Default)]
pub struct Found {
    /// Its records.
    pub records: Vec<Value>,
    /// Not all were read: the bound on calls was reached.
    pub cut: bool,
}

/// Why a source gave nothing.
#[derive(Debug)]
pub enum NoSource {
    /// It is not there.
    Missing,
    /// The caller may not read it.
    Denied(String),
    /// There was no answer.
    Failed(String),
}

impl NoSource {
    fn of(error: &CallFailure) -> Self {
        let code = errors::code(error);
        match errors::read(error) {
            _ if ["ResourceNotFoundException", "ClusterNotFoundException"].contains(&code.as_str()) => Self::Missing,
            CallError::Refused(failure) if code.starts_with("AccessDenied") => Self::Denied(failure.cause),
            error => Self::Failed(error.to_string()),
        }
    }
}

/// Makes a call, again after a while where it is throttled: a report has time.
async fn ask(client: &JsonClient, operation: &str, body: &Value) -> Result<Value, NoSource> {
    let mut wait = FIRST_WAIT;
    loop {
        match client.target(operation, body).await {
            Ok(answer) => return Ok(answer),
            Err(error) if wait <= LONGEST_WAIT && matches!(errors::read(&error), CallError::Throttled(_)) => {
                sleep(wait).await;
                wait *= 2;
            }
            Err(error) => return Err(NoSource::of(&error)),
        }
    }
}

/// A list of an answer; AWS sends it empty rather than not at all.
fn list<'a>(answer: &'a Value, member: &str) -> Result<&'a Vec<Value>, NoSource> {
    let missing =
        || NoSource::Failed(format!("an answer without {member}: nobody at AWS gives it; see --endpoint-url"));
    answer[member].as_array().ok_or_else(missing)
}

/// Reads the sources of a report.
#[derive(Clone, Debug)]
pub struct ReportSources {
    ecs: JsonClient,
    logs: JsonClient,
    cloudtrail: JsonClient,
}

impl Clients {
    /// The sources of a report.
    pub fn report_sources(&self) -> ReportSources {
        let client = |service| JsonClient::new(&self.config, service, Retries::Never);
        ReportSources { ecs: client(ECS), logs: client(LOGS), cloudtrail: client(CLOUDTRAIL) }
    }
}

impl ReportSources {
    /// The stopped tasks that ECS still knows, about an hour long.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn stopped_tasks(&self, cluster: &str) -> Result<Found, NoSource> {
        let mut found = Found::default();
        let mut token = Value::Null;
        loop {
            let mut body = json!({"cluster": cluster, "desiredStatus": "STOPPED"});
            if !token.is_null() {
                body["nextToken"] = token;
            }
            let page = ask(&self.ecs, "ListTasks", &body).await?;
            let arns = list(&page, "taskArns")?.clone();
            for some in arns.chunks(TASKS_A_CALL) {
                let asked = json!({"cluster": cluster, "tasks": some});
                let answer = ask(&self.ecs, "DescribeTasks", &asked).await?;
                found.records.extend(list(&answer, "tasks")?.iter().cloned());
            }
            // A page may be short, or empty, and not the last.
            token = page["nextToken"].clone();
            if token.is_null() {
                return Ok(found);
            }
        }
    }

    /// The `detail` of each STOPPED event that ECS's event capture kept since an instant.
    ///
    /// # Errors
    /// There is no event capture, or it cannot be read.
    pub async fn captured(&self, cluster: &str, since: Timestamp) -> Result<Found, NoSource> {
        let mut found = Found::default();
        let mut body = json!({
            "logGroupName": format!("/aws/events/ecs/containerinsights/{cluster}/performance"),
            "startTime": since.millis(),
            "filterPattern": "{ $.detail.lastStatus = \"STOPPED\" }",
            "limit": EVENTS_A_PAGE,
        });
        for _ in 0..PAGES {
            let page = ask(&self.logs, "FilterLogEvents", &body).await?;
            let events = list(&page, "events")?.iter();
            let events = events.filter_map(|event| serde_json::from_str::<Value>(event["message"].as_str()?).ok());
            found.records.extend(events.map(|mut event| event["detail"].take()));
            match page.get("nextToken").filter(|token| !token.is_null()) {
                Some(token) => body["nextToken"] = token.clone(),
                None => return Ok(found),
            }
            sleep(BETWEEN_PAGES).await;
        }
        Ok(Found { cut: true, ..found })
    }

    /// CloudTrail's records of RunTask calls of all clusters since an instant, newest first, by at most so many calls.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn run_task_calls(&self, since: Timestamp, most: u32) -> Result<Found, NoSource> {
        let mut found = Found::default();
        let mut body = json!({
            "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": "RunTask"}],
            "StartTime": since.millis() / 1000,
            "MaxResults": RECORDS_A_CALL,
        });
        for _ in 0..most {
            let page = ask(&self.cloudtrail, "LookupEvents", &body).await?;
            let events = list(&page, "Events")?.iter();
            found
                .records
                .extend(events.filter_map(|event| serde_json::from_str(event["CloudTrailEvent"].as_str()?).ok()));
            match page.get("NextToken").filter(|token| !token.is_null()) {
                Some(token) => body["NextToken"] = token.clone(),
                None => return Ok(found),
            }
            sleep(BETWEEN_LOOKUPS).await;
        }
        Ok(Found { cut: true, ..found })
    }
}
