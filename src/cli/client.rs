//! The HTTP API of a serving cell, from the command line's side.

mod answer;

use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;

use super::error::CliError;
use super::settings::Settings;
use super::{masked, output};
use answer::Asked;

/// Where a cell listens unless told otherwise.
const USUAL: &str = "http://127.0.0.1:7717";
/// Most runs the cell gives in one answer.
pub(super) const PAGE: usize = 1000;
const CONNECT: Duration = Duration::from_secs(10);
/// No answer takes longer, but one to requests that are sent as they come.
const ANSWER: Duration = Duration::from_secs(60);

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
        // An empty variable counts as not set, an empty flag does not.
        let is_unset =
            |url: &str| url.is_empty() && std::env::var_os("TASKWATCH_URL").is_some_and(|set| set.is_empty());
        let url = url.filter(|url| !is_unset(url)).unwrap_or(USUAL).trim_end_matches('/').to_owned();
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
    fn request(&self, method: Method, parts: &[&str]) -> Result<(Asked, RequestBuilder), CliError> {
        let asked = Asked::new(&method, parts);
        let wrong = || wrong(&self.url);
        let mut url = reqwest::Url::parse(&self.base).map_err(|_| wrong())?;
        url.path_segments_mut().map_err(|()| wrong())?.pop_if_empty().push("v1").extend(parts);
        let request = self.client.request(method, url);
        let request = match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        Ok((asked, request))
    }

    pub(super) async fn get(&self, parts: &[&str], query: &[(&str, String)]) -> Result<Value, CliError> {
        let (asked, request) = self.request(Method::GET, parts)?;
        self.send(asked, request.query(query)).await
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
        let (asked, request) = self.request(Method::POST, parts)?;
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.send(asked, request).await
    }

    pub(super) async fn patch(&self, parts: &[&str], body: &Value) -> Result<Value, CliError> {
        let (asked, request) = self.request(Method::PATCH, parts)?;
        self.send(asked, request.json(body)).await
    }

    /// Sends requests as they are; the answer may be of some taken and some refused.
    pub(super) async fn submit(&self, kind: &str, body: reqwest::Body) -> Result<Value, CliError> {
        let (asked, request) = self.request(Method::POST, &["runs"])?;
        let (status, answer) = self.answer(asked, request.header("content-type", kind).body(body)).await?;
        if status.is_success() || answer["refused"].is_array() {
            Ok(answer)
        } else {
            Err(self.refused(&answer, status))
        }
    }

    /// The cell's server-sent events, behind the one with the id `last`.
    pub(super) async fn stream(&self, query: &[(&str, String)], last: Option<&str>) -> Result<Response, CliError> {
        let (asked, mut request) = self.request(Method::GET, &["stream"])?;
        request = request.query(query);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(|e| self.no_answer(e))?;
        if asked.is_stream(response.status(), response.headers()) {
            return Ok(response);
        }
        let (status, answer) = self.read(&asked, response).await?;
        Err(self.refused(&answer, status))
    }

    async fn send(&self, asked: Asked, request: RequestBuilder) -> Result<Value, CliError> {
        let (status, answer) = self.answer(asked, request.timeout(ANSWER)).await?;
        if status.is_success() { Ok(answer) } else { Err(self.refused(&answer, status)) }
    }

    async fn answer(&self, asked: Asked, request: RequestBuilder) -> Result<(StatusCode, Value), CliError> {
        let response: Response = request.send().await.map_err(|e| self.no_answer(e))?;
        self.read(&asked, response).await
    }

    async fn read(&self, asked: &Asked, response: Response) -> Result<(StatusCode, Value), CliError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.text().await.map_err(|e| self.no_answer(e))?;
        Ok((status, asked.read(&self.url, status, &headers, &body)?))
    }

    fn no_answer(&self, error: reqwest::Error) -> CliError {
        let why = match () {
            () if error.is_connect() => "cannot connect; is `taskwatch serve` running there?".to_owned(),
            () if error.is_timeout() => format!("no answer for {} s", ANSWER.as_secs()),
            () => "no answer".to_owned(),
        };
        CliError::other(format!("{}: {why} ({})", self.url, root(&error.without_url())))
    }

    /// What the cell says that it does not do.
    fn refused(&self, answer: &Value, status: StatusCode) -> CliError {
        let said = |name: &str| output::plain(answer[name].as_str().unwrap_or_default()).into_owned();
        match (status, &self.token) {
            (StatusCode::UNAUTHORIZED, None) => {
                CliError::other(format!("{}: the cell asks for its token: set TASKWATCH_API_TOKEN", self.url))
            }
            (StatusCode::UNAUTHORIZED, Some(_)) => CliError::other(format!(
                "{}: the cell has another token than the one in TASKWATCH_API_TOKEN: set the cell's",
                self.url
            )),
            (StatusCode::BAD_REQUEST, _) => CliError::usage(format!("{}: {}", said("error"), said("message"))),
            _ => CliError::other(format!("{}: {}", said("error"), said("message"))),
        }
    }
}

fn wrong(shown: &str) -> CliError {
    CliError::usage(format!("--server is {shown:?}: expected a URL such as {USUAL}"))
}

/// The innermost cause: what a person can act on.
pub(super) fn root(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
