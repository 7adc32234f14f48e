//! Our events against the recorded ones, field for field, both ways.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::support::{Bench, bench, fargate, merged};

/// Every path in the value, with its JSON type.
fn shape(value: &Value, path: &str, out: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(k, v)| shape(v, &format!("{path}.{k}"), out)),
        Value::Array(items) => items.iter().for_each(|v| shape(v, &format!("{path}[]"), out)),
        Value::String(_) => drop(out.insert(format!("{path}:string"))),
        Value::Number(_) => drop(out.insert(format!("{path}:number"))),
        Value::Bool(_) => drop(out.insert(format!("{path}:bool"))),
        Value::Null => drop(out.insert(format!("{path}:null"))),
    }
}

#[tokio::test(start_paused = true)]
async fn events_have_the_recorded_fields_and_types() {
    let recorded: Value = serde_json::from_str(include_str!("recorded.json")).unwrap();
    let bench = bench("");
    bench.run(merged(fargate("etl"), &json!({"enableExecuteCommand": true}))).await;
    bench.pass(200).await;
    for (status, sample) in [("PENDING", &recorded["pending"]), ("STOPPED", &recorded["stopped"])] {
        let event = bench.events().into_iter().find(|e| e["detail"]["lastStatus"] == status).unwrap();
        let (mut real, mut ours) = (BTreeSet::new(), BTreeSet::new());
        shape(sample, "", &mut real);
        shape(&event, "", &mut ours);
        let lacking: Vec<_> = real.difference(&ours).collect();
        assert!(lacking.is_empty(), "{status} lacks {lacking:?}");
        // What ours has beyond: only the caller's own mark, and the connection that a real PENDING may also have.
        let more: Vec<_> =
            ours.difference(&real).filter(|p| !p.contains("startedBy") && !p.contains("connectivity")).collect();
        assert!(more.iter().all(|p| p.contains("pullSt")), "{status} has {more:?}");
        assert_eq!(event["time"].as_str().unwrap().len(), "2025-02-13T13:28:43Z".len());
    }
}

/// Every recorded task event, of every launch type and age.
fn recorded() -> Vec<(String, Value)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/events");
    let mut events = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let event: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if event["detail-type"] == "ECS Task State Change" {
            events.push((path.file_name().unwrap().to_string_lossy().into_owned(), event));
        }
    }
    assert!(events.len() > 20, "{} events", events.len());
    events
}

/// Where a task runs: what decides which fields its events have.
fn kind(event: &Value) -> &'static str {
    let detail = &event["detail"];
    match (detail["launchType"].as_str(), detail["capacityProviderName"].as_str()) {
        (Some("FARGATE"), Some("FARGATE_SPOT")) => "Fargate Spot",
        (Some("FARGATE"), Some(_)) => "Fargate by provider",
        (Some("FARGATE"), None) => "Fargate",
        (_, Some(_)) => "EC2 by provider",
        (_, None) => "EC2",
    }
}

/// Kind, `lastStatus`, and whether it never started.
fn sort(event: &Value) -> (&'static str, String, bool) {
    let detail = &event["detail"];
    let status = detail["lastStatus"].as_str().unwrap().to_owned();
    (kind(event), status, detail["stopCode"] == "TaskFailedToStart")
}

