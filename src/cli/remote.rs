//! `taskwatch run --server`: the cell does the work, this process follows it.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::sleep;

use super::client::{Server, Shown};
use super::duration::seconds;
use super::error::CliError;
use super::failure::Failure;
use super::filter::now;
use super::follow::{Changes, News};
use super::logs::Lines;
use super::options::{Format, Global};
use super::query::Query;
use super::run_args::RunArgs;
use super::settings::Settings;
use super::signals::Signals;
use super::tails::Tails;
use super::{console, exit, output};
use crate::core::name::request_of;
use crate::core::request::RunRequest;
use crate::core::time::Timestamp;

/// Somebody at a terminal who interrupts the command has so long to have the run stopped as well.
const SECOND_THOUGHT: Duration = Duration::from_secs(3);

pub(super) async fn run(
    request: &RunRequest,
    arguments: &RunArgs,
    query: Option<&Query>,
    global: &Global,
    settings: &Settings,
) -> Result<u8, CliError> {
    let server = Server::at(arguments.server.server.as_deref(), settings)?;
    let mut signals = Signals::listen()?;
    let body = request.to_value().to_string();
    let answer = tokio::select! {
        answer = server.submit("application/json", body.into()) => answer?,
        code = signals.next() => {
            output::problem("interrupted before the cell had answered: it may have taken the request");
            return Ok(code);
        }
    };
    let first = answer["runs"][0]["name"].as_str().unwrap_or_default();
    // `name/0` and its siblings are asked for by `name`.
    let name = if request.count.is_some() { request_of(first) } else { first };
    let format = global.output.unwrap_or(Format::Json);
    if arguments.server.detach {
        print(&shown(&server, name).await?, query, format)?;
        output::problem(&format!("{name} goes on at {}: taskwatch show {name}", server.url()));
        return Ok(0);
    }
    let names = answer["runs"].as_array().into_iter().flatten().filter_map(|run| run["name"].as_str());
    let names: Vec<String> = names.map(str::to_owned).collect();
    let tails = Tails::of(arguments.follow.then(|| Lines::At(server.clone())), &names);
    let end = follow(&server, name, arguments.no_wait, &mut signals).await?;
    tails.end().await;
    let runs = shown(&server, name).await?;
    let code = match end {
        End::Interrupted(code) => code,
        // What is not waited for has not failed.
        End::Reached => {
            exit::code_of(runs.iter().filter(|run| !arguments.no_wait || ended(run)).map(exit::End::of_view))
        }
    };
    print(&runs, query, format)?;
    Ok(code)
}

/// Why nothing is followed any more.
enum End {
    /// All that was waited for has come.
    Reached,
    /// By a signal, with this exit code.
    Interrupted(u8),
}

/// Follows the runs of a name until they have ended or, where nobody waits for that, have a task.
async fn follow(server: &Server, name: &str, no_wait: bool, signals: &mut Signals) -> Result<End, CliError> {
    // From before the runs are read, so that nothing falls between.
    let mut changes = Changes::open(server, vec![("name", name.to_owned())]).await?;
    let mut progress = Progress::of(shown(server, name).await?);
    let mut interrupted = None;
    loop {
        progress.say();
        let enough = |run: &Value| ended(run) || (no_wait && interrupted.is_none() && run["taskArn"].is_string());
        if progress.runs.values().all(enough) {
            return Ok(interrupted.map_or(End::Reached, End::Interrupted));
        }
        tokio::select! {
            news = changes.next() => match news {
                News::Run(run) => progress.take(run),
                News::Missed => progress = Progress { said: progress.said, ..Progress::of(shown(server, name).await?) },
            },
            code = signals.next() => {
                if interrupted.is_some() {
                    return Err(CliError::other("interrupted again: tasks may still be stopping"));
                }
                if may_leave(code) && leaves(server, name, signals).await {
                    return Ok(End::Interrupted(code));
                }
                interrupted = Some(code);
                output::problem("stopping what was launched; once more to leave at once");
                stop(server, name).await?;
            }
        }
    }
}

