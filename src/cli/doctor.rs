//! `taskwatch doctor`: proves the path of a cell or a fleet, and says for each finding what to do.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::client::Server;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::settings::{Settings, StoreSetting};
use super::setup::FleetArgs;
use super::{aws, output};
use crate::aws::{
    Clients, Finding, FleetReport, FleetSubject, Identity, Probe, Seen, Status, Subject, examine, examine_fleet,
    examine_table,
};

/// How long the probe may take; EventBridge delivers within a second or two.
const PROBE: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(500);

/// `taskwatch doctor`.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Name of the cell [default: TASKWATCH_CELL]
    #[arg(long, conflicts_with = "fleet")]
    cell: Option<String>,
    #[command(flatten)]
    fleet: FleetArgs,
    /// Clusters that the cell launches into
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    cluster: Vec<String>,
    /// A task definition that it launches: to ask for RunTask and show the roles that are passed
    #[arg(long)]
    task_definition: Option<String>,
    /// The rule, if setup did not name it [default: CELL-events, or one that sends to the events queue]
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Send no event through the event pipeline
    #[arg(long)]
    no_probe: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) const DOCTOR_EXAMPLES: &str = "\
Examples:
  taskwatch doctor --cluster batch --task-definition etl
  taskwatch doctor --fleet blue --store dynamodb:blue
  taskwatch doctor --output json | jq '.findings[] | select(.status == \"fail\")'

Takes the settings of `taskwatch serve`. It changes nothing, launches nothing and takes no message away from a cell; its probe is one \
event that a serving cell counts and deletes. Permissions are the caller's: run it with the cell's role to prove the cell's.

Exit codes:
  0  nothing is broken, maybe with warnings
  1  something is broken
  2  usage";

pub(super) async fn doctor(arguments: DoctorArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let whose = Whose::of(&arguments, settings)?;
    let clients = aws::clients(global).await?;
    let doctor = Doctor {
        clients,
        server: Server::at(arguments.server.server.as_deref(), settings)?,
        probes: !arguments.no_probe,
    };
    let findings = match (doctor.clients.identity().await, whose) {
        (Ok(identity), Whose::Cell(subject, table)) => doctor.cell(&identity, subject, table, settings).await?,
        (Ok(identity), Whose::Fleet(fleet)) => doctor.fleet(&identity, &fleet).await,
        // Nothing else can be asked without knowing who asks.
        (Err(error), _) => vec![Finding::fail("identity", error.cause, error.todo)],
    };
    print(&findings, global.output.unwrap_or(Format::Text));
    Ok(u8::from(is_broken(&findings)))
}

/// Whose path is proved.
enum Whose {
    /// And its table, if it keeps its runs in one.
    Cell(Subject, Option<String>),
    Fleet(FleetSubject),
}

impl Whose {
    fn of(arguments: &DoctorArgs, settings: &Settings) -> Result<Self, CliError> {
        let fleet = match &arguments.cell {
            Some(_) => None,
            None => arguments.fleet.ask(settings)?,
        };
        let shared = Subject {
            requests_queue: settings.requests_queue_url.clone(),
            requests_dlq: settings.requests_dlq_url.clone(),
            topic: settings.topic_arn.clone(),
            bus: settings.event_bus.clone(),
            clusters: arguments.cluster.clone(),
            task_definition: arguments.task_definition.clone(),
            at_once: settings.at_once(),
            ..Subject::default()
        };
        if let Some((name, fleet)) = fleet {
            let setup = format!("taskwatch setup --fleet {name} --store dynamodb:{}", fleet.table);
            let shared = Subject { fleet: Some(name.clone()), setup, ..shared };
            return Ok(Self::Fleet(FleetSubject { name, table: fleet.table, shared }));
        }
        let missing = |what: &str| CliError::usage(format!("{what}; `taskwatch setup` prints every setting"));
        let cell = arguments.cell.clone().or_else(|| settings.cell.clone());
        let cell = cell.ok_or_else(|| missing("no cell is named: give --cell (or --fleet), or set TASKWATCH_CELL"))?;
        let events = settings.events_queue_url.clone();
        let table = arguments.fleet.table_of_cell(settings)?;
        let store = table.as_ref().map(|table| format!(" --store dynamodb:{table}")).unwrap_or_default();
        let subject = Subject {
            setup: format!("taskwatch setup --cell {cell}{store}"),
            cell,
            events_queue: events.ok_or_else(|| missing("TASKWATCH_EVENTS_QUEUE_URL is not set"))?,
            rule: arguments.rule.clone(),
            ..shared
        };
        Ok(Self::Cell(subject, table))
    }
}

