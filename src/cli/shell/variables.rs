//! The values of a text's variables at a place: given by `--set`, assigned by the text, or of the environment.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::flow::{self, ANY, Assignment, Block, Flow, Given, Kind, Style};
use super::is_name;
use super::unset::Unset;
use crate::cli::error::CliError;

/// A longer value of a variable is none that a line has.
const LONGEST: usize = 64 * 1024;

/// What is given beside a text.
pub(in crate::cli) struct Beside<'g> {
    /// By `--set`: it goes before all else.
    pub(in crate::cli) set: BTreeMap<String, String>,
    /// The environment, for what the text does not assign.
    pub(in crate::cli) environment: &'g dyn Fn(&str) -> Option<String>,
}

/// How values are read that stand in a text: they may have variables in them.
pub(super) struct Reading {
    /// Words of a shell.
    pub(super) words: fn(&str, &Variables<'_>, Place<'_>) -> Result<Vec<String>, CliError>,
    /// A line of cmd.exe.
    pub(super) cmd: fn(&str, &Variables<'_>, Place<'_>) -> Result<String, CliError>,
    /// Whether a text is cmd.exe's.
    pub(super) is_cmd: fn(&str) -> bool,
}

/// The variables of a text.
pub(super) struct Variables<'t> {
    text: &'t str,
    beside: &'t Beside<'t>,
    reading: &'t Reading,
    assignments: Vec<Assignment>,
    by_name: BTreeMap<String, Vec<usize>>,
    /// The value of each assignment; those behind the one that is being read have none yet.
    values: RefCell<Vec<Option<String>>>,
    /// `NAME: value` of YAML: the values that the text has for it.
    named: BTreeMap<String, Vec<Option<String>>>,
    /// Whether the text is cmd.exe's.
    pub(super) is_cmd: bool,
}

/// A place of a text: what is assigned before it counts.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) at: usize,
    pub(super) path: &'p [Block],
}

/// What a variable has at a place.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    One(String),
    /// One of these, and others that are not known.
    Several(Vec<String>),
    /// What only the running script knows.
    Unknown,
    /// The text does not assign it, and neither does the environment.
    None,
}

impl<'t> Variables<'t> {
    /// Reads the text; with the blocks around each of the places.
    pub(super) fn read(
        text: &'t str,
        places: &[usize],
        beside: &'t Beside<'t>,
        reading: &'t Reading,
    ) -> (Self, Vec<Vec<Block>>) {
        let Flow { assignments, paths } = flow::flow(text, places);
        let mut by_name = BTreeMap::<String, Vec<usize>>::new();
        for (n, assignment) in assignments.iter().enumerate() {
            by_name.entry(assignment.name.clone()).or_default().push(n);
        }
        let (values, named) = (RefCell::default(), BTreeMap::new());
        let is_cmd = (reading.is_cmd)(text);
        let mut variables = Self { text, beside, reading, assignments, by_name, values, named, is_cmd };
        variables.named = named_values(&variables);
        for assignment in &variables.assignments {
            let value = variables.assigned(assignment).filter(|value| value.len() < LONGEST);
            variables.values.borrow_mut().push(value);
        }
        (variables, paths)
    }

    /// The value of `--set`.
    pub(super) fn set(&self, name: &str) -> Option<String> {
        self.beside.set.get(name).cloned()
    }

    pub(super) fn environment(&self, name: &str) -> Option<String> {
        (self.beside.environment)(name)
    }

