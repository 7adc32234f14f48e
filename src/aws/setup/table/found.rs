//! A table as it is.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, PointInTimeRecoveryStatus, Projection, ProjectionType,
    TableClass, TableDescription, TimeToLiveStatus,
};

use super::super::owner::Owner;
use super::super::{Sdk, SetupError, gone};
use crate::store::dynamo::{ENDED, ENDED_SHOWS};

/// What an index shows that shows all.
const EVERYTHING: &str = "everything";

/// Whether items expire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::aws) enum Expiry {
    #[default]
    Off,
    /// By this attribute.
    On(String),
    /// It is being turned off, and cannot be turned on meanwhile.
    Changing,
}

/// The index of ended runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::aws) struct FoundIndex {
    /// As `endedOn (S), id (S)`.
    pub(in crate::aws) key: String,
    /// Attributes beside the keys, or `keys only`, or `everything`.
    pub(in crate::aws) shows: String,
    pub(in crate::aws) status: String,
}

impl FoundIndex {
    pub(super) fn shows_enough(&self) -> bool {
        let shown: Vec<&str> = self.shows.split(", ").collect();
        self.shows == EVERYTHING || ENDED_SHOWS.iter().all(|name| shown.contains(name))
    }
}

/// A table that is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::aws) struct FoundTable {
    pub(in crate::aws) arn: String,
    /// `ACTIVE`, `CREATING`, …
    pub(in crate::aws) status: String,
    /// As `pk (S), sk (N)`.
    pub(in crate::aws) key: String,
    pub(in crate::aws) index: Option<FoundIndex>,
    pub(in crate::aws) expiry: Expiry,
    /// Whether point-in-time recovery is on.
    pub(in crate::aws) backups: bool,
    pub(in crate::aws) protected: bool,
    /// Read and write units a second; none: on demand.
    pub(in crate::aws) throughput: Option<(i64, i64)>,
    /// The most write units a second that an on-demand table may take; none: as many as DynamoDB gives.
    pub(in crate::aws) most_written: Option<i64>,
    /// The class for tables that are seldom read, in which requests cost more.
    pub(in crate::aws) infrequent: bool,
    /// About how many items; DynamoDB counts every six hours.
    pub(in crate::aws) items: u64,
    pub(in crate::aws) made_for: Option<Owner>,
}

/// A table by its name.
pub(in crate::aws) async fn found(sdk: &Sdk, name: &str) -> Result<Option<FoundTable>, SetupError> {
    let about = format!("table {name}");
    let asked = sdk.dynamodb.describe_table().table_name(name).send().await;
    let described = gone(&about, "dynamodb:DescribeTable", asked)?.and_then(|answer| answer.table);
    let Some(described) = described else { return Ok(None) };
    let asked = sdk.dynamodb.describe_time_to_live().table_name(name).send().await;
    let expiry = gone(&about, "dynamodb:DescribeTimeToLive", asked)?.and_then(|answer| answer.time_to_live_description);
    let asked = sdk.dynamodb.describe_continuous_backups().table_name(name).send().await;
    let backups = gone(&about, "dynamodb:DescribeContinuousBackups", asked)?;
    let arn = described.table_arn().unwrap_or_default().to_owned();
    let asked = sdk.dynamodb.list_tags_of_resource().resource_arn(&arn).send().await;
    let tags = gone(&about, "dynamodb:ListTagsOfResource", asked)?;
    let made_for = tags.and_then(|answer| Owner::of(answer.tags().iter().map(|tag| (tag.key(), tag.value()))));
    let expiry = expiry.map_or(Expiry::Off, |expiry| match expiry.time_to_live_status() {
        Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling) => {
            Expiry::On(expiry.attribute_name().unwrap_or_default().to_owned())
        }
        Some(TimeToLiveStatus::Disabling) => Expiry::Changing,
        _ => Expiry::Off,
    });
    let backups = backups.and_then(|answer| answer.continuous_backups_description);
    let backups = backups.and_then(|backups| backups.point_in_time_recovery_description);
    let is_on = |status: &PointInTimeRecoveryStatus| *status == PointInTimeRecoveryStatus::Enabled;
    let backups = backups.is_some_and(|of| of.point_in_time_recovery_status().is_some_and(is_on));
    Ok(Some(FoundTable { expiry, backups, made_for, arn, ..table(&described) }))
}

/// What DescribeTable says.
fn table(described: &TableDescription) -> FoundTable {
    let kinds = described.attribute_definitions();
    let index = described.global_secondary_indexes().iter().find(|index| index.index_name() == Some(ENDED));
    let on_demand = described.billing_mode_summary().and_then(|summary| summary.billing_mode());
    let throughput = described.provisioned_throughput();
    let throughput =
        throughput.map(|of| (of.read_capacity_units().unwrap_or(0), of.write_capacity_units().unwrap_or(0)));
    let class = described.table_class_summary().and_then(|summary| summary.table_class());
    // -1 takes a maximum away (API reference, OnDemandThroughput).
    let most_written = described.on_demand_throughput().and_then(|of| of.max_write_request_units());
    FoundTable {
        most_written: most_written.filter(|most| *most >= 0),
        status: described.table_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        key: key(described.key_schema(), kinds),
        index: index.map(|index| FoundIndex {
            key: key(index.key_schema(), kinds),
            shows: index.projection().map(shown).unwrap_or_default(),
            status: index.index_status().map(|status| status.as_str().to_owned()).unwrap_or_default(),
        }),
        protected: described.deletion_protection_enabled().unwrap_or(false),
        // A table that was always provisioned has no summary (API reference, BillingModeSummary).
        throughput: throughput.filter(|_| on_demand != Some(&BillingMode::PayPerRequest)),
        infrequent: class == Some(&TableClass::StandardInfrequentAccess),
        items: described.item_count().and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
        ..FoundTable::default()
    }
}

fn key(schema: &[KeySchemaElement], kinds: &[AttributeDefinition]) -> String {
    let kind =
        |name: &str| kinds.iter().find(|of| of.attribute_name() == name).map_or("?", |of| of.attribute_type().as_str());
    let parts = schema.iter().map(|part| (part.attribute_name(), kind(part.attribute_name())));
    super::written(&parts.collect::<Vec<_>>())
}

fn shown(projection: &Projection) -> String {
    match projection.projection_type() {
        Some(ProjectionType::All) => EVERYTHING.to_owned(),
        Some(ProjectionType::Include) => projection.non_key_attributes().join(", "),
        _ => "keys only".to_owned(),
    }
}
