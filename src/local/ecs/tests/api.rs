use serde_json::{Value, json};

use super::super::{EcsOptions, Quotas, Rate};
use super::support::{bench, fargate, merged, with};

#[tokio::test(start_paused = true)]
async fn requests_are_checked_as_aws_checks_them() {
    let bench = with(EcsOptions { quotas: None, ..EcsOptions::default() });
    let register = |family: &str, mode: &str| {
        json!({"family": family, "networkMode": mode, "cpu": "256", "memory": "512",
            "containerDefinitions": [{"name": "app", "image": "a"}]})
    };
    bench.ok("RegisterTaskDefinition", register("etl", "awsvpc")).await;
    bench.ok("RegisterTaskDefinition", register("old", "bridge")).await;
    let etl = fargate("etl");
    for (change, code, part) in [
        (json!({"count": 11}), "InvalidParameterException", "between 1 and 10"),
        (json!({"count": 0}), "InvalidParameterException", "between 1 and 10"),
        (json!({"count": "1"}), "SerializationException", "count"),
        (json!({"cluster": "nowhere"}), "ClusterNotFoundException", "Cluster not found."),
        (json!({"taskDefinition": "nothing"}), "ClientException", "TaskDefinition not found."),
        (json!({"taskDefinition": "etl:9"}), "ClientException", "TaskDefinition not found."),
        (json!({"networkConfiguration": null}), "InvalidParameterException", "Network Configuration must be provided"),
        (json!({"taskDefinition": "old"}), "InvalidParameterException", "does not support launch_type FARGATE"),
        (
            json!({"taskDefinition": "old", "launchType": "EC2"}),
            "InvalidParameterException",
            "not valid for the given networkMode",
        ),
        (
            json!({"capacityProviderStrategy": [{"capacityProvider": "FARGATE", "weight": 1}]}),
            "InvalidParameterException",
            "both",
        ),
        (
            json!({"overrides": {"containerOverrides": [{"name": "other"}]}}),
            "InvalidParameterException",
            "container named other",
        ),
        (json!({"startedBy": "a b"}), "InvalidParameterException", "startedBy"),
        (json!({"startedBy": "x".repeat(129)}), "InvalidParameterException", "startedBy longer than 128."),
        (json!({"cluster": "no spaces"}), "InvalidParameterException", "Cluster must match"),
        (
            json!({"launchType": null, "capacityProviderStrategy": [{"capacityProvider": "gone"}]}),
            "InvalidParameterException",
            "The specified capacity provider was not found.",
        ),
        (json!({"clientToken": "x".repeat(65)}), "InvalidParameterException", "clientToken"),
        (json!({"tags": [{"key": "aws:x", "value": ""}]}), "InvalidParameterException", "reserved"),
        (json!({"propagateTags": "SERVICE"}), "InvalidParameterException", "propagateTags"),
        (json!({"platformVersion": "9.9.9"}), "PlatformUnknownException", "9.9.9"),
        (json!({"overrides": "x"}), "SerializationException", "overrides"),
    ] {
        let (got, message) = bench.err("RunTask", merged(etl.clone(), &change)).await;
        assert!(got == code && message.contains(part), "{change}: {got} {message}");
    }
    assert_eq!(bench.err("Frobnicate", json!({})).await.0, "UnknownOperationException");
    assert!(bench.ecs.tasks_snapshot().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_token_replays_its_answer_and_refuses_another_request() {
    let bench = bench("[[fault]]\ndo = \"capacity\"\ncount = 1");
    let request = merged(fargate("etl"), &json!({"count": 2, "clientToken": "t1"}));
    let first = bench.ok("RunTask", request.clone()).await;
    assert_eq!((first["tasks"].as_array().unwrap().len(), first["failures"].as_array().unwrap().len()), (1, 1));
    bench.pass(100).await;
    let again = bench.ok("RunTask", request.clone()).await;
    assert_eq!(again["failures"], first["failures"]);
    assert_eq!(again["tasks"][0]["taskArn"], first["tasks"][0]["taskArn"]);
    assert_ne!(again["tasks"][0]["lastStatus"], "PROVISIONING", "the task as it is now");
    assert_eq!(bench.ecs.tasks_snapshot().len(), 1);
    let other = merged(request.clone(), &json!({"count": 3}));
    let error = bench.call("RunTask", other.clone()).await.unwrap_err();
    assert_eq!(error.code, "ConflictException");
    assert_eq!(error.fields["resourceIds"], json!([first["tasks"][0]["taskArn"]]));
    bench.ok("CreateCluster", json!({"clusterName": "b"})).await;
    bench.ok("RunTask", merged(other, &json!({"cluster": "b"}))).await;
    bench.pass(2 * 3600).await;
    let fresh = bench.ok("RunTask", merged(request, &json!({"count": 1}))).await;
    assert_ne!(fresh["tasks"][0]["taskArn"], first["tasks"][0]["taskArn"], "forgotten an hour after the task stopped");
}

#[tokio::test(start_paused = true)]
async fn quotas_throttle_and_refill() {
    let quotas = Quotas { cluster_resource_modify: Rate::new(3.0, 1.0), ..Quotas::default() };
    let bench = with(EcsOptions { auto_register: true, quotas: Some(quotas), ..EcsOptions::default() });
    for _ in 0..3 {
        bench.run(json!({"taskDefinition": "etl"})).await;
    }
    let throttled = ("ThrottlingException".to_owned(), "Rate exceeded".to_owned());
    assert_eq!(bench.err("RunTask", json!({"taskDefinition": "etl"})).await, throttled);
    bench.pass(1).await;
    bench.run(json!({"taskDefinition": "etl"})).await;
    assert_eq!(bench.ecs.counters().throttled["RunTask"], 1);
}

#[tokio::test(start_paused = true)]
async fn fargate_launches_have_their_own_rate() {
    let bench = with(EcsOptions { auto_register: true, ..EcsOptions::default() });
    for _ in 0..10 {
        bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 10}))).await;
    }
    assert_eq!(bench.err("RunTask", fargate("etl")).await.0, "ThrottlingException");
    let mut spot = fargate("etl");
    spot.as_object_mut().unwrap().remove("launchType");
    let spot = merged(spot, &json!({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 1}]}));
    bench.ok("RunTask", spot).await;
    bench.pass(1).await;
    bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 10}))).await;
}