    /// Whether the text or `--set` has a variable of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.beside.set.contains_key(name) || self.by_name.contains_key(name) || self.named.contains_key(name)
    }

    /// A variable of a shell or of make; PowerShell's have no case.
    pub(super) fn value(&self, name: &str, place: Place<'_>) -> Found {
        let is_powershell = self
            .by_name
            .get(&name.to_ascii_lowercase())
            .is_some_and(|all| all.iter().any(|n| self.assignments[*n].style == Style::PowerShell));
        let lower = name.to_ascii_lowercase();
        match self.set(name) {
            Some(value) => Found::One(value),
            None if is_powershell => self.without_case(&lower, name, place),
            None => self.look(name, name, place),
        }
    }

    /// A variable of a program: it has a value where all that is assigned are texts in quotes.
    pub(super) fn literal(&self, name: &str, place: Place<'_>) -> Found {
        let assignments = self.by_name.get(name).into_iter().flatten().map(|n| &self.assignments[*n]);
        let is_text = |one: &Assignment| match one.value {
            Given::Text(begin) => {
                let line = self.text[begin..].lines().next().unwrap_or_default().trim().trim_end_matches([';', ',']);
                let quote = line.chars().next().filter(|c| ['"', '\''].contains(c));
                quote.is_some_and(|quote| line.len() > 1 && line[1..].find(quote) == Some(line.len() - 2))
            }
            _ => false,
        };
        match self.set(name) {
            Some(value) => Found::One(value),
            None if assignments.into_iter().all(is_text) => self.value(name, place),
            None => Found::Unknown,
        }
    }

    /// A variable of the environment in PowerShell, `$env:NAME`, or of cmd.exe, `%NAME%`, which the text assigns by that key.
    pub(super) fn without_case(&self, key: &str, name: &str, place: Place<'_>) -> Found {
        let set = self.beside.set.iter().find(|(set, _)| set.eq_ignore_ascii_case(name));
        set.map_or_else(|| self.look(key, name, place), |(_, value)| Found::One(value.clone()))
    }

    /// What the text's assignments leave a variable with, or else the environment.
    fn look(&self, key: &str, name: &str, place: Place<'_>) -> Found {
        let found = self.reaching(key, place);
        // Before the text assigns it, it has the value of YAML's `NAME: value`, or of the environment.
        let mut all = Vec::new();
        for value in found {
            match (value, self.named.get(name)) {
                (Reaching::Before, Some(named)) => all.extend(named.iter().cloned().map(Some)),
                (Reaching::Before, None) => all.push(None),
                (Reaching::Value(value), _) => all.push(Some(value)),
            }
        }
        all.dedup();
        match all.as_slice() {
            [None] => self.environment(name).map_or(Found::None, Found::One),
            [Some(Some(one))] => Found::One(one.clone()),
            [Some(None)] => Found::Unknown,
            all => {
                let mut values: Vec<String> = Vec::new();
                for value in all.iter().flatten().flatten() {
                    if !values.contains(value) {
                        values.push(value.clone());
                    }
                }
                let is_sure = values.len() == 1 && all.iter().all(|value| matches!(value, Some(Some(_))));
                if is_sure { Found::One(values.remove(0)) } else { Found::Several(values) }
            }
        }
    }

    /// The assignments that may be the last before a place.
    fn reaching(&self, key: &str, place: Place<'_>) -> Vec<Reaching> {
        let mut found = vec![Reaching::Before];
        let (own, any) = (self.by_name.get(key), self.by_name.get(ANY));
        // While the text is read, what stands behind has no value yet.
        let own_values = self.values.borrow();
        let own: Vec<usize> = own.into_iter().flatten().copied().filter(|n| *n < own_values.len()).collect();
        if own.is_empty() {
            return found;
        }
        let function = place.path.iter().rfind(|block| block.kind == Kind::Function);
        let mut numbers: Vec<usize> =
            own.iter().chain(any.into_iter().flatten()).copied().filter(|n| *n < own_values.len()).collect();
        numbers.sort_unstable();
        let all: Vec<&Assignment> = own.iter().map(|n| &self.assignments[*n]).collect();
        // A function is called, and a recipe of make runs, when all of the text has been read.
        let of_make = all.iter().any(|one| one.style == Style::Make);
        let in_function = function.is_some_and(|function| !all.iter().any(|one| one.path.contains(function)));
        if (of_make || in_function) && all.iter().any(|one| one.path.is_empty() && one.style != Style::Cmd) {
            found.clear();
        }
        for n in numbers {
            let one = &self.assignments[n];
            let after = one.at > place.at;
            let comes_again = place.path.iter().any(|block| block.kind == Kind::Loop && one.path.contains(block));
            if after && !(of_make || in_function || comes_again) || is_hidden(one, place) {
                continue;
            }
            let values: Vec<Reaching> = match &one.value {
                Given::Several(values) => values.iter().map(|value| Reaching::Value(Some(value.clone()))).collect(),
                _ => vec![Reaching::Value(own_values.get(n).cloned().flatten())],
            };
            let is_sure = !after && one.style != Style::Make && place.path.starts_with(&one.path);
            if one.name == ANY {
                // It matters to what the text has assigned before.
                if !matches!(found.as_slice(), [] | [Reaching::Before]) {
                    found.push(Reaching::Value(None));
                }
            } else if is_sure {
                found = values;
            } else if !(matches!(one.value, Given::Default(_))
                && !found.is_empty()
                && !matches!(found.as_slice(), [Reaching::Before]))
            {
                found.extend(values);
            }
        }
        found
    }

    /// The value that is assigned; none where only the running script knows it.
    fn assigned(&self, one: &Assignment) -> Option<String> {
        let place = Place { at: one.at.saturating_sub(1), path: &one.path };
        let read = |begin: usize| self.written(one, begin, place);
        match &one.value {
            Given::Text(begin) => read(*begin),
            Given::Default(begin) => match self.value(&one.name, place) {
                Found::One(value) => Some(value),
                Found::None => read(*begin),
                Found::Several(_) | Found::Unknown => None,
            },
            Given::Append(begin) => match (self.value(&one.name, place), one.style) {
                (Found::One(before), Style::Make) => Some(format!("{before} {}", read(*begin)?)),
                (Found::One(before), _) => Some(before + &read(*begin)?),
                _ => None,
            },
            Given::Several(_) | Given::Unknown => None,
        }
    }

    /// A value as its language writes it.
    fn written(&self, one: &Assignment, begin: usize, place: Place<'_>) -> Option<String> {
        let text = &self.text[begin..];
        let line = text.lines().next().unwrap_or_default();
        match one.style {
            Style::Shell => {
                // Behind a blank it is another word.
                if text.starts_with([' ', '\t', '\r', '\n', ';', '&', '|', ')']) {
                    return Some(String::new());
                }
                // A value may have several lines.
                (self.reading.words)(text, self, place).ok()?.into_iter().next()
            }
            Style::Make => {
                // Behind a text of a program may stand the end of its block.
                let quoted = plain(line.trim_start()).filter(|text| text.starts_with(['"', '\'']));
                Some((self.reading.words)(quoted.unwrap_or(line), self, place).ok()?.join(" "))
            }
            Style::Cmd => (self.reading.cmd)(line.trim_end_matches(['\r', '"']), self, place).ok(),
            Style::PowerShell => {
                let word = plain(line.trim_start())?;
                (self.reading.words)(word, self, place).ok()?.into_iter().next()
            }
        }
    }
}

