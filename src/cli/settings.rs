//! Settings: `taskwatch.toml`, overridden by the environment, overridden by flags.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::args::Global;
use super::error::CliError;
use crate::aws::Target;

/// Every setting, after file and environment.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Settings {
    pub(super) cell: Option<String>,
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
    max_in_flight: Option<usize>,
    max_provisioning: Option<usize>,
    describe_share: Option<f64>,
    reconcile_after_seconds: Option<u64>,
    storm_failures: Option<u32>,
    storm_window_seconds: Option<u64>,
    storm_probe_seconds: Option<u64>,
    log: Option<String>,
    log_format: Option<String>,
    metrics: Option<String>,
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
}

impl Settings {
    /// Reads file and environment.
    pub(super) fn load(global: &Global) -> Result<Self, CliError> {
        let mut settings = match &global.config {
            Some(path) => Self::file(path)?,
            None if Path::new("taskwatch.toml").is_file() => Self::file(Path::new("taskwatch.toml"))?,
            None => Self::default(),
        };
        settings.overlay(&|name| std::env::var(format!("TASKWATCH_{name}")).ok().filter(|v| !v.is_empty()))?;
        Ok(settings)
    }

    fn file(path: &Path) -> Result<Self, CliError> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).map_err(|e| CliError::usage(format!("{shown}: {e}")))?;
        toml::from_str(&text).map_err(|e| {
            let line = e.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|b| *b == b'\n').count());
            CliError::usage(format!("{shown}, line {line}: {}", e.message().replace('\n', " ")))
        })
    }

    fn overlay(&mut self, env: &dyn Fn(&str) -> Option<String>) -> Result<(), CliError> {
        let texts = [
            ("CELL", &mut self.cell),
            ("EVENTS_QUEUE_URL", &mut self.events_queue_url),
            ("REQUESTS_QUEUE_URL", &mut self.requests_queue_url),
            ("REQUESTS_DLQ_URL", &mut self.requests_dlq_url),
            ("TOPIC_ARN", &mut self.topic_arn),
            ("EVENT_BUS", &mut self.event_bus),
            ("STORE", &mut self.store),
            ("KEEP", &mut self.keep),
            ("LISTEN", &mut self.listen),
            ("API_TOKEN", &mut self.api_token),
            ("LOG", &mut self.log),
            ("LOG_FORMAT", &mut self.log_format),
            ("METRICS", &mut self.metrics),
        ];
        for (name, setting) in texts {
            *setting = env(name).or_else(|| setting.take());
        }
        number(env, "RUN_TASK_RATE", "a number of tasks a second", &mut self.run_task_rate)?;
        number(env, "RUN_TASK_BURST", "a whole number of tasks", &mut self.run_task_burst)?;
        number(env, "MAX_IN_FLIGHT", "a whole number of runs", &mut self.max_in_flight)?;
        number(env, "MAX_PROVISIONING", "a whole number of tasks", &mut self.max_provisioning)?;
        number(env, "DESCRIBE_SHARE", "a share such as 0.1", &mut self.describe_share)?;
        number(env, "RECONCILE_AFTER_SECONDS", "a whole number of seconds", &mut self.reconcile_after_seconds)?;
        number(
            env,
            "STORM_FAILURES",
            "a whole number of failures (0: launches are never paused)",
            &mut self.storm_failures,
        )?;
        number(env, "STORM_WINDOW_SECONDS", "a whole number of seconds", &mut self.storm_window_seconds)?;
        number(env, "STORM_PROBE_SECONDS", "a whole number of seconds", &mut self.storm_probe_seconds)?;
        self.check()
    }

    fn check(&self) -> Result<(), CliError> {
        self.store()?;
        self.keep()?;
        self.listen()?;
        let wrong = |name: &str, value: String, allowed: &str| {
            Err(CliError::usage(format!("TASKWATCH_{name} is {value:?}: {allowed}")))
        };
        if let Some(rate) = self.run_task_rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return wrong("RUN_TASK_RATE", rate.to_string(), "a number of tasks a second above 0");
        }
        for (name, value) in [
            ("RUN_TASK_BURST", self.run_task_burst.map(u64::from)),
            ("MAX_IN_FLIGHT", self.max_in_flight.map(|n| n as u64)),
            ("MAX_PROVISIONING", self.max_provisioning.map(|n| n as u64)),
            ("STORM_WINDOW_SECONDS", self.storm_window_seconds),
            ("STORM_PROBE_SECONDS", self.storm_probe_seconds),
        ] {
            if value == Some(0) {
                return wrong(name, "0".into(), "a whole number above 0");
            }
        }
        if let Some(share) = self.describe_share.filter(|share| !(*share > 0.0 && *share <= 1.0)) {
            return wrong("DESCRIBE_SHARE", share.to_string(), "a share of the DescribeTasks quota above 0, 1 at most");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        if let Some(cell) = self.cell.as_ref().filter(|c| !(1..=64).contains(&c.len()) || !c.chars().all(fits)) {
            return wrong("CELL", cell.clone(), "1 to 64 characters of A-Z a-z 0-9 - _");
        }
        for (name, value) in [
            ("EVENTS_QUEUE_URL", &self.events_queue_url),
            ("REQUESTS_QUEUE_URL", &self.requests_queue_url),
            ("REQUESTS_DLQ_URL", &self.requests_dlq_url),
        ] {
            let url = |text: &str| text.starts_with("https://") || text.starts_with("http://");
            if let Some(other) = value.as_ref().filter(|text| !url(text)) {
                return wrong(name, other.clone(), "the URL of an SQS queue, https://…");
            }
        }
        if let Some(other) = self.topic_arn.as_ref().filter(|arn| !(arn.starts_with("arn:") && arn.contains(":sns:"))) {
            return wrong("TOPIC_ARN", other.clone(), "the ARN of an SNS topic, arn:aws:sns:…");
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_./:".contains(c);
        if let Some(other) = self.event_bus.as_ref().filter(|bus| bus.is_empty() || !bus.chars().all(fits)) {
            return wrong("EVENT_BUS", other.clone(), "the name or ARN of an EventBridge bus");
        }
        if let Some(other) = self.metrics.as_ref().filter(|kind| !["emf", "prometheus"].contains(&kind.as_str())) {
            return wrong(
                "METRICS",
                other.clone(),
                "prometheus (GET /metrics alone), or emf (and CloudWatch EMF on stdout)",
            );
        }
        match self.log_format.as_deref() {
            None | Some("text" | "json") => Ok(()),
            Some(other) => wrong("LOG_FORMAT", other.into(), "text or json"),
        }
    }

    /// `TASKWATCH_METRICS=emf`: metrics for CloudWatch on stdout, too.
    pub(super) fn emf(&self) -> bool {
        self.metrics.as_deref() == Some("emf")
    }

    /// `TASKWATCH_STORE`.
    pub(super) fn store(&self) -> Result<StoreSetting, CliError> {
        let text = self.store.as_deref().unwrap_or(USUAL_STORE);
        let wrong = |allowed: &str| Err(CliError::usage(format!("TASKWATCH_STORE is {text:?}: {allowed}")));
        match text.split_once(':') {
            Some(("memory", "")) => Ok(StoreSetting::Memory),
            Some(("file", dir)) if !dir.is_empty() => Ok(StoreSetting::File(dir.into())),
            Some(("dynamodb", _)) => {
                wrong("a store in DynamoDB is not there yet; use file:DIR on a disk that outlives the process")
            }
            _ => wrong("expected file:DIR or memory: (which forgets its runs when the process ends)"),
        }
    }

    /// `TASKWATCH_KEEP`: how long finished runs can be asked for.
    fn keep(&self) -> Result<Option<Duration>, CliError> {
        let Some(text) = self.keep.as_deref() else { return Ok(None) };
        super::request::seconds("TASKWATCH_KEEP", text).map(|seconds| Some(Duration::from_secs(seconds)))
    }

    /// `TASKWATCH_LISTEN`; off loopback a token is required.
    pub(super) fn listen(&self) -> Result<SocketAddr, CliError> {
        let text = self.listen.as_deref().unwrap_or("127.0.0.1:7717");
        let address: SocketAddr = text.parse().map_err(|_| {
            CliError::usage(format!(
                "TASKWATCH_LISTEN is {text:?}: expected an address and port, such as 127.0.0.1:7717"
            ))
        })?;
        if !address.ip().is_loopback() && self.api_token.is_none() {
            return Err(CliError::usage(format!(
                "TASKWATCH_LISTEN is {text:?}: off loopback TASKWATCH_API_TOKEN is required"
            )));
        }
        Ok(address)
    }

    /// The cell's configuration with what was set.
    pub(super) fn cell_config(&self, name: &str) -> crate::cell::CellConfig {
        let mut config = crate::cell::CellConfig::new(name);
        config.outlets.topic.clone_from(&self.topic_arn);
        config.outlets.bus.clone_from(&self.event_bus);
        config.run_task_rate = self.run_task_rate.unwrap_or(config.run_task_rate);
        config.run_task_burst = self.run_task_burst.unwrap_or(config.run_task_burst);
        config.max_in_flight = self.max_in_flight.unwrap_or(config.max_in_flight);
        config.max_provisioning = self.max_provisioning.unwrap_or(config.max_provisioning);
        config.describe_share = self.describe_share.unwrap_or(config.describe_share);
        config.keep = self.keep().ok().flatten().unwrap_or(config.keep);
        config.reconcile_after = self.reconcile_after_seconds.map_or(config.reconcile_after, Duration::from_secs);
        let storm = &mut config.storm;
        storm.failures = self.storm_failures.unwrap_or(storm.failures);
        storm.window = self.storm_window_seconds.map_or(storm.window, Duration::from_secs);
        storm.probe = self.storm_probe_seconds.map_or(storm.probe, Duration::from_secs);
        config
    }

    /// Logs to stderr: `usual`, unless `TASKWATCH_LOG` says otherwise.
    pub(super) fn init_log(&self, usual: &str) -> Result<(), CliError> {
        let filter = self.log.as_deref().unwrap_or(usual);
        let filter = tracing_subscriber::EnvFilter::try_new(filter).map_err(|e| {
            CliError::usage(format!(
                "TASKWATCH_LOG is {filter:?}: {e}; expected a filter such as info or taskwatch=debug"
            ))
        })?;
        let log = tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal());
        // A second initialisation (in tests) keeps the first.
        let _ = match self.log_format.as_deref() {
            Some("json") => log.json().try_init(),
            _ => log.with_target(false).compact().try_init(),
        };
        Ok(())
    }
}

