//! What must be so after a campaign, by the store, the notifications, and ECS's own ledger.

use std::collections::{BTreeMap, BTreeSet};

use taskwatch::local::ecs::TaskSnapshot;
use taskwatch::store::{Key, find_all};

use super::cell::{KilledCell, RETRIES};

/// Reads every book of a cell; `tasks` is what ECS knows.
pub(super) async fn check(cell: &KilledCell, tasks: &[TaskSnapshot]) {
    let (name, runs) = (&cell.name, cell.runs());
    let store = cell.store().await;
    let contents = store.load().await.expect("readable");
    if cell.told_of.len() < runs {
        let left = cell.aws.depth(&cell.requests).await;
        let mut missing = Vec::new();
        for run in (0..runs).map(|n| format!("run-{n}")).filter(|run| !cell.told_of.contains_key(run)) {
            let found = find_all(&*store, Key::request(run.as_str())).await.expect("readable");
            missing.push((run, found.first().map(|run| (run.status, run.attempts.len(), run.finished_at))));
        }
        panic!("{name}: {left} requests left, {:?} in the outbox; not told of: {missing:?}", contents.undelivered);
    }
    let open = contents.runs.all().await.expect("readable");
    assert!(open.is_empty(), "{name}: a run was told of and is open: {:#?}", open.first());
    let mut owner = BTreeMap::new();
    let mut attempts = BTreeMap::new();
    let mut calls = BTreeMap::new();
    for n in 0..runs {
        let run = format!("run-{n}");
        let found = find_all(&*store, Key::request(run.as_str())).await.expect("readable");
        assert_eq!(found.len(), 1, "{name}: {run} is there {} times", found.len());
        let told: Vec<_> = cell.told_of.get(&run).into_iter().flatten().collect();
        assert!(told.len() == 1, "{name}: {run} was told of differently: {told:?}");
        assert_eq!(told[0].1, found[0].status.as_str(), "{name}: {run} was told of as what it is not");
        assert!(found[0].status.is_final(), "{name}: {run} is {:?}", found[0].status);
        let count = found[0].attempts.len();
        assert!(count <= RETRIES + 1, "{name}: {run} had {count} attempts");
        attempts.insert(n, count);
        calls.extend(found[0].attempts.iter().filter_map(|a| Some((a.token?.to_string(), found[0].clone()))));
        owner.extend(found[0].attempts.iter().filter_map(|a| Some((a.task_arn.as_ref()?.to_string(), n))));
    }
    let whose = |task: &TaskSnapshot| calls.get(task.client_token.as_deref().unwrap_or_default());
    if let Some(task) = ours(name, tasks).find(|task| !owner.contains_key(&task.arn)) {
        panic!("{name}: no run has {task:#?}; its token is of {:#?}", whose(task));
    }
    own_ledger(name, tasks, &owner, &attempts);
    let refused = cell.aws.take(&cell.dlq, usize::MAX, 1).await;
    let refused: BTreeSet<String> = refused.into_iter().filter_map(|message| message.body).collect();
    assert_eq!(refused, cell.malformed, "{name}: the DLQ has not what was refused");
}

/// The tasks with this cell's name.
fn ours<'t>(name: &str, tasks: &'t [TaskSnapshot]) -> impl Iterator<Item = &'t TaskSnapshot> {
    let prefix = format!("{name}/");
    tasks.iter().filter(move |task| task.started_by.as_ref().is_some_and(|by| by.starts_with(&prefix)))
}

/// No run had more tasks than attempts, nor two that lived at once.
fn own_ledger(name: &str, tasks: &[TaskSnapshot], owner: &BTreeMap<String, usize>, attempts: &BTreeMap<usize, usize>) {
    let mut spans: BTreeMap<usize, Vec<(i64, i64)>> = BTreeMap::new();
    for task in ours(name, tasks) {
        let Some(run) = owner.get(&task.arn).copied() else { continue };
        // From its creation until its last container ended; one whose containers never began had no such time.
        let end = match (task.started_millis, task.execution_stopped_millis) {
            (Some(_), end) => end.unwrap_or(i64::MAX),
            (None, _) if task.status == "STOPPED" || task.stop_code.is_some() => task.created_millis,
            (None, _) => i64::MAX,
        };
        spans.entry(run).or_default().push((task.created_millis, end));
    }
    for (run, mut spans) in spans {
        spans.sort_unstable();
        let most = attempts.get(&run).copied().unwrap_or_default();
        assert!(spans.len() <= most, "{name}: run-{run} had {} tasks for {most} attempts", spans.len());
        assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{name}: run-{run} had two at once: {spans:?}");
    }
}
