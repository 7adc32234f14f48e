//! Reasons as programs and services print them, with their own words around, and cut off.

use serde_json::json;

use super::*;

/// What is explained of one text: the error, the class and a part of the hint.
fn told(text: &str) -> (String, String, String) {
    let tasks = explain(text, &[]).tasks;
    assert_eq!(tasks.len(), 1, "{text}");
    let task = &tasks[0];
    let class = task.class.map(|class| class.as_str().to_owned()).unwrap_or_default();
    (task.error.clone().unwrap_or_default(), class, task.hint.clone().unwrap_or_default())
}

#[test]
fn what_programs_print_of_an_answer_is_explained() {
    let task = "{'taskArn': 'arn:aws:ecs:eu-west-1:123456789012:task/batch/0a', 'lastStatus': 'STOPPED', 'stopCode': 'EssentialContainerExited', \
                'startedAt': datetime.datetime(2026, 11, 22, 3, 0, tzinfo=tzlocal()), 'stoppedReason': 'Essential container in task exited', \
                'containers': [{'name': 'etl', 'exitCode': 3, 'lastStatus': 'STOPPED'}]}";
    for (text, error, class) in [
        (
            format!("airflow.exceptions.AirflowException: This task is not in success state {task}"),
            "EssentialContainerExited",
            "Taskwatch.Application",
        ),
        (
            format!("{{'tasks': [{task}], 'failures': [], 'ResponseMetadata': {{'HTTPStatusCode': 200}}}}"),
            "EssentialContainerExited",
            "Taskwatch.Application",
        ),
        (
            "a.b.EcsOperatorError: [{'arn': 'arn:aws:ecs:x', 'reason': 'RESOURCE:MEMORY'}]".to_owned(),
            "RESOURCE:MEMORY",
            "Taskwatch.Capacity",
        ),
        ("Task failed: [{'arn': 'x', 'reason': 'MISSING'}]".to_owned(), "MISSING", "Taskwatch.Configuration"),
        (
            "Error: no task: {\"tasks\": [], \"failures\": [{\"reason\": \"AGENT\"}]}".to_owned(),
            "AGENT",
            "Taskwatch.Host",
        ),
    ] {
        let told = told(&text);
        assert_eq!((told.0.as_str(), told.1.as_str()), (error, class), "{text}");
    }
}

#[test]
fn a_document_that_is_cut_off_is_explained_as_far_as_it_goes() {
    let inner = "{\"TaskArn\":\"arn:aws:ecs:x\",\"LastStatus\":\"STOPPED\",\"StopCode\":\"TaskFailedToStart\",\"StoppedReason\":\"CannotPullContainerError: pull access denied for x, repository does";
    let outer = json!({"Error": "States.TaskFailed", "Cause": inner}).to_string();
    for text in [inner, &outer, &outer[..outer.len() - 2], &outer[..outer.len() - 30]] {
        let told = told(text);
        assert_eq!((told.0.as_str(), told.1.as_str()), ("CannotPullContainerError", "Taskwatch.Image"), "{text}");
    }
    assert!(explain(inner, &[]).broken[0].why.contains("cut off"));
    // Whether all went well stands in what is missing.
    let well = "{\"lastStatus\": \"STOPPED\", \"taskArn\": \"a\", \"stopCode\": \"EssentialContainerExited\", \"containers\": [{\"name\": \"a\", \"exitCode\": 0}, {\"name";
    assert_eq!(explain(well, &[]).tasks, []);
}

#[test]
fn errors_of_step_functions_itself_are_named() {
    for (text, class, part) in [
        ("{\"Error\": \"States.Timeout\"}", "Taskwatch.Application", "TimeoutSeconds"),
        ("{\"error\": \"States.Timeout\", \"cause\": \"\"}", "Taskwatch.Application", "TimeoutSeconds"),
        ("States.Runtime: The JSONPath '$.x' could not be found", "Taskwatch.Configuration", "a path, an expression"),
        (
            "{\"Error\": \"States.DataLimitExceeded\", \"Cause\": \"too large\"}",
            "Taskwatch.Configuration",
            "ResultSelector",
        ),
        ("{\"Error\": \"States.Permissions\", \"Cause\": \"x\"}", "Taskwatch.Configuration", "ecs:RunTask"),
        (
            "{\"Error\": \"States.TaskFailed\", \"Cause\": \"Capacity is unavailable at this time\"}",
            "Taskwatch.Capacity",
            "AWS has no capacity",
        ),
        ("{\"Error\": \"States.BranchFailed\", \"Cause\": \"x\"}", "Taskwatch.Application", "history"),
    ] {
        let told = told(text);
        assert!(told.0.starts_with("States.") && told.1 == class && told.2.contains(part), "{text}: {told:?}");
    }
}

