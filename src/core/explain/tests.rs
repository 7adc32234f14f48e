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
                assert!(told.status != "FAILED" || told.hint.is_some(), "{damaged}");
                assert!(told.status != "RUNNING" || told.error.is_none(), "{damaged}");
            }
        }
    }
}

#[test]
fn a_bare_reason_is_explained() {
    let told = |text: &str| {
        let tasks = explain(text, &[]).tasks;
        tasks
            .into_iter()
            .map(|t| format!("{} {}", t.error.unwrap_or_default(), t.class.map_or("", Class::as_str)))
            .collect::<Vec<_>>()
    };
    for (text, expected) in [
        ("CannotPullContainerError: manifest unknown", &["CannotPullContainerError Taskwatch.Image"][..]),
        ("  \"CannotPullContainerError: manifest unknown\"\n", &["CannotPullContainerError Taskwatch.Image"]),
        (
            "Timeout waiting for network interface\n  provisioning to complete.",
            &["Taskwatch.Network Taskwatch.Network"],
        ),
        ("Error: CannotStartContainerError: no space left on dev", &["CannotStartContainerError Taskwatch.Storage"]),
        (
            "OutOfMemoryError: Container killed due to memory usage\nCannotPullContainerError: EOF",
            &["OutOfMemoryError Taskwatch.Application", "CannotPullContainerError Taskwatch.Image"],
        ),
        ("RESOURCE:MEMORY", &["RESOURCE:MEMORY Taskwatch.Capacity"]),
        ("AmazonECS.Unknown: AGENT", &["AGENT Taskwatch.Host"]),
        (
            "\nAn error occurred (ThrottlingException) when calling the RunTask operation: Rate exceeded",
            &["ECS.ThrottlingException Taskwatch.Throttled"],
        ),
        ("ClusterNotFoundException: Cluster not found.", &["ECS.ClusterNotFoundException Taskwatch.Configuration"]),
        ("Essential container in task exited\n", &["EssentialContainerExited Taskwatch.Host"]),
        ("Exit code 137", &["EssentialContainerExited Taskwatch.Application"]),
        ("hello", &[]),
        ("", &[]),
    ] {
        assert_eq!(told(text), expected, "{text:?}");
    }
    assert_eq!(explain("CannotPullContainerError: x", &[]).broken, []);
    assert_eq!(explain("hello", &[]).broken.len(), 1);
}

#[test]
fn other_formats_of_the_aws_cli_are_named() {
    for text in
        ["TASKS\tarn:aws:ecs:x:1:task/c/1\tSTOPPED\n", "-----------------\n|  DescribeTasks  |\n+---------------+\n"]
    {
        let explained = explain(text, &[]);
        assert!(explained.tasks.is_empty() && explained.broken[0].why.contains("--output json"), "{explained:?}");
    }
}

#[test]
fn a_task_that_has_not_started_says_its_phase_and_since_when() {
    let task = |members: Value| {
        let mut task = json!({"taskArn": "a", "lastStatus": "PENDING", "createdAt": "2026-11-22T08:00:00Z"});
        members.as_object().unwrap().iter().for_each(|(name, value)| task[name] = value.clone());
        let told = explain(&task.to_string(), &[]).tasks.remove(0);
        assert_eq!((told.status, told.error), ("STARTING", None));
        format!("{} | {}", told.cause.unwrap(), told.hint.unwrap())
    };
    for (members, parts) in [
        (
            json!({"lastStatus": "PROVISIONING"}),
            ["PROVISIONING: ", "since 2026-11-22T08:00:00.000Z", "network interface"],
        ),
        (json!({}), ["PENDING: ", "since 2026-11-22T08:00:00.000Z", "secrets"]),
        (
            json!({"pullStartedAt": "2026-11-22T08:01:00Z"}),
            [
                "the image is being pulled",
                "since 2026-11-22T08:01:00.000Z (the task was created at 2026-11-22T08:00",
                "large image",
            ],
        ),
        (
            json!({"pullStartedAt": "2026-11-22T08:01:00Z", "pullStoppedAt": "2026-11-22T08:02:00Z"}),
            ["created and started", "since 2026-11-22T08:02:00.000Z", "dependsOn"],
        ),
        (json!({"lastStatus": "ACTIVATING"}), ["ACTIVATING: ", "registers", "Service Connect"]),
        (json!({"connectivity": "DISCONNECTED"}), ["agent is not connected", "PENDING", "instance role"]),
        (
            json!({"desiredStatus": "STOPPED", "stoppedReason": "Task stopped by user"}),
            ["desiredStatus is STOPPED already", "(Task stopped by user)", "explain it then"],
        ),
        (json!({"lastStatus": "STOPPING"}), ["STOPPING", "since", "aws ecs describe-tasks"]),
    ] {
        let told = task(members);
        assert!(parts.iter().all(|part| told.contains(part)), "{parts:?}: {told}");
    }
}

