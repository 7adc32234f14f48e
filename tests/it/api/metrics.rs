//! `/metrics` through Prometheus's own parser, the summary, and that no secret is in any answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};
use taskwatch::cell::ObservedFilter;
use taskwatch::fleet::Takeover;
use taskwatch::http::Emf;

use super::{Served, serve};
use crate::infra::{infra, names};
use crate::support::fakes::{World, eventually, request};
use crate::support::python;

/// Reads stdin as Prometheus would, strictly, and prints each family.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as strict
from prometheus_client.parser import text_string_to_metric_families as usual
text = sys.stdin.read()
families = list(strict(text))
assert {f.name for f in usual(text)} >= {f.name for f in families if f.type in ('gauge', 'histogram')}
print(json.dumps({f.name: {'type': f.type, 'help': f.documentation, 'unit': f.unit,
    'samples': [[s.name, s.labels, s.value] for s in f.samples]} for f in families}))
";

/// One run that failed after its task ran, one whose turn it is, and one that waits; a queue has a name that needs escaping.
async fn lived_in() -> Served {
    let mut world = World::new();
    world.config.run_task_burst = 1;
    world.config.run_task_rate = 0.01;
    let served = serve(world, None).await;
    for (name, queue) in [("a", "team \"a\"\\\n"), ("b", "b"), ("c", "b")] {
        let env =
            json!({"containerOverrides": [{"name": "app", "environment": [{"name": "KEY", "value": "hunter2"}]}]});
        let run_task = json!({"taskDefinition": "app:1", "overrides": env});
        let placement = json!({"overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "K", "value": "hunter2"}]}]}});
        let body =
            request(json!({"name": name, "queue": queue, "retry": [], "runTask": run_task, "placements": [placement]}));
        let (status, taken) = served.post("/v1/runs", "application/json", body.to_string()).await;
        assert_eq!(status, 202, "{taken}");
    }
    eventually("a task", || served.world.ecs.tasks().len() == 1).await;
    let task = served.world.ecs.tasks()[0].clone();
    let times = json!({"createdAt": "2027-01-15T08:00:00Z", "pullStartedAt": "2027-01-15T08:00:20Z",
        "pullStoppedAt": "2027-01-15T08:00:50Z", "startedAt": "2027-01-15T08:00:55Z"});
    served.world.event(&task, 5, "RUNNING", times);
    served.world.ended(&task, 3);
    eventually("an end", || served.cell.runs().iter().any(|run| run.status.is_final())).await;
    let of_others = json!({"taskArn": "arn:aws:ecs:eu-west-1:123456789012:task/batch/1", "group": "family:etl",
        "clusterArn": "arn:aws:ecs:eu-west-1:123456789012:cluster/batch", "startedBy": "events-rule/nightly", "version": 5,
        "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7", "lastStatus": "STOPPED",
        "desiredStatus": "STOPPED", "stopCode": "TaskFailedToStart", "stoppedReason": "CannotPullContainerError: not found",
        "containers": [{"name": "etl", "lastStatus": "STOPPED"}]});
    let event = json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": of_others});
    served.world.events.put(&event.to_string());
    let observed = || served.cell.observed(&ObservedFilter::default(), None, 10).items.len();
    eventually("a failure of others", || observed() == 1).await;
    served
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_metrics() {
    let served = lived_in().await;
    let response = served.client.get(served.url("/metrics")).send().await.expect("an answer");
    let kind = response.headers()["content-type"].to_str().expect("text").to_owned();
    assert_eq!(kind, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    let text = response.text().await.expect("text");
    let (sent, mut command) = (text.clone(), python::command());
    let parse = move || {
        let pipes = command.args(["-c", PARSE]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = pipes.spawn().expect("python");
        child.stdin.take().expect("stdin").write_all(sent.as_bytes()).expect("the metrics");
        child.wait_with_output().expect("its output")
    };
    let output = tokio::task::spawn_blocking(parse).await.expect("a task");
    assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
    let families: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let families = families.as_object().expect("an object");
    assert!(families.len() >= 25, "{}", families.len());
    for (name, family) in families {
        assert!(
            name.starts_with("taskwatch_") && family["help"].as_str().is_some_and(|help| help.len() > 10),
            "{name}"
        );
        let samples = family["samples"].as_array().expect("samples");
        assert!(!samples.is_empty() && samples.len() <= 100, "{name} has {} samples", samples.len());
        if family["type"] == "histogram" {
            assert_eq!(family["unit"], "seconds", "{name}");
        }
        for label in samples.iter().filter_map(|sample| sample[1].as_object()).flat_map(|labels| labels.keys()) {
            let bounded = ["status", "queue", "class", "phase", "kind", "le", "version", "cell", "launcher"];
            assert!(bounded.contains(&label.as_str()), "{name} has the label {label}");
        }
    }
    let value = |family: &str, sample: &str, label: &str, wanted: &str| {
        let samples = families[family]["samples"].as_array().expect("samples");
        let fits = |s: &&Value| s[0] == sample && (label.is_empty() || s[1][label] == wanted);
        samples.iter().find(fits).and_then(|s| s[2].as_f64()).unwrap_or_else(|| panic!("{sample} {label} {wanted}"))
    };
    assert_eq!(value("taskwatch_runs", "taskwatch_runs", "status", "FAILED"), 1.0);
    assert_eq!(value("taskwatch_waiting_runs", "taskwatch_waiting_runs", "queue", "b"), 2.0);
    let failed = "taskwatch_attempts_failed";
    assert_eq!(value(failed, "taskwatch_attempts_failed_total", "class", "Taskwatch.Application"), 1.0);
    // What has not happened yet is told as 0: a series that begins at 1 is no increase to an alert.
    assert_eq!(value(failed, "taskwatch_attempts_failed_total", "class", "Taskwatch.Image"), 0.0);
    assert_eq!(value("taskwatch_runs_ended", "taskwatch_runs_ended_total", "status", "TIMED_OUT"), 0.0);
    let phase = "taskwatch_start_phase_seconds";
    assert_eq!(value(phase, "taskwatch_start_phase_seconds_sum", "phase", "pull"), 30.0);
    assert_eq!(value("taskwatch_run_task_calls", "taskwatch_run_task_calls_total", "", ""), 1.0);
}

#[tokio::test]
async fn the_summary_tells_what_a_page_needs() {
    let served = lived_in().await;
    eventually("the minute's counts", || {
        served.cell.vitals().minutes.iter().any(|minute| minute.submitted == 3 && minute.events == 2)
    })
    .await;
    let mut summary = Value::Null;
    // It may be half a second old; and ready is who has received from each queue.
    while summary["counters"]["events"] != 2 || summary["minutes"][0]["events"] != 2 || summary["ready"] != true {
        let (status, answer) = served.get("/v1/summary").await;
        assert_eq!(status, 200);
        summary = answer;
    }
    assert_eq!((&summary["cell"], &summary["ready"], &summary["notReady"]), (&json!("c"), &json!(true), &json!([])));
    assert_eq!(summary["statuses"].as_object().map(serde_json::Map::len), Some(8), "every status is named");
    assert_eq!((&summary["statuses"]["FAILED"], &summary["statuses"]["QUEUED"]), (&json!(1), &json!(2)));
    assert_eq!((&summary["queues"]["b"], &summary["waiting"]), (&json!(2), &json!(2)), "{summary:#}");
    assert_eq!(summary["limits"]["runTaskRate"], 0.01);
    let minute = &summary["minutes"][0];
    assert_eq!((&minute["launched"], &minute["started"]), (&json!(1), &json!(1)), "{minute}");
    assert_eq!(minute["failures"], json!({"Taskwatch.Application": 1}));
    assert_eq!(minute["ended"], json!({"FAILED": 1}));
    let near = |phase: &str, seconds: f64| {
        let told = summary["phases"][phase]["p95"].as_f64().expect("a number");
        assert!((told - seconds).abs() <= seconds * 0.01, "{phase}: {told}");
    };
    near("provisioning", 20.0);
    near("pull", 30.0);
    near("start", 5.0);
}

#[tokio::test]
async fn no_answer_has_the_value_of_an_environment_variable() {
    let served = lived_in().await;
    let paths = ["/v1/runs", "/v1/runs/a", "/v1/runs/b", "/v1/summary", "/metrics", "/v1/limits", "/openapi.json"];
    for path in paths {
        let text = served.client.get(served.url(path)).send().await.expect("an answer").text().await.expect("text");
        assert!(!text.contains("hunter2"), "{path}: {text}");
    }
    let (_, shown) = served.get("/v1/runs/a").await;
    assert_eq!(
        shown["runTask"]["overrides"]["containerOverrides"][0]["environment"][0],
        json!({"name": "KEY", "value": "***"})
    );
    let wrong = json!({"name": "w", "runTask": {"taskDefinition": "a", "overrides": {"containerOverrides": [
        {"name": "app", "environment": [{"name": "KEY", "value": "hunter2", "valu": "hunter2"}]}]}}});
    let (status, refused) = served.post("/v1/runs", "application/json", wrong.to_string()).await;
    assert!(status == 400 && !refused.to_string().contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn cloudwatch_is_told_what_happened_since_the_last_line() {
    let served = lived_in().await;
    let mut emf = Emf::new(served.cell.clone());
    let line: Value = serde_json::from_str(&emf.line()).expect("JSON");
    let directive = &line["_aws"]["CloudWatchMetrics"][0];
    assert_eq!((&directive["Namespace"], &directive["Dimensions"]), (&json!("taskwatch"), &json!([["Cell"]])));
    assert!(line["_aws"]["Timestamp"].as_i64() >= Some(1_800_000_000_000));
    // Every metric that is named has its number, and CloudWatch takes 100 at most in a line.
    let metrics = directive["Metrics"].as_array().expect("metrics");
    assert!((10..=100).contains(&metrics.len()));
    for metric in metrics {
        assert!(line[metric["Name"].as_str().expect("a name")].is_number(), "{metric}");
    }
    assert_eq!((&line["Cell"], &line["Accepted"], &line["Failed"]), (&json!("c"), &json!(0), &json!(0)));
    served.post("/v1/runs", "application/json", request(json!({"name": "later"})).to_string()).await;
    // A task of another cell with this one's name.
    let now = served.cell.vitals().at.plus(std::time::Duration::from_secs(3600)).to_string();
    served.world.event("arn:foreign", 1, "PENDING", json!({"startedBy": "c/0d", "createdAt": now}));
    eventually("it was seen", || served.cell.counters().duplicate_cell_name.get() == 1).await;
    let line: Value = serde_json::from_str(&emf.line()).expect("JSON");
    assert_eq!(line["DuplicateCellNameEvents"], 1, "{line}");
    let units = emf_units(&line);
    assert_eq!(
        (units["DuplicateCellNameEvents"].as_str(), units["AgeOfOldestNotification"].as_str()),
        ("Count", "Seconds")
    );
    assert_eq!((&line["Accepted"], line["StartP50"].as_f64() > Some(50.0)), (&json!(1), true), "{line}");
}

/// The unit of each metric of a line.
fn emf_units(line: &Value) -> BTreeMap<String, String> {
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().expect("metrics");
    let text = |metric: &Value, name: &str| metric[name].as_str().expect("a text").to_owned();
    metrics.iter().map(|metric| (text(metric, "Name"), text(metric, "Unit"))).collect()
}

/// A metric costs by its dimensions: a fleet's cells have theirs together, and each line says of which cell it is.
#[tokio::test]
async fn in_a_fleet_cloudwatch_is_told_under_the_fleets_name() {
    let served = lived_in().await;
    let line = |emf: Emf| -> Value {
        let mut emf = emf;
        serde_json::from_str(&emf.line()).expect("JSON")
    };
    let alone = line(Emf::new(served.cell.clone()));
    assert!(alone["AttemptsFailedPermanent"].is_number() && alone["AttemptsFailedPlace"].is_number());
    let fleet = line(Emf::new(served.cell.clone()).of_fleet("azure", Some(Takeover::Died)));
    let told = |line: &Value| line["_aws"]["CloudWatchMetrics"][0].clone();
    assert_eq!((&told(&alone)["Dimensions"], &alone["Fleet"]), (&json!([["Cell"]]), &Value::Null));
    assert_eq!((&told(&fleet)["Dimensions"], &fleet["Fleet"]), (&json!([["Fleet"]]), &"azure".into()));
    assert_eq!(&fleet["Cell"], &alone["Cell"]);
    let of_fleet: Vec<String> = emf_units(&fleet).into_keys().filter(|name| alone[name].is_null()).collect();
    assert_eq!(of_fleet, ["HandedOver", "TakenFromDead"], "all that one alone has, and these");
}

/// A dashboard or an alarm about a metric that nobody sends shows green for ever.
#[tokio::test]
async fn every_metric_that_infra_names_is_one_that_the_cell_has() {
    let read = |name: &str| std::fs::read_to_string(infra(name)).expect("a file of infra/");
    let served = lived_in().await;
    let shown = read("dashboard.json") + &read("alerts.yaml");
    let named = names(&shown, "taskwatch_");
    assert!(named.len() > 15, "{named:?}");
    let of_fleet = super::fleet::of_two_processes().await.served;
    let response = of_fleet.client.get(of_fleet.url("/metrics")).send().await.expect("an answer");
    let known = names(&response.text().await.expect("text"), "# TYPE taskwatch_");
    // What the text format puts behind a family's name.
    let ends = ["", "_total", "_info", "_bucket", "_sum", "_count"];
    let has = |name: &str| ends.iter().any(|end| name.strip_suffix(end).is_some_and(|n| known.contains(n)));
    let unknown: Vec<_> = named.iter().filter(|name| !has(name)).collect();
    assert!(unknown.is_empty(), "no metrics: {unknown:?}");

    let fleet = read("fleet.yaml");
    let lines = fleet.lines().filter(|line| line.contains("Namespace: taskwatch"));
    let alarms = lines.map(|line| names(line, "MetricName: "));
    let alarms: BTreeSet<String> = alarms.filter_map(|all| all.into_iter().next()).collect();
    assert!(alarms.len() > 5, "{alarms:?}");
    let mut emf = Emf::new(served.cell.clone()).of_fleet("blue", None);
    let line: Value = serde_json::from_str(&emf.line()).expect("JSON");
    let unknown: Vec<_> = alarms.iter().filter(|name| !line[name.as_str()].is_number()).collect();
    assert!(unknown.is_empty(), "no metrics: {unknown:?}");
    // CloudWatch is paid by the metric and by the alarm.
    let cost = std::fs::read_to_string(infra("../docs/cost.md")).expect("docs/cost.md");
    let alarms = fleet.matches("Type: AWS::CloudWatch::Alarm").count();
    for row in [format!("| {} × $0.30 |", emf_units(&line).len()), format!("| {alarms} × $0.10 |")] {
        assert!(cost.contains(&row), "docs/cost.md does not say {row}");
    }
}