#[test]
fn what_wraps_a_reason_is_read_over() {
    for (text, error, class, part) in [
        ("TaskFailedToStart", "TaskFailedToStart", "Taskwatch.Service", "containers' reasons"),
        ("EssentialContainerExited", "EssentialContainerExited", "Taskwatch.Host", "exit"),
        (
            "ECS task 0a failed: Essential container in task exited. Container run exited with 3",
            "EssentialContainerExited",
            "Taskwatch.Application",
            "",
        ),
        ("exit status 1", "EssentialContainerExited", "Taskwatch.Application", ""),
        (
            "prefect.exceptions.InfrastructureNotAvailable: Failed to run: TaskFailedToStart: CannotPull",
            "CannotPull",
            "Taskwatch.Image",
            "",
        ),
        (
            "RuntimeError: TaskFailedToStart: ResourceInitializationError: unable to pull secrets or reg",
            "ResourceInitializationError",
            "Taskwatch.Secrets",
            "",
        ),
        (
            "software.amazon.awssdk.services.ecs.model.InvalidParameterException: Network Configuration is not valid for the given networkMode (Service: Ecs, Status Code: 400)",
            "ECS.InvalidParameterException",
            "Taskwatch.Configuration",
            "correct the request",
        ),
        (
            "operation error ECS: RunTask, https response error StatusCode: 400, RequestID: 1, ClusterNotFoundException: Cluster not found.",
            "ECS.ClusterNotFoundException",
            "Taskwatch.Configuration",
            "check the cluster",
        ),
        (
            "Invocation of ECS target failed: ERROR_CODE=InvalidParameterException, ERROR_MESSAGE=TaskDefinition is inactive",
            "ECS.InvalidParameterException",
            "Taskwatch.Configuration",
            "",
        ),
        (
            "RuntimeError: Failed to run task: ServerException: Service Unavailable.",
            "ECS.ServerException",
            "Taskwatch.Service",
            "try again",
        ),
        (
            "An error occurred (ThrottlingException) when calling the RunTask operation (reached max retries: 4): Rate exceeded",
            "ECS.ThrottlingException",
            "Taskwatch.Throttled",
            "",
        ),
        (
            "An error occurred (UnsupportedFeatureException) when calling the RunTask operation: ",
            "ECS.UnsupportedFeatureException",
            "Taskwatch.Configuration",
            "",
        ),
        (
            "botocore.exceptions.NoCredentialsError: Unable to locate credentials",
            "Taskwatch.Configuration",
            "Taskwatch.Configuration",
            "no AWS credentials",
        ),
        (
            "operation error ECS: RunTask, failed to sign request: failed to retrieve credentials: no EC2 IMDS role found",
            "Taskwatch.Configuration",
            "Taskwatch.Configuration",
            "no AWS credentials",
        ),
        (
            "You must specify a region. You can also configure it",
            "Taskwatch.Configuration",
            "Taskwatch.Configuration",
            "AWS_REGION",
        ),
        (
            "botocore.exceptions.ParamValidationError: Parameter validation failed:\nUnknown parameter, must be one of: capacityProviderStrategy",
            "Taskwatch.Configuration",
            "Taskwatch.Configuration",
            "correct the request",
        ),
        (
            "Waiter TasksStopped failed: Max attempts exceeded",
            "Taskwatch.Application",
            "Taskwatch.Application",
            "may still run",
        ),
        (
            "botocore.exceptions.WaiterError: Waiter TasksRunning failed: Waiter encountered a terminal failure state",
            "Taskwatch.Service",
            "Taskwatch.Service",
            "before it was RUNNING",
        ),
        (
            "botocore.exceptions.EndpointConnectionError: Could not connect to the endpoint URL: \"https://ecs.x.amazonaws.com/\"",
            "Taskwatch.Network",
            "Taskwatch.Network",
            "cannot be reached",
        ),
        ("Job Timed out", "Taskwatch.Application", "Taskwatch.Application", "attemptDurationSeconds"),
        (
            "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - the requirement (vCPU/memory/GPU) is higher than the CE(s) have",
            "Taskwatch.Configuration",
            "Taskwatch.Configuration",
            "compute environment",
        ),
        ("Array Child Job failed", "Taskwatch.Application", "Taskwatch.Application", "another job"),
        (
            "airflow.exceptions.AirflowException: This task is not in success state - last 10 logs from Cloudwatch:\nTraceback",
            "Taskwatch.Application",
            "Taskwatch.Application",
            "ended itself",
        ),
        ("Fargate is retiring this task", "Taskwatch.Host", "Taskwatch.Host", ""),
        (
            "Platform version 1.3.0 does not support EFS",
            "Taskwatch.Configuration",
            "Taskwatch.Configuration",
            "launch type",
        ),
    ] {
        let told = told(text);
        assert_eq!((told.0.as_str(), told.1.as_str()), (error, class), "{text}");
        assert!(told.2.contains(part), "{text}: {told:?}");
    }
    for text in ["Command '['aws']' returned non-zero exit status 255.", "hello world"] {
        let explained = explain(text, &[]);
        assert!(
            explained.tasks.is_empty() && explained.broken[0].why.contains("no reason that is known"),
            "{explained:?}"
        );
    }
}
