//! `taskwatch submit`: hands requests to a serving cell.

use std::path::Path;

use clap::Args;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio_util::io::ReaderStream;

use super::client::Server;
use super::document::DocumentArgs;
use super::error::CliError;
use super::options::{Format, Global, ServerArgs};
use super::output;
use super::settings::Settings;
use crate::core::request::{documents, may_be_yaml};

pub(super) const SUBMIT_EXAMPLES: &str = "\
Examples:
  taskwatch submit nightly.json
  generate | taskwatch submit - --server http://taskwatch.internal:7717
  taskwatch submit fleet.ndjson --output json
  taskwatch submit workflow.yaml --state Load --input file://input.json

A FILE holds one request (JSON or YAML), an array of them, or one a line.

Exit codes:
  0  all were taken
  1  some were refused";

/// `taskwatch submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// Files with run requests in any form; - for stdin
    #[arg(value_name = "FILE|-", required = true)]
    files: Vec<String>,
    #[command(flatten)]
    document: DocumentArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// 0 if every request was taken, 1 if some were refused.
pub(super) async fn submit(arguments: SubmitArgs, global: &Global, settings: &Settings) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let (mut runs, mut refused) = (Vec::new(), Vec::new());
    for file in &arguments.files {
        let (kind, body) =
            body(file, &arguments.document).await.map_err(|e| CliError::usage(format!("{file}: {e}")))?;
        let answer = server.submit(kind, body).await.map_err(|e| e.about(file))?;
        runs.extend(items(&answer, "runs"));
        refused.extend(items(&answer, "refused").into_iter().map(|mut item| {
            item["file"] = file.as_str().into();
            item
        }));
    }
    for item in &refused {
        let text = |name: &str| item[name].as_str().unwrap_or_default();
        let place = item["item"].as_u64().map_or(0, |n| n + 1);
        output::problem(&format!("{} request {place}: {}: {}", text("file"), text("error"), text("message")));
    }
    let code = u8::from(!refused.is_empty());
    match global.output.unwrap_or(Format::Text) {
        Format::Json => output::json(&serde_json::json!({"runs": runs, "refused": refused})),
        Format::Table => output::table(&["NAME", "RUN", "STATUS", "EXISTING"], &runs, |run| {
            vec![
                output::cell(&run["name"]),
                output::cell(&run["run"]),
                output::cell(&run["status"]),
                output::cell(&run["existing"]),
            ]
        }),
        Format::Text | Format::Only(_) => runs.iter().for_each(|run| output::data(&output::cell(&run["name"]))),
    }
    Ok(code)
}

fn items(answer: &Value, name: &str) -> Vec<Value> {
    answer[name].as_array().cloned().unwrap_or_default()
}

/// A file as a body, never read as a whole if it has one request a line.
async fn body(file: &str, over: &DocumentArgs) -> Result<(&'static str, reqwest::Body), Box<dyn std::error::Error>> {
    let input: Box<dyn AsyncRead + Send + Sync + Unpin> = if file == "-" {
        Box::new(tokio::io::stdin())
    } else {
        Box::new(tokio::fs::File::open(Path::new(file)).await?)
    };
    let mut input = BufReader::new(input);
    let mut first = Vec::new();
    while first.iter().all(u8::is_ascii_whitespace) && input.read_until(b'\n', &mut first).await? > 0 {}
    // A first line that is an object by itself is one of many, or the only one.
    let line = serde_json::from_slice::<Value>(&first).is_ok_and(|value| value.is_object());
    if line && !over.is_given() {
        let whole = std::io::Cursor::new(first).chain(input);
        return Ok(("application/x-ndjson", reqwest::Body::wrap_stream(ReaderStream::new(whole))));
    }
    input.read_to_end(&mut first).await?;
    let text = std::str::from_utf8(&first).unwrap_or_default();
    if over.is_given() || (may_be_yaml(text) && serde_json::from_slice::<IgnoredAny>(&first).is_err()) {
        let over = |document| over.laid_over(document);
        let documents = documents(text)?.into_iter().map(over).collect::<Result<Vec<_>, _>>()?;
        return Ok(("application/json", Value::Array(documents).to_string().into()));
    }
    Ok(("application/json", first.into()))
}
