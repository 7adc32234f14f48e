//! Table tests of failures.

use serde_json::Value;

use super::*;
use crate::core::task::{Container, Task};
use crate::core::verdict::{Deciders, Verdict};

fn ended(stop_code: &str, reason: &str, container_reason: Option<&str>) -> Failure {
    ended_with(stop_code, reason, container_reason, None)
}

fn ended_with(stop_code: &str, reason: &str, container_reason: Option<&str>, exit_code: Option<i64>) -> Failure {
    ended_on("", stop_code, reason, container_reason, exit_code)
}

fn ended_on(
    launch_type: &str,
    stop_code: &str,
    reason: &str,
    container_reason: Option<&str>,
    exit_code: Option<i64>,
) -> Failure {
    let task = Task {
        last_status: "STOPPED".into(),
        launch_type: (!launch_type.is_empty()).then(|| launch_type.into()),
        stop_code: (!stop_code.is_empty()).then(|| stop_code.into()),
        stopped_reason: (!reason.is_empty()).then(|| reason.into()),
        containers: vec![Container {
            name: "app".into(),
            reason: container_reason.map(Into::into),
            exit_code,
            ..Default::default()
        }],
        ..Task::default()
    };
    match task.verdict(Deciders::Unknown) {
        Verdict::Failed(failure) => *failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_known_reason_keeps_its_transience() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/stop_reasons.json")).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap();
        let example = text("example");
        let stop_code = text("stopCode").split('|').next().unwrap_or_default();
        let failure = match text("field") {
            "failures.reason" => from_refusal(example, None),
            "exception" => from_exception(example.split(':').next().unwrap_or_default(), example),
            "container.reason" => ended(stop_code, "Task failed to start", Some(example)),
            _ => ended(stop_code, example, None),
        };
        let expected = format!("Taskwatch.{}{}", text("transience")[..1].to_uppercase(), &text("transience")[1..]);
        // With an exit code this reason is the program's; without one nobody knows what it did.
        if text("class") == "EssentialContainerExited" {
            continue;
        }
        if failure.transience.as_str() != expected && failure.class != Class::Spot {
            wrong.push(format!("{example:.90}: {} not {expected}", failure.transience.as_str()));
        }
        assert!(!failure.hint.is_empty() && !failure.cause.is_empty() && !failure.error.is_empty(), "{example}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn further_reasons_are_understood() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/further_reasons.json")).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap();
        let (message, code) = (text("text"), text("stopCode"));
        let failure = match text("field") {
            "failures.reason" => from_refusal(message, None),
            "exception" => message.split_once(": ").map(|(name, rest)| from_exception(name, rest)).unwrap(),
            "container.reason" => ended(code, "Task failed to start", Some(message)),
            _ => ended(code, message, None),
        };
        let class = failure.class.as_str().trim_start_matches("Taskwatch.");
        let transience = failure.transience.as_str().trim_start_matches("Taskwatch.").to_lowercase();
        // Where operators may differ, either answer will do.
        let is = |name: &str, found: &str| text(name).split('|').any(|one| one == found);
        if !is("class", class) || !is("transience", &transience) {
            wrong.push(format!("{class} {transience}, not {} {}: {message}", text("class"), text("transience")));
        }
        assert!(!failure.hint.is_empty() && !failure.error.is_empty(), "{message}");
    }
    assert!(wrong.is_empty() && rows.len() > 200, "{} of {}: {wrong:#?}", wrong.len(), rows.len());
}