#[test]
fn a_success_beside_a_container_without_memory_says_so() {
    let task = json!({"taskArn": "a", "lastStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "containers": [{"name": "app", "exitCode": 0},
            {"name": "side", "exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"}]});
    let told = explain(&task.to_string(), &["app".to_owned()]).tasks.remove(0);
    let cause =
        "it succeeded, but container \"side\" exited with 137: OutOfMemoryError: Container killed due to memory usage";
    assert_eq!((told.status, told.cause.as_deref()), ("SUCCEEDED", Some(cause)));
    assert!(told.error.is_none() && told.hint.unwrap().contains("raise memory"));
}

#[test]
fn batch_jobs_are_tasks() {
    let job = |members: Value| {
        let mut job = json!({"jobArn": "arn:aws:batch:eu-west-1:1:job/j", "jobId": "j", "jobName": "etl", "jobQueue": "q", "status": "FAILED",
            "createdAt": 1_767_225_600_000_i64, "container": {"taskArn": "arn:aws:ecs:eu-west-1:1:task/b/1"}});
        members.as_object().unwrap().iter().for_each(|(name, value)| job[name] = value.clone());
        job
    };
    let arn = "arn:aws:ecs:eu-west-1:1:task/b/1";
    for (members, expected) in [
        (
            json!({"statusReason": "Essential container in task exited", "container": {"taskArn": arn, "exitCode": 3}}),
            ("FAILED", "EssentialContainerExited", "exited with 3"),
        ),
        (
            json!({"statusReason": "Task failed to start", "container": {"taskArn": arn, "reason": "CannotPullContainerError: manifest unknown"}}),
            ("FAILED", "CannotPullContainerError", "manifest unknown"),
        ),
        (json!({"statusReason": "Host EC2 (instance i-1) terminated."}), ("FAILED", "Taskwatch.Host", "terminated")),
        (
            json!({"statusReason": "Job attempt duration exceeded timeout"}),
            ("FAILED", "Taskwatch.Application", "exceeded timeout"),
        ),
        (json!({"statusReason": "not needed", "isTerminated": true}), ("FAILED", "UserInitiated", "not needed")),
        (
            json!({"statusReason": "Essential container in task exited", "container": null,
                "ecsProperties": {"taskProperties": [{"taskArn": arn, "containers": [{"name": "a", "exitCode": 0}, {"name": "b", "exitCode": 4}]}]}}),
            ("FAILED", "EssentialContainerExited", "container \"b\" exited with 4"),
        ),
        (
            json!({"status": "SUCCEEDED", "statusReason": "Essential container in task exited", "container": {"taskArn": arn, "exitCode": 0}}),
            ("SUCCEEDED", "", ""),
        ),
        (
            json!({"status": "RUNNABLE", "statusReason": "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too large"}),
            ("STARTING", "", "RUNNABLE: MISCONFIGURATION"),
        ),
        (json!({"status": "RUNNING", "startedAt": 1_767_225_600_000_i64}), ("RUNNING", "", "")),
    ] {
        let answer = json!({"jobs": [job(members.clone())]});
        let event = json!({"source": "aws.batch", "detail-type": "Batch Job State Change", "detail": job(members)});
        for document in [answer, event] {
            let tasks = explain(&document.to_string(), &[]).tasks;
            assert_eq!(tasks.len(), 1, "{document}");
            let told = &tasks[0];
            let cause = told.cause.as_deref().unwrap_or_default();
            assert_eq!((told.status, told.error.as_deref().unwrap_or_default()), (expected.0, expected.1), "{told:?}");
            assert!(cause.contains(expected.2) && told.task_arn.as_deref() == Some(arn), "{told:?}");
        }
    }
}

#[test]
fn what_the_aws_cli_writes_in_yaml_is_explained_as_its_json() {
    let json = json!({"failures": [{"arn": "arn:aws:ecs:eu-west-1:1:container-instance/c/i", "reason": "RESOURCE:MEMORY"}], "tasks": [{
        "taskArn": "arn:aws:ecs:eu-west-1:1:task/c/1", "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": "EssentialContainerExited",
        "stoppedReason": "Essential container in task exited", "startedAt": "2026-11-22T03:00:00.5+01:00", "version": 5,
        "containers": [{"name": "etl", "lastStatus": "STOPPED", "exitCode": 3}]}]});
    let yaml = "failures:\n- arn: arn:aws:ecs:eu-west-1:1:container-instance/c/i\n  reason: RESOURCE:MEMORY\ntasks:\n- containers:\n  - exitCode: 3\n    \
                lastStatus: STOPPED\n    name: etl\n  desiredStatus: STOPPED\n  lastStatus: STOPPED\n  startedAt: '2026-11-22T03:00:00.5+01:00'\n  \
                stopCode: EssentialContainerExited\n  stoppedReason: Essential container in task exited\n  taskArn: arn:aws:ecs:eu-west-1:1:task/c/1\n  \
                version: 5\n";
    let told = explain(yaml, &[]);
    assert_eq!(told, explain(&json.to_string(), &[]));
    assert_eq!((told.tasks.len(), told.broken.len()), (2, 0));
    // A reason reads as YAML too, and is none.
    let reason = explain("CannotPullContainerError: no such image", &[]);
    assert_eq!(reason.tasks[0].error.as_deref(), Some("CannotPullContainerError"));
}
