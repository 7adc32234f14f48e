//! What settings may be.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::{CliError, Settings, wrong};

/// A number: its variable, what it is, the least and the most it may be.
struct Number(&'static str, &'static str, f64, f64);

const NUMBERS: [Number; 13] = [
    Number("RUN_TASK_RATE", "a number of tasks a second", 0.001, 100_000.0),
    Number("RUN_TASK_BURST", "a whole number of tasks", 1.0, 100_000.0),
    Number("FARGATE_CALL_RATE", "a number of calls a second", 0.001, 100_000.0),
    Number("MODIFY_CALL_RATE", "a number of calls a second", 0.001, 100_000.0),
    Number("READ_CALL_RATE", "a number of calls a second", 0.001, 100_000.0),
    Number("MAX_IN_FLIGHT", "a whole number of runs", 1.0, 100_000_000.0),
    Number("MAX_PROVISIONING", "a whole number of tasks", 1.0, 1_000_000.0),
    Number("DESCRIBE_SHARE", "a share of the DescribeTasks quota", 0.001, 1.0),
    // At 0 every live task would be described again and again, without a pause.
    Number("RECONCILE_AFTER_SECONDS", "a whole number of seconds", 1.0, 86_400.0),
    Number("CIRCUIT_BREAKER_FAILURES", "a whole number of failures (0: launches are never paused)", 0.0, 100_000.0),
    Number("CIRCUIT_BREAKER_WINDOW_SECONDS", "a whole number of seconds", 1.0, 86_400.0),
    Number("CIRCUIT_BREAKER_PROBE_SECONDS", "a whole number of seconds", 1.0, 86_400.0),
    Number("LOG_RATE", "a number of calls a second", 0.01, 100.0),
];
/// How long runs may be kept: a name that stands for its run for less helps nobody, and ten years are for ever.
pub(super) const KEEP: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(87_600 * 3600);

/// What a number may be.
pub(super) fn allowed(name: &str) -> String {
    let number = NUMBERS.iter().find(|number| number.0 == name);
    number.map_or_else(String::new, |Number(_, what, least, most)| format!("expected {what} from {least} to {most}"))
}

/// A table's name (DynamoDB developer guide, "Naming rules").
pub(super) fn is_table(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    (3..=255).contains(&name.len()) && name.chars().all(fits)
}

impl Settings {
    /// Whether every setting is one that can be.
    pub(super) fn check(&self) -> Result<(), CliError> {
        self.store()?;
        self.keep()?;
        self.notify_format()?;
        self.check_token()?;
        self.listen()?;
        self.check_numbers()?;
        self.check_names()?;
        self.observe.policies().map_err(CliError::usage)?;
        let one_of = |name: &str, value: &Option<String>, known: &[&str], allowed: &str| match value {
            Some(other) if !known.contains(&other.as_str()) => Err(wrong(name, other, allowed)),
            _ => Ok(()),
        };
        let metrics = "prometheus (GET /metrics alone), or emf (and CloudWatch EMF on stdout)";
        one_of("METRICS", &self.metrics, &["emf", "prometheus"], metrics)?;
        one_of("LOG_FORMAT", &self.log_format, &["text", "json"], "text or json")
    }

    fn check_numbers(&self) -> Result<(), CliError> {
        let values = [
            self.run_task_rate,
            self.run_task_burst.map(f64::from),
            self.fargate_call_rate,
            self.modify_call_rate,
            self.read_call_rate,
            self.max_in_flight.map(|n| n as f64),
            self.max_provisioning.map(|n| n as f64),
            self.describe_share,
            self.reconcile_after_seconds.map(|n| n as f64),
            self.circuit_breaker_failures.map(f64::from),
            self.circuit_breaker_window_seconds.map(|n| n as f64),
            self.circuit_breaker_probe_seconds.map(|n| n as f64),
            self.log_rate,
        ];
        for (Number(name, _, least, most), value) in NUMBERS.iter().zip(values) {
            // NaN is in no range.
            if let Some(value) = value.filter(|value| !(least..=most).contains(&value)) {
                return Err(wrong(name, &value.to_string(), &allowed(name)));
            }
        }
        Ok(())
    }

    fn check_names(&self) -> Result<(), CliError> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if let Some(cell) = self.cell.as_ref().filter(|c| !(1..=64).contains(&c.len()) || !c.chars().all(fits)) {
            return Err(wrong("CELL", cell, "1 to 64 characters of A-Z a-z 0-9 - _"));
        }
        if let Some(fleet) = self.fleet.as_ref().filter(|f| !(1..=56).contains(&f.len()) || !f.chars().all(fits)) {
            return Err(wrong("FLEET", fleet, "1 to 56 characters of A-Z a-z 0-9 - _"));
        }
        let one_word = |text: &str| !text.contains(char::is_whitespace);
        for (name, value) in [
            ("EVENTS_QUEUE_URL", &self.events_queue_url),
            ("REQUESTS_QUEUE_URL", &self.requests_queue_url),
            ("REQUESTS_DLQ_URL", &self.requests_dlq_url),
        ] {
            let url = |text: &str| (text.starts_with("https://") || text.starts_with("http://")) && one_word(text);
            if let Some(other) = value.as_ref().filter(|text| !url(text)) {
                return Err(wrong(name, other, "the URL of an SQS queue, https://…"));
            }
        }
        let topic = |arn: &str| arn.starts_with("arn:") && arn.contains(":sns:") && one_word(arn);
        if let Some(other) = self.topic_arn.as_ref().filter(|arn| !topic(arn)) {
            return Err(wrong("TOPIC_ARN", other, "the ARN of an SNS topic, arn:aws:sns:…"));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        if let Some(other) = self.event_bus.as_ref().filter(|bus| bus.is_empty() || !bus.chars().all(fits)) {
            return Err(wrong("EVENT_BUS", other, "the name or ARN of an EventBridge bus"));
        }
        Ok(())
    }

    /// The token has to fit into a header, as it is. It is a secret: it is not shown.
    fn check_token(&self) -> Result<(), CliError> {
        let fits =
            |token: &str| !token.is_empty() && token.trim() == token && token.chars().all(|c| (' '..='~').contains(&c));
        match &self.api_token {
            Some(token) if !fits(token) => Err(CliError::usage(
                "TASKWATCH_API_TOKEN is empty or has characters that no header can carry: expected visible ASCII characters, \
                 and no blank or line break at either end",
            )),
            _ => Ok(()),
        }
    }
}
