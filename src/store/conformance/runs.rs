//! Commits, and what is read back.

use std::sync::Arc;
use std::time::Duration;

use super::pages::forty;
use super::{NOW, Subject, bus, commit, destinations, ended, load, puts, runs, same, topic};
use crate::core::failure::Class;
use crate::core::filter::RunFilter;
use crate::core::machine::{self, Input};
use crate::core::notification::{self, Origin};
use crate::core::run::Status;
use crate::core::task::TaskStatus;
use crate::store::{Change, EndedCounts, Key, Query, Store, find_all};

pub(super) async fn what_was_committed_is_there_after_opening_again(subject: impl Subject) {
    let all = runs(5);
    let done = ended(&all[0], NOW);
    let told = notification::build(&done, &Origin::default(), &destinations());
    let store = subject.store();
    commit(store, puts(&all)).await.unwrap();
    let end = vec![
        Change::Put(Arc::new(done.clone())),
        Change::Post(Arc::new(told[0].clone())),
        Change::Post(Arc::new(told[1].clone())),
    ];
    commit(store, end).await.unwrap();
    commit(store, vec![Change::Forget(all[4].id)]).await.unwrap();
    let note = |text: &str| vec![Change::Note { name: "limits".into(), text: text.into() }];
    commit(store, note("1")).await.unwrap();
    commit(store, note("2")).await.unwrap();

    let subject = subject.reopen();
    let store = subject.store();
    let (contents, loaded) = load(store).await;
    assert_eq!(contents.notes.get("limits").map(String::as_str), Some("2"));
    let undelivered: Vec<_> = contents.undelivered.into_iter().collect();
    assert_eq!((contents.open, undelivered), (3, vec![(topic(), 1), (bus(), 1)]));
    let open: Vec<_> = loaded.iter().filter(|run| !run.status.is_final()).collect();
    assert_eq!(open.len(), 3);
    // Only a store that ends with its process may give ended runs as well: there the process knows them anyway.
    assert!(open.len() == loaded.len() || !store.capabilities().outlives_process);
    for run in open {
        same(run, all.iter().find(|known| known.id == run.id).unwrap());
        assert!(Arc::ptr_eq(&run.spec, &loaded[0].spec), "siblings share their request");
    }
    same(&find_all(store, Key::Run(done.id)).await.unwrap()[0], &done);
    let of_request = find_all(store, Key::request("n")).await.unwrap();
    assert_eq!(of_request.iter().map(|run| run.index).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(find_all(store, Key::Run(all[4].id)).await.unwrap().is_empty());
}

pub(super) async fn an_older_or_equal_revision_never_replaces_a_newer_one(subject: impl Subject) {
    let store = subject.store();
    let old = runs(1).remove(0);
    let mut equal = old.clone();
    equal.stop_asked = Some("an equal revision".into());
    let newer = ended(&old, NOW);
    assert!(newer.revision > old.revision);
    let kept = async || find_all(store, Key::Run(old.id)).await.unwrap().remove(0);
    commit(store, puts(&[old.clone(), equal])).await.unwrap();
    same(&kept().await, &old);
    commit(store, puts(&[newer.clone(), old.clone()])).await.unwrap();
    same(&kept().await, &newer);
    commit(store, puts(std::slice::from_ref(&old))).await.unwrap();
    same(&kept().await, &newer);
    assert!(store.finished(Query { limit: 9, ..Query::default() }).await.unwrap().items.len() == 1);

    let subject = subject.reopen();
    let store = subject.store();
    commit(store, puts(&[old])).await.unwrap();
    let (contents, _) = load(store).await;
    assert_eq!(contents.open, 0, "an ended run was opened again by an older revision");
}

/// What is last seen of its task comes after the end.
pub(super) async fn an_ended_run_that_is_written_again_is_counted_and_listed_once(subject: impl Subject) {
    let all: Vec<_> = forty().into_iter().filter(|run| run.status.is_final()).collect();
    commit(subject.store(), puts(&all)).await.unwrap();
    let counted = subject.store().ended().await.unwrap();
    let mut again = all.clone();
    for run in &mut again {
        run.revision += 1;
        let attempt = run.attempts.last_mut().expect("an attempt");
        (attempt.last_status, attempt.stopped_at) = (Some(TaskStatus::Stopped), Some(NOW));
    }
    commit(subject.store(), puts(&again)).await.unwrap();
    let subject = subject.reopen();
    assert_eq!(subject.store().ended().await.unwrap(), counted);
    for error in [None, Some("RESOURCE:CPU".to_owned())] {
        let filter = RunFilter { error, ..RunFilter::default() };
        let query = Query { filter, limit: 100, ..Query::default() };
        let (mut listed, mut before) = (Vec::new(), None);
        loop {
            let page = subject.store().finished(Query { before, ..query.clone() }).await.unwrap();
            listed.extend(page.items);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let expected: Vec<_> = again.iter().rev().filter(|run| query.fits(run)).collect();
        assert_eq!(listed.len(), expected.len());
        listed.iter().zip(expected).for_each(|(one, other)| same(one, other));
    }
}

/// Begun again and ended, with nothing committed between.
pub(super) async fn another_end_of_a_run_takes_the_place_of_the_first(subject: impl Subject) {
    let store = subject.store();
    let run = runs(1).remove(0);
    let stopped = ended(&run, NOW);
    let error = stopped.failure().map(|failure| failure.error.clone());
    assert!(error.is_some());
    let [mut well, mut badly] = [run, stopped.clone()];
    (well.status, well.finished_at, well.revision) = (Status::Succeeded, Some(NOW), stopped.revision + 1);
    (badly.status, badly.revision) = (Status::Failed, stopped.revision + 2);
    for end in [stopped, well, badly] {
        commit(store, puts(std::slice::from_ref(&end))).await.unwrap();
        let mut counted = EndedCounts::default();
        counted.add(&end);
        assert_eq!(store.ended().await.unwrap(), counted);
        for error in [None, error.clone()] {
            let query = Query { filter: RunFilter { error, ..RunFilter::default() }, limit: 9, ..Query::default() };
            let (listed, expected) = (store.finished(query.clone()).await.unwrap().items, query.fits(&end));
            assert_eq!(listed.len(), usize::from(expected), "{:?}: {:?}", end.status, query.filter.error);
            listed.iter().for_each(|one| same(one, &end));
        }
    }
}

pub(super) async fn the_same_commit_again_changes_nothing(subject: impl Subject) {
    let store = subject.store();
    let all = runs(3);
    commit(store, puts(&all)).await.unwrap();
    let gone = ended(&all[1], NOW);
    let told = notification::build(&gone, &Origin::default(), &destinations());
    commit(store, vec![Change::Put(gone.clone().into()), Change::Post(told[0].clone().into())]).await.unwrap();
    let first = store.outbox(&topic(), 0, 1).await.unwrap().items[0].seq;
    let done = ended(&all[0], NOW);
    let end = notification::build(&done, &Origin::default(), &destinations());
    let changes: Arc<[Change]> = vec![
        Change::Put(Arc::new(done.clone())),
        Change::Post(Arc::new(end[0].clone())),
        Change::Post(Arc::new(end[1].clone())),
        Change::Note { name: "limits".into(), text: "1".into() },
        Change::Delivered(first),
        Change::Forget(all[2].id),
    ]
    .into();
    for _ in 0..3 {
        store.commit(Arc::clone(&changes)).await.unwrap();
        let (contents, _) = load(store).await;
        let undelivered: Vec<_> = contents.undelivered.into_iter().collect();
        assert_eq!((contents.open, undelivered), (0, vec![(topic(), 1), (bus(), 1)]));
        let kept = find_all(store, Key::request("n")).await.unwrap();
        assert_eq!(kept.len(), 2);
        same(&kept[0], &done);
        same(&kept[1], &gone);
    }
}

pub(super) async fn a_redriven_run_is_open_again(subject: impl Subject) {
    let store = subject.store();
    let run = runs(1).remove(0);
    let mut again = ended(&run, NOW);
    let done = again.clone();
    machine::apply(&mut again, &Input::Redriven, NOW);
    assert!(!again.status.is_final());
    commit(store, puts(&[run, done.clone()])).await.unwrap();
    commit(store, puts(&[again.clone(), done])).await.unwrap();
    let all = Query { limit: 9, ..Query::default() };
    assert!(store.finished(all.clone()).await.unwrap().items.is_empty());
    assert_eq!(subject.expire(NOW.plus(Duration::from_secs(9)), 9).await, 0);
    let subject = subject.reopen();
    let store = subject.store();
    let (contents, loaded) = load(store).await;
    assert_eq!((contents.open, loaded.len()), (1, 1));
    same(&loaded[0], &again);
    same(&find_all(store, Key::request("n")).await.unwrap()[0], &again);
    commit(store, puts(&[ended(&again, NOW.plus(Duration::from_secs(86_400)))])).await.unwrap();
    assert_eq!(store.finished(all).await.unwrap().items.len(), 1);
    assert_eq!(load(store).await.0.open, 0);
}

pub(super) async fn a_run_is_found_by_a_task_of_any_attempt_within_its_request(subject: impl Subject) {
    let mut all = runs(3);
    for (n, run) in all.iter_mut().enumerate() {
        let again = run.attempts[0].clone();
        run.attempts.push(again);
        run.attempts[0].task_arn = Some(format!("arn:task/{n}a").into());
        run.attempts[1].task_arn = Some(format!("arn:task/{n}b").into());
    }
    all[2] = ended(&all[2], NOW);
    let store = subject.store();
    commit(store, puts(&all)).await.unwrap();
    let found = async |request: &str, task_arn: &str| {
        let key = Key::Task { request: request.into(), task_arn: task_arn.into() };
        store.find(key, 9).await.unwrap().items.iter().map(|run| run.index).collect::<Vec<_>>()
    };
    assert_eq!(found("n", "arn:task/1a").await, [1]);
    assert_eq!(found("n", "arn:task/2b").await, [2]);
    for (request, task_arn) in
        [("other", "arn:task/1a"), ("n", "arn:task/1"), ("n", "rn:task/1a"), ("n", "arn:task/3a")]
    {
        assert!(found(request, task_arn).await.is_empty(), "{request} {task_arn}");
    }
}

pub(super) async fn only_old_runs_that_were_notified_are_forgotten(subject: impl Subject) {
    let store = subject.store();
    let all = runs(4);
    let day = Duration::from_secs(86_400);
    let (old, undelivered, new) = (ended(&all[0], NOW), ended(&all[1], NOW), ended(&all[2], NOW.plus(day)));
    let told = notification::build(&undelivered, &Origin::default(), &destinations());
    let mut ends = puts(&[old.clone(), undelivered.clone(), new.clone(), all[3].clone()]);
    ends.push(Change::Post(Arc::new(told[0].clone())));
    commit(store, ends).await.unwrap();
    assert_eq!(subject.expire(NOW.plus(day / 2), 10).await, 1);
    assert!(find_all(store, Key::Run(old.id)).await.unwrap().is_empty());
    assert_eq!(find_all(store, Key::request("n")).await.unwrap().len(), 3);
    let posted = store.outbox(&topic(), 0, 1).await.unwrap().items;
    commit(store, vec![Change::Delivered(posted[0].seq)]).await.unwrap();
    let first = subject.expire(NOW.plus(day * 2), 1).await;
    assert!(first == 1 || subject.forgets_by_itself(), "{first}");
    while subject.expire(NOW.plus(day * 2), 1).await > 0 {}
    let (contents, loaded) = load(store).await;
    assert_eq!((contents.open, loaded.len()), (1, 1));
    assert!(store.finished(Query { limit: 9, ..Query::default() }).await.unwrap().items.is_empty());
}

pub(super) async fn counts_are_of_the_ended_runs_that_are_there(subject: impl Subject) {
    let day = Duration::from_secs(86_400);
    let mut all = forty();
    let check = async |store: &dyn Store| {
        let mut expected = EndedCounts::default();
        let there = Query { limit: 100, ..Query::default() };
        store.finished(there).await.unwrap().items.iter().for_each(|run| expected.add(run));
        assert_eq!(store.ended().await.unwrap(), expected);
        expected
    };
    let store = subject.store();
    assert_eq!(store.ended().await.unwrap(), EndedCounts::default());
    for _ in 0..2 {
        // The second time they are all known.
        commit(store, puts(&all)).await.unwrap();
        let counts = check(store).await;
        assert_eq!(counts.statuses, [(Status::Failed, 20), (Status::Aborted, 10)].into());
        assert_eq!(counts.classes, [(Class::Capacity, 10), (Class::Host, 10), (Class::Stopped, 10)].into());
    }
    // Begun again, and ended another way.
    let redriven = &mut all[2];
    machine::apply(redriven, &Input::Redriven, NOW);
    commit(store, puts(std::slice::from_ref(redriven))).await.unwrap();
    assert_eq!(check(store).await.statuses, [(Status::Failed, 19), (Status::Aborted, 10)].into());
    commit(store, puts(&[ended(redriven, NOW)])).await.unwrap();
    assert_eq!(check(store).await.classes, [(Class::Capacity, 9), (Class::Host, 10), (Class::Stopped, 11)].into());
    // One that is open, one that has ended, and one that is not there.
    let forgotten = [all[0].id, all[1].id, all[1].id].map(Change::Forget);
    commit(store, forgotten.to_vec()).await.unwrap();
    assert_eq!(check(store).await.statuses, [(Status::Failed, 19), (Status::Aborted, 10)].into());

    let subject = subject.reopen();
    let store = subject.store();
    assert_eq!(check(store).await.statuses.len(), 2);
    let first = if subject.forgets_by_itself() { 29 } else { 20 };
    assert_eq!(subject.expire(NOW.plus(day), 20).await, first);
    assert_eq!(check(store).await.statuses.values().sum::<u64>(), 29 - first as u64);
    while subject.expire(NOW.plus(day), 20).await > 0 {}
    assert_eq!(check(store).await, EndedCounts::default());
}
