//! The table of a fleet, or of a cell: there, of the right shape, kept safe, and open to the caller.

use serde_json::json;

use super::super::setup::table::{Expiry, FoundTable, Repair, found};
use super::permissions::judged;
use super::{Clients, Finding, Sdk, unseen};
use crate::store::dynamo::{ENDED, ENDED_ID, ENDED_ON};

/// An item that nobody has: its partition is none of the log's.
const NOBODY: &str = "taskwatch-doctor";

/// The table of a cell without a fleet; `setup` is the command that makes it.
pub async fn examine_table(clients: &Clients, name: &str, setup: &str) -> Vec<Finding> {
    let sdk = Sdk::new(clients);
    let (mut findings, there) = self::findings(&sdk, name, setup).await;
    if there.is_some() {
        findings.extend(permissions(&sdk, name).await);
    }
    findings
}

/// The table as it is; none where it is not there or cannot be seen.
pub(super) async fn findings(sdk: &Sdk, name: &str, setup: &str) -> (Vec<Finding>, Option<FoundTable>) {
    match found(sdk, name).await {
        Err(error) => (vec![unseen("table", &error)], None),
        Ok(None) => (vec![Finding::fail("table", format!("{name} does not exist"), setup)], None),
        Ok(Some(table)) => (judge(name, &table, setup), Some(table)),
    }
}

/// What its description says.
fn judge(name: &str, table: &FoundTable, setup: &str) -> Vec<Finding> {
    let mut findings = vec![match table.status.as_str() {
        "ACTIVE" | "UPDATING" => Finding::ok("table", format!("{} is {}", table.arn, table.status)),
        status => {
            let todo = "see its status in the console, and the key that it is encrypted with";
            Finding::fail("table", format!("{name} is {status}"), todo)
        }
    }];
    if let Some((found, todo)) = table.unfit(name) {
        findings.push(Finding::fail("table's shape", found, todo));
        return findings;
    }
    findings.push(Finding::ok("table's key", &table.key));
    findings.extend(table.repairs().into_iter().map(|repair| lacks(name, repair, setup)));
    if let Some(index) = &table.index {
        let shown = format!("{ENDED}: {}, with {}", index.key, index.shows);
        findings.push(match index.status.as_str() {
            "ACTIVE" | "UPDATING" => Finding::ok("table's index", shown),
            status => Finding::warn(
                "table's index",
                format!("{ENDED} is {status}"),
                "wait: until it is ACTIVE, lists of ended runs are not complete",
            ),
        });
    }
    if let Expiry::On(attribute) = &table.expiry {
        findings.push(Finding::ok("table's time to live", format!("by {attribute}")));
    }
    findings.push(capacity(name, table));
    if table.infrequent {
        findings.push(Finding::warn(
            "table's class",
            "STANDARD_INFREQUENT_ACCESS: storage is cheaper, but each write costs more, and a fleet stores little and writes much",
            format!("aws dynamodb update-table --table-name {name} --table-class STANDARD"),
        ));
    }
    findings
}

/// What is lost without a thing that `setup` makes.
fn lacks(name: &str, repair: Repair, setup: &str) -> Finding {
    let (check, found) = match repair {
        Repair::Index => {
            return Finding::fail(
                "table's index",
                format!("{name} has no index {ENDED}: ended runs cannot be listed"),
                setup,
            );
        }
        Repair::TimeToLive => ("table's time to live", "off: ended runs stay, and are paid for, for ever"),
        Repair::Protection => ("table's deletion protection", "off: one call deletes every run"),
        Repair::Backups => {
            ("table's backups", "point-in-time recovery is off: what was deleted or overwritten by mistake is gone")
        }
    };
    Finding::warn(check, found, setup)
}

