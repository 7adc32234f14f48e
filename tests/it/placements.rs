//! Placements through the whole cell: which failures move a run on, and what ECS was asked for then.

use serde_json::{Value, json};
use taskwatch::core::run::{Run, Status};

use super::support::aws::Aws;
use super::support::whole::Whole;

/// No room in the first subnet, no address in the second, Spot is taken back, and the last cluster is full once more.
const SCRIPT: &str = r#"
[task]
seconds = 20

[[fault]]
do = "capacity"
[fault.match]
subnet = "subnet-0a"

[[fault]]
do = "subnet-full"
[fault.match]
subnet = "subnet-0b"

[[fault]]
do = "spot-interruption"
[fault.match]
capacity_provider = "FARGATE_SPOT"
subnet = "subnet-0c"

[[fault]]
do = "capacity"
count = 1
[fault.match]
launch_type = "FARGATE"
subnet = "subnet-0d"

[[fault]]
do = "exit-code"
[fault.match]
family = "stays"
attempt = 1
"#;

fn network(subnet: &str) -> Value {
    json!({"awsvpcConfiguration": {"subnets": [subnet]}})
}

fn request(family: &str) -> Value {
    json!({"name": family, "until": "stopped", "injectEnv": true,
        "runTask": {"taskDefinition": family, "cluster": "default", "networkConfiguration": network("subnet-0a"),
            "capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]},
        "retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1, "MaxAttempts": 6, "BackoffRate": 1}],
        "placements": [
            {"networkConfiguration": network("subnet-0b")},
            {"networkConfiguration": network("subnet-0c")},
            {"networkConfiguration": network("subnet-0d"), "launchType": "FARGATE"}]})
}

/// Each attempt: its placement and its failure's class.
fn way(run: &Run) -> Vec<(usize, &str)> {
    let class = |a: &taskwatch::core::run::Attempt| a.failure.as_ref().map_or("", |f| f.class.as_str());
    run.attempts.iter().map(|attempt| (attempt.placement, class(attempt))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_network_and_spot_failures_move_on_to_the_next_placement_and_the_last_repeats() {
    let whole = Whole::new(SCRIPT, async |_, _| {}).await;
    let moved = whole.submit(request("moves")).await.remove(0);
    let mut stays = request("stays");
    stays["runTask"]["networkConfiguration"] = network("subnet-0e");
    stays["placements"] = json!([{"networkConfiguration": network("subnet-0d")}]);
    let stays = whole.submit(stays).await.remove(0);
    let (moved, stays) = (whole.end(&moved).await, whole.end(&stays).await);
    assert_eq!(moved.status, Status::Succeeded, "{:?}", moved.failure());
    let expected = [
        (0, "Taskwatch.Capacity"),
        (1, "Taskwatch.Network"),
        (2, "Taskwatch.Spot"),
        (3, "Taskwatch.Capacity"),
        (3, ""),
    ];
    assert_eq!(way(&moved), expected);
    // A program's own failure is no matter of the place.
    assert_eq!(way(&stays), [(0, "Taskwatch.Application"), (0, "")]);

    // What ECS was asked for: every call with a token of its own, and the launch type in place of the strategy.
    let tokens: std::collections::BTreeSet<_> = moved.attempts.iter().filter_map(|a| a.token).collect();
    assert_eq!(tokens.len(), moved.attempts.len(), "{tokens:?}");
    let ecs = Aws::ecs(&whole.local.url());
    let described = ecs.describe_tasks().cluster("default");
    let arns: Vec<String> =
        moved.attempts.iter().filter_map(|a| a.task_arn.as_ref().map(ToString::to_string)).collect();
    let described = described.set_tasks(Some(arns)).send().await.expect("DescribeTasks").tasks.unwrap_or_default();
    let asked = |arn: &Option<String>| {
        let task = described.iter().find(|task| task.task_arn == *arn).expect("known");
        (task.capacity_provider_name.clone(), task.launch_type.as_ref().map(|t| t.as_str().to_owned()))
    };
    assert_eq!(asked(&moved.attempts[2].task_arn.as_ref().map(ToString::to_string)).0.as_deref(), Some("FARGATE_SPOT"));
    let (provider, launch_type) = asked(&moved.attempts[4].task_arn.as_ref().map(ToString::to_string));
    assert_eq!((provider, launch_type.as_deref()), (None, Some("FARGATE")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_in_another_placements_cluster_is_followed_and_stopped_there() {
    let script = "[[fault]]\ndo = \"capacity\"\ncount = 1\n[[fault]]\ndo = \"never-stops\"\n";
    let whole = Whole::new(script, async |_, _| {}).await;
    let ecs = Aws::ecs(&whole.local.url());
    ecs.create_cluster().cluster_name("other").send().await.expect("CreateCluster");
    let mut request = request("stops");
    request["placements"] = json!([{"cluster": "other", "networkConfiguration": network("subnet-0d")}]);
    request["timeoutSeconds"] = json!(4);
    let run = whole.submit(request).await.remove(0);
    let run = whole.end(&run).await;
    let task = run.attempts[1].task_arn.clone().expect("a task").to_string();
    assert!(task.contains(":task/other/"), "{task}");
    // It ends only when ECS has stopped its task.
    assert_eq!((run.status, run.attempts[1].last_status.is_some()), (Status::TimedOut, true));
}
