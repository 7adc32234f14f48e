//! The `taskwatch` command: arguments in, exit code out.

use std::process::ExitCode;

/// Fewer cycles an event than the system's allocator, measured on parsing and correlating (docs/performance.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    taskwatch::cli::main()
}
