//! Questions to the person at the terminal.

use std::io::{IsTerminal as _, Write as _};

use super::plain;

/// Asks the person at the terminal; `None` where there is none.
pub(crate) fn ask(question: &str) -> Option<String> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return None;
    }
    let mut answer = String::new();
    let _ = write!(std::io::stderr().lock(), "{}", plain(question));
    std::io::stdin().read_line(&mut answer).ok()?;
    Some(answer)
}
