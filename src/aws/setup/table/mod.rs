//! The table of a fleet: what it must be, and what is done to one that is not so.

mod apply;
mod found;

use serde_json::{Value, json};

use super::owner::Owner;
use crate::store::dynamo::{ENDED, ENDED_ID, ENDED_ON, ENDED_SHOWS, TTL};

pub(super) use apply::{make, remove, repair};
pub(in crate::aws) use found::{Expiry, FoundTable, found};

/// The table's key (`store::dynamo`): an item's partition, and its number there.
const KEY: [(&str, &str); 2] = [("pk", "S"), ("sk", "N")];
/// The key of its index.
const INDEX_KEY: [(&str, &str); 2] = [(ENDED_ON, "S"), (ENDED_ID, "S")];

/// The table of a fleet.
#[derive(Clone, Debug)]
pub(super) struct WantedTable {
    pub(super) name: String,
    pub(super) owner: Owner,
}

/// One change of a table. DynamoDB takes them one at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::aws) enum Repair {
    Index,
    Protection,
    TimeToLive,
    Backups,
}

impl Repair {
    /// In the order in which a new table gets them.
    const ALL: [Self; 4] = [Self::Index, Self::TimeToLive, Self::Backups, Self::Protection];

    /// What it comes to, in a line.
    pub(super) fn line(self) -> String {
        match self {
            Self::Index => format!("index {ENDED}: {}, with {}", written(&INDEX_KEY), ENDED_SHOWS.join(", ")),
            Self::Protection => "deletion protection: on".to_owned(),
            Self::TimeToLive => format!("time to live: by {TTL}"),
            Self::Backups => "point-in-time recovery: on".to_owned(),
        }
    }
}

impl WantedTable {
    pub(super) fn new(name: &str, owner: Owner) -> Self {
        Self { name: name.to_owned(), owner }
    }

    /// What a new table is, in lines.
    pub(super) fn lines() -> Vec<String> {
        let made = [format!("key: {}", written(&KEY)), "capacity: on demand".to_owned()];
        made.into_iter().chain(Repair::ALL.map(Repair::line)).collect()
    }

    /// What CreateTable and CloudFormation both say of it.
    fn shape(&self) -> Value {
        json!({"TableName": self.name, "BillingMode": "PAY_PER_REQUEST", "KeySchema": schema(&KEY),
            "AttributeDefinitions": kinds(),
            "GlobalSecondaryIndexes": [index()],
            "DeletionProtectionEnabled": true})
    }

    /// As CloudFormation's AWS::DynamoDB::Table has it.
    pub(super) fn properties(&self) -> Value {
        let mut properties = self.shape();
        properties["TimeToLiveSpecification"] = json!({"AttributeName": TTL, "Enabled": true});
        properties["PointInTimeRecoverySpecification"] = json!({"PointInTimeRecoveryEnabled": true});
        properties
    }
}

/// A key as the API has it.
fn schema(key: &[(&str, &str); 2]) -> Value {
    let part = |((name, _), of): (&(&str, &str), &str)| json!({"AttributeName": name, "KeyType": of});
    key.iter().zip(["HASH", "RANGE"]).map(part).collect()
}

/// Of every attribute of a key.
fn kinds() -> Value {
    let kind = |(name, kind): &(&str, &str)| json!({"AttributeName": name, "AttributeType": kind});
    KEY.iter().chain(&INDEX_KEY).map(kind).collect()
}

