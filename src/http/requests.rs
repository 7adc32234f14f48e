//! How run requests look, for the API's description. They are read by [`crate::core::request`], which says more.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::core::request::Goal;
use crate::core::run::Status;

/// One run request in any of its forms, or an array of them.
#[derive(ToSchema)]
#[schema(as = RunRequests)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub(super) enum Requests {
    One(OneRequest),
    Many(Vec<OneRequest>),
}

/// A run request: taskwatch's own form, a bare RunTask request, or a Step Functions state machine or state.
#[derive(ToSchema)]
#[schema(as = RunRequest)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
pub(super) enum OneRequest {
    Native(Box<Native>),
    RunTask(BareRunTask),
    StateMachine(StateMachine),
    WithInput(Box<WithInput>),
}

/// taskwatch's own form. `docs/requests.md` explains every member.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(super) struct Native {
    /// The idempotency key.
    #[schema(nullable = false, pattern = "^[A-Za-z0-9_.:-]{1,128}$", example = "nightly-2026-11-22")]
    name: Option<String>,
    #[schema(inline)]
    run_task: BareRunTask,
    #[schema(nullable = false)]
    until: Option<Goal>,
    /// An Amazon States Language `Retry` array.
    #[schema(nullable = false)]
    retry: Option<Vec<Map<String, Value>>>,
    /// The first attempt is launched no earlier; an instant in the past is now, and one more than 366 days away is refused.
    #[schema(nullable = false, format = DateTime)]
    start_at: Option<String>,
    /// null: as long as it takes.
    #[schema(minimum = 1)]
    start_timeout_seconds: Option<u64>,
    #[schema(nullable = false, minimum = 1)]
    timeout_seconds: Option<u64>,
    /// The containers whose exit codes decide.
    #[schema(nullable = false)]
    decided_by: Option<Vec<String>>,
    /// Partial RunTask requests, laid over `runTask` one after the other where another place may cure a failure.
    #[schema(nullable = false)]
    placements: Option<Vec<Map<String, Value>>>,
    #[schema(nullable = false, min_length = 1)]
    queue: Option<String>,
    /// Higher goes first inside its queue.
    #[schema(nullable = false)]
    priority: Option<i64>,
    #[schema(nullable = false)]
    inject_env: Option<bool>,
    #[schema(nullable = false)]
    notify: Option<NotifyBody>,
}

/// Who is notified of the end, and how.
#[derive(ToSchema)]
#[schema(as = Notify)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(super) struct NotifyBody {
    #[schema(nullable = false)]
    topic_arn: Option<String>,
    #[schema(nullable = false)]
    on: Option<Vec<Status>>,
    /// A plain text in place of the JSON body, by status.
    #[schema(nullable = false, value_type = Option<BTreeMap<String, String>>)]
    messages: Option<BTreeMap<Status, String>>,
    /// What a state machine says behind its task, where that depends on how the task ended; as `taskwatch convert` prints it.
    #[schema(nullable = false)]
    after_task: Option<Map<String, Value>>,
    /// The token of a Step Functions task that waits for the run, which is answered at its end. Never shown.
    #[schema(nullable = false, write_only, min_length = 1, max_length = 2048)]
    task_token: Option<String>,
    /// A callback of a Lambda durable function that waits for the run.
    #[schema(nullable = false)]
    durable_callback: Option<DurableCallbackBody>,
    /// Within so many seconds whoever waits must hear that the run lives.
    #[schema(nullable = false, minimum = 1, maximum = 99_999_999)]
    heartbeat_seconds: Option<u64>,
    /// Stops the run once nobody waits for it any more.
    #[schema(nullable = false)]
    stop_on_task_timeout: Option<bool>,
}

/// A callback of a Lambda durable function.
#[derive(ToSchema)]
#[schema(as = DurableCallback)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(super) struct DurableCallbackBody {
    /// Never shown.
    #[schema(write_only, min_length = 1, max_length = 1024)]
    callback_id: String,
}

/// An ECS RunTask request as `aws ecs run-task --cli-input-json` takes it: every member of the API, here those that most use.
#[derive(ToSchema)]
#[schema(as = RunTask)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(super) struct BareRunTask {
    #[schema(min_length = 1, example = "etl:7")]
    task_definition: String,
    #[schema(min_length = 1)]
    cluster: Option<String>,
    /// How many runs; more than 10 is fine.
    #[schema(minimum = 1, maximum = 10_000)]
    count: Option<u32>,
}

/// A Step Functions document with the state that is meant and the execution's input. All members of taskwatch's own form but
/// `runTask` may stand beside them.
#[derive(ToSchema)]
#[schema(as = StateMachineWithInput)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only described")]
pub(super) struct WithInput {
    /// A state machine, one state, the definition as a text, or the answer of DescribeStateMachine.
    state_machine: Value,
    /// The `ecs:runTask` state to run by itself.
    #[schema(nullable = false, example = "Load")]
    state_name: Option<String>,
    /// With `stateName` what reaches that state.
    #[schema(nullable = false)]
    input: Option<Value>,
}

/// A state machine with one `ecs:runTask` state, or that state alone.
#[derive(ToSchema)]
#[serde(rename_all = "PascalCase")]
#[expect(dead_code, reason = "only described")]
pub(super) struct StateMachine {
    start_at: String,
    states: Map<String, Value>,
}
