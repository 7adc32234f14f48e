//! The parts of a cell that answer those who ask it.

use std::sync::Arc;

use crate::cell::admit::Admission;
use crate::cell::clock::Clock;
use crate::cell::commit::Pipeline;
use crate::cell::control::{BreakerControl, EffectiveLimits};
use crate::cell::deliver::Delivery;
use crate::cell::launch::{Governor, Reach, Reads, WaitReasons, WaitingRuns};
use crate::cell::lifecycle::Lifecycle;
use crate::cell::observe::Observer;
use crate::cell::operate::{LimitsControl, Redrive};
use crate::cell::readiness::Readiness;
use crate::cell::runs::RunIndex;
use crate::cell::view::{Counters, Counting, Feed, Lookup, Stats};
use crate::core::time::Timestamp;

/// What answers those who ask the cell. What only works is kept by its tasks.
pub(in crate::cell) struct Parts {
    pub(in crate::cell) name: String,
    pub(in crate::cell) began_at: Timestamp,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
    pub(in crate::cell) runs: Arc<RunIndex>,
    pub(in crate::cell) pipeline: Arc<Pipeline>,
    pub(in crate::cell) waiting: Arc<WaitingRuns>,
    pub(in crate::cell) governor: Arc<Governor>,
    pub(in crate::cell) limits: Arc<EffectiveLimits>,
    pub(in crate::cell) breakers: Arc<BreakerControl>,
    pub(in crate::cell) admission: Arc<Admission>,
    pub(in crate::cell) redrive: Arc<Redrive>,
    pub(in crate::cell) limits_control: Arc<LimitsControl>,
    pub(in crate::cell) reads: Arc<Reads>,
    pub(in crate::cell) delivery: Arc<Delivery>,
    pub(in crate::cell) lookup: Arc<Lookup>,
    pub(in crate::cell) counting: Counting,
    pub(in crate::cell) wait_reasons: WaitReasons,
    pub(in crate::cell) feed: Arc<Feed>,
    pub(in crate::cell) stats: Arc<Stats>,
    pub(in crate::cell) counters: Arc<Counters>,
    pub(in crate::cell) readiness: Readiness,
    pub(in crate::cell) reach: Arc<Reach>,
    pub(in crate::cell) observer: Arc<Observer>,
}
