//! What several tests need.

pub(crate) mod answers;
pub(crate) mod aws;
pub(crate) mod browser;
pub(crate) mod ecs;
pub(crate) mod emulator;
pub(crate) mod fakes;
pub(crate) mod node;
pub(crate) mod polled;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod said;
pub(crate) mod site;
pub(crate) mod slow_table;
pub(crate) mod terminal;
pub(crate) mod tool;
pub(crate) mod whole;
