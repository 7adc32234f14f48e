//! How fast AWS may be called: the documented quotas as token buckets, and a way back when AWS throttles nevertheless.
//!
//! Quotas (Amazon ECS developer guide, "Request throttling for the Amazon ECS API" and "AWS Fargate throttling
//! quotas"): RunTask and StopTask share "cluster resource modify", 100 at once and 40 calls a second; DescribeTasks and
//! ListTasks "cluster resource read", 100 and 20. On Fargate there are 20 RunTask calls a second, and 100 tasks at once
//! and 20 a second, of on-demand and of Spot each.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::bucket::Bucket;
use crate::cell::config::CallRates;
use crate::cell::target::{Kind, LaunchTarget as Place};

/// Calls at once, for each call a second.
const MODIFY_BURST: f64 = 2.5;
const READ_BURST: f64 = 5.0;
const FARGATE_BURST: f64 = 1.0;
/// StopTask's own part of "cluster resource modify", which launches leave alone; while they wait it gets no more.
const STOPS: f64 = 0.25;
/// Launches were held up by the calls so recently that StopTask keeps to its part.
const LAUNCHES_WAIT: Duration = Duration::from_secs(1);
/// Runs that are alike wait so long to share a call rather than go one by one.
const GATHER: Duration = Duration::from_millis(200);
/// Throttled calls of one kind that wait for their next slot before no new ones are made.
const MOST_RETRYING: usize = 16;
/// A process without a share asks again so soon.
const WITHOUT: Duration = Duration::from_millis(200);
const FIRST_BLOCK: Duration = Duration::from_secs(5);
const LONGEST_BLOCK: Duration = Duration::from_secs(60);

/// The right to make one call. Its tokens are promised until it is sent, and given back if it never is.
pub(in crate::cell) struct Grant {
    governor: Arc<Governor>,
    kind: Kind,
    /// How many tasks it may ask for.
    pub(in crate::cell) tasks: usize,
    /// The generation of its bucket when it was sent.
    generation: u64,
    sent: bool,
    /// It was counted as throttled: an answer may say so of each of its tasks.
    counted: AtomicBool,
}

impl Grant {
    /// The call goes out now, for so many tasks.
    pub(in crate::cell) fn sent(&mut self, tasks: usize) {
        let (mut state, now) = (self.governor.state(), Instant::now());
        state.release(self.kind, self.tasks);
        state.spend(self.kind, tasks, now);
        self.generation = state.governing(self.kind).generation();
        (self.tasks, self.sent) = (tasks, true);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if !self.sent {
            self.governor.state().release(self.kind, self.tasks);
        }
    }
}

/// What a throttled call tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Throttle {
    Rate,
    /// Too many tasks in PROVISIONING: RunTask's ClientException for a cluster with Auto Scaling groups.
    Provisioning,
}

impl Throttle {
    fn read(why: &str) -> Self {
        if why.to_ascii_lowercase().contains("provisioning") { Self::Provisioning } else { Self::Rate }
    }
}

/// Until when, and how long that is.
#[derive(Debug)]
struct Block {
    until: Instant,
    wait: Duration,
}

/// What a process may use of each quota, 0 to 1: what others of its fleet do not. At 0 it does not launch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Of tasks on Fargate on demand.
    pub fargate: f64,
    /// Of tasks on Fargate Spot.
    pub spot: f64,
    /// Of RunTask calls on Fargate.
    pub fargate_calls: f64,
    /// Of RunTask and StopTask calls.
    pub calls: f64,
    /// Of DescribeTasks and ListTasks calls.
    pub reads: f64,
}

impl Default for Shares {
    /// All of them.
    fn default() -> Self {
        Self::all(1.0)
    }
}

impl Shares {
    /// So much of each.
    pub const fn all(share: f64) -> Self {
        Self { fargate: share, spot: share, fargate_calls: share, calls: share, reads: share }
    }
}

/// What was used of each quota.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spent {
    /// Tasks on Fargate on demand.
    pub fargate: f64,
    /// Tasks on Fargate Spot.
    pub spot: f64,
    /// RunTask calls on Fargate.
    pub fargate_calls: f64,
    /// RunTask and StopTask calls.
    pub calls: f64,
}

/// Every bucket of the cell, or of the cells of a process.
pub(in crate::cell) struct Governor {
    state: Mutex<State>,
    retrying: [AtomicUsize; 4],
}

struct State {
    calls: Bucket,
    stops: Bucket,
    fargate_calls: Bucket,
    fargate: Bucket,
    spot: Bucket,
    reads: Bucket,
    allowed: Allowed,
    /// What of it is this process's.
    shares: Shares,
    /// When launches were last held up by the calls.
    held_up: Option<Instant>,
    /// Clusters that take no more tasks of a kind for a while.
    blocks: HashMap<(Kind, String), Block>,
}