/// Ctrl-C at a terminal may mean that somebody only wants to look away. A scheduler that ends the command means the run.
fn may_leave(code: u8) -> bool {
    code == 130 && std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Whether nobody has second thoughts and wants the run stopped.
async fn leaves(server: &Server, name: &str, signals: &mut Signals) -> bool {
    output::problem(&format!(
        "leaving: {name} goes on at {} (taskwatch show {name}, taskwatch stop {name}). Ctrl-C again within {} s stops it",
        server.url(),
        SECOND_THOUGHT.as_secs()
    ));
    tokio::select! {
        _ = signals.next() => false,
        () = sleep(SECOND_THOUGHT) => true,
    }
}

/// Asks the runs to stop. That they have ended meanwhile is as good.
async fn stop(server: &Server, name: &str) -> Result<(), CliError> {
    let reason = json!({"reason": "taskwatch run was interrupted"});
    match server.post(&["runs", name, "stop"], Some(&reason)).await {
        Err(error) if !error.to_string().starts_with("AlreadyEnded") => Err(error),
        _ => Ok(()),
    }
}

/// Every run of a name, with its attempts.
async fn shown(server: &Server, name: &str) -> Result<Vec<Value>, CliError> {
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

fn print(runs: &[Value], query: Option<&Query>, format: Format) -> Result<(), CliError> {
    if let Some(query) = query {
        return query.print(runs, format);
    }
    match (format, runs) {
        (Format::Json, [one]) => output::json(one),
        (Format::Json, many) => output::json(&Value::from(many.to_vec())),
        (Format::Only(special), many) => special.print(many),
        (Format::Text, many) => many
            .iter()
            .for_each(|run| output::data(&format!("{}\t{}", output::cell(&run["name"]), output::cell(&run["status"])))),
        _ => output::table(&["NAME", "STATUS", "ATTEMPTS", "EXIT", "ERROR"], runs, |run| {
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
    Ok(())
}

/// The runs as they were last seen, as lists have them, and the last line that was said of them.
struct Progress {
    runs: BTreeMap<String, Value>,
    said: String,
}

impl Progress {
    /// Of runs with their attempts.
    fn of(runs: Vec<Value>) -> Self {
        let brief = |mut run: Value| {
            let last = run["attempts"].as_array().and_then(|all| all.last()).cloned().unwrap_or_default();
            run["attempts"] = last["number"].clone();
            for member in ["taskArn", "lastStatus"] {
                run[member] = last[member].clone();
            }
            if run["error"].is_null() {
                (run["error"], run["cause"]) = (last["error"].clone(), last["cause"].clone());
            }
            (output::cell(&run["run"]), run)
        };
        Self { runs: runs.into_iter().map(brief).collect(), said: String::new() }
    }

    /// A run is now this.
    fn take(&mut self, run: Value) {
        self.runs.insert(output::cell(&run["run"]), run);
    }

    /// Says how the runs are, if that is news.
    fn say(&mut self) {
        let mut runs = self.runs.values();
        let line = match (runs.next(), runs.next()) {
            (Some(one), None) => phase(one, now()),
            _ => self.summary(),
        };
        if line != self.said {
            output::problem(&line);
            self.said = line;
        }
    }

    fn summary(&self) -> String {
        let mut counts = BTreeMap::<String, usize>::new();
        self.runs.values().for_each(|run| *counts.entry(output::cell(&run["status"])).or_default() += 1);
        let parts: Vec<String> = counts.iter().map(|(status, n)| format!("{n} {status}")).collect();
        parts.join(", ")
    }
}

/// One run in a line: its status, its attempt, when the next one begins, and why it failed, an exit code first.
fn phase(run: &Value, now: Timestamp) -> String {
    let mut line = output::cell(&run["status"]);
    if run["lastStatus"].is_string() && !ended(run) {
        line += &format!(" (task {})", output::cell(&run["lastStatus"]));
    }
    if run["attempts"].as_u64() > Some(1) {
        line += &format!(", attempt {}", output::cell(&run["attempts"]));
    }
    if let Some(at) = run["retryAt"].as_str().and_then(Timestamp::parse) {
        let next = run["attempts"].as_u64().unwrap_or_default() + 1;
        let begins = if next == 1 { "starts".to_owned() } else { format!("attempt {next}") };
        line += &format!(", {begins} in {}", seconds(at.since(now).as_secs_f64()));
    }
    if run["waitingFor"]["text"].is_string() && run["retryAt"].is_null() {
        line += &format!(": {}", output::cell(&run["waitingFor"]["text"]));
    }
    if let Some(error) = run["error"].as_str().filter(|_| run["status"] != "SUCCEEDED") {
        let failure = Failure::of(Some(error), run["cause"].as_str(), run["exitCode"].as_i64());
        line += &format!(": {}", failure.short_line());
    }
    if run["hint"].is_string() && ended(run) {
        line += &format!("\n  do: {}", output::cell(&run["hint"]));
        let page = run["taskArn"].as_str().and_then(console::task);
        line.extend(page.map(|page| format!("\n  console: {page}")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_says_attempt_cause_and_next_try() {
        let now = Timestamp::parse("2026-11-22T02:00:00Z").expect("an instant");
        let run = |more: Value| {
            let mut run = json!({"status": "STARTING", "final": false, "attempts": 1, "retryAt": null, "error": null});
            run.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
            phase(&run, now)
        };
        assert_eq!(run(json!({"lastStatus": "PENDING"})), "STARTING (task PENDING)");
        let image = json!({"status": "PENDING_RETRY", "attempts": 2, "retryAt": "2026-11-22T02:00:20Z",
            "error": "CannotPullContainerError", "cause": "CannotPullContainerError: no such image"});
        assert_eq!(run(image), "PENDING_RETRY, attempt 2, attempt 3 in 20s: CannotPullContainerError: no such image");
        let program = json!({"status": "FAILED", "final": true, "exitCode": 3, "error": "EssentialContainerExited",
            "cause": "it ended", "hint": "see its log"});
        assert_eq!(run(program), "FAILED: exit 3: it ended\n  do: see its log");
        let paused = json!({"status": "QUEUED", "attempts": 1, "waitingFor": {"text": "queue a is paused by x"}});
        assert_eq!(run(paused), "QUEUED: queue a is paused by x");
    }
}
