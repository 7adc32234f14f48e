//! Documents that are made from the code, or whose examples must hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use taskwatch::core::explain::explain;
use taskwatch::core::failure::{self, Failure};
use taskwatch::core::request::{self, RunRequest};

const REASONS: &str = include_str!("../fixtures/stop_reasons.json");

/// Failures that are no text of ECS's.
fn own() -> Vec<(String, Failure)> {
    let arn = "arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";
    vec![
        ("(RUNNING was not reached within startTimeoutSeconds)".into(), failure::start_timeout(900)),
        ("(the run took longer than timeoutSeconds)".into(), failure::run_timeout(86_400)),
        (
            "(the attempt took longer than attemptTimeoutSeconds, and never ran)".into(),
            failure::attempt_timeout(60, false),
        ),
        ("(DescribeTasks has not known the task for 5 minutes after RunTask)".into(), failure::task_lost(arn, false)),
        ("(DescribeTasks no longer knows a task that ECS had told of)".into(), failure::task_lost(arn, true)),
        ("(somebody asked for it)".into(), failure::stop_asked("maintenance")),
        ("ThrottlingException: Rate exceeded".into(), failure::from_exception("ThrottlingException", "Rate exceeded")),
        (
            "AccessDeniedException: User is not authorized to perform: ecs:RunTask".into(),
            failure::from_exception("AccessDeniedException", "User is not authorized to perform: ecs:RunTask"),
        ),
    ]
}

/// What one known text means, by the same door that events and answers take.
fn judged(row: &Value) -> Option<(String, Failure)> {
    let text = |name: &str| row[name].as_str().unwrap_or_default();
    let (example, code) = (text("example"), text("stopCode").split('|').next().unwrap_or_default());
    let stopped = |reason: &str, container: Value| {
        let task = json!({"tasks": [{"taskArn": "arn:aws:ecs:x:1:task/c/1", "lastStatus": "STOPPED", "stopCode": code,
            "stoppedReason": reason, "containers": [container]}]});
        let told = explain(&task.to_string(), &[]).tasks.into_iter().next()?;
        Some(Failure {
            error: told.error?,
            class: told.class?,
            transience: told.transience?,
            cause: told.cause?,
            hint: told.hint?,
            names: told.names,
        })
    };
    let failure = match text("field") {
        "failures.reason" => failure::from_refusal(example, None),
        "exception" => failure::from_exception(example.split(':').next().unwrap_or_default(), example),
        "container.reason" => stopped("Task failed to start", json!({"name": "app", "reason": example}))?,
        _ => stopped(example, json!({"name": "app"}))?,
    };
    Some((example.to_owned(), failure))
}

fn cell(text: &str) -> String {
    let flat = text.replace('|', "\\|").replace('<', "&lt;").split_whitespace().collect::<Vec<_>>().join(" ");
    match flat.char_indices().nth(140) {
        Some((end, _)) => format!("{}…", &flat[..end]),
        None => flat,
    }
}

/// Error and text, to whether to try again and what to do.
type Rows = BTreeMap<(String, String), (String, String)>;

fn errors() -> String {
    let rows: Vec<Value> = serde_json::from_str(REASONS).expect("the table of reasons");
    let known = rows.iter().filter_map(judged).chain(own());
    let mut classes: BTreeMap<&str, Rows> = BTreeMap::new();
    for (example, failure) in known {
        let retry = failure.transience.as_str().trim_start_matches("Taskwatch.").to_owned();
        let row = classes.entry(failure.class.as_str()).or_default();
        row.insert((failure.error, cell(&example)), (retry, cell(&failure.hint)));
    }
    let mut page = String::from(INTRODUCTION);
    for (class, rows) in classes {
        let _ = write!(page, "\n## {class}\n\n| error | what ECS says | again? | what to do |\n|---|---|---|---|\n");
        for ((error, example), (retry, hint)) in rows {
            let _ = writeln!(page, "| `{error}` | {example} | {retry} | {hint} |");
        }
    }
    page
}

const INTRODUCTION: &str = "\
# Errors by name

This page is made from the table of reasons (`UPDATE_DOCS=1 cargo test docs::` writes it): do not edit it. `taskwatch explain` looks a text up.

A failed attempt has one `error`, the most specific name, and a list of names that `ErrorEquals` in `retry` can match. The names are ECS's own prefix, the stop code, the class
(`Taskwatch.Network`), and one that says whether another try can help: `Taskwatch.Transient` (yes), `Taskwatch.Elsewhere` (yes, and better with the next entry of `placements`; `Taskwatch.Transient`
matches it too), `Taskwatch.Permanent` (no), `Taskwatch.Application` (the program ended by itself: only who knows the program can tell). `States.TaskFailed` matches all failures but timeouts,
`States.Timeout` matches timeouts, `States.ALL` matches everything. A text that is not on this page is judged by its prefix, its stop code and its words.
";

