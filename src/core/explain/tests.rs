//! Table tests of what `explain` finds and says.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};

use super::*;

fn statuses(text: &str) -> Vec<(&'static str, Option<Class>)> {
    explain(text, &[]).tasks.iter().map(|e| (e.status, e.class)).collect()
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
    let explained = explain(&format!("{running}\n{other}\n[{running}]"), &[]);
    assert_eq!((explained.tasks.len(), explained.skipped), (2, 1));
    assert_eq!(explain("", &[]), Explained::default());
}

#[test]
fn a_broken_document_is_named_and_costs_no_other() {
    let good = |arn: &str| json!({"taskArn": arn, "lastStatus": "RUNNING"});
    let (a, b, c) = (good("a"), good("b"), good("c"));
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap();
    let (cut, cut_pretty) = (&b.to_string()[..20], &pretty(&b)[..25]);
    let eof = "EOF while parsing a string";
    for (name, text, tasks, broken) in [
        ("cut off", format!("{a}\n{cut}\n{c}\n"), "a c", vec![(2, eof)]),
        ("cut off behind its beginning", format!("{a}\n{{\n\n{c}"), "a c", vec![(2, "EOF while parsing an object")]),
        (
            "two lines of rubbish",
            format!("rubbish\n{a}\r\n\r\n<b/>\n{c}"),
            "a c",
            vec![(1, "expected"), (4, "expected")],
        ),
        ("rubbish behind a document", format!("{a} and\n{c}"), "a c", vec![(1, "expected value")]),
        ("a bad escape", format!("{a}\n{{\"taskArn\": \"\\x\"}}\n{c}"), "a c", vec![(2, "invalid escape")]),
        ("pretty", format!("{}\n{cut_pretty}\n{}", pretty(&a), pretty(&c)), "a c", vec![(6, eof)]),
        ("the last one", format!("{a}\n{}\n{cut}", pretty(&b)), "a b", vec![(6, eof)]),
        ("an array", format!("[\n{a},\n{a}\n{b}\n]\n{c}"), "c", vec![(4, "expected `,` or `]`")]),
        ("an array that ends nowhere", format!("{a}\n[\n{a},\n"), "a", vec![(3, "EOF while parsing a value")]),
        ("nothing else", "{".to_owned(), "", vec![(1, "EOF while parsing an object")]),
    ] {
        let explained = explain(&text, &[]);
        let found: Vec<_> = explained.tasks.iter().filter_map(|task| task.task_arn.as_deref()).collect();
        assert_eq!(found.join(" "), tasks, "{name}: {explained:#?}");
        let told: Vec<_> = explained.broken.iter().map(|b| (b.line, b.why.as_str())).collect();
        let same = told.len() == broken.len() && told.iter().zip(&broken).all(|(t, b)| t.0 == b.0 && t.1.contains(b.1));
        assert!(same, "{name}: {:#?} in\n{text}", explained.broken);
    }
}

#[test]
fn the_keys_are_the_contracts() {
    let explained = explain(r#"{"taskArn":"a","lastStatus":"RUNNING"}"#, &[]);
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
        let tasks = explain(&text, &[]).tasks;
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
            for told in explain(&damaged, &[]).tasks {
                assert_eq!(told.status == "FAILED", told.hint.is_some(), "{damaged}");
            }
        }
    }
}
