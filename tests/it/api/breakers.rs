//! What the cell pauses automatically, and destinations that fail: in the summary, the limits, the metrics and the commands.

use serde_json::json;
use taskwatch::cell::ports::CallError;

use super::{Served, serve};
use crate::support::fakes::{Answer, World, eventually, request};

/// What ECS says of a task definition, as an attacker would name it.
pub(super) const INACTIVE: &str = "TaskDefinition is inactive: <script>document.title='taken'</script>";

/// A cell that paused `etl:7` after three failures, so that `waits` waits; its topic takes nothing.
pub(super) async fn with_open_breaker() -> Served {
    let mut world = World::new();
    world.config.breaker.failures = 3;
    world
        .topic
        .judge_by(|_| Some(CallError::from_exception("AuthorizationError", "not authorized to perform SNS:Publish")));
    world.ecs.then([Answer::Refused("ClientException", INACTIVE), Answer::Refused("ClientException", INACTIVE)]);
    world.ecs.then([Answer::Refused("ClientException", INACTIVE)]);
    let served = serve(world, None).await;
    for name in ["a", "b", "c", "waits"] {
        let body = request(json!({"name": name, "runTask": {"taskDefinition": "etl:7"}}));
        let (status, taken) = served.post("/v1/runs", "application/json", body.to_string()).await;
        assert_eq!(status, 202, "{taken}");
        let failed = |n: usize| served.cell.runs().iter().filter(|run| run.status.is_final()).count() == n;
        let wanted = served.cell.runs().len().min(3);
        eventually("its failure", || failed(wanted)).await;
    }
    eventually("an open breaker", || served.cell.open_breakers().len() == 1).await;
    eventually("a refusal", || served.cell.delivery_failures().len() == 1).await;
    served
}

#[tokio::test]
async fn open_breakers_and_undelivered_notifications_are_shown_everywhere() {
    let served = with_open_breaker().await;
    let (_, limits) = served.get("/v1/limits").await;
    assert_eq!((&limits["pauses"], &limits["circuitBreakersLeftOut"]), (&json!([]), &json!(0)), "{limits:#}");
    let breaker = &limits["circuitBreakers"][0];
    assert_eq!((&breaker["taskDefinition"], &breaker["failures"]), (&json!("etl:7"), &json!(3)), "{breaker:#}");
    assert_eq!((&breaker["examples"], &breaker["failedProbes"]), (&json!(["a", "b", "c"]), &json!(0)));
    assert!(breaker["cause"].as_str().is_some_and(|cause| cause.contains("inactive")), "{breaker:#}");
    assert!(breaker["hint"].as_str().is_some_and(|hint| hint.len() > 10), "{breaker:#}");
    assert!(breaker["nextProbeAt"].is_string() && breaker["pausedAt"].is_string(), "{breaker:#}");
    let (_, summary) = served.get("/v1/summary").await;
    assert_eq!(
        (&summary["circuitBreakers"], &summary["waiting"]),
        (&limits["circuitBreakers"], &json!(1)),
        "{summary:#}"
    );
    let failure = &summary["deliveryFailures"][0];
    assert!(failure["error"].as_str().is_some_and(|error| error.contains("SNS:Publish")), "{failure:#}");
    assert!(
        failure["rejected"].as_u64() > Some(0)
            && failure["destination"].as_str().is_some_and(|o| o.starts_with("arn:"))
    );

    let metrics =
        served.client.get(served.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let class = breaker["class"].as_str().expect("a class");
    for line in [
        format!("taskwatch_circuit_breakers_open{{class=\"{class}\"}} 1.0"),
        "taskwatch_circuit_breakers_open{class=\"Taskwatch.Spot\"} 0.0".to_owned(),
        "taskwatch_circuit_breakers_opened_total 1".to_owned(),
        "taskwatch_failing_destinations 1.0".to_owned(),
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} is not in\n{metrics}");
    }
    let line = taskwatch::http::Emf::new(served.cell.clone()).line();
    let line: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!((&line["OpenCircuitBreakers"], &line["FailingDestinations"]), (&json!(1), &json!(1)), "{line}");
    assert!(line["AgeOfOldestNotification"].as_f64() > Some(0.0), "{line}");

    let output = served.command(&["pause", "--queue", "team-a", "--by", "olga"], "").await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        ["team-a", "olga", "etl:7", "automatically", "next probe"].iter().all(|part| said.contains(part)),
        "{output:?}"
    );
    let output = served.command(&["resume", "--task-definition", "etl:7"], "").await;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("team-a") && !said.contains("etl:7"), "{output:?}");
    eventually("the run that waited", || served.world.ecs.tasks().len() == 1).await;
    assert_eq!(served.get("/v1/limits").await.1["circuitBreakers"], json!([]));
}
