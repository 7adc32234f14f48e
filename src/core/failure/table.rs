//! The table of reasons: data in `reasons.json`, compiled once.
//!
//! `rows` are messages that ECS, its agent and Fargate are known to give, first match wins. A text that none of them
//! knows is read by its words: `subjects` say what it is about, `moods` what went wrong with it. `exceptions` are for
//! the RunTask call itself. Sources: Amazon ECS developer guide ("Stopped tasks error messages", "API failure
//! reasons"), the ECS agent's source, and public issues.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Regex, RegexSet};
use serde::Deserialize;

use super::{Class, Transience};

/// What the table says about one text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    pub(super) class: Class,
    pub(super) transience: Transience,
    pub(super) hint: &'static str,
}

#[derive(Deserialize)]
struct File {
    hints: BTreeMap<String, String>,
    rows: Vec<Row>,
    moods: Vec<Mood>,
    subjects: Vec<Row>,
    exceptions: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    pattern: String,
    class: String,
    #[serde(default)]
    transience: Option<String>,
    hint: String,
    #[serde(default)]
    hints: BTreeMap<String, String>,
    /// It knows the prefix alone: what the message goes on to say matters more.
    #[serde(default)]
    fallback: bool,
}

#[derive(Deserialize)]
struct Mood {
    name: String,
    pattern: String,
    transience: String,
}

struct Table {
    file: File,
    rows: RegexSet,
    moods: RegexSet,
    subjects: RegexSet,
    exceptions: RegexSet,
}

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    let file: File = serde_json::from_str(include_str!("reasons.json")).ok()?;
    let set = |rows: &[Row]| RegexSet::new(rows.iter().map(|r| &r.pattern)).ok();
    Some(Table {
        rows: set(&file.rows)?,
        moods: RegexSet::new(file.moods.iter().map(|m| &m.pattern)).ok()?,
        subjects: set(&file.subjects)?,
        exceptions: set(&file.exceptions)?,
        file,
    })
});

/// What a text is known to mean, or else what its words say; `None` for a text that says nothing.
pub(super) fn meaning(text: &str) -> Option<Meaning> {
    known(text).or_else(|| by_words(text))
}

/// What a row of the table says.
pub(super) fn known(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let row = first(&table.rows, text).and_then(|i| table.file.rows.get(i))?;
    let mood = first(&table.moods, text).and_then(|i| table.file.moods.get(i)).filter(|_| row.fallback);
    let mut meaning = table.read(row, None);
    if let Some(mood) = mood {
        meaning.transience = transience(&mood.transience);
        meaning.hint = by_words(text).filter(|m| m.class == meaning.class).map_or(meaning.hint, |m| m.hint);
    }
    Some(meaning)
}

/// What an exception of the RunTask call means: `Name: message`.
pub(super) fn exception(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let row = first(&table.exceptions, text).and_then(|i| table.file.exceptions.get(i))?;
    Some(table.read(row, None))
}

/// A hint by its key.
pub(super) fn hint(key: &str) -> &'static str {
    TABLE.as_ref().and_then(|t| t.file.hints.get(key)).map_or("", String::as_str)
}

fn by_words(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let mood = first(&table.moods, text).and_then(|i| table.file.moods.get(i));
    let subject = first(&table.subjects, text).and_then(|i| table.file.subjects.get(i))?;
    Some(table.read(subject, mood))
}

impl Table {
    fn read(&'static self, row: &'static Row, mood: Option<&'static Mood>) -> Meaning {
        let hint_key = mood.and_then(|m| row.hints.get(&m.name)).unwrap_or(&row.hint);
        let named = row.transience.as_deref().or(mood.map(|m| m.transience.as_str()));
        Meaning {
            class: class(&row.class),
            transience: transience(named.unwrap_or("Transient")),
            hint: self.file.hints.get(hint_key).map_or("", String::as_str),
        }
    }
}

fn first(set: &RegexSet, text: &str) -> Option<usize> {
    set.matches(text).iter().next()
}

/// ECS's own prefix of a message: `CannotPullContainerError`, `ResourceInitializationError`, …
pub(super) fn prefix(text: &str) -> Option<&str> {
    static PREFIX: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"^\s*(?:TaskFailedToStart: )?([A-Z][A-Za-z0-9]*(?:Error|Exception)|Cannot[A-Z][A-Za-z]+)\b").ok()
    });
    PREFIX.as_ref()?.captures(text)?.get(1).map(|m| m.as_str())
}

fn class(name: &str) -> Class {
    serde_json::from_value(format!("Taskwatch.{name}").into()).unwrap_or(Class::Service)
}

fn transience(name: &str) -> Transience {
    serde_json::from_value(format!("Taskwatch.{name}").into()).unwrap_or(Transience::Transient)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        let table = TABLE.as_ref().unwrap();
        let file = &table.file;
        for row in file.rows.iter().chain(&file.subjects).chain(&file.exceptions) {
            for key in row.hints.values().chain([&row.hint]) {
                assert!(file.hints.contains_key(key), "{}: no hint {key}", row.pattern);
            }
            let class = format!("Taskwatch.{}", row.class);
            assert!(serde_json::from_value::<Class>(class.into()).is_ok(), "{}", row.pattern);
            for transience in row.transience.iter().chain(file.moods.iter().map(|m| &m.transience)) {
                let name = format!("Taskwatch.{transience}");
                assert!(serde_json::from_value::<Transience>(name.into()).is_ok(), "{}", row.pattern);
            }
        }
        assert!(file.rows.iter().chain(&file.exceptions).all(|row| row.transience.is_some()));
    }
}
