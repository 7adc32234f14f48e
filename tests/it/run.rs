//! `taskwatch run` against an endpoint of its own: what it makes in the account, how it ends, what it repeats, what killed runs leave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use taskwatch::aws::{Clients, EventsPath, Target};

use super::cli::{Killed, Local, stderr, stdout, taskwatch};

/// Calls that make, change or remove something other than tasks.
const MAKERS: [&str; 6] = ["CreateQueue", "DeleteQueue", "PutRule", "PutTargets", "DeleteRule", "CreateTopic"];

fn command(local: &Local, arguments: &[&str]) -> Command {
    let mut command = taskwatch();
    command.env("AWS_ENDPOINT_URL", &local.1).args(arguments).stdin(Stdio::null());
    command
}

/// `taskwatch run` of a task definition on Fargate.
fn run(local: &Local, more: &[&str]) -> Command {
    let mut command = command(local, &["run", "--cluster", "batch", "--task-definition", "etl"]);
    command.args(["--launch-type", "FARGATE", "--subnets", "subnet-0a"]).args(more);
    command
}

/// An endpoint that fails as a script of faults says.
fn scripted(script: &str) -> Local {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(script.as_bytes()).expect("written");
    Local::with(&["--script", file.path().to_str().expect("UTF-8")])
}

fn result(output: &Output) -> Value {
    serde_json::from_str(&stdout(output)).unwrap_or_else(|e| panic!("{e}: {}{}", stdout(output), stderr(output)))
}

/// How often each operation was called, by its name without the service.
fn calls(local: &Local) -> BTreeMap<String, u64> {
    let url = format!("{}/_taskwatch/calls", local.1);
    let answer: Value = serde_json::from_str(&get(&url)).expect("JSON");
    let all = answer.as_object().expect("an object").iter();
    let named = all.map(|(name, n)| (name.rsplit('.').next().unwrap_or_default().to_owned(), n.as_u64().unwrap_or(0)));
    named.collect()
}

fn get(url: &str) -> String {
    let answer = async { reqwest::get(url).await?.error_for_status()?.text().await };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(answer).unwrap_or_else(|e| panic!("{url}: {e}"))
}

#[test]
fn run_makes_nothing_in_the_account_and_follows_by_describe_tasks() {
    let local = Local::start();
    let waits = run(&local, &["--command", "sh", "-c", "exit 3"]).output().expect("run");
    assert_eq!(waits.status.code(), Some(3), "{}", stderr(&waits));
    let known = calls(&local);
    assert!(known.get("DescribeTasks").is_some_and(|n| *n > 0), "{known:?}");
    let leaves = run(&local, &["--no-wait"]).output().expect("run");
    assert_eq!(leaves.status.code(), Some(0), "{}", stderr(&leaves));
    let known = calls(&local);
    assert_eq!(MAKERS.map(|name| known.get(name)), [None; 6], "{known:?}");
    assert_eq!(stderr(&leaves).lines().filter(|line| line.contains("queue")).count(), 0, "{}", stderr(&leaves));
}

#[test]
fn run_with_events_makes_a_queue_and_a_rule_and_removes_them() {
    let local = Local::start();
    let output = run(&local, &["--events", "--command", "sh", "-c", "exit 3"]).output().expect("run");
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let known = calls(&local);
    assert_eq!(known.get("DescribeTasks"), None, "events tell: {known:?}");
    for name in ["CreateQueue", "PutRule", "PutTargets", "DeleteRule", "DeleteQueue"] {
        assert_eq!(known.get(name), Some(&1), "{name}: {known:?}");
    }
    for wrong in [
        &["--events", "--no-wait"][..],
        &["--events", "--events-queue", "http://x/1/q"],
        &["--events", "--server", "http://x"],
    ] {
        assert_eq!(run(&local, wrong).output().expect("run").status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn the_events_queue_of_a_cell_is_refused() {
    let local = Local::start();
    let set_up = command(&local, &["setup", "--cell", "blue", "--output", "json"]).output().expect("setup");
    let url = result(&set_up)["environment"]["TASKWATCH_EVENTS_QUEUE_URL"].as_str().expect("a URL").to_owned();
    let settings = [("TASKWATCH_EVENTS_QUEUE_URL", url.as_str()), ("TASKWATCH_CELL", "blue")];
    for settings in [&settings[..], &[]] {
        let mut refused = run(&local, &["--events-queue", &url]);
        let refused = refused.envs(settings.iter().copied()).output().expect("run");
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        let said = stderr(&refused);
        let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains("events queue of the cell blue"), "{said}");
    }
    // The cell's settings in the shell alone change nothing: its queue is not read.
    let mut own = run(&local, &["--command", "sh", "-c", "exit 0"]);
    let own = own.envs(settings).output().expect("run");
    assert_eq!(own.status.code(), Some(0), "{}", stderr(&own));
    assert_eq!(calls(&local).get("ReceiveMessage"), None);
}

/// A run that is at work, once it has said a line that begins so.
fn at_work(mut command: Command, begins: &str) -> (Killed, Vec<String>) {
    let mut child: Child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("run");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    let child = Killed(child);
    let mut said = Vec::new();
    while let Some(line) = lines.next() {
        let is_it = line.starts_with(begins);
        said.push(line);
        if is_it {
            std::thread::spawn(move || lines.for_each(drop));
            return (child, said);
        }
    }
    panic!("no line begins with {begins}: {said:?}");
}

/// What one way to run a task comes to.
struct Case<'c> {
    arguments: &'c [&'c str],
    code: i32,
    status: &'c str,
    error: Option<&'c str>,
    attempts: usize,
}

