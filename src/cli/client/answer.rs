//! Whether an answer is a cell's. Anything may listen at a URL: a status of 200, and JSON in the body, are nobody's signature.

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, SERVER};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::cli::error::CliError;
use crate::cli::output;

/// What of a strange body is shown.
const SHOWN_CHARS: usize = 60;

/// What was asked for, as far as it decides what the answer looks like.
pub(super) struct Asked {
    method: Method,
    path: String,
    expected: Expected,
}

/// What a good answer looks like.
type Shape = fn(&Value) -> bool;

#[derive(Clone, Copy)]
enum Expected {
    Shape(Shape),
    /// JSON that bears the name of taskwatch beside it.
    Signed,
    Events,
}

impl Asked {
    /// A request to a path below `/v1`.
    pub(super) fn new(method: &Method, parts: &[&str]) -> Self {
        let expected = match (method.as_str(), parts) {
            ("GET", ["summary"]) => Expected::Shape(|answer| texts(answer, &["cell", "version", "at"])),
            ("GET", ["runs"]) => Expected::Shape(list),
            ("GET", ["rollup"]) => Expected::Shape(|answer| {
                answer["runs"].is_u64() && answer["statuses"].is_object() && answer["causes"].is_array()
            }),
            ("GET", ["runs", _]) => Expected::Shape(|answer| run(answer) || list(answer)),
            ("POST", ["runs"]) => Expected::Shape(|answer| list(answer) && answer["refused"].is_array()),
            ("POST", ["runs", _, "stop" | "redrive"]) => Expected::Shape(list),
            ("GET" | "PATCH", ["limits"]) => Expected::Shape(|answer| {
                answer["runTaskRate"].is_number()
                    && ["pauses", "circuitBreakers"].iter().all(|name| answer[*name].is_array())
            }),
            ("GET", ["stream"]) => Expected::Events,
            _ => Expected::Signed,
        };
        Self { method: method.clone(), path: format!("/v1/{}", parts.join("/")), expected }
    }

    /// The JSON of an answer, if a cell gave it.
    pub(super) fn read(
        &self,
        url: &str,
        status: StatusCode,
        headers: &HeaderMap,
        body: &str,
    ) -> Result<Value, CliError> {
        let answer: Value = serde_json::from_str(body).unwrap_or_default();
        let is_a_cells = match self.expected {
            _ if !status.is_success() => texts(&answer, &["error", "message"]),
            Expected::Shape(shape) => shape(&answer),
            Expected::Signed => !answer.is_null() && version(headers).is_some(),
            Expected::Events => false,
        };
        if is_a_cells { Ok(answer) } else { Err(self.strange(url, status, headers, body)) }
    }

    /// Whether an answer is a stream of events.
    pub(super) fn is_stream(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        let kind = text(headers, &CONTENT_TYPE).unwrap_or_default();
        matches!(self.expected, Expected::Events) && status.is_success() && kind.starts_with("text/event-stream")
    }

    /// What is said of an answer that no cell of this version gives.
    fn strange(&self, url: &str, status: StatusCode, headers: &HeaderMap, body: &str) -> CliError {
        let Self { method, path, .. } = self;
        if let Some(version) = version(headers) {
            let ours = env!("CARGO_PKG_VERSION");
            return CliError::other(format!(
                "{url}: the cell there is of version {version}, and this taskwatch ({ours}) cannot read its answer to {method} {path} \
                 ({status}): use the same version of both"
            ));
        }
        let by = text(headers, &SERVER).map(|server| format!(" by {}", output::plain(server))).unwrap_or_default();
        CliError::other(format!(
            "{url}: not a taskwatch cell: {method} {path} was answered {status}{by}, {}; see --server and TASKWATCH_URL",
            shown(body)
        ))
    }
}

/// The version of the cell that answered.
fn version(headers: &HeaderMap) -> Option<&str> {
    text(headers, &SERVER)?.strip_prefix("taskwatch/")
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

/// The beginning of a body, in one line.
fn shown(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    let beginning: String = line.chars().take(SHOWN_CHARS).collect();
    match beginning.is_empty() {
        true => "with an empty body".to_owned(),
        false if beginning.len() < line.len() => format!("with {}…", output::plain(&beginning)),
        false => format!("with {}", output::plain(&beginning)),
    }
}

fn texts(answer: &Value, names: &[&str]) -> bool {
    names.iter().all(|name| answer[*name].is_string())
}

fn run(run: &Value) -> bool {
    texts(run, &["run", "name", "status"])
}

/// Runs under `runs`.
fn list(answer: &Value) -> bool {
    answer["runs"].as_array().is_some_and(|runs| runs.iter().all(run))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;

    fn read(method: Method, parts: &[&str], status: u16, server: &'static str, body: &str) -> Result<Value, String> {
        let headers = HeaderMap::from_iter([(SERVER, HeaderValue::from_static(server))]);
        let status = StatusCode::from_u16(status).expect("a status");
        Asked::new(&method, parts).read("http://x", status, &headers, body).map_err(|e| e.to_string())
    }

    #[test]
    fn what_another_program_answers_is_no_cells_word() {
        let requests: [(Method, &[&str]); 9] = [
            (Method::GET, &["summary"]),
            (Method::GET, &["runs"]),
            (Method::GET, &["runs", "a"]),
            (Method::GET, &["rollup"]),
            (Method::POST, &["runs"]),
            (Method::POST, &["runs", "a", "stop"]),
            (Method::PATCH, &["limits"]),
            (Method::GET, &["stream"]),
            (Method::GET, &["news"]),
        ];
        for (method, parts) in requests {
            for body in ["{}", "[]", "null", "\"ok\"", r#"{"runs": 3}"#, r#"{"runs": [{}]}"#, "<html>\n hi</html>", ""]
            {
                for status in [200, 404, 503] {
                    let said = read(method.clone(), parts, status, "nginx", body).unwrap_err();
                    let asked = format!(
                        "http://x: not a taskwatch cell: {method} /v1/{} was answered {status}",
                        parts.join("/")
                    );
                    assert!(said.starts_with(&asked) && said.contains(" by nginx, with "), "{body}: {said}");
                    assert!(said.contains(body.split_whitespace().next().unwrap_or("an empty body")), "{body}: {said}");
                }
            }
        }
    }

    #[test]
    fn a_cell_of_another_version_is_named_as_such() {
        let said = read(Method::GET, &["summary"], 200, "taskwatch/9.0.0", "{\"cells\": []}").unwrap_err();
        assert!(said.contains("of version 9.0.0") && said.contains("the same version of both"), "{said}");
        assert!(read(Method::GET, &["news"], 200, "taskwatch/9.0.0", "{\"a\": 1}").is_ok());
    }

    #[test]
    fn a_cells_answers_are_read_also_its_refusals() {
        let run = json!({"run": "1", "name": "a", "status": "QUEUED", "novelty": true});
        let runs = json!({"runs": [run], "refused": []}).to_string();
        for (method, parts) in [(Method::GET, &["runs"][..]), (Method::POST, &["runs"]), (Method::GET, &["runs", "a"])]
        {
            assert!(read(method, parts, 202, "x", &runs).is_ok(), "{parts:?}");
        }
        assert!(read(Method::GET, &["runs", "a"], 200, "x", &run.to_string()).is_ok());
        let refusal = json!({"error": "NotFound", "message": "no"}).to_string();
        assert!(read(Method::GET, &["runs", "a"], 404, "x", &refusal).is_ok());
    }
}
