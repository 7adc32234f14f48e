//! The named faults: what a script may say after `do =`.

use super::script::{CallFault, Delivery, Effect, Life, Moment, Refusal, Span};

const CAPACITY: &str =
    "Capacity is unavailable at this time. Please try again later or in a different availability zone";
const VCPUS: &str = "You've reached the limit on the number of vCPUs you can run concurrently";
const EXITED: &str = "Essential container in task exited";

/// Names of lives that go wrong: moment, seconds until then (0: that moment's own time), stop code, `stoppedReason`, container `reason`, exit code.
type LifeRow = (&'static str, Moment, f64, &'static str, &'static str, &'static str, Option<i64>);

#[rustfmt::skip]
const LIVES: &[LifeRow] = &[
    ("eni-timeout", Moment::Provisioning, 180.0, "TaskFailedToStart", "Timeout waiting for network interface provisioning to complete.", "", None),
    ("eni-provision", Moment::Provisioning, 60.0, "TaskFailedToStart", "Network interface provision complete error timeout wait for network interface provision.", "", None),
    ("subnet-full", Moment::Provisioning, 5.0, "TaskFailedToStart", "Unexpected EC2 error while attempting to Create Network Interface in subnet 'subnet-0': InsufficientFreeAddressesInSubnet", "", None),
    ("agent-disconnected", Moment::Provisioning, 10.0, "TaskFailedToStart", "TaskFailedToStart: AGENT", "", None),
    ("no-instances", Moment::Provisioning, 10.0, "TaskFailedToStart", "TaskFailedToStart: NO ACTIVE INSTANCES", "", None),
    ("image-pull", Moment::Pulling, 0.0, "TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref docker.io/library/app:latest: failed to do request: Head \"https://registry-1.docker.io/v2/library/app/manifests/latest\": dial tcp 54.198.86.24:443: i/o timeout", "", None),
    ("image-missing", Moment::Pulling, 0.0, "TaskFailedToStart", "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref docker.io/library/app:gone: docker.io/library/app:gone: not found", "", None),
    ("image-rate-limit", Moment::Pulling, 0.0, "TaskFailedToStart", "CannotPullContainerError: ERROR: toomanyrequests: Too Many Requests or You have reached your pull rate limit.", "", None),
    ("disk-full", Moment::Pulling, 0.0, "TaskFailedToStart", "CannotPullContainerError: write /var/lib/docker/tmp/GetImageBlob111111111: no space left on device", "", None),
    ("missing-secret", Moment::Pulling, 0.0, "TaskFailedToStart", "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed: unable to retrieve secret from asm: service call has been retried 1 time(s): retrieved secret from Secrets Manager did not contain json key MY_SECRET", "", None),
    ("docker-timeout", Moment::Starting, 180.0, "TaskFailedToStart", "Task failed to start", "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s", None),
    ("cannot-start", Moment::Starting, 0.0, "TaskFailedToStart", "Task failed to start", "CannotStartContainerError: Error response from daemon: failed to create task for container: exec: \"app\": executable file not found in $PATH", None),
    ("exit-code", Moment::Exit, 0.0, "EssentialContainerExited", EXITED, "", Some(1)),
    ("out-of-memory", Moment::Exit, 0.0, "EssentialContainerExited", EXITED, "OutOfMemoryError: Container killed due to memory usage", Some(137)),
    ("no-exit-code", Moment::Exit, 0.0, "EssentialContainerExited", EXITED, "", None),
    ("spot-interruption", Moment::Warned, 10.0, "SpotInterruption", "Your Spot Task was interrupted.", "", None),
    ("maintenance", Moment::Warned, 10.0, "ServiceSchedulerInitiated", "ECS is performing maintenance on the underlying infrastructure hosting the task", "", None),
    ("infrastructure-health", Moment::HostGone, 10.0, "InfrastructureHealth", "Task stopped because the underlying infrastructure is unhealthy", "", None),
    ("host-lost", Moment::HostGone, 10.0, "TerminationNotice", "Host EC2 (instance i-0a1b2c3d4e5f60718) terminated.", "", None),
    ("stuck-provisioning", Moment::StuckProvisioning, 0.0, "", "", "", None),
    ("stuck-pending", Moment::StuckPending, 0.0, "", "", "", None),
    ("stuck-stopping", Moment::StuckStopping, 0.0, "", "", "", None),
    ("never-stops", Moment::NeverEnds, 0.0, "", "", "", None),
    ("ignores-sigterm", Moment::IgnoresSigterm, 0.0, "", "", "", None),
    ("unhealthy", Moment::Unhealthy, 0.0, "", "", "", None),
];

