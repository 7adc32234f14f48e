//! A fleet: its table, its cells and who serves them, what they share, and each cell's event pipeline.

use std::collections::{BTreeMap, BTreeSet};

use super::super::setup::rows::Rows;
use super::super::setup::table::FoundTable;
use super::{
    Clients, Finding, Identity, Sdk, Subject, begin, observed, permissions, queues, rule, table, unseen, vcpus,
};
use crate::store::dynamo::{CellRow, FORMAT, FleetRows, ProcessRow};

/// A fleet that is to be proved.
#[derive(Clone, Debug, Default)]
pub struct FleetSubject {
    /// `TASKWATCH_FLEET`.
    pub name: String,
    /// The table that `TASKWATCH_STORE` names.
    pub table: String,
    /// What its cells share. The cell and its events queue are left empty.
    pub shared: Subject,
}

/// What was found of a fleet.
pub struct FleetReport {
    /// Every check but the probes.
    pub findings: Vec<Finding>,
    /// Its cells, each as one that can be proved by itself, and whether a process serves it.
    pub cells: Vec<(Subject, bool)>,
}

/// Every check of a fleet but the probes.
pub async fn examine_fleet(clients: &Clients, identity: &Identity, fleet: &FleetSubject) -> FleetReport {
    let sdk = Sdk::new(clients);
    let region = clients.region().unwrap_or_default();
    let mut findings = begin(identity, &region);
    let (of_table, there) = table::findings(&sdk, &fleet.table, &fleet.shared.setup).await;
    findings.extend(of_table);
    let (of_rows, cells) = rows(clients, fleet, there.as_ref()).await;
    findings.extend(of_rows);
    let shared = queues::Queues::read_shared(&sdk, &fleet.shared).await;
    findings.extend(shared.requests(&fleet.shared));
    findings.extend(shared.requests_dlq(&sdk, &fleet.shared).await);
    findings.extend(queues::destinations(&sdk, &fleet.shared).await);
    for (cell, _) in &cells {
        let checked = pipeline(&sdk, identity, &region, cell).await;
        findings.extend(checked.into_iter().map(|f| Finding { check: format!("{}: {}", cell.cell, f.check), ..f }));
    }
    if there.is_some() {
        findings.extend(table::permissions(&sdk, &fleet.table).await);
    }
    let mut shared = fleet.shared.clone();
    if let (true, Some((cell, _))) = (shared.clusters.is_empty(), cells.first()) {
        shared.clusters = rule::clusters_of(&sdk, cell).await;
    }
    findings.extend(permissions::of_fleet(clients, identity, &shared, cells.iter().map(|(cell, _)| cell)).await);
    findings.push(vcpus::finding(&sdk, &shared).await);
    FleetReport { findings, cells }
}

/// A cell's own part: its events queue, rule and dead-letter queue.
async fn pipeline(sdk: &Sdk, identity: &Identity, region: &str, cell: &Subject) -> Vec<Finding> {
    if cell.events_queue.is_empty() {
        return vec![Finding::fail("events queue", "the table does not say which it is", &cell.setup)];
    }
    let queues = queues::Queues::read_events(sdk, cell).await;
    let mut findings = queues.events_findings(cell, identity, region);
    findings.extend(rule::findings(sdk, identity, cell, &queues).await);
    findings.extend(observed::findings(sdk, identity, cell, &queues).await);
    findings.extend(queues.events_dlq(sdk).await);
    findings
}

/// Who serves what, by the table's rows.
async fn rows(
    clients: &Clients,
    fleet: &FleetSubject,
    table: Option<&FoundTable>,
) -> (Vec<Finding>, Vec<(Subject, bool)>) {
    if !table.is_some_and(FoundTable::can_be_read) {
        return (Vec::new(), Vec::new());
    }
    let rows = Rows::new(clients, &fleet.table, &fleet.name);
    let read = async { Ok((rows.alive().await?, rows.read().await?)) };
    match read.await {
        Err(error) => (vec![unseen("table's rows", &error)], Vec::new()),
        Ok((alive, rows)) => {
            let serving: BTreeSet<&str> = alive.iter().map(|process| &*process.id).collect();
            let is_served = |cell: &CellRow| cell.owner.as_deref().is_some_and(|owner| serving.contains(owner));
            let subject = |cell: &CellRow| {
                let (name, events_queue) = (cell.name.to_string(), cell.events.to_string());
                (Subject { cell: name, events_queue, ..fleet.shared.clone() }, is_served(cell))
            };
            let cells = rows.cells.iter().map(subject).collect();
            (judge(fleet, &rows, &alive), cells)
        }
    }
}

