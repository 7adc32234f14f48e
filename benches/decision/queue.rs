//! An events queue that fills at a steady rate.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use taskwatch::cell::ports::{CallError, Message, Queue};
use tokio::time::Instant;

use super::events::{event, template};
use super::runs::name;
use super::{Result, STEPS};

/// Messages of a receive.
const MOST: usize = 10;

struct Kept {
    /// With what each decides: a run's name, and which of its steps.
    waiting: VecDeque<((String, usize), String)>,
    given: usize,
    handed: HashMap<(String, usize), Instant>,
}

pub(crate) struct Paced {
    rate: usize,
    away: Duration,
    opened: OnceLock<Instant>,
    kept: Mutex<Kept>,
}

impl Paced {
    /// With the events of so many runs: each begins to run, and comes to its end a tenth of a second later.
    pub(crate) fn new(rate: usize, runs: usize, away: Duration) -> Result<Arc<Self>> {
        let (template, later) = (template()?, rate / 20);
        let mut waiting = VecDeque::with_capacity(runs * STEPS.len());
        for n in 0..runs + later {
            for (step, run) in STEPS.into_iter().zip([Some(n), n.checked_sub(later)]) {
                if let Some(run) = run.filter(|run| *run < runs) {
                    waiting.push_back(((name(run), step), event(&template, run, step).to_string()));
                }
            }
        }
        let kept = Mutex::new(Kept { waiting, given: 0, handed: HashMap::new() });
        Ok(Arc::new(Self { rate, away, opened: OnceLock::new(), kept }))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From here on events come.
    pub(crate) fn open(&self) {
        self.opened.get_or_init(Instant::now);
    }

    /// When the event of a run's step was in the cell's hands.
    pub(crate) fn handed(&self, run: &str, step: usize) -> Option<Instant> {
        self.kept().handed.remove(&(run.to_owned(), step))
    }

    fn take(&self) -> Vec<((String, usize), String)> {
        let Some(opened) = self.opened.get() else { return Vec::new() };
        let due = (opened.elapsed().as_secs_f64() * self.rate as f64) as usize;
        let mut kept = self.kept();
        let count = due.saturating_sub(kept.given).min(MOST).min(kept.waiting.len());
        kept.given += count;
        kept.waiting.drain(..count).collect()
    }

    async fn poll(&self, wait: Duration) -> Vec<Message> {
        tokio::time::sleep(self.away / 2).await;
        let until = Instant::now() + wait;
        let taken = loop {
            let taken = self.take();
            if !taken.is_empty() || Instant::now() >= until {
                break taken;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        };
        tokio::time::sleep(self.away / 2).await;
        let (mut kept, now) = (self.kept(), Instant::now());
        let message = |(of, body): ((String, usize), String)| {
            let id = format!("{}-{}", of.0, of.1);
            kept.handed.insert(of, now);
            Message { receipt: id.clone(), id, body, sent_at: None }
        };
        taken.into_iter().map(message).collect()
    }

    async fn call<T>(&self, answer: T) -> std::result::Result<T, CallError> {
        tokio::time::sleep(self.away).await;
        Ok(answer)
    }
}

impl Queue for Paced {
    fn receive(&self, wait: Duration) -> BoxFuture<'_, std::result::Result<Vec<Message>, CallError>> {
        self.poll(wait).map(Ok).boxed()
    }

    fn delete(&self, _: Vec<String>) -> BoxFuture<'_, std::result::Result<Vec<String>, CallError>> {
        self.call(Vec::new()).boxed()
    }

    fn release(&self, _: Vec<String>) -> BoxFuture<'_, std::result::Result<(), CallError>> {
        self.call(()).boxed()
    }

    fn send<'a>(&'a self, _: &'a str, _: &'a [(String, String)]) -> BoxFuture<'a, std::result::Result<(), CallError>> {
        self.call(()).boxed()
    }
}
