//! What an operator sees of a run's life: its trace at a collector, and its lines in a JSON log.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use serde_json::{Value, json};

use super::cli::{Killed, Local, stderr, taskwatch};
use super::support::said::Said;
use super::support::whole::HANGS;

pub(crate) type Taken = Arc<Mutex<Vec<Value>>>;

/// A collector on loopback: its URL, and the spans that it took.
pub(crate) async fn collector() -> (String, Taken) {
    async fn take(State(taken): State<Taken>, headers: HeaderMap, axum::Json(body): axum::Json<Value>) {
        assert!(headers["content-type"] == "application/json" && headers["api-key"] == "secret", "{headers:?}");
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().cloned().expect("spans");
        taken.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
    }
    let taken = Taken::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let app = Router::new().route("/v1/traces", post(take)).with_state(Arc::clone(&taken));
    tokio::spawn(async { axum::serve(listener, app).await });
    (url, taken)
}

fn attribute(span: &Value, key: &str) -> Value {
    let all = span["attributes"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().find(|pair| pair["key"] == key).map_or(Value::Null, |pair| pair["value"].clone())
}

/// `taskwatch serve` with a JSON log, on its own path in `local`.
fn serve(local: &Local, collector: &str, listen: &str) -> Command {
    let prepare = taskwatch()
        .args(["setup", "--cell", "traced", "--output", "json"])
        .env("AWS_ENDPOINT_URL", &local.1)
        .output()
        .expect("setup");
    let made: Value = serde_json::from_slice(&prepare.stdout).unwrap_or_else(|e| panic!("{e}: {}", stderr(&prepare)));
    let mut command = taskwatch();
    for (name, value) in made["environment"].as_object().expect("the environment") {
        command.env(name, value.as_str().expect("a text"));
    }
    command.arg("serve").env("AWS_ENDPOINT_URL", &local.1).env("TASKWATCH_STORE", "memory:");
    command.envs([
        ("TASKWATCH_LISTEN", listen),
        ("TASKWATCH_LOG_FORMAT", "json"),
        ("TASKWATCH_LOG", "taskwatch=debug"),
    ]);
    command.envs([("OTEL_EXPORTER_OTLP_ENDPOINT", collector), ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=secret")]);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_traced_by_its_id_and_logged_with_its_task() {
    let (local, (url, taken)) = (Local::start(), collector().await);
    let listen = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").to_string();
    let mut cell = Killed(serve(&local, &url, &listen).spawn().expect("serve"));
    let said = Said::by(cell.0.stderr.take().expect("stderr"));
    said.line_with("\"serving\"").await;
    let server = format!("http://{listen}");
    let request = json!({"name": "nightly", "until": "stopped",
        "retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 1}],
        "runTask": {"taskDefinition": "etl", "overrides": {"containerOverrides": [{"name": "etl", "command": ["exit", "3"]}]}}});
    let ran = tokio::task::spawn_blocking(move || {
        let mut run = taskwatch();
        run.args(["run", "-", "--server", &server]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut run = run.spawn().expect("run");
        run.stdin.take().expect("stdin").write_all(request.to_string().as_bytes()).expect("sent");
        run.wait_with_output().expect("its end")
    });
    let ran = tokio::time::timeout(HANGS, ran).await.expect("it ends").expect("the run");
    assert_eq!(ran.status.code(), Some(3), "{}", stderr(&ran));
    let run: Value = serde_json::from_slice(&ran.stdout).expect("JSON");

    // Its end sends what is left.
    assert!(Command::new("kill").arg(cell.0.id().to_string()).status().expect("kill").success());
    let log = said.all().await.join("\n");
    assert!(tokio::task::spawn_blocking(move || cell.0.wait()).await.expect("its end").expect("its end").success());

    let spans = taken.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let trace = run["run"].as_str().expect("an id").replace('-', "");
    assert!(!spans.is_empty() && spans.iter().all(|span| span["traceId"] == trace), "{spans:#?}");
    let named = |name: &str| spans.iter().filter(|span| span["name"] == name).collect::<Vec<_>>();
    assert_eq!((named("run").len(), named("attempt").len()), (1, 2));
    for (span, attempt) in named("attempt").iter().zip(run["attempts"].as_array().expect("attempts")) {
        assert_eq!(attribute(span, "aws.ecs.task.arn")["stringValue"], attempt["taskArn"]);
        assert_eq!(attribute(span, "taskwatch.exit_code")["intValue"], "3");
    }

    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let of_run = |line: &&Value| line["fields"]["run"] == run["run"];
    let said = |message: &str| lines.iter().filter(of_run).find(|line| line["fields"]["message"] == message).cloned();
    for (message, attempt) in [("an attempt failed", 0), ("a run ended", 1)] {
        let fields = said(message).unwrap_or_else(|| panic!("no line {message:?} in {log}"))["fields"].clone();
        assert_eq!((&fields["name"], &fields["attempt"]), (&json!("nightly"), &json!(attempt + 1)));
        assert_eq!(fields["task_arn"], run["attempts"][attempt]["taskArn"]);
    }
    assert!(said("a run changed").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_of_a_url_is_logged_or_shown() {
    let local = Local::start();
    // Of ports that are given out another test may have it by then.
    let closed = "127.0.0.1:1";
    let mut command = serve(&local, &format!("http://me:s3cr3t@{closed}?key=s3cr3t"), "127.0.0.1:0");
    let mut cell = Killed(command.spawn().expect("serve"));
    let said = Said::by(cell.0.stderr.take().expect("stderr"));
    let serving: Value = serde_json::from_str(&said.line_with("\"serving\"").await).expect("JSON");
    let address = serving["fields"]["address"].as_str().expect("an address").to_owned();
    let asked = async |url: String, arguments: &[&str]| {
        let mut command = taskwatch();
        command.args(arguments).args(["--server", &url]);
        tokio::task::spawn_blocking(move || command.output().expect("a command")).await.expect("its end")
    };
    let etl = ["run", "--task-definition", "etl", "--until", "stopped", "--env", "TASKWATCH_LOCAL_EXIT=0"];
    let ran = asked(format!("http://me:s3cr3t@{address}"), &etl).await;
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let told = said.line_with("traces are not taken").await;
    assert!(told.contains(&format!("http://***@{closed}")), "{told}");
    let nobody = asked(format!("http://me:s3cr3t@{closed}/?token=s3cr3t"), &["list"]).await;
    assert!(
        stderr(&nobody).contains(&format!("http://***@{closed}/?token=***: cannot connect")),
        "{}",
        stderr(&nobody)
    );
    let wrong = asked(format!("ftp://me:s3cr3t@{closed}"), &["show", "x"]).await;
    assert!(stderr(&wrong).contains(&format!("\"ftp://***@{closed}\"")), "{}", stderr(&wrong));
    drop(cell);
    let all = [said.all().await.join("\n"), stderr(&ran), stderr(&nobody), stderr(&wrong)].concat();
    assert!(!all.contains("s3cr3t"), "{all}");
}
