//! `--status`: one status or several with commas, offered by completion and checked before anybody is asked.

use std::ffi::OsStr;
use std::str::FromStr as _;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Arg, Command, Error};

use crate::core::input::nearest;
use crate::core::run::Status;

/// Takes those of these statuses that are named, in any case.
#[derive(Clone, Copy)]
pub(super) struct Statuses(&'static [Status]);

/// Every status.
pub(super) const ALL: Statuses = Statuses(&Status::ALL);
/// Those of runs that can be begun again.
pub(super) const REDRIVABLE: Statuses = Statuses(&[Status::Failed, Status::TimedOut, Status::Aborted]);

impl Statuses {
    fn names(self) -> Vec<&'static str> {
        self.0.iter().map(|status| status.as_str()).collect()
    }

    fn read(self, text: &str) -> Result<String, String> {
        let one = |name: &str| {
            let name = name.trim().to_ascii_uppercase();
            let is_one = Status::from_str(&name).is_ok_and(|status| self.0.contains(&status));
            if is_one { Ok(name) } else { Err(name) }
        };
        let all: Result<Vec<String>, String> = text.split(',').map(one).collect();
        all.map(|all| all.join(",")).map_err(|name| {
            let names = self.names();
            let (list, near) = (names.join(", "), nearest(&name, &names));
            format!("{name:?} is not one of {list}, or several with commas; did you mean {near}?")
        })
    }
}

impl TypedValueParser for Statuses {
    type Value = String;

    fn parse_ref(&self, command: &Command, _: Option<&Arg>, value: &OsStr) -> Result<String, Error> {
        self.read(&value.to_string_lossy())
            .map_err(|why| Error::raw(ErrorKind::ValueValidation, format!("--status: {why}\n")).with_cmd(command))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|status| PossibleValue::new(status.as_str()))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_taken_in_any_case_and_misspelt_ones_named() {
        assert_eq!(ALL.read("failed, TIMED_OUT").as_deref(), Ok("FAILED,TIMED_OUT"));
        for (statuses, text, part) in [
            (ALL, "FAILD", "\"FAILD\" is not one of QUEUED, "),
            (ALL, "FAILD", "did you mean FAILED?"),
            (ALL, "", "\"\" is not one of"),
            (ALL, "FAILED,", "\"\" is not one of"),
            (REDRIVABLE, "RUNNING", "\"RUNNING\" is not one of FAILED, TIMED_OUT, ABORTED"),
        ] {
            let said = statuses.read(text).unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
    }
}
