//! Reads a TOML table key by key, so that every mistake is told with the place, the value and what is allowed.

use toml::{Table, Value};

use super::script::ScriptError;

/// A table whose keys are taken out one by one; what is left at the end is unknown.
pub(super) struct Fields {
    place: String,
    table: Table,
    known: Vec<&'static str>,
}

impl Fields {
    pub(super) fn new(place: impl Into<String>, table: Table) -> Self {
        Self { place: place.into(), table, known: Vec::new() }
    }

    pub(super) fn error(&self, what: impl Into<String>) -> ScriptError {
        ScriptError::Invalid { place: self.place.clone(), what: what.into() }
    }

    pub(super) fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.table.remove(key)
    }

    fn wrong(&self, key: &str, value: &Value, want: &str) -> ScriptError {
        self.error(format!("`{key}` is {value}, it must be {want}"))
    }

    pub(super) fn text(&mut self, key: &'static str) -> Result<Option<String>, ScriptError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, &other, "a text in quotes")),
        }
    }

    /// A number from `min` to `max`.
    pub(super) fn number(&mut self, key: &'static str, min: f64, max: f64) -> Result<Option<f64>, ScriptError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        as_number(&value)
            .filter(|n| (min..=max).contains(n))
            .map(Some)
            .ok_or_else(|| self.wrong(key, &value, &format!("a number from {min} to {max}")))
    }

    /// A whole number from `min` to `max`.
    pub(super) fn integer(&mut self, key: &'static str, min: i64, max: i64) -> Result<Option<i64>, ScriptError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Integer(n)) if (min..=max).contains(&n) => Ok(Some(n)),
            Some(other) => Err(self.wrong(key, &other, &format!("a whole number from {min} to {max}"))),
        }
    }

    /// A number of seconds, or `[least, most]`.
    pub(super) fn span(&mut self, key: &'static str) -> Result<Option<(f64, f64)>, ScriptError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let seconds = |v: &Value| as_number(v).filter(|n| (0.0..=1e9).contains(n));
        let span = match &value {
            Value::Array(ends) if ends.len() == 2 => seconds(&ends[0]).zip(seconds(&ends[1])).filter(|(a, b)| a <= b),
            other => seconds(other).map(|n| (n, n)),
        };
        span.map(Some).ok_or_else(|| self.wrong(key, &value, "a number of seconds, or [least, most]"))
    }

    /// One text or a list of texts.
    pub(super) fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, ScriptError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let texts = match &value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(items) => items.iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => None,
        };
        texts.map(Some).ok_or_else(|| self.wrong(key, &value, "a text or a list of texts"))
    }

    pub(super) fn table(&mut self, key: &'static str) -> Result<Option<Table>, ScriptError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(other) => Err(self.wrong(key, &other, "a table")),
        }
    }

    /// Fails on the first key that nobody asked for.
    pub(super) fn finish(self) -> Result<(), ScriptError> {
        self.finish_with(&[])
    }

    /// The same; `elsewhere` are keys that other tables of this kind have a use for.
    pub(super) fn finish_with(self, elsewhere: &[&str]) -> Result<(), ScriptError> {
        let Some(key) = self.table.keys().next() else { return Ok(()) };
        if elsewhere.contains(&key.as_str()) {
            return Err(self.error(format!("`{key}` does nothing here; known: {}", self.known.join(", "))));
        }
        let all: Vec<&str> = self.known.iter().copied().chain(elsewhere.iter().copied()).collect();
        let hint = likely(key, &all).unwrap_or_else(|| nearest(key, &self.known));
        Err(self.error(format!("unknown key `{key}`{hint}")))
    }
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

/// ", did you mean …?" with the known name most like `name`, or the list of all of them.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    likely(name, known).unwrap_or_else(|| format!("; known: {}", known.join(", ")))
}

/// ", did you mean …?", if one of the names is like enough.
fn likely(name: &str, known: &[&str]) -> Option<String> {
    let likeness = |k: &str| strsim::jaro_winkler(&name.to_lowercase(), &k.to_lowercase());
    let best = known.iter().map(|k| (likeness(k), *k)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then(|| format!(", did you mean `{}`?", best.1))
}
