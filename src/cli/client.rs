//! The HTTP API of a serving cell, from the command line's side.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;

use super::error::CliError;
use super::settings::Settings;
use super::{masked, output};

/// Where a cell listens unless told otherwise.
const USUAL: &str = "http://127.0.0.1:7717";
/// Most runs the cell gives in one answer.
pub(super) const PAGE: usize = 1000;
const CONNECT: Duration = Duration::from_secs(10);

/// What the cell shows under a run's id or name.
pub(super) enum Shown {
    /// One run.
    One(Value),
    /// Some runs of an array request, in their order.
    Page(Vec<Value>),
}

/// A serving cell.
#[derive(Clone)]
pub(super) struct Server {
    base: String,
    /// The same, as it may be shown.
    url: String,
    token: Option<String>,
    client: reqwest::Client,
}

impl Server {
    /// The cell at `--server`, `TASKWATCH_URL`, or the usual address.
    pub(super) fn at(url: Option<&str>, settings: &Settings) -> Result<Self, CliError> {
        let url = url.unwrap_or(USUAL).trim_end_matches('/').to_owned();
        let parsed = reqwest::Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        if parsed.is_none() {
            return Err(wrong(&masked::url(&url)));
        }
        let client = reqwest::Client::builder().connect_timeout(CONNECT).build();
        let client = client.map_err(|e| CliError::other(format!("cannot make an HTTP client: {e}")))?;
        Ok(Self { url: masked::url(&url), base: url, token: settings.api_token.clone(), client })
    }

    /// Where it is, as it may be shown.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// A request to a path of literal parts; `parts` are encoded and put between slashes.
    fn request(&self, method: Method, parts: &[&str]) -> Result<RequestBuilder, CliError> {
        let wrong = || wrong(&self.url);
        let mut url = reqwest::Url::parse(&self.base).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().push("v1").extend(parts);
        let request = self.client.request(method, url);
        Ok(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    pub(super) async fn get(&self, parts: &[&str], query: &[(&str, String)]) -> Result<Value, CliError> {
        self.send(self.request(Method::GET, parts)?.query(query)).await
    }

    /// What is shown under a run's id or name, page by page.
    pub(super) async fn show(&self, run: &str, mut each: impl FnMut(Shown)) -> Result<(), CliError> {
        let mut query = vec![("limit", PAGE.to_string())];
        loop {
            let mut answer = self.get(&["runs", run], &query).await?;
            let runs = answer.get_mut("runs").map(Value::take);
            let Some(Value::Array(runs)) = runs else {
                each(Shown::One(answer));
                return Ok(());
            };
            each(Shown::Page(runs));
            let Some(next) = answer["nextToken"].as_str() else { return Ok(()) };
            query.truncate(1);
            query.push(("nextToken", next.to_owned()));
        }
    }

    pub(super) async fn post(&self, parts: &[&str], body: Option<&Value>) -> Result<Value, CliError> {
        let request = self.request(Method::POST, parts)?;
        self.send(match body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }

    pub(super) async fn patch(&self, parts: &[&str], body: &Value) -> Result<Value, CliError> {
        self.send(self.request(Method::PATCH, parts)?.json(body)).await
    }

    /// Sends requests as they are; the answer may be of some taken and some refused.
    pub(super) async fn submit(&self, kind: &str, body: reqwest::Body) -> Result<Value, CliError> {
        let request = self.request(Method::POST, &["runs"])?.header("content-type", kind).body(body);
        let (status, answer) = self.answer(request).await?;
        if status.is_success() || answer["refused"].is_array() { Ok(answer) } else { Err(refused(&answer, status)) }
    }

    /// The cell's server-sent events, behind the one with the id `last`.
    pub(super) async fn stream(&self, query: &[(&str, String)], last: Option<&str>) -> Result<Response, CliError> {
        let mut request = self.request(Method::GET, &["stream"])?.query(query);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(|e| self.no_answer(e))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        Err(refused(&serde_json::from_str(&text).unwrap_or_default(), status))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Value, CliError> {
        let (status, answer) = self.answer(request).await?;
        if status.is_success() { Ok(answer) } else { Err(refused(&answer, status)) }
    }

    async fn answer(&self, request: RequestBuilder) -> Result<(reqwest::StatusCode, Value), CliError> {
        let response: Response = request.send().await.map_err(|e| self.no_answer(e))?;
        let status = response.status();
        let text = response.text().await.map_err(|e| self.no_answer(e))?;
        let answer = serde_json::from_str(&text)
            .map_err(|_| CliError::other(format!("{}: not a taskwatch cell: it answered {status}", self.url)))?;
        Ok((status, answer))
    }

    fn no_answer(&self, error: reqwest::Error) -> CliError {
        let why = if error.is_connect() { "cannot connect; is `taskwatch serve` running there?" } else { "no answer" };
        CliError::other(format!("{}: {why} ({})", self.url, root(&error.without_url())))
    }
}

fn wrong(shown: &str) -> CliError {
    CliError::usage(format!("--server is {shown:?}: expected a URL such as {USUAL}"))
}

fn refused(answer: &Value, status: reqwest::StatusCode) -> CliError {
    let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    let message = match (text("error"), text("message")) {
        (name, _) if name.is_empty() => status.to_string(),
        (name, message) => output::plain(&format!("{name}: {message}")).into_owned(),
    };
    if status == reqwest::StatusCode::BAD_REQUEST { CliError::usage(message) } else { CliError::other(message) }
}

/// The innermost cause: what a person can act on.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
