//! The retry policies that need no `retry` in the request: the default, and that of `taskwatch run --retries N`.

use super::{Jitter, Retrier, RetryPolicy};
use crate::core::failure::{Class, Transience};

/// Seconds before the first retry, and what each further wait is multiplied by.
const INTERVAL_SECONDS: u64 = 10;
const BACKOFF_RATE: f64 = 2.0;
const RETRIES: u32 = 3;

impl RetryPolicy {
    /// The policy of a request that has no `retry`. It repeats what never ran or what the infrastructure ended, and never a
    /// program that ended by itself: only the program's owner knows whether it may run twice.
    ///
    /// - Permanent errors and a program's own end: never.
    /// - No capacity: 15 s × 1.5 up to 300 s, 40 times.
    /// - Every other failure to start or of the infrastructure: 10 s × 2, 3 times.
    pub fn standard() -> Self {
        let never = [Transience::Permanent.as_str(), Transience::Application.as_str()];
        let capacity = Retrier {
            interval_seconds: 15,
            backoff_rate: 1.5,
            max_delay_seconds: Some(300),
            ..retrier(&[Class::Capacity.as_str()], 40)
        };
        Self(vec![retrier(&never, 0), capacity, retrier(&["States.ALL"], RETRIES)])
    }

    /// So many retries, 10 s × 2, of everything that a retry can help: failures to start and of the infrastructure, and a
    /// program that ended by itself. Permanent errors (a missing image, say) are not repeated.
    pub fn retries(retries: u32) -> Self {
        Self(vec![retrier(&[Transience::Transient.as_str(), Transience::Application.as_str()], retries)])
    }
}

