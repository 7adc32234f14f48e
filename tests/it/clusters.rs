//! A cluster that was deleted: no task of it lives, so nobody waits for one.

use serde_json::json;
use taskwatch::aws::{Clients, Target};
use taskwatch::cell::ports::{Ecs, RunTaskCall};
use taskwatch::core::run_task::RunTask;

use super::support::aws::Aws;
use super::support::site::eventually;
use super::support::whole::endpoint;

const STARTED_BY: &str = "blue/token";

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_deleted_cluster_are_missing() {
    let (local, clients) = endpoint("[task]\nseconds = 20\n").await;
    let aws = Aws::ecs(&local.url());
    aws.create_cluster().cluster_name("gone").send().await.expect("CreateCluster");
    let ecs = clients.ecs();
    let request = json!({"cluster": "gone", "taskDefinition": "etl", "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}});
    let call = RunTaskCall {
        run_task: RunTask::from_value(&request, "").expect("a request").0,
        count: 1,
        client_token: "token".into(),
        started_by: STARTED_BY.into(),
    };
    let placed = ecs.run_task(&call).await.expect("RunTask").tasks;
    let arns = vec![placed[0].task_arn.to_string()];
    assert_eq!(ecs.describe_tasks("gone", &arns).await.expect("DescribeTasks").tasks.len(), 1);
    assert_eq!(ecs.tasks_started_by("gone", STARTED_BY).await.expect("ListTasks"), arns);
    eventually("it is deleted", async || aws.delete_cluster().cluster("gone").send().await.is_ok()).await;

    assert_eq!(ecs.describe_tasks("gone", &arns).await.expect("an answer").missing, arns);
    assert_eq!(ecs.tasks_started_by("gone", STARTED_BY).await.expect("an answer"), Vec::<String>::new());
    ecs.stop_task("gone", &arns[0], "of no use").await.expect("nothing is left to stop");

    // Who asks in the wrong region knows nothing.
    let elsewhere = Target {
        region: Some("eu-west-1".into()),
        profile: None,
        endpoint_url: Some(local.url()),
        test_credentials: true,
    };
    let refused =
        Clients::load(&elsewhere).await.expect("no profile is named").ecs().describe_tasks("gone", &arns).await;
    assert!(refused.unwrap_err().to_string().contains("ClusterNotFound"));
}

/// Answers ListTasks one task a page, an empty page first, stopped ones last.
async fn list_tasks(asked: String) -> String {
    let asked: serde_json::Value = serde_json::from_str(&asked).expect("JSON");
    assert_eq!(asked["startedBy"], STARTED_BY);
    let arn = |id: &str| format!("arn:aws:ecs:us-east-1:123456789012:task/batch/{id}");
    let (arns, next) = match (asked["desiredStatus"].as_str(), asked["nextToken"].as_str()) {
        (Some("RUNNING"), None) => (vec![], Some("1")),
        (Some("RUNNING"), Some("1")) => (vec![arn("a")], Some("2")),
        (Some("RUNNING"), Some("2")) => (vec![arn("b")], None),
        // It was stopped between the two calls.
        (Some("STOPPED"), None) => (vec![arn("b")], Some("1")),
        (Some("STOPPED"), Some("1")) => (vec![arn("c")], None),
        other => panic!("not asked for: {other:?}"),
    };
    json!({"taskArns": arns, "nextToken": next}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tasks_of_a_call_are_read_to_the_last_page() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let answers = axum::Router::new().fallback(list_tasks);
    tokio::spawn(async move { axum::serve(listener, answers).await });
    let target =
        Target { region: Some("us-east-1".into()), profile: None, endpoint_url: Some(url), test_credentials: true };
    let found = Clients::load(&target)
        .await
        .expect("no profile is named")
        .ecs()
        .tasks_started_by("batch", STARTED_BY)
        .await
        .expect("ListTasks");
    let ids: Vec<&str> = found.iter().filter_map(|arn| arn.rsplit('/').next()).collect();
    assert_eq!(ids, ["a", "b", "c"]);
}
