//! The command `explain`, as far as it needs no AWS: what its arguments are, reading them, and writing what came of them. A task that
//! ECS must be asked about is given back to the caller.

#[cfg(any(test, not(feature = "service")))]
mod alone;
mod arguments;
mod gathered;
mod shown;
mod source;

#[cfg(not(feature = "service"))]
pub use alone::main;
pub(crate) use arguments::{ExplainArgs, Format};
pub(crate) use gathered::Gathered;
pub(crate) use source::{Found, TaskAsked};