/// All that is allowed, of which a process has its shares.
#[derive(Clone, Copy, Debug)]
pub(in crate::cell) struct Allowed {
    /// Tasks a second, and at once.
    pub(in crate::cell) tasks: (f64, u32),
    pub(in crate::cell) calls: CallRates,
    /// Of the quota of reads, 0 to 1.
    pub(in crate::cell) describe_share: f64,
}

/// How fast one kind of call goes now.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// Which: `run-task-calls`, `fargate-tasks`, `fargate-spot-tasks`, `stop-task-calls`, `describe-tasks-calls`.
    pub what: &'static str,
    /// A second.
    pub rate: f64,
    /// What throttles have left of the rate that was set, 0 to 1.
    pub share: f64,
}

impl Governor {
    /// As fast as is allowed.
    pub(in crate::cell) fn new(allowed: Allowed) -> Self {
        let now = Instant::now();
        let shares = Shares::default();
        let [calls, stops, fargate_calls, fargate, spot, reads] =
            allowed.buckets(&shares).map(|(rate, burst)| Bucket::new(rate, burst, now));
        let (held_up, blocks) = (None, HashMap::new());
        let state = State { calls, stops, fargate_calls, fargate, spot, reads, allowed, shares, held_up, blocks };
        Self { state: Mutex::new(state), retrying: Default::default() }
    }

    /// Another task rate from here on. An account whose launch rate was raised has its calls raised as well; if not,
    /// throttles will tell.
    pub(in crate::cell) fn set_rate(&self, rate: f64, burst: u32) {
        let mut state = self.state();
        if state.allowed.tasks != (rate, burst) || state.shares == Shares::default() {
            state.allowed.tasks = (rate, burst);
            state.fit(Bucket::set);
        }
    }

    /// This process's shares from here on.
    pub(in crate::cell) fn set_shares(&self, shares: &Shares) {
        let mut state = self.state();
        if state.shares != *shares {
            state.shares = *shares;
            state.fit(Bucket::share_out);
        }
    }

