//! Names without a text behind them, and the spellings of names.

use super::*;
use crate::core::task::{Container, Task};
use crate::core::verdict::{Deciders, Verdict};

fn of_container(reason: &str) -> Failure {
    let container = Container { name: "app".into(), reason: Some(reason.into()), ..Container::default() };
    let task = Task {
        last_status: "STOPPED".into(),
        stop_code: Some("TaskFailedToStart".into()),
        stopped_reason: Some("Task failed to start".into()),
        containers: vec![container],
        ..Task::default()
    };
    match task.verdict(Deciders::Unknown) {
        Verdict::Failed(failure) => *failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_bare_name_is_never_more_certain_than_with_a_text() {
    let certain = |failure: &Failure| matches!(failure.transience, Transience::Permanent | Transience::Application);
    for name in [
        "CannotStartContainerError",
        "CannotPullContainerError",
        "CannotPullContainerAuthError",
        "CannotPullECRContainerError",
        "CannotPullImageManifestError",
        "CannotCreateContainerError",
        "CannotInspectContainerError",
        "CannotStopContainerError",
        "CannotDescribeContainerError",
        "CannotCreateVolumeError",
        "CannotInspectVolumeError",
        "CannotListPluginsError",
        "ResourceInitializationError",
        "ResourceNotFoundError",
        "DockerTimeoutError",
        "DockerStateError",
        "ContainerRuntimeError",
        "ContainerRuntimeTimeoutError",
        "ContainerNetworkingError",
        "InternalError",
        "UnknownError",
        "TaskFailedToStart",
    ] {
        let bare = of_container(name);
        assert!(!certain(&bare), "{name}: {bare:?}");
        for text in [":", ": ", ".", ": something new", " "] {
            let told = of_container(&format!("{name}{text}"));
            assert_eq!(told.class, bare.class, "{name}{text}");
            assert!(!certain(&bare) || certain(&told), "{name}{text}: {told:?}");
        }
    }
    // These name what is wrong by themselves, whatever follows.
    for name in ["HostConfigError", "DockerClientConfigError", "InvalidVolumeError", "OutOfMemoryError"] {
        assert_eq!(of_container(name).transience, of_container(&format!("{name}: something new")).transience);
    }
}

#[test]
fn an_exception_has_its_full_name_however_a_record_spells_it() {
    for (name, full) in [
        ("AccessDenied", "ECS.AccessDeniedException"),
        ("AccessDeniedException", "ECS.AccessDeniedException"),
        ("Throttling", "ECS.ThrottlingException"),
        ("com.amazonaws.ecs#ClientException", "ECS.ClientException"),
    ] {
        let failure = from_exception(name, "x");
        assert!(failure.names.iter().any(|n| n == full), "{failure:?}");
        assert!(failure.names.iter().all(|n| !n.ends_with("ExceptionException")), "{failure:?}");
    }
    assert_eq!(from_exception("InternalFailure", "x").names[..2], ["ECS.InternalFailure", "ECS.AmazonECSException"]);
}

#[test]
fn a_quota_of_the_account_is_no_lack_of_capacity_at_aws() {
    let tasks = "You've reached the limit on the number of tasks you can run concurrently";
    for (failure, hint) in [
        (from_exception("ClientException", tasks), "task-quota"),
        (from_refusal(tasks, None), "task-quota"),
        (
            from_refusal("You\u{2019}ve reached the limit on the number of tasks you can run concurrently", None),
            "task-quota",
        ),
        (from_exception("LimitExceededException", "The limit for the resource was exceeded"), "quota"),
        (
            from_exception(
                "ClientException",
                "You've reached the limit on the number of vCPUs you can run concurrently",
            ),
            "vcpu",
        ),
        (from_refusal("Capacity is unavailable at this time", None), "capacity"),
    ] {
        let told = (failure.class, failure.transience, failure.hint.as_str());
        assert_eq!(told, (Class::Capacity, Transience::Elsewhere, table::hint(hint)));
    }
}