impl Case<'_> {
    fn hold(&self, local: &Local) {
        // A flag given twice is an error: what a case names stands for the usual one.
        let is_usual = |(flag, _): &&(&str, &str)| !self.arguments.contains(flag);
        let usual = [("--cluster", "batch"), ("--task-definition", "etl")];
        let usual = usual.iter().filter(is_usual).flat_map(|(flag, value)| [*flag, *value]);
        let mut command = command(local, &["run", "--subnets", "subnet-0a"]);
        let output = command.args(usual).args(self.arguments).output().expect("run");
        let (told, arguments) = (result(&output), self.arguments);
        assert_eq!(output.status.code(), Some(self.code), "{arguments:?}: {told:#}{}", stderr(&output));
        let ended = (told["status"].as_str(), told["error"].as_str());
        assert_eq!(ended, (Some(self.status), self.error), "{arguments:?}: {told:#}");
        let attempts = told["attempts"].as_array().map(Vec::len);
        assert_eq!(attempts, Some(self.attempts), "{arguments:?}: {told:#}");
        // The container's own code, wherever that is the command's.
        let own = self.error == Some("EssentialContainerExited");
        assert!(!own || told["exitCode"] == self.code, "{arguments:?}: {told:#}");
    }
}

/// All at the same time: some wait for retries.
fn all_hold(script: &str, cases: &[Case<'_>]) {
    let local = &scripted(script);
    std::thread::scope(|scope| cases.iter().for_each(|case| drop(scope.spawn(|| case.hold(local)))));
}

const FAULTS: &str = r#"fault = [
    { do = "image-missing", match = { family = "gone" } },
    { do = "stuck-pending", match = { family = "stuck" } },
    { do = "spot-interruption", seconds = 1, match = { family = "spot", attempt = 1 } }]"#;
const EXITS_3: [&str; 4] = ["--command", "sh", "-c", "exit 3"];

#[test]
fn exit_codes_tell_how_a_run_ended() {
    let exited = Some("EssentialContainerExited");
    let case = |arguments, code, status, error| Case { arguments, code, status, error, attempts: 1 };
    let stuck = &["--task-definition", "stuck", "--start-timeout", "2s", "--retries", "0"];
    let endless = &["--timeout", "2s", "--command", "sleep", "100000"];
    all_hold(
        FAULTS,
        &[
            case(&["--command", "sh", "-c", "exit 0"], 0, "SUCCEEDED", None),
            case(&EXITS_3, 3, "FAILED", exited),
            case(&["--command", "sh", "-c", "exit 255"], 255, "FAILED", exited),
            case(endless, 124, "TIMED_OUT", Some("Taskwatch.RunTimeout")),
            case(stuck, 124, "TIMED_OUT", Some("Taskwatch.StartTimeout")),
            case(&["--task-definition", "gone"], 125, "FAILED", Some("CannotPullContainerError")),
            case(&["--cluster", "nowhere"], 125, "FAILED", Some("ECS.ClusterNotFoundException")),
            case(&["--until", "running", "--command", "sh", "-c", "exit 3"], 0, "SUCCEEDED", None),
        ],
    );
}

