//! A task that runs and is to be stopped: ECS already says why, and nothing has failed yet.
//!
//! Source: Amazon ECS developer guide, "Amazon ECS clusters for Fargate" (the warning of Fargate Spot) and "Fargate task retirement".

use super::Explanation;
use crate::core::failure::{self, Class};
use crate::core::task::Task;

/// The explanation of a running task with what its warning means.
pub(super) fn warned(task: &Task<'_>, running: Explanation) -> Explanation {
    let cause =
        task.stopped_reason.as_deref().map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let warning = failure::warned(task);
    let Some(warning) = warning else {
        // Its own containers' end, or a reason of a kind not known today: the end has the exit codes.
        let hint =
            "it is being stopped: wait for its end, and explain it then; its exit codes come with DEPROVISIONING";
        return Explanation { cause, hint: Some(hint.to_owned()), ..running };
    };
    let hint = match warning.class {
        Class::Spot => "Spot takes the capacity back: SIGTERM has been sent, and the task ends within two minutes; let the program save its work on \
                        SIGTERM, and set stopTimeout (120 s at most on Fargate); it can be tried again when it has ended, and placements with \
                        FARGATE or an on-demand capacity provider move it then"
            .to_owned(),
        _ => {
            let hint = warning.hint_without_log();
            format!("it is being stopped: SIGTERM has been sent, and SIGKILL follows after stopTimeout; when it has ended: {hint}")
        }
    };
    Explanation { class: Some(warning.class), transience: Some(warning.transience), cause, hint: Some(hint), ..running }
}
