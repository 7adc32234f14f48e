//! `docs/api.md` shows what the API really answers: its commands are run here, in order, and their answers are made here.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{Served, serve};
use crate::support::fakes::{Answer, World, eventually, request, submit};

const PAGE: &str = "docs/api.md";

/// What a command of the page asks for, as its shell understood it.
struct Curl {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// Runs a block with `curl` replaced by a function of this script.
fn shell(block: &str, curl: &str, variables: &[(&str, &str)], dir: &Path) -> Output {
    let script = format!("curl() {{ {curl}\n}}\n{block}");
    let mut command = Command::new("sh");
    command.arg("-euc").arg(script).envs(variables.iter().copied()).current_dir(dir).stdin(Stdio::null());
    command.output().expect("sh")
}

/// Reads the arguments that a block gives to `curl`.
fn asked(block: &str, variables: &[(&str, &str)], dir: &Path) -> Curl {
    let note = "printf '%s\\0' \"$@\" >arguments; case \"$*\" in *@-*) cat >body;; esac";
    shell(block, note, variables, dir);
    let all = std::fs::read_to_string(dir.join("arguments")).expect("a call of curl");
    let mut arguments = all.split_terminator('\0').map(str::to_owned);
    let mut curl = Curl { method: String::new(), url: String::new(), headers: Vec::new(), body: None };
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().expect("an argument's value");
        match argument.as_str() {
            "-s" | "-sN" => {}
            "-X" => curl.method = value(),
            "-H" => {
                let header = value();
                let (name, value) = header.split_once(": ").expect("a header");
                curl.headers.push((name.to_owned(), value.to_owned()));
            }
            "-d" => curl.body = Some(value()),
            "--data-binary" => {
                assert_eq!(value(), "@-");
                curl.body = Some(std::fs::read_to_string(dir.join("body")).expect("stdin"));
            }
            url => curl.url = url.to_owned(),
        }
    }
    if curl.method.is_empty() {
        curl.method = if curl.body.is_some() { "POST" } else { "GET" }.into();
    }
    curl
}

/// Sends it; status and text. Of a stream the first two events.
async fn sent(served: &Served, curl: Curl) -> (u16, String) {
    let mut request = served.client.request(curl.method.parse().expect("a method"), curl.url);
    for (name, value) in curl.headers {
        request = request.header(name, value);
    }
    let mut response = request.body(curl.body.unwrap_or_default()).send().await.expect("an answer");
    let status = response.status().as_u16();
    if response.headers()["content-type"] != "text/event-stream" {
        return (status, response.text().await.expect("a text"));
    }
    let mut text = String::new();
    while text.matches("\n\n").count() < 2 {
        if text.contains("\n\n") && served.cell.find("watched").await.expect("readable").is_empty() {
            submit(&served.cell, json!({"name": "watched"})).await;
        }
        let chunk = response.chunk().await.expect("a chunk").expect("more");
        text.push_str(std::str::from_utf8(&chunk).expect("a text"));
    }
    let end = text.match_indices("\n\n").nth(1).expect("two events").0;
    (status, text[..end].to_owned())
}

/// Brings the cell to where the command finds what the page says.
async fn before(served: &Served, block: &str) {
    if block.contains("runs/nightly\"") {
        end(served, "nightly", 0).await;
    } else if block.contains("status=STARTING") {
        for name in ["fleet/0", "fleet/1"] {
            placed(served, name).await;
        }
    } else if block.contains("/redrive") {
        let report = served.cell.find("report").await.expect("readable").remove(0);
        served.cell.stop(report.id, "not yet").await;
        end(served, "report", 143).await;
        // So that it still waits for its launch when it is asked how it is.
        served.world.ecs.then([Answer::Silent]);
    } else if block.contains("/v1/rollup") {
        end(served, "fleet/0", 3).await;
    } else if block.contains("/v1/summary") {
        // It is ready once each of its queues has answered; a fake one has nothing to say until something comes.
        served.world.requests.put(&request(json!({"name": "by-queue"})).to_string());
        eventually("a cell that is ready", || served.cell.ready()).await;
        for name in ["watched", "by-queue"] {
            placed(served, name).await;
        }
    }
}

/// A run with its task's ARN.
async fn placed(served: &Served, name: &str) -> (Uuid, String) {
    let id = loop {
        match served.cell.find(name).await.expect("readable").first() {
            Some(run) => break run.id,
            None => tokio::task::yield_now().await,
        }
    };
    let arn = || served.cell.run(id).and_then(|run| run.attempt()?.task_arn.clone());
    eventually("a task", || arn().is_some()).await;
    (id, arn().expect("a task").to_string())
}