fn retrier(names: &[&str], retries: u32) -> Retrier {
    Retrier {
        error_equals: names.iter().map(|name| (*name).to_owned()).collect(),
        interval_seconds: INTERVAL_SECONDS,
        max_attempts: retries,
        backoff_rate: BACKOFF_RATE,
        max_delay_seconds: None,
        jitter_strategy: Jitter::None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::core::failure::{self, Failure};
    use crate::core::retry::RetryCounts;
    use crate::core::task::{Container, Task};
    use crate::core::verdict::{Deciders, Verdict};

    /// The waits in seconds until a policy gives up, where each attempt fails like this.
    fn waits(policy: &RetryPolicy, failure: &Failure) -> Vec<f64> {
        let mut counts = RetryCounts::default();
        let next = || policy.next_wait(&mut counts, &failure.names, 0.0).map(|wait| wait.as_secs_f64());
        std::iter::from_fn(next).collect()
    }

    /// The failure of a task that ended; `exit_code` is there if its container ran.
    fn ended(stop_code: &str, reason: &str, container: Option<&str>, exit_code: Option<i64>) -> Failure {
        let task = Task {
            last_status: "STOPPED".into(),
            stop_code: (!stop_code.is_empty()).then(|| stop_code.into()),
            stopped_reason: (!reason.is_empty()).then(|| reason.into()),
            started_at: exit_code.map(|_| crate::core::time::Timestamp::from_millis(1_800_000_000_000)),
            containers: vec![Container {
                name: "app".into(),
                reason: container.map(Into::into),
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

    /// What the documents promise for a failure.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Promise {
        Never,
        Capacity,
        Thrice,
    }

    fn promise(failure: &Failure) -> Promise {
        match waits(&RetryPolicy::standard(), failure).as_slice() {
            [] => Promise::Never,
            [10.0, 20.0, 40.0] => Promise::Thrice,
            all if all.len() == 40 && all[..3] == [15.0, 22.5, 33.75] && all[39] == 300.0 => Promise::Capacity,
            other => panic!("{}: {other:?}", failure.error),
        }
    }

    #[test]
    fn every_class_is_repeated_as_documented() {
        let spot = "Your Spot Task was interrupted.";
        let exited = "Essential container in task exited";
        for (failure, expected) in [
            // A program's own end.
            (ended("EssentialContainerExited", exited, None, Some(3)), Promise::Never),
            (ended("EssentialContainerExited", exited, Some("OutOfMemoryError: killed"), Some(137)), Promise::Never),
            (ended("", exited, None, Some(1)), Promise::Never),
            (failure::run_timeout(60), Promise::Never),
            // It never ran.
            (ended("TaskFailedToStart", "TaskFailedToStart: RESOURCE:MEMORY", None, None), Promise::Capacity),
            (failure::from_refusal("RESOURCE:CPU", None), Promise::Capacity),
            (
                ended(
                    "TaskFailedToStart",
                    "Timeout waiting for network interface provisioning to complete.",
                    None,
                    None,
                ),
                Promise::Thrice,
            ),
            (ended("TaskFailedToStart", "CannotPullContainerError: i/o timeout", None, None), Promise::Thrice),
            (ended("TaskFailedToStart", "CannotPullContainerError: pull access denied", None, None), Promise::Never),
            (
                ended("TaskFailedToStart", "CannotPullContainerError: no space left on device", None, None),
                Promise::Thrice,
            ),
            (
                ended("TaskFailedToStart", "Task failed to start", Some("DockerTimeoutError: timed out"), None),
                Promise::Thrice,
            ),
            (failure::from_refusal("AGENT", None), Promise::Thrice),
            (failure::start_timeout(900), Promise::Thrice),
            (failure::from_exception("ClientException", "TaskDefinition is inactive"), Promise::Never),
            // Its infrastructure ended it while it ran, whatever code its container left with.
            (ended("SpotInterruption", spot, None, Some(143)), Promise::Thrice),
            (ended("SpotInterruption", spot, None, Some(1)), Promise::Thrice),
            (ended("TerminationNotice", spot, None, Some(137)), Promise::Thrice),
            (ended("", spot, None, Some(143)), Promise::Thrice),
            (ended("", "Host EC2 (instance i-1) terminated.", None, Some(137)), Promise::Thrice),
            (ended("InfrastructureHealth", "", None, Some(137)), Promise::Thrice),
            // Somebody stopped it.
            (ended("UserInitiated", "Task stopped by user", None, Some(137)), Promise::Never),
        ] {
            assert_eq!(promise(&failure), expected, "{failure:?}");
        }
    }

    #[test]
    fn every_known_stop_reason_is_repeated_by_its_class_alone() {
        let rows: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/stop_reasons.json")).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for row in &rows {
            let text = |name: &str| row[name].as_str().unwrap();
            let (example, code) = (text("example"), text("stopCode").split('|').next().unwrap_or_default());
            let failure = match text("field") {
                "failures.reason" => failure::from_refusal(example, None),
                "exception" => failure::from_exception(example.split(':').next().unwrap_or_default(), example),
                "container.reason" => ended(code, "Task failed to start", Some(example), None),
                _ => ended(code, example, None, None),
            };
            let expected = match (failure.transience, failure.class) {
                (Transience::Permanent | Transience::Application, _) => Promise::Never,
                (_, Class::Capacity) => Promise::Capacity,
                _ => Promise::Thrice,
            };
            assert_eq!(promise(&failure), expected, "{example}");
            seen.insert(failure.class);
        }
        let never_told: Vec<Class> = Class::ALL.into_iter().filter(|class| !seen.contains(class)).collect();
        assert_eq!(never_told, [], "each class has a stop reason");
    }

    #[test]
    fn retries_are_of_what_a_retry_can_help() {
        let policy = RetryPolicy::retries(2);
        for (failure, expected) in [
            (ended("EssentialContainerExited", "Essential container in task exited", None, Some(3)), &[10.0, 20.0][..]),
            (failure::from_refusal("RESOURCE:MEMORY", None), &[10.0, 20.0]),
            (ended("SpotInterruption", "Your Spot Task was interrupted.", None, Some(143)), &[10.0, 20.0]),
            (failure::start_timeout(900), &[10.0, 20.0]),
            (ended("TaskFailedToStart", "CannotPullContainerError: app:gone: not found", None, None), &[]),
            (failure::from_exception("AccessDeniedException", "not authorized to perform: ecs:RunTask"), &[]),
            (ended("UserInitiated", "Task stopped by user", None, Some(137)), &[]),
        ] {
            assert_eq!(waits(&policy, &failure), expected, "{failure:?}");
        }
        let failed = ended("EssentialContainerExited", "Essential container in task exited", None, Some(3));
        assert!(waits(&RetryPolicy::retries(0), &failed).is_empty());
    }

    #[test]
    fn each_is_a_retry_array_as_a_request_may_have_it() {
        for policy in [RetryPolicy::standard(), RetryPolicy::retries(3)] {
            let written = serde_json::to_value(&policy).unwrap();
            assert_eq!(RetryPolicy::from_value(&written, "retry").unwrap(), policy);
        }
    }
}
