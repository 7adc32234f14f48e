//! The lines of containers, from end to end: where they are, on demand, while a task runs, in notifications; and the report.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::ports::Queue as _;
use taskwatch::core::run::Run;
use taskwatch::front::{Front, LinesOf};

use super::cli::{Local, stderr, stdout, taskwatch};
use super::support::answers::{self, Answer};
use super::support::whole::Whole;

/// Tasks of `talks` write three lines and fail after so many seconds; those of `never` do not start.
pub(super) fn talks(seconds: u32) -> String {
    format!(
        r#"
[task]
seconds = {seconds}
[[fault]]
do = "exit-code"
exit_code = 3
log = ["loading 1", "loading 2", "no space left on device"]
match = {{ family = "talks" }}
[[fault]]
do = "eni-timeout"
seconds = 1
match = {{ family = "never" }}
"#
    )
}

pub(super) fn scripted(script: &str) -> Local {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(script.as_bytes()).expect("written");
    Local::with(&["--script", file.path().to_str().expect("UTF-8")])
}

fn command(local: &Local, arguments: &[&str]) -> Output {
    command_with(local, arguments, None)
}

/// With another endpoint for CloudTrail.
fn command_with(local: &Local, arguments: &[&str], cloudtrail: Option<&str>) -> Output {
    let mut command: Command = taskwatch();
    command.env("AWS_ENDPOINT_URL", &local.1).args(arguments).stdin(Stdio::null());
    command.envs(cloudtrail.map(|url| ("AWS_ENDPOINT_URL_CLOUDTRAIL", url)));
    command.output().expect("its end")
}

#[test]
fn run_shows_what_a_container_writes_and_names_where_it_is_and_explain_shows_it_again() {
    let local = scripted(&talks(3));
    let task =
        ["--cluster", "batch", "--task-definition", "talks", "--launch-type", "FARGATE", "--subnets", "subnet-0a"];
    let output = command(&local, &[&["run", "--follow", "--retries", "0"], &task[..]].concat());
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(3), "{said}");
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("| ")).collect();
    assert_eq!(lines, ["| loading 1", "| loading 2", "| no space left on device"], "{said}");
    let run: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let arn = run["attempts"][0]["taskArn"].as_str().expect("a task");
    let log = &run["attempts"][0]["log"];
    assert_eq!((&log["driver"], &log["group"]), (&json!("awslogs"), &json!("/ecs/talks")));
    assert_eq!(log["stream"], format!("ecs/talks/{}", arn.rsplit('/').next().unwrap_or_default()));
    assert!(said.contains(&format!("its log: taskwatch explain {arn} --logs")), "what is told works: {said}");
    let explained = command(&local, &["explain", arn, "--logs"]);
    assert!(stderr(&explained).contains("no space left on device"), "{}", stderr(&explained));
    assert!(stdout(&explained).contains("exited with 3"), "{}", stdout(&explained));
}

#[test]
fn report_counts_what_never_ran_without_a_cell_and_fails_where_that_is_too_much() {
    let local = scripted(&talks(3));
    let run = |family: &str| {
        let task =
            ["--cluster", "batch", "--task-definition", family, "--launch-type", "FARGATE", "--subnets", "subnet-0a"];
        command(&local, &[&["run", "--retry", "[]"], &task[..]].concat())
    };
    assert_eq!(run("talks").status.code(), Some(3));
    assert_eq!(run("never").status.code(), Some(125));
    let output = command(&local, &["report", "--cluster", "batch", "--since", "1h", "--output", "json"]);
    let report: Value = serde_json::from_str(&stdout(&output)).unwrap_or_else(|e| panic!("{e}: {}", stderr(&output)));
    assert_eq!((&report["stopped"], &report["neverStarted"]), (&json!(2), &json!(1)), "{report:#}");
    assert_eq!(report["failures"], json!({"exit code 3": 1}), "{report:#}");
    assert_eq!(report["bySubnet"][0]["neverRan"], 1, "{report:#}");
    assert_eq!(
        (&report["calls"], &report["asked"], &report["accepted"]),
        (&json!(2), &json!(2), &json!(2)),
        "{report:#}"
    );
    assert_eq!(report["sources"].as_array().map(Vec::len), Some(3), "{report:#}");
    for (most, code) in [("60%", 0), ("1%", 1)] {
        let output = command(&local, &["report", "--cluster", "batch", "--fail-over", most]);
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stdout(&output).contains("of 2 launches never ran a container") || code == 0, "{}", stdout(&output));
    }
    let markdown = command(&local, &["report", "--cluster", "batch", "--output", "markdown"]);
    assert!(stdout(&markdown).starts_with("### ECS launches of cluster `batch`"), "{}", stdout(&markdown));
    let unknown = command(&local, &["report", "--cluster", "btach", "--fail-over", "1%"]);
    assert_eq!(unknown.status.code(), Some(1), "a check of a cluster that is not there is none: {}", stdout(&unknown));
    assert!(stderr(&unknown).contains("there is no cluster \"btach\""), "{}", stderr(&unknown));
    let nowhere = command(&local, &["list", "--output", "markdown"]);
    assert_eq!(nowhere.status.code(), Some(2), "{}", stderr(&nowhere));
}