/// Ends a run's task.
async fn end(served: &Served, name: &str, code: i64) {
    let (id, arn) = placed(served, name).await;
    served.world.ended(&arn, code);
    eventually("an end", || served.cell.run(id).is_none_or(|run| run.status.is_final())).await;
}

/// Ids, times and durations differ from one time to the next.
fn masked(text: &str, ids: &mut Vec<String>) -> String {
    let id = regex::Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").expect("a pattern");
    let text = id.replace_all(text, |found: &regex::Captures<'_>| {
        let number = ids.iter().position(|id| *id == found[0]).unwrap_or_else(|| {
            ids.push(found[0].to_owned());
            ids.len() - 1
        });
        format!("019ab3c5-7a00-7000-8000-{:012x}", number + 1)
    });
    let mut text = text.into_owned();
    for (pattern, instead) in [
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "2026-11-22T02:00:00Z"),
        // Counted by the second.
        (r#""(submitted|events)": \d+"#, "\"$1\": 2"),
        (r"\b1[0-9]{12}-\d+", "1800000000000-20"),
        (r#""(p50|p95|p99|launchesPerSecond)": [0-9.e-]+"#, "\"$1\": 0.05"),
    ] {
        text = regex::Regex::new(pattern).expect("a pattern").replace_all(&text, instead).into_owned();
    }
    text
}

/// The page with the answers that came now.
async fn made(page: &str) -> String {
    let served = serve(World::new(), None).await;
    let dir = tempfile::tempdir().expect("a directory");
    let (mut made, mut rest, mut ids, mut next) = (String::new(), page, Vec::new(), String::new());
    while let Some((prose, code)) = rest.split_once("```sh\n") {
        let (block, after) = code.split_once("```\n\n```").expect("an answer's block right behind the command's");
        let (kind, after) = after.split_once('\n').expect("its kind");
        let (_, after) = after.split_once("```").expect("its end");
        let (form, status) = kind.split_once(' ').expect("form and status");
        before(&served, block).await;
        let url = served.url("");
        let variables = [("TASKWATCH_URL", url.as_str()), ("NEXT_TOKEN", next.as_str())];
        let (came, text) = sent(&served, asked(block, &variables, dir.path())).await;
        assert_eq!(came.to_string(), status, "{block}: {text}");
        std::fs::write(dir.path().join("answer"), &text).expect("a file");
        let ran = shell(block, "cat answer", &variables, dir.path());
        assert!(ran.status.success(), "{block}: {}", String::from_utf8_lossy(&ran.stderr));
        let printed = String::from_utf8(ran.stdout).expect("a text");
        let answer = if form == "json" {
            let value: Value = serde_json::from_str(&printed).expect("JSON");
            next = value["nextToken"].as_str().map_or(next, str::to_owned);
            serde_json::to_string_pretty(&value).expect("JSON")
        } else {
            printed.trim_end().to_owned()
        };
        let mut answer = masked(&answer, &mut ids);
        if block.contains("/v1/runs\"") {
            // It may have been placed already when the answer was made.
            answer = answer.replace("STARTING", "QUEUED");
        }
        made += &format!("{prose}```sh\n{block}```\n\n```{kind}\n{answer}\n```");
        rest = after;
    }
    made + rest
}

#[tokio::test]
async fn the_documented_answers_are_those_that_come() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).expect(PAGE);
    let made = made(&page).await;
    assert!(made.matches("```sh\n").count() > 12);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &made).expect(PAGE);
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = made.lines().zip(kept.lines()).find(|(made, kept)| made != kept);
    assert!(kept == made, "{PAGE} is out of date: UPDATE_DOCS=1 cargo test api::documented: {differs:?}");
}

#[tokio::test]
async fn every_path_and_every_error_is_documented() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE)).expect(PAGE);
    let served = serve(World::new(), None).await;
    let (_, description) = served.get("/openapi.json").await;
    let mut missing = Vec::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys().filter(|method| *method != "parameters") {
            let named = format!("`{} {path}`", method.to_uppercase());
            missing.extend((!page.contains(&named)).then_some(named));
        }
    }
    let source = include_str!("../../../src/http/error.rs");
    let name = regex::Regex::new(r#"StatusCode::[A-Z_]+,\s+"([A-Za-z]+)""#).expect("a pattern");
    let names: Vec<&str> = name.captures_iter(source).map(|found| found.get(1).expect("a name").as_str()).collect();
    assert!(names.len() >= 10, "{names:?}");
    missing.extend(names.iter().filter(|name| !page.contains(&format!("| `{name}` |"))).map(|name| (*name).to_owned()));
    assert!(missing.is_empty(), "{PAGE} does not tell of {missing:?}");
}
