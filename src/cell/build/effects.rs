//! What durable commits are followed by.

use std::sync::Arc;

use uuid::Uuid;

use crate::cell::commit::{Followers, Pipeline};
use crate::cell::deliver::Delivery;
use crate::cell::launch::{StopQueue, WaitingRuns};
use crate::cell::lifecycle::Lifecycle;
use crate::core::machine::Input;
use crate::core::notification::Destination;

/// Hands what is to be done to those who do it.
pub(super) struct Effects {
    pub(super) waiting: Arc<WaitingRuns>,
    pub(super) stops: Arc<StopQueue>,
    pub(super) delivery: Arc<Delivery>,
    pub(super) pipeline: Arc<Pipeline>,
    pub(super) lifecycle: Arc<Lifecycle>,
}

impl Followers for Effects {
    fn launch(&self, run: Uuid) {
        self.waiting.push(run);
    }

    fn stop_task(&self, run: Uuid) {
        self.stops.put(run);
    }

    fn ended(&self, run: Uuid) {
        self.waiting.withdraw(run);
    }

    fn posted(&self, destinations: &[Destination]) {
        self.delivery.posted(destinations);
    }

    fn too_large(&self, run: Uuid, why: String) {
        let pipeline = Arc::clone(&self.pipeline);
        // Not here: the committer waits for nobody.
        self.lifecycle.spawn(async move { drop(pipeline.advance(run, Input::TooLarge { why }).await) });
    }
}
