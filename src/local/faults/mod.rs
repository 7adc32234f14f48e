//! Scripted faults: a TOML file says which calls, launches, lives and events go wrong, and how.
//!
//! [`Script`] is the file, read and checked; the engine decides for one running endpoint. Decisions are drawn from a hash of the
//! seed, the rule and what the rule looks at (never from the order of arrival), so the same work meets the same faults again.

mod engine;
mod glob;
mod presets;
mod read;
mod reasons;
mod rule;
mod script;

pub(in crate::local) use engine::{Decision, Engine, Subject, hash_of};
pub(in crate::local) use presets::no_free_address;
pub(in crate::local) use script::{CallFault, Delivery, Life, Moment, Span};
pub use script::{Script, ScriptError};