/// The text in quotes, variable or number that is all of a value of PowerShell; none where it is computed.
fn plain(line: &str) -> Option<&str> {
    let first = line.chars().next()?;
    let end = match first {
        '"' | '\'' => line[1..].find(first)? + 2,
        '$' | '0'..='9' => line.find(|c: char| c.is_whitespace() || ";,)}".contains(c)).unwrap_or(line.len()),
        _ => return None,
    };
    let behind = line[end..].trim_start();
    (behind.is_empty() || behind.starts_with([';', ',', ')', '}', '#'])).then(|| &line[..end])
}

/// What may reach a place.
#[derive(Clone, Debug, PartialEq)]
enum Reaching {
    /// What the variable had before the text assigned it.
    Before,
    /// What the text assigns.
    Value(Option<String>),
}

/// Whether an assignment ends with a process or function that the place is not in.
fn is_hidden(one: &Assignment, place: Place<'_>) -> bool {
    let outside = |kind: Kind| one.path.iter().any(|block| block.kind == kind && !place.path.contains(block));
    // Parentheses of cmd.exe are branches.
    let in_process = one.style != Style::Cmd && outside(Kind::Subshell);
    // A function sees the local variables of its caller.
    let in_function = place.path.iter().any(|block| block.kind == Kind::Function);
    in_process || (one.is_local && outside(Kind::Function) && !in_function)
}

/// The values of `NAME: value`, as CI files have it anywhere.
fn named_values(variables: &Variables<'_>) -> BTreeMap<String, Vec<Option<String>>> {
    let mut named = BTreeMap::<String, Vec<Option<String>>>::new();
    let place = Place { at: 0, path: &[] };
    for (name, value) in
        variables.text.lines().filter_map(|line| line.trim_start().trim_start_matches("- ").split_once(": "))
    {
        if !is_name(name) || name.contains(|c: char| c.is_ascii_lowercase()) {
            continue;
        }
        let value = (variables.reading.words)(value, variables, place)
            .ok()
            .filter(|words| !words.is_empty())
            .map(|words| words.join(" "));
        let known = named.entry(name.to_owned()).or_default();
        if !known.contains(&value) {
            known.push(value);
        }
    }
    named
}

/// What is said of a variable without one value.
pub(super) fn refused(shown: &str, name: &str, found: Found) -> Unset {
    let said = match found {
        Found::Several(values) if values.is_empty() => {
            format!("{shown} has more than one possible value here: give it by --set {name}=VALUE")
        }
        Found::Several(values) => {
            let mut values: Vec<String> = values.iter().map(|value| value.chars().take(60).collect()).collect();
            if values.len() == 1 {
                values.push("or another".to_owned());
            }
            format!(
                "{shown} has more than one possible value here ({}): give it by --set {name}=VALUE",
                values.join(", ")
            )
        }
        Found::Unknown => {
            format!("{shown} has its value in the shell only: write it into the line, or give it by --set {name}=VALUE")
        }
        Found::One(_) | Found::None => format!(
            "{shown} has its value in the shell only: write it into the line, or give it by --set {name}=VALUE or in the environment"
        ),
    };
    Unset::of(shown.to_owned(), said)
}