/// Refusals in `failures[]`: reason, and whether the entry names a container instance.
#[rustfmt::skip]
const REFUSALS: &[(&str, &str, bool)] = &[
    ("capacity", CAPACITY, false),
    ("vcpu-limit", VCPUS, false),
    ("resource-memory", "RESOURCE:MEMORY", true),
    ("resource-cpu", "RESOURCE:CPU", true),
    ("resource-eni", "RESOURCE:ENI", true),
    ("resource-ports", "RESOURCE:PORTS", true),
    ("resource-gpu", "RESOURCE:GPU", true),
    ("agent", "AGENT", true),
    ("attribute", "ATTRIBUTE", true),
    ("location", "LOCATION", true),
];

/// Errors of a call: status, exception, message, and whether the effect takes place all the same.
#[rustfmt::skip]
const CALLS: &[(&str, u16, &str, &str, bool)] = &[
    ("throttle", 400, "ThrottlingException", "Rate exceeded", false),
    ("hidden-throttle", 400, "InvalidParameterException", "Error retrieving security group information for [sg-0123456789abcdef0]: Request limit exceeded. (ErrorCode: RequestLimitExceeded)", false),
    ("provisioning-limit", 400, "ClientException", "Tasks provisioning capacity limit exceeded.", false),
    ("server-error", 500, "ServerException", "Service Unavailable. Please try again later.", false),
    ("server-error-after", 500, "ServerException", "Service Unavailable. Please try again later.", true),
    ("unavailable", 503, "ServiceUnavailable", "Service is unavailable", false),
    ("access-denied", 400, "AccessDeniedException", "User: arn:aws:iam::000000000000:user/local is not authorized to perform this operation", false),
];

/// The life of a task that finds no free address in its subnets.
pub(in crate::local) fn no_free_address() -> Option<Life> {
    LIVES.iter().find(|row| row.0 == "subnet-full").map(life)
}

/// What the name stands for before the script's own keys are laid over it.
pub(super) fn preset(name: &str) -> Option<Effect> {
    if let Some(row) = LIVES.iter().find(|row| row.0 == name) {
        return Some(Effect::Life(life(row)));
    }
    if let Some((_, reason, on_instance)) = REFUSALS.iter().find(|row| row.0 == name) {
        return Some(Effect::Refuse(Refusal { reason: (*reason).to_owned(), on_instance: *on_instance }));
    }
    if let Some((_, status, code, message, after)) = CALLS.iter().find(|row| row.0 == name) {
        let (code, message) = ((*code).to_owned(), (*message).to_owned());
        return Some(Effect::Call(CallFault {
            error: Some((*status, code, message)),
            after: *after,
            ..CallFault::default()
        }));
    }
    Some(match name {
        "answer-lost" => Effect::Call(CallFault { after: true, drop_answer: true, ..CallFault::default() }),
        "latency" => Effect::Call(CallFault { latency: Some(Span::exactly(5.0)), ..CallFault::default() }),
        "missing" => Effect::Missing(Span::exactly(5.0)),
        "log-late" => Effect::LogLate(Span::exactly(5.0)),
        "log-empty-pages" => Effect::LogEmptyPages,
        "early-event" => Effect::Early("PENDING".to_owned()),
        "duplicate" => Effect::Delivery(Delivery { copies: 2, ..Delivery::default() }),
        "drop" => Effect::Delivery(Delivery { drop: true, ..Delivery::default() }),
        "delay" => Effect::Delivery(Delivery { delay: Some(Span::exactly(30.0)), ..Delivery::default() }),
        "reorder" => Effect::Delivery(Delivery { reorder: true, ..Delivery::default() }),
        "work" => Effect::Work,
        _ => return None,
    })
}

/// Every name, for hints and for the documentation's test.
pub(super) fn names() -> Vec<&'static str> {
    let rest = [
        "answer-lost",
        "latency",
        "missing",
        "early-event",
        "duplicate",
        "drop",
        "delay",
        "reorder",
        "work",
        "log-late",
        "log-empty-pages",
    ];
    let lives = LIVES.iter().map(|row| row.0);
    lives.chain(REFUSALS.iter().map(|row| row.0)).chain(CALLS.iter().map(|row| row.0)).chain(rest).collect()
}

fn life(row: &LifeRow) -> Life {
    let text = |t: &str| Some(t.to_owned()).filter(|t| !t.is_empty());
    Life {
        moment: row.1,
        after: Some(Span::exactly(row.2)).filter(|_| row.2 > 0.0),
        stop_code: text(row.3),
        stopped_reason: text(row.4),
        container_reason: text(row.5),
        exit_code: row.6,
        no_containers: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_something() {
        for name in names() {
            assert!(preset(name).is_some(), "{name}");
        }
    }
}