fn judge(fleet: &FleetSubject, rows: &FleetRows, alive: &[ProcessRow]) -> Vec<Finding> {
    let names = |cells: &[&CellRow]| cells.iter().map(|cell| &*cell.name).collect::<Vec<_>>().join(", ");
    if rows.cells.is_empty() {
        let found = format!("the table {} has no cell of the fleet {}", fleet.table, fleet.name);
        return vec![Finding::fail("cells", found, &fleet.shared.setup)];
    }
    let mut findings = vec![Finding::ok("cells", format!("{} of the fleet {}", rows.cells.len(), fleet.name))];
    let later: Vec<&CellRow> = rows.cells.iter().filter(|cell| cell.format > FORMAT).collect();
    if !later.is_empty() {
        let found = format!("{} have a format that this taskwatch does not know", names(&later));
        findings.push(Finding::warn("cells' format", found, "use the taskwatch that wrote them, or a newer one"));
    }
    if alive.is_empty() {
        // Nothing is wrong with a fleet that nobody has started yet.
        findings.push(Finding::skip("processes", "none serves the fleet now"));
        return findings;
    }
    findings.push(Finding::ok("processes", format!("{} serve the fleet", alive.len())));
    let serving: BTreeSet<&str> = alive.iter().map(|process| &*process.id).collect();
    let is_left = |cell: &&CellRow| !cell.owner.as_deref().is_some_and(|owner| serving.contains(owner));
    let left: Vec<&CellRow> = rows.cells.iter().filter(is_left).collect();
    if !left.is_empty() {
        let todo = "ask again in 15 s, the time of a takeover; then see the processes' logs";
        findings.push(Finding::warn("cells without owner", names(&left), todo));
    }
    let mut versions: BTreeMap<&str, usize> = BTreeMap::new();
    for process in alive {
        *versions.entry(&process.version).or_default() += 1;
    }
    if versions.len() > 1 {
        let shown: Vec<String> = versions.iter().map(|(version, count)| format!("{count} of {version}")).collect();
        let todo = "bring all to one version, unless a deployment is under way";
        findings.push(Finding::warn("processes' versions", shown.join(", "), todo));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn cell(name: &str, owner: Option<&str>) -> CellRow {
        CellRow {
            name: name.into(),
            events: "https://q".into(),
            epoch: 1,
            owner: owner.map(Into::into),
            want: None,
            format: FORMAT,
        }
    }

    fn process(id: &str, version: &str) -> ProcessRow {
        ProcessRow { id: id.into(), version: version.into(), ..ProcessRow::default() }
    }

    fn wrong(rows: &FleetRows, alive: &[ProcessRow]) -> Vec<(String, Status, String)> {
        let fleet = FleetSubject { name: "blue".into(), table: "runs".into(), shared: Subject::default() };
        let findings = judge(&fleet, rows, alive).into_iter().filter(|finding| finding.status != Status::Ok);
        findings.map(|finding| (finding.check, finding.status, finding.found)).collect()
    }

    #[test]
    fn cells_that_nobody_serves_and_versions_that_differ_are_told() {
        let cells = vec![cell("blue-0", Some("a")), cell("blue-1", Some("gone")), cell("blue-2", None)];
        let rows = FleetRows { cells, processes: Vec::new(), note: None };
        let one = [process("a", "0.1.0")];
        assert_eq!(wrong(&rows, &one), [("cells without owner".into(), Status::Warn, "blue-1, blue-2".into())]);
        let two = [process("a", "0.1.0"), process("gone", "0.2.0"), process("b", "0.1.0")];
        assert_eq!(wrong(&rows, &two)[1].2, "2 of 0.1.0, 1 of 0.2.0");
        assert_eq!(wrong(&rows, &[])[0].1, Status::Skip, "nobody serves yet");
        assert_eq!(wrong(&FleetRows::default(), &one)[0].1, Status::Fail, "no cells");
        let later = CellRow { format: FORMAT + 1, ..cell("blue-0", Some("a")) };
        let rows = FleetRows { cells: vec![later], processes: Vec::new(), note: None };
        assert_eq!(wrong(&rows, &one)[0].0, "cells' format");
    }
}