/// Texts from public sources and ones composed after their wording: each row of the fixture says which.
#[test]
fn further_reasons_have_their_error_class_transience_and_hint() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/named_reasons.json")).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let (message, code) = (text("text"), text("stopCode"));
        let exited =
            if code == "TaskFailedToStart" { "Task failed to start" } else { "Essential container in task exited" };
        let failure = match (text("field"), row["exitCode"].as_i64()) {
            ("failures.reason", _) => from_refusal(message, None),
            ("exception", _) => message.split_once(": ").map(|(name, rest)| from_exception(name, rest)).unwrap(),
            ("container.reason", None) => ended(code, exited, Some(message)),
            ("container.reason", exit_code) => ended_with(code, exited, Some(message), exit_code),
            _ => ended(code, message, None),
        };
        let class = failure.class.as_str().trim_start_matches("Taskwatch.");
        let transience = failure.transience.as_str().trim_start_matches("Taskwatch.").to_lowercase();
        let told = (failure.error.as_str(), class, transience.as_str());
        let hint = row["hint"].as_str().map_or_else(|| failure.hint.clone(), |key| table::hint(key).to_owned());
        // A program's own failure says besides where its log is.
        let said = failure.hint.split("; its log: ").next() == hint.split("; its log: ").next();
        if told != (text("error"), text("class"), text("transience")) || !said || hint.is_empty() {
            wrong.push(format!("{told:?} {}: {message}", failure.hint));
        }
    }
    assert!(wrong.is_empty() && rows.len() > 250, "{} of {}: {wrong:#?}", wrong.len(), rows.len());
}

/// Texts that were judged wrongly once, and their kinds: cut off, in other words, on Fargate and on an instance.
#[test]
fn texts_that_were_misjudged_have_their_meaning() {
    let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/judged_reasons.json")).unwrap();
    let mut wrong = Vec::new();
    for row in &rows {
        let text = |name: &str| row[name].as_str().unwrap_or_default();
        let (message, launch_type, code) = (text("text"), text("launchType"), text("stopCode"));
        let failure = match text("field") {
            "container.reason" => ended_on(launch_type, code, "Task failed to start", Some(message), None),
            _ => ended_on(launch_type, code, message, None, None),
        };
        let class = failure.class.as_str().trim_start_matches("Taskwatch.");
        let transience = failure.transience.as_str().trim_start_matches("Taskwatch.").to_lowercase();
        let is = |name: &str, found: &str| text(name).split('|').any(|one| one == found);
        let hint = row["hint"].as_str().map(|key| table::hint_on(key, launch_type == "FARGATE"));
        if !is("class", class) || !is("transience", &transience) || hint.is_some_and(|hint| hint != failure.hint) {
            wrong.push(format!("{class} {transience} {}: {message}", failure.hint));
        }
    }
    assert!(wrong.is_empty() && rows.len() > 60, "{} of {}: {wrong:#?}", wrong.len(), rows.len());
}

/// Cut off anywhere behind its name, a text may say less; it does not say that another try never helps where the rest
/// says that it may.
#[test]
fn a_text_that_is_cut_off_is_seldom_taken_for_a_permanent_failure() {
    let fixtures = [
        include_str!("../../../tests/fixtures/further_reasons.json"),
        include_str!("../../../tests/fixtures/named_reasons.json"),
    ];
    let rows: Vec<Value> = fixtures.iter().flat_map(|f| serde_json::from_str::<Vec<Value>>(f).unwrap()).collect();
    let (mut tried, mut wrong) = (0, Vec::new());
    for text in rows.iter().filter(|row| row["stopCode"] == "TaskFailedToStart").filter_map(|row| row["text"].as_str())
    {
        let judged = |text: &str| ended("TaskFailedToStart", text, None).transience;
        if matches!(judged(text), Transience::Permanent | Transience::Application) {
            continue;
        }
        let name = text.find(": ").map_or(0, |at| at + 3);
        for cut in (name..text.len()).step_by(11).filter(|cut| text.is_char_boundary(*cut)) {
            tried += 1;
            if judged(&text[..cut]) == Transience::Permanent {
                wrong.push(&text[..cut]);
            }
        }
    }
    // In these few the beginning by itself is the text of a permanent failure.
    assert!(tried > 1500 && wrong.len() * 40 < tried, "{} of {tried}: {wrong:#?}", wrong.len());
}

#[test]
fn an_error_without_a_name_is_no_name() {
    assert_eq!(ended("TaskFailedToStart", "Error response from daemon: x", None).error, "TaskFailedToStart");
    let boto =
        from_exception("An error occurred (ClientException) when calling the RunTask operation", "No such thing");
    assert_eq!(boto.error, "ECS.ClientException");
}