#[test]
fn errors_md_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md");
    let page = errors();
    assert!(page.lines().filter(|line| line.starts_with("| `")).count() > 120, "most of the table is missing");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &page).expect("docs/errors.md");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == page, "docs/errors.md is out of date: UPDATE_DOCS=1 cargo test docs::");
}

/// The fenced JSON blocks of a page.
fn blocks(page: &str) -> Vec<&str> {
    page.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

#[test]
fn every_request_in_the_documents_is_a_run_request() {
    for (name, page, least) in [
        ("docs/requests.md", include_str!("../../docs/requests.md"), 5),
        ("README.md", include_str!("../../README.md"), 1),
    ] {
        let blocks = blocks(page);
        assert!(blocks.len() >= least, "{name} has {} requests", blocks.len());
        for block in blocks {
            let all = request::parse_many(block);
            let wrong: Vec<_> = all.iter().filter_map(|r| r.as_ref().err()).collect();
            assert!(wrong.is_empty(), "{name}: {wrong:?} in\n{block}");
        }
    }
}

#[test]
fn the_documented_request_has_every_member() {
    let page = include_str!("../../docs/requests.md");
    let full = RunRequest::parse(blocks(page)[0]).expect("the first request");
    for member in full.to_value().as_object().expect("an object").keys() {
        assert!(page.contains(&format!("| `{member}`")), "docs/requests.md does not explain {member}");
    }
}

/// The pages of `docs/` and what each says.
fn pages() -> Vec<(String, String)> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let paths = std::fs::read_dir(docs).expect("docs/").map(|entry| entry.expect("docs/").path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let named = |path: std::path::PathBuf| {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        (name, std::fs::read_to_string(path).expect("a page"))
    };
    pages.map(named).collect()
}

/// As GitHub makes them of headings.
fn anchors(page: &str) -> Vec<String> {
    let headings =
        page.lines().filter_map(|line| line.strip_prefix('#')).map(|rest| rest.trim_start_matches('#').trim());
    let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
    headings.map(|text| text.to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn the_readme_leads_to_every_page_and_no_link_leads_nowhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = include_str!("../../README.md");
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        let linked = readme.contains(&format!("](docs/{name})"));
        wrong.extend((!linked).then(|| format!("README.md does not lead to docs/{name}")));
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { name.clone() } else { file.to_owned() };
            match std::fs::read_to_string(root.join("docs").join(&target)) {
                Ok(text) if !anchor.is_empty() && !anchors(&text).iter().any(|a| a == anchor) => {
                    wrong.push(format!("docs/{name}: there is no #{anchor} in {target}"));
                }
                Ok(_) => {}
                Err(_) if root.join("docs").join(&target).is_file() => {}
                Err(_) => wrong.push(format!("docs/{name}: there is no {target}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Names of variables that a text speaks of.
fn variables(text: &str) -> Vec<String> {
    let name =
        |rest: &str| rest.split(|c: char| !(c.is_ascii_uppercase() || c == '_')).next().unwrap_or_default().to_owned();
    text.split("TASKWATCH_").skip(1).map(name).filter(|name| !name.is_empty() && !name.ends_with('_')).collect()
}

#[test]
fn every_variable_that_is_spoken_of_is_in_settings_md() {
    let page = include_str!("../../docs/settings.md");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts: Vec<(String, String)> = pages();
    let commands = std::fs::read_dir(root.join("src/cli")).expect("src/cli");
    let commands = commands.map(|entry| entry.expect("src/cli").path()).filter(|path| path.extension().is_some());
    for file in
        ["README.md", "infra/fleet.yaml", "infra/Dockerfile"].map(|file| root.join(file)).into_iter().chain(commands)
    {
        texts.push((file.display().to_string(), std::fs::read_to_string(&file).expect("a file")));
    }
    // Those of the tests are for who works on it: CONTRIBUTING.md.
    let of_tests = |name: &str| {
        [
            "SIM_",
            "KILL",
            "PYTHON",
            "CHECKOV",
            "COST_",
            "SHOW",
            "SHOTS",
            "BROWSER",
            "PROMTOOL",
            "SICK_",
            "FLEET_RUNS",
            "DEPLOY_",
            "DYNALITE",
        ]
        .iter()
        .any(|begin| name.starts_with(begin))
    };
    let mut unknown = Vec::new();
    for (file, text) in texts {
        let names = variables(&text).into_iter().filter(|name| !of_tests(name));
        unknown.extend(
            names.filter(|name| !page.contains(&format!("`TASKWATCH_{name}`"))).map(|name| format!("{file}: {name}")),
        );
    }
    assert!(unknown.is_empty(), "docs/settings.md does not tell of {unknown:?}");
}
