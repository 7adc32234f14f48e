//! A store is for one process.

use crate::support::site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_cell_on_the_same_store_is_refused_and_told_who_has_it() {
    let site = Site::new("twice").await;
    let first = site.serve(&[]);
    first.is_ready().await;
    let mut second = site.serve(&[]);
    assert_eq!(second.end().await.code(), Some(1));
    let line = second.says("error: ").await;
    assert!(line.starts_with(&format!("error: file:data: process {}", first.pid())), "{line}");
    let advice = "has this store; a store is for one process, so stop that one or name another directory";
    assert!(line.contains(advice), "{line}");
    assert_eq!(second.log().len(), 1);
    assert!(first.readyz().await.0, "the first goes on");
}
