//! A table as it is.

use serde_json::{Value, json};

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
    let named = json!({"TableName": name});
    let Some(described) = ask(sdk, name, "dynamodb:DescribeTable", &named).await? else { return Ok(None) };
    let described = &described["Table"];
    let expiry = ask(sdk, name, "dynamodb:DescribeTimeToLive", &named).await?.unwrap_or_default();
    let backups = ask(sdk, name, "dynamodb:DescribeContinuousBackups", &named).await?.unwrap_or_default();
    let arn = text(&described["TableArn"]);
    let tags = ask(sdk, name, "dynamodb:ListTagsOfResource", &json!({"ResourceArn": arn})).await?.unwrap_or_default();
    let tags = tags["Tags"].as_array().into_iter().flatten();
    let made_for = Owner::of(tags.filter_map(|tag| Some((tag["Key"].as_str()?, tag["Value"].as_str()?))));
    let expiry = &expiry["TimeToLiveDescription"];
    let expiry = match expiry["TimeToLiveStatus"].as_str() {
        Some("ENABLED" | "ENABLING") => Expiry::On(text(&expiry["AttributeName"])),
        Some("DISABLING") => Expiry::Changing,
        _ => Expiry::Off,
    };
    let backups = &backups["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"];
    let backups = backups["PointInTimeRecoveryStatus"] == "ENABLED";
    Ok(Some(FoundTable { expiry, backups, made_for, arn, ..table(described) }))
}

/// One question, by the right that it needs; none where the table is not there.
async fn ask(sdk: &Sdk, name: &str, action: &str, call: &Value) -> Result<Option<Value>, SetupError> {
    let asked = sdk.dynamodb.target(action.trim_start_matches("dynamodb:"), call).await;
    gone(&format!("table {name}"), action, asked)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What DescribeTable says.
fn table(described: &Value) -> FoundTable {
    let kinds = list(&described["AttributeDefinitions"]);
    let index = list(&described["GlobalSecondaryIndexes"]).iter().find(|index| index["IndexName"] == ENDED);
    let throughput = &described["ProvisionedThroughput"];
    let units = |name: &str| throughput[name].as_i64().unwrap_or(0);
    let throughput = throughput.is_object().then(|| (units("ReadCapacityUnits"), units("WriteCapacityUnits")));
    // -1 takes a maximum away (API reference, OnDemandThroughput).
    let most_written = described["OnDemandThroughput"]["MaxWriteRequestUnits"].as_i64();
    FoundTable {
        most_written: most_written.filter(|most| *most >= 0),
        status: text(&described["TableStatus"]),
        key: key(&described["KeySchema"], kinds),
        index: index.map(|index| FoundIndex {
            key: key(&index["KeySchema"], kinds),
            shows: shown(&index["Projection"]),
            status: text(&index["IndexStatus"]),
        }),
        protected: described["DeletionProtectionEnabled"] == true,
        // A table that was always provisioned has no summary (API reference, BillingModeSummary).
        throughput: throughput.filter(|_| described["BillingModeSummary"]["BillingMode"] != "PAY_PER_REQUEST"),
        infrequent: described["TableClassSummary"]["TableClass"] == "STANDARD_INFREQUENT_ACCESS",
        items: described["ItemCount"].as_u64().unwrap_or(0),
        ..FoundTable::default()
    }
}

fn key(schema: &Value, kinds: &[Value]) -> String {
    let kind = |name: &str| {
        let found = kinds.iter().find(|of| of["AttributeName"] == name);
        found.and_then(|of| of["AttributeType"].as_str()).unwrap_or("?")
    };
    let names = list(schema).iter().filter_map(|part| part["AttributeName"].as_str());
    super::written(&names.map(|name| (name, kind(name))).collect::<Vec<_>>())
}

fn shown(projection: &Value) -> String {
    match projection["ProjectionType"].as_str() {
        Some("ALL") => EVERYTHING.to_owned(),
        Some("INCLUDE") => list(&projection["NonKeyAttributes"]).iter().map(text).collect::<Vec<_>>().join(", "),
        _ => "keys only".to_owned(),
    }
}
