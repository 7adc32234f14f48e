//! The lines of containers: CloudWatch Logs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_config::{Region, SdkConfig};
use aws_sdk_ecs::error::ProvideErrorMetadata as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::errors;
use super::json::services::LOGS;
use super::json::{JsonClient, Retries};
use crate::cell::ports::{CallError, LogEvents, LogEventsCall, LogSource};
use crate::core::log::LogLine;
use crate::core::time::Timestamp;

/// CloudWatch Logs, in every Region that a log group may be in.
#[derive(Clone, Debug)]
pub struct LogsClient {
    config: SdkConfig,
    /// No retries: who asks for lines waits for seconds at most.
    regions: Arc<Mutex<HashMap<String, JsonClient>>>,
}

impl LogsClient {
    pub(super) fn new(config: &SdkConfig) -> Self {
        Self { config: config.clone(), regions: Arc::default() }
    }

    fn client(&self, region: Option<&str>) -> JsonClient {
        let own = self.config.region().map(ToString::to_string).unwrap_or_default();
        let region = region.unwrap_or(&own);
        let mut regions = self.regions.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let config = match region == own {
                true => self.config.clone(),
                false => self.config.clone().into_builder().region(Region::new(region.to_owned())).build(),
            };
            JsonClient::new(&config, LOGS, Retries::Never)
        };
        regions.entry(region.to_owned()).or_insert_with(make).clone()
    }

    async fn events(&self, call: &LogEventsCall) -> Result<Option<LogEvents>, CallError> {
        let mut body = json!({
            "logGroupName": call.group,
            "logStreamName": call.stream,
            "limit": call.limit,
            "startFromHead": call.from_head,
        });
        if let Some(token) = &call.token {
            body["nextToken"] = token.as_str().into();
        }
        match self.client(call.region.as_deref()).target("GetLogEvents", &body).await {
            Ok(answer) => Ok(Some(read(&answer))),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(errors::read(&error)),
        }
    }
}

impl LogSource for LogsClient {
    fn log_events<'a>(&'a self, call: &'a LogEventsCall) -> BoxFuture<'a, Result<Option<LogEvents>, CallError>> {
        Box::pin(self.events(call))
    }
}

fn read(answer: &Value) -> LogEvents {
    let text = |of: &Value, name: &str| of[name].as_str().map(str::to_owned);
    let line = |event: &Value| {
        let at = Timestamp::from_millis(event["timestamp"].as_i64()?);
        Some(LogLine { at, text: text(event, "message")? })
    };
    LogEvents {
        lines: answer["events"].as_array().into_iter().flatten().filter_map(line).collect(),
        backward: text(answer, "nextBackwardToken"),
        forward: text(answer, "nextForwardToken"),
    }
}
