//! A disk that takes nothing more.

use std::path::PathBuf;

use crate::support::site::{Serving, Site, can_mount, eventually};

use super::names;

/// The store falls ill under way, as SQLite has it, and recovers.
#[cfg(debug_assertions)]
async fn ill(limit: &str, advice: &str) {
    let site = Site::new("disk").await;
    let sick = site.dir.path().join("sick");
    let serving = site.serve(&[("TASKWATCH_SICK_DISK", "sick")]);
    falls_ill(&site, &serving, sick, limit.as_bytes(), advice).await;
}

/// It falls ill by a file that is written, and recovers once that is removed.
async fn falls_ill(site: &Site, serving: &Serving, sick: PathBuf, content: &[u8], advice: &str) {
    site.order(names(0..5)).await;
    serving.is_ready().await;
    site.all_end_well(5).await;

    // Of a disk that has no room for all of it, what fits is written.
    let _ = std::fs::write(&sick, content);
    // As many as the free pages of the database do not hold.
    site.order(names(5..205)).await;
    let line = serving.says("the store does not take changes; nothing goes on until it does").await;
    assert!(line.contains("ERROR") && line.contains("file:data: ") && line.contains(advice), "{line}");
    serving.is_not_ready(&format!("its store does not take changes: file:data: {advice}")).await;
    assert_eq!(serving.metric("taskwatch_ready").await, 0.0);
    let (status, answer) = serving.submit("refused").await;
    assert!(status == 503 && answer.contains("StoreUnavailable") && answer.contains(advice), "{status} {answer}");
    // What comes now stays where it is, but for what receivers had asked for already: 10 each of 4.
    site.order(names(205..305)).await;
    assert!(site.aws.depth(&site.requests).await >= 100);

    std::fs::remove_file(&sick).expect("it is there");
    serving.says("the store takes changes again").await;
    serving.is_ready().await;
    site.all_end_well_after(5, 305).await;
    eventually("the queue is empty", async || site.aws.depth(&site.requests).await == 0).await;
    let said = serving.log().iter().filter(|line| line.contains("the store does not take changes")).count();
    assert_eq!(said, 1, "it says so once");
}

#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_cell_which_says_so_and_goes_on_when_there_is_room() {
    ill("max_page_count=1", "the disk is full; make room, and it goes on by itself").await;
}

#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn a_directory_made_read_only_stops_the_cell_until_it_can_be_written_again() {
    ill("query_only=1", "the directory or the database cannot be written; give this user the right to").await;
}

/// A small commit is answered when the log has it; here the database never takes it.
#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_as_the_database_fell_ill_outlives_a_kill() {
    let site = Site::new("disk").await;
    let sick = site.dir.path().join("sick");
    let serving = site.serve(&[("TASKWATCH_SICK_DISK", "sick")]);
    serving.is_ready().await;
    std::fs::write(&sick, "query_only=1").expect("a file");
    // Until it is known that the database does not take it, the log goes on.
    let mut taken = 0;
    while serving.submit(&format!("taken-{taken}")).await.0 == 202 {
        taken += 1;
    }
    assert!(taken > 0);
    serving.is_not_ready("its store does not take changes: file:data: the directory or the database cannot be").await;
    drop(serving);
    std::fs::remove_file(&sick).expect("it is there");
    let _again = site.serve(&[]);
    site.all_end_well(taken).await;
}

/// A file system that has no room left; the log and its index are on it as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_file_system_that_is_full_stops_the_cell_until_there_is_room() {
    if !can_mount() {
        return;
    }
    let site = Site::new("disk").await;
    let serving = site.serve_on_a_disk_of(32 * 1024);
    serving.is_ready().await;
    let there = format!("/proc/{}/root{}/data/filler", serving.pid(), site.dir.path().display());
    let more = vec![0; 64 * 1024 * 1024];
    falls_ill(&site, &serving, there.into(), &more, "the disk is full; make room, and it goes on by itself").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_written_refuses_the_start_in_one_line() {
    let site = Site::new("disk").await;
    // Nobody, not even root, makes directories there.
    let mut serving = site.serve(&[("TASKWATCH_STORE", "file:/proc/taskwatch")]);
    assert_eq!(serving.end().await.code(), Some(1));
    let line = serving.says("error: ").await;
    assert!(line.starts_with("error: file:/proc/taskwatch: ") && line.contains("cannot be made"), "{line}");
    assert_eq!(serving.log().len(), 1);
}
