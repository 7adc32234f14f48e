//! Traces: each run that ends is sent to an OpenTelemetry collector, by OTLP/HTTP in JSON.
//!
//! A run may take days and outlive the process, so no span is held open for it: a run knows its times, and its trace is
//! made of them when it has ended. A run's id is its trace's id.

mod fleet;
mod spans;

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::CliError;
use super::masked;
use crate::cell::{Cell, Numbered};
pub(super) use fleet::FleetTraces;

/// Runs in one export.
const MOST_RUNS: usize = 100;
/// What has ended waits so long for more.
const GATHER: Duration = Duration::from_secs(1);
/// OTLP's own default (OTEL_EXPORTER_OTLP_TIMEOUT).
const TIMEOUT: Duration = Duration::from_secs(10);
const TRIES: u32 = 3;
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// For what is left at the end.
const ENDING: Duration = Duration::from_secs(1);

/// Where traces go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    url: reqwest::Url,
    headers: HeaderMap,
    service: String,
}

impl Target {
    /// By OpenTelemetry's own variables; `None` where no endpoint is set.
    pub(super) fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, CliError> {
        let env = |name: &str| env(name).filter(|value| !value.trim().is_empty());
        let wrong = |name: &str, value: &str, expected: &str| {
            CliError::usage(format!("{name} is {value:?}: expected {expected}"))
        };
        // The one for traces is taken as it is, the common one gets the path (specification, "OTLP Exporter").
        let (name, url) = match (env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), env("OTEL_EXPORTER_OTLP_ENDPOINT")) {
            (Some(url), _) => ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", url),
            (None, Some(url)) => ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("{}/v1/traces", url.trim_end_matches('/'))),
            (None, None) => return Ok(None),
        };
        let parsed = reqwest::Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let url = parsed.ok_or_else(|| wrong(name, &masked::url(&url), "a URL such as http://127.0.0.1:4318"))?;
        if let Some(protocol) = env("OTEL_EXPORTER_OTLP_PROTOCOL").filter(|protocol| protocol == "grpc") {
            let expected = "http/json, at a collector's HTTP port (4318)";
            return Err(wrong("OTEL_EXPORTER_OTLP_PROTOCOL", &protocol, expected));
        }
        let mut headers = HeaderMap::new();
        for pair in env("OTEL_EXPORTER_OTLP_HEADERS").iter().flat_map(|all| all.split(',')) {
            // A header's value may be a secret: it is not shown.
            let bad = || CliError::usage("OTEL_EXPORTER_OTLP_HEADERS: expected name=value,name=value");
            let (name, value) = pair.split_once('=').ok_or_else(bad)?;
            let name = HeaderName::try_from(name.trim()).map_err(|_| bad())?;
            headers.insert(name, HeaderValue::try_from(value.trim()).map_err(|_| bad())?);
        }
        let service = env("OTEL_SERVICE_NAME").unwrap_or_else(|| "taskwatch".to_owned());
        Ok(Some(Self { url, headers, service }))
    }
}

/// Sends the traces of a cell's runs until it is finished.
pub(super) struct Traces {
    stop: CancellationToken,
    sending: JoinHandle<()>,
}

impl Traces {
    /// Begins to listen to a cell.
    pub(super) fn begin(target: Target, cell: &Cell) -> Result<Self, CliError> {
        // Its headers may be secrets: they go where they were meant to go, and nowhere else.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.map_err(|e| CliError::other(format!("cannot make an HTTP client: {e}")))?;
        let stop = CancellationToken::new();
        let sender = Sender { target, cell: cell.clone(), client, fails: false };
        let sending = tokio::spawn(sender.send_all(cell.subscribe(), stop.clone()));
        Ok(Self { stop, sending })
    }

    /// Sends what has ended so far, and ends.
    pub(super) async fn finish(self) {
        self.stop.cancel();
        let _ = tokio::time::timeout(ENDING, self.sending).await;
    }
}

struct Sender {
    target: Target,
    cell: Cell,
    client: reqwest::Client,
    /// The last export failed, and the log knows.
    fails: bool,
}

impl Sender {
    async fn send_all(mut self, mut changes: Receiver<Numbered>, stop: CancellationToken) {
        let mut spans = Vec::new();
        loop {
            let (goes_on, runs) = self.gather(&mut changes, &mut spans, &stop).await;
            if runs > 0 {
                self.export(std::mem::take(&mut spans)).await;
            }
            if !goes_on {
                return;
            }
        }
    }

