//! taskwatch launches Amazon ECS tasks at volume, follows them by their events instead of polling,
//! retries what a retry can cure and tells by SNS how each run ended.
//!
//! The house, from the inside out; dependencies point from later rooms to earlier ones only:
//!
//! - [`core`]: pure decisions. Requests, retries, failures, the state machine of a run. No clock, I/O or AWS types.
//! - [`store`]: where runs and undelivered notifications are kept.
//! - [`cell`]: the runtime that owns live runs and carries out what the core decides.
//! - [`aws`]: the only room that knows the AWS SDK.
//! - [`http`]: health and API of a serving cell.
//! - [`local`]: an AWS endpoint that runs on one port and fails on demand; knows nothing of the other rooms.
//! - [`cli`]: one file a command.

pub mod aws;
pub mod cell;
pub mod cli;
pub mod core;
pub mod http;
pub mod local;
pub mod store;
