//! Those who wait for a run by a token: answered once, kept told that it lives, and never named.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::cell::ports::CallError;
use taskwatch::core::failure;
use taskwatch::core::notification::Notification;
use taskwatch::core::notification::callback::{Answer, call};
use taskwatch::core::run::Status;

use crate::support::fakes::{World, eventually, request, settle, status, submit};

const TOKEN: &str = "AQCEAAAAKgAAAAMAAAAAAAAAAWg1secret";

/// What came for tokens: which answer, and with what.
fn answers(world: &World) -> Vec<(Answer, Value)> {
    let taken = world.topic.taken();
    let answer = |told: &Notification| {
        let call = call(told)?;
        assert_eq!(call.token, TOKEN);
        Some((call.answer, serde_json::from_str(call.payload).unwrap_or_default()))
    };
    taken.iter().filter_map(answer).collect()
}

fn ends(world: &World) -> Vec<(Answer, Value)> {
    answers(world).into_iter().filter(|(answer, _)| *answer != Answer::Heartbeat).collect()
}

fn closed(code: &str) -> CallError {
    let mut failure = failure::from_exception(code, "Provided task does not exist anymore");
    failure.error = code.to_owned();
    CallError::Refused(Box::new(failure))
}

#[tokio::test(start_paused = true)]
async fn a_token_is_answered_with_the_task_in_the_commit_of_the_end() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({"name": "n", "notify": {"taskToken": TOKEN, "on": ["FAILED"]}})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    let task = &world.ecs.tasks()[0];
    let more = json!({"stopCode": "EssentialContainerExited", "group": "family:app", "containers": [{"name": "app", "exitCode": 0}],
        "startedAt": "2027-01-15T08:00:01Z",
        "overrides": {"containerOverrides": [{"name": "app", "environment": [{"name": "PASSWORD", "value": "secret"}]}]}});
    world.event(task, 9, "STOPPED", more);
    cell.finished(run.id).await;
    eventually("answered", || !ends(&world).is_empty()).await;
    let (answer, output) = &ends(&world)[0];
    assert_eq!(*answer, Answer::Success);
    assert_eq!((&output["TaskArn"], &output["Group"]), (&json!(task), &json!("family:app")));
    assert_eq!(
        (&output["Containers"][0]["ExitCode"], &output["StartedAt"]),
        (&json!(0), &json!(1_800_000_001_000_i64))
    );
    assert_eq!(
        output["Overrides"]["ContainerOverrides"][0]["Environment"][0],
        json!({"Name": "PASSWORD", "Value": "***"})
    );
    let order = world.journal.of("Commit");
    let end = order.iter().position(|line| line.starts_with("Commit n SUCCEEDED")).expect("the end");
    assert!(order[end + 1].starts_with("Commit post "), "{order:#?}");
    settle().await;
    assert_eq!(world.topic.taken().len(), 1, "`on` is for the topic, and says nothing of a success");
    assert!(!format!("{:?}", cell.run(run.id)).contains(TOKEN), "a run that is logged");
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_a_run_fails_its_token_with_error_and_cause() {
    for (how, error, cause) in [
        ("exit", "EssentialContainerExited", "exit"),
        ("stop", "Taskwatch.Stopped", "stopped on request: enough"),
        ("timeout", "Taskwatch.RunTimeout", "not done within 60 s"),
    ] {
        let world = World::new();
        let cell = world.start().await;
        let more = json!({"name": "n", "retry": [], "timeoutSeconds": 60, "notify": {"taskToken": TOKEN}});
        let run = &submit(&cell, more).await[0];
        eventually("a task", || !world.ecs.tasks().is_empty()).await;
        match how {
            "exit" => world.ended(&world.ecs.tasks()[0], 3),
            "stop" => drop(cell.stop(run.id, "enough").await),
            _ => tokio::time::sleep(Duration::from_secs(61)).await,
        }
        if how != "exit" {
            settle().await;
            world.ended(&world.ecs.tasks()[0], 137);
        }
        cell.finished(run.id).await;
        eventually("answered", || !ends(&world).is_empty()).await;
        let (answer, told) = ends(&world).remove(0);
        assert_eq!((answer, told["error"].as_str()), (Answer::Failure, Some(error)), "{how}: {told}");
        assert!(told["cause"].as_str().is_some_and(|text| text.contains(cause)), "{how}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_waits_by_is_given_up_and_one_that_is_refused_keeps_nobody_waiting() {
    for (code, left) in [
        ("TaskTimedOut", 0),
        ("TaskDoesNotExist", 0),
        ("InvalidToken", 0),
        ("CallbackTimeoutException", 0),
        ("AccessDeniedException", 1),
    ] {
        let world = World::new();
        let cell = world.start().await;
        let mut refused = Some(code);
        world.topic.judge_by(move |told| call(told).and_then(|_| refused.take()).map(closed));
        for name in ["first", "second"] {
            let run = &submit(&cell, json!({"name": name, "notify": {"taskToken": TOKEN}})).await[0];
            eventually("a task", || cell.run(run.id).is_some_and(|run| run.status == Status::Starting)).await;
            world.ended(world.ecs.tasks().last().expect("a task"), 0);
            cell.finished(run.id).await;
            settle().await;
        }
        assert_eq!((ends(&world).len(), cell.undelivered()), (1, left), "{code}");
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!((ends(&world).len(), cell.undelivered()), (1 + left, 0), "{code}: a right may be given");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_on_as_long_as_the_run_lives_and_over_a_restart() {
    let world = World::new();
    let cell = world.start().await;
    let run = &submit(&cell, json!({"notify": {"taskToken": TOKEN, "heartbeatSeconds": 60}})).await[0];
    eventually("a task", || !world.ecs.tasks().is_empty()).await;
    let beats = || answers(&world).iter().filter(|(answer, _)| *answer == Answer::Heartbeat).count();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!((30..=32).contains(&beats()), "{} in 600 s: one in a third of the time", beats());
    // One that is lost is followed by the next.
    world.topic.down.send_replace(true);
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.topic.down.send_replace(false);
    let before = beats();
    cell.drain(Duration::from_secs(1)).await;
    let cell = world.start().await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(beats() >= before + 3, "{} after {before}", beats());
    world.ended(&world.ecs.tasks()[0], 0);
    cell.finished(run.id).await;
    settle().await;
    let at_the_end = beats();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!((beats(), ends(&world).len()), (at_the_end, 1));
}

#[tokio::test(start_paused = true)]
async fn a_run_for_which_nobody_waits_any_more_is_stopped_if_it_was_asked_for() {
    for (stops, code) in [(true, "TaskTimedOut"), (true, "TaskDoesNotExist"), (false, "TaskTimedOut")] {
        let world = World::new();
        let cell = world.start().await;
        let mut first = true;
        world.topic.judge_by(move |told| call(told).filter(|_| !std::mem::take(&mut first)).map(|_| closed(code)));
        let notify = json!({"taskToken": TOKEN, "heartbeatSeconds": 600, "stopOnTaskTimeout": stops});
        let run = &submit(&cell, json!({"notify": notify})).await[0];
        eventually("a task", || !world.ecs.tasks().is_empty()).await;
        tokio::time::sleep(Duration::from_secs(202)).await;
        assert_eq!(world.journal.of("StopTask").len(), usize::from(stops), "{code}");
        world.ended(&world.ecs.tasks()[0], if stops { 137 } else { 0 });
        cell.finished(run.id).await;
        let ended = if stops { Status::Aborted } else { Status::Succeeded };
        assert_eq!(status(&cell, run), ended);
        let calls = world.topic.calls().len();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert!(world.topic.calls().len() <= calls + 1, "nobody is told again");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_fails_the_token_that_it_brings() {
    let world = World::new();
    let _cell = world.start().await;
    let notify = json!({"taskToken": TOKEN});
    for (body, cause) in [
        (request(json!({"count": 3, "notify": notify})), "is answered once, and count 3 makes 3 runs"),
        (request(json!({"name": "no blanks", "notify": notify})), "name: expected 1 to 128 characters"),
        (json!({"runTask": {"taskDefinition": "x", "clustr": "b"}, "notify": notify}), "clustr"),
        (json!({"runTask": 7, "Notify": {"TaskToken": TOKEN, "on": 7}}), "runTask"),
    ] {
        let before = ends(&world).len();
        world.requests.put(&body.to_string());
        eventually("answered", || ends(&world).len() > before).await;
        let (answer, told) = ends(&world).pop().expect("an answer");
        assert_eq!((answer, told["error"].as_str()), (Answer::Failure, Some("Taskwatch.Refused")), "{body}");
        assert!(told["cause"].as_str().is_some_and(|text| text.contains(cause)), "{told}");
    }
    assert_eq!(world.journal.of("Send dlq").len(), 4, "and it is kept");
    assert!(
        !world
            .journal
            .of("Send dlq")
            .iter()
            .any(|line| line.split("taskwatchError").nth(1).is_some_and(|why| why.contains(TOKEN)))
    );
}

#[tokio::test(start_paused = true)]
async fn a_redriven_runs_end_is_told_to_no_token() {
    let world = World::new();
    let cell = world.start().await;
    let more =
        json!({"name": "n", "retry": [], "notify": {"durableCallback": {"callbackId": TOKEN}, "heartbeatSeconds": 30}});
    let run = &submit(&cell, more).await[0];
    for exit_code in [3, 0] {
        eventually("a task", || cell.run(run.id).is_some_and(|run| run.status == Status::Starting)).await;
        world.ended(world.ecs.tasks().last().expect("a task"), exit_code);
        cell.finished(run.id).await;
        settle().await;
        if exit_code == 3 {
            cell.redrive(run.id).await.expect("begun again");
        }
    }
    assert_eq!(status(&cell, run), Status::Succeeded);
    assert_eq!(ends(&world).len(), 1, "a token is answered once");
}
