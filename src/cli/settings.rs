//! Settings: `taskwatch.toml`, overridden by the environment, overridden by flags.

mod check;
mod file;
mod observe;
mod renamed;

#[cfg(test)]
mod tests;
mod unknown;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::duration;
use super::error::CliError;
use super::options::Global;
use crate::cell::CallRates;
use crate::core::request::MessageFormat;

/// Every setting, after file and environment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) cell: Option<String>,
    pub(super) fleet: Option<String>,
    pub(super) events_queue_url: Option<String>,
    pub(super) requests_queue_url: Option<String>,
    pub(super) requests_dlq_url: Option<String>,
    pub(super) topic_arn: Option<String>,
    pub(super) event_bus: Option<String>,
    store: Option<String>,
    keep: Option<String>,
    listen: Option<String>,
    pub(super) api_token: Option<String>,
    run_task_rate: Option<f64>,
    run_task_burst: Option<u32>,
    fargate_call_rate: Option<f64>,
    modify_call_rate: Option<f64>,
    read_call_rate: Option<f64>,
    max_in_flight: Option<usize>,
    max_provisioning: Option<usize>,
    describe_share: Option<f64>,
    reconcile_after_seconds: Option<u64>,
    #[serde(alias = "storm_failures")]
    circuit_breaker_failures: Option<u32>,
    #[serde(alias = "storm_window_seconds")]
    circuit_breaker_window_seconds: Option<u64>,
    #[serde(alias = "storm_probe_seconds")]
    circuit_breaker_probe_seconds: Option<u64>,
    notify_format: Option<String>,
    log_rate: Option<f64>,
    log: Option<String>,
    log_format: Option<String>,
    metrics: Option<String>,
    /// In the file alone.
    observe: observe::ObserveSettings,
    /// Lines for settings of the file that have another name now.
    #[serde(skip)]
    renamed: Vec<String>,
}

/// Where runs are kept unless told otherwise.
const USUAL_STORE: &str = "file:taskwatch-data";

/// Where runs are kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StoreSetting {
    /// `memory:`
    Memory,
    /// `file:DIR`
    File(std::path::PathBuf),
    /// `dynamodb:TABLE`
    Table(String),
}

impl StoreSetting {
    /// Reads one; what is allowed, where it is none.
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            Some(("file", dir)) if !dir.trim().is_empty() => Ok(Self::File(dir.into())),
            Some(("dynamodb", table)) if check::is_table(table) => Ok(Self::Table(table.to_owned())),
            Some(("dynamodb", _)) => Err("expected dynamodb: and the name of a table, 3 to 255 of A-Z a-z 0-9 _ . -"),
            _ => Err("expected file:DIR, dynamodb:TABLE or memory: (which forgets its runs when the process ends)"),
        }
    }
}

/// What a variable is, by its name without the prefix.
type Environment<'e> = &'e dyn Fn(&str) -> Option<OsString>;

impl Settings {
    /// Reads file and environment.
    pub(super) fn load(global: &Global) -> Result<Self, CliError> {
        let mut settings = match &global.config {
            Some(path) => file::read(path)?,
            None if Path::new("taskwatch.toml").is_file() => file::read(Path::new("taskwatch.toml"))?,
            None => Self::default(),
        };
        settings.overlay(&renamed::also_by_old_name(&|name| std::env::var_os(format!("TASKWATCH_{name}"))))?;
        Ok(settings)
    }

    /// The variables that are read, without their prefix: those that [`Self::overlay`] asks for.
    fn variables() -> BTreeSet<String> {
        let asked = RefCell::<BTreeSet<String>>::default();
        let _ = Self::default().overlay(&|name| {
            asked.borrow_mut().insert(name.to_owned());
            None
        });
        asked.into_inner()
    }

