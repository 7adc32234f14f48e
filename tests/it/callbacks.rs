//! Callbacks over the wire: a workflow of MiniStack's Step Functions that waits for a run, as docs/migrate.md has it; and both
//! services as `taskwatch local` plays them.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::aws::EventsPath;
use taskwatch::cell::{Cell, CellConfig, Clock, Ids, Ports};
use taskwatch::store::MemoryStore;

use super::support::aws::Aws;
use super::support::emulator::{Emulator, clients_at};
use super::support::python;
use super::support::whole::{HANGS, Whole, endpoint};

const SCRIPT: &str =
    "[task]\nseconds = 5\n[[fault]]\ndo = \"exit-code\"\nexit_code = 3\n[fault.match]\nfamily = \"bad\"\n";

/// The machine of the document, with its queue, task definition and name of the run.
fn machine(queue: &str, task_definition: &str) -> Value {
    let page = include_str!("../../docs/migrate.md");
    let shown = page.split("```json file=callback.json\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut machine: Value = serde_json::from_str(shown.expect("callback.json")).expect("JSON");
    let parameters = &mut machine["States"]["Load"]["Parameters"];
    parameters["QueueUrl"] = queue.into();
    parameters["MessageBody"]["runTask"]["taskDefinition"] = task_definition.into();
    parameters["MessageBody"]["runTask"]["cluster"] = "default".into();
    parameters["MessageBody"]["retry"] = json!([]);
    machine
}

fn aws(mut command: Command, arguments: &[&str]) -> Value {
    let output = command.args(arguments).output().expect("the AWS CLI");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// How an execution of the machine ended.
async fn ended(endpoint: &str, name: &str, machine: &Value) -> Value {
    let states = |arguments: Vec<String>| {
        let command = python::aws(endpoint);
        async move {
            let run = move || {
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                aws(command, &arguments)
            };
            tokio::task::spawn_blocking(run).await.expect("the AWS CLI")
        }
    };
    let of = |words: &[&str]| ["stepfunctions"].iter().chain(words).map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let text = machine.to_string();
    let role = "arn:aws:iam::000000000000:role/x";
    let made = states(of(&["create-state-machine", "--name", name, "--definition", &text, "--role-arn", role])).await;
    let arn = made["stateMachineArn"].as_str().expect("an ARN").to_owned();
    let started = states(of(&["start-execution", "--state-machine-arn", &arn, "--name", name])).await;
    let execution = started["executionArn"].as_str().expect("an ARN").to_owned();
    let wait = async {
        loop {
            let now = states(of(&["describe-execution", "--execution-arn", &execution])).await;
            if now["status"] != "RUNNING" {
                return now;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(HANGS, wait).await.expect("an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_of_ministack_waits_for_a_run() {
    let ministack = Emulator::ministack();
    let theirs = clients_at(&ministack.endpoint()).await;
    let queue = Aws::new(&ministack.sdk()).queue("blue-requests").await;
    let (_local, ours) = endpoint(SCRIPT).await;
    let path = EventsPath::make(&ours, "w").await.expect("an events queue");
    let ports = Ports {
        ecs: Arc::new(ours.ecs()),
        events: Some(Arc::new(ours.queue(&path.queue_url))),
        requests: Some(Arc::new(theirs.queue(&queue))),
        requests_dlq: None,
        launchers: None,
        notifier: Arc::new(theirs.publisher()),
        store: Arc::new(MemoryStore::default()),
        clock: Clock::system(),
        ids: Ids::default(),
    };
    let cell = Cell::start(CellConfig::new("w"), ports).await.expect("a cell");
    let at = ministack.endpoint();
    let (well, badly) = (machine(&queue, "good"), machine(&queue, "bad"));
    let (good, bad) = tokio::join!(ended(&at, "good", &well), ended(&at, "bad", &badly));
    assert_eq!(good["status"], "SUCCEEDED", "{good}");
    let output: Value = serde_json::from_str(good["output"].as_str().expect("an output")).expect("JSON");
    assert_eq!(
        (&output["LastStatus"].is_string(), &output["Containers"][0]["ExitCode"]),
        (&true, &json!(0)),
        "{output}"
    );
    assert_eq!((&bad["status"], &bad["error"]), (&json!("FAILED"), &json!("EssentialContainerExited")), "{bad}");
    assert!(bad["cause"].as_str().is_some_and(|cause| cause.contains('3')), "{bad}");
    assert_eq!((cell.undelivered(), cell.delivery_failures()), (0, Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn both_services_are_answered_once_and_a_run_that_nobody_waits_for_is_stopped() {
    let whole = Whole::new(SCRIPT, async |_, _| {}).await;
    let request = |family: &str, notify: Value| {
        json!({"name": format!("{family}-{}", notify.as_object().map_or(0, serde_json::Map::len)), "until": "stopped", "retry": [], "notify": notify,
            "runTask": {"taskDefinition": family, "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}}})
    };
    let token = |service: &str, token: &str| {
        let came = whole.local.local.callbacks();
        came.as_array().into_iter().flatten().find(|c| c["service"] == service && c["token"] == token).cloned()
    };
    let good = whole.submit(request("good", json!({"taskToken": "t-good", "heartbeatSeconds": 1}))).await;
    let bad = whole.submit(request("bad", json!({"durableCallback": {"callbackId": "aB+/bad=="}}))).await;
    for run in good.iter().chain(&bad) {
        whole.end(run).await;
    }
    let closed = || {
        ["t-good", "aB+/bad=="]
            .iter()
            .all(|t| ["states", "lambda"].iter().any(|s| token(s, t).is_some_and(|came| came["status"] != "WAITING")))
    };
    let answered = async {
        while !closed() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(HANGS, answered).await.expect("both are answered");
    let answered = token("states", "t-good").expect("answered");
    assert_eq!(
        (&answered["status"], &answered["output"]["Containers"][0]["ExitCode"]),
        (&json!("SUCCEEDED"), &json!(0))
    );
    assert!(answered["heartbeats"].as_u64().is_some_and(|beats| beats >= 1), "{answered}");
    let failed = token("lambda", "aB+/bad==").expect("answered");
    assert_eq!((&failed["status"], &failed["error"]), (&json!("FAILED"), &json!("EssentialContainerExited")));
    // Its token has its answer already.
    let late = json!({"taskToken": "t-good", "heartbeatSeconds": 1, "stopOnTaskTimeout": true});
    let run = &whole.submit(request("slow", late)).await[0];
    let ended = whole.end(run).await;
    assert_eq!(ended.status, taskwatch::core::run::Status::Aborted);
    let why = ended.stop_asked.expect("a reason");
    assert!(why.contains("TaskTimedOut") && !why.contains("t-good"), "{why}");
    assert_eq!(whole.local.local.callbacks().as_array().map(Vec::len), Some(2), "no token is answered twice");
}
