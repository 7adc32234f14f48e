//! The `taskwatch` command: arguments in, exit code out.
fn main() {}