/// What it asks.
struct Doctor {
    clients: Clients,
    server: Server,
    probes: bool,
}

impl Doctor {
    async fn cell(
        &self,
        identity: &Identity,
        mut subject: Subject,
        table: Option<String>,
        settings: &Settings,
    ) -> Result<Vec<Finding>, CliError> {
        if matches!(Serving::ask(&self.server, &subject).await, Serving::Here(_)) {
            subject.launched = launched(&self.server).await;
        }
        let mut findings = examine(&self.clients, identity, &subject).await;
        match table {
            Some(table) => findings.extend(examine_table(&self.clients, &table, &subject.setup).await),
            None => findings.push(store(&settings.store()?)),
        }
        let serving = Serving::ask(&self.server, &subject).await;
        findings.push(serving.finding("serving cell", &self.server));
        let probe = self.probe(&findings, &subject, serving).await;
        findings.push(probe);
        Ok(findings)
    }

    /// A probe goes through each cell's path, one after another, so that each is seen to arrive.
    async fn fleet(&self, identity: &Identity, fleet: &FleetSubject) -> Vec<Finding> {
        let FleetReport { mut findings, cells } = examine_fleet(&self.clients, identity, fleet).await;
        let serving = Serving::ask(&self.server, &fleet.shared).await;
        findings.push(serving.finding("serving process", &self.server));
        let mut probed = Vec::new();
        for (cell, is_served) in &cells {
            let serving = Serving::ask(&self.server, cell).await;
            let finding = match (&serving, is_served) {
                (Serving::Here(_), _) | (_, false) => self.probe(&findings, cell, serving).await,
                _ => Finding::skip("probe", "a process takes it there before doctor sees it: give --server URL"),
            };
            probed.push(Finding { check: format!("{}: probe", cell.cell), ..finding });
        }
        findings.extend(probed);
        findings
    }

    async fn probe(&self, findings: &[Finding], subject: &Subject, serving: Serving) -> Finding {
        match (self.probes, is_broken(findings)) {
            (false, _) => Finding::skip("probe", "--no-probe"),
            (true, true) => Finding::skip("probe", "not sent: the path is broken above"),
            (true, false) => probe(&self.clients, subject, &self.server, serving).await,
        }
    }
}

fn is_broken(findings: &[Finding]) -> bool {
    findings.iter().any(|finding| finding.status == Status::Fail)
}

/// The clusters of the newest open runs' tasks, by ARN.
async fn launched(server: &Server) -> Vec<String> {
    let open = [("status", "STARTING,RUNNING".to_owned()), ("limit", "1000".to_owned())];
    let answer = server.get(&["runs"], &open).await.unwrap_or_default();
    let tasks = answer["runs"].as_array().into_iter().flatten().filter_map(|run| run["taskArn"].as_str());
    let clusters: BTreeSet<String> = tasks.filter_map(cluster_of).collect();
    clusters.into_iter().collect()
}

/// The cluster in a task's ARN; ARNs of before 2018 have none.
fn cluster_of(task: &str) -> Option<String> {
    let (place, rest) = task.split_once(":task/")?;
    let (cluster, _) = rest.split_once('/')?;
    Some(format!("{place}:cluster/{cluster}"))
}

/// Whether runs can be kept where they are to be kept.
fn store(setting: &StoreSetting) -> Finding {
    let dir = match setting {
        StoreSetting::File(dir) => dir,
        // Where a fleet is set it is that one's.
        StoreSetting::Table(table) => {
            return Finding::skip("store", format!("dynamodb:{table}: give --store to prove it"));
        }
        StoreSetting::Memory => {
            return Finding::warn(
                "store",
                "memory: forgets its runs when the process ends",
                "TASKWATCH_STORE=file:DIR on a disk that outlives it",
            );
        }
    };
    // A directory that is still to be made is made in the nearest one that is there.
    let here = dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("."));
    match tempfile_in(here) {
        Ok(()) if dir.is_dir() => Finding::ok("store", format!("{} can be written", dir.display())),
        Ok(()) => Finding::ok("store", format!("{} is not there yet; it can be made", dir.display())),
        Err(error) => Finding::fail(
            "store",
            format!("{}: {error}", dir.display()),
            "TASKWATCH_STORE=file:DIR where this user may write",
        ),
    }
}

