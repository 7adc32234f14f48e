//! Two signals that are one wish: `timeout 3 taskwatch …` signals the process and its group.

use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

use super::super::cli::{Local, stdout, taskwatch};
use super::super::support::said::Said;
use super::super::support::site::Site;

/// Begins it, and sends it SIGTERM twice as soon as it says this; what it had to say.
async fn twice(mut command: Command, says: &str) -> (Child, Said) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("taskwatch");
    let said = Said::by(child.stderr.take().expect("stderr"));
    said.line_with(says).await;
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
    let again = Command::new("kill").args(["-TERM", &pid]).status().expect("kill");
    assert!(sent.success() && again.success(), "it ended at the first one, without its leave");
    (child, said)
}

async fn end(mut child: Child, said: &Said) -> ExitStatus {
    said.all().await;
    child.wait().expect("its end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_stops_its_task_though_the_signal_comes_twice() {
    let local = Local::start();
    let mut command = taskwatch();
    command.env("AWS_ENDPOINT_URL", &local.1).args(["run"]).args(super::TASK).args(["--until", "stopped"]);
    command.args(["--command", "sleep", "100000"]);
    let (child, said) = twice(command, "RUNNING").await;
    let lines = said.all().await;
    let output = child.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(143), "{lines:#?}");
    let result: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    assert_eq!(result["status"], "ABORTED");
    assert_eq!(lines.iter().filter(|line| line.contains("stopping what was launched")).count(), 1, "{lines:#?}");
}

/// It takes connections and never says a word.
#[test]
fn a_cell_that_never_answers_can_be_left() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", deaf.local_addr().expect("its address"));
    let mut run = taskwatch();
    run.args(["run", "--server", &url, "--task-definition", "etl"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let run = run.spawn().expect("run");
    let _asked = deaf.accept().expect("its call");
    let sent = Command::new("kill").args(["-TERM", &run.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let output = run.wait_with_output().expect("its end");
    assert_eq!(output.status.code(), Some(143), "{}", super::stderr(&output));
    assert!(super::stderr(&output).contains("it may have taken the request"), "{}", super::stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cell_drains_though_the_signal_comes_twice() {
    let site = Site::new("signals").await;
    let mut serving = site.serve(&[]);
    serving.is_ready().await;
    serving.terminate();
    serving.terminate();
    assert_eq!(serving.end().await.code(), Some(0));
    assert!(serving.log().iter().any(|line| line.contains("ended")), "{:#?}", serving.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_end_in_order_though_the_signal_comes_twice() {
    let mut local = taskwatch();
    local.args(["local", "--listen", "127.0.0.1:0"]);
    let (child, said) = twice(local, "listens on").await;
    assert_eq!(end(child, &said).await.code(), Some(0));
    let mut demo = taskwatch();
    demo.args(["demo", "--runs", "5", "--time-scale", "60", "--stay"]).env("TASKWATCH_LISTEN", "127.0.0.1:0");
    let (child, said) = twice(demo, "stays at").await;
    assert_eq!(end(child, &said).await.code(), Some(0));
}
