//! The library: a cell inside your own program, without the service.

mod builder;
mod ends;
mod error;
mod outcome;

use std::sync::Arc;
use std::time::Duration;

use futures::future;
use uuid::Uuid;

pub use builder::{Builder, Events};
pub use error::{ConnectError, LaunchError};
pub use outcome::{Outcome, RunFailed};

use crate::aws::{Clients, EventsPath};
use crate::cell::Cell;
use crate::core::request::RunRequest;
use crate::core::run::Run;
use ends::Ends;

/// Launches ECS tasks and tells how they ended. Clones are the same.
///
/// Inside is what `taskwatch serve` runs: RunTask at the rate that AWS takes, up to 10 tasks a call; ECS's events, or
/// DescribeTasks for 100 tasks a call where there is no events queue; `Retry`; notifications. It is made for thousands of
/// launches at once from one `Taskwatch`: make one for the program, not one a launch.
///
/// # How it ends
///
/// - Dropping a future of [`launch`](Self::launch), or a [`Launched`], lets the run go on.
/// - [`stop`](Self::stop) ends a run and its task.
/// - [`shutdown`](Self::shutdown) launches nothing more, waits for the calls that are out and delivers the
///   notifications that are due. Tasks go on; outcomes that are still waited for answer [`LaunchError::Closed`].
/// - Dropping the last clone ends it at once, without that. Tasks go on here too. With a store in memory nobody watches
///   them any longer; with [`Builder::store_in`] the next [`Builder::connect`] takes them up where they were.
#[derive(Clone)]
pub struct Taskwatch {
    inner: Arc<Inner>,
}

struct Inner {
    cell: Cell,
    ends: Arc<Ends>,
    /// What to take away at the end.
    path: Option<(Clients, EventsPath)>,
}

/// A run that was accepted, to wait for. Dropping it lets the run go on.
#[derive(Debug)]
pub struct Launched {
    id: Uuid,
    name: String,
    end: ends::End,
}

impl Launched {
    /// The run's id, a UUIDv7.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// The run's name: its request's, with `/0`, `/1`, … if that has a `count`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Waits until the run has ended.
    ///
    /// # Errors
    /// [`LaunchError::Closed`]: the [`Taskwatch`] ended first. How the run itself ended is no error here.
    pub async fn outcome(self) -> Result<Outcome, LaunchError> {
        self.end.run().await.map(Outcome::new)
    }
}

impl Taskwatch {
    /// How it is to be; [`Builder::connect`] begins it.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// On a cell that you have begun yourself, with ports of your own: for tests without any AWS.
    ///
    /// It must be called inside a tokio runtime.
    pub fn on(cell: Cell) -> Self {
        Self::new(cell, None)
    }

    fn new(cell: Cell, path: Option<(Clients, EventsPath)>) -> Self {
        let ends = Ends::follow(&cell);
        Self { inner: Arc::new(Inner { cell, ends, path }) }
    }

    /// Launches one task, retries what its request's `retry` says, and waits until the run has ended.
    ///
    /// A request is JSON (a `serde_json::Value` or a text) in any of the forms of `docs/requests.md`, or a [`RunRequest`].
    /// `until` says what is waited for: `"running"` (unless told otherwise), `"stopped"` or `"healthy"`. The same
    /// `name` with the same request is the same run, and answers again.
    ///
    /// # Errors
    /// The request was not taken, or the [`Taskwatch`] ended first. A task that failed is no error but an [`Outcome`];
    /// [`Outcome::into_result`] makes an error of it.
    ///
    /// # Examples
    /// Two thousand at once, each with its own outcome:
    ///
    /// ```no_run
    /// # async fn example(watcher: taskwatch::Taskwatch) -> Result<(), taskwatch::LaunchError> {
    /// let all = (0..2000).map(|day| {
    ///     let request = serde_json::json!({
    ///         "name": format!("backfill-{day}"), "until": "stopped",
    ///         "runTask": {"cluster": "batch", "taskDefinition": "etl:7",
    ///             "overrides": {"containerOverrides": [{"name": "etl", "command": ["load", day.to_string()]}]}}
    ///     });
    ///     watcher.launch(request)
    /// });
    /// for outcome in futures::future::join_all(all).await {
    ///     let outcome = outcome?;
    ///     println!("{} {} after {} attempts", outcome.name(), outcome.status().as_str(), outcome.attempts().len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn launch<R>(&self, request: R) -> Result<Outcome, LaunchError>
    where
        R: TryInto<RunRequest>,
        LaunchError: From<R::Error>,
    {
        let request: RunRequest = request.try_into()?;
        if let Some(count) = request.count.filter(|count| *count != 1) {
            return Err(LaunchError::Many(count));
        }
        let launched = self.take(request).await?.into_iter().next().ok_or(LaunchError::Forgotten)?;
        launched.outcome().await
    }