fn tempfile_in(dir: &Path) -> std::io::Result<()> {
    let path = dir.join(format!(".taskwatch-doctor-{}", std::process::id()));
    std::fs::write(&path, b"")?;
    std::fs::remove_file(&path)
}

/// The cell that serves, if one can be reached.
enum Serving {
    /// Events that it has counted as foreign, the probes among them.
    Here(u64),
    /// Another cell's.
    Other(String),
    None(String),
}

impl Serving {
    /// What serves there: of a fleet, one of its processes, which answers for all cells.
    async fn ask(server: &Server, subject: &Subject) -> Self {
        let summary = match server.get(&["summary"], &[]).await {
            Ok(summary) => summary,
            Err(error) => return Self::None(error.to_string()),
        };
        let there = match &subject.fleet {
            None => summary["cell"].as_str().map(str::to_owned),
            Some(_) => {
                let fleet = server.get(&["fleet"], &[]).await.unwrap_or_default();
                fleet["fleet"].as_str().or(summary["cell"].as_str()).map(str::to_owned)
            }
        };
        match there.filter(|there| there != subject.fleet.as_ref().unwrap_or(&subject.cell)) {
            Some(other) => Self::Other(other),
            None => Self::Here(summary["counters"]["foreignEvents"].as_u64().unwrap_or(0)),
        }
    }

    fn finding(&self, check: &str, server: &Server) -> Finding {
        match self {
            Self::Here(_) => Finding::ok(check, format!("answers at {}", server.url())),
            Self::Other(name) => Finding::skip(check, format!("the one at {} is of {name}", server.url())),
            Self::None(why) => Finding::skip(check, why),
        }
    }
}

