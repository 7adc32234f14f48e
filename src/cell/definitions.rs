//! The containers of task definitions: read once a revision, and kept. A revision never changes; which one is a family's newest does.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::lifecycle::Lifecycle;
use super::ports::{CallError, ContainerDefinition, Ecs};
use crate::core::name;

/// A permission may be granted while the cell runs.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// Revisions that are kept; the one asked for longest ago goes first.
const KEPT: NonZeroUsize = NonZeroUsize::MIN.saturating_add(9_999);
/// How often a call that may succeed later is tried before the task is judged without.
const TRIES: u32 = 5;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// A family is asked for anew by each launch that needs to know, all that wait by one call, and calls are so long apart: launches at a high
/// rate would use up the reads of the account.
const BETWEEN: Duration = Duration::from_millis(500);
/// A call that hangs holds up its own task definition only, and not for ever.
const LONGEST_CALL: Duration = Duration::from_secs(10);

type Containers = Arc<[ContainerDefinition]>;

/// What is known of one task definition: asked for once, however many wait for the answer.
#[derive(Default)]
struct Known {
    /// No call begins before.
    from: Option<Instant>,
    answer: OnceCell<(Option<Containers>, Instant)>,
}

impl Known {
    /// Whether it was not answered and may be now.
    fn is_old(&self) -> bool {
        self.answer.get().is_some_and(|(containers, at)| containers.is_none() && at.elapsed() >= ASK_AGAIN)
    }
}

/// Reads task definitions, each by one call at a time.
pub(super) struct Definitions {
    ecs: Arc<dyn Ecs>,
    known: Mutex<LruCache<String, Arc<Known>>>,
}

impl Definitions {
    pub(super) fn new(ecs: Arc<dyn Ecs>) -> Self {
        Self { ecs, known: Mutex::new(LruCache::new(KEPT)) }
    }

    /// The containers of a task definition; `None` when they cannot be read.
    pub(super) async fn containers_of(&self, task_definition: &str) -> Option<Containers> {
        let known = self.known(task_definition);
        let ask = async || {
            if let Some(from) = known.from {
                tokio::time::sleep_until(from).await;
            }
            (self.describe(task_definition).await, Instant::now())
        };
        let (containers, _) = known.answer.get_or_init(ask).await;
        let containers = containers.clone();
        // A family without a revision may mean another one tomorrow.
        if !name::in_arn(task_definition).contains(':') {
            self.ask_again(task_definition, &known);
        }
        containers
    }

    /// The containers of a task definition that was read before; `None` where it was not.
    pub(super) fn known_of(&self, task_definition: &str) -> Option<Containers> {
        let mut cache = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        cache.get(task_definition)?.answer.get()?.0.clone()
    }

    /// Begins to read a task definition that nobody has asked for yet.
    pub(super) fn prepare(self: &Arc<Self>, task_definition: &str, lifecycle: &Arc<Lifecycle>) {
        let is_asked_for = || self.known.lock().unwrap_or_else(PoisonError::into_inner).contains(task_definition);
        if !is_asked_for() {
            let (definitions, task_definition) = (Arc::clone(self), task_definition.to_owned());
            let phases = Arc::clone(lifecycle);
            lifecycle.spawn(async move { phases.unless_ended(definitions.containers_of(&task_definition)).await });
        }
    }

    fn known(&self, task_definition: &str) -> Arc<Known> {
        let mut cache = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match cache.get(task_definition).filter(|known| !known.is_old()) {
            Some(known) => Arc::clone(known),
            None => {
                let new = Arc::<Known>::default();
                cache.put(task_definition.to_owned(), Arc::clone(&new));
                new
            }
        }
    }

    /// Whoever comes from now on gets a new answer.
    fn ask_again(&self, family: &str, known: &Arc<Known>) {
        let mut cache = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.peek(family).is_some_and(|other| Arc::ptr_eq(other, known)) {
            let from = Some(Instant::now() + BETWEEN);
            cache.put(family.to_owned(), Arc::new(Known { from, answer: OnceCell::new() }));
        }
    }

    async fn describe(&self, task_definition: &str) -> Option<Containers> {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, task_definition);
        for _ in 0..TRIES {
            let call = self.ecs.container_definitions(task_definition);
            match tokio::time::timeout(LONGEST_CALL, call).await {
                Ok(Ok(containers)) => return Some(containers.into()),
                Err(_) | Ok(Err(CallError::Throttled(_) | CallError::Unknown(_) | CallError::Unreached(_))) => {
                    tokio::time::sleep(backoff.next()).await;
                }
                Ok(Err(error)) => {
                    tracing::warn!(task_definition, %error,
                        "DescribeTaskDefinition was refused: any container that ends itself with a non-zero code decides, unless decidedBy names \
                         one, and where its log is, is not known");
                    return None;
                }
            }
        }
        tracing::warn!(
            task_definition,
            "DescribeTaskDefinition gave no answer: any container that ends itself with a non-zero code decides"
        );
        None
    }
}
