//! What several tests need.

pub(crate) mod emulator;
pub(crate) mod python;
