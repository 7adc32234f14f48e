//! A reader that goes away: `taskwatch … | head -0`.

use std::process::Stdio;

use super::super::cli::Local;
use super::super::support::site::Site;

/// Runs it with a stdout that nobody reads; its exit code and what it says.
fn unread(arguments: &[&str], variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = super::bounded(arguments.iter().map(|word| (*word).to_owned()));
    command.envs(variables.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("taskwatch");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("its end");
    (output.status.code(), super::stderr(&output))
}

#[test]
fn a_result_that_nobody_reads_is_no_failure() {
    let local = Local::start();
    let event = "tests/fixtures/events/03-fargate-missing-secret-v7.json";
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["completions", "bash"],
        &["man"],
        &["explain", event],
        &["explain", event, "--output", "json"],
        &["explain", event, "--output", "table"],
        &["run", "--task-definition", "etl", "--dry-run"],
        &["setup", "--cell", "blue", "--print"],
        &["setup", "--cell", "blue", "--dry-run"],
        &["setup", "--cell", "blue"],
        &["teardown", "--cell", "blue", "--dry-run"],
    ] {
        let (code, said) = unread(arguments, &[("AWS_ENDPOINT_URL", &local.1)]);
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cells_answer_that_nobody_reads_is_no_failure() {
    let site = Site::new("pipes").await;
    let serving = site.serve(&[]);
    serving.is_ready().await;
    site.order(["a".to_owned(), "b".to_owned()]).await;
    site.all_end_well(2).await;
    let url = serving.url("").await;
    tokio::task::spawn_blocking(move || {
        for arguments in [
            &["list"][..],
            &["list", "--output", "json"],
            &["show", "a"],
            &["show", "a", "--output", "json"],
            &["stop", "a"],
            &["pause", "--queue", "x"],
            &["resume", "--queue", "x"],
            &["watch", "--once"],
            &["watch", "--once", "--output", "json"],
            &["run", "--server", &url, "--task-definition", "etl"],
        ] {
            let (code, said) = unread(arguments, &[("TASKWATCH_URL", &url)]);
            assert!(matches!(code, Some(0 | 1 | 125)), "{arguments:?}: {code:?} {said}");
            assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        }
    })
    .await
    .expect("their ends");
}
