use std::collections::BTreeSet;

use serde_json::json;

use super::super::{EcsOptions, Script};
use super::support::{bench, fargate, merged, with};

#[tokio::test(start_paused = true)]
async fn a_fargate_task_lives_as_the_recorded_ones() {
    let bench = bench("");
    let answer = bench.ok("RunTask", fargate("etl:7")).await;
    let task = &answer["tasks"][0];
    assert_eq!((task["lastStatus"].as_str(), task["version"].as_i64()), (Some("PROVISIONING"), Some(1)));
    assert_eq!(task["attachments"][0]["type"], "ElasticNetworkInterface");
    assert_eq!(task["attachments"][0]["status"], "PRECREATED");
    assert!(task["createdAt"].is_f64(), "{task}");
    assert!(bench.events().is_empty());
    bench.pass(200).await;
    let story = bench.story();
    let states: Vec<&str> = story.iter().map(|s| s.0.as_str()).collect();
    assert_eq!(states.first(), Some(&"PENDING"));
    assert!(states.contains(&"RUNNING") && states.contains(&"DEPROVISIONING"));
    assert_eq!(states.last(), Some(&"STOPPED"));
    assert!(story.windows(2).all(|w| w[0].2 < w[1].2), "versions rise: {story:?}");
    let deprovisioning = bench.events().into_iter().find(|e| e["detail"]["lastStatus"] == "DEPROVISIONING").unwrap();
    let detail = &deprovisioning["detail"];
    assert_eq!(detail["containers"][0]["exitCode"], 0);
    assert_eq!(detail["stopCode"], "EssentialContainerExited");
    assert_eq!(detail["attachments"][0]["status"], "ATTACHED");
    assert!(detail.get("stoppedAt").is_none());
    assert_eq!(bench.last()["attachments"][0]["status"], "DELETED");
}

#[tokio::test(start_paused = true)]
async fn ec2_is_quick_and_has_no_interface() {
    let bench = bench("");
    let answer = bench.ok("RunTask", json!({"taskDefinition": "etl", "startedBy": "x"})).await;
    assert_eq!(answer["tasks"][0]["lastStatus"], "PENDING");
    assert!(answer["tasks"][0]["containerInstanceArn"].is_string());
    bench.pass(60).await;
    let story = bench.story();
    let expected = [("PENDING", "RUNNING", 1), ("RUNNING", "RUNNING", 2), ("STOPPED", "STOPPED", 3)];
    assert_eq!(story, expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c)));
    assert_eq!(bench.last()["attachments"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn stop_task_is_told_at_once_and_ends_with_143() {
    let bench = bench("[task]\nseconds = 1000");
    let arn = bench.run(fargate("etl")).await;
    bench.pass(100).await;
    let task = bench.ok("StopTask", json!({"task": arn, "reason": "enough"})).await;
    assert_eq!(task["task"]["desiredStatus"], "STOPPED");
    assert_eq!(task["task"]["lastStatus"], "RUNNING");
    let again = bench.ok("StopTask", json!({"task": arn, "reason": "twice"})).await;
    assert_eq!(again["task"]["stoppedReason"], "enough");
    bench.pass(100).await;
    let last = bench.last();
    assert_eq!((&last["stopCode"], &last["stoppedReason"]), (&json!("UserInitiated"), &json!("enough")));
    assert_eq!(last["containers"][0]["exitCode"], 143);
}

#[tokio::test(start_paused = true)]
async fn stopped_before_it_ran_has_no_exit_code() {
    let bench = bench("");
    let arn = bench.run(fargate("etl")).await;
    bench.ok("StopTask", json!({"task": arn})).await;
    bench.pass(100).await;
    let last = bench.last();
    assert_eq!(last["lastStatus"], "STOPPED");
    assert!(last["containers"][0].get("exitCode").is_none() && last.get("startedAt").is_none(), "{last}");
    assert!(!bench.story().iter().any(|s| s.0 == "RUNNING"));
}

#[tokio::test(start_paused = true)]
async fn containers_end_by_what_they_are_told() {
    let bench = bench("");
    let definition = json!({"family": "duo", "networkMode": "awsvpc", "cpu": "256", "memory": "512", "containerDefinitions": [
        {"name": "main", "image": "m", "command": ["sh", "-c", "sleep 20; exit 3"]},
        {"name": "init", "image": "i", "essential": false, "command": ["sleep", "5"]},
        {"name": "side", "image": "s", "essential": false}]});
    bench.ok("RegisterTaskDefinition", definition).await;
    bench.run(fargate("duo")).await;
    bench.pass(200).await;
    let codes: Vec<_> = bench.last()["containers"].as_array().unwrap().iter().map(|c| c["exitCode"].clone()).collect();
    assert_eq!(codes, [json!(3), json!(0), json!(143)]);
    let only_container = bench
        .events()
        .into_iter()
        .find(|e| e["detail"]["lastStatus"] == "RUNNING" && e["detail"]["containers"][1]["lastStatus"] == "STOPPED");
    assert!(only_container.is_some(), "a sidecar's end is an event of its own");
}

#[tokio::test(start_paused = true)]
async fn health_shows_in_describe_tasks_only() {
    let bench = bench("[task]\nseconds = 500");
    bench
        .ok("RegisterTaskDefinition", json!({"family": "web", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
            "containerDefinitions": [{"name": "web", "image": "w", "healthCheck": {"command": ["CMD", "true"], "interval": 30}}]}))
        .await;
    let arn = bench.run(fargate("web")).await;
    assert_eq!(bench.describe(&arn).await["healthStatus"], "UNKNOWN");
    bench.pass(200).await;
    assert_eq!(bench.describe(&arn).await["healthStatus"], "HEALTHY");
    assert!(bench.events().iter().all(|e| !e.to_string().contains("healthStatus")));
}

#[tokio::test(start_paused = true)]
async fn a_stopped_task_is_forgotten_after_an_hour() {
    let bench = bench("");
    let arn = bench.run(fargate("etl")).await;
    bench.pass(1800).await;
    assert_eq!(bench.describe(&arn).await["lastStatus"], "STOPPED");
    bench.pass(3600).await;
    let gone = bench.ok("DescribeTasks", json!({"tasks": [arn]})).await;
    assert_eq!(gone["failures"], json!([{"arn": arn, "reason": "MISSING"}]));
    assert_eq!(bench.ecs.counters().tasks, 0);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_tasks_live_on_one_timer() {
    let bench = bench("");
    for _ in 0..200 {
        bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 10}))).await;
    }
    bench.pass(300).await;
    let stopped = bench.ecs.tasks_snapshot().iter().filter(|t| t.status == "STOPPED").count();
    assert_eq!(stopped, 2000);
    let arns: BTreeSet<_> = bench.ecs.tasks_snapshot().into_iter().map(|t| t.arn).collect();
    assert_eq!(arns.len(), 2000);
}