fn number<T: std::str::FromStr>(
    env: &dyn Fn(&str) -> Option<String>,
    name: &str,
    allowed: &str,
    setting: &mut Option<T>,
) -> Result<(), CliError> {
    if let Some(text) = env(name) {
        let wrong = |_| CliError::usage(format!("TASKWATCH_{name} is {text:?}: expected {allowed}"));
        *setting = Some(text.trim().parse().map_err(wrong)?);
    }
    Ok(())
}

/// Where AWS is called, by the flags.
pub(super) fn target(global: &Global) -> Target {
    Target {
        region: global.region.clone(),
        profile: global.profile.clone(),
        endpoint_url: global.endpoint_url.clone(),
        test_credentials: false,
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    fn with(name: &'static str, value: &'static str) -> Result<Settings, String> {
        let mut settings = Settings::default();
        settings.overlay(&|n| (n == name).then(|| value.to_owned())).map_err(|e| e.to_string())?;
        Ok(settings)
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_value_and_what_is_allowed() {
        for (name, value, part) in [
            ("RUN_TASK_RATE", "fast", "TASKWATCH_RUN_TASK_RATE is \"fast\": expected a number"),
            ("RUN_TASK_RATE", "-1", "above 0"),
            ("RUN_TASK_BURST", "0", "above 0"),
            ("MAX_IN_FLIGHT", "many", "expected a whole number"),
            ("MAX_PROVISIONING", "0", "above 0"),
            ("DESCRIBE_SHARE", "2", "1 at most"),
            ("RECONCILE_AFTER_SECONDS", "5m", "expected a whole number of seconds"),
            ("STORM_FAILURES", "-1", "0: launches are never paused"),
            ("STORM_WINDOW_SECONDS", "0", "above 0"),
            ("STORM_PROBE_SECONDS", "1m", "expected a whole number of seconds"),
            ("CELL", "a b", "TASKWATCH_CELL is \"a b\""),
            (
                "EVENTS_QUEUE_URL",
                "blue-events",
                "TASKWATCH_EVENTS_QUEUE_URL is \"blue-events\": the URL of an SQS queue",
            ),
            ("REQUESTS_DLQ_URL", "arn:aws:sqs:eu-west-1:123456789012:q", "the URL of an SQS queue"),
            ("TOPIC_ARN", "runs", "TASKWATCH_TOPIC_ARN is \"runs\": the ARN of an SNS topic"),
            ("EVENT_BUS", "a b", "the name or ARN of an EventBridge bus"),
            ("LISTEN", "here", "such as 127.0.0.1:7717"),
            ("LISTEN", "0.0.0.0:80", "TASKWATCH_API_TOKEN is required"),
            ("STORE", "dynamodb:t", "not there yet"),
            ("STORE", "disk", "expected file:DIR or memory:"),
            ("STORE", "file:", "expected file:DIR"),
            ("KEEP", "a week", "TASKWATCH_KEEP"),
            ("LOG_FORMAT", "xml", "text or json"),
            ("METRICS", "statsd", "TASKWATCH_METRICS is \"statsd\": prometheus"),
        ] {
            let error = with(name, value).unwrap_err();
            assert!(error.contains(part), "{name}={value}: {error}");
        }
        let storm = |name, value| with(name, value).unwrap().cell_config("c").storm;
        assert_eq!(storm("STORM_FAILURES", "0").failures, 0);
        assert_eq!(storm("STORM_WINDOW_SECONDS", "5").window, Duration::from_secs(5));
        assert_eq!(storm("STORM_PROBE_SECONDS", "7").probe, Duration::from_secs(7));
        assert_eq!(with("RUN_TASK_RATE", "2.5").unwrap().run_task_rate, Some(2.5));
    }

    #[test]
    fn a_file_with_an_unknown_setting_is_refused_with_its_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "cell = \"blue\"\nrun_task_rat = 5\n").unwrap();
        let error = Settings::file(file.path()).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("run_task_rat"), "{error}");
    }

    /// The names of all settings: what the file takes, by its own word.
    fn keys() -> BTreeSet<String> {
        let error = toml::from_str::<Settings>("zzz = 1").unwrap_err().message().to_owned();
        error.split('`').skip(3).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn every_key_of_the_file_has_its_variable_and_the_other_way_about() {
        let asked = RefCell::new(BTreeSet::new());
        let note = |name: &str| {
            asked.borrow_mut().insert(name.to_lowercase());
            None
        };
        Settings::default().overlay(&note).unwrap();
        assert!(keys().len() > 20, "{:?}", keys());
        assert_eq!(keys(), asked.into_inner());
    }

    #[test]
    fn settings_md_has_every_setting_with_its_default() {
        let page = include_str!("../../docs/settings.md");
        let rows: Vec<Vec<&str>> = page
            .lines()
            .filter(|line| line.starts_with("| `TASKWATCH_"))
            .map(|line| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect())
            .collect();
        let documented: BTreeSet<String> = rows.iter().map(|row| row[1].to_owned()).filter(|key| key != "–").collect();
        assert_eq!(documented, keys(), "docs/settings.md and the settings differ");
        assert!(
            rows.iter().all(
                |row| row.len() == 5 && (row[1] == "–" || row[0] == format!("TASKWATCH_{}", row[1].to_uppercase()))
            )
        );
        let config = Settings::default().cell_config("c");
        for (key, default) in [
            ("store", USUAL_STORE.to_owned()),
            ("keep", format!("{} days", config.keep.as_secs() / 86_400)),
            ("listen", Settings::default().listen().unwrap().to_string()),
            ("run_task_rate", config.run_task_rate.to_string()),
            ("run_task_burst", config.run_task_burst.to_string()),
            ("max_in_flight", config.max_in_flight.to_string()),
            ("max_provisioning", config.max_provisioning.to_string()),
            ("describe_share", config.describe_share.to_string()),
            ("reconcile_after_seconds", config.reconcile_after.as_secs().to_string()),
            ("storm_failures", config.storm.failures.to_string()),
            ("storm_window_seconds", config.storm.window.as_secs().to_string()),
            ("storm_probe_seconds", config.storm.probe.as_secs().to_string()),
        ] {
            let row = rows.iter().find(|row| row[1] == key).unwrap();
            assert_eq!(row[2], default, "docs/settings.md: the default of {key}");
        }
    }

    #[test]
    fn the_file_in_settings_md_is_taken() {
        let page = include_str!("../../docs/settings.md");
        let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
        let settings: Settings = toml::from_str(text).unwrap();
        settings.check().unwrap();
        assert_eq!(settings.run_task_rate, Some(20.0));
    }
}