    fn overlay(&mut self, env: Environment<'_>) -> Result<(), CliError> {
        let texts = [
            ("CELL", &mut self.cell),
            ("FLEET", &mut self.fleet),
            ("EVENTS_QUEUE_URL", &mut self.events_queue_url),
            ("REQUESTS_QUEUE_URL", &mut self.requests_queue_url),
            ("REQUESTS_DLQ_URL", &mut self.requests_dlq_url),
            ("TOPIC_ARN", &mut self.topic_arn),
            ("EVENT_BUS", &mut self.event_bus),
            ("STORE", &mut self.store),
            ("KEEP", &mut self.keep),
            ("LISTEN", &mut self.listen),
            ("API_TOKEN", &mut self.api_token),
            ("NOTIFY_FORMAT", &mut self.notify_format),
            ("LOG", &mut self.log),
            ("LOG_FORMAT", &mut self.log_format),
            ("METRICS", &mut self.metrics),
        ];
        for (name, setting) in texts {
            *setting = variable(env, name)?.or_else(|| setting.take());
        }
        number(env, "RUN_TASK_RATE", &mut self.run_task_rate)?;
        number(env, "RUN_TASK_BURST", &mut self.run_task_burst)?;
        number(env, "FARGATE_CALL_RATE", &mut self.fargate_call_rate)?;
        number(env, "MODIFY_CALL_RATE", &mut self.modify_call_rate)?;
        number(env, "READ_CALL_RATE", &mut self.read_call_rate)?;
        number(env, "MAX_IN_FLIGHT", &mut self.max_in_flight)?;
        number(env, "MAX_PROVISIONING", &mut self.max_provisioning)?;
        number(env, "DESCRIBE_SHARE", &mut self.describe_share)?;
        number(env, "RECONCILE_AFTER_SECONDS", &mut self.reconcile_after_seconds)?;
        number(env, "CIRCUIT_BREAKER_FAILURES", &mut self.circuit_breaker_failures)?;
        number(env, "CIRCUIT_BREAKER_WINDOW_SECONDS", &mut self.circuit_breaker_window_seconds)?;
        number(env, "CIRCUIT_BREAKER_PROBE_SECONDS", &mut self.circuit_breaker_probe_seconds)?;
        number(env, "LOG_RATE", &mut self.log_rate)?;
        self.check()
    }

    /// `TASKWATCH_LOG_RATE`: calls of GetLogEvents a second.
    pub(super) fn log_rate(&self) -> f64 {
        self.log_rate.unwrap_or(crate::cell::LOG_RATE)
    }

    /// Tasks that may be launched at once: `TASKWATCH_RUN_TASK_BURST`, or `TASKWATCH_MAX_IN_FLIGHT` where that is less.
    pub(super) fn at_once(&self) -> usize {
        let config = self.cell_config("");
        config.max_in_flight.min(config.run_task_burst as usize)
    }

    /// `TASKWATCH_NOTIFY_FORMAT`: what kind of message a topic gets.
    fn notify_format(&self) -> Result<MessageFormat, CliError> {
        let Some(text) = self.notify_format.as_deref() else { return Ok(MessageFormat::default()) };
        text.parse().map_err(|allowed: String| wrong("NOTIFY_FORMAT", text, &allowed))
    }

    /// `TASKWATCH_METRICS=emf`: metrics for CloudWatch on stdout, too.
    pub(super) fn emf(&self) -> bool {
        self.metrics.as_deref() == Some("emf")
    }

    /// `TASKWATCH_STORE`.
    pub(super) fn store(&self) -> Result<StoreSetting, CliError> {
        let text = self.store.as_deref().unwrap_or(USUAL_STORE);
        StoreSetting::read(text).map_err(|allowed| wrong("STORE", text, allowed))
    }

