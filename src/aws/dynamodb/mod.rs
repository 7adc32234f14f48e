//! A table of DynamoDB: each call of the port is one attempt of one operation.

mod expression;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_ecs::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::timeout::TimeoutConfig;
use futures::future::BoxFuture;
use serde_json::{Value as Json, json};

use super::json::services::DYNAMODB;
use super::json::{CallFailure, JsonClient, Retries};
use super::{Clients, errors};
use crate::store::dynamo::{
    Batch, Condition, Conditional, Delete, ENDED, ENDED_ID, ENDED_ON, Item, Items, Key, Put, Query, Table, TableError,
    Update, Value,
};
use expression::Expression;
use values::{item, key_of, value};

/// DynamoDB answers within milliseconds; a node that does not is given up, and the next attempt goes to another one.
const ATTEMPT: Duration = Duration::from_secs(1);
/// What DynamoDB says when a table, a partition or the account takes no more (developer guide, "Error handling with DynamoDB").
const THROTTLES: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ReplicatedWriteConflictException",
];
/// What it says when a condition does not hold.
const CONDITION: &str = "ConditionalCheckFailedException";

/// One table, by its name.
#[derive(Clone, Debug)]
pub struct DynamoTable {
    client: JsonClient,
    name: String,
    written: Arc<WriteUnits>,
}

/// What the writes of a table and its clones have cost, in thousandths of a unit.
#[derive(Debug, Default)]
struct WriteUnits(AtomicU64);

impl WriteUnits {
    /// Adds what an answer says; not every endpoint says it.
    fn add(&self, answer: &Json) {
        let units = answer["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap_or_default();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few units, never less than none"
        )]
        self.0.fetch_add((units * 1_000.0) as u64, Ordering::Relaxed);
    }
}

impl Clients {
    /// A table of DynamoDB, by its name.
    pub fn table(&self, name: impl Into<String>) -> DynamoTable {
        let timeouts = TimeoutConfig::builder().connect_timeout(ATTEMPT).operation_attempt_timeout(ATTEMPT).build();
        // Whoever calls tries again: only he knows what may be sent twice.
        let config = self.config.clone().into_builder().timeout_config(timeouts).build();
        let client = JsonClient::new(&config, DYNAMODB, Retries::Never);
        DynamoTable { client, name: name.into(), written: Arc::default() }
    }
}

impl DynamoTable {
    /// Write request units that its writes and those of its clones have consumed, the index included, as DynamoDB said
    /// (API reference, `ConsumedCapacity`).
    pub fn write_units(&self) -> f64 {
        self.written.0.load(Ordering::Relaxed) as f64 / 1_000.0
    }