#[tokio::test(start_paused = true)]
async fn caps_of_provisioning_and_vcpus() {
    let options = EcsOptions { auto_register: true, quotas: None, ..EcsOptions::default() };
    let bench = with(EcsOptions { max_provisioning: Some(2), ..options.clone() });
    bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 2}))).await;
    assert_eq!(bench.err("RunTask", fargate("etl")).await.0, "ClientException");
    let bench = with(EcsOptions { max_vcpus: Some(0.5), ..options });
    let answer = bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 3}))).await;
    assert_eq!(answer["tasks"].as_array().unwrap().len(), 2);
    assert!(answer["failures"][0]["reason"].as_str().unwrap().contains("vCPUs"));
}

#[tokio::test(start_paused = true)]
async fn a_task_without_a_free_address_does_not_start_and_a_stopped_one_frees_its_own() {
    let options = EcsOptions { auto_register: true, quotas: None, max_addresses: Some(2), ..EcsOptions::default() };
    let bench = with(options);
    for _ in 0..2 {
        bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 3}))).await;
        bench.pass(600).await;
        let last: Vec<_> = bench.events().into_iter().filter(|e| e["detail"]["lastStatus"] == "STOPPED").collect();
        let started = |e: &&Value| e["detail"].get("startedAt").is_some();
        let reasons: Vec<_> = last.iter().filter_map(|e| e["detail"]["stoppedReason"].as_str()).collect();
        assert_eq!((last.len() % 3, last.iter().filter(started).count() * 3), (0, last.len() * 2), "{reasons:?}");
        assert!(reasons.iter().any(|r| r.contains("InsufficientFreeAddresses")), "{reasons:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_are_filtered_and_paged() {
    let bench = bench("[task]\nseconds = 5000");
    bench.ok("RunTask", merged(fargate("etl"), &json!({"count": 5, "startedBy": "a/1"}))).await;
    let web = bench.run(merged(fargate("web"), &json!({"startedBy": "a/2"}))).await;
    let page = bench.ok("ListTasks", json!({"startedBy": "a/1", "maxResults": 3})).await;
    let rest =
        bench.ok("ListTasks", json!({"startedBy": "a/1", "maxResults": 3, "nextToken": page["nextToken"]})).await;
    assert_eq!((page["taskArns"].as_array().unwrap().len(), rest["taskArns"].as_array().unwrap().len()), (3, 2));
    assert!(rest.get("nextToken").is_none());
    assert_eq!(bench.ok("ListTasks", json!({"family": "web"})).await["taskArns"], json!([web]));
    assert_eq!(bench.ok("ListTasks", json!({"desiredStatus": "PENDING"})).await["taskArns"], json!([]));
    bench.ok("StopTask", json!({"task": web})).await;
    assert_eq!(bench.ok("ListTasks", json!({"desiredStatus": "STOPPED"})).await["taskArns"], json!([web]));
    assert_eq!(
        bench.err("ListTasks", json!({"startedBy": "a/1", "family": "etl"})).await.0,
        "InvalidParameterException"
    );
    assert_eq!(bench.err("ListTasks", json!({"nextToken": "x"})).await.0, "InvalidParameterException");
    let many: Vec<_> = (0..101).map(|i| format!("t{i}")).collect();
    assert_eq!(bench.err("DescribeTasks", json!({"tasks": many})).await.0, "InvalidParameterException");
    let gone = "0".repeat(32);
    assert_eq!(bench.err("StopTask", json!({"task": gone})).await.1, "The referenced task was not found.");
    for (name, part) in [
        ("nope", "taskId length should be one of [32,36]"),
        (
            &*format!("arn:aws:ecs:eu-west-2:1:task/other/{gone}"),
            "Identifier is for cluster other. Your cluster is default",
        ),
        ("arn:aws:ecs:eu-west-2:1:cluster/default", "Unsupported resource type: cluster"),
    ] {
        assert!(bench.err("StopTask", json!({"task": name})).await.1.contains(part), "{name}");
        assert!(bench.err("DescribeTasks", json!({"tasks": [name]})).await.1.contains(part), "{name}");
    }
    assert_eq!(bench.err("DescribeTasks", json!({"tasks": []})).await.1, "Tasks cannot be empty.");
}

