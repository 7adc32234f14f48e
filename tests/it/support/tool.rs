//! Tools of others that some tests need. Without them these tests are skipped, and say so; unless a variable asks for them.

use std::io::Write as _;
use std::process::Command;

/// A tool on PATH; `None`, and a word of it, where it is not there. `version` is the argument that has it say its version.
pub(crate) fn tool(name: &str, version: &str, tests: &str, why: &str, variable: &str) -> Option<Command> {
    let found = Command::new(name).arg(version).output().is_ok_and(|output| output.status.success());
    possible(found, tests, why, variable).then(|| Command::new(name))
}

/// Gives back whether these tests can run here, and says so where they cannot.
pub(crate) fn possible(found: bool, tests: &str, why: &str, variable: &str) -> bool {
    if !found {
        let required = std::env::var(variable).as_deref() == Ok("required");
        assert!(!required, "{variable}=required, but {why}");
        // Past the test harness, which would keep it to itself.
        let _ = writeln!(std::io::stderr(), "\nSKIPPED: {tests}: {why}\n");
    }
    found
}