/// Tasks of every kind, with all that makes a field appear, that end in several ways.
async fn fleet() -> Bench {
    let script = "[[fault]]\ndo = \"missing-secret\"\n[fault.match]\nfamily = \"pull\"\n\
                  [[fault]]\ndo = \"spot-interruption\"\n[fault.match]\nfamily = \"spot\"\n\
                  [[fault]]\ndo = \"cannot-start\"\n[fault.match]\nfamily = \"start\"\n\
                  [[fault]]\ndo = \"out-of-memory\"\n[fault.match]\nfamily = \"oom\"\n";
    let bench = bench(script);
    for family in ["well", "pull", "start", "spot", "oom"] {
        let container = json!({"name": "app", "image": "app:1", "memory": 256, "memoryReservation": 128,
            "portMappings": [{"containerPort": 80}]});
        let helper = json!({"name": "helper", "image": "helper:1", "essential": false, "command": ["sleep", "5"]});
        for mode in ["awsvpc", "bridge"] {
            let name = format!("{family}-{mode}");
            bench
                .ok("RegisterTaskDefinition", json!({"family": if mode == "awsvpc" { family } else { &name },
                    "networkMode": mode, "cpu": "256", "memory": "512", "containerDefinitions": [container, helper],
                    "runtimePlatform": {"operatingSystemFamily": if family == "oom" { "WINDOWS_SERVER_2019_CORE" } else { "LINUX" }}}))
                .await;
        }
        let override_ = json!({"startedBy": "x", "enableExecuteCommand": true, "overrides": {"containerOverrides":
            [{"name": "app", "command": ["sleep", "20"], "environment": [{"name": "A", "value": "b"}]}], "cpu": "256", "memory": "512"}});
        let on =
            |provider: &str| json!({"launchType": null, "capacityProviderStrategy": [{"capacityProvider": provider}]});
        for more in [json!({}), on("FARGATE"), on("FARGATE_SPOT"), on("asg")] {
            bench.run(merged(merged(fargate(family), &override_), &more)).await;
        }
        let bridge = merged(json!({"taskDefinition": format!("{family}-bridge")}), &override_);
        bench.run(merged(bridge.clone(), &json!({"launchType": "EC2"}))).await;
        bench.run(merged(bridge, &on("asg"))).await;
    }
    bench.pass(1000).await;
    bench
}

/// Fields of recorded events that are not ours to have: file, path, why.
const NOT_OURS: [(&str, &str, &str); 5] = [
    ("21-", ".event_time", "its author's name for `time`"),
    ("23-", ".event_time", "its author's name for `time`"),
    ("11-", ".detail.containerInstanceArn", "Fargate showed its instances in 2018, and never since"),
    ("03-", ".detail.startedAt", "its author made it from an event of a task that had started"),
    ("03-", ".detail.containers[].runtimeId", "its author made it from an event of a task that had started"),
];

#[tokio::test(start_paused = true)]
async fn every_field_of_a_recorded_event_is_in_ours_of_the_same_kind_and_status() {
    let ours = fleet().await.events();
    let mut lacking = Vec::new();
    for (file, event) in recorded() {
        let mut real = BTreeSet::new();
        shape(&event, "", &mut real);
        let mut had = BTreeSet::new();
        ours.iter().filter(|own| sort(own) == sort(&event)).for_each(|own| shape(own, "", &mut had));
        let lack: Vec<_> = real
            .difference(&had)
            .filter(|path| !NOT_OURS.iter().any(|(of, known, _)| file.starts_with(of) && path.starts_with(known)))
            .cloned()
            .collect();
        if !lack.is_empty() {
            lacking.push((file, sort(&event), lack));
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

#[tokio::test(start_paused = true)]
async fn no_event_has_a_field_or_type_that_no_recorded_one_has() {
    let mut known = BTreeSet::new();
    recorded().iter().for_each(|(_, event)| shape(event, "", &mut known));
    let events = fleet().await.events();
    assert!(events.len() > 60, "{} events", events.len());
    let mut unknown = BTreeSet::new();
    for event in &events {
        let mut ours = BTreeSet::new();
        shape(event, "", &mut ours);
        unknown.extend(ours.difference(&known).map(|path| format!("{path} in {}", event["detail"]["lastStatus"])));
    }
    // Documented (API reference, Container.reason), and in none of the recorded events.
    unknown.retain(|path| !path.starts_with(".detail.containers[].reason:string"));
    assert!(unknown.is_empty(), "{unknown:#?}");
}
