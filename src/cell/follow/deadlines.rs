//! Gives every run what is due when its time has come. Where an event that was not received yet might say otherwise, ECS is
//! asked before a task is judged.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::corrections::Corrections;
use super::describe::Describer;
use crate::cell::clock::Clock;
use crate::cell::commit::Pipeline;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::runs::RunIndex;
use crate::cell::watermark::{EventWatermark, IN_HAND};
use crate::core::machine::{Input, next_deadline};
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;

/// The longest sleep: timers stand still while a machine sleeps, and the clock does not.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// After a check without an answer, the next one.
const CHECK_AGAIN: Duration = Duration::from_secs(2);
/// So many checks without an answer, and a deadline that passed long enough ago for every event to have come: the deadline
/// counts. Both are bounds of the run's, so that restarts do not add up.
const MOST_CHECKS: u32 = 5;
/// Runs given their due at once.
const AT_ONCE: usize = 1_024;

/// Keeps the deadlines.
pub(in crate::cell) struct Timekeeper {
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) pipeline: Arc<Pipeline>,
    pub(in crate::cell) describer: Arc<Describer>,
    pub(in crate::cell) watermark: Arc<EventWatermark>,
    pub(in crate::cell) corrections: Arc<Corrections>,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

/// Checks of runs whose deadline has passed, so far without an answer.
type Checks = HashMap<Uuid, u32>;

impl Timekeeper {
    /// Until the cell ends. What needs a check waits for its answer beside what does not.
    pub(in crate::cell) async fn run(self) {
        let (to_check, in_doubt) = mpsc::unbounded_channel();
        tokio::join!(self.keep(to_check), self.check(in_doubt));
    }

    /// Gives runs what is due. Those in doubt are handed on: each is in here once, as in the set of deadlines.
    async fn keep(&self, to_check: mpsc::UnboundedSender<Uuid>) {
        loop {
            match self.runs.due(self.clock.now()) {
                Ok(due) => {
                    let (in_doubt, certain): (Vec<Uuid>, Vec<Uuid>) = due.iter().partition(|id| self.needs_check(**id));
                    for id in in_doubt {
                        // The other half lives as long as this one.
                        let _ = to_check.send(id);
                    }
                    for certain in certain.chunks(AT_ONCE) {
                        self.advance(certain).await;
                    }
                    if self.lifecycle.is_ended() {
                        return;
                    }
                }
                Err(next) => {
                    let until = next.map_or(LONGEST_WAIT, |at| at.since(self.clock.now()));
                    let wait = until.clamp(Duration::from_millis(1), LONGEST_WAIT);
                    tokio::select! {
                        biased;
                        () = self.lifecycle.ended() => return,
                        () = tokio::time::sleep(wait) => {}
                        () = self.runs.deadline_moved() => {}
                    }
                }
            }
        }
    }

    /// Judges those in doubt by what ECS says.
    async fn check(&self, mut in_doubt: mpsc::UnboundedReceiver<Uuid>) {
        let mut checks = Checks::new();
        let mut due = Vec::new();
        while in_doubt.recv_many(&mut due, AT_ONCE).await > 0 {
            if self.judge(&due, &mut checks).await.is_none() {
                return;
            }
            due.clear();
        }
    }

    /// Gives those their due that ECS has answered for. `None`: the cell has ended.
    async fn judge(&self, due: &[Uuid], checks: &mut Checks) -> Option<()> {
        let tasks = due.iter().filter_map(|id| self.runs.task_of(*id)).collect();
        let answered = self.describer.describe(tasks, Some(&*self.corrections)).await?;
        let answered: BTreeSet<Uuid> = answered.into_iter().collect();
        let (mut judged, mut later) = (Vec::new(), Vec::new());
        for id in due {
            let tried = checks.entry(*id).or_default();
            *tried += 1;
            let give_up = *tried >= MOST_CHECKS && self.is_long_over(*id);
            // One that ended meanwhile needs no check, and is due for nothing.
            let is_judged = answered.contains(id) || give_up || !self.needs_check(*id);
            if is_judged { judged.push(*id) } else { later.push(*id) }
        }
        for id in &judged {
            checks.remove(id);
        }
        self.advance(&judged).await;
        let again = self.clock.now().plus(CHECK_AGAIN);
        later.iter().for_each(|id| self.runs.put_back(*id, Some(again)));
        Some(())
    }

    /// Whether the deadline of a run is of a task of which ECS may say more than is known: by an event that was not received
    /// yet, or, where tasks are polled, since its last description.
    fn needs_check(&self, id: Uuid) -> bool {
        let placed = |run: &Run| run.attempt().is_some_and(|a| a.stage == Stage::Placed);
        let may_say_more = self.runs.is_polled() || !self.watermark.is_complete();
        may_say_more && self.runs.read(id, placed).unwrap_or(false)
    }

    /// Whether every event that came before the deadline has had its time.
    fn is_long_over(&self, id: Uuid) -> bool {
        let deadline = self.runs.read(id, next_deadline).flatten();
        deadline.is_some_and(|at: Timestamp| at.plus(IN_HAND) <= self.clock.now())
    }

    /// Gives runs what is due, all in as few commits as there must be.
    async fn advance(&self, due: &[Uuid]) {
        let given = due.iter().map(|id| async {
            if let Some(made) = self.pipeline.advance(*id, Input::Due).await
                && !made.changed
            {
                // It was not its time after all (the deadline moved meanwhile): what the run says now holds.
                self.runs.put_back(*id, None);
            }
        });
        join_all(given).await;
    }
}
