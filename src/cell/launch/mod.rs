//! Launching: what waits, how fast it may go, RunTask, whose the tasks are, and StopTask.

mod assign;
mod bucket;
mod call;
mod calls;
mod doubt;
mod governor;
mod lane;
mod launcher;
mod queue;
mod quota;
mod reach;
mod reads;
mod reasons;
mod request;
mod room;
mod slots;
mod stop;
mod waiting;

pub(super) use assign::{Assignments, Owner};
pub(super) use call::Caller;
pub(super) use doubt::Doubt;
pub(super) use governor::Governor;
pub use governor::{Pace, Shares, Spent};
pub(super) use launcher::Launcher;
pub(super) use quota::QuotaPart;
pub use quota::{Demand, Quota};
pub(super) use reach::Reach;
pub(super) use reads::Reads;
pub(super) use reasons::WaitReasons;
pub use reasons::{ElsewhereCell, WaitReason, WaitingFor};
pub(super) use request::CallBuilder;
pub(super) use slots::Slots;
pub(super) use stop::{StopQueue, Stopper};
pub(super) use waiting::{Expected, WaitingRuns};
