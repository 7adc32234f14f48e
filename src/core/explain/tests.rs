//! Table tests of what `explain` finds and says.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;

use super::*;

fn statuses(text: &str) -> Vec<(&'static str, Option<Class>)> {
    explain(text, &[]).unwrap().tasks.iter().map(|e| (e.status, e.class)).collect()
}

#[test]
fn answers_of_the_api_are_explained() {
    let task = json!({"taskArn": "arn:t", "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
        "stoppedReason": "CannotPullContainerError: manifest unknown", "containers": [], "createdAt": 1_739_458_104.123});
    let answer = json!({"tasks": [task], "failures": [{"arn": null, "reason": "RESOURCE:MEMORY"}]});
    let expected = [("FAILED", Some(Class::Image)), ("FAILED", Some(Class::Capacity))];
    assert_eq!(statuses(&answer.to_string()), expected);
    // Step Functions: PascalCase, the task as a string in Cause.
    let pascal = json!({"TaskArn": "arn:t", "LastStatus": "STOPPED", "StopCode": "EssentialContainerExited",
        "StoppedReason": "Essential container in task exited", "Containers": [{"Name": "a", "ExitCode": 2}]});
    let cause = json!({"Error": "States.TaskFailed", "Cause": pascal.to_string()});
    assert_eq!(statuses(&cause.to_string()), [("FAILED", Some(Class::Application))]);
    let received = json!({"Messages": [{"Body": answer.to_string()}]});
    assert_eq!(statuses(&received.to_string()), expected);
}

#[test]
fn many_documents_are_explained_in_order_and_others_counted() {
    let running = json!({"taskArn": "a", "lastStatus": "RUNNING"});
    let other = json!({"source": "aws.ecs", "detail-type": "ECS Service Action", "detail": {}});
    let explained = explain(&format!("{running}\n{other}\n[{running}]"), &[]).unwrap();
    assert_eq!((explained.tasks.len(), explained.skipped), (2, 1));
    assert!(explain("{", &[]).is_err());
    assert_eq!(explain("", &[]).unwrap(), Explained::default());
}

#[test]
fn the_keys_are_the_contracts() {
    let explained = explain(r#"{"taskArn":"a","lastStatus":"RUNNING"}"#, &[]).unwrap();
    let value = serde_json::to_value(&explained.tasks[0]).unwrap();
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, ["cause", "class", "error", "hint", "names", "status", "taskArn", "transience"]);
    assert!(value["error"].is_null());
}

#[test]
fn documents_of_every_kind_are_explained() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/documents.json")).unwrap();
    let mut wrong = Vec::new();
    for case in &cases {
        // Texts are many documents, one after the other.
        let text = case["document"].as_str().map_or_else(|| case["document"].to_string(), str::to_owned);
        let expected: Vec<&str> = case["expected"].as_array().unwrap().iter().map(|e| e.as_str().unwrap()).collect();
        let class = |e: &Explanation| e.class.map_or("-", |c| c.as_str().trim_start_matches("Taskwatch."));
        let tasks = explain(&text, &[]).unwrap().tasks;
        let found: Vec<String> = tasks.iter().map(|e| format!("{} {}", e.status, class(e))).collect();
        if found != expected {
            wrong.push(format!("{}: {found:?}, not {expected:?}", case["name"]));
        }
    }
    assert!(wrong.is_empty() && cases.len() > 100, "{wrong:#?}");
}

#[test]
fn no_damage_to_a_document_panics() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/documents.json")).unwrap();
    let mut random = SmallRng::seed_from_u64(11);
    for case in &cases {
        let text = case["document"].to_string();
        for _ in 0..40 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..random.random_range(1..8) {
                let at = random.random_range(0..bytes.len());
                match random.random_range(0..3) {
                    0 => bytes[at] = random.random_range(32..127),
                    1 => drop(bytes.remove(at)),
                    _ => bytes.truncate(at.max(1)),
                }
                if bytes.len() < 2 {
                    break;
                }
            }
            let damaged = String::from_utf8_lossy(&bytes);
            for told in explain(&damaged, &[]).map(|e| e.tasks).unwrap_or_default() {
                assert_eq!(told.status == "FAILED", told.hint.is_some(), "{damaged}");
            }
        }
    }
}