#[tokio::test(start_paused = true)]
async fn task_definitions_and_clusters() {
    let bench = with(EcsOptions { quotas: None, ..EcsOptions::default() });
    let body = json!({"family": "etl", "memory": "512",
        "containerDefinitions": [{"name": "a", "image": "i"}], "tags": [{"key": "k", "value": "v"}]});
    assert_eq!(bench.ok("RegisterTaskDefinition", body.clone()).await["taskDefinition"]["revision"], 1);
    assert_eq!(bench.ok("RegisterTaskDefinition", body).await["taskDefinition"]["revision"], 2);
    let described = bench.ok("DescribeTaskDefinition", json!({"taskDefinition": "etl", "include": ["TAGS"]})).await;
    assert_eq!((&described["taskDefinition"]["revision"], &described["tags"][0]["key"]), (&json!(2), &json!("k")));
    bench.ok("DeregisterTaskDefinition", json!({"taskDefinition": "etl:2"})).await;
    assert_eq!(
        bench.ok("DescribeTaskDefinition", json!({"taskDefinition": "etl"})).await["taskDefinition"]["revision"],
        1
    );
    assert_eq!(bench.err("RunTask", json!({"taskDefinition": "etl:2"})).await.1, "TaskDefinition is inactive");
    assert_eq!(bench.ok("ListTaskDefinitions", json!({})).await["taskDefinitionArns"].as_array().unwrap().len(), 1);
    assert_eq!(bench.ok("ListTaskDefinitionFamilies", json!({})).await["families"], json!(["etl"]));
    bench.ok("CreateCluster", json!({"clusterName": "b"})).await;
    assert_eq!(bench.ok("ListClusters", json!({})).await["clusterArns"].as_array().unwrap().len(), 2);
    let arn = bench.run(json!({"taskDefinition": "etl", "cluster": "b"})).await;
    assert_eq!(bench.err("DeleteCluster", json!({"cluster": "b"})).await.0, "ClusterContainsTasksException");
    bench.ok("TagResource", json!({"resourceArn": arn, "tags": [{"key": "x", "value": "1"}]})).await;
    let tags = bench.ok("ListTagsForResource", json!({"resourceArn": arn})).await;
    assert_eq!(tags["tags"], json!([{"key": "x", "value": "1"}]));
    bench.pass(100).await;
    bench.ok("DeleteCluster", json!({"cluster": "b"})).await;
    assert_eq!(
        bench.err("RunTask", json!({"taskDefinition": "etl", "cluster": "b"})).await.0,
        "ClusterNotFoundException"
    );
    let described = bench.ok("DescribeClusters", json!({"clusters": ["default", "zzz"]})).await;
    assert_eq!(
        (described["clusters"].as_array().unwrap().len(), &described["failures"][0]["reason"]),
        (1, &json!("MISSING"))
    );
}

