//! Where messages go that are about tasks of others.

use futures::future::BoxFuture;

use crate::core::task::Task;

/// What became of such a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cell) enum Heard {
    /// It is done with; what it caused is durable.
    Done,
    /// It can never be read.
    Malformed,
    /// The cell ended before.
    CutOff,
}

/// Takes in what tells of tasks that this cell did not launch.
pub(in crate::cell) trait Observes: Send + Sync + 'static {
    /// The state of a task, and the event that tells it, as it came.
    fn task<'a>(&'a self, task: &'a Task<'a>, message: &'a str) -> BoxFuture<'a, Heard>;
    /// CloudTrail's event of a call, as it came.
    fn call<'a>(&'a self, message: &'a str) -> BoxFuture<'a, Heard>;
}
