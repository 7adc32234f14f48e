//! The real process in trouble that operators know: what it says of it (log, `/readyz`, metric), that nothing is lost or
//! done twice, and that it goes on by itself. `docs/reliability.md` has the same as a table.

mod away;
mod disk;
mod ending;
mod queues;
mod table;
mod twice;

/// `run-0`, `run-1`, …
fn names(runs: std::ops::Range<usize>) -> impl Iterator<Item = String> {
    runs.map(|n| format!("run-{n}"))
}