#[test]
fn the_six_failures_of_the_seeds_issue_have_their_classes() {
    for (reason, container, class, transience) in [
        (
            "Timeout waiting for network interface provisioning to complete.",
            None,
            Class::Network,
            Transience::Transient,
        ),
        (
            "network interface provision complete error timeout wait for network interface provision.",
            None,
            Class::Network,
            Transience::Transient,
        ),
        (
            "Task failed to start",
            Some("CannotPullContainerError: Error response from daemon: pull access denied"),
            Class::Image,
            Transience::Permanent,
        ),
        ("CannotPullContainerError: failed to pull image by the agent", None, Class::Image, Transience::Transient),
        (
            "Task failed to start",
            Some("DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s"),
            Class::Service,
            Transience::Elsewhere,
        ),
        (
            "CannotPullContainerError: write /var/lib/docker/tmp/x: no space left on device",
            None,
            Class::Storage,
            Transience::Elsewhere,
        ),
        ("The disk of the container instance is full", None, Class::Storage, Transience::Elsewhere),
        ("AGENT", None, Class::Host, Transience::Elsewhere),
        ("TaskFailedToStart: AGENT", None, Class::Host, Transience::Elsewhere),
        ("The ECS agent lost its connection during the launch", None, Class::Host, Transience::Elsewhere),
    ] {
        let failure = ended("TaskFailedToStart", reason, container);
        assert_eq!((failure.class, failure.transience), (class, transience), "{reason} {container:?}");
    }
}

#[test]
fn what_was_never_seen_is_read_by_its_words() {
    for (reason, class, transience) in [
        (
            "ResourceInitializationError: failed to mount fs-1 from host: mount.nfs4: connection timed out",
            Class::Storage,
            Transience::Elsewhere,
        ),
        (
            "CannotPullContainerError: pull image manifest: 401 Unauthorized from registry",
            Class::Image,
            Transience::Permanent,
        ),
        ("QuantumFluxError: the secret prod/db does not exist", Class::Secrets, Transience::Permanent),
        ("BrandNewError: dial tcp 10.0.0.1:443: connect: connection refused", Class::Network, Transience::Elsewhere),
        ("EBSVolumeError: could not attach volume vol-1", Class::Storage, Transience::Transient),
        ("Host EC2 (instance i-0123) rebooted.", Class::Host, Transience::Transient),
        ("SomethingOddError: flux capacitor", Class::Service, Transience::Transient),
    ] {
        let failure = ended("TaskFailedToStart", reason, None);
        assert_eq!((failure.class, failure.transience), (class, transience), "{reason}");
        assert!(!failure.hint.is_empty());
    }
    assert_eq!(ended("TaskFailedToStart", "QuantumFluxError: x", None).error, "QuantumFluxError");
    assert_eq!(ended("SomeNewCode", "", None).error, "SomeNewCode");
}

#[test]
fn stop_codes_go_before_texts() {
    assert_eq!(ended("UserInitiated", "CannotPullContainerError: no", None).class, Class::Stopped);
    assert_eq!(ended("SpotInterruption", "anything", None).class, Class::Spot);
    assert_eq!(ended("", "Your Spot Task was interrupted.", None).class, Class::Spot);
    assert_eq!(ended("InfrastructureHealth", "", None).class, Class::Host);
    assert_eq!(ended("TerminationNotice", "Host EC2 (instance i-1) terminated.", None).class, Class::Host);
    assert_eq!(
        ended("ServiceSchedulerInitiated", "Scaling activity initiated by (deployment x)", None).class,
        Class::Stopped
    );
}

#[test]
fn exit_codes_that_shells_and_signals_give_have_their_own_hint() {
    let hint =
        |code| ended_with("EssentialContainerExited", "Essential container in task exited", None, Some(code)).hint;
    for (code, part) in [
        (126, "not executable"),
        (127, "not found in the image"),
        (134, "aborted itself (SIGABRT)"),
        (137, "SIGKILL"),
        (139, "segmentation fault"),
        (143, "SIGTERM"),
        (255, "the entry point failed"),
    ] {
        assert!(hint(code).starts_with(&format!("{code}: ")) && hint(code).contains(part), "{}", hint(code));
    }
    assert_eq!(hint(3), hint(4));
}

