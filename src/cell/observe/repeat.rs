//! Launches of others that are made once more: held until late tasks would have come, then decided by what ECS lists.

use std::collections::HashMap;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::cell::admit::{Admission, SubmitError};
use crate::cell::clock::Clock;
use crate::cell::lifecycle::Lifecycle;
use crate::cell::ports::{CallError, Ecs, Launchers};
use crate::cell::view::Lookup;
use crate::core::launcher::Launcher;
use crate::core::observe::{Again, LaunchTarget, Repeat, RunTaskRecord};
use crate::core::request::RunRequest;
use crate::core::task::Task;

/// Calls that are remembered by the tasks they placed.
const CALLS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(4_999);
/// Most tasks a DescribeTasks call takes (API reference).
const MOST_A_CALL: usize = 100;
/// So long what was read of a launcher is good: many failures of one launcher are decided with one answer.
const FRESH: Duration = Duration::from_secs(5);

/// A RunTask call that placed tasks.
struct Call {
    request: Map<String, Value>,
    tasks: Vec<String>,
}

/// What became of a repeat.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decided {
    /// This run is it.
    Run(String),
    /// It is not made, and why.
    Not(String),
    /// It cannot be told yet.
    Later,
}

/// What was read in a round.
#[derive(Default)]
pub(super) struct Round {
    /// Tasks, by cluster and `startedBy`.
    tasks: Reads<(String, String), Task<'static>>,
    targets: Reads<Launcher, LaunchTarget>,
}

/// Things by what they were asked for, with the time. None: nobody answered, and nobody is asked again in this round.
type Reads<K, T> = HashMap<K, Option<(Instant, Arc<[T]>)>>;

/// What was read a moment ago; an error where there was no answer.
fn fresh<K: Hash + Eq, T>(reads: &Reads<K, T>, key: &K) -> Result<Option<Arc<[T]>>, Decided> {
    match reads.get(key) {
        Some(None) => Err(Decided::Later),
        Some(Some((at, all))) => Ok((at.elapsed() < FRESH).then(|| Arc::clone(all))),
        None => Ok(None),
    }
}

/// Notes what was read.
fn note<K: Hash + Eq, T>(
    reads: &mut Reads<K, T>,
    key: K,
    read: Result<Arc<[T]>, Decided>,
) -> Result<Arc<[T]>, Decided> {
    let kept = match &read {
        Ok(all) => Some((Instant::now(), Arc::clone(all))),
        Err(_) => None,
    };
    // A refusal is for each failure to say.
    if !matches!(read, Err(Decided::Not(_))) {
        reads.insert(key, kept);
    }
    read
}

/// What a repeat is decided with.
pub(in crate::cell) struct RepeatParts {
    pub(in crate::cell) ecs: Arc<dyn Ecs>,
    pub(in crate::cell) launchers: Option<Arc<dyn Launchers>>,
    pub(in crate::cell) admission: Arc<Admission>,
    pub(in crate::cell) lookup: Arc<Lookup>,
    pub(in crate::cell) clock: Clock,
    pub(in crate::cell) lifecycle: Arc<Lifecycle>,
}

/// Decides repeats, and submits them.
pub(super) struct Repeater {
    parts: RepeatParts,
    calls: Mutex<LruCache<String, Arc<Call>>>,
}

impl Repeater {
    pub(super) fn new(parts: RepeatParts) -> Self {
        Self { parts, calls: Mutex::new(LruCache::new(CALLS)) }
    }

    fn calls(&self) -> MutexGuard<'_, LruCache<String, Arc<Call>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call placed tasks.
    pub(super) fn note(&self, record: &RunTaskRecord) {
        let call = Arc::new(Call { request: record.request.clone(), tasks: record.tasks.clone() });
        let mut calls = self.calls();
        for task in &record.tasks {
            calls.put(task.clone(), Arc::clone(&call));
        }
    }

    /// What is to become of a repeat that is due.
    pub(super) async fn decide(&self, repeat: &Repeat, round: &mut Round) -> Decided {
        // It was submitted before a crash, and nobody was told.
        let name = repeat.run_name();
        match self.parts.lookup.find(&name).await {
            Ok(runs) if !runs.is_empty() => return Decided::Run(name),
            Ok(_) => {}
            Err(_) => return Decided::Later,
        }
        if let Err(why) = repeat.in_time(self.parts.clock.now()) {
            return Decided::Not(why);
        }
        match self.others(repeat, round).await {
            Ok(()) => {}
            Err(decided) => return decided,
        }
        match self.request(repeat, round).await {
            Ok(request) => self.submit(name, request).await,
            Err(decided) => decided,
        }
    }

