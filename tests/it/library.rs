//! A program of one's own that launches through the library, over the wire, against `taskwatch local`.

use std::time::Duration;

use serde_json::{Value, json};
use taskwatch::{ConnectError, LaunchError, Outcome, RunRequest, Status, Taskwatch};

use super::support::fakes::World;
use super::support::whole::{HANGS, endpoint};

/// The first launch of everything cannot pull its image.
const ONCE: &str = "[[fault]]\ndo = 'image-pull'\n[fault.match]\nattempt = 1\n";
const LONG: &str = "[task]\nseconds = 100000\n";

fn request(more: Value) -> Value {
    let mut request = json!({
        "runTask": {"cluster": "default", "taskDefinition": "etl"}, "until": "stopped",
        "retry": [{"ErrorEquals": ["Taskwatch.Transient"], "IntervalSeconds": 1, "MaxAttempts": 2}]
    });
    for (name, value) in more.as_object().expect("an object") {
        request[name] = value.clone();
    }
    request
}

async fn soon<T>(waited: impl Future<Output = T>) -> T {
    tokio::time::timeout(HANGS, waited).await.expect("it hangs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_that_fails_and_then_succeeds_tells_both_attempts() {
    let (local, _) = endpoint(ONCE).await;
    let watcher = Taskwatch::builder().cell("lib").local(local.url()).connect().await.expect("connected");
    let outcome = soon(watcher.launch(request(json!({"name": "nightly"})))).await.expect("launched");
    assert_eq!((outcome.status(), outcome.exit_code(), outcome.attempts().len()), (Status::Succeeded, Some(0), 2));
    let first = outcome.attempts()[0].failure.as_ref().expect("a failure");
    assert_eq!(first.error, "CannotPullContainerError");
    assert!(!first.hint.is_empty() && outcome.failure().is_none());
    assert_eq!(outcome.attempts()[1].task_arn.as_ref(), outcome.task_arn());

    // The same name again is the same run, and answers at once; another request of that name is refused.
    let again = soon(watcher.launch(request(json!({"name": "nightly"})))).await.expect("known");
    assert_eq!(again.id(), outcome.id());
    let other = watcher.launch(request(json!({"name": "nightly", "priority": 1}))).await;
    assert!(other.expect_err("a conflict").to_string().contains("is the name of another request"));

    // Queue and rule go with it: SQS says so when the name is asked for again at once.
    soon(watcher.shutdown(Duration::from_secs(5))).await;
    let gone = Taskwatch::builder().cell("lib").local(local.url()).connect().await.err().expect("deleted").to_string();
    assert!(gone.contains("QueueDeletedRecently"), "{gone}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_at_once_each_get_their_own_outcome() {
    let (local, _) = endpoint("[[fault]]\ndo = 'exit-code'\nexit_code = 7\n[fault.match]\nfamily = 'bad'\n").await;
    let fast = Taskwatch::builder().local(local.url()).configure(|cell| {
        cell.run_task_rate = 500.0;
        cell.run_task_burst = 500;
    });
    let watcher = fast.connect().await.expect("connected");
    let launches = (0..300).map(|n| {
        let family = if n % 3 == 0 { "bad" } else { "good" };
        let task = json!({"cluster": "default", "taskDefinition": family});
        watcher.launch(request(json!({"name": format!("n-{n}"), "runTask": task})))
    });
    let outcomes: Result<Vec<Outcome>, LaunchError> = soon(futures::future::try_join_all(launches)).await;
    for (n, outcome) in outcomes.expect("launched").into_iter().enumerate() {
        assert_eq!(outcome.name(), format!("n-{n}"));
        assert_eq!(outcome.exit_code(), Some(if n % 3 == 0 { 7 } else { 0 }), "{outcome:?}");
        if n % 3 == 0 {
            let text = outcome.into_result().expect_err("exit code 7").to_string();
            assert!(
                text.starts_with(&format!("n-{n} FAILED after 1 attempt: ")) && text.lines().count() == 1,
                "{text}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_of_one_request_are_waited_for_in_their_order_and_without_events() {
    let (local, _) = endpoint("").await;
    let described = Taskwatch::builder().local(local.url()).events(taskwatch::Events::Described);
    let watcher =
        described.configure(|cell| cell.poll = Some(Duration::from_millis(100))).connect().await.expect("connected");
    let many = request(json!({"name": "m", "runTask": {"taskDefinition": "etl", "count": 12}}));
    let asked_of_one = watcher.launch(many.clone()).await.expect_err("twelve are not one");
    assert!(matches!(asked_of_one, LaunchError::Many(12)), "{asked_of_one}");
    let outcomes = soon(watcher.launch_all(many)).await.expect("launched");
    let names: Vec<&str> = outcomes.iter().map(Outcome::name).collect();
    assert_eq!(names, (0..12).map(|n| format!("m/{n}")).collect::<Vec<_>>());
    assert!(outcomes.iter().all(Outcome::succeeded));
    assert_eq!(outcomes[3].to_json("c")["exitCode"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_launch_goes_on_and_a_stop_ends_it() {
    let (local, _) = endpoint(LONG).await;
    let watcher = Taskwatch::builder().local(local.url()).connect().await.expect("connected");
    let launched = watcher.submit(request(json!({"name": "long"}))).await.expect("taken");
    drop(launched);
    let mut found = watcher.find("long").await.expect("readable");
    let (id, name) = (found[0].id(), found[0].name().to_owned());
    assert_eq!((found.len(), name.as_str()), (1, "long"));
    assert!(watcher.stop(id, "no longer wanted").await);
    let outcome = soon(found.remove(0).outcome()).await.expect("its end");
    assert_eq!(outcome.status(), Status::Aborted);
    assert!(outcome.failure().expect("why").cause.contains("no longer wanted"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_left_in_its_directory_the_next_one_takes_up() {
    let (local, _) = endpoint(LONG).await;
    let directory = tempfile::tempdir().expect("a directory");
    let nameless = Taskwatch::builder().local(local.url()).store_in(directory.path()).connect().await;
    assert!(matches!(nameless, Err(ConnectError::NoName)));

    let builder = || Taskwatch::builder().cell("kept").local(local.url()).store_in(directory.path());
    let first = builder().events(taskwatch::Events::Described).connect().await.expect("connected");
    let launched = first.submit(request(json!({"name": "kept-run"}))).await.expect("taken").remove(0);
    let id = launched.id();
    let mut changes = first.cell().subscribe();
    while first.cell().run(id).and_then(|run| run.attempt()?.task_arn.clone()).is_none() {
        soon(changes.recv()).await.expect("a change");
    }
    first.shutdown(Duration::from_secs(5)).await;
    assert!(matches!(soon(launched.outcome()).await, Err(LaunchError::Closed)));
    assert_eq!(local.ecs.tasks_snapshot().len(), 1, "the task goes on");

    let second = builder().events(taskwatch::Events::Described).connect().await.expect("connected");
    let taken_up = second.find("kept-run").await.expect("readable").remove(0);
    assert_eq!(taken_up.id(), id);
    assert!(second.stop(id, "enough").await);
    assert_eq!(soon(taken_up.outcome()).await.expect("its end").status(), Status::Aborted);
    assert_eq!(local.ecs.tasks_snapshot().len(), 1, "no second task for it");
}

#[tokio::test]
async fn a_request_that_is_wrong_is_an_error_of_its_own_type() {
    let world = World::new();
    let watcher = Taskwatch::on(world.start().await);
    let wrong = watcher.launch(json!({"runTask": {"taskDefinitio": "etl"}})).await;
    assert!(matches!(&wrong, Err(LaunchError::Request(e)) if e.message.contains("taskDefinition")), "{wrong:?}");
    assert!(matches!(watcher.launch("{").await, Err(LaunchError::Request(_))));
    assert!(watcher.find("nobody").await.expect("readable").is_empty());
    let request = RunRequest::parse(r#"{"taskDefinition": "etl"}"#).expect("a request");
    let launched = watcher.submit(request).await.expect("taken").remove(0);
    // Dropped without a shutdown: who waits is not left waiting.
    drop(watcher);
    assert!(matches!(launched.outcome().await, Err(LaunchError::Closed)));
}
