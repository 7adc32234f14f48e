//! `taskwatch run --server`: the cell does the work, this process waits.

use std::time::Duration;

use serde_json::Value;

use super::client::{Server, Shown};
use super::error::CliError;
use super::options::{Format, Global};
use super::run_args::RunArgs;
use super::settings::Settings;
use super::signals::Signals;
use super::{exit, output};
use crate::core::name::request_of;
use crate::core::request::RunRequest;

/// How often the cell is asked: one call for a thousand runs of the request.
const ASK: Duration = Duration::from_secs(1);

pub(super) async fn run(
    request: &RunRequest,
    arguments: &RunArgs,
    global: &Global,
    settings: &Settings,
) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let mut signals = Signals::listen()?;
    let body = request.to_value().to_string();
    let answer = server.submit("application/json", body.into()).await?;
    let first = answer["runs"][0]["name"].as_str().unwrap_or_default();
    // `name/0` and its siblings are asked for by `name`.
    let name = if request.count.is_some() { request_of(first) } else { first };
    let mut interrupted = None;
    let mut shown = String::new();
    let runs = loop {
        let runs = runs(&server, name).await?;
        let line = summary(&runs);
        if line != shown {
            output::problem(&line);
            shown = line;
        }
        let waits_for_end = !arguments.no_wait || interrupted.is_some();
        let done = |run: &Value| ended(run) || (!waits_for_end && placed(run));
        if runs.iter().all(done) {
            break runs;
        }
        tokio::select! {
            () = tokio::time::sleep(ASK) => {}
            code = signals.next() => {
                if interrupted.is_some() {
                    return Err(CliError::other("interrupted again: tasks may still be stopping"));
                }
                interrupted = Some(code);
                output::problem("stopping what was launched; once more to leave at once");
                let reason = serde_json::json!({"reason": "taskwatch run was interrupted"});
                server.post(&["runs", name, "stop"], Some(&reason)).await?;
            }
        }
    };
    let code = match interrupted {
        Some(code) => code,
        // What is not waited for has not failed.
        None => exit::code_of(runs.iter().filter(|run| !arguments.no_wait || ended(run)).map(exit::End::of_view)),
    };
    match (global.output.unwrap_or(Format::Json), runs.as_slice()) {
        (Format::Json, [one]) => output::json(one),
        (Format::Json, many) => output::json(&Value::from(many.to_vec())),
        (Format::Text, many) => many
            .iter()
            .for_each(|run| output::data(&format!("{}\t{}", output::cell(&run["name"]), output::cell(&run["status"])))),
        _ => output::table(&["NAME", "STATUS", "ATTEMPTS", "EXIT", "ERROR"], &runs, |run| {
            let attempts = run["attempts"].as_array().map_or(0, Vec::len).to_string();
            vec![
                output::cell(&run["name"]),
                output::cell(&run["status"]),
                attempts,
                output::cell(&run["exitCode"]),
                output::cell(&run["error"]),
            ]
        }),
    }
    Ok(code)
}

async fn runs(server: &Server, name: &str) -> Result<Vec<Value>, CliError> {
    let mut runs = Vec::new();
    let each = |shown| match shown {
        Shown::One(run) => runs.push(run),
        Shown::Page(page) => runs.extend(page),
    };
    server.show(name, each).await?;
    Ok(runs)
}

fn ended(run: &Value) -> bool {
    run["final"].as_bool().unwrap_or(false)
}

fn placed(run: &Value) -> bool {
    run["attempts"].as_array().and_then(|all| all.last()).is_some_and(|last| last["taskArn"].is_string())
}

fn summary(runs: &[Value]) -> String {
    let mut counts = std::collections::BTreeMap::<String, usize>::new();
    runs.iter().for_each(|run| *counts.entry(output::cell(&run["status"])).or_default() += 1);
    let parts: Vec<String> = counts.iter().map(|(status, n)| format!("{n} {status}")).collect();
    parts.join(", ")
}
