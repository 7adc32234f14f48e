//! SIGTERM when nothing goes as it should.

use aws_sdk_sqs::types::QueueAttributeName;

use crate::support::proxy::{Door, Proxy};
use crate::support::site::{Site, eventually};

use super::names;

async fn visible(site: &Site) -> usize {
    let wanted = QueueAttributeName::ApproximateNumberOfMessages;
    let asked = site.aws.sqs.get_queue_attributes().queue_url(&site.requests).attribute_names(wanted.clone());
    let attributes = asked.send().await.expect("GetQueueAttributes").attributes.unwrap_or_default();
    attributes.get(&wanted).and_then(|count| count.parse().ok()).expect("a number")
}

/// Ten tasks run, ten launches hang, and ten requests are in hand whose commit the disk refuses.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn asked_to_end_in_the_middle_of_it_all_it_gives_back_what_it_has_and_the_next_goes_on() {
    let site = Site::new("ending").await;
    let proxy = Proxy::to(site.local.address).await;
    let settings = [("AWS_ENDPOINT_URL_ECS", proxy.url()), ("TASKWATCH_SICK_DISK", "sick".to_owned())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let mut serving = site.serve(&settings);
    serving.is_ready().await;
    site.order(names(0..10)).await;
    eventually("tasks", async || site.local.ecs.tasks_snapshot().len() == 10).await;
    proxy.set(Door::Hung);
    site.order(names(10..20)).await;
    eventually("launches hang", async || proxy.hung() >= 10).await;
    eventually("none is in hand", async || site.aws.depth(&site.requests).await == 0).await;
    std::fs::write(site.dir.path().join("sick"), "query_only=1").expect("a file");
    // Until it is known that the database takes nothing, the log goes on.
    let mut all = 30;
    while serving.submit(&format!("run-{all}")).await.0 == 202 {
        all += 1;
    }
    serving.says("the store does not take changes").await;
    site.order(names(20..30)).await;
    eventually("some are in hand", async || visible(&site).await < 10).await;

    serving.terminate();
    assert_eq!(serving.end().await.code(), Some(0), "{:#?}", serving.log());
    assert_eq!(visible(&site).await, 10, "not all are given back: {:#?}", serving.log());

    std::fs::remove_file(site.dir.path().join("sick")).expect("it is there");
    proxy.set(Door::Open);
    let next = site.serve(&settings);
    site.all_end_well(all).await;
    next.is_ready().await;
}
