//! Proves the path of a cell, or of a fleet's cells: who calls, what is there, what it lets through, what the caller may, and an event from end to end.
//!
//! Nothing in here changes anything, takes a message away from a cell, or launches a task.

mod finding;
mod fleet;
mod observed;
mod permissions;
mod probe;
mod queues;
mod rule;
mod table;
mod vcpus;

use super::Clients;
use super::identity::Identity;
use super::setup::found::queue_attributes;
use super::setup::{Sdk, SetupError};

pub use finding::{Finding, Status};
pub use fleet::{FleetReport, FleetSubject, examine_fleet};
pub use probe::{Probe, ProbeError, Seen};
pub use table::examine_table;

/// What is to be proved: a cell's settings, and what its tasks need.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// `TASKWATCH_CELL`.
    pub cell: String,
    /// `TASKWATCH_EVENTS_QUEUE_URL`.
    pub events_queue: String,
    /// `TASKWATCH_REQUESTS_QUEUE_URL`.
    pub requests_queue: Option<String>,
    /// `TASKWATCH_REQUESTS_DLQ_URL`.
    pub requests_dlq: Option<String>,
    /// `TASKWATCH_TOPIC_ARN`.
    pub topic: Option<String>,
    /// `TASKWATCH_EVENT_BUS`.
    pub bus: Option<String>,
    /// Clusters that the cell launches into.
    pub clusters: Vec<String>,
    /// Clusters, by ARN, in which it has tasks now.
    pub launched: Vec<String>,
    /// A task definition that it launches.
    pub task_definition: Option<String>,
    /// The rule; else the one that `setup` makes, or one that sends to the queue.
    pub rule: Option<String>,
    /// The fleet that the cell is of.
    pub fleet: Option<String>,
    /// Tasks that it may launch at once.
    pub at_once: usize,
    /// The command that makes or repairs what is wrong.
    pub setup: String,
}

impl Subject {
    /// The cell; of what cells share, the fleet.
    fn whose(&self) -> &str {
        self.fleet.as_deref().unwrap_or(&self.cell)
    }
}

/// Most of the difference between two clocks that nobody notices, and that AWS's signatures take, in seconds.
const SKEW_WARN: i64 = 60;
const SKEW_FAIL: i64 = 300;

/// The caller's clock against the `Date` of AWS's answer.
fn clock(identity: &Identity, now: jiff::Timestamp) -> Finding {
    let date = identity.date.as_deref().and_then(|d| jiff::fmt::rfc2822::parse(d).ok());
    let Some(date) = date else { return Finding::skip("clock", "AWS's answer had no date to compare with") };
    let skew = now.as_second() - date.timestamp().as_second();
    let found = format!("{} s {} AWS's", skew.abs(), if skew < 0 { "behind" } else { "ahead of" });
    let todo =
        "synchronise this machine's clock (chrony, Amazon Time Sync): AWS refuses signatures that are 5 minutes off";
    match skew.abs() {
        0..3 => Finding::ok("clock", "with AWS's"),
        3..=SKEW_WARN => Finding::ok("clock", found),
        skew if skew <= SKEW_FAIL => Finding::warn("clock", found, todo),
        _ => Finding::fail("clock", found, todo),
    }
}

/// Every check of the path but the probe, in the order of the path.
pub async fn examine(clients: &Clients, identity: &Identity, subject: &Subject) -> Vec<Finding> {
    let sdk = Sdk::new(clients);
    let region = clients.region().unwrap_or_default();
    let mut findings = begin(identity, &region);
    let queues = queues::Queues::read(&sdk, subject).await;
    findings.extend(queues.findings(subject, identity, &region));
    findings.extend(rule::findings(&sdk, identity, subject, &queues).await);
    findings.extend(observed::findings(&sdk, identity, subject, &queues).await);
    findings.extend(queues.others(&sdk, subject).await);
    let mut subject = subject.clone();
    if subject.clusters.is_empty() {
        subject.clusters = rule::clusters_of(&sdk, &subject).await;
    }
    findings.extend(permissions::findings(clients, identity, &subject).await);
    findings.push(vcpus::finding(&sdk, &subject).await);
    findings
}

/// Who asks, and when.
fn begin(identity: &Identity, region: &str) -> Vec<Finding> {
    let caller = Finding::ok("identity", format!("{} in {region}", identity.arn));
    vec![caller, clock(identity, jiff::Timestamp::now())]
}

/// What a call that was to look at something was refused for.
fn unseen(check: &str, error: &SetupError) -> Finding {
    let denied = error.to_string().contains("docs/iam.md");
    let todo = if denied { "doctor cannot see it; run it as a caller who may read, or give the action" } else { "" };
    let finding = Finding::fail(check, error.to_string(), todo);
    if denied { Finding { status: Status::Warn, ..finding } } else { finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_awss_date() {
        let identity = |date: Option<&str>| Identity {
            arn: String::new(),
            account: String::new(),
            partition: "aws".into(),
            date: date.map(str::to_owned),
        };
        let at = |seconds: i64| jiff::Timestamp::from_second(1_795_636_800 + seconds).unwrap();
        let shown = at(0).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        for (seconds, status) in [(1, Status::Ok), (-59, Status::Ok), (200, Status::Warn), (-301, Status::Fail)] {
            let finding = clock(&identity(Some(&shown)), at(seconds));
            assert_eq!(finding.status, status, "{seconds}: {finding:?}");
        }
        assert_eq!(clock(&identity(None), at(0)).status, Status::Skip);
        assert!(clock(&identity(Some(&shown)), at(-301)).found.contains("301 s behind"));
    }
}