    /// Launches as many tasks as the request's `runTask.count` says (up to 10,000) and waits for them all, in the order of
    /// their index.
    ///
    /// # Errors
    /// As [`launch`](Self::launch).
    pub async fn launch_all<R>(&self, request: R) -> Result<Vec<Outcome>, LaunchError>
    where
        R: TryInto<RunRequest>,
        LaunchError: From<R::Error>,
    {
        let launched = self.submit(request).await?;
        future::try_join_all(launched.into_iter().map(Launched::outcome)).await
    }

    /// Hands a request in and answers once it is durable in the store, without waiting for its runs.
    ///
    /// # Errors
    /// The request was not taken.
    ///
    /// # Examples
    /// ```no_run
    /// # async fn example(watcher: taskwatch::Taskwatch) -> Result<(), taskwatch::LaunchError> {
    /// let request = r#"{"runTask": {"taskDefinition": "etl:7", "count": 50}, "until": "stopped"}"#;
    /// let launched = watcher.submit(request).await?;
    /// println!("accepted {}", launched.len());
    /// for run in launched {
    ///     println!("{:?}", run.outcome().await?.exit_code());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn submit<R>(&self, request: R) -> Result<Vec<Launched>, LaunchError>
    where
        R: TryInto<RunRequest>,
        LaunchError: From<R::Error>,
    {
        self.take(request.try_into()?).await
    }

    /// The runs that an id, a name, or the name of an array request stands for: what an earlier process left in the store, say.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn find(&self, run: &str) -> Result<Vec<Launched>, LaunchError> {
        let found = self.inner.cell.find(run).await?;
        Ok(found.into_iter().map(|run| self.launched(run)).collect())
    }

    /// Ends a run as `ABORTED` and stops its task; ECS and the notification are told `reason`. False if there is no such run,
    /// or it has ended.
    pub async fn stop(&self, id: Uuid, reason: &str) -> bool {
        self.inner.cell.stop(id, reason).await
    }

    /// The cell inside: listings, limits and pauses, counters, changes as they come.
    pub fn cell(&self) -> &Cell {
        &self.inner.cell
    }

    /// Ends well, in `longest` at most: takes and launches nothing more, waits for the calls that are out, and delivers the
    /// notifications that are due. Tasks go on. All clones have ended with it; once they are dropped too, a store's directory is
    /// free for another.
    pub async fn shutdown(self, longest: Duration) {
        self.inner.cell.drain(longest).await;
        self.inner.ends.close();
        self.inner.ends.closed().await;
        if let Some((clients, path)) = &self.inner.path {
            path.remove(clients).await;
        }
    }

    async fn take(&self, request: RunRequest) -> Result<Vec<Launched>, LaunchError> {
        let submitted = self.inner.cell.submit(request).await?;
        Ok(submitted.runs.into_iter().map(|run| self.launched(run)).collect())
    }

    fn launched(&self, run: Run) -> Launched {
        let (id, name) = (run.id, run.name.clone());
        Launched { id, name, end: self.inner.ends.of(run) }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.cell.abandon();
        self.ends.close();
    }
}
