//! The table of reasons: data in `reasons.json`, compiled once.
//!
//! `rows` are messages that ECS, its agent and Fargate are known to give, first match wins. A text that none of them
//! knows is read by its words: `subjects` say what it is about, `moods` what went wrong with it, and `noise` (names,
//! addresses, phrases that stand before any message) is read over. `exceptions` are for the RunTask call itself.
//! `fargate` says, by a hint's key, what differs on Fargate. Texts are cut off at any length, on their way or by ECS:
//! `phrases` are the wordings whose first words are enough to know the rest.
//! Sources: Amazon ECS developer guide ("Stopped tasks error messages", "API failure reasons", "Service event
//! messages", "Status reasons for Amazon EBS volume attachment"), the ECS agent's source, and public issues.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::text::{complete, prefix};
use super::{Class, Transience};

/// What the table says about one text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    pub(super) class: Class,
    pub(super) transience: Transience,
    pub(super) hint: &'static str,
    /// What differs where the task ran on Fargate.
    fargate: Option<&'static OnFargate>,
}

impl Meaning {
    /// What is the same wherever the task ran.
    pub(super) const fn new(class: Class, transience: Transience, hint: &'static str) -> Self {
        Self { class, transience, hint, fargate: None }
    }

    /// The same of a task on Fargate: there is no instance to mend, and no other host has more of anything.
    pub(super) fn on_fargate(self) -> Self {
        let Some(there) = self.fargate else { return self };
        Self { transience: there.transience.unwrap_or(self.transience), hint: &there.hint, ..self }
    }
}

#[derive(Deserialize)]
struct File {
    hints: BTreeMap<String, String>,
    /// By the key of the hint that holds elsewhere.
    fargate: BTreeMap<String, OnFargate>,
    phrases: Vec<String>,
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

#[derive(Debug, Deserialize)]
struct OnFargate {
    #[serde(default, deserialize_with = "maybe_named")]
    transience: Option<Transience>,
    hint: String,
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
    let text = &*complete(text, &table.file.phrases);
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
            Some(Meaning::new(Class::Configuration, mood.transience, hint("config")))
        }
        (subject, Some(mood)) if row.fallback => {
            let same = subject.filter(|s| s.class == row.class && !row.hints.contains_key(&mood.name));
            let told = table.read(same.unwrap_or(row), Some(mood));
            let keeps = (plain.transience, mood.transience) == (Transience::Elsewhere, Transience::Transient);
            let transience = if keeps { plain.transience } else { mood.transience };
            Some(Meaning { class: row.class, transience, ..told })
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

/// The same of a task on Fargate.
#[cfg(test)]
pub(super) fn hint_on(key: &str, fargate: bool) -> &'static str {
    let there = TABLE.as_ref().and_then(|t| t.file.fargate.get(key)).filter(|_| fargate);
    there.map_or_else(|| hint(key), |there| &there.hint)
}

/// What the words of a text say: its message, or else the name before it (also a stop code: `SpotReclaimed`).
pub(super) fn words(text: &str) -> Option<Meaning> {
    let table = TABLE.as_ref()?;
    let (subject, mood) = table.said(&complete(text, &table.file.phrases));
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
            fargate: self.file.fargate.get(hint_key),
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

/// ECS writes ASCII: case and word boundaries by bytes are enough, and cost half of Unicode's. People and tools change the case.
fn compiled<'p>(patterns: impl Iterator<Item = &'p String>) -> Option<RegexSet> {
    RegexSetBuilder::new(patterns).unicode(false).case_insensitive(true).build().ok()
}

fn first(set: &RegexSet, text: &[u8]) -> Option<usize> {
    set.matches(text).iter().next()
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
        assert!(file.fargate.keys().all(|key| file.hints.contains_key(key)));
        assert!(file.rows.iter().chain(&file.exceptions).all(|row| row.transience.is_some()));
    }
}