    /// Whether ECS lists a task of the launcher that forbids it.
    async fn others(&self, repeat: &Repeat, round: &mut Round) -> Result<(), Decided> {
        let cluster = match &repeat.again {
            Again::Task { cluster, .. } => cluster.clone(),
            Again::Call { request, .. } => {
                request.get("cluster").and_then(Value::as_str).unwrap_or("default").to_owned()
            }
        };
        let key = (cluster, repeat.started_by.clone());
        let tasks = match fresh(&round.tasks, &key)? {
            Some(tasks) => tasks,
            None => {
                let listed = self.listed(&key.0, &key.1).await;
                note(&mut round.tasks, key, listed)?
            }
        };
        let call = self.call_of(repeat);
        let siblings = call.as_ref().map_or(&[][..], |call| call.tasks.as_slice());
        let known = |arn: &str| self.calls().contains(arn);
        repeat.judge(&tasks, &known, siblings).map_err(Decided::Not)
    }

    /// What ECS lists of a launcher.
    async fn listed(&self, cluster: &str, started_by: &str) -> Result<Arc<[Task<'static>]>, Decided> {
        let arns = self.parts.ecs.tasks_started_by(cluster, started_by).await;
        let arns = arns.map_err(|error| undecided("ecs:ListTasks", &error))?;
        let mut tasks: Vec<Task<'static>> = Vec::new();
        for batch in arns.chunks(MOST_A_CALL) {
            let described = self.parts.ecs.describe_tasks(cluster, batch).await;
            let described = described.map_err(|error| undecided("ecs:DescribeTasks", &error))?.tasks;
            // ECS lists a task that it cannot describe yet.
            let is_known = |arn: &&String| described.iter().any(|task| task.task_arn == **arn);
            let unknown = |arn: &String| Task { task_arn: arn.clone().into(), ..Task::default() };
            tasks.extend(batch.iter().filter(|arn| !is_known(arn)).map(unknown));
            tasks.extend(described);
        }
        Ok(tasks.into())
    }

    fn call_of(&self, repeat: &Repeat) -> Option<Arc<Call>> {
        let task_arn = repeat.failed.task_arn.as_ref()?;
        self.calls().get(task_arn).map(Arc::clone)
    }

    async fn request(&self, repeat: &Repeat, round: &mut Round) -> Result<RunRequest, Decided> {
        let call = self.call_of(repeat);
        let record = call.as_ref().map(|call| &call.request);
        let targets = if repeat.needs_target(record) { self.targets(repeat, round).await? } else { Arc::default() };
        let at = self.parts.admission.acceptance();
        let request = repeat.request(record, &targets, &at).map_err(Decided::Not)?;
        RunRequest::accept(request, &at).map_err(|error| Decided::Not(format!("its request is not one: {error}")))
    }

    async fn targets(&self, repeat: &Repeat, round: &mut Round) -> Result<Arc<[LaunchTarget]>, Decided> {
        let Some(launchers) = &self.parts.launchers else {
            return Err(Decided::Not("this process does not read rules and schedules".to_owned()));
        };
        let launcher = &repeat.failed.launcher;
        if let Some(targets) = fresh(&round.targets, launcher)? {
            return Ok(targets);
        }
        let found = launchers.targets(launcher).await;
        let found = found.map_err(|error| undecided(&format!("the targets of {launcher}"), &error));
        note(&mut round.targets, launcher.clone(), found.map(Into::into))
    }

    async fn submit(&self, name: String, request: RunRequest) -> Decided {
        if !self.parts.lifecycle.may_act().await {
            return Decided::Later;
        }
        match self.parts.admission.submit(request, None).await {
            Ok(_) | Err(SubmitError::Elsewhere { .. }) => Decided::Run(name),
            Err(error @ (SubmitError::NameConflict(_) | SubmitError::TooLarge(_))) => Decided::Not(error.to_string()),
            Err(_) => Decided::Later,
        }
    }
}

/// A call that is refused will be refused again; any other may be answered later.
fn undecided(what: &str, error: &CallError) -> Decided {
    match error {
        CallError::Refused(_) => Decided::Not(format!("whether it is safe is not known: {what}: {error}")),
        _ => Decided::Later,
    }
}

/// Between two looks at what is held.
pub(super) const ROUND: Duration = Duration::from_secs(1);
/// The same at most, while what is due cannot be decided.
pub(super) const LONGEST_ROUND: Duration = Duration::from_secs(30);
