//! Words that a run lives, to those who wait for it by a token; and what follows when nobody waits any more.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use uuid::Uuid;

use super::{DeliveryParts, is_closed};
use crate::cell::clock::Clock;
use crate::cell::commit::Pipeline;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Notifier};
use crate::cell::runs::RunIndex;
use crate::core::machine::Input;
use crate::core::notification::callback;

/// Calls that are out at once.
const AT_ONCE: usize = 16;
/// The longest sleep: timers stand still while a machine sleeps, and the clock does not.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Sends heartbeats. One that is lost is not sent again: the next one says the same.
pub(super) struct Heartbeats {
    runs: Arc<RunIndex>,
    notifier: Arc<dyn Notifier>,
    pipeline: Arc<Pipeline>,
    clock: Clock,
    lifecycle: Arc<Lifecycle>,
}

impl Heartbeats {
    pub(super) fn of(parts: &DeliveryParts) -> Self {
        Self {
            runs: Arc::clone(&parts.runs),
            notifier: Arc::clone(&parts.notifier),
            pipeline: Arc::clone(&parts.pipeline),
            clock: parts.clock.clone(),
            lifecycle: Arc::clone(&parts.lifecycle),
        }
    }

    /// Until the cell ends.
    pub(super) async fn run(self) {
        while !self.lifecycle.is_ended() {
            match self.runs.beating(self.clock.now()) {
                Ok(due) => {
                    if !self.lifecycle.may_act().await {
                        return;
                    }
                    let beats = stream::iter(due).for_each_concurrent(AT_ONCE, |id| self.beat(id));
                    if self.lifecycle.unless_ended(beats).await.is_none() {
                        return;
                    }
                }
                Err(next) => {
                    let wait = next.map_or(LONGEST_WAIT, |at| at.since(self.clock.now()));
                    tokio::select! {
                        biased;
                        () = self.lifecycle.ended() => return,
                        () = tokio::time::sleep(wait.clamp(Duration::from_millis(1), LONGEST_WAIT)) => {}
                        () = self.runs.beat_moved() => {}
                    }
                }
            }
        }
    }

    async fn beat(&self, id: Uuid) {
        let now = self.clock.now();
        let beat = self.runs.read(id, |run| callback::heartbeat(run, now).zip(run.spec.notify.beats_every())).flatten();
        // It has ended: its end is what is told.
        let Some((beat, every)) = beat else { return };
        let answer = self.notifier.publish(std::slice::from_ref(&beat)).await.pop();
        match answer {
            Some(Err(CallError::Refused(failure))) if is_closed(&beat, &failure.error) => {
                self.left_alone(id, &failure.error).await;
            }
            answer => {
                if let Some(Err(error)) = answer {
                    tracing::warn!(run = %id, to = %beat.destination, %error, "a heartbeat was not taken; the next one follows in its time");
                }
                self.runs.beats_again(id, now.plus(every));
            }
        }
    }

    /// Nobody waits for the run any more: it goes on, unless it was asked to stop then.
    async fn left_alone(&self, id: Uuid, error: &str) {
        let stops = self.runs.read(id, |run| run.spec.notify.stop_on_task_timeout).unwrap_or(false);
        tracing::warn!(run = %id, error, stops, "nobody waits for this run by its token any more");
        if stops {
            let reason = format!("nobody waits for it any more ({error})");
            drop(self.pipeline.advance(id, Input::StopAsked { reason }).await);
        }
    }
}
