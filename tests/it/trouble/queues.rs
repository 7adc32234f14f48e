//! Queues that somebody deletes under way and makes anew.

use taskwatch::aws::EventsPath;

use crate::support::site::{Site, eventually};

use super::names;

#[tokio::test(flavor = "multi_thread")]
async fn an_events_queue_deleted_under_way_and_made_anew_costs_no_run() {
    let site = Site::new("queues").await;
    let serving = site.serve(&[]);
    serving.is_ready().await;
    site.order(names(0..10)).await;
    eventually("tasks", async || !site.local.ecs.tasks_snapshot().is_empty()).await;
    site.aws.sqs.delete_queue().queue_url(&site.events).send().await.expect("DeleteQueue");
    let line = serving.says("cannot receive from the events queue (TASKWATCH_EVENTS_QUEUE_URL)").await;
    assert!(line.contains("WARN") && line.contains("The specified queue does not exist"), "{line}");
    serving.is_not_ready("it does not receive from the events queue (TASKWATCH_EVENTS_QUEUE_URL): ").await;
    // Launched while no event can come: DescribeTasks tells of their ends.
    site.order(names(10..20)).await;
    site.all_end_well(20).await;

    site.local.local.sqs().forget_deleted();
    EventsPath::make(&site.clients, site.name).await.expect("the queue, its policy and its rule again");
    serving.says("receiving from the events queue (TASKWATCH_EVENTS_QUEUE_URL) again").await;
    serving.is_ready().await;
    let before = serving.metric("taskwatch_events_total").await;
    site.order(names(20..25)).await;
    site.all_end_well_after(20, 25).await;
    assert!(serving.metric("taskwatch_events_total").await > before, "events come again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requests_queue_deleted_under_way_and_made_anew_costs_no_run_that_was_taken() {
    let site = Site::new("queues").await;
    let serving = site.serve(&[]);
    serving.is_ready().await;
    site.order(names(0..10)).await;
    eventually("all are taken", async || serving.metric("taskwatch_requests_accepted_total").await == 10.0).await;
    eventually("all are deleted", async || site.aws.depth(&site.requests).await == 0).await;
    site.aws.sqs.delete_queue().queue_url(&site.requests).send().await.expect("DeleteQueue");
    let line = serving.says("cannot receive from the requests queue (TASKWATCH_REQUESTS_QUEUE_URL)").await;
    assert!(line.contains("WARN") && line.contains("The specified queue does not exist"), "{line}");
    serving.is_not_ready("it does not receive from the requests queue (TASKWATCH_REQUESTS_QUEUE_URL): ").await;
    site.all_end_well(10).await;
    // By HTTP it takes requests as before.
    assert_eq!(serving.submit("run-10").await.0, 202);

    site.local.local.sqs().forget_deleted();
    site.aws.queue("requests").await;
    site.order(names(11..15)).await;
    serving.says("receiving from the requests queue (TASKWATCH_REQUESTS_QUEUE_URL) again").await;
    serving.is_ready().await;
    site.all_end_well_after(10, 15).await;
}
