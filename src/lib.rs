//! taskwatch launches Amazon ECS tasks at volume, follows them by their events instead of polling, retries what a retry can
//! cure and tells how each run ended, and if it failed what, why, and what to do.
//!
//! It is a command and a service (`taskwatch run`, `taskwatch serve`; see README.md), and this library: the same cell
//! inside your own program, for one launch or for thousands at once.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use serde_json::json;
//! # #[cfg(feature = "service")]
//! use taskwatch::Taskwatch;
//!
//! # #[cfg(not(feature = "service"))]
//! # fn main() {}
//! # #[cfg(feature = "service")]
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Credentials and region as the AWS CLI has them.
//!     let watcher = Taskwatch::builder().connect().await?;
//!
//!     let outcome = watcher
//!         .launch(json!({
//!             "runTask": {"cluster": "batch", "taskDefinition": "etl:7", "launchType": "FARGATE",
//!                 "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-0a"]}}},
//!             "until": "stopped",
//!             "retry": [{"ErrorEquals": ["Taskwatch.Transient"], "IntervalSeconds": 10, "MaxAttempts": 3}]
//!         }))
//!         .await?;
//!
//!     match outcome.failure() {
//!         None => println!("exit code {:?} after {} attempts", outcome.exit_code(), outcome.attempts().len()),
//!         Some(failure) => {
//!             println!("{} ({}): {}", failure.error, failure.class.as_str(), failure.cause);
//!             println!("what to do: {}", failure.hint);
//!         }
//!     }
//!     watcher.shutdown(Duration::from_secs(10)).await;
//!     Ok(())
//! }
//! ```
//!
//! - [`Taskwatch`]: [`launch`](Taskwatch::launch) one and wait, [`launch_all`](Taskwatch::launch_all) of a `count`,
//!   [`submit`](Taskwatch::submit) and wait later, [`stop`](Taskwatch::stop), [`shutdown`](Taskwatch::shutdown); what dropping it means.
//! - [`Builder`]: region, events queue, topic, rates, and a store: in memory, or [in a directory](Builder::store_in) that
//!   outlives the process.
//! - [`RunRequest`]: JSON in any of its forms (taskwatch's own, RunTask's, Step Functions'), checked; a mistake is a [`RequestError`] that names it.
//! - [`Outcome`], [`Failure`]: how it ended. [`RunFailed`] is the same as an error, for `?`.
//! - Without AWS: [`local::start`] is an AWS endpoint in your process that fails on demand. `cargo run --example launch` launches
//!   against it. Failures of ECS JSON at hand are named by [`core::explain`].
//!
//! # Modules
//!
//! From the inside out; dependencies point from later modules to earlier ones only. What is not re-exported at the top may
//! change with any version before 1.0.
//!
//! - [`core`]: pure decisions. Requests, retries, failures, the state machine of a run. No clock, I/O or AWS types.
//! - [`store`]: where runs and undelivered notifications are kept.
//! - [`cell`]: the runtime that owns live runs and carries out what the core decides.
//! - [`fleet`]: what the processes of a fleet know of each other, and how they share quotas.
//! - [`host`]: a process of a fleet, with the cells that it has at the moment.
//! - [`aws`]: the only module that knows the AWS SDK.
//! - [`library`]: a cell inside your own program.
//! - [`front`]: what is asked of a process, answered for every run that it can know of.
//! - [`http`]: health and API of a serving cell.
//! - [`local`]: an AWS endpoint that runs on one port and fails on demand; knows nothing of the other modules.
//! - [`explaining`]: the command `explain`, as far as it needs no AWS.
//! - [`cli`]: one file a command.
//!
//! All but [`core`] and [`explaining`] is the Cargo feature `service`, which is on by default. Without it the command has only
//! `explain`, and compiles without the AWS SDK.

#![cfg_attr(
    not(feature = "service"),
    allow(rustdoc::broken_intra_doc_links, reason = "what is linked above is not there without it")
)]

#[cfg(feature = "service")]
pub mod aws;
#[cfg(feature = "service")]
pub mod cell;
#[cfg(feature = "service")]
pub mod cli;
pub mod core;
pub mod explaining;
#[cfg(feature = "service")]
pub mod fleet;
#[cfg(feature = "service")]
pub mod front;
#[cfg(feature = "service")]
pub mod host;
#[cfg(feature = "service")]
pub mod http;
#[cfg(feature = "service")]
pub mod library;
#[cfg(feature = "service")]
pub mod local;
#[cfg(feature = "service")]
pub mod store;
mod terminal;

pub use crate::core::failure::{Class, Failure, Transience};
pub use crate::core::request::{Acceptance, Goal, RequestError, RunRequest};
pub use crate::core::run::{Attempt, Status};
#[cfg(feature = "service")]
pub use library::{Builder, ConnectError, Events, LaunchError, Launched, Outcome, RunFailed, Taskwatch};
