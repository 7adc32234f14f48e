//! Calls in doubt: RunTask may have taken effect and nobody knows. Their tasks are looked for by `startedBy`, which every
//! task of a call bears, and events may show them meanwhile.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::assign::Assignments;
use super::reads::Reads;
use crate::cell::backoff::Backoff;
use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Ecs};
use crate::cell::runs::RunIndex;
use crate::cell::target::LaunchTarget;
use crate::cell::watermark::EventWatermark;
use crate::core::ids::Token;
use crate::core::run::Run;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// ECS shows a new task to ListTasks with a delay, and its first event comes within seconds: what neither shows for so long
/// was not launched. (RunTask's API reference advises to ask again with back-off, since its results are eventually
/// consistent.)
const SETTLED: Duration = Duration::from_secs(60);
/// The same where ListTasks is refused and events alone tell: the longest that AWS advises to wait.
const SETTLED_BY_EVENTS: Duration = Duration::from_secs(300);

/// Looks for the tasks of calls in doubt.
pub(in crate::cell) struct Doubt {
    pub(in crate::cell) cell: String,
    pub(in crate::cell) ecs: Arc<dyn Ecs>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) assignments: Arc<Assignments>,
    pub(in crate::cell) reads: Arc<Reads>,
    pub(in crate::cell) watermark: Arc<EventWatermark>,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

impl Doubt {
    /// Looks until a call that was sent before now must have shown its tasks, or every member has one. `None`: the cell has
    /// ended.
    pub(super) async fn find_until_settled(&self, members: &[Uuid], token: Token) -> Option<()> {
        let sent = self.clock.now();
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, &token);
        while self.any_launching(members, token) {
            let settled = sent.plus(if self.list(members, token).await? { SETTLED } else { SETTLED_BY_EVENTS });
            let left = settled.since(self.clock.now());
            if left.is_zero() && self.watermark.received_up_to() >= settled {
                break;
            }
            self.sleep(backoff.next().min(left.max(FIRST_WAIT))).await?;
        }
        Some(())
    }

    /// Looks for the tasks of a call whose token ECS may have forgotten, and waits for the events that may still tell of
    /// them. `None`: the cell has ended.
    pub(super) async fn find_until_received(&self, members: &[Uuid], token: Token) -> Option<()> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, &token);
        while !self.list(members, token).await? {
            self.sleep(backoff.next()).await?;
        }
        while self.any_launching(members, token) && !self.watermark.is_complete() {
            self.sleep(self.watermark.until_complete()).await?;
        }
        Some(())
    }

    async fn sleep(&self, wait: Duration) -> Option<()> {
        self.lifecycle.sleep(wait).await.then_some(())
    }

    fn any_launching(&self, members: &[Uuid], token: Token) -> bool {
        members.iter().any(|id| self.assignments.is_launching(*id, token))
    }

    /// Asks ECS once, and gives the members what it shows; whether it answered. `None`: the cell has ended.
    async fn list(&self, members: &[Uuid], token: Token) -> Option<bool> {
        let of_call = |run: &Run| LaunchTarget::cluster_named(run).to_owned();
        let Some(cluster) = members.iter().find_map(|id| self.runs.read(*id, of_call)) else { return Some(true) };
        let read = self.reads.slot().await?;
        let started_by = token.started_by(&self.cell);
        let listed = self.lifecycle.unless_ended(self.ecs.tasks_started_by(&cluster, &started_by)).await?;
        self.reads.went(read, matches!(listed, Err(CallError::Throttled(_))));
        match listed {
            Ok(arns) => {
                self.assignments.assign(members, token, arns.into_iter().map(|arn| (arn.into(), None))).await;
                Some(true)
            }
            Err(error) => {
                tracing::warn!(%error, %token, "ListTasks gave no answer; it is asked again");
                Some(false)
            }
        }
    }
}
