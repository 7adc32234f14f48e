//! Tasks that no run needs any more and that still have their place: their containers have ended, and ECS takes them down.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::core::ids::TaskArn;
use crate::core::run::Run;
use crate::core::task::TaskStatus;

/// The event of STOPPED may be lost. On Fargate a task is STOPPED 13 s after `stoppingAt`, and up to 73 s after it where the
/// stop was asked for (recorded events).
const LONGEST: Duration = Duration::from_secs(90);

/// Each counts as a task: a network interface, its address and the vCPUs are free again at STOPPED, not before.
#[derive(Default)]
pub(super) struct VacatingTasks(Mutex<Vacating>);

#[derive(Default)]
struct Vacating {
    numbers: HashMap<TaskArn, u64, RandomState>,
    /// In the order in which they began.
    began: BTreeMap<u64, (Instant, TaskArn)>,
    next: u64,
}

impl VacatingTasks {
    fn locked(&self) -> MutexGuard<'_, Vacating> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A run needs this task no more.
    pub(super) fn begins(&self, task_arn: TaskArn) {
        let mut tasks = self.locked();
        let number = tasks.next;
        tasks.next += 1;
        if let Some(before) = tasks.numbers.insert(task_arn.clone(), number) {
            tasks.began.remove(&before);
        }
        tasks.began.insert(number, (Instant::now(), task_arn));
    }

    /// The task has stopped; whether it was one of these.
    pub(super) fn ended(&self, task_arn: &TaskArn) -> bool {
        let mut tasks = self.locked();
        let number = tasks.numbers.remove(task_arn);
        number.is_some_and(|number| tasks.began.remove(&number).is_some())
    }

    /// How many there are, without those of which nothing was heard for too long.
    pub(super) fn count(&self) -> usize {
        let mut tasks = self.locked();
        while let Some(oldest) = tasks.began.first_entry().filter(|oldest| oldest.get().0.elapsed() >= LONGEST) {
            let (_, task_arn) = oldest.remove();
            tasks.numbers.remove(&task_arn);
        }
        tasks.began.len()
    }
}

/// The task of a run that has just ended its attempt, if ECS still takes it down.
pub(super) fn vacating(run: &Run) -> Option<&TaskArn> {
    let attempt = run.attempt()?;
    let is_leaving = |status: &TaskStatus| {
        matches!(status, TaskStatus::Deactivating | TaskStatus::Stopping | TaskStatus::Deprovisioning)
    };
    attempt.task_arn.as_ref().filter(|_| attempt.last_status.as_ref().is_some_and(is_leaving))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_counts_until_it_has_stopped_or_nothing_was_heard_of_it_for_too_long() {
        let (tasks, [one, two]) = (VacatingTasks::default(), ["one", "two"].map(TaskArn::from));
        tasks.begins(one.clone());
        tokio::time::advance(LONGEST / 2).await;
        tasks.begins(two.clone());
        tasks.begins(two.clone());
        assert_eq!(tasks.count(), 2);
        assert!(tasks.ended(&two) && !tasks.ended(&two));
        assert_eq!(tasks.count(), 1);
        tokio::time::advance(LONGEST / 2).await;
        assert_eq!(tasks.count(), 0);
        assert!(!tasks.ended(&one));
        assert!(tasks.locked().numbers.is_empty());
    }
}
