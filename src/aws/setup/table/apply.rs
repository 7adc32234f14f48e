//! Makes a table, changes it, removes it. Each call may be made twice, and each waits until the table takes the next one.

use std::time::Duration;

use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use serde_json::{Value, json};

use super::super::{Sdk, SetupError, gone};
use super::{FoundTable, Repair, TTL, WantedTable, index, kinds};

/// A table is there within seconds; an account at its limits of changes takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
const BETWEEN: Duration = Duration::from_millis(500);

/// Makes the table, as far as one call can.
pub(in crate::aws::setup) async fn make(sdk: &Sdk, wanted: &WantedTable) -> Result<(), SetupError> {
    let mut table = wanted.shape();
    table["Tags"] = wanted.owner.tags().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
    send(sdk, &wanted.name, "dynamodb:CreateTable", table).await?;
    active(sdk, &wanted.name).await?;
    for repair in [Repair::TimeToLive, Repair::Backups] {
        self::repair(sdk, wanted, None, repair).await?;
    }
    Ok(())
}

/// Makes one change.
pub(in crate::aws::setup) async fn repair(
    sdk: &Sdk,
    wanted: &WantedTable,
    found: Option<&FoundTable>,
    repair: Repair,
) -> Result<(), SetupError> {
    match repair {
        Repair::Index => add_index(sdk, &wanted.name, found.and_then(|found| found.throughput)).await?,
        Repair::Protection => {
            send(sdk, &wanted.name, "dynamodb:UpdateTable", json!({"DeletionProtectionEnabled": true})).await?;
        }
        Repair::TimeToLive => {
            let by = json!({"TimeToLiveSpecification": {"Enabled": true, "AttributeName": TTL}});
            send(sdk, &wanted.name, "dynamodb:UpdateTimeToLive", by).await?;
        }
        Repair::Backups => backups(sdk, &wanted.name).await?,
    }
    active(sdk, &wanted.name).await
}

/// Deletes the table; one that is gone already is no error.
pub(in crate::aws::setup) async fn remove(sdk: &Sdk, name: &str) -> Result<(), SetupError> {
    let sent = sdk.dynamodb.target("DeleteTable", &json!({"TableName": name})).await;
    gone(&format!("table {name}"), "dynamodb:DeleteTable", sent).map(drop)
}

/// One call about the table, by the right that it needs: DynamoDB's rights have the names of the calls.
async fn send(sdk: &Sdk, name: &str, action: &str, mut call: Value) -> Result<(), SetupError> {
    call["TableName"] = name.into();
    let sent = sdk.dynamodb.target(action.trim_start_matches("dynamodb:"), &call).await;
    sent.map(drop).map_err(|e| SetupError::of(&format!("table {name}"), action, &e))
}

async fn add_index(sdk: &Sdk, name: &str, throughput: Option<(i64, i64)>) -> Result<(), SetupError> {
    let mut create = index();
    // An index of a table with provisioned capacity has its own; as much will do.
    if let Some((read, write)) = throughput {
        create["ProvisionedThroughput"] = json!({"ReadCapacityUnits": read, "WriteCapacityUnits": write});
    }
    let call = json!({"AttributeDefinitions": kinds(), "GlobalSecondaryIndexUpdates": [{"Create": create}]});
    send(sdk, name, "dynamodb:UpdateTable", call).await
}

async fn backups(sdk: &Sdk, name: &str) -> Result<(), SetupError> {
    let about = format!("table {name}");
    let on = json!({"TableName": name, "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": true}});
    let turn_on = async || loop {
        match sdk.dynamodb.target("UpdateContinuousBackups", &on).await {
            Ok(_) => return Ok(()),
            // For some seconds after a table was made (API reference, ContinuousBackupsUnavailableException).
            Err(error) if error.code().is_some_and(|code| code.contains("ContinuousBackupsUnavailable")) => {
                tokio::time::sleep(BETWEEN).await;
            }
            Err(error) => return Err(SetupError::of(&about, "dynamodb:UpdateContinuousBackups", &error)),
        }
    };
    let waited = tokio::time::timeout(PATIENCE, turn_on()).await;
    waited.unwrap_or_else(|_| Err(late(&about, "takes no backups yet")))
}

/// Waits until the table takes calls. A table that was just made may not be seen at once.
async fn active(sdk: &Sdk, name: &str) -> Result<(), SetupError> {
    let about = format!("table {name}");
    let come = async || loop {
        let asked = sdk.dynamodb.target("DescribeTable", &json!({"TableName": name})).await;
        let described = gone(&about, "dynamodb:DescribeTable", asked)?;
        if described.is_some_and(|answer| answer["Table"]["TableStatus"] == "ACTIVE") {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    };
    let waited = tokio::time::timeout(PATIENCE, come()).await;
    waited.unwrap_or_else(|_| Err(late(&about, "is not ACTIVE yet")))
}

fn late(about: &str, what: &str) -> SetupError {
    SetupError::other(format!("{about}: after {} s it {what}; run the command again", PATIENCE.as_secs()))
}
