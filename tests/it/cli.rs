//! The real binary, as a user runs it.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

pub(crate) fn taskwatch() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taskwatch"));
    // Nothing of the machine's own settings may reach a test.
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs([("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test"), ("AWS_REGION", "us-east-1")]);
    command.envs([("AWS_EC2_METADATA_DISABLED", "true"), ("AWS_CONFIG_FILE", "/nowhere"), ("HOME", "/nowhere")]);
    command
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A process that ends with the test, however that ends.
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `taskwatch local` on a free port, killed at the end.
pub(crate) struct Local(#[expect(dead_code, reason = "it ends with this")] Killed, pub(crate) String);

impl Local {
    pub(crate) fn start() -> Self {
        Self::with(&[])
    }

    /// The same with further options.
    pub(crate) fn with(options: &[&str]) -> Self {
        let child = taskwatch()
            .args(["local", "--listen", "127.0.0.1:0", "--time-scale", "40", "--cluster", "batch"])
            .args(options)
            .stderr(Stdio::piped())
            .spawn()
            .expect("taskwatch local");
        let mut child = Killed(child);
        let mut line = String::new();
        let mut reader = BufReader::new(child.0.stderr.take().expect("stderr"));
        reader.read_line(&mut line).expect("a line");
        // Keeps the pipe open for as long as the endpoint may write to it.
        std::thread::spawn(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let url = line.trim().rsplit(' ').next().expect("a URL").to_owned();
        Self(child, url)
    }
}

const NETWORK: [&str; 4] = ["--launch-type", "FARGATE", "--subnets", "subnet-0a"];

/// A task that ends with 3, and has a secret in its environment.
fn ends_with_3(local: &Local) -> Command {
    let mut command = taskwatch();
    command.env("AWS_ENDPOINT_URL", &local.1).args(["run", "--cluster", "batch", "--task-definition", "app"]);
    command.args(NETWORK).args(["--until", "stopped", "--retries", "0", "--env", "SECRET=s3cr3t"]);
    command.args(["--env", "TASKWATCH_LOCAL_EXIT=3"]);
    command
}

#[test]
fn a_stderr_that_nobody_reads_ends_no_run() {
    let local = Local::start();
    let mut command = ends_with_3(&local);
    // Every line of the log meets the closed pipe.
    command.env("TASKWATCH_LOG", "debug").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("run");
    drop(child.stderr.take());
    assert_eq!(child.wait().expect("an end").code(), Some(3));
}

#[test]
fn no_log_has_values_of_the_environment() {
    let local = Local::start();
    for format in ["text", "json"] {
        let mut command = ends_with_3(&local);
        let output = command.env("TASKWATCH_LOG", "trace").env("TASKWATCH_LOG_FORMAT", format).output().expect("run");
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        assert!(stderr(&output).contains("DEBUG"), "the log is on");
        assert!(!stderr(&output).contains("s3cr3t") && !stdout(&output).contains("s3cr3t"), "{format}");
    }
}

#[test]
fn explain_tells_what_happened_and_what_to_do() {
    let file = "tests/fixtures/events/03-fargate-missing-secret-v7.json";
    let output = taskwatch().args(["explain", file, "--output", "json"]).output().expect("explain");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let tasks: Vec<Value> = serde_json::from_str(&stdout(&output)).expect("an array");
    assert_eq!(tasks[0]["class"], "Taskwatch.Secrets");
    assert_eq!(tasks[0]["error"], "ResourceInitializationError");
    let text = taskwatch().args(["explain", file]).output().expect("explain");
    assert!(stdout(&text).contains("ResourceInitializationError"), "{}", stdout(&text));
}

#[test]
fn explain_names_a_broken_line_and_explains_the_others() {
    let event = std::fs::read_to_string("tests/fixtures/events/03-fargate-missing-secret-v7.json").expect("an event");
    let event = serde_json::from_str::<Value>(&event).expect("JSON").to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("events.ndjson");
    std::fs::write(&file, format!("{event}\n{}\n{event}\n", &event[..100])).expect("a file");
    let found = 2;
    for format in ["text", "table", "json"] {
        let output = taskwatch().args(["explain", "--output", format]).arg(&file).output().expect("explain");
        assert_eq!(output.status.code(), Some(1), "{format}");
        assert!(stdout(&output).matches("ResourceInitializationError").count() >= found, "{format}");
        let said = stderr(&output);
        assert!(said.contains("events.ndjson, line 2, column ") && said.lines().count() == 1, "{format}: {said}");
        assert!(said.contains("not JSON: EOF while parsing"), "{said}");
        if format == "json" {
            assert_eq!(serde_json::from_str::<Vec<Value>>(&stdout(&output)).expect("one array").len(), found);
        }
    }
    std::fs::write(&file, "{rubbish\n".repeat(100)).expect("a file");
    let output = taskwatch().args(["explain", "--output", "json"]).arg(&file).output().expect("explain");
    assert_eq!((output.status.code(), stdout(&output).trim()), (Some(1), "[]"));
    assert!(stderr(&output).contains("and 80 more") && stderr(&output).lines().count() == 22, "{}", stderr(&output));
    // No lines of JSON: it is told of as a whole.
    std::fs::write(&file, "rubbish\n".repeat(100)).expect("a file");
    let output = taskwatch().args(["explain", "--output", "json"]).arg(&file).output().expect("explain");
    assert_eq!((output.status.code(), stdout(&output).trim()), (Some(1), "[]"));
    let said = stderr(&output);
    assert!(said.contains("it is a text, and no reason that is known") && said.lines().count() == 2, "{said}");
}

#[test]
fn a_variable_that_is_no_setting_gives_a_warning_and_refuses_nothing() {
    let run = |command: &[&str], variables: &[(&str, &str)]| {
        taskwatch().args(command).envs(variables.iter().copied()).output().expect("taskwatch")
    };
    let file = "tests/fixtures/events/03-fargate-missing-secret-v7.json";
    let typos = [("TASKWATCH_RUN_TASK_RATES", "5"), ("TASKWATCH_CELL", "blue"), ("TASKWATCH_KEPT", "")];
    let output = run(&["explain", file, "--output", "json"], &typos);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.starts_with("warning: TASKWATCH_RUN_TASK_RATES ") && said.lines().count() == 1, "{said}");
    assert!(said.ends_with("did you mean TASKWATCH_RUN_TASK_RATE?\n"), "{said}");
    // In a log of JSON it is a line of JSON.
    let output = run(&["serve"], &[("TASKWATCH_LOG_FORMAT", "json"), ("TASKWATCH_CEL", "blue")]);
    let said = stderr(&output);
    let first: Value =
        serde_json::from_str(said.lines().next().unwrap_or_default()).unwrap_or_else(|e| panic!("{e}: {said}"));
    assert_eq!((&first["level"], output.status.code()), (&"WARN".into(), Some(2)));
    assert!(first["fields"]["message"].as_str().is_some_and(|line| line.ends_with("TASKWATCH_CELL?")), "{first}");
}

#[test]
fn explain_lets_no_escape_sequence_reach_the_terminal() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("event.json");
    let event = std::fs::read_to_string("tests/fixtures/events/03-fargate-missing-secret-v7.json").expect("an event");
    let hostile =
        event.replacen("ResourceInitializationError:", "ResourceInitializationError: \\u001b[2J\\u0007\\u009b2J\\n", 1);
    assert_ne!(event, hostile);
    std::fs::write(&file, hostile).expect("a file");
    for format in ["text", "table", "json"] {
        let output = taskwatch().args(["explain", "--output", format]).arg(&file).output().expect("explain");
        let text = stdout(&output);
        assert!(text.contains("ResourceInitializationError"), "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{format}: {text:?}");
    }
}