#[test]
fn a_failed_program_is_run_again_only_where_it_is_asked_for() {
    let exited = Some("EssentialContainerExited");
    let case = |arguments, attempts| Case { arguments, code: 3, status: "FAILED", error: exited, attempts };
    let once = r#"[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}]"#;
    let by_retry = [&["--retry", once][..], &EXITS_3].concat();
    let by_retries = [&["--retries", "1"][..], &EXITS_3].concat();
    let gone = &["--task-definition", "gone", "--retries", "2"];
    let spot = &["--task-definition", "spot", "--capacity-provider-strategy", "capacityProvider=FARGATE_SPOT,weight=1"];
    all_hold(
        FAULTS,
        &[
            case(&EXITS_3, 1),
            case(&by_retry, 2),
            case(&by_retries, 2),
            // A missing image is permanent, and a Spot interruption is no end of the program's.
            Case { code: 125, error: Some("CannotPullContainerError"), ..case(gone, 1) },
            Case { code: 0, status: "SUCCEEDED", error: None, ..case(spot, 2) },
        ],
    );
}

#[test]
fn a_caller_who_may_not_describe_tasks_is_told_at_once_and_its_task_goes_on() {
    let script = "fault = [{ do = \"access-denied\", match = { operation = \"DescribeTasks\" } }]";
    let local = scripted(script);
    let output = run(&local, &["--command", "sleep", "100000"]).output().expect("run");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(
        errors.len() == 1 && errors[0].contains("allow ecs:DescribeTasks") && errors[0].contains(":task/batch/"),
        "{said}"
    );
    assert_eq!(calls(&local).get("StopTask"), None);
}

#[test]
fn both_signals_stop_the_task_and_are_the_exit_code() {
    let local = Local::start();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let (mut child, _) = at_work(run(&local, &["--command", "sleep", "100000"]), "RUNNING");
        let killed = Command::new("kill").args([signal, &child.0.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        let mut printed = String::new();
        std::io::Read::read_to_string(&mut child.0.stdout.take().expect("stdout"), &mut printed).expect("its result");
        let told: Value = serde_json::from_str(&printed).expect("JSON");
        assert_eq!(child.0.wait().expect("its end").code(), Some(code), "{signal}");
        assert_eq!((&told["status"], &told["final"]), (&"ABORTED".into(), &true.into()), "{told:#}");
    }
}

#[test]
fn what_killed_runs_left_is_named_and_removed_and_what_is_in_use_stays() {
    let local = Local::start();
    // As a killed run leaves it: nobody reads it.
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let killed = format!("run-{}", uuid::Uuid::new_v4().simple());
    let region = Some("us-east-1".to_owned());
    let target = Target { endpoint_url: Some(local.1.clone()), region, test_credentials: true, ..Target::default() };
    let made = async { EventsPath::make(&Clients::load(&target).await.expect("clients"), &killed).await };
    runtime.block_on(made).expect("an event pipeline");
    let (in_use, _) = at_work(run(&local, &["--events", "--command", "sleep", "100000"]), "RUNNING");
    let teardown =
        |more: &[&str]| command(&local, &[&["teardown", "--stale"], more].concat()).output().expect("teardown");

    let setup = command(&local, &["setup", "--cell", "blue"]).output().expect("setup");
    assert_eq!(setup.status.code(), Some(0), "{}", stderr(&setup));
    assert_eq!(stderr(&setup).lines().filter(|line| line.starts_with("left over    queue and rule run-")).count(), 2);
    assert!(stderr(&setup).contains("taskwatch teardown --stale"), "{}", stderr(&setup));

    let shown = teardown(&["--older-than", "0s"]);
    assert_eq!(shown.status.code(), Some(2), "{}", stderr(&shown));
    assert_eq!(stdout(&shown).matches("would remove queue and rule run-").count(), 2, "{}", stdout(&shown));
    assert!(stderr(&shown).contains("--yes"), "{}", stderr(&shown));
    assert_eq!(teardown(&["--older-than", "0s", "--dry-run"]).status.code(), Some(0));
    let young = teardown(&["--older-than", "1000h", "--yes"]);
    assert_eq!(stdout(&young).matches("it is young").count(), 2, "{}", stdout(&young));

    let gone = teardown(&["--older-than", "0s", "--yes"]);
    assert_eq!(gone.status.code(), Some(0), "{}", stderr(&gone));
    let said = stdout(&gone);
    assert!(said.contains(&format!("removed      queue and rule {killed}-events")), "{said}");
    assert_eq!((said.matches("removed").count(), said.matches("somebody reads its queue").count()), (1, 1), "{said}");
    let known = calls(&local);
    assert_eq!((known.get("DeleteQueue"), known.get("DeleteRule")), (Some(&1), Some(&1)), "{known:?}");
    drop(in_use);
    let none = command(&Local::start(), &["teardown", "--stale"]).output().expect("teardown");
    assert!(none.status.success() && stderr(&none).contains("no killed run has left"), "{}", stderr(&none));
}
