//! Makes a table, changes it, removes it. Each call may be made twice, and each waits until the table takes the next one.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, PointInTimeRecoverySpecification, Projection,
    ProjectionType, ProvisionedThroughput, ScalarAttributeType, TableStatus, Tag, TimeToLiveSpecification,
};

use super::super::{Sdk, SetupError, errors, gone};
use super::{ENDED, ENDED_SHOWS, FoundTable, INDEX_KEY, KEY, Repair, TTL, WantedTable};

/// A table is there within seconds; an account at its limits of changes takes longer.
const PATIENCE: Duration = Duration::from_secs(300);
const BETWEEN: Duration = Duration::from_millis(500);

/// Makes the table, as far as one call can.
pub(in crate::aws::setup) async fn make(sdk: &Sdk, wanted: &WantedTable) -> Result<(), SetupError> {
    let about = format!("table {}", wanted.name);
    let built = |error: aws_sdk_dynamodb::error::BuildError| SetupError::other(format!("{about}: {error}"));
    let index =
        GlobalSecondaryIndex::builder().index_name(ENDED).set_key_schema(Some(schema(&INDEX_KEY).map_err(built)?));
    let tags = wanted.owner.tags().map(|(key, value)| Tag::builder().key(key).value(value).build());
    let made = sdk
        .dynamodb
        .create_table()
        .table_name(&wanted.name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(kinds().map_err(built)?))
        .set_key_schema(Some(schema(&KEY).map_err(built)?))
        .global_secondary_indexes(index.projection(projection()).build().map_err(built)?)
        .deletion_protection_enabled(true)
        .set_tags(Some(tags.collect::<Result<_, _>>().map_err(built)?));
    made.send().await.map_err(|e| SetupError::of(&about, "dynamodb:CreateTable", &e))?;
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
        Repair::Index => index(sdk, &wanted.name, found.and_then(|found| found.throughput)).await?,
        Repair::Protection => protection(sdk, &wanted.name, true).await?,
        Repair::TimeToLive => time_to_live(sdk, &wanted.name).await?,
        Repair::Backups => backups(sdk, &wanted.name).await?,
    }
    active(sdk, &wanted.name).await
}

/// Deletes the table; one that is gone already is no error.
pub(in crate::aws::setup) async fn remove(sdk: &Sdk, name: &str) -> Result<(), SetupError> {
    let sent = sdk.dynamodb.delete_table().table_name(name).send().await;
    gone(&format!("table {name}"), "dynamodb:DeleteTable", sent).map(drop)
}

async fn index(sdk: &Sdk, name: &str, throughput: Option<(i64, i64)>) -> Result<(), SetupError> {
    let about = format!("table {name}");
    let built = |error: aws_sdk_dynamodb::error::BuildError| SetupError::other(format!("{about}: {error}"));
    // An index of a table with provisioned capacity has its own; as much will do.
    let throughput = throughput.map(|(read, write)| {
        ProvisionedThroughput::builder().read_capacity_units(read).write_capacity_units(write).build()
    });
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(ENDED)
        .set_key_schema(Some(schema(&INDEX_KEY).map_err(built)?))
        .projection(projection())
        .set_provisioned_throughput(throughput.transpose().map_err(built)?);
    let update = GlobalSecondaryIndexUpdate::builder().create(create.build().map_err(built)?).build();
    let changed = sdk.dynamodb.update_table().table_name(name).set_attribute_definitions(Some(kinds().map_err(built)?));
    let changed = changed.global_secondary_index_updates(update).send().await;
    changed.map(drop).map_err(|e| SetupError::of(&about, "dynamodb:UpdateTable", &e))
}

async fn protection(sdk: &Sdk, name: &str, on: bool) -> Result<(), SetupError> {
    let changed = sdk.dynamodb.update_table().table_name(name).deletion_protection_enabled(on).send().await;
    changed.map(drop).map_err(|e| SetupError::of(&format!("table {name}"), "dynamodb:UpdateTable", &e))
}

async fn time_to_live(sdk: &Sdk, name: &str) -> Result<(), SetupError> {
    let about = format!("table {name}");
    let by = TimeToLiveSpecification::builder().enabled(true).attribute_name(TTL).build();
    let by = by.map_err(|e| SetupError::other(format!("{about}: {e}")))?;
    let changed = sdk.dynamodb.update_time_to_live().table_name(name).time_to_live_specification(by).send().await;
    changed.map(drop).map_err(|e| SetupError::of(&about, "dynamodb:UpdateTimeToLive", &e))
}

async fn backups(sdk: &Sdk, name: &str) -> Result<(), SetupError> {
    let about = format!("table {name}");
    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true).build();
    let on = on.map_err(|e| SetupError::other(format!("{about}: {e}")))?;
    let change = || sdk.dynamodb.update_continuous_backups().table_name(name);
    let turn_on = async || loop {
        let sent = change().point_in_time_recovery_specification(on.clone()).send().await;
        match sent {
            Ok(_) => return Ok(()),
            // For some seconds after a table was made (API reference, ContinuousBackupsUnavailableException).
            Err(error) if is(&error, "ContinuousBackupsUnavailable") => tokio::time::sleep(BETWEEN).await,
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
        let asked = sdk.dynamodb.describe_table().table_name(name).send().await;
        let described = gone(&about, "dynamodb:DescribeTable", asked)?.and_then(|answer| answer.table);
        if described.is_some_and(|table| table.table_status() == Some(&TableStatus::Active)) {
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

fn is<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>, code: &str) -> bool {
    errors::code(error).contains(code)
}

fn projection() -> Projection {
    let shown = ENDED_SHOWS.map(str::to_owned).to_vec();
    Projection::builder().projection_type(ProjectionType::Include).set_non_key_attributes(Some(shown)).build()
}

fn schema(key: &[(&str, &str); 2]) -> Result<Vec<KeySchemaElement>, aws_sdk_dynamodb::error::BuildError> {
    let parts = key.iter().zip([KeyType::Hash, KeyType::Range]);
    parts.map(|((name, _), of)| KeySchemaElement::builder().attribute_name(*name).key_type(of).build()).collect()
}

/// Of every attribute of a key.
fn kinds() -> Result<Vec<AttributeDefinition>, aws_sdk_dynamodb::error::BuildError> {
    let kind = |(name, kind): &(&str, &str)| {
        let kind = ScalarAttributeType::from(*kind);
        AttributeDefinition::builder().attribute_name(*name).attribute_type(kind).build()
    };
    KEY.iter().chain(&INDEX_KEY).map(kind).collect()
}