fn capacity(name: &str, table: &FoundTable) -> Finding {
    let check = "table's capacity";
    let on_demand = format!("aws dynamodb update-table --table-name {name} --billing-mode PAY_PER_REQUEST");
    match (table.throughput, table.most_written) {
        (Some((read, write)), _) => Finding::warn(
            check,
            format!(
                "provisioned, {write} write and {read} read units a second: what is over it waits, and every launch with it"
            ),
            format!("see that it scales with the load; or {on_demand}"),
        ),
        (None, Some(most)) => Finding::warn(
            check,
            format!(
                "on demand, but capped at {most} write units a second: what is over it waits, and every launch with it"
            ),
            "raise the table's maximum on-demand throughput, or take it away",
        ),
        (None, None) => Finding::ok(check, "on demand"),
    }
}

/// What the caller may do with items, by calls that change nothing: their condition holds of no item.
pub(super) async fn permissions(sdk: &Sdk, name: &str) -> Vec<Finding> {
    let (pk, sk) = (json!({"S": NOBODY}), json!({"N": "1"}));
    let key = json!({"pk": pk, "sk": sk});
    let exists = "attribute_exists(pk)";
    let query = json!({"KeyConditionExpression": "pk = :pk", "ExpressionAttributeValues": {":pk": pk}});
    let index = json!({"IndexName": ENDED, "KeyConditionExpression": "#on = :on AND #id = :on",
        "ExpressionAttributeNames": {"#on": ENDED_ON, "#id": ENDED_ID}, "ExpressionAttributeValues": {":on": pk}});
    let with_index = format!("dynamodb:Query (index {ENDED})");
    let mut findings = Vec::new();
    for (action, operation, mut call) in [
        ("dynamodb:GetItem", "GetItem", json!({"Key": key})),
        ("dynamodb:Query", "Query", query),
        (&with_index, "Query", index),
        ("dynamodb:PutItem", "PutItem", json!({"Item": key, "ConditionExpression": exists})),
        ("dynamodb:UpdateItem", "UpdateItem", json!({"Key": key, "ConditionExpression": exists})),
        ("dynamodb:DeleteItem", "DeleteItem", json!({"Key": key, "ConditionExpression": exists})),
    ] {
        call["TableName"] = name.into();
        findings.push(judged(action, &sdk.dynamodb.target(operation, &call).await));
    }
    let batch = json!({"RequestItems": {name: {"Keys": [key]}}});
    findings.push(judged("dynamodb:BatchGetItem", &sdk.dynamodb.target("BatchGetItem", &batch).await));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::super::setup::table::whole;
    use super::super::Status;
    use super::*;

    fn judged_with(change: impl FnOnce(&mut FoundTable)) -> Vec<(String, Status)> {
        let mut table = whole();
        change(&mut table);
        judge("runs", &table, "taskwatch setup").into_iter().map(|f| (f.check, f.status)).collect()
    }

    #[test]
    fn a_table_is_judged_by_its_description() {
        assert!(judged_with(|_| {}).iter().all(|(_, status)| *status == Status::Ok));
        let only = |change: fn(&mut FoundTable)| {
            let wrong: Vec<_> = judged_with(change).into_iter().filter(|(_, status)| *status != Status::Ok).collect();
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            wrong.into_iter().next().expect("one")
        };
        let (warn, fail) = (Status::Warn, Status::Fail);
        for (change, check, status) in [
            ((|t| t.status = "CREATING".into()) as fn(&mut FoundTable), "table", fail),
            (|t| t.key = "id (S)".into(), "table's shape", fail),
            (|t| t.index = None, "table's index", fail),
            (|t| t.index.as_mut().unwrap().status = "CREATING".into(), "table's index", warn),
            (|t| t.expiry = Expiry::Off, "table's time to live", warn),
            (|t| t.protected = false, "table's deletion protection", warn),
            (|t| t.backups = false, "table's backups", warn),
            (|t| t.throughput = Some((5, 5)), "table's capacity", warn),
            (|t| t.most_written = Some(10), "table's capacity", warn),
            (|t| t.infrequent = true, "table's class", warn),
        ] {
            assert_eq!(only(change), (check.to_owned(), status));
        }
    }
}