    /// What was used since the beginning.
    pub(in crate::cell) fn spent(&self) -> Spent {
        let state = self.state();
        Spent {
            fargate: state.fargate.spent(),
            spot: state.spot.spent(),
            fargate_calls: state.fargate_calls.spent(),
            calls: state.calls.spent(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call for up to `alike` new tasks there, or how long to wait.
    pub(in crate::cell) fn admit(self: &Arc<Self>, place: &Place, alike: usize) -> Result<Grant, Duration> {
        if self.retrying(place.kind).load(Ordering::Acquire) >= MOST_RETRYING {
            return Err(GATHER);
        }
        let tasks = self.state().launch(place, alike, Instant::now())?;
        Ok(self.grant(place.kind, tasks))
    }

    /// A slot for a call that was made before and throttled: for all its tasks or none.
    pub(in crate::cell) fn again(self: &Arc<Self>, place: &Place, tasks: usize) -> Result<Grant, Duration> {
        self.state().relaunch(place, tasks, Instant::now())?;
        Ok(self.grant(place.kind, tasks))
    }

    fn grant(self: &Arc<Self>, kind: Kind, tasks: usize) -> Grant {
        Grant { governor: Arc::clone(self), kind, tasks, generation: 0, sent: false, counted: AtomicBool::new(false) }
    }

    /// A StopTask call, of which generation, or how long to wait.
    pub(in crate::cell) fn stop(&self) -> Result<u64, Duration> {
        let (mut state, now) = (self.state(), Instant::now());
        let waits = state.held_up.is_some_and(|at| now.duration_since(at) < LAUNCHES_WAIT);
        let own = state.stops.has(1.0, now);
        if waits || state.stops.share() < 1.0 {
            own?;
        }
        state.calls.has(1.0, now)?;
        state.calls.spend(1.0, now);
        // While launches want none of the calls, StopTask takes more than its part.
        Ok(state.stops.call(1.0, if own.is_ok() { 1.0 } else { 0.0 }, now))
    }

    /// A DescribeTasks or ListTasks call, of which generation, or how long to wait.
    pub(in crate::cell) fn read(&self) -> Result<u64, Duration> {
        let (mut state, now) = (self.state(), Instant::now());
        state.reads.has(1.0, now)?;
        Ok(state.reads.spend(1.0, now))
    }

    /// AWS throttled a RunTask call, in whatever disguise.
    pub(in crate::cell) fn throttled(&self, place: &Place, grant: &Grant, why: &str) {
        let (mut state, now) = (self.state(), Instant::now());
        match Throttle::read(why) {
            Throttle::Rate => {
                if grant.counted.swap(true, Ordering::AcqRel) {
                    return;
                }
                let tokens = if is_fargate(place.kind) { grant.tasks as f64 } else { 1.0 };
                let bucket = state.governing(place.kind);
                if bucket.throttled(grant.generation, tokens, now) {
                    let rate = bucket.rate();
                    tracing::info!(kind = ?place.kind, rate, why, "RunTask was throttled: slower from here on");
                }
            }
            Throttle::Provisioning => state.block(place, now),
        }
    }

    /// A RunTask call went through.
    pub(in crate::cell) fn succeeded(&self, place: &Place) {
        let (mut state, now) = (self.state(), Instant::now());
        state.governing(place.kind).succeeded(now);
        let key = (place.kind, place.cluster.clone());
        if state.blocks.get(&key).is_some_and(|block| block.until <= now) {
            state.blocks.remove(&key);
        }
    }

    /// How a StopTask call of this generation went.
    pub(in crate::cell) fn stopped(&self, generation: u64, throttled: bool) {
        self.state().stops.went(generation, throttled);
    }

    /// How a DescribeTasks call of this generation went.
    pub(in crate::cell) fn described(&self, generation: u64, throttled: bool) {
        self.state().reads.went(generation, throttled);
    }

    /// Counts a throttled call that waits for its next slot.
    pub(in crate::cell) fn waits_again(&self, kind: Kind) -> Retrying<'_> {
        let count = self.retrying(kind);
        count.fetch_add(1, Ordering::AcqRel);
        Retrying(count)
    }

    fn retrying(&self, kind: Kind) -> &AtomicUsize {
        &self.retrying[kind as usize]
    }

    /// For how long the target's cluster is left alone, because too many tasks wait for instances in it.
    pub(in crate::cell) fn blocked_for(&self, place: &Place) -> Option<Duration> {
        let (state, now) = (self.state(), Instant::now());
        let block = state.blocks.get(&(place.kind, place.cluster.clone()))?;
        Some(block.until.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// How fast things go now.
    pub(in crate::cell) fn paces(&self) -> Vec<Pace> {
        let state = self.state();
        let pace = |what, bucket: &Bucket| Pace { what, rate: bucket.rate(), share: bucket.share() };
        vec![
            pace("run-task-calls", &state.calls),
            pace("fargate-tasks", &state.fargate),
            pace("fargate-spot-tasks", &state.spot),
            pace("stop-task-calls", &state.stops),
            pace("describe-tasks-calls", &state.reads),
        ]
    }
}

/// One throttled call that waits; counted for as long as this lives.
pub(in crate::cell) struct Retrying<'g>(&'g AtomicUsize);

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Bucket {
    fn went(&mut self, generation: u64, throttled: bool) {
        let now = Instant::now();
        if throttled {
            self.throttled(generation, 1.0, now);
        } else {
            self.succeeded(now);
        }
    }
}

impl Allowed {
    /// What of it is in these shares, a second and at once: of the calls, StopTask's part of them, RunTask's on Fargate, tasks on
    /// Fargate and on Spot, and reads.
    fn buckets(&self, shares: &Shares) -> [(f64, f64); 6] {
        let (rate, burst) = (self.tasks.0, f64::from(self.tasks.1));
        let of = |rate: f64, burst: f64| (rate, rate * burst);
        let tasks = |share: f64| (rate * share, burst * share);
        let calls = self.calls.modify(rate) * shares.calls;
        [
            of(calls, MODIFY_BURST),
            of(calls * STOPS, MODIFY_BURST),
            of(self.calls.fargate(rate) * shares.fargate_calls, FARGATE_BURST),
            tasks(shares.fargate),
            tasks(shares.spot),
            of(self.calls.read() * self.describe_share * shares.reads, READ_BURST),
        ]
    }
}

impl State {
    /// Has every bucket keep to what is allowed, and to this process's share of it.
    fn fit(&mut self, set: impl Fn(&mut Bucket, f64, f64, Instant)) {
        let (now, sizes) = (Instant::now(), self.allowed.buckets(&self.shares));
        let Self { calls, stops, fargate_calls, fargate, spot, reads, .. } = self;
        for (bucket, (rate, burst)) in [calls, stops, fargate_calls, fargate, spot, reads].into_iter().zip(sizes) {
            set(bucket, rate, burst, now);
        }
    }

    /// Whether it has no share of what a launch takes.
    fn is_without(&self, kind: Kind) -> bool {
        let Shares { fargate, spot, fargate_calls, calls, .. } = self.shares;
        let of_kind = match kind {
            Kind::Fargate => fargate.min(fargate_calls),
            Kind::FargateSpot => spot.min(fargate_calls),
            Kind::Provider | Kind::Instances => 1.0,
        };
        of_kind.min(calls) <= 0.0
    }

    /// The bucket that a throttle of this kind is counted against. "Rate exceeded" does not say which one it was; the
    /// tasks' is the tighter one on Fargate, and takes the calls down with it.
    fn governing(&mut self, kind: Kind) -> &mut Bucket {
        match kind {
            Kind::Fargate => &mut self.fargate,
            Kind::FargateSpot => &mut self.spot,
            Kind::Provider | Kind::Instances => &mut self.calls,
        }
    }

    fn launch(&mut self, place: &Place, alike: usize, now: Instant) -> Result<usize, Duration> {
        let mut n = alike;
        if is_fargate(place.kind) {
            let tasks = self.governing(place.kind);
            // As many as there are tokens for; but not one by one while more that are alike wait.
            let soon = (tasks.rate() * GATHER.as_secs_f64()).ceil().max(1.0) as usize;
            n = tasks.there(now).clamp(alike.min(soon), alike);
        }
        self.relaunch(place, n, now).map(|()| n)
    }

    /// Promises a call for so many tasks what it will take.
    fn relaunch(&mut self, place: &Place, tasks: usize, now: Instant) -> Result<(), Duration> {
        if self.is_without(place.kind) {
            return Err(WITHOUT);
        }
        if let Some(block) = self.blocks.get(&(place.kind, place.cluster.clone())).filter(|block| block.until > now) {
            return Err(block.until.duration_since(now));
        }
        if is_fargate(place.kind) {
            self.governing(place.kind).has(tasks as f64, now)?;
            self.fargate_calls.has(1.0, now)?;
        }
        let reserve = self.stops.burst();
        let free = self.calls.has(1.0 + reserve, now);
        self.held_up = free.is_err().then_some(now);
        free?;
        for (bucket, tokens) in self.of_launch(place.kind, tasks).into_iter().flatten() {
            bucket.promise(tokens);
        }
        Ok(())
    }

    fn release(&mut self, kind: Kind, tasks: usize) {
        for (bucket, tokens) in self.of_launch(kind, tasks).into_iter().flatten() {
            bucket.released(tokens);
        }
    }

    fn spend(&mut self, kind: Kind, tasks: usize, now: Instant) {
        for (bucket, tokens) in self.of_launch(kind, tasks).into_iter().flatten() {
            bucket.spend(tokens, now);
        }
    }

    /// What one RunTask call takes from which buckets.
    fn of_launch(&mut self, kind: Kind, tasks: usize) -> [Option<(&mut Bucket, f64)>; 3] {
        let tasks = tasks as f64;
        let (fargate_calls, by_task) = match kind {
            Kind::Fargate => (Some(&mut self.fargate_calls), Some(&mut self.fargate)),
            Kind::FargateSpot => (Some(&mut self.fargate_calls), Some(&mut self.spot)),
            Kind::Provider | Kind::Instances => (None, None),
        };
        [Some((&mut self.calls, 1.0)), fargate_calls.map(|b| (b, 1.0)), by_task.map(|b| (b, tasks))]
    }

    /// Leaves a cluster alone for a while, longer each time until something goes through.
    fn block(&mut self, place: &Place, now: Instant) {
        // Nothing is known any more of clusters that were let go long ago.
        self.blocks.retain(|_, block| now < block.until + LONGEST_BLOCK * 10);
        let block = self
            .blocks
            .entry((place.kind, place.cluster.clone()))
            .or_insert(Block { until: now, wait: FIRST_BLOCK / 2 });
        if block.until <= now {
            block.wait = (block.wait * 2).min(LONGEST_BLOCK);
            block.until = now + block.wait;
            let (cluster, seconds) = (place.cluster.as_str(), block.wait.as_secs());
            tracing::info!(cluster, seconds, "too many tasks in PROVISIONING: the cluster is left alone for a while");
        }
    }
}

fn is_fargate(kind: Kind) -> bool {
    matches!(kind, Kind::Fargate | Kind::FargateSpot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_go_at_the_rates_that_are_set_or_rise_with_the_tasks() {
        let shares = Shares { calls: 0.5, ..Shares::default() };
        let buckets = |calls| Allowed { tasks: (100.0, 500), calls, describe_share: 0.5 }.buckets(&shares);
        let tasks = (100.0, 500.0);
        let raised = [(100.0, 250.0), (25.0, 62.5), (100.0, 100.0), tasks, tasks, (10.0, 50.0)];
        assert_eq!(buckets(CallRates::USUAL), raised);
        let own = CallRates { fargate: Some(5.0), modify: Some(8.0), read: Some(60.0) };
        assert_eq!(buckets(own), [(4.0, 10.0), (1.0, 2.5), (5.0, 5.0), tasks, tasks, (30.0, 150.0)]);
    }
}
