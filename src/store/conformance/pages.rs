//! Pages: however short they are, following them gives everything once and in order.

use std::sync::Arc;

use uuid::Uuid;

use super::make::of_request;
use super::{NOW, Subject, bus, commit, destinations, ended, puts, runs, topic};
use crate::core::failure;
use crate::core::filter::RunFilter;
use crate::core::ids::Token;
use crate::core::machine::{self, Input};
use crate::core::notification::{self, Origin};
use crate::core::request::RunSpec;
use crate::core::retry::RetryPolicy;
use crate::core::run::{Run, Status};
use crate::store::{Change, Key, Query};

/// Of forty: ten open, ten aborted, ten refused for want of CPU and ten for an agent that is not there.
pub(super) fn forty() -> Vec<Run> {
    let mut all = runs(40);
    for (n, run) in all.iter_mut().enumerate() {
        run.spec = Arc::new(RunSpec { queue: format!("q{}", n % 2), ..(*run.spec).clone() });
        match n % 4 {
            0 => {}
            1 => {
                machine::apply(run, &Input::StopAsked { reason: "x".into() }, NOW);
            }
            _ => {
                machine::apply(run, &Input::Launching { token: Token::of([n.to_string()]), group_size: 1 }, NOW);
                let refusal = failure::from_refusal(if n % 4 == 2 { "RESOURCE:CPU" } else { "AGENT" }, None);
                run.spec = Arc::new(RunSpec { retry: RetryPolicy(Vec::new()), ..(*run.spec).clone() });
                machine::apply(run, &Input::Refused(refusal), NOW);
            }
        }
    }
    all
}

pub(super) async fn ended_runs_are_paged_newest_first_through_every_filter(subject: impl Subject) {
    let store = subject.store();
    let mut all = forty();
    all.extend(of_request("m", 3).iter().map(|run| ended(run, NOW)));
    for attempt in all.iter_mut().step_by(3).filter_map(|run| run.attempts.last_mut()) {
        attempt.exit_code = Some(137);
    }
    commit(store, puts(&all)).await.unwrap();
    let text = |text: &str| Some(text.to_owned());
    let statuses = [None, Some(vec![Status::Failed]), Some(vec![Status::Queued, Status::Aborted]), Some(vec![])];
    let queues = [None, text("q0"), text("q1"), text("q")];
    let errors = [None, text("RESOURCE:CPU"), text("AGENT"), text("Taskwatch.Stopped"), text("Taskwatch")];
    let names = [None, text("n"), text("n/3"), text("n/30"), text("m"), text("o"), text("n/x"), text("n/3/1")];
    let mut queries = Vec::new();
    for status in &statuses {
        for queue in &queues {
            for error in &errors {
                for name in &names {
                    let (statuses, queue) = (status.clone(), queue.clone());
                    let filter =
                        RunFilter { statuses, queue, error: error.clone(), name: name.clone(), ..RunFilter::default() };
                    queries.push(Query { filter, ..Query::default() });
                }
            }
        }
    }
    for (name, task_definition, cluster, since) in [
        (text("n*"), None, None, None),
        (text("?/1*"), None, None, None),
        (text("*"), text("etl"), None, None),
        (None, text("arn:aws:ecs:x:1:task-definition/etl:7"), text("default"), None),
        (None, text("etl:8"), None, None),
        (text("n"), text("etl:7"), text("other"), None),
        (text("n/3"), text("etl:7"), None, Some(NOW)),
        (None, None, None, Some(NOW)),
        (text("m*"), None, None, Some(NOW.plus(std::time::Duration::from_millis(1)))),
    ] {
        for error in [None, text("resource:cpu"), text("stopped"), text("taskwatch.CAPACITY"), text("permanent")] {
            let (name, task_definition, cluster) = (name.clone(), task_definition.clone(), cluster.clone());
            let filter = RunFilter { error, name, task_definition, cluster, since, ..RunFilter::default() };
            queries.push(Query { filter, ..Query::default() });
        }
    }
    for (exit_code, cause) in [
        (Some(1), None),
        (Some(137), None),
        (None, text("cpu")),
        (Some(137), text("*X*")),
        (None, text("*")),
        (None, text("?")),
    ] {
        let filter = RunFilter { exit_code, cause, ..RunFilter::default() };
        queries.push(Query { filter, ..Query::default() });
    }
    for query in queries {
        let mut seen: Vec<Uuid> = Vec::new();
        let mut before = None;
        loop {
            let page = store.finished(Query { before, limit: 7, ..query.clone() }).await.unwrap();
            assert!(page.items.len() <= 7);
            seen.extend(page.items.iter().map(|run| run.id));
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let fits = all.iter().rev().filter(|run| run.status.is_final() && query.fits(run));
        assert_eq!(seen, fits.map(|run| run.id).collect::<Vec<_>>(), "{query:?}");
    }
}

pub(super) async fn the_runs_of_a_request_are_paged_by_index(subject: impl Subject) {
    let store = subject.store();
    let mut all = runs(25);
    // Some have ended: they stand among the others.
    for run in all.iter_mut().step_by(3) {
        *run = ended(run, NOW);
    }
    commit(store, puts(&all)).await.unwrap();
    commit(store, puts(&of_request("m", 1))).await.unwrap();
    for limit in [1, 4, 25, 26, 100] {
        let (mut seen, mut from) = (Vec::new(), 0);
        loop {
            let page = store.find(Key::Request { name: "n".into(), from }, limit).await.unwrap();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.iter().map(|run| run.index));
            let Some(next) = page.next else { break };
            from = next;
        }
        assert_eq!(seen, (0..25).collect::<Vec<_>>(), "{limit}");
    }
    let one = store.find(Key::Request { name: "n".into(), from: 7 }, 1).await.unwrap();
    assert_eq!((one.items[0].index, one.next), (7, Some(8)));
}

pub(super) async fn each_destination_has_its_own_pages(subject: impl Subject) {
    let store = subject.store();
    let done: Vec<Run> = runs(10).iter().map(|run| ended(run, NOW)).collect();
    let told = |run: &Run| notification::build(run, &Origin::default(), &destinations());
    let posts = done.iter().flat_map(told).map(|notification| Change::Post(Arc::new(notification))).collect();
    commit(store, posts).await.unwrap();
    for destination in [topic(), bus()] {
        let (mut seen, mut after) = (Vec::new(), 0);
        loop {
            let page = store.outbox(&destination, after, 3).await.unwrap();
            assert!(
                page.items.iter().all(|posted| posted.notification.destination == destination && posted.seq > after)
            );
            seen.extend(page.items.iter().map(|posted| posted.notification.run));
            let Some(next) = page.next else { break };
            after = next;
        }
        assert_eq!(seen, done.iter().map(|run| run.id).collect::<Vec<_>>(), "{destination}");
    }
    let first = store.outbox(&topic(), 0, 1).await.unwrap().items.remove(0);
    assert_eq!(first.notification, told(&done[0])[0]);
    commit(store, vec![Change::Delivered(first.seq)]).await.unwrap();
    assert_eq!(store.outbox(&topic(), 0, 1).await.unwrap().items[0].notification.run, done[1].id);
    assert_eq!(store.outbox(&bus(), 0, 1).await.unwrap().items[0].notification.run, done[0].id);
}
