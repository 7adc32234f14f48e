//! ECS that answers as scripted, and keeps `clientToken`'s promise: a token that was used places nothing new.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt as _};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use taskwatch::cell::ports::{self, CallError, ContainerDefinition, Described, RunTaskAnswer, RunTaskCall};
use taskwatch::core::failure;
use taskwatch::core::task::Task;
use tokio::time::Instant;

use super::Journal;

/// How one RunTask call goes. Without a script every call places all it asks for.
pub(crate) enum Answer {
    /// So many of those asked for; the rest are refused for this reason.
    Places(usize, &'static str),
    /// Nothing happens.
    Throttled,
    /// The tasks are placed and the answer is lost.
    Lost,
    /// The tasks are placed and no answer ever comes.
    Silent,
    /// The token was used before, for this many tasks.
    Conflict(usize),
    /// An exception that the cell has to make sense of.
    Exception(&'static str, &'static str),
    /// AWS said no.
    Refused(&'static str, &'static str),
}

/// AWS's buckets, burst and rate a second: enforced to the token.
pub(crate) struct Quota {
    pub(crate) calls: (f64, f64),
    pub(crate) tasks: (f64, f64),
}

struct Enforced {
    quota: Quota,
    left: (f64, f64),
    at: Instant,
}

impl Enforced {
    /// Whether a call is let through. One that is not takes nothing.
    fn admits(&mut self, tasks: f64) -> bool {
        let seconds = self.at.elapsed().as_secs_f64();
        let filled = |left: f64, (burst, rate): (f64, f64)| (left + seconds * rate).min(burst);
        self.left = (filled(self.left.0, self.quota.calls), filled(self.left.1, self.quota.tasks));
        self.at = Instant::now();
        let admits = self.left.0 >= 1.0 && self.left.1 >= tasks;
        if admits {
            self.left = (self.left.0 - 1.0, self.left.1 - tasks);
        }
        admits
    }
}

#[derive(Default)]
struct Ledger {
    script: VecDeque<Answer>,
    by_token: HashMap<String, Vec<String>>,
    started_by: HashMap<String, String>,
    described: HashMap<String, Option<Task<'static>>>,
    tasks: usize,
    launches: Vec<Instant>,
    enforced: Option<Enforced>,
    /// Share of RunTask calls that are throttled at random.
    random: Option<(f64, SmallRng)>,
    /// When a call came, and whether it was throttled for its rate.
    verdicts: Vec<(Instant, bool)>,
}

impl Ledger {
    /// Whether a call is throttled neither at random nor for its rate.
    fn admits(&mut self, count: u32) -> bool {
        let unlucky = self.random.as_mut().is_some_and(|(share, dice)| dice.random::<f64>() < *share);
        !unlucky && self.enforced.as_mut().is_none_or(|enforced| enforced.admits(count.into()))
    }

    fn place(&mut self, call: &RunTaskCall, count: usize) -> Vec<String> {
        if let Some(known) = self.by_token.get(&call.client_token) {
            return known.clone();
        }
        let arns: Vec<String> = (1..=count).map(|n| arn(self.tasks + n)).collect();
        self.tasks += count;
        self.started_by.extend(arns.iter().map(|arn| (arn.clone(), call.started_by.clone())));
        self.by_token.insert(call.client_token.clone(), arns.clone());
        arns
    }
}

pub(crate) struct FakeEcs {
    journal: Journal,
    ledger: Mutex<Ledger>,
    /// RunTask answers after so long.
    pub(crate) run_task_takes: Mutex<Duration>,
    /// DescribeTaskDefinition is never answered.
    pub(crate) keeps_definitions: AtomicBool,
    /// The same of one task definition only, by what its name contains.
    pub(crate) keeps_definition: Mutex<Option<&'static str>>,
    /// DescribeTasks is AccessDenied.
    pub(crate) refuses_to_describe: AtomicBool,
    /// What the next DescribeTasks calls fail with.
    pub(crate) describe_failures: Mutex<VecDeque<CallError>>,
    /// Tasks of a DescribeTasks call, and when it came.
    pub(crate) described_at: Mutex<Vec<(Instant, usize)>>,
}

/// The ARN of the n-th task placed, from 1.
fn arn(n: usize) -> String {
    format!("arn:aws:ecs:us-east-1:123456789012:task/default/{n:032x}")
}

impl FakeEcs {
    pub(crate) fn new(journal: Journal) -> Self {
        Self {
            journal,
            ledger: Mutex::default(),
            run_task_takes: Mutex::default(),
            keeps_definitions: AtomicBool::new(false),
            keeps_definition: Mutex::default(),
            refuses_to_describe: AtomicBool::new(false),
            describe_failures: Mutex::default(),
            described_at: Mutex::default(),
        }
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next calls answer.
    pub(crate) fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.ledger().script.extend(answers);
    }

    /// Every task ever placed.
    pub(crate) fn tasks(&self) -> Vec<String> {
        (1..=self.ledger().tasks).map(arn).collect()
    }

    /// Throttles what is above this quota.
    pub(crate) fn enforce(&self, quota: Quota) {
        let left = (quota.calls.0, quota.tasks.0);
        self.ledger().enforced = Some(Enforced { quota, left, at: Instant::now() });
    }