#[test]
fn names_go_from_specific_to_general() {
    let pull = ended("TaskFailedToStart", "CannotPullContainerError: pull: i/o timeout", None);
    assert_eq!(
        pull.names,
        [
            "CannotPullContainerError",
            "TaskFailedToStart",
            "Taskwatch.Image",
            "Taskwatch.Elsewhere",
            "Taskwatch.Transient"
        ]
    );
    let refused = from_refusal("RESOURCE:MEMORY", None);
    assert_eq!(refused.names[..2], ["RESOURCE:MEMORY", "AmazonECS.Unknown"]);
    let api = from_exception("com.amazonaws.ecs#InvalidParameterException", "No such subnet");
    assert_eq!(api.names[..2], ["ECS.InvalidParameterException", "ECS.AmazonECSException"]);
    let started = start_timeout(900);
    assert_eq!(started.names[..2], ["Taskwatch.StartTimeout", "States.Timeout"]);
}

#[test]
fn throttling_is_found_in_every_disguise() {
    for (name, message) in [
        ("ThrottlingException", "Rate exceeded"),
        ("ClientException", "Rate exceeded (Service: AmazonECS)"),
        (
            "InvalidParameterException",
            "Error retrieving security group information for [sg-1]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)",
        ),
        ("ClientException", "You've reached the limit on the number of tasks that can be in the PROVISIONING state"),
        ("TooManyRequestsException", ""),
    ] {
        assert_eq!(from_exception(name, message).class, Class::Throttled, "{name}: {message}");
    }
    for (name, message, class, transience) in [
        (
            "ServerException",
            "These errors are usually caused by a server issue.",
            Class::Service,
            Transience::Transient,
        ),
        ("ClusterNotFoundException", "Cluster not found.", Class::Configuration, Transience::Permanent),
        (
            "AccessDeniedException",
            "User is not authorized to perform: ecs:RunTask",
            Class::Configuration,
            Transience::Permanent,
        ),
        (
            "ClientException",
            "You've reached the limit on the number of vCPUs you can run concurrently",
            Class::Capacity,
            Transience::Elsewhere,
        ),
        (
            "InvalidParameterException",
            "Capacity is unavailable at this time. Please try again later",
            Class::Capacity,
            Transience::Elsewhere,
        ),
        ("InvalidParameterException", "TaskDefinition not found.", Class::Configuration, Transience::Permanent),
        (
            "ExpiredTokenException",
            "The security token included in the request is expired",
            Class::Configuration,
            Transience::Transient,
        ),
    ] {
        let failure = from_exception(name, message);
        assert_eq!((failure.class, failure.transience), (class, transience), "{name}: {message}");
    }
}

#[test]
fn memory_is_named_where_a_container_ran_out_of_it() {
    let task = Task {
        last_status: "STOPPED".into(),
        stop_code: Some("EssentialContainerExited".into()),
        stopped_reason: Some("Essential container in task exited".into()),
        containers: vec![Container {
            name: "app".into(),
            exit_code: Some(137),
            reason: Some("OutOfMemoryError: Container killed due to memory usage".into()),
            ..Default::default()
        }],
        ..Task::default()
    };
    let Verdict::Failed(failure) = task.verdict(Deciders::Unknown) else { panic!() };
    assert_eq!((failure.error.as_str(), failure.class), ("OutOfMemoryError", Class::Application));
    assert!(failure.cause.contains("container \"app\" exited with 137"), "{}", failure.cause);
}

#[test]
fn a_throttle_inside_failures_is_no_lack_of_capacity() {
    for (reason, detail) in [
        ("Rate exceeded", None),
        ("Request limit exceeded.", None),
        ("ThrottlingException", Some("Rate exceeded")),
        ("Unknown", Some("You've reached the limit on the number of tasks you can run concurrently in PROVISIONING")),
    ] {
        assert_eq!(from_refusal(reason, detail).class, Class::Throttled, "{reason}");
    }
    assert_eq!(from_refusal("RESOURCE:MEMORY", None).class, Class::Capacity);
    assert_eq!(from_refusal("AGENT", None).class, Class::Host);
}
