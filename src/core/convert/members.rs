//! The members of a document, by name, with where they stand.

use serde_json::{Map, Value};

use crate::core::input::{RequestError, kind};
use crate::core::request::foreign;

/// An object of a document.
#[derive(Clone, Copy)]
pub(super) struct Source<'v> {
    members: &'v Map<String, Value>,
    /// Where it stands, for errors.
    path: &'v str,
}

impl<'v> Source<'v> {
    pub(super) fn new(members: &'v Map<String, Value>, path: &'v str) -> Self {
        Self { members, path }
    }

    /// A member's place.
    pub(super) fn place(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    pub(super) fn get(&self, name: &str) -> Option<&'v Value> {
        foreign::get(self.members, name).filter(|value| !value.is_null())
    }

    /// A text; what CloudFormation has the value of is refused.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'v str>, RequestError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(name, "a string")),
        }
    }

    pub(super) fn object(&self, name: &str) -> Result<Option<Source<'v>>, RequestError> {
        match self.get(name) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(Source { members, path: "" })),
            Some(_) => Err(self.wrong(name, "an object")),
        }
    }

    pub(super) fn list(&self, name: &str) -> Result<&'v [Value], RequestError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::Array(items)) => Ok(items),
            Some(_) => Err(self.wrong(name, "an array")),
        }
    }

    pub(super) fn whole(&self, name: &str) -> Result<Option<u64>, RequestError> {
        match self.get(name) {
            None => Ok(None),
            // CloudFormation has numbers as texts too.
            Some(value) => {
                let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
                number.map(Some).ok_or_else(|| self.wrong(name, "a whole number"))
            }
        }
    }

    /// The members' names and values.
    pub(super) fn members(&self) -> &'v Map<String, Value> {
        self.members
    }

    /// What was expected here and what is there.
    pub(super) fn wrong(&self, name: &str, expected: &str) -> RequestError {
        let place = self.place(name);
        match self.get(name) {
            Some(value) if is_reference(value) => RequestError::new(format!(
                "{place}: has its value in CloudFormation only: write the value in (aws … describe-… answers with values)"
            )),
            value => {
                let got = value.map_or("nothing", kind);
                RequestError::new(format!("{place}: expected {expected}, got {got}"))
            }
        }
    }
}

/// Whether a value is one of CloudFormation's functions.
pub(super) fn is_reference(value: &Value) -> bool {
    let members = value.as_object().filter(|members| members.len() == 1);
    members.and_then(|members| members.keys().next()).is_some_and(|name| name == "Ref" || name.starts_with("Fn::"))
}

/// Where a value of CloudFormation's stands in a value, if one does.
pub(super) fn reference(value: &Value, path: &str) -> Option<String> {
    if is_reference(value) {
        return Some(path.to_owned());
    }
    match value {
        Value::Object(members) => members.iter().find_map(|(name, value)| reference(value, &format!("{path}.{name}"))),
        Value::Array(items) => items.iter().enumerate().find_map(|(n, item)| reference(item, &format!("{path}[{n}]"))),
        _ => None,
    }
}
