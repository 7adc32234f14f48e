//! What fails, fails as a whole, says what it is, and is over when its cause is.

use std::sync::Arc;

use super::make::of_request;
use super::{Fault, NOW, Subject, commit, destinations, ended, load, puts, runs, same};
use crate::core::machine::{self, Input};
use crate::core::notification::{self, Origin};
use crate::store::{Change, Key, StoreError, find_all};

pub(super) async fn a_full_store_loses_nothing_and_goes_on_when_there_is_room(subject: impl Subject) {
    fails_and_goes_on(subject, Fault::Full).await;
}

pub(super) async fn a_store_that_may_not_write_says_so_and_goes_on_when_it_may(subject: impl Subject) {
    fails_and_goes_on(subject, Fault::ReadOnly).await;
}

pub(super) async fn a_store_that_is_away_loses_nothing_and_goes_on_when_it_is_back(subject: impl Subject) {
    fails_and_goes_on(subject, Fault::Away).await;
}

pub(super) async fn a_commit_without_an_answer_takes_effect_once(subject: impl Subject) {
    fails_and_goes_on(subject, Fault::Silent).await;
}

pub(super) async fn a_redrive_without_an_answer_takes_effect_once(subject: impl Subject) {
    redrive_fails_and_goes_on(subject, Fault::Silent).await;
}

pub(super) async fn a_redrive_in_a_full_store_goes_on_when_there_is_room(subject: impl Subject) {
    redrive_fails_and_goes_on(subject, Fault::Full).await;
}

async fn redrive_fails_and_goes_on<S: Subject>(subject: S, fault: Fault) {
    let store = subject.store();
    let ends: Vec<_> = runs(3).iter().map(|run| ended(run, NOW)).collect();
    commit(store, puts(&ends)).await.unwrap();
    let mut again = ends[..2].to_vec();
    again.iter_mut().for_each(|run| drop(machine::apply(run, &Input::Redriven, NOW)));
    if subject.fault(fault).await.is_none() {
        return;
    }
    let changes: Arc<[Change]> = puts(&again).into();
    for _ in 0..4 {
        // Some have room for so little.
        if let Err(error) = store.commit(Arc::clone(&changes)).await {
            assert!(error.is_temporary(), "{error}");
        }
    }
    subject.fault(Fault::Gone).await;
    store.commit(changes).await.unwrap();
    let subject = subject.reopen();
    let (contents, loaded) = load(subject.store()).await;
    assert_eq!((contents.open, loaded.len()), (2, 2));
    loaded.iter().zip(&again).for_each(|(loaded, run)| same(loaded, run));
    assert_eq!(subject.store().ended().await.unwrap().statuses.values().sum::<u64>(), 1);
}

async fn fails_and_goes_on<S: Subject>(subject: S, fault: Fault) {
    let store = subject.store();
    let all = runs(2_000);
    commit(store, puts(&all[..10])).await.unwrap();
    let Some(said) = subject.fault(fault).await else { return };
    let rest: Arc<[Change]> = puts(&all[10..]).into();
    for _ in 0..3 {
        let error = store.commit(Arc::clone(&rest)).await.unwrap_err();
        assert!(error.is_temporary() && error.to_string().contains(said), "{error}");
        assert_eq!(load(store).await.1.len(), 10, "a refused batch left something behind");
    }
    subject.fault(Fault::Gone).await;
    store.commit(rest).await.unwrap();
    let subject = subject.reopen();
    assert_eq!(load(subject.store()).await.1.len(), 2_000);
}

pub(super) async fn a_change_that_is_too_large_is_named_and_the_others_go_on_without_it(subject: impl Subject) {
    let store = subject.store();
    let good = runs(2);
    let mut large = of_request("large", 1).remove(0);
    // Not to be compressed away.
    let noise: Vec<String> = (0..2_000).map(|_| uuid::Uuid::new_v4().to_string()).collect();
    large.stop_asked = Some(noise.concat());
    let mut told = notification::build(&ended(&good[0], NOW), &Origin::default(), &destinations()).remove(0);
    told.message = noise.concat();
    if subject.fault(Fault::Small(20_000)).await.is_none() {
        return;
    }
    let poison = [
        (Change::Put(Arc::new(large.clone())), Some(large.id), "run large/0"),
        (Change::Post(Arc::new(told)), Some(good[0].id), "notification"),
        (Change::Note { name: "limits".into(), text: noise.concat() }, None, "note"),
    ];
    for (change, about, said) in poison {
        let [first, second] = [puts(&good[..1]), puts(&good[1..])].map(|mut one| one.remove(0));
        let error = commit(store, vec![first, change, second]).await.unwrap_err();
        let text = error.to_string();
        let StoreError::TooLarge { change, run, bytes, most, .. } = error else { panic!("{error:?}") };
        assert_eq!((change, run), (1, about), "{text}");
        assert!(bytes > most && most == 20_000 && text.contains(said), "{text}");
        assert!(load(store).await.1.is_empty(), "a refused batch left something behind");
    }
    commit(store, puts(&good)).await.unwrap();
    assert_eq!(find_all(store, Key::request("n")).await.unwrap().len(), 2);
}