    /// Throttles this share of the RunTask calls, whatever their rate is.
    pub(crate) fn throttle_at_random(&self, share: f64, seed: u64) {
        self.ledger().random = Some((share, SmallRng::seed_from_u64(seed)));
    }

    /// Of every call since then, whether it was throttled for its rate.
    pub(crate) fn verdicts(&self, since: Instant) -> Vec<bool> {
        self.ledger().verdicts.iter().filter(|(at, _)| *at >= since).map(|(_, throttled)| *throttled).collect()
    }

    /// When RunTask was called.
    pub(crate) fn launches(&self) -> Vec<Instant> {
        self.ledger().launches.clone()
    }

    /// The clientTokens of the calls, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        self.journal.of("RunTask ").iter().filter_map(|line| line.split(' ').nth(1)).map(str::to_owned).collect()
    }

    pub(crate) fn started_by(&self, task_arn: &str) -> String {
        self.ledger().started_by.get(task_arn).cloned().unwrap_or_default()
    }

    /// A task that somebody else launched.
    pub(crate) fn launched_by(&self, started_by: &str, task: Task<'static>) {
        let arn = task.task_arn.to_string();
        self.ledger().started_by.insert(arn.clone(), started_by.to_owned());
        self.describe_as(&arn, Some(task));
    }

    /// What DescribeTasks says of a task; `None`: MISSING. Of others it says what RunTask did.
    pub(crate) fn describe_as(&self, task_arn: &str, task: Option<Task<'static>>) {
        self.ledger().described.insert(task_arn.to_owned(), task);
    }
}

fn answer(arns: Vec<String>, refused: usize, reason: &str) -> RunTaskAnswer {
    let tasks = arns.into_iter().map(|arn| Task { task_arn: arn.into(), ..Task::default() }).collect();
    RunTaskAnswer { tasks, failures: vec![(reason.to_owned(), None); refused] }
}

fn essential(name: &str) -> ContainerDefinition {
    ContainerDefinition { name: name.to_owned(), essential: true, log: None }
}

impl ports::Ecs for FakeEcs {
    fn run_task<'a>(&'a self, call: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        async move {
            self.journal.note(format!("RunTask {} {}", call.client_token, call.count));
            let asked = call.count as usize;
            self.ledger().launches.push(Instant::now());
            let admitted = self.ledger().admits(call.count);
            self.ledger().verdicts.push((Instant::now(), !admitted));
            if !admitted {
                return Err(CallError::Throttled("Rate exceeded".into()));
            }
            let takes = *self.run_task_takes.lock().unwrap_or_else(PoisonError::into_inner);
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            let next = self.ledger().script.pop_front();
            match next {
                None => Ok(answer(self.ledger().place(call, asked), 0, "")),
                Some(Answer::Places(count, reason)) => {
                    Ok(answer(self.ledger().place(call, count), asked - count, reason))
                }
                Some(Answer::Throttled) => Err(CallError::Throttled("Rate exceeded".into())),
                Some(Answer::Lost) => {
                    self.ledger().place(call, asked);
                    Err(CallError::Unknown("connection reset".into()))
                }
                Some(Answer::Silent) => {
                    self.ledger().place(call, asked);
                    std::future::pending().await
                }
                Some(Answer::Conflict(count)) => Err(CallError::Conflict(self.ledger().place(call, count))),
                Some(Answer::Exception(name, message)) => Err(CallError::from_exception(name, message)),
                Some(Answer::Refused(name, message)) => {
                    Err(CallError::Refused(Box::new(failure::from_exception(name, message))))
                }
            }
        }
        .boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, arn: &'a str, reason: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        self.journal.note(format!("StopTask {arn} {reason}"));
        async { Ok(()) }.boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, arns: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        self.journal.note(format!("DescribeTasks {}", arns.len()));
        if self.refuses_to_describe.load(Ordering::Relaxed) {
            let refused = CallError::from_exception("AccessDeniedException", "not authorized: ecs:DescribeTasks");
            return async { Err(refused) }.boxed();
        }
        self.described_at.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), arns.len()));
        let failure = self.describe_failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if let Some(failure) = failure {
            return async { Err(failure) }.boxed();
        }
        let ledger = self.ledger();
        let mut described = Described::default();
        for arn in arns {
            match ledger.described.get(arn) {
                Some(Some(task)) => described.tasks.push(task.clone()),
                Some(None) => described.missing.push(arn.clone()),
                None => {}
            }
        }
        async { Ok(described) }.boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, by: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        self.journal.note(format!("ListTasks {by}"));
        let ledger = self.ledger();
        let arns: Vec<String> =
            ledger.started_by.iter().filter(|(_, known)| *known == by).map(|(arn, _)| arn.clone()).collect();
        async { Ok(arns) }.boxed()
    }

    fn container_definitions<'a>(&'a self, of: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        self.journal.note("DescribeTaskDefinition");
        let kept = *self.keeps_definition.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_some_and(|kept| of.contains(kept)) || self.keeps_definitions.load(Ordering::Relaxed) {
            return std::future::pending().boxed();
        }
        async { Ok(vec!["app", "goapp"].into_iter().map(essential).collect()) }.boxed()
    }
}
