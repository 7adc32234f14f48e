//! What an earlier process left: its runs, and what was not done.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::wiring::Built;
use crate::cell::config::CellError;
use crate::cell::runs::RunIndex;
use crate::core::machine::{self, Effect};
use crate::core::run::{Run, Stage};
use crate::core::time::Timestamp;
use crate::store::Runs;

/// What an earlier process left to be done.
#[derive(Default)]
pub(super) struct Left {
    launches: Vec<Uuid>,
    stops: Vec<Uuid>,
    finished: Vec<Uuid>,
    /// Calls that may have been sent and not answered, by token.
    calls: BTreeMap<String, Vec<Uuid>>,
}

impl Left {
    /// Reads the runs into the index, and what each left; and the last instant that any of them has seen.
    pub(super) async fn read(
        mut runs: Runs,
        index: &RunIndex,
        now: Timestamp,
    ) -> Result<(Self, Option<Timestamp>), CellError> {
        let (mut left, mut noted_at) = (Self::default(), None);
        while let Some(part) = runs.next().await? {
            for run in part {
                noted_at = noted_at.max(Some(run.noted_at()));
                left.note(&run);
                index.restore(run, now);
            }
        }
        // The order of acceptance, in which they had stood.
        left.launches.sort_unstable();
        Ok((left, noted_at))
    }

    fn note(&mut self, run: &Run) {
        if let Some(token) = unanswered(run) {
            self.calls.entry(token).or_default().push(run.id);
        }
        if run.status.is_final() {
            self.finished.push(run.id);
        }
        for effect in machine::resume(run) {
            match effect {
                Effect::Launch => self.launches.push(run.id),
                Effect::StopTask { .. } => self.stops.push(run.id),
                Effect::Notify | Effect::Unlink { .. } => {}
            }
        }
    }

    /// Takes it up: nothing is launched that may be running already.
    pub(super) fn take_up(self, built: &Built) {
        self.finished.into_iter().for_each(|id| drop(built.retention.retire(id)));
        self.launches.into_iter().for_each(|id| built.parts.waiting.push(id));
        self.stops.into_iter().for_each(|id| built.stops.put(id));
        for (token, members) in self.calls {
            let launcher = Arc::clone(&built.launcher);
            built.parts.lifecycle.spawn_launch(async move { launcher.recall(&members, &token).await });
        }
    }
}

/// The token of a run whose RunTask may have been sent and not answered.
fn unanswered(run: &Run) -> Option<String> {
    let attempt = run.attempt().filter(|a| a.stage == Stage::Launching && !run.status.is_final())?;
    attempt.token.clone()
}
