//! Typed access to a request's members.

use serde_json::{Map, Value};

use super::errors::{invalid, invalid_ours, serialization};
use crate::local::wire::ApiError;

/// A request, or a structure in it. A `null` counts as absent.
#[derive(Clone, Copy)]
pub(super) struct Body<'a>(Option<&'a Map<String, Value>>);

impl<'a> Body<'a> {
    pub(super) fn of(value: &'a Value) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Self(Some(map))),
            Value::Null => Ok(Self(None)),
            other => Err(serialization("(body)", other)),
        }
    }

    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.and_then(|map| map.get(name)).filter(|v| !v.is_null())
    }

    pub(super) fn text(self, name: &str) -> Result<Option<&'a str>, ApiError> {
        self.get(name).map(|v| v.as_str().ok_or_else(|| serialization(name, v))).transpose()
    }

    pub(super) fn needed(self, name: &str) -> Result<&'a str, ApiError> {
        self.text(name)?
            .filter(|t| !t.is_empty())
            .ok_or_else(|| invalid(format!("{} can not be blank.", capital(name))))
    }

    pub(super) fn integer(self, name: &str) -> Result<Option<i64>, ApiError> {
        self.get(name).map(|v| v.as_i64().ok_or_else(|| serialization(name, v))).transpose()
    }

    pub(super) fn flag(self, name: &str) -> Result<bool, ApiError> {
        self.get(name).map_or(Ok(false), |v| v.as_bool().ok_or_else(|| serialization(name, v)))
    }

    pub(super) fn list(self, name: &str) -> Result<&'a [Value], ApiError> {
        self.get(name).map_or(Ok(&[]), |v| v.as_array().map(Vec::as_slice).ok_or_else(|| serialization(name, v)))
    }

    pub(super) fn texts(self, name: &str) -> Result<Vec<&'a str>, ApiError> {
        self.list(name)?.iter().map(|v| v.as_str().ok_or_else(|| serialization(name, v))).collect()
    }

    pub(super) fn structure(self, name: &str) -> Result<Self, ApiError> {
        self.get(name)
            .map_or(Ok(Self(None)), |v| v.as_object().map(|m| Self(Some(m))).ok_or_else(|| serialization(name, v)))
    }

    pub(super) fn structures(self, name: &str) -> Result<Vec<Self>, ApiError> {
        self.list(name)?
            .iter()
            .map(|v| v.as_object().map(|m| Self(Some(m))).ok_or_else(|| serialization(name, v)))
            .collect()
    }

    pub(super) fn is_absent(self) -> bool {
        self.0.is_none()
    }
}

fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

/// At most `most` results of a page, and where the next one starts. A token is the key of the last result of the page before.
pub(super) fn page<T: Clone, K: ToString>(
    all: impl Iterator<Item = (K, T)>,
    body: Body<'_>,
    most: i64,
) -> Result<(Vec<T>, Option<String>), ApiError> {
    let limit = body.integer("maxResults")?.unwrap_or(most);
    if !(1..=most).contains(&limit) {
        return Err(invalid_ours(format!("maxResults must be between 1 and {most}.")));
    }
    let limit = usize::try_from(limit).unwrap_or(100);
    let mut found: Vec<(K, T)> = all.take(limit + 1).collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|(key, _)| key.to_string());
    Ok((found.into_iter().map(|(_, item)| item).collect(), next))
}
