//! The one integration binary: whole paths, through the public doors of the crate.

mod architecture;
mod emulators;
mod support;