#[tokio::test(start_paused = true)]
async fn made_up_definitions_learn_the_containers_they_are_asked_for() {
    let bench = bench("");
    bench
        .run(merged(
            fargate("etl:7"),
            &json!({"overrides": {"containerOverrides": [{"name": "app", "command": ["false"]}]}}),
        ))
        .await;
    let definition = bench.ok("DescribeTaskDefinition", json!({"taskDefinition": "etl:7"})).await;
    assert_eq!(definition["taskDefinition"]["containerDefinitions"][0]["name"], "app");
    bench.pass(200).await;
    assert_eq!(bench.last()["containers"][0]["exitCode"], 1);
    assert_eq!(bench.err("RunTask", json!({"taskDefinition": "bad name!"})).await.0, "ClientException");
}

#[tokio::test(start_paused = true)]
async fn nothing_in_a_body_panics() {
    let bench = bench("");
    let odd = [
        Value::Null,
        json!(1),
        json!("x"),
        json!([]),
        json!([[1]]),
        json!({"taskDefinition": 1}),
        json!({"tasks": [1]}),
    ];
    for operation in
        ["RunTask", "StopTask", "DescribeTasks", "ListTasks", "RegisterTaskDefinition", "CreateCluster", "TagResource"]
    {
        for body in &odd {
            let _ = bench.call(operation, body.clone()).await;
        }
    }
    for member in
        ["overrides", "networkConfiguration", "tags", "capacityProviderStrategy", "count", "clientToken", "group"]
    {
        for value in &odd {
            let _ = bench.call("RunTask", merged(fargate("etl"), &json!({member: value}))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn task_definitions_are_checked_as_aws_checks_them() {
    let bench = with(EcsOptions { quotas: None, ..EcsOptions::default() });
    let fargate = json!({"family": "f", "networkMode": "awsvpc", "requiresCompatibilities": ["FARGATE"], "cpu": "256",
        "memory": "512", "containerDefinitions": [{"name": "a", "image": "i"}]});
    for (change, part) in [
        (json!({"networkMode": "bridge"}), "only supports network mode"),
        (json!({"cpu": null}), "Fargate requires that 'cpu' be defined at the task level."),
        (json!({"memory": "4096"}), "No Fargate configuration exists for given values: 256 CPU, 4096 memory."),
        (json!({"cpu": "much"}), "Invalid 'cpu' setting for task."),
        (json!({"containerDefinitions": []}), "Container list cannot be empty."),
        (json!({"containerDefinitions": [{"image": "i"}]}), "Container.name should not be null or empty."),
        (json!({"containerDefinitions": [{"name": "a"}]}), "Container.image should not be null or empty."),
        (
            json!({"containerDefinitions": [{"name": "a", "image": "i", "memory": 1024}]}),
            "'memory' setting for container 'a' is greater",
        ),
        (
            json!({"requiresCompatibilities": [], "memory": null}),
            "Invalid setting for container 'a'. At least one of 'memory' or 'memoryReservation' must be specified.",
        ),
    ] {
        let (code, message) = bench.err("RegisterTaskDefinition", merged(fargate.clone(), &change)).await;
        assert!(code == "ClientException" && message.contains(part), "{change}: {code} {message}");
    }
    let words = merged(fargate, &json!({"cpu": "1 vCPU", "memory": "2 GB"}));
    let made = bench.ok("RegisterTaskDefinition", words).await["taskDefinition"].clone();
    assert_eq!((&made["cpu"], &made["memory"]), (&json!("1024"), &json!("2048")));
    let arn = &made["taskDefinitionArn"];
    bench.ok("TagResource", json!({"resourceArn": arn, "tags": [{"key": "x", "value": "1"}]})).await;
    let tags = bench.ok("ListTagsForResource", json!({"resourceArn": arn})).await;
    assert_eq!(tags["tags"], json!([{"key": "x", "value": "1"}]));
}

#[tokio::test(start_paused = true)]
async fn a_managed_instances_provider_launches_as_such() {
    let bench = with(EcsOptions { quotas: None, ..EcsOptions::default() });
    let provider =
        json!({"name": "mi", "cluster": "default", "managedInstancesProvider": {"infrastructureRoleArn": "r"}});
    bench.ok("CreateCapacityProvider", provider).await;
    bench
        .ok("CreateCapacityProvider", json!({"name": "asg", "autoScalingGroupProvider": {"autoScalingGroupArn": "a"}}))
        .await;
    let definition = json!({"family": "etl", "networkMode": "awsvpc", "cpu": "256", "memory": "512",
        "containerDefinitions": [{"name": "a", "image": "i"}]});
    bench.ok("RegisterTaskDefinition", definition).await;
    for (provider, launch_type) in [("mi", "MANAGED_INSTANCES"), ("asg", "EC2"), ("FARGATE", "FARGATE")] {
        let run = merged(
            fargate("etl"),
            &json!({"launchType": null, "capacityProviderStrategy": [{"capacityProvider": provider}]}),
        );
        let task = bench.ok("RunTask", run).await["tasks"][0].clone();
        assert_eq!((&task["launchType"], &task["capacityProviderName"]), (&json!(launch_type), &json!(provider)));
    }
    let shown = bench.ok("DescribeCapacityProviders", json!({"capacityProviders": ["mi", "gone"]})).await;
    assert_eq!(
        (&shown["capacityProviders"][0]["name"], &shown["failures"][0]["reason"]),
        (&json!("mi"), &json!("MISSING"))
    );
    let default = json!({"cluster": "default", "capacityProviders": ["mi"], "defaultCapacityProviderStrategy": [{"capacityProvider": "mi", "weight": 1}]});
    bench.ok("PutClusterCapacityProviders", default).await;
    let run = merged(fargate("etl"), &json!({"launchType": null}));
    assert_eq!(bench.ok("RunTask", run).await["tasks"][0]["launchType"], "MANAGED_INSTANCES");
}
