//! A hundred thousand runs, of which a browser holds a page.

use std::sync::Arc;

use taskwatch::core::request::RunRequest;
use taskwatch::core::run::{Run, Status};
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, FileStore, Store as _};

use super::*;

const RUNS: u32 = 100_000;
const ENDED: Timestamp = Timestamp::from_millis(1_799_999_990_000);
/// Elements of the page, its rows included.
const ELEMENTS: u64 = 1_500;
const COUNT: &str = "document.getElementsByTagName('*').length";

/// A store in which every hundredth run failed.
async fn seeded(dir: &std::path::Path) -> FileStore {
    let store = FileStore::open(dir).expect("a store");
    let spec = Arc::new(RunRequest::parse(&request(json!({})).to_string()).expect("a request").spec);
    let run = |n: u32| {
        let mut run = Run::new(uuid::Uuid::now_v7(), format!("old-{n}"), 0, Arc::clone(&spec), ENDED);
        run.status = if n.is_multiple_of(100) { Status::Aborted } else { Status::Succeeded };
        run.finished_at = Some(ENDED);
        Change::Put(Arc::new(run))
    };
    let numbers: Vec<u32> = (0..RUNS).collect();
    for chunk in numbers.chunks(10_000) {
        store.commit(chunk.iter().map(|n| run(*n)).collect()).await.expect("durable");
    }
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_runs_are_a_page_of_them() {
    let Some(mut browser) = Browser::start().await else { return };
    let dir = tempfile::tempdir().expect("a folder");
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    world.config.max_queued = 1_000_000;
    let cell = world.start_on(Arc::new(seeded(dir.path()).await)).await;
    let served = serve_cell(world, cell, None).await;
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES}.startsWith('old-99999 old-99998 ')"));
    browser.sees("Live");
    let button =
        |text: &str| format!("[...document.querySelectorAll('.pages button')].find(b => b.textContent === '{text}')");
    browser.value(&format!("{}.click()", button("Older")));
    browser.until(&format!("{NAMES}.startsWith('old-99949 ')"));
    browser.value(&format!("{}.click()", button("Newer")));
    browser.until(&format!("{NAMES}.startsWith('old-99999 ')"));

    // More while it looks on than the stream keeps for a slow reader.
    let lines: String = (0..6_000).map(|n| format!("{}\n", request(json!({"name": format!("new-{n}")})))).collect();
    assert_eq!(served.post("/v1/runs", "application/x-ndjson", lines).await.0, 202);
    browser.until(&format!("{NAMES}.includes('new-5999 ')"));
    browser.until("document.querySelectorAll('.runs tbody tr').length === 50");
    let elements = browser.value(COUNT).as_u64().expect("a number");
    assert!(elements < ELEMENTS, "{elements} elements");
    browser.shot("hundred-thousand");
    // The next page goes on where this one ends, though its rows came by themselves.
    browser.value(&format!("{}.click()", button("Older")));
    browser.until(&format!("{NAMES}.startsWith('new-5949 ')"));

    browser.value("location.hash = '#/?status=ABORTED'");
    browser.until(&format!("{NAMES}.startsWith('old-99900 old-99800 ')"));
    assert!(browser.value(COUNT).as_u64().expect("a number") < ELEMENTS);
    browser.was_quiet(&served.url(""), &[]);
}