    /// A line for each setting that has another name now, and for each variable that looks like a setting and is none.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut lines = self.renamed.clone();
        lines.extend(unknown::unknown(&Self::variables()));
        lines
    }

    /// `TASKWATCH_KEEP`: how long finished runs can be asked for.
    fn keep(&self) -> Result<Option<Duration>, CliError> {
        let Some(text) = self.keep.as_deref() else { return Ok(None) };
        let keep = duration::parse(text).filter(|keep| check::KEEP.contains(keep));
        keep.map(Some).ok_or_else(|| wrong("KEEP", text, "expected a duration from 1m to 87600h, such as 12h"))
    }

    /// `TASKWATCH_LISTEN`; off loopback a token is required.
    pub(super) fn listen(&self) -> Result<SocketAddr, CliError> {
        let text = self.listen.as_deref().unwrap_or("127.0.0.1:7717");
        let wrong = |allowed: &str| wrong("LISTEN", text, allowed);
        let address: SocketAddr =
            text.parse().map_err(|_| wrong("expected an address and port, such as 127.0.0.1:7717"))?;
        if !address.ip().is_loopback() && self.api_token.is_none() {
            return Err(wrong("off loopback TASKWATCH_API_TOKEN is required"));
        }
        Ok(address)
    }

    /// The cell's configuration with what was set.
    pub(super) fn cell_config(&self, name: &str) -> crate::cell::CellConfig {
        let mut config = crate::cell::CellConfig::new(name);
        config.destinations.topic.clone_from(&self.topic_arn);
        config.destinations.bus.clone_from(&self.event_bus);
        config.destinations.format = self.notify_format().unwrap_or_default();
        config.run_task_rate = self.run_task_rate.unwrap_or(config.run_task_rate);
        config.run_task_burst = self.run_task_burst.unwrap_or(config.run_task_burst);
        config.call_rates =
            CallRates { fargate: self.fargate_call_rate, modify: self.modify_call_rate, read: self.read_call_rate };
        config.max_in_flight = self.max_in_flight.unwrap_or(config.max_in_flight);
        config.max_provisioning = self.max_provisioning.unwrap_or(config.max_provisioning);
        config.describe_share = self.describe_share.unwrap_or(config.describe_share);
        config.keep = self.keep().ok().flatten().unwrap_or(config.keep);
        config.reconcile_after = self.reconcile_after_seconds.map_or(config.reconcile_after, Duration::from_secs);
        let breaker = &mut config.breaker;
        breaker.failures = self.circuit_breaker_failures.unwrap_or(breaker.failures);
        breaker.window = self.circuit_breaker_window_seconds.map_or(breaker.window, Duration::from_secs);
        breaker.probe = self.circuit_breaker_probe_seconds.map_or(breaker.probe, Duration::from_secs);
        // They were checked when the settings were read.
        config.observe = self.observe.policies().unwrap_or_default();
        config
    }

    /// Logs to stderr: `usual`, unless `TASKWATCH_LOG` says otherwise.
    pub(super) fn init_log(&self, usual: &str) -> Result<(), CliError> {
        let filter = self.log.as_deref().unwrap_or(usual);
        let filter = tracing_subscriber::EnvFilter::try_new(filter)
            .map_err(|e| wrong("LOG", filter, &format!("{e}; expected a filter such as info or taskwatch=debug")))?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            // A stderr that nobody reads any more is no reason to panic, and with it to stop following runs.
            .log_internal_errors(false)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        // At TRACE the SDK writes whole bodies, with the values of environment variables in them.
        let no_bodies = || filter_fn(|about| *about.level() < Level::TRACE || !about.target().starts_with("aws_"));
        // A second initialisation (in tests) keeps the first.
        let _ = match self.log_format.as_deref() {
            Some("json") => log.json().finish().with(no_bodies()).try_init(),
            _ => log.with_target(false).compact().finish().with(no_bodies()).try_init(),
        };
        Ok(())
    }
}

/// A variable's text; an empty one is none.
fn variable(env: Environment<'_>, name: &str) -> Result<Option<String>, CliError> {
    let Some(value) = env(name).filter(|value| !value.is_empty()) else { return Ok(None) };
    value.into_string().map(Some).map_err(|raw| wrong(name, &raw.to_string_lossy(), "expected UTF-8 text"))
}

fn number<T: std::str::FromStr>(env: Environment<'_>, name: &str, setting: &mut Option<T>) -> Result<(), CliError> {
    if let Some(text) = variable(env, name)? {
        *setting = Some(text.trim().parse().map_err(|_| wrong(name, &text, &check::allowed(name)))?);
    }
    Ok(())
}

/// A setting that cannot be: which, its value, and what is allowed.
fn wrong(name: &str, value: &str, allowed: &str) -> CliError {
    CliError::usage(format!("TASKWATCH_{name} is {value:?}: {allowed}"))
}