/// Waits until so many tasks are over, by the endpoint's ledger: no call of ECS is made.
async fn are_over(local: &Local, count: usize) {
    for _ in 0..600 {
        let ledger = reqwest::get(format!("{}/_taskwatch/tasks", local.1)).await.expect("an answer");
        let ledger: Value = ledger.json().await.expect("JSON");
        let over = |task: &&Value| task["status"] == "STOPPED";
        if ledger["tasks"].as_array().is_some_and(|tasks| tasks.iter().filter(over).count() >= count) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("the tasks go on");
}

/// A CloudTrail that refuses: the endpoint has faults of ECS and of logs alone.
fn no_lookups() -> String {
    let denied = "User: local is not authorized to perform: cloudtrail:LookupEvents";
    answers::serve(Answer::Aws("AccessDeniedException", "AccessDenied", denied))
}

/// Without one right the report counts what the others give, and names the right and who refused it.
#[tokio::test(flavor = "multi_thread")]
async fn report_names_the_right_that_is_missing_and_counts_the_rest() {
    for (operation, right, source, stopped, calls) in [
        ("ListTasks", "ecs:ListTasks", "from ECS", json!(1), json!(1)),
        ("DescribeTasks", "ecs:DescribeTasks", "from ECS", json!(1), json!(1)),
        ("FilterLogEvents", "logs:FilterLogEvents", "event capture", json!(1), json!(1)),
        ("LookupEvents", "cloudtrail:LookupEvents", "from CloudTrail", json!(1), Value::Null),
    ] {
        let denied = format!("[[fault]]\ndo = \"access-denied\"\nmatch = {{ operation = \"{operation}\" }}\n");
        let local = scripted(&format!("{}{denied}", talks(1)));
        let launch =
            ["run", "--no-wait", "--cluster", "batch", "--task-definition", "talks", "--launch-type", "FARGATE"];
        let launched = command(&local, &[&launch[..], &["--subnets", "subnet-0a"]].concat());
        assert_eq!(launched.status.code(), Some(0), "{operation}: {}", stderr(&launched));
        are_over(&local, 1).await;
        let cloudtrail = (operation == "LookupEvents").then(no_lookups);
        let told = |arguments: &[&str]| {
            command_with(&local, &[&["report", "--cluster", "batch"], arguments].concat(), cloudtrail.as_deref())
        };
        let output = told(&["--output", "json"]);
        assert_eq!(output.status.code(), Some(0), "{operation}: {}", stderr(&output));
        let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
        let sources = report["sources"].as_array().expect("sources");
        for of in sources {
            let (name, note) = (of["name"].as_str().expect("a name"), of["note"].as_str().unwrap_or_default());
            let is_it = name.ends_with(source);
            assert_eq!(note.contains("not read: allow"), is_it, "{operation}: {of}");
            // AWS's own words say who may not.
            assert!(!is_it || (note.contains(right) && note.contains("not authorized")), "{operation}: {of}");
        }
        assert_eq!((&report["stopped"], &report["calls"]), (&stopped, &calls), "{operation}: {report:#}");
        let text = stdout(&told(&[]));
        assert!(text.contains(right), "people see it too: {text}");
    }
    let denied = "[[fault]]\ndo = \"access-denied\"\nmatch = { operation = \"*\" }\n";
    let none = command_with(&scripted(denied), &["report", "--cluster", "batch"], Some(&no_lookups()));
    assert_eq!(none.status.code(), Some(1), "{}", stdout(&none));
    assert!(stderr(&none).contains("nothing can be read: not read: allow ecs:ListTasks"), "{}", stderr(&none));
}

async fn whole(script: &str) -> Whole {
    Whole::new(script, async |_, _| {}).await
}

async fn ended(whole: &Whole, request: Value) -> Run {
    let run = whole.submit(request).await.remove(0);
    whole.end(&run).await
}

fn request(name: &str, family: &str) -> Value {
    json!({"name": name, "runTask": {"taskDefinition": family, "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}, "until": "stopped", "retry": []})
}

/// The lines of a run's newest attempt, or why there are none.
async fn lines(whole: &Whole, run: &Run, container: Option<&str>) -> Result<Vec<String>, String> {
    let front = Front::from(whole.cell.clone()).with_logs(whole.logs.clone());
    let of = LinesOf { attempt: None, container: container.map(str::to_owned), lines: 50, token: None };
    let answer = front.lines(&run.name, &of).await.expect("an answer");
    let texts = answer.lines.map(|lines| lines.into_iter().map(|line| line.text).collect());
    texts.ok_or_else(|| answer.why.expect("why"))
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_come_late_behind_empty_pages_or_not_at_all_and_each_is_told() {
    let script = r#"
        [task]
        seconds = 1
        [[fault]]
        do = "work"
        log = ["first", "last"]
        [[fault]]
        do = "log-late"
        seconds = 60
        match = { family = "late" }
        [[fault]]
        do = "log-empty-pages"
        match = { family = "empty" }
        [[fault]]
        do = "eni-timeout"
        seconds = 1
        match = { family = "never" }
    "#;
    let whole = whole(script).await;
    for family in ["plain", "late", "empty"] {
        let run = ended(&whole, request(family, family)).await;
        assert_eq!(lines(&whole, &run, None).await, Ok(vec!["first".to_owned(), "last".to_owned()]), "{family}");
    }
    let never = ended(&whole, request("never", "never")).await;
    let why = lines(&whole, &never, None).await.expect_err("none");
    assert!(why.contains("the log stream is not there"), "{why}");
    let plain = whole.cell.find("plain").await.expect("readable").remove(0);
    let why = lines(&whole, &plain, Some("nobody")).await.expect_err("none");
    assert!(why.contains("no container \"nobody\", only plain"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_refused_or_throttled_says_so_and_harms_nothing() {
    for (fault, says) in [("access-denied", "grant logs:GetLogEvents"), ("throttle", "throttles")] {
        let script =
            format!("[task]\nseconds = 1\n[[fault]]\ndo = {fault:?}\nmatch = {{ operation = \"GetLogEvents\" }}\n");
        let whole = whole(&script).await;
        let run = ended(&whole, request("r", "app")).await;
        let why = lines(&whole, &run, None).await.expect_err("none");
        assert!(why.contains(says), "{why}");
        assert_eq!(run.attempts[0].exit_code, Some(0));
    }
}

/// On EC2 `awslogs` may have no prefix: the stream is then the container's id, and the group's other streams are not its own.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_prefix_nobody_sees_the_lines_of_another_task() {
    let script = r#"
        [task]
        seconds = 1
        [[fault]]
        do = "work"
        log = ["mine"]
        count = 1
        [[fault]]
        do = "work"
        log = ["theirs"]
    "#;
    let whole = whole(script).await;
    let definition = json!({"family": "bare", "containerDefinitions": [{"name": "app", "image": "a:1", "memory": 128,
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "shared"}}}]});
    let target = "AmazonEC2ContainerServiceV20141113.RegisterTaskDefinition";
    let call =
        reqwest::Client::new().post(whole.local.url()).header("x-amz-target", target).body(definition.to_string());
    assert!(call.send().await.expect("an answer").status().is_success());
    let request = |name: &str| json!({"name": name, "runTask": {"taskDefinition": "bare:1", "launchType": "EC2"}, "until": "stopped", "retry": []});
    let first = ended(&whole, request("first")).await;
    let second = ended(&whole, request("second")).await;
    let place = |run: &Run| run.attempts[0].log.clone().expect("a log");
    assert_ne!(place(&first).stream, place(&second).stream);
    assert_eq!(lines(&whole, &first, None).await, Ok(vec!["mine".to_owned()]));
    assert_eq!(lines(&whole, &second, None).await, Ok(vec!["theirs".to_owned()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_has_the_lines_it_asks_for_and_goes_without_them_where_they_do_not_come() {
    for (fault, expected) in [("", json!(["loading 2", "no space left on device"])), ("access-denied", Value::Null)] {
        let denied = format!("[[fault]]\ndo = \"{fault}\"\nmatch = {{ operation = \"GetLogEvents\" }}\n");
        let script = format!("{}{}", talks(3), if fault.is_empty() { "" } else { &denied });
        let mut told = None;
        let whole = Whole::new(&script, async |config, clients| {
            let (topic, queue) = clients.create_subscribed_topic("told").await.expect("a topic");
            config.destinations.topic = Some(topic);
            told = Some(clients.queue(&queue));
        })
        .await;
        let mut asked = request("nightly", "talks");
        asked["notify"] = json!({"logLines": 2});
        ended(&whole, asked).await;
        let queue = told.expect("a queue");
        let messages = queue.receive(Duration::from_secs(20)).await.expect("an answer");
        let body: Value = serde_json::from_str(&messages[0].body).expect("JSON");
        let message = match body["Message"].as_str() {
            Some(text) => serde_json::from_str(text).expect("JSON"),
            None => body,
        };
        let log = &message["detail"]["attempts"][0]["log"];
        assert_eq!((&log["lines"], log["why"].is_string()), (&expected, expected.is_null()), "{log:#}");
        assert_eq!(message["detail"]["hint"].as_str().map(|hint| hint.ends_with("taskwatch logs nightly")), Some(true));
    }
}
