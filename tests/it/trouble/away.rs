//! AWS that does not answer, or not as it should.

use crate::support::proxy::{Door, Proxy};
use crate::support::site::{Serving, Site, eventually};

use super::names;

/// A cell whose every call goes through a door.
async fn behind_a_door(name: &'static str) -> (Site, Proxy, Serving) {
    let site = Site::new(name).await;
    let proxy = Proxy::to(site.local.address).await;
    // The queues' URLs name the endpoint, but the client asks where it is told to.
    let serving = site.serve(&[("AWS_ENDPOINT_URL", &proxy.url())]);
    serving.is_ready().await;
    (site, proxy, serving)
}

/// Five runs before, five whose launch meets the shut door, five in the queue meanwhile.
async fn lives_through(name: &'static str, door: Door, said: &str) {
    let (site, proxy, serving) = behind_a_door(name).await;
    site.order(names(0..5)).await;
    eventually("tasks", async || site.local.ecs.tasks_snapshot().len() == 5).await;
    // By then RunTask is answered: a call that the door cuts off would tell of that, and of nothing else.
    eventually("two events each", async || serving.metric("taskwatch_events_total").await >= 10.0).await;
    proxy.set(door);
    site.order(names(5..10)).await;
    for n in 10..15 {
        assert_eq!(serving.submit(&format!("run-{n}")).await.0, 202, "by HTTP it goes on");
    }
    let line = serving.says("RunTask gave no answer; it is sent again with the same token").await;
    assert!(line.contains("WARN") && line.contains(said), "{line}");
    let line = serving.says("cannot receive from the events queue").await;
    assert!(line.contains("WARN") && line.contains(said), "{line}");
    serving.is_not_ready("it does not receive from the events queue (TASKWATCH_EVENTS_QUEUE_URL): ").await;
    serving.is_not_ready("ECS does not answer RunTask, so launches wait: ").await;
    serving.is_not_ready(said).await;
    assert_eq!(serving.metric("taskwatch_ready").await, 0.0);

    proxy.set(Door::Open);
    serving.says("receiving from the events queue (TASKWATCH_EVENTS_QUEUE_URL) again").await;
    serving.says("RunTask is answered again").await;
    serving.is_ready().await;
    site.all_end_well(15).await;
    let said = serving.log().iter().filter(|line| line.contains("RunTask gave no answer")).count();
    assert!(said <= 2, "it says so {said} times");
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_credentials_cost_no_attempt_and_it_goes_on_once_they_are_renewed() {
    lives_through("expired", Door::Expired, "The security token included in the request is expired").await;
}

/// Of the places where credentials may be, the SDK has a line each.
#[tokio::test(flavor = "multi_thread")]
async fn a_cell_without_credentials_says_so_in_one_line_and_goes_on_trying() {
    let site = Site::new("nobody").await;
    let serving = site.serve(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]);
    let line = serving.says("cannot receive from the events queue").await;
    assert!(line.contains("no credentials were found; set AWS_PROFILE"), "{line}");
    serving.is_not_ready("no credentials were found").await;
    let log = serving.log();
    assert!(log.iter().all(|line| line.starts_with("20") && line.contains('Z')), "a line without its time: {log:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_refuses_connections_costs_no_run() {
    lives_through("refused", Door::Shut, "Connection refused").await;
}

/// It takes half a minute to know that nobody will answer.
#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_takes_calls_and_never_answers_costs_no_run() {
    lives_through("hung", Door::Hung, "timeout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_does_not_resolve_costs_no_attempt() {
    let site = Site::new("dns").await;
    // No resolver knows names under .invalid (RFC 6761).
    let mut serving = site.serve(&[("AWS_ENDPOINT_URL_ECS", "http://ecs.invalid:1")]);
    site.order(names(0..5)).await;
    serving.says("RunTask gave no answer; it is sent again with the same token").await;
    serving.is_not_ready("ECS does not answer RunTask, so launches wait: ").await;
    serving.is_not_ready("dns error").await;
    serving.terminate();
    assert_eq!(serving.end().await.code(), Some(0));
    let mended = site.serve(&[]);
    site.all_end_well(5).await;
    mended.is_ready().await;
}
