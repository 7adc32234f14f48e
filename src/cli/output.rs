//! The only place that writes to stdout and stderr.

use std::io::Write;

/// Data, for pipes: a reader that has gone away is no error.
pub(super) fn data(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{}", text.trim_end());
}

/// A word to the person at the terminal.
pub(super) fn problem(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
