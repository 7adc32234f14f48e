//! Storm control: what runs come to goes to the circuits of `core::storm`, the launch queue keeps to them, the store keeps
//! them, and operators are told through the outbox; all in the commit of the failure that was one too many.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use uuid::Uuid;

use super::door::Commit;
use super::limits::Hold;
use super::{Cell, Inner};
use crate::core::machine::Input;
use crate::core::notification;
use crate::core::run::Run;
use crate::core::storm::{Before, Follows, Gate, Storm, StormRules, Storms, Turn};
use crate::core::time::Timestamp;
use crate::store::Change;

/// The note in the store.
const NOTE: &str = "storms";
/// The longest sleep; every change of a circuit ends it.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The circuits that an earlier process left open. A note that cannot be read is no reason not to start, but must not go
/// unseen.
pub(super) fn read(rules: StormRules, notes: &std::collections::BTreeMap<String, String>) -> Storms {
    let note = notes.get(NOTE).map(String::as_str).unwrap_or("[]");
    let kept: Vec<Storm> = serde_json::from_str(note).unwrap_or_else(|error| {
        tracing::error!(%error, note, "the storms in the store cannot be read: nothing is paused for them");
        Vec::new()
    });
    for storm in &kept {
        tracing::warn!(
            task_definition = storm.task_definition,
            error = storm.error,
            "launches were paused before the restart"
        );
    }
    Storms::new(rules, kept)
}

impl Cell {
    /// Task definitions that are not launched because they failed for the same reason again and again.
    pub fn storms(&self) -> Vec<Storm> {
        self.inner.storms().storms()
    }
}

impl Inner {
    /// Locked after a run, or the launch queue, and never before.
    pub(super) fn storms(&self) -> MutexGuard<'_, Storms> {
        self.storms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What an input made of a run, for its task definition's circuit; `send` is given the commit with what follows, under
    /// the circuits' lock, so that their notes are committed in order. Whether the launch queue is to know of it.
    pub(super) fn weather(
        &self,
        (before, input, run): (Before, &Input, &Run),
        now: Timestamp,
        mut commit: Commit,
        send: impl FnOnce(Commit),
    ) -> bool {
        let seen = before.seen(run);
        let waits_again = *input == Input::Deferred;
        if seen.is_none() && !waits_again {
            send(commit);
            return false;
        }
        let mut storms = self.storms();
        let version = storms.gate_version();
        if waits_again {
            storms.waits_again(run.id);
        }
        if let Some(seen) = seen {
            let follows = storms.saw(&seen, now);
            self.add_turns(&storms, follows, now, &mut commit);
        }
        send(commit);
        storms.gate_version() != version
    }

    /// An operator lets task definitions go. As with [`Self::weather`].
    pub(super) fn resume(&self, holds: &[Hold], mut commit: Commit, send: impl FnOnce(Commit)) {
        let now = self.ports.clock.now();
        let mut storms = self.storms();
        let follows = storms.resume(|definition| holds.iter().any(|hold| hold.is_for(definition)), now);
        self.add_turns(&storms, follows, now, &mut commit);
        send(commit);
    }

    /// Puts what operators are told, and what is kept, into a commit.
    fn add_turns(&self, storms: &Storms, follows: Follows, now: Timestamp, commit: &mut Commit) {
        for turn in &follows.turns {
            log(turn);
            self.counters.storms.add(usize::from(matches!(turn, Turn::Paused(_))));
            commit.post(notification::digest(turn, now, &self.origin, &self.config.outlets));
        }
        if follows.keep {
            // Plain data with text keys: it cannot fail.
            let text = serde_json::to_string(&storms.storms()).unwrap_or_else(|_| "[]".into());
            commit.changes.push(Change::Note { name: NOTE, text });
        }
    }

    /// The launch queue keeps to the circuits as they are now.
    pub(super) fn keep_gate(&self) {
        let gate = self.storms().gate();
        self.launch_queue().set_gate(gate);
        self.look_again.notify_one();
        self.gate_moved.notify_one();
    }

    /// A run leaves the launch queue as its task definition's probe; what the queue is to keep to from here on.
    pub(super) fn send_probe(&self, definition: &str, run: Uuid) -> Gate {
        let mut storms = self.storms();
        storms.probing(definition, run);
        tracing::info!(task_definition = definition, %run, "one run is let through, to see whether it starts");
        storms.gate()
    }

    /// The probe was never launched: another may go in its place.
    pub(super) fn no_probe(&self, run: Uuid) {
        let was = self.storms().waits_again(run);
        if was {
            self.keep_gate();
        }
    }

    /// Lets probes through when it is time.
    pub(super) async fn time_probes(self: Arc<Self>) {
        loop {
            let now = self.ports.clock.now();
            let (due, next) = {
                let mut storms = self.storms();
                (storms.due(now), storms.next())
            };
            if due {
                self.keep_gate();
            }
            let wait = next.map_or(LONGEST_WAIT, |at| at.since(now).max(Duration::from_millis(1)));
            tokio::select! {
                biased;
                () = self.ended.cancelled() => return,
                () = self.gate_moved.notified() => {}
                () = tokio::time::sleep(wait.min(LONGEST_WAIT)) => {}
            }
        }
    }
}

fn log(turn: &Turn) {
    match turn {
        Turn::Paused(storm) => tracing::warn!(
            task_definition = storm.task_definition,
            error = storm.error,
            cause = storm.cause,
            failures = storm.failures,
            "launches are paused: trying again does not cure this"
        ),
        Turn::Resumed(storm, why) => {
            tracing::info!(task_definition = storm.task_definition, error = storm.error, ?why, "launches go on");
        }
    }
}
