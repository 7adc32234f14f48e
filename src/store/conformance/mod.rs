//! What every store must do, run on each. A further store writes its [`Subject`] and a line of `conformance!`.

mod dynamo;
mod faults;
mod make;
mod pages;
mod runs;
mod subjects;

use futures::future::BoxFuture;

use super::{Change, Contents, Store, StoreError};
use crate::core::time::Timestamp;

pub(super) use make::{NOW, bus, destinations, ended, of_request, puts, runs, same, topic};

/// A store under test.
pub(super) trait Subject: Sized + Send + Sync {
    /// An empty one.
    fn new() -> Self;

    fn store(&self) -> &dyn Store;

    /// Closed and opened again. A store that ends with its process stays as it is.
    fn reopen(self) -> Self;

    /// Has the store fail in one way from now on; what it says then, or `None` if it cannot fail so.
    fn fault(&self, fault: Fault) -> BoxFuture<'_, Option<&'static str>>;

    /// It is time to forget runs that ended before an instant: how many are forgotten, `limit` at most unless they are
    /// forgotten by themselves.
    fn expire(&self, ended_before: Timestamp, limit: usize) -> BoxFuture<'_, usize> {
        Box::pin(async move { self.store().expire(ended_before, limit).await.unwrap() })
    }

    /// Whether all runs whose time is over are forgotten at once, by themselves.
    fn forgets_by_itself(&self) -> bool {
        false
    }
}

/// How a store can fail.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// Not any more.
    Gone,
    /// It has no room.
    Full,
    /// It may not write.
    ReadOnly,
    /// It does not answer, and what it is given does not arrive.
    Away,
    /// It does not answer, and does what it is told.
    Silent,
    /// It takes no change larger than so many bytes.
    Small(usize),
}

async fn commit(store: &dyn Store, changes: Vec<Change>) -> Result<(), StoreError> {
    store.commit(changes.into()).await
}

async fn load(store: &dyn Store) -> (Contents, Vec<crate::core::run::Run>) {
    let mut contents = store.load().await.unwrap();
    let runs = std::mem::replace(&mut contents.runs, super::Runs::ready(Vec::new())).all().await.unwrap();
    (contents, runs)
}

macro_rules! conformance {
    ($store:ident, $subject:ty) => {
        mod $store {
            conformance!(@ $subject: runs::what_was_committed_is_there_after_opening_again);
            conformance!(@ $subject: runs::an_older_or_equal_revision_never_replaces_a_newer_one);
            conformance!(@ $subject: runs::the_same_commit_again_changes_nothing);
            conformance!(@ $subject: runs::an_ended_run_that_is_written_again_is_counted_and_listed_once);
            conformance!(@ $subject: runs::another_end_of_a_run_takes_the_place_of_the_first);
            conformance!(@ $subject: runs::a_redriven_run_is_open_again);
            conformance!(@ $subject: runs::a_run_is_found_by_a_task_of_any_attempt_within_its_request);
            conformance!(@ $subject: runs::only_old_runs_that_were_notified_are_forgotten);
            conformance!(@ $subject: runs::counts_are_of_the_ended_runs_that_are_there);
            conformance!(@ $subject: pages::ended_runs_are_paged_newest_first_through_every_filter);
            conformance!(@ $subject: pages::the_runs_of_a_request_are_paged_by_index);
            conformance!(@ $subject: pages::each_destination_has_its_own_pages);
            conformance!(@ $subject: faults::a_full_store_loses_nothing_and_goes_on_when_there_is_room);
            conformance!(@ $subject: faults::a_store_that_may_not_write_says_so_and_goes_on_when_it_may);
            conformance!(@ $subject: faults::a_store_that_is_away_loses_nothing_and_goes_on_when_it_is_back);
            conformance!(@ $subject: faults::a_commit_without_an_answer_takes_effect_once);
            conformance!(@ $subject: faults::a_redrive_without_an_answer_takes_effect_once);
            conformance!(@ $subject: faults::a_redrive_in_a_full_store_goes_on_when_there_is_room);
            conformance!(@ $subject: faults::a_change_that_is_too_large_is_named_and_the_others_go_on_without_it);
        }
    };
    (@ $subject:ty: $part:ident :: $test:ident) => {
        #[tokio::test]
        async fn $test() {
            #[allow(unused_imports, reason = "each store is in one of them")]
            use super::super::{Subject as _, $part, dynamo, subjects};
            $part::$test(<$subject>::new()).await;
        }
    };
}

mod of {
    conformance!(memory, subjects::Memory);
    conformance!(file, subjects::File);
    conformance!(dynamo, dynamo::Dynamo);
    conformance!(dynamo_rows, dynamo::DynamoRows);
}
