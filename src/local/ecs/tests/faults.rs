use serde_json::{Value, json};

use super::support::{bench, fargate, merged};

#[tokio::test(start_paused = true)]
async fn each_failed_start_says_why_and_never_runs() {
    for (name, part) in [
        ("eni-timeout", "Timeout waiting for network interface provisioning"),
        ("eni-provision", "Network interface provision complete error"),
        ("image-pull", "CannotPullContainerError"),
        ("disk-full", "no space left on device"),
        ("docker-timeout", "DockerTimeoutError"),
        ("agent-disconnected", "AGENT"),
        ("missing-secret", "did not contain json key"),
    ] {
        let bench = bench(&format!("[[fault]]\ndo = \"{name}\""));
        bench.run(fargate("etl")).await;
        bench.pass(400).await;
        let last = bench.last();
        assert_eq!(
            (&last["lastStatus"], &last["stopCode"]),
            (&json!("STOPPED"), &json!("TaskFailedToStart")),
            "{name}"
        );
        assert!(last.to_string().contains(part), "{name}: {last}");
        assert!(last["containers"][0].get("exitCode").is_none() && last.get("startedAt").is_none(), "{name}");
        assert!(!bench.story().iter().any(|s| s.0 == "RUNNING"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn ends_of_running_tasks() {
    for (name, code, exit) in [
        ("exit-code", "EssentialContainerExited", json!(1)),
        ("out-of-memory", "EssentialContainerExited", json!(137)),
        ("no-exit-code", "EssentialContainerExited", Value::Null),
        ("host-lost", "TerminationNotice", Value::Null),
        ("maintenance", "ServiceSchedulerInitiated", json!(143)),
        ("infrastructure-health", "InfrastructureHealth", Value::Null),
    ] {
        let bench = bench(&format!("[task]\nseconds = 60\n[[fault]]\ndo = \"{name}\""));
        bench.run(fargate("etl")).await;
        bench.pass(400).await;
        let last = bench.last();
        assert_eq!(last["stopCode"], code, "{name}");
        assert_eq!(last["containers"][0].get("exitCode").cloned().unwrap_or_default(), exit, "{name}");
        assert!(last["startedAt"].is_string(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn spot_warns_before_it_stops() {
    let bench = bench("[task]\nseconds = 1000\n[[fault]]\ndo = \"spot-interruption\"");
    bench.run(fargate("etl")).await;
    bench.pass(400).await;
    let warning = bench
        .events()
        .into_iter()
        .find(|e| e["detail"]["lastStatus"] == "RUNNING" && e["detail"]["desiredStatus"] == "STOPPED");
    let warning = warning.unwrap();
    assert_eq!(warning["detail"]["stopCode"], "SpotInterruption");
    assert_eq!(warning["detail"]["stoppedReason"], "Your Spot Task was interrupted.");
    assert_eq!(bench.last()["containers"][0]["exitCode"], 143);
}

#[tokio::test(start_paused = true)]
async fn stuck_tasks_stay_where_they_are_until_stopped() {
    for (name, status) in
        [("stuck-provisioning", "PROVISIONING"), ("stuck-pending", "PENDING"), ("never-stops", "RUNNING")]
    {
        let bench = bench(&format!("[[fault]]\ndo = \"{name}\""));
        let arn = bench.run(fargate("etl")).await;
        bench.pass(80_000).await;
        assert_eq!(bench.describe(&arn).await["lastStatus"], status, "{name}");
        bench.ok("StopTask", json!({"task": arn})).await;
        bench.pass(200).await;
        assert_eq!(bench.describe(&arn).await["lastStatus"], "STOPPED", "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_answers_not_errors() {
    for (name, reason) in
        [("capacity", "Capacity is unavailable"), ("resource-memory", "RESOURCE:MEMORY"), ("agent", "AGENT")]
    {
        let bench = bench(&format!("[[fault]]\ndo = \"{name}\"\n[fault.match]\nattempt = 1"));
        let answer = bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 2}))).await;
        assert!(answer["failures"][0]["reason"].as_str().unwrap().starts_with(reason), "{name}");
        assert_eq!(answer["failures"][0].get("arn").is_some(), name != "capacity");
        assert_eq!(answer["tasks"].as_array().unwrap().len(), 1, "only the first launch of this work is refused");
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_calls_come_before_or_after_the_effect() {
    for (name, code, launched) in [
        ("throttle", "ThrottlingException", 0),
        ("hidden-throttle", "InvalidParameterException", 0),
        ("provisioning-limit", "ClientException", 0),
        ("server-error", "ServerException", 0),
        ("server-error-after", "ServerException", 1),
        ("answer-lost", "ConnectionLost", 1),
    ] {
        let bench = bench(&format!("[[fault]]\ndo = \"{name}\"\n[fault.match]\nattempt = 1"));
        let request = merged(fargate("etl"), &json!({"clientToken": "t"}));
        let error = bench.call("RunTask", request.clone()).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.drop_connection), (code, name == "answer-lost"), "{name}");
        assert_eq!(bench.ecs.tasks_snapshot().len(), launched, "{name}");
        bench.ok("RunTask", request).await;
        assert_eq!(bench.ecs.tasks_snapshot().len(), 1, "{name}: the same token never launches twice");
    }
}

#[tokio::test(start_paused = true)]
async fn own_errors_and_reasons() {
    let bench = bench(
        "[[fault]]\nerror = \"BlockedException\"\nmessage = \"Account is blocked\"\ncount = 1\n[[fault]]\nstop_reason = \"My very own: reason\"",
    );
    let request = fargate("etl");
    assert_eq!(
        bench.err("RunTask", request.clone()).await,
        ("BlockedException".to_owned(), "Account is blocked".to_owned())
    );
    bench.run(request).await;
    bench.pass(200).await;
    assert_eq!(bench.last()["stoppedReason"], "My very own: reason");
}

#[tokio::test(start_paused = true)]
async fn an_event_can_overtake_the_answer() {
    for status in ["PENDING", "RUNNING", "STOPPED"] {
        let bench = bench(&format!("[[fault]]\ndo = \"early-event\"\nreached = \"{status}\""));
        let answer = bench.ok("RunTask", fargate("etl")).await;
        assert_eq!(answer["tasks"][0]["lastStatus"], "PROVISIONING");
        assert_eq!(bench.last()["lastStatus"], status, "sent before the answer");
        bench.pass(300).await;
        assert_eq!(bench.last()["lastStatus"], "STOPPED");
        assert_eq!(bench.story().iter().filter(|s| s.0 == "STOPPED").count(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn events_are_lost_doubled_late_and_out_of_order() {
    let lost = bench("[[fault]]\ndo = \"drop\"\n[fault.match]\nlast_status = \"RUNNING\"");
    lost.run(fargate("etl")).await;
    lost.pass(300).await;
    assert!(!lost.story().iter().any(|s| s.0 == "RUNNING"));
    assert_eq!(lost.ecs.counters().events.dropped, 1);

    let doubled = bench("[[fault]]\ndo = \"duplicate\"\ncopies = 3");
    doubled.run(fargate("etl")).await;
    doubled.pass(300).await;
    let events = doubled.events();
    let stopped: Vec<_> = events.iter().filter(|e| e["detail"]["lastStatus"] == "STOPPED").collect();
    assert_eq!(stopped.len(), 3);
    assert_eq!(stopped[0]["id"], stopped[1]["id"]);
    assert_ne!(stopped[1]["id"], stopped[2]["id"]);

    let late = bench("[[fault]]\ndo = \"delay\"\nseconds = 500\n[fault.match]\nlast_status = \"PENDING\"");
    late.run(fargate("etl")).await;
    late.pass(300).await;
    assert_eq!(late.last()["lastStatus"], "STOPPED");
    late.pass(300).await;
    assert_eq!(late.last()["lastStatus"], "PENDING");

    let mixed = bench("[[fault]]\ndo = \"reorder\"\n[fault.match]\nlast_status = [\"RUNNING\", \"STOPPED\"]");
    mixed.run(fargate("etl")).await;
    mixed.pass(300).await;
    let versions: Vec<_> = mixed.story().iter().map(|s| s.2).collect();
    assert!(versions.windows(2).any(|w| w[0] > w[1]), "{versions:?}");
}

#[tokio::test(start_paused = true)]
async fn describe_tasks_may_not_know_a_task_yet() {
    let bench = bench("[[fault]]\ndo = \"missing\"\nseconds = 5");
    let arn = bench.run(fargate("etl")).await;
    assert_eq!(bench.ok("DescribeTasks", json!({"tasks": [arn]})).await["failures"][0]["reason"], "MISSING");
    bench.pass(6).await;
    assert_eq!(bench.describe(&arn).await["taskArn"], json!(arn));
}

#[tokio::test(start_paused = true)]
async fn latency_holds_the_answer_back() {
    let bench = bench("[[fault]]\ndo = \"latency\"\nseconds = 7");
    let before = tokio::time::Instant::now();
    bench.run(fargate("etl")).await;
    assert_eq!(before.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_attempt_is_told_or_counted() {
    let bench = bench("[[fault]]\ndo = \"capacity\"\n[fault.match]\nattempt = 2");
    let environment = |name: &str, value: &str| json!({"overrides": {"containerOverrides": [{"name": "etl", "environment": [{"name": name, "value": value}]}]}});
    let told = merged(fargate("etl"), &environment("TASKWATCH_ATTEMPT", "2"));
    assert_eq!(bench.ok("RunTask", told).await["tasks"], json!([]));
    let work = merged(fargate("etl"), &environment("DAY", "1"));
    bench.run(work.clone()).await;
    assert_eq!(bench.ok("RunTask", work).await["tasks"], json!([]), "the second launch of the same work");
    bench.run(merged(fargate("etl"), &environment("DAY", "2"))).await;
}

/// Launchers put variables of their own into the environment: the work is still the same where it is told.
#[tokio::test(start_paused = true)]
async fn work_that_is_told_by_name_is_the_same_whatever_stands_beside_it() {
    let bench = bench("[[fault]]\ndo = \"capacity\"\n[fault.match]\nattempt = 2");
    let environment = |pairs: &[(&str, &str)]| {
        let environment: Vec<_> = pairs.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"overrides": {"containerOverrides": [{"name": "etl", "environment": environment}]}})
    };
    let launch = |pairs: &[(&str, &str)]| merged(fargate("etl"), &environment(pairs));
    bench.run(launch(&[("TASKWATCH_LOCAL_WORK", "item/1"), ("RUN", "a")])).await;
    bench.run(launch(&[("TASKWATCH_LOCAL_WORK", "item/2"), ("RUN", "a")])).await;
    let again = launch(&[("RUN", "b"), ("TASKWATCH_LOCAL_WORK", "item/1")]);
    assert_eq!(bench.ok("RunTask", again).await["tasks"], json!([]), "the second launch of item/1");
    let of_many = |index: &str| launch(&[("TASKWATCH_LOCAL_WORK", "fleet"), ("TASKWATCH_ARRAY_INDEX", index)]);
    bench.run(of_many("0")).await;
    bench.run(of_many("1")).await;
    assert_eq!(bench.ok("RunTask", of_many("1")).await["tasks"], json!([]), "the second launch of the same index");
    // However a launcher tells of it.
    let named = launch(&[("TASKWATCH_LOCAL_WORK", "fleet/0")]);
    assert_eq!(bench.ok("RunTask", named).await["tasks"], json!([]), "the second launch of the first index");
}

#[tokio::test(start_paused = true)]
async fn a_held_event_goes_out_though_its_task_got_stuck() {
    for (more, longest) in [("", 60), ("seconds = 200\n", 200)] {
        let bench = bench(&format!("[[fault]]\ndo = \"reorder\"\n{more}[[fault]]\ndo = \"stuck-pending\"\n"));
        bench.run(fargate("etl")).await;
        // PENDING comes within 20 seconds, and is held from then on.
        bench.pass(longest - 5).await;
        assert_eq!(bench.events().len(), 0, "{more}");
        bench.pass(30).await;
        assert_eq!(bench.last()["lastStatus"], "PENDING", "{more}");
    }
}
