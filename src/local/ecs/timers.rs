//! One heap of timers for all tasks, tokens and late events, and the one task that serves it.

use std::cmp::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::state::Outgoing;
use super::{Scope, Shared};

/// Something due.
#[derive(Debug)]
pub(super) struct Timer {
    pub(super) due: i64,
    pub(super) order: u64,
    pub(super) what: What,
}

/// What is due.
#[derive(Debug)]
pub(super) enum What {
    Step {
        key: u64,
        epoch: u32,
    },
    Send(Arc<Outgoing>),
    /// An event that waits to be overtaken goes out all the same.
    Release {
        key: u64,
        version: u32,
    },
    Token {
        scope: Scope,
        cluster: String,
        token: String,
    },
}

impl Ord for Timer {
    /// The heap gives its greatest: the earliest, and of two at once the one set first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Timer {}

/// As many timers as are served before the lock is given back.
const BATCH: usize = 256;

/// What the driver does next.
enum Next {
    Again,
    At(i64),
    Idle,
}

/// Serves the timers until the service is dropped.
pub(super) async fn drive(shared: Weak<Shared>) {
    loop {
        let Some(strong) = shared.upgrade() else { return };
        let (outgoing, next) = strong.due();
        for one in outgoing {
            strong.sink.put(&one.scope.region, &one.scope.account, one.event.clone()).await;
        }
        let wake = strong.wake.clone();
        let now = strong.clock.now_millis();
        drop(strong);
        match next {
            Next::Again => tokio::task::yield_now().await,
            Next::Idle => wake.notified().await,
            Next::At(due) => {
                let wait = Duration::from_millis(u64::try_from(due - now).unwrap_or(0).max(1));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = wake.notified() => {}
                }
            }
        }
    }
}

impl Shared {
    /// Serves what is due. Gives the events to send, in order.
    fn due(&self) -> (Vec<Arc<Outgoing>>, Next) {
        let now = self.clock.now_millis();
        let mut state = self.lock();
        let mut outgoing = Vec::new();
        for _ in 0..BATCH {
            match state.timers.peek() {
                None => return (outgoing, Next::Idle),
                Some(timer) if timer.due > now => {
                    let due = timer.due;
                    return (outgoing, Next::At(due));
                }
                Some(_) => {}
            }
            match state.timers.pop().map(|timer| timer.what) {
                Some(What::Step { key, epoch }) if state.tasks.get(&key).is_some_and(|task| task.epoch == epoch) => {
                    state.advance(key, now);
                }
                // The task took another turn since.
                Some(What::Step { .. }) => {}
                Some(What::Send(event)) => outgoing.push(event),
                Some(What::Release { key, version }) => state.release(key, version, now),
                Some(What::Token { scope, cluster, token }) => state.expire_token(&scope, &cluster, &token, now),
                None => {}
            }
        }
        (outgoing, Next::Again)
    }
}
