//! The `taskwatch` command: arguments in, exit code out.

use std::process::ExitCode;

#[cfg(feature = "service")]
use taskwatch::cli as commands;
#[cfg(not(feature = "service"))]
use taskwatch::explaining as commands;

/// Fewer cycles an event than the system's allocator, measured on parsing and correlating (docs/performance.md).
#[cfg(feature = "service")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    commands::main()
}
