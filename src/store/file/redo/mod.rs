//! Small commits are durable in a log of their own, and in the database a moment later.
//!
//! A commit of SQLite's writes each page that it changes: six events are fifteen pages, some of them counts and indexes. Their log
//! entry is one page. Whoever waits for a commit waits for the entry alone, and the database takes it in behind its back.
//! What reads the database waits until it has. A large commit goes to the database at once: its pages are shared by many changes.

mod log;
mod pages;
mod progress;
#[cfg(test)]
mod tests;

#[cfg(test)]
use log::DatabaseId;
pub(super) use log::{Log, Recovered};
pub(super) use progress::Progress;

/// What is said where there is none.
pub(super) const NONE: &str = "the disk does not take this log; small commits go to the database, which takes longer";
/// The log inside the directory.
pub(super) const FILE: &str = "taskwatch.redo";