/// The index of ended runs.
fn index() -> Value {
    json!({"IndexName": ENDED, "KeySchema": schema(&INDEX_KEY),
        "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ENDED_SHOWS}})
}

impl FoundTable {
    /// What is to be changed.
    pub(in crate::aws) fn repairs(&self) -> Vec<Repair> {
        let needed = |repair: &Repair| match repair {
            Repair::Index => self.index.is_none(),
            Repair::Protection => !self.protected,
            Repair::TimeToLive => self.expiry == Expiry::Off,
            Repair::Backups => !self.backups,
        };
        Repair::ALL.into_iter().filter(needed).collect()
    }

    /// Whether it has rows that can be read: the key is right, and it is not on its way in or out.
    pub(in crate::aws) fn can_be_read(&self) -> bool {
        self.key == written(&KEY) && matches!(self.status.as_str(), "ACTIVE" | "UPDATING")
    }

    /// What cannot be changed here and makes the table of no use: what is wrong, and what to do.
    pub(in crate::aws) fn unfit(&self, name: &str) -> Option<(String, String)> {
        let (key, index_key) = (written(&KEY), written(&INDEX_KEY));
        if self.key != key {
            let found = format!("the key of the table {name} is {}; taskwatch needs {key}", self.key);
            return Some((found, "a table's key cannot be changed: name another table".to_owned()));
        }
        if self.status == "DELETING" || self.status.starts_with("ARCHIV") {
            let found = format!("the table {name} is {}", self.status);
            return Some((found, "wait until it is gone, or name another table".to_owned()));
        }
        if let Some(index) = self.index.as_ref().filter(|index| index.key != index_key || !index.shows_enough()) {
            let found = format!(
                "the index {ENDED} of the table {name} is {} with {}; taskwatch needs {index_key} with {}",
                index.key,
                index.shows,
                ENDED_SHOWS.join(", ")
            );
            let delete = format!("[{{\"Delete\":{{\"IndexName\":\"{ENDED}\"}}}}]");
            let todo = format!(
                "delete it (aws dynamodb update-table --table-name {name} --global-secondary-index-updates '{delete}'), then run taskwatch setup again"
            );
            return Some((found, todo));
        }
        match &self.expiry {
            Expiry::On(attribute) if attribute != TTL => Some((
                format!("the time to live of the table {name} goes by {attribute}; taskwatch needs {TTL}"),
                format!(
                    "turn it off (aws dynamodb update-time-to-live --table-name {name} --time-to-live-specification Enabled=false,AttributeName={attribute}), and run taskwatch setup an hour later"
                ),
            )),
            Expiry::Changing => Some((
                format!("the time to live of the table {name} is being turned off"),
                "run taskwatch setup again in an hour: so long DynamoDB may take".to_owned(),
            )),
            _ => None,
        }
    }
}

/// A key in words, as `pk (S), sk (N)`.
fn written(key: &[(&str, &str)]) -> String {
    key.iter().map(|(name, kind)| format!("{name} ({kind})")).collect::<Vec<_>>().join(", ")
}

/// A table that is as it should be.
#[cfg(test)]
pub(in crate::aws) fn whole() -> FoundTable {
    let index =
        found::FoundIndex { key: written(&INDEX_KEY), shows: "status, queue, error".into(), status: "ACTIVE".into() };
    FoundTable {
        status: "ACTIVE".into(),
        key: written(&KEY),
        index: Some(index),
        expiry: Expiry::On(TTL.into()),
        backups: true,
        protected: true,
        ..FoundTable::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_that_a_table_lacks_is_repaired_alone() {
        assert_eq!((whole().repairs(), whole().unfit("runs")), (Vec::new(), None));
        let lacks = |change: fn(&mut FoundTable)| {
            let mut found = whole();
            change(&mut found);
            assert_eq!(found.unfit("runs"), None);
            found.repairs()
        };
        assert_eq!(lacks(|t| t.index = None), [Repair::Index]);
        assert_eq!(lacks(|t| t.protected = false), [Repair::Protection]);
        assert_eq!(lacks(|t| t.backups = false), [Repair::Backups]);
        assert_eq!(lacks(|t| t.expiry = Expiry::Off), [Repair::TimeToLive]);
        assert_eq!(lacks(|t| t.throughput = Some((5, 5))), [], "provisioned capacity is the owner's choice");
        assert_eq!(lacks(|t| t.index.as_mut().unwrap().shows = "everything".into()), []);
    }

    #[test]
    fn what_cannot_be_repaired_is_named_with_what_to_do() {
        let unfit = |change: fn(&mut FoundTable)| {
            let mut found = whole();
            change(&mut found);
            let (found, todo) = found.unfit("runs").expect("unfit");
            format!("{found}: {todo}")
        };
        let said = unfit(|t| t.key = "id (S)".into());
        assert!(said.starts_with("the key of the table runs is id (S); taskwatch needs pk (S), sk (N)"), "{said}");
        assert!(unfit(|t| t.status = "DELETING".into()).contains("wait until it is gone"));
        assert!(unfit(|t| t.index.as_mut().unwrap().shows = "keys only".into()).contains("Delete"));
        assert!(unfit(|t| t.index.as_mut().unwrap().key = "id (S)".into()).contains("update-table --table-name runs"));
        assert!(unfit(|t| t.expiry = Expiry::On("until".into())).contains("AttributeName=until"));
        assert!(unfit(|t| t.expiry = Expiry::Changing).contains("in an hour"));
    }
}
