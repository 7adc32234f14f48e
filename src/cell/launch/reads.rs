//! The right to read tasks: DescribeTasks and ListTasks, at a share of the quota.

use std::sync::Arc;

use tokio::sync::watch;

use super::governor::Governor;
use crate::cell::lifecycle::Lifecycle;

/// Gives out calls that read tasks.
pub(in crate::cell) struct Reads {
    governor: Arc<Governor>,
    lifecycle: Arc<Lifecycle>,
    /// What ECS said when it refused a description, until it answers one.
    refusal: watch::Sender<Option<String>>,
}

/// The right to one call, and how often the rate had been cut before.
pub(in crate::cell) struct Read(u64);

impl Reads {
    pub(in crate::cell) fn new(governor: Arc<Governor>, lifecycle: Arc<Lifecycle>) -> Self {
        Self { governor, lifecycle, refusal: watch::Sender::default() }
    }

    /// The right to one call. `None` once the cell has ended.
    pub(in crate::cell) async fn slot(&self) -> Option<Read> {
        loop {
            match self.governor.read() {
                Ok(backoff_generation) => return Some(Read(backoff_generation)),
                Err(wait) if !self.lifecycle.sleep(wait).await => return None,
                Err(_) => {}
            }
        }
    }

    /// Whether a description was refused for good, with what ECS said.
    pub(in crate::cell) fn refused(&self, why: Option<String>) {
        self.refusal.send_if_modified(|known| {
            let is_new = known.is_some() != why.is_some();
            *known = why;
            is_new
        });
    }

    /// Resolves when ECS refuses to describe tasks, with what it said; never, once the cell has ended.
    pub(in crate::cell) async fn refusal(&self) -> String {
        let mut refusal = self.refusal.subscribe();
        let refused = refusal.wait_for(Option::is_some).await.ok().and_then(|why| why.clone());
        match refused {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// Whether the call was throttled.
    pub(in crate::cell) fn went(&self, read: Read, throttled: bool) {
        self.governor.described(read.0, throttled);
    }
}
