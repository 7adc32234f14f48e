//! Pure decisions: the same input and the same instant always give the same answer.
//!
//! Nothing in here reads a clock, does I/O, awaits, or knows an AWS SDK type; time is an argument.

pub mod attempt;
pub mod breaker;
pub mod console;
pub mod convert;
pub mod explain;
pub mod failure;
pub mod filter;
pub mod ids;
pub mod input;
pub mod launcher;
pub mod log;
pub mod machine;
pub mod name;
pub mod notification;
pub mod observe;
pub mod order;
pub mod pattern;
pub mod placeholder;
pub mod report;
pub mod request;
pub mod retry;
pub mod run;
pub mod run_task;
pub mod states;
pub mod status;
pub mod task;
pub mod time;
pub mod transition;
pub mod verdict;
