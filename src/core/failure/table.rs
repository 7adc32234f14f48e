//! The table of reasons: data in `reasons.json`, compiled once.
//!
//! `rows` are messages that ECS, its agent and Fargate are known to give, first match wins. A text that none of them
//! knows is read by its words: `subjects` say what it is about, `moods` what went wrong with it. `exceptions` are for
//! the RunTask call itself. Sources: Amazon ECS developer guide ("Stopped tasks error messages", "API failure
//! reasons"), the ECS agent's source, and public issues.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::{RegexSet, RegexSetBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

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
    #[serde(deserialize_with = "named")]
    class: Class,
    #[serde(default, deserialize_with = "maybe_named")]
    transience: Option<Transience>,
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
    #[serde(deserialize_with = "named")]
    transience: Transience,
}

/// The table says `Network` where everything outside says `Taskwatch.Network`.
fn named<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<T, D::Error> {
    let name = String::deserialize(input)?;
    serde_json::from_value(format!("Taskwatch.{name}").into()).map_err(serde::de::Error::custom)
}

fn maybe_named<'de, D: Deserializer<'de>, T: DeserializeOwned>(input: D) -> Result<Option<T>, D::Error> {
    named(input).map(Some)
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
    let set = |rows: &[Row]| compiled(rows.iter().map(|r| &r.pattern));
    Some(Table {
        rows: set(&file.rows)?,
        moods: compiled(file.moods.iter().map(|m| &m.pattern))?,
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
        meaning.transience = mood.transience;
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
        Meaning {
            class: row.class,
            transience: row.transience.or(mood.map(|m| m.transience)).unwrap_or(Transience::Transient),
            hint: self.file.hints.get(hint_key).map_or("", String::as_str),
        }
    }
}

/// ECS writes ASCII: case and word boundaries by bytes are enough, and cost half of Unicode's.
fn compiled<'p>(patterns: impl Iterator<Item = &'p String>) -> Option<RegexSet> {
    RegexSetBuilder::new(patterns).unicode(false).build().ok()
}

fn first(set: &RegexSet, text: &str) -> Option<usize> {
    set.matches(text.as_bytes()).iter().next()
}

/// ECS's own prefix of a message: `CannotPullContainerError`, `ResourceInitializationError`, ….
pub(super) fn prefix(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let text = text.strip_prefix("TaskFailedToStart: ").unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    let upper = |c: Option<char>| c.is_some_and(|c| c.is_ascii_uppercase());
    let cannot = || word.strip_prefix("Cannot").is_some_and(|rest| upper(rest.chars().next()) && rest.len() > 1);
    let names = upper(word.chars().next()) && (word.ends_with("Error") || word.ends_with("Exception") || cannot());
    (names && !text[end..].starts_with('_')).then_some(word)
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
        }
        assert!(file.rows.iter().chain(&file.exceptions).all(|row| row.transience.is_some()));
    }
}