    /// The spans of runs that ended: of many, or of those of a second. False once there will be no more.
    async fn gather(
        &self,
        changes: &mut Receiver<Numbered>,
        spans: &mut Vec<Value>,
        stop: &CancellationToken,
    ) -> (bool, usize) {
        let mut runs = 0;
        let over = tokio::time::sleep(GATHER);
        tokio::pin!(over);
        while runs < MOST_RUNS {
            let change = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = &mut over => return (true, runs),
                change = changes.recv() => change,
            };
            match change {
                Ok(numbered) => runs += self.add(&numbered, spans),
                Err(RecvError::Lagged(missed)) => {
                    tracing::debug!(missed, "traces: changes came faster than they are sent")
                }
                Err(RecvError::Closed) => return (false, runs),
            }
        }
        if !stop.is_cancelled() {
            return (true, runs);
        }
        loop {
            match changes.try_recv() {
                Ok(numbered) => runs += self.add(&numbered, spans),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty | TryRecvError::Closed) => return (false, runs),
            }
        }
    }

    /// Adds a run's spans if that was its end; how many runs that is.
    fn add(&self, numbered: &Numbered, spans: &mut Vec<Value>) -> usize {
        let ended = numbered.change.is_final.then(|| self.cell.run(numbered.change.run)).flatten();
        // A run that was redriven since tells of itself when it ends again.
        let Some(run) = ended.filter(|run| run.status.is_final()) else { return 0 };
        spans.extend(spans::of(&run));
        1
    }

    /// Sends spans; tried again where the specification says so, else dropped, which the log says once.
    async fn export(&mut self, spans: Vec<Value>) {
        let count = spans.len();
        let body = spans::export(spans, &self.target.service, self.cell.name()).to_string();
        let mut wait = FIRST_WAIT;
        for tried in 1..=TRIES {
            let why = match self.post(body.clone()).await {
                Ok(()) => {
                    if std::mem::replace(&mut self.fails, false) {
                        tracing::info!("traces are taken again");
                    }
                    return;
                }
                Err((why, again)) => {
                    if again && tried < TRIES {
                        tokio::time::sleep(wait).await;
                        wait *= 2;
                        continue;
                    }
                    why
                }
            };
            if !std::mem::replace(&mut self.fails, true) {
                let url = masked::url(self.target.url.as_str());
                tracing::warn!(url, spans = count, why, "traces are not taken, and are dropped until they are");
            }
            return;
        }
    }

    /// One call; why it failed, and whether to try again (OTLP/HTTP: 429, 502, 503, 504, or no answer).
    async fn post(&self, body: String) -> Result<(), (String, bool)> {
        let post = self.client.post(self.target.url.clone()).headers(self.target.headers.clone()).timeout(TIMEOUT);
        let sent = post.header("content-type", "application/json").body(body).send().await;
        let answer = sent.map_err(|error| (error.without_url().to_string(), true))?;
        match answer.status().as_u16() {
            200..=299 => Ok(()),
            status => Err((format!("HTTP {status}"), matches!(status, 429 | 502..=504))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(set: &[(&str, &str)]) -> Result<Option<Target>, String> {
        let env = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        Target::from_env(&env).map_err(|e| e.to_string())
    }

    #[test]
    fn the_standard_variables_say_where_traces_go() {
        assert!(target(&[]).unwrap().is_none());
        let common = target(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/"), ("OTEL_SERVICE_NAME", "jobs")]);
        let common = common.unwrap().unwrap();
        assert_eq!((common.url.as_str(), common.service.as_str()), ("http://c:4318/v1/traces", "jobs"));
        let own = target(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://t.example/x"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret, x-team=a"),
        ]);
        let own = own.unwrap().unwrap();
        assert_eq!(
            (own.url.as_str(), &own.headers["api-key"]),
            ("https://t.example/x", &HeaderValue::from_static("secret"))
        );
        assert_eq!(own.headers["x-team"], "a");
    }

    #[test]
    fn a_wrong_one_is_named_and_no_secret_is_shown() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318");
        for (set, part) in [
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4318")], "OTEL_EXPORTER_OTLP_ENDPOINT is \"c:4318"),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", "me:secret@c:4318")], "OTEL_EXPORTER_OTLP_ENDPOINT is \"***@c:4318"),
            (vec![endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")], "http/json"),
            (vec![endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "secret")], "name=value"),
        ] {
            let error = target(&set).unwrap_err();
            assert!(error.contains(part) && !error.contains("secret"), "{error}");
        }
    }
}
