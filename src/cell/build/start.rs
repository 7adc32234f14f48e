//! Starts what works on its own.

use std::sync::Arc;

use super::parts::Parts;
use super::wiring::Built;
use crate::cell::commit::expire_all;
use crate::cell::control::time_probes;
use crate::cell::follow::count_corrections;
use crate::cell::observe::{time_repeats, time_series};
use crate::cell::receive::Receiving;
use crate::cell::view::sample_counters;

impl Built {
    /// Starts what works on its own.
    pub(super) fn start(self) -> Parts {
        let parts = self.parts;
        let (lifecycle, clock) = (&parts.lifecycle, || parts.clock.clone());
        let (committer, commits) = self.committer;
        lifecycle.spawn(committer.run(commits));
        lifecycle.spawn_launch(self.launcher.run());
        lifecycle.spawn(self.stopper.run());
        lifecycle.spawn(self.timekeeper.run());
        lifecycle.spawn(time_probes(Arc::clone(&parts.breakers), clock(), Arc::clone(lifecycle)));
        lifecycle.spawn(self.reconciler.run());
        lifecycle.spawn(time_repeats(Arc::clone(&parts.observer), Arc::clone(lifecycle)));
        lifecycle.spawn(time_series(Arc::clone(&parts.observer), clock(), Arc::clone(lifecycle)));
        let counters = || Arc::clone(&parts.counters);
        let corrections = (self.corrections, self.watermark);
        lifecycle.spawn(count_corrections(corrections, counters(), clock(), Arc::clone(lifecycle)));
        lifecycle.spawn(expire_all(self.retention, self.store, clock(), Arc::clone(lifecycle)));
        lifecycle.spawn(sample_counters(counters(), Arc::clone(&parts.stats), clock(), Arc::clone(lifecycle)));
        self.receiving.iter().for_each(Receiving::start);
        parts
    }
}
