//! A table of DynamoDB: each call of the port is one attempt of one operation.

mod expression;
mod values;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Builder;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    ConsumedCapacity, KeysAndAttributes, ReturnConsumedCapacity, ReturnValue, ReturnValuesOnConditionCheckFailure,
};
use futures::future::BoxFuture;

use super::{Clients, errors};
use crate::store::dynamo::{
    Batch, Conditional, Delete, ENDED, ENDED_ID, ENDED_ON, Item, Items, Key, Put, Query, Table, TableError, Update,
    Value,
};
use expression::Expression;
use values::{Attributes, item, key_of, value};

/// DynamoDB answers within milliseconds; a node that does not is given up, and the next attempt goes to another one.
const ATTEMPT: Duration = Duration::from_secs(1);
/// What DynamoDB says when a table, a partition or the account takes no more (developer guide, "Error handling with DynamoDB").
const THROTTLES: [&str; 4] = [
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ReplicatedWriteConflictException",
];

/// One table, by its name.
#[derive(Clone, Debug)]
pub struct DynamoTable {
    client: Client,
    name: String,
    written: Arc<WriteUnits>,
}

/// What the writes of a table and its clones have cost, in thousandths of a unit.
#[derive(Debug, Default)]
struct WriteUnits(AtomicU64);

impl WriteUnits {
    /// Adds what an answer says; not every endpoint says it.
    fn add(&self, consumed: Option<&ConsumedCapacity>) {
        let units = consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or_default();
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
        let config = Builder::from(&self.config).retry_config(RetryConfig::disabled()).timeout_config(timeouts).build();
        DynamoTable { client: Client::from_conf(config), name: name.into(), written: Arc::default() }
    }
}

impl DynamoTable {
    /// Write request units that its writes and those of its clones have consumed, the index included, as DynamoDB said
    /// (API reference, `ConsumedCapacity`).
    pub fn write_units(&self) -> f64 {
        self.written.0.load(Ordering::Relaxed) as f64 / 1_000.0
    }

    async fn send_put(&self, put: Put) -> Result<Conditional<()>, TableError> {
        let mut expression = Expression::default();
        let condition = expression.condition(&put.condition);
        let sent = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(values::of_item(put.item)))
            .set_condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match sent.send().await {
            Ok(answer) => {
                self.written.add(answer.consumed_capacity());
                Ok(Conditional::Written(()))
            }
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let PutItemError::ConditionalCheckFailedException(failed) = service.into_err() else {
                    return Ok(Conditional::Refused(None));
                };
                refused(failed.item)
            }
            Err(error) => Err(read(&error)),
        }
    }

    async fn send_update(&self, update: Update) -> Result<Conditional<Item>, TableError> {
        let mut expression = Expression::default();
        let condition = expression.condition(&update.condition);
        let changes = expression.changes(update.set, &update.remove);
        let sent = self
            .client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(values::of_key(&update.key)))
            .update_expression(changes)
            .set_condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match sent.send().await {
            Ok(answer) => {
                self.written.add(answer.consumed_capacity());
                item(answer.attributes.unwrap_or_default()).map(Conditional::Written)
            }
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let UpdateItemError::ConditionalCheckFailedException(failed) = service.into_err() else {
                    return Ok(Conditional::Refused(None));
                };
                refused(failed.item)
            }
            Err(error) => Err(read(&error)),
        }
    }

    async fn send_delete(&self, delete: Delete) -> Result<Conditional<()>, TableError> {
        let mut expression = Expression::default();
        let condition = expression.condition(&delete.condition);
        let sent = self
            .client
            .delete_item()
            .table_name(&self.name)
            .set_key(Some(values::of_key(&delete.key)))
            .set_condition_expression(condition)
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match sent.send().await {
            Ok(_) => Ok(Conditional::Written(())),
            Err(SdkError::ServiceError(service)) if service.err().is_conditional_check_failed_exception() => {
                let DeleteItemError::ConditionalCheckFailedException(failed) = service.into_err() else {
                    return Ok(Conditional::Refused(None));
                };
                refused(failed.item)
            }
            Err(error) => Err(read(&error)),
        }
    }

    async fn send_get(&self, key: Key) -> Result<Option<Item>, TableError> {
        let sent = self.client.get_item().table_name(&self.name).set_key(Some(values::of_key(&key)));
        let answer = sent.consistent_read(true).send().await.map_err(|e| read(&e))?;
        answer.item.map(item).transpose()
    }

    async fn send_query(&self, query: Query) -> Result<Items, TableError> {
        let sent = self.client.query().table_name(&self.name);
        let sent = match query {
            Query::Items { pk, from, to } => sent
                .key_condition_expression("pk = :pk AND sk BETWEEN :from AND :to")
                .expression_attribute_values(":pk", value(Value::S(pk)))
                .expression_attribute_values(":from", values::number(from))
                .expression_attribute_values(":to", values::number(to))
                .consistent_read(true),
            Query::Ended { on, below, limit } => {
                let id_below = below.as_ref().map_or("", |_| " AND #id < :id");
                let sent = sent
                    .index_name(ENDED)
                    .key_condition_expression(format!("#on = :on{id_below}"))
                    .expression_attribute_names("#on", ENDED_ON)
                    .expression_attribute_values(":on", value(Value::S(on)))
                    .scan_index_forward(false)
                    .limit(i32::try_from(limit).unwrap_or(i32::MAX));
                match below {
                    None => sent,
                    Some(below) => sent
                        .expression_attribute_names("#id", ENDED_ID)
                        .expression_attribute_values(":id", value(Value::S(below))),
                }
            }
        };
        let answer = sent.send().await.map_err(|e| read(&e))?;
        let more = answer.last_evaluated_key.is_some();
        let items = answer.items.unwrap_or_default().into_iter().map(item).collect::<Result<_, _>>()?;
        Ok(Items { items, more })
    }

    async fn send_batch_get(&self, keys: Vec<Key>) -> Result<Batch, TableError> {
        let keys = keys.iter().map(values::of_key).collect();
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
        let wanted = wanted.map_err(|e| TableError::Refused(e.to_string()))?;
        let sent = self.client.batch_get_item().request_items(&self.name, wanted);
        let answer = sent.send().await.map_err(|e| read(&e))?;
        let found = answer.responses.unwrap_or_default().into_values().flatten();
        let left = answer.unprocessed_keys.unwrap_or_default().into_values().flat_map(|left| left.keys);
        Ok(Batch {
            items: found.map(item).collect::<Result<_, _>>()?,
            unprocessed: left.map(|key| key_of(&key)).collect::<Result<_, _>>()?,
        })
    }
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

/// What refused a write, where the endpoint says it.
fn refused<T>(
    old: Option<HashMap<String, aws_sdk_dynamodb::types::AttributeValue>>,
) -> Result<Conditional<T>, TableError> {
    Ok(Conditional::Refused(old.filter(|old: &Attributes| !old.is_empty()).map(item).transpose()?))
}

/// What an error says of the call: whether it took effect.
fn read<E, R>(error: &SdkError<E, R>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug + 'static,
{
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