/// On a busy machine timers fire late, some more than others: what ended by itself must not look killed.
#[tokio::test(start_paused = true)]
async fn a_program_that_ends_by_itself_keeps_its_exit_code_at_any_speed() {
    let script = Script::parse("[task]\nseconds = [10, 40]").unwrap();
    let options = EcsOptions { auto_register: true, quotas: None, time_scale: 20.0, script, ..EcsOptions::default() };
    let bench = with(options);
    for number in 0..200 {
        bench.run(merged(fargate("etl"), &json!({"startedBy": format!("cell/{number}")}))).await;
    }
    // Time that moves in uneven leaps.
    for leap in (1..6_000).map(|n| n * 7919 % 41) {
        tokio::time::advance(std::time::Duration::from_millis(leap)).await;
    }
    let codes: Vec<i64> =
        bench.events().iter().filter_map(|e| e["detail"]["containers"][0]["exitCode"].as_i64()).collect();
    assert!(codes.len() >= 400 && codes.iter().all(|code| *code == 0), "{codes:?}");
}

#[tokio::test(start_paused = true)]
async fn two_essential_containers_that_end_at_the_same_instant_both_end_by_themselves() {
    let bench = bench("");
    let container =
        |name: &str, command: &str| json!({"name": name, "image": "busybox", "command": ["sh", "-c", command]});
    let definition = json!({"family": "pair", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "requiresCompatibilities": ["FARGATE"],
        "containerDefinitions": [container("a", "sleep 5; exit 0"), container("b", "sleep 5; exit 3")]});
    bench.ok("RegisterTaskDefinition", definition).await;
    for _ in 0..20 {
        bench.run(fargate("pair")).await;
        bench.pass(7).await;
    }
    bench.pass(300).await;
    let ended: Vec<_> = bench.events().into_iter().filter(|e| e["detail"]["lastStatus"] == "STOPPED").collect();
    assert_eq!(ended.len(), 20);
    for event in ended {
        let mut codes: Vec<_> =
            event["detail"]["containers"].as_array().unwrap().iter().map(|c| c["exitCode"].as_i64()).collect();
        codes.sort();
        assert_eq!(codes, [Some(0), Some(3)], "{event:#}");
    }
}