/// Sends an event through the path and waits for it at the end.
async fn probe(clients: &Clients, subject: &Subject, server: &Server, cell: Serving) -> Finding {
    let probe = match Probe::send(clients, subject).await {
        Ok(probe) => probe,
        Err(error) if error.denied => {
            return Finding::warn(
                "probe",
                error.to_string(),
                "give the caller events:PutEvents on the default bus, or --no-probe",
            );
        }
        Err(error) => return Finding::warn("probe", error.to_string(), "see above"),
    };
    let waited = tokio::time::timeout(PROBE, async {
        loop {
            if let Serving::Here(before) = cell
                && let Serving::Here(now) = Serving::ask(server, subject).await
                && now > before
            {
                return Ok(Ok("an event went through the rule into the queue and the serving cell"));
            }
            match probe.look().await {
                Ok(Seen::Arrived) => return Ok(Ok("an event went through the rule into the queue")),
                Ok(Seen::NotYet) => {}
                Ok(Seen::TooMany(count)) if !matches!(cell, Serving::Here(_)) => return Ok(Err(count)),
                Ok(Seen::TooMany(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(BETWEEN).await;
        }
    });
    match waited.await {
        Ok(Ok(Ok(found))) => Finding::ok("probe", found),
        Ok(Ok(Err(count))) => Finding::warn(
            "probe",
            format!("sent; about {count} messages wait in the queue, too many to look for it among them"),
            "start the cell, or give --server, and ask again",
        ),
        Ok(Err(error)) => {
            Finding::warn("probe", format!("sent, but not looked for: {error}"), "give the caller sqs:ReceiveMessage")
        }
        Err(_) if matches!(cell, Serving::Here(_)) && subject.fleet.is_none() => lost(),
        Err(_) => {
            let finding = lost();
            let todo = format!(
                "if a cell serves somewhere else, it may have taken it: give --server URL; else {}",
                finding.todo
            );
            Finding::warn("probe", finding.found, todo)
        }
    }
}

fn lost() -> Finding {
    let found = format!("an event was sent and did not arrive within {} s", PROBE.as_secs());
    Finding::fail(
        "probe",
        found,
        "look at the target's dead-letter queue (ERROR_CODE), the rule's FailedInvocations metric, and the key's policy",
    )
}

fn print(findings: &[Finding], format: Format) {
    let mark = |status: Status| match status {
        Status::Ok => "ok",
        Status::Warn => "WARN",
        Status::Fail => "FAIL",
        Status::Skip => "-",
    };
    match format {
        Format::Json => {
            let healthy = findings.iter().all(|finding| finding.status != Status::Fail);
            output::json(&json!({ "healthy": healthy, "findings": findings }));
        }
        Format::Table => output::table(&["", "CHECK", "FOUND", "DO"], findings, |f| {
            vec![mark(f.status).to_owned(), f.check.clone(), f.found.clone(), f.todo.clone()]
        }),
        Format::Text | Format::Only(_) => {
            for finding in findings {
                let todo =
                    if finding.todo.is_empty() { String::new() } else { format!("\n       do: {}", finding.todo) };
                output::data(&format!("{:<5}  {}: {}{todo}", mark(finding.status), finding.check, finding.found));
            }
            output::data(&verdict(findings));
        }
    }
}

/// All of it in one line. That the path works is said only where the probe has shown it.
fn verdict(findings: &[Finding]) -> String {
    let count = |status: Status| findings.iter().filter(|finding| finding.status == status).count();
    let is_ok = |finding: &Finding| finding.status == Status::Ok;
    let checks = findings.len();
    let mut probes = findings.iter().filter(|finding| finding.check == "probe" || finding.check.ends_with(": probe"));
    let proved = probes.next().is_some_and(is_ok) && probes.all(is_ok);
    match (count(Status::Fail), count(Status::Warn)) {
        (0, 0) if proved => format!("The path works: {checks} checks."),
        (0, warnings) if proved => format!("The path works; of {checks} checks {warnings} warn."),
        (0, warnings) => {
            format!("Nothing was found broken, but no event has proved the path; of {checks} checks {warnings} warn.")
        }
        (broken, _) => format!("The path is broken: of {checks} checks {broken} failed."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_works_only_where_a_probe_went_through() {
        let told = |findings: &[Finding]| verdict(findings);
        let (ok, warn, fail) =
            (Finding::ok("probe", ""), Finding::warn("probe", "", ""), Finding::fail("rule", "", "taskwatch setup"));
        assert!(told(std::slice::from_ref(&ok)).starts_with("The path works: 1"));
        assert!(told(&[ok.clone(), Finding::warn("store", "", "")]).starts_with("The path works; of 2 checks 1 warn"));
        assert!(told(&[warn]).starts_with("Nothing was found broken, but no event has proved the path"));
        assert!(told(&[Finding::ok("rule", "")]).starts_with("Nothing was found broken"), "asked for no probe");
        let of = |cell: &str, finding: &Finding| Finding { check: format!("{cell}: probe"), ..finding.clone() };
        assert!(told(&[of("blue-0", &ok), of("blue-1", &ok)]).starts_with("The path works"));
        let skipped = Finding::skip("probe", "");
        assert!(told(&[of("blue-0", &ok), of("blue-1", &skipped)]).starts_with("Nothing was found broken"));
        assert!(told(&[ok, fail]).starts_with("The path is broken"));
    }

    #[test]
    fn a_tasks_arn_names_its_cluster() {
        let long = cluster_of("arn:aws:ecs:eu-west-1:1:task/etl/0a");
        assert_eq!(long.as_deref(), Some("arn:aws:ecs:eu-west-1:1:cluster/etl"));
        assert_eq!(cluster_of("arn:aws:ecs:eu-west-1:1:task/0a"), None);
    }

    #[test]
    fn a_store_must_be_where_this_user_may_write() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"").unwrap();
        assert_eq!(store(&StoreSetting::File(dir.path().join("data"))).status, Status::Ok);
        assert!(std::fs::read_dir(dir.path()).unwrap().count() == 1, "nothing is left behind");
        assert_eq!(store(&StoreSetting::File("/proc/none/data".into())).status, Status::Fail);
        assert_eq!(store(&StoreSetting::Memory).status, Status::Warn);
    }
}
