//! The changes of all runs in order, each with a number, and the last of them kept for those who were away for a moment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::broadcast;

use super::change::RunChange;

/// Changes that a slow listener may be behind before it misses the oldest.
const BEHIND: usize = 8_192;
/// Changes kept for listeners that come back.
const KEPT: usize = 4_096;

/// One change and its number, which rises by one.
#[derive(Clone, Debug)]
pub struct Numbered {
    /// From 1 in each life of a cell.
    pub number: u64,
    /// The change.
    pub change: Arc<RunChange>,
}

/// Publishes changes to listeners.
pub(in crate::cell) struct Feed {
    sender: broadcast::Sender<Numbered>,
    last: AtomicU64,
    kept: Mutex<VecDeque<Numbered>>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { sender: broadcast::channel(BEHIND).0, last: AtomicU64::new(0), kept: Mutex::default() }
    }
}

impl Feed {
    /// Called by the one task that commits.
    pub(in crate::cell) fn publish(&self, change: RunChange) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        let numbered = Numbered { number, change: Arc::new(change) };
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(numbered.clone());
        // Nobody listening is no error.
        let _ = self.sender.send(numbered);
    }

    pub(in crate::cell) fn listen(&self) -> broadcast::Receiver<Numbered> {
        self.sender.subscribe()
    }

    /// The number of the newest change.
    pub(in crate::cell) fn last(&self) -> u64 {
        self.last.load(Ordering::Acquire)
    }

    /// What came after change `number`, and all that comes from here on; `None` when some of it is no longer kept.
    pub(in crate::cell) fn listen_after(&self, number: u64) -> Option<(Vec<Numbered>, broadcast::Receiver<Numbered>)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let first = kept.front().map_or(self.last() + 1, |oldest| oldest.number);
        let known = (first.saturating_sub(1)..=self.last()).contains(&number);
        let missed = || kept.iter().filter(|change| change.number > number).cloned().collect();
        // Under the lock, so that nothing falls between what was kept and what comes.
        known.then(|| (missed(), self.sender.subscribe()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change() -> RunChange {
        let spec = crate::core::request::RunSpec::new(crate::core::run_task::RunTask::default());
        let now = crate::core::time::Timestamp::from_millis(0);
        RunChange::of(&crate::core::run::Run::new(uuid::Uuid::nil(), "r".into(), 0, Arc::new(spec), now))
    }

    fn numbers(changes: &[Numbered]) -> Vec<u64> {
        changes.iter().map(|change| change.number).collect()
    }

    #[tokio::test]
    async fn who_comes_back_gets_what_was_missed_or_is_told_that_it_is_gone() {
        let feed = Feed::default();
        assert!(feed.listen_after(0).is_some_and(|(missed, _)| missed.is_empty()));
        (0..10).for_each(|_| feed.publish(change()));
        let (missed, mut coming) = feed.listen_after(7).unwrap();
        assert_eq!(numbers(&missed), [8, 9, 10]);
        feed.publish(change());
        assert_eq!(coming.recv().await.unwrap().number, 11);
        assert!(feed.listen_after(12).is_none(), "a number of another life");
        (0..KEPT).for_each(|_| feed.publish(change()));
        assert!(feed.listen_after(10).is_none(), "no longer kept");
        assert!(feed.listen_after(11).is_some_and(|(missed, _)| missed.len() == KEPT));
    }
}