    /// A write with a condition: its answer, or what refused it.
    async fn write(
        &self,
        operation: &str,
        mut call: Json,
        (mut expression, condition): (Expression, &Condition),
    ) -> Result<Conditional<Json>, TableError> {
        call["TableName"] = self.name.as_str().into();
        call["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD".into();
        if let Some(condition) = expression.condition(condition) {
            call["ConditionExpression"] = condition.into();
        }
        expression.complete(&mut call);
        match self.client.target(operation, &call).await {
            Ok(answer) => {
                self.written.add(&answer);
                Ok(Conditional::Written(answer))
            }
            Err(SdkError::ServiceError(service)) if service.err().code() == Some(CONDITION) => {
                // What refused it, where the endpoint says it.
                let old = service.err().body().get("Item").filter(|old| old.as_object().is_some_and(|o| !o.is_empty()));
                old.map(item).transpose().map(Conditional::Refused)
            }
            Err(error) => Err(read(&error)),
        }
    }

    async fn send_put(&self, put: Put) -> Result<Conditional<()>, TableError> {
        let call = json!({"Item": values::of_item(put.item), "ReturnConsumedCapacity": "TOTAL"});
        self.write("PutItem", call, (Expression::default(), &put.condition)).await?.try_map(|_| Ok(()))
    }

    async fn send_update(&self, update: Update) -> Result<Conditional<Item>, TableError> {
        let mut expression = Expression::default();
        let changes = expression.changes(update.set, &update.remove);
        let call = json!({"Key": values::of_key(&update.key), "UpdateExpression": changes, "ReturnValues": "ALL_NEW",
            "ReturnConsumedCapacity": "TOTAL"});
        self.write("UpdateItem", call, (expression, &update.condition))
            .await?
            .try_map(|answer| item(&answer["Attributes"]))
    }

    async fn send_delete(&self, delete: Delete) -> Result<Conditional<()>, TableError> {
        let call = json!({"Key": values::of_key(&delete.key)});
        self.write("DeleteItem", call, (Expression::default(), &delete.condition)).await?.try_map(|_| Ok(()))
    }

    async fn send_get(&self, key: Key) -> Result<Option<Item>, TableError> {
        let call = json!({"TableName": self.name, "Key": values::of_key(&key), "ConsistentRead": true});
        let answer = self.client.target("GetItem", &call).await.map_err(|e| read(&e))?;
        answer.get("Item").map(item).transpose()
    }

    async fn send_query(&self, query: Query) -> Result<Items, TableError> {
        let mut call = match query {
            Query::Items { pk, from, to } => json!({
                "KeyConditionExpression": "pk = :pk AND sk BETWEEN :from AND :to",
                "ExpressionAttributeValues":
                    {":pk": value(Value::S(pk)), ":from": values::number(from), ":to": values::number(to)},
                "ConsistentRead": true,
            }),
            Query::Ended { on, below, limit } => ended(value(Value::S(on)), below, limit),
        };
        call["TableName"] = self.name.as_str().into();
        let answer = self.client.target("Query", &call).await.map_err(|e| read(&e))?;
        let more = answer.get("LastEvaluatedKey").is_some_and(|key| !key.is_null());
        Ok(Items { items: items(&answer["Items"])?, more })
    }

    async fn send_batch_get(&self, keys: Vec<Key>) -> Result<Batch, TableError> {
        let keys: Vec<_> = keys.iter().map(values::of_key).collect();
        let call = json!({"RequestItems": {&self.name: {"Keys": keys, "ConsistentRead": true}}});
        let answer = self.client.target("BatchGetItem", &call).await.map_err(|e| read(&e))?;
        let all = |of: &Json| of.as_object().into_iter().flatten().map(|(_, of)| of.clone()).collect::<Vec<_>>();
        let found = all(&answer["Responses"]).iter().map(items).collect::<Result<Vec<_>, _>>()?;
        let left = all(&answer["UnprocessedKeys"]);
        let left = left.iter().filter_map(|left| left["Keys"].as_array()).flatten();
        Ok(Batch {
            items: found.into_iter().flatten().collect(),
            unprocessed: left.map(key_of).collect::<Result<_, _>>()?,
        })
    }
}

/// A query of the index of ended runs, newest first.
fn ended(on: Json, below: Option<Arc<str>>, limit: u32) -> Json {
    let mut call = json!({
        "IndexName": ENDED,
        "KeyConditionExpression": if below.is_some() { "#on = :on AND #id < :id" } else { "#on = :on" },
        "ExpressionAttributeNames": {"#on": ENDED_ON},
        "ExpressionAttributeValues": {":on": on},
        "ScanIndexForward": false,
        "Limit": limit,
    });
    if let Some(below) = below {
        call["ExpressionAttributeNames"]["#id"] = ENDED_ID.into();
        call["ExpressionAttributeValues"][":id"] = value(Value::S(below));
    }
    call
}

fn items(all: &Json) -> Result<Vec<Item>, TableError> {
    all.as_array().into_iter().flatten().map(item).collect()
}

impl Table for DynamoTable {
    fn put_if(&self, put: Put) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        Box::pin(self.send_put(put))
    }

    fn update_if(&self, update: Update) -> BoxFuture<'_, Result<Conditional<Item>, TableError>> {
        Box::pin(self.send_update(update))
    }

    fn delete_if(&self, delete: Delete) -> BoxFuture<'_, Result<Conditional<()>, TableError>> {
        Box::pin(self.send_delete(delete))
    }

    fn get(&self, key: Key) -> BoxFuture<'_, Result<Option<Item>, TableError>> {
        Box::pin(self.send_get(key))
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Items, TableError>> {
        Box::pin(self.send_query(query))
    }

    fn batch_get(&self, keys: Vec<Key>) -> BoxFuture<'_, Result<Batch, TableError>> {
        Box::pin(self.send_batch_get(keys))
    }
}

/// What an error says of the call: whether it took effect.
fn read(error: &CallFailure) -> TableError {
    let cause = errors::cause(error);
    match error {
        SdkError::ConstructionFailure(_) => TableError::Refused(cause),
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or_default();
            let is_theirs = code.is_empty() || code == "InternalServerError" || code == "ServiceUnavailable";
            match code {
                _ if THROTTLES.contains(&code) => TableError::Throttled(cause),
                _ if is_theirs => TableError::Unknown(cause),
                _ => TableError::Refused(cause),
            }
        }
        _ => TableError::Unknown(cause),
    }
}
