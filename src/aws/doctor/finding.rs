//! What doctor finds.

use serde::Serialize;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but somebody should look at it.
    Warn,
    /// The path is broken here.
    Fail,
    /// It could not be checked, or there is nothing to check.
    Skip,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// What was checked.
    pub check: String,
    /// How it is.
    pub status: Status,
    /// What was found.
    pub found: String,
    /// What to do; empty where nothing is to be done.
    #[serde(rename = "do")]
    pub todo: String,
}

impl Finding {
    /// As it should be.
    pub fn ok(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Ok, found: found.into(), todo: String::new() }
    }

    /// Works, but.
    pub fn warn(check: impl Into<String>, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Warn, found: found.into(), todo: todo.into() }
    }

    /// Broken.
    pub fn fail(check: impl Into<String>, found: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Fail, found: found.into(), todo: todo.into() }
    }

    /// Not checked.
    pub fn skip(check: impl Into<String>, found: impl Into<String>) -> Self {
        Self { check: check.into(), status: Status::Skip, found: found.into(), todo: String::new() }
    }
}