#[test]
fn wrong_input_is_one_line_and_exit_code_2() {
    for (arguments, part) in [
        (&["explain", "/nowhere.json"][..], "/nowhere.json"),
        (
            &["run", "--dry-run", "--cli-input-json", "{\"taskDefinition\":\"x\",\"clustr\":\"c\"}"],
            "did you mean cluster",
        ),
        (&["run", "--dry-run"], "--task-definition"),
        (&["serve"], "TASKWATCH_CELL is not set"),
        (&["local", "--time-scale", "0"], "--time-scale 0"),
        (&["local", "--max-vcpus", "NaN"], "--max-vcpus NaN"),
        (&["local", "--quota", "fargate=1"], "there is no quota 'fargate'"),
    ] {
        let output = taskwatch().args(arguments).output().expect("taskwatch");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        let said = stderr(&output);
        assert!(
            said.starts_with("error: ") && said.contains(part) && said.lines().count() == 1,
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn a_dry_run_shows_the_state_machine_as_a_request() {
    let output = taskwatch().args(["run", "--dry-run", "examples/state-machine.json"]).output().expect("run");
    let request: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!((&request["until"], &request["timeoutSeconds"]), (&"stopped".into(), &3600.into()));
}

#[test]
fn a_refused_launch_is_told_by_the_exit_code_also_where_nobody_waits() {
    let local = Local::start();
    for (cluster, code) in [("batch", 0), ("nowhere", 125)] {
        let output = taskwatch()
            .env("AWS_ENDPOINT_URL", &local.1)
            .args(["run", "--cluster", cluster, "--task-definition", "etl", "--no-wait"])
            .args(NETWORK)
            .output()
            .expect("run");
        assert_eq!(output.status.code(), Some(code), "{cluster}: {}", stderr(&output));
    }
}

#[test]
fn an_interrupt_leaves_a_call_that_nobody_answers() {
    // It takes connections and never says a word.
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", deaf.local_addr().expect("its address"));
    let run = taskwatch()
        .env("AWS_ENDPOINT_URL_ECS", &endpoint)
        .args(["run", "--cluster", "batch", "--task-definition", "etl"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("run");
    let _call = deaf.accept().expect("its call");
    let killed = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = run.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    assert!(stderr(&output).contains("aws ecs list-tasks --started-by run-"), "{}", stderr(&output));
}

#[test]
fn the_demo_accounts_for_every_run() {
    let arguments = ["demo", "--runs", "60", "--time-scale", "60", "--output", "json"];
    let output = taskwatch().args(arguments).output().expect("demo");
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(output.status.code(), Some(0), "{report:#}\n{}", stderr(&output));
    assert_eq!((&report["accounted"], &report["distinctNotifications"]), (&true.into(), &60.into()));
    assert!(report["retries"].as_u64() > Some(0) && report["statuses"]["FAILED"].as_u64() > Some(0), "{report:#}");
}

#[test]
fn the_demo_shows_the_page_and_leaves_it_up_where_asked_to() {
    // The port that is wished for is taken: another one does.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let wished = taken.local_addr().expect("an address").to_string();
    let mut demo = taskwatch()
        .args(["demo", "--runs", "10", "--time-scale", "60", "--output", "json", "--stay"])
        .env("TASKWATCH_LISTEN", &wished)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("demo");
    let mut lines = BufReader::new(demo.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    let said = lines.next().expect("its first line");
    assert!(said.contains(&wished) && said.contains("in use"), "{said}");
    let shown = lines.next().expect("its second line");
    let shown = shown.strip_prefix("watch them at http://").expect("a URL").to_owned();
    let address = shown.trim_end_matches('/');
    assert_ne!(address, wished);
    assert!(lines.any(|line| line.contains(&format!("stays at http://{shown}"))), "it stays");
    let get = |path: &str| {
        let mut stream = std::net::TcpStream::connect(address).expect("a connection");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    };
    assert!(get("/").contains("<title>taskwatch</title>"));
    assert!(get("/v1/summary").contains("\"cell\":\"demo\""));
    let killed = Command::new("kill").args(["-INT", &demo.id().to_string()]).status().expect("kill");
    assert!(killed.success());
    let output = demo.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(report["accounted"], true, "{report:#}");
}

#[test]
fn completions_and_manual_pages_are_of_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = taskwatch().args(["completions", shell]).output().expect("completions");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains("redrive") && stdout(&output).contains("task-definition"), "{shell}");
    }
    let bash = stdout(&taskwatch().args(["completions", "bash"]).output().expect("completions"));
    let (_, list) =
        bash.split_once("taskwatch__subcmd__list)").or_else(|| bash.split_once("taskwatch__list)")).expect("list");
    let (_, status) = list.split_once("--status)").expect("its --status");
    let offered = status.lines().nth(1).expect("what is offered");
    assert!(offered.contains("-W \"QUEUED STARTING RUNNING"), "{offered}");
    let page = taskwatch().arg("man").output().expect("man");
    assert!(stdout(&page).contains(".TH") && stdout(&page).contains("redrive"), "{}", stdout(&page));
    let dir = tempfile::tempdir().expect("a folder");
    let output = taskwatch().args(["man", "--dir"]).arg(dir.path()).output().expect("man");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for page in ["taskwatch.1", "taskwatch-run.1", "taskwatch-pause.1"] {
        let text = std::fs::read_to_string(dir.path().join(page)).expect(page);
        assert!(!text.contains("EXTRA"), "{page}");
    }
    let run = std::fs::read_to_string(dir.path().join("taskwatch-run.1")).expect("a page");
    for section in [".SH \"EXIT STATUS\"\n.nf\n", ".SH EXAMPLES\n.nf\n"] {
        assert!(run.contains(section), "{section:?} is not in {run}");
    }
}
