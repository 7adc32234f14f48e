//! The table of reasons: data in `reasons.json`, compiled once.
//!
//! `rows` are messages that ECS, its agent and Fargate are known to give, first match wins. A text that none of them
//! knows is read by its words: `subjects` say what it is about, `moods` what went wrong with it, and `noise` (names,
//! addresses, phrases that stand before any message) is read over. `exceptions` are for the RunTask call itself.
//! Sources: Amazon ECS developer guide ("Stopped tasks error messages", "API failure reasons", "Service event
//! messages", "Status reasons for Amazon EBS volume attachment"), the ECS agent's source, and public issues.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
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
    noise: Vec<String>,
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
    /// Where neither the row nor a mood says.
    #[serde(default, deserialize_with = "maybe_named")]
    otherwise: Option<Transience>,
    hint: String,
    #[serde(default)]
    hints: BTreeMap<String, String>,
    /// It knows what the message is about, but not what went wrong: the words say whether to try again.
    #[serde(default)]
    fallback: bool,
    /// It knows the prefix alone: the words, if they say anything, say all.
    #[serde(default)]
    open: bool,
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
    noise: Regex,
    moods: RegexSet,
    subjects: RegexSet,
    exceptions: RegexSet,
}

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    let file: File = serde_json::from_str(include_str!("reasons.json")).ok()?;
    let set = |rows: &[Row]| compiled(rows.iter().map(|r| &r.pattern));
    Some(Table {
        rows: set(&file.rows)?,
        noise: RegexBuilder::new(&file.noise.join("|")).unicode(false).build().ok()?,
        moods: compiled(file.moods.iter().map(|m| &m.pattern))?,
        subjects: set(&file.subjects)?,
        exceptions: set(&file.exceptions)?,
        file,
    })
});

/// What a text is known to mean, or else what its words say; `None` for a text that says nothing.
pub(super) fn meaning(text: &str) -> Option<Meaning> {
    known(text).or_else(|| words(text))
}

/// What a row of the table says.
pub(super) fn known(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let text = message(text);
    let row = first(&table.rows, text.as_bytes()).and_then(|i| table.file.rows.get(i))?;
    let plain = table.read(row, None);
    if !row.fallback && !row.open {
        return Some(plain);
    }
    let (subject, mood) = table.said(text);
    // A text about the runtime that will never do is about what the runtime was asked for.
    let asked = |subject: &&Row| {
        !row.open || subject.class != Class::Service || mood.is_none_or(|m| m.transience != Transience::Permanent)
    };
    match (subject.filter(asked), mood) {
        (Some(subject), mood) if row.open => Some(table.read(subject, mood)),
        // What Docker is asked for is what the task definition asks for.
        (None, Some(mood)) if row.open && mood.transience == Transience::Permanent => {
            let (class, transience) = (Class::Configuration, mood.transience);
            Some(Meaning { class, transience, hint: hint("config") })
        }
        (subject, Some(mood)) if row.fallback => {
            let hint = subject
                .filter(|s| s.class == row.class)
                .map_or_else(|| table.read(row, Some(mood)).hint, |s| table.read(s, Some(mood)).hint);
            let keeps = (plain.transience, mood.transience) == (Transience::Elsewhere, Transience::Transient);
            let transience = if keeps { plain.transience } else { mood.transience };
            Some(Meaning { transience, hint, ..plain })
        }
        _ => Some(plain),
    }
}

/// What an exception of the RunTask call means: `Name: message`.
pub(super) fn exception(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let row = first(&table.exceptions, text.as_bytes()).and_then(|i| table.file.exceptions.get(i))?;
    Some(table.read(row, None))
}

/// A hint by its key.
pub(super) fn hint(key: &str) -> &'static str {
    TABLE.as_ref().and_then(|t| t.file.hints.get(key)).map_or("", String::as_str)
}

/// What the words of a text say: its message, or else the name before it (also a stop code: `SpotReclaimed`).
pub(super) fn words(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let (subject, mood) = table.said(message(text));
    Some(table.read(subject?, mood))
}

impl Table {
    /// What a message is about, and what went wrong with it.
    fn said(&'static self, text: &str) -> (Option<&'static Row>, Option<&'static Mood>) {
        let name = prefix(text).unwrap_or_default();
        let rest = if name.is_empty() && !text.contains(' ') { "" } else { &text[name.len()..] };
        let rest = self.noise.replace_all(rest.as_bytes(), &b" "[..]);
        let name = apart(if name.is_empty() && rest.is_empty() { text } else { name });
        let find = |set: &RegexSet| first(set, &rest).or_else(|| first(set, name.as_bytes()));
        let subject = find(&self.subjects).and_then(|i| self.file.subjects.get(i));
        (subject, find(&self.moods).and_then(|i| self.file.moods.get(i)))
    }

    fn read(&'static self, row: &'static Row, mood: Option<&'static Mood>) -> Meaning {
        let hint_key = mood.and_then(|m| row.hints.get(&m.name)).unwrap_or(&row.hint);
        let transience = row.transience.or(mood.map(|m| m.transience)).or(row.otherwise);
        Meaning {
            class: row.class,
            transience: transience.unwrap_or(Transience::Transient),
            hint: self.file.hints.get(hint_key).map_or("", String::as_str),
        }
    }
}

/// `CannotAttachVolumeError` or `ACCESS_DENIED` as words.
fn apart(name: &str) -> String {
    let mut words = String::with_capacity(name.len() + 8);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && words.ends_with(|c: char| c.is_ascii_lowercase()) {
            words.push(' ');
        }
        words.push(if letter == '_' { ' ' } else { letter });
    }
    words
}

/// ECS writes ASCII: case and word boundaries by bytes are enough, and cost half of Unicode's.
fn compiled<'p>(patterns: impl Iterator<Item = &'p String>) -> Option<RegexSet> {
    RegexSetBuilder::new(patterns).unicode(false).build().ok()
}

fn first(set: &RegexSet, text: &[u8]) -> Option<usize> {
    set.matches(text).iter().next()
}

/// What consoles, services and people put before ECS's own message.
const BEFORE: [&str; 6] = [
    "TaskFailedToStart",
    "Task failed to start",
    "Essential container in task exited",
    "STOPPED",
    "Stopped reason",
    "Status reason",
];

/// The message without what was put before it.
pub(super) fn message(text: &str) -> &str {
    let mut text = text.trim_start();
    while let Some(rest) = BEFORE.iter().find_map(|before| after(text, before)) {
        text = rest;
    }
    text
}

/// What follows `before` and a separator, if something does.
fn after<'t>(text: &'t str, before: &str) -> Option<&'t str> {
    let start = text.get(..before.len())?;
    let rest = text[before.len()..].trim_start();
    let rest = rest.strip_prefix([':', '(', '-']).filter(|_| start.eq_ignore_ascii_case(before))?.trim_start();
    (!rest.is_empty()).then_some(rest)
}

/// ECS's own prefix of a message: `CannotPullContainerError`, `ResourceInitializationError`, ….
pub(super) fn prefix(text: &str) -> Option<&str> {
    let text = message(text);
    let end = text.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(text.len());
    let word = &text[..end];
    let upper = |c: Option<char>| c.is_some_and(|c| c.is_ascii_uppercase());
    let cannot = || word.strip_prefix("Cannot").is_some_and(|rest| upper(rest.chars().next()) && rest.len() > 1);
    // Docker begins its own messages with a bare `Error`.
    let ends = |end: &str| word.strip_suffix(end).is_some_and(|rest| !rest.is_empty());
    let names = upper(word.chars().next()) && (ends("Error") || ends("Exception") || cannot());
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
