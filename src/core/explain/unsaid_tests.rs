//! What a document or a text does not say: sparse warnings, jobs without a task, ends without an exit code, empty answers.

use serde_json::{Value, json};

use super::*;

fn one(text: &str) -> Explanation {
    let mut tasks = explain(text, &[]).tasks;
    assert_eq!(tasks.len(), 1, "{text}: {tasks:?}");
    tasks.remove(0)
}

#[test]
fn a_running_task_that_is_to_be_stopped_says_why() {
    for (code, reason, class, part) in [
        (Some("SpotInterruption"), Some("Your Spot Task was interrupted."), Some(Class::Spot), "two minutes"),
        (Some("TerminationNotice"), Some("Your Spot Task was interrupted."), Some(Class::Spot), "two minutes"),
        // Users saw the warning without a stop code, and the code may come alone.
        (None, Some("Your Spot Task was interrupted."), Some(Class::Spot), "stopTimeout"),
        (Some("SpotInterruption"), None, Some(Class::Spot), "SIGTERM"),
        (Some("UserInitiated"), Some("Task stopped by user"), Some(Class::Stopped), "somebody called StopTask"),
        (Some("TerminationNotice"), Some("Host EC2 (instance i-1) terminated."), Some(Class::Host), "SIGKILL"),
        (
            Some("ServiceSchedulerInitiated"),
            Some("Scaling activity initiated by (deployment ecs-svc/1)"),
            Some(Class::Stopped),
            "service scheduler",
        ),
        (Some("EssentialContainerExited"), Some("Essential container in task exited"), None, "DEPROVISIONING"),
        (None, None, None, "DEPROVISIONING"),
    ] {
        for started in [None, Some("2026-11-22T08:00:00Z")] {
            let task = json!({"taskArn": "arn:t", "clusterArn": "c", "createdAt": "2026-11-22T08:00:00Z", "startedAt": started,
                "lastStatus": "RUNNING", "desiredStatus": "STOPPED", "stopCode": code, "stoppedReason": reason});
            let event = json!({"source": "aws.ecs", "detail-type": "ECS Task State Change", "detail": task});
            for document in [&task, &event, &json!({"tasks": [task]})] {
                let told = one(&document.to_string());
                assert_eq!((told.status, told.class, told.cause.as_deref()), ("RUNNING", class, reason), "{document}");
                assert_eq!((told.error, told.transience.is_some()), (None, class.is_some()));
                let hint = told.hint.unwrap_or_default();
                assert!(hint.contains(part) && !hint.contains("NAME"), "{document}: {hint}");
            }
        }
    }
    // One that is not to be stopped has nothing to say, and one that never ran does not run.
    let running = one(r#"{"taskArn": "a", "lastStatus": "RUNNING", "desiredStatus": "RUNNING"}"#);
    assert_eq!((running.status, running.hint), ("RUNNING", None));
    let stopping =
        one(r#"{"taskArn": "a", "lastStatus": "STOPPING", "containers": [{"name": "a", "lastStatus": "RUNNING"}]}"#);
    assert_eq!(stopping.status, "RUNNING");
    let pending = one(r#"{"taskArn": "a", "lastStatus": "PENDING", "desiredStatus": "STOPPED"}"#);
    assert_eq!(pending.status, "STARTING");
}

#[test]
fn a_job_without_a_task_names_no_command_that_needs_one() {
    let job = |members: Value| {
        let mut job = json!({"jobId": "4c75a1f0-0000-4000-8000-000000000000", "jobName": "etl", "status": "FAILED"});
        members.as_object().unwrap().iter().for_each(|(name, value)| job[name] = value.clone());
        one(&json!({"jobs": [job]}).to_string())
    };
    let timeout = "Job attempt duration exceeded timeout";
    for (members, error, class, part) in [
        (
            json!({"statusReason": timeout, "attempts": []}),
            "Taskwatch.Application",
            Class::Application,
            "attemptDurationSeconds",
        ),
        (
            json!({"statusReason": timeout, "isTerminated": true}),
            "Taskwatch.Application",
            Class::Application,
            "attemptDurationSeconds",
        ),
        (
            json!({"statusReason": "no longer needed", "isCancelled": true}),
            "UserInitiated",
            Class::Stopped,
            "CancelJob or TerminateJob",
        ),
        (
            json!({"statusReason": "no longer needed", "isTerminated": true}),
            "UserInitiated",
            Class::Stopped,
            "called TerminateJob",
        ),
        (
            json!({"statusReason": "Essential container in task exited", "attempts": [{"container": {"exitCode": 3}}]}),
            "EssentialContainerExited",
            Class::Application,
            "exit code",
        ),
        (
            json!({"attempts": [{"container": {"exitCode": 1}}, {"container": {"exitCode": 4, "reason": "x"}, "statusReason": "Essential container in task exited"}]}),
            "EssentialContainerExited",
            Class::Application,
            "exit code",
        ),
        (
            json!({"statusReason": "Essential container in task exited", "container": {"reason": "x"}, "attempts": [{"container": {"exitCode": 3}}],
                "ecsProperties": {"taskProperties": [{"containers": [{"name": "a"}]}]}}),
            "EssentialContainerExited",
            Class::Application,
            "exit code",
        ),
        (json!({"jobArn": "arn:aws:batch:x:1:job/j"}), "Taskwatch.Service", Class::Service, "ECS gave no reason"),
    ] {
        let told = job(members.clone());
        let hint = told.hint.unwrap_or_default();
        assert_eq!((told.error.as_deref(), told.class), (Some(error), Some(class)), "{members}: {hint}");
        assert!(hint.contains(part) && !hint.contains("taskwatch") && !hint.contains("StopTask"), "{members}: {hint}");
    }
    // Where only the attempt has it, its task's log can be asked for.
    let arn = "arn:aws:ecs:eu-west-1:1:task/b/1";
    for attempt in [
        json!({"container": {"taskArn": arn, "exitCode": 3}}),
        json!({"taskProperties": [{"taskArn": arn, "containers": [{"name": "a", "exitCode": 0}, {"name": "b", "exitCode": 3}]}]}),
    ] {
        let told = job(json!({"statusReason": "Essential container in task exited", "attempts": [attempt]}));
        assert_eq!((told.class, told.task_arn.as_deref()), (Some(Class::Application), Some(arn)));
        assert!(told.cause.unwrap_or_default().contains("exited with 3"));
        assert!(told.hint.unwrap_or_default().contains(&format!("taskwatch explain {arn} --logs")));
    }
}

#[test]
fn an_end_without_an_exit_code_is_the_same_however_it_is_told() {
    let task = |code: Option<&str>| {
        json!({"taskArn": "arn:aws:ecs:x:1:task/c/1", "lastStatus": "STOPPED", "stopCode": code,
        "stoppedReason": "Essential container in task exited", "containers": [{"name": "app"}]})
        .to_string()
    };
    let cause = r#"{"Error": "States.TaskFailed", "Cause": "Essential container in task exited"}"#;
    let expected = one(&task(Some("EssentialContainerExited")));
    for text in [
        &task(None),
        "Essential container in task exited",
        "  \"Essential container in task exited\"\n",
        "Essential container in task exited.",
        "EssentialContainerExited",
        "Stopped reason: Essential container in task exited",
        "STOPPED (Essential container in task exited)",
        "ECS task 1 failed: Essential container in task exited",
        cause,
    ] {
        let told = one(text);
        assert_eq!((told.class, told.transience), (Some(Class::Host), Some(Transience::Transient)), "{text}: {told:?}");
        assert_eq!((told.class, told.transience), (expected.class, expected.transience));
        let hint = told.hint.unwrap_or_default();
        assert!(hint.contains("no exit code is given") && !hint.contains("this exit code"), "{text}: {hint}");
        assert!(
            text == cause || told.names.iter().any(|name| name == "EssentialContainerExited"),
            "{text}: {:?}",
            told.names
        );
    }
    for text in [
        "Essential container in task exited (exit code: 3)",
        "Essential container in task exited. Container app exited with 3",
        "Essential container in task exited, exit status 3",
    ] {
        assert_eq!(one(text).class, Some(Class::Application), "{text}");
    }
    assert!(!one("This task is not in success state").hint.unwrap_or_default().contains("this exit code"));
}

#[test]
fn a_stop_code_alone_is_its_name() {
    for (code, class) in [
        ("TaskFailedToStart", Class::Service),
        ("EssentialContainerExited", Class::Host),
        ("UserInitiated", Class::Stopped),
        ("ServiceSchedulerInitiated", Class::Stopped),
        ("SpotInterruption", Class::Spot),
        ("TerminationNotice", Class::Host),
        ("InfrastructureHealth", Class::Host),
    ] {
        let told = one(code);
        assert_eq!((told.error.as_deref(), told.class, told.cause.as_deref()), (Some(code), Some(class), Some(code)));
    }
}

#[test]
fn a_refusal_that_a_program_prints_is_the_refusal() {
    for (reason, texts) in [
        (
            "RESOURCE:MEMORY",
            &[
                "unable to run tasks: RESOURCE:MEMORY",
                "Error: unable to run tasks: RESOURCE:MEMORY",
                "RuntimeError: RunTask failed: [RESOURCE:MEMORY]",
                "failed to run task (reason: \"RESOURCE:MEMORY\").",
            ][..],
        ),
        ("RESOURCE:CPU", &["run task: reason=RESOURCE:CPU, arn=arn:aws:ecs:x"]),
        ("AGENT", &["unable to run tasks: AGENT", "RunTask failure reason: \"AGENT\""]),
        ("MISSING", &["unable to run tasks: MISSING"]),
        ("ATTRIBUTE", &["could not start the task: ATTRIBUTE"]),
    ] {
        let expected = one(reason);
        for text in texts {
            assert_eq!(one(text), expected, "{text}");
        }
    }
    // What ECS says of a task that it had taken is the task's.
    assert!(one("TaskFailedToStart: RESOURCE:MEMORY").names.iter().all(|name| name != "AmazonECS.Unknown"));
    for text in ["it is MISSING", "see LOCATION"] {
        assert!(explain(text, &[]).tasks.is_empty(), "{text}");
    }
}

#[test]
fn a_call_that_iam_refused_has_the_exceptions_name_in_cloudtrail_too() {
    let record = json!({"eventSource": "ecs.amazonaws.com", "eventName": "RunTask", "errorCode": "AccessDenied",
        "errorMessage": "User: arn:aws:iam::1:user/x is not authorized to perform: ecs:RunTask"});
    let event = json!({"source": "aws.ecs", "detail-type": "AWS API Call via CloudTrail", "detail": record});
    for document in [&record, &event, &json!({"Records": [record]})] {
        let told = one(&document.to_string());
        assert!(told.names.iter().any(|name| name == "ECS.AccessDeniedException"), "{:?}", told.names);
        assert_eq!((told.class, told.transience), (Some(Class::Configuration), Some(Transience::Permanent)));
    }
}

#[test]
fn an_answer_that_holds_no_task_is_no_broken_document() {
    for text in [
        r#"{"tasks":[],"failures":[]}"#,
        r#"{"tasks": []}"#,
        r#"{"failures": []}"#,
        r#"{"Tasks": [], "Failures": []}"#,
        r#"{"jobs": []}"#,
        r#"{"taskArns": []}"#,
        r#""{\"tasks\": [], \"failures\": []}""#,
        "{'tasks': [], 'failures': [], 'ResponseMetadata': {'HTTPStatusCode': 200}}",
        "failures: []\ntasks: []\n",
    ] {
        let told = explain(text, &[]);
        assert_eq!((told.empty, told.skipped, told.tasks.len(), told.broken.len()), (1, 0, 0, 0), "{text}: {told:?}");
    }
    let told = one("RuntimeError: CannotPullContainerError: EOF, answer: {'tasks': [], 'failures': []}");
    assert_eq!(told.class, Some(Class::Image));
    let told = explain(r#"{"tasks":[],"failures":[{"reason":"AGENT"}]}"#, &[]);
    assert_eq!((told.empty, told.tasks.len()), (0, 1));
}
