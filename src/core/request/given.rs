//! Members of a request in the native form, and what is said of those that are not as they should be.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::RequestError;
use crate::core::input::{kind, nearest};

/// The longest timeout: ASL's own bound of 99,999,999 s.
const MOST_SECONDS: u64 = 99_999_999;

/// The members under their camelCase names; unknown ones and twins are errors.
pub(super) fn members<'v>(
    given: &'v Map<String, Value>,
    known: &[&'static str],
    path: &str,
) -> Result<BTreeMap<&'static str, &'v Value>, RequestError> {
    let mut members = BTreeMap::new();
    for (name, value) in given {
        let same = |k: &&&str| {
            k.get(1..) == name.get(1..)
                && k.get(..1).is_some_and(|f| name.get(..1).is_some_and(|n| n.eq_ignore_ascii_case(f)))
        };
        let Some(known) = known.iter().find(same) else {
            let near = nearest(name, known);
            return Err(RequestError::new(format!("{path}{name}: unknown member; did you mean {near}?")));
        };
        if members.insert(*known, value).is_some() {
            return Err(RequestError::new(format!("{path}{name}: given twice")));
        }
    }
    Ok(members)
}

pub(super) fn seconds(value: &Value, path: &str) -> Result<u64, RequestError> {
    value
        .as_u64()
        .filter(|s| (1..=MOST_SECONDS).contains(s))
        .ok_or_else(|| wrong(path, "a whole number of seconds from 1 to 99999999", value))
}

pub(super) fn wrong(path: &str, expected: &str, got: &Value) -> RequestError {
    let shown: String = got.to_string().chars().take(60).collect();
    RequestError::new(format!("{path}: expected {expected}, got {} ({shown})", kind(got)))
}
