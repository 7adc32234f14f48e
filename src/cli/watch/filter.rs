//! Which runs are listed: typed in one line, asked of the cell, and held against what the stream brings.

use std::collections::BTreeMap;

use super::data::{CauseGroup, Row};
use crate::cli::filter::{instant, may_be_found};
use crate::core::filter::{Filtered, RunFilter};
use crate::core::pattern::is_pattern;
use crate::core::run::Status;
use crate::core::time::Timestamp;

/// The statuses, in the order in which they are shown: the open ones first.
pub(super) const OPEN: [&str; 4] = ["QUEUED", "STARTING", "RUNNING", "PENDING_RETRY"];
pub(super) const ENDED: [&str; 4] = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];

/// What is typed, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    runs: RunFilter,
    /// As it was given: so long ago, or an instant.
    since: Option<String>,
}

/// What a filter can name: as it is typed, and as the cell's API has it.
const KEYS: [(&str, &str); 9] = [
    ("status", "status"),
    ("queue", "queue"),
    ("error", "error"),
    ("exit", "exitCode"),
    ("cause", "cause"),
    ("name", "name"),
    ("task", "taskDefinition"),
    ("cluster", "cluster"),
    ("since", "since"),
];

impl Filter {
    /// Reads `status=FAILED queue=team-a error=Spot exit=3 cause="no space" name=nightly task=etl:7 since=24h`; a word alone is
    /// a status or a part of a name.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        let mut members: BTreeMap<&str, String> = BTreeMap::new();
        for word in words(text) {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None if word.split(',').all(|word| word.parse::<Status>().is_ok()) => ("status", word.clone()),
                None if is_pattern(&word) => ("name", word.clone()),
                None => ("name", format!("*{word}*")),
            };
            let Some((key, _)) =
                KEYS.iter().find(|(known, api)| [known, api].iter().any(|k| k.eq_ignore_ascii_case(key)))
            else {
                let known: Vec<String> = KEYS.iter().map(|(key, _)| format!("{key}=")).collect();
                return Err(format!("{key}= is unknown; known are {}", known.join(" ")));
            };
            if members.insert(key, value).is_some() {
                return Err(format!("{key}= is given twice"));
            }
        }
        Self::of(members, now)
    }

    /// Of the members of a query, as the API names them.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub(super) fn of_query(query: Vec<(&str, String)>, now: Timestamp) -> Result<Self, String> {
        let typed = |name: &str| KEYS.iter().find(|(_, api)| *api == name).map(|(key, _)| *key);
        Self::of(query.into_iter().filter_map(|(name, value)| Some((typed(name)?, value))).collect(), now)
    }

    fn of(mut members: BTreeMap<&str, String>, now: Timestamp) -> Result<Self, String> {
        let mut get = |key: &str| members.remove(key).filter(|value| !value.is_empty());
        let status = |name: &str| {
            let known = OPEN.iter().chain(&ENDED).copied().collect::<Vec<_>>().join(" ");
            name.parse().map_err(|_| format!("{name} is not a status; known are {known}"))
        };
        let statuses = |names: String| names.split(',').map(status).collect::<Result<_, _>>();
        let code = |text: String| text.parse().map_err(|_| format!("exit={text} is no exit code"));
        let since = get("since");
        let runs = RunFilter {
            statuses: get("status").map(statuses).transpose()?,
            queue: get("queue"),
            error: get("error"),
            exit_code: get("exit").map(code).transpose()?,
            cause: get("cause"),
            name: get("name"),
            task_definition: get("task"),
            cluster: get("cluster"),
            since: since.as_deref().map(|text| instant(text, now)).transpose()?,
        };
        Ok(Self { runs, since })
    }

    /// Those of its runs that failed so.
    pub(super) fn failed_so(&self, group: &CauseGroup) -> Self {
        let mut runs = self.runs.clone();
        runs.statuses = group.status.parse().ok().map(|status| vec![status]);
        runs.error = group.error.clone().or(runs.error);
        runs.exit_code = group.exit_code.or(runs.exit_code);
        runs.cause = group.cause_pattern.clone().filter(|cause| !cause.is_empty()).or(runs.cause);
        Self { runs, since: self.since.clone() }
    }

    /// Those of its runs that are in this status.
    pub(super) fn in_status(&self, status: &str) -> Self {
        let statuses = status.parse().ok().map(|status| vec![status]);
        Self { runs: RunFilter { statuses, ..self.runs.clone() }, since: self.since.clone() }
    }

    /// The runs of one request.
    pub(super) fn of_request(name: &str) -> Self {
        Self { runs: RunFilter { name: Some(name.to_owned()), ..RunFilter::default() }, since: None }
    }

    /// What it narrows by, by the key as it is typed and by the API's.
    fn members(&self) -> impl Iterator<Item = (&'static str, &'static str, String)> {
        let RunFilter { statuses, queue, error, exit_code, cause, name, task_definition, cluster, since } =
            self.runs.clone();
        let named = |all: Vec<Status>| all.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(",");
        let exit_code = exit_code.map(|code| code.to_string());
        let since = since.map(|at| at.to_string());
        let values = [statuses.map(named), queue, error, exit_code, cause, name, task_definition, cluster, since];
        KEYS.into_iter().zip(values).filter_map(|((key, api), value)| Some((key, api, value?)))
    }

    /// The members of a query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        self.members().map(|(_, api, value)| (api, value)).collect()
    }

    /// As it is typed.
    pub(super) fn text(&self) -> String {
        let typed = |(key, _, value): (&str, &str, String)| {
            let value = self.since.clone().filter(|_| key == "since").unwrap_or(value);
            format!("{key}={}", quoted(&value))
        };
        self.members().map(typed).collect::<Vec<_>>().join(" ")
    }

    /// Whether a run can be among them.
    pub(super) fn fits(&self, row: &Row) -> bool {
        self.runs.fits(row)
    }
}

/// The words of a line. What stands between quotation marks is one; a backslash there takes what follows as it is.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), None::<String>, false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            '\\' if is_quoted => word.get_or_insert_default().extend(characters.next()),
            c if c.is_whitespace() && !is_quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// A value as [`words`] reads it.
fn quoted(value: &str) -> String {
    if value.contains(|c: char| c.is_whitespace() || c == '"') {
        format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        value.to_owned()
    }
}

impl Filtered for Row {
    fn status(&self) -> Option<Status> {
        self.status.parse().ok()
    }

    fn queue(&self) -> &str {
        &self.queue
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// The names of its failure are the cell's to know: with one at all, it can be.
    fn failed_with(&self, _: &str) -> bool {
        !self.error.is_empty()
    }

    fn exit_code(&self) -> Option<i64> {
        self.exit_code
    }

    fn cause_has(&self, wanted: &str) -> bool {
        may_be_found(wanted, &self.cause)
    }

    fn task_definition(&self) -> &str {
        &self.task_definition
    }

    fn cluster(&self) -> &str {
        &self.cluster
    }

    fn submitted_at(&self) -> Timestamp {
        self.submitted_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Filter, String> {
        Filter::parse(text, Timestamp::from_millis(86_400_000))
    }

    #[test]
    fn reads_what_is_typed() {
        let typed = "failed,TIMED_OUT queue=a error=Taskwatch.Spot name=x:1 taskDefinition=etl:7 cluster=b";
        let filter = parse(typed).expect("a filter");
        let text = "status=FAILED,TIMED_OUT queue=a error=Taskwatch.Spot name=x:1 task=etl:7 cluster=b";
        assert_eq!((filter.text().as_str(), parse(text)), (text, Ok(filter.clone())));
        assert!(filter.query().contains(&("taskDefinition", "etl:7".to_owned())));
        for (word, name) in [(" nightly ", "*nightly*"), ("night*", "night*"), ("name=nightly", "nightly")] {
            assert_eq!(parse(word).map(|f| f.text()), Ok(format!("name={name}")));
        }
        assert_eq!(parse("queue="), Ok(Filter::default()));
        for (wrong, part) in [
            ("status=LOST", "LOST is not a status"),
            ("kind=x", "kind="),
            ("a b", "name= is given twice"),
            ("exit=x", "exit=x is no exit code"),
            ("since=yesterday", "since is \"yesterday\": expected a duration"),
        ] {
            assert!(parse(wrong).is_err_and(|why| why.contains(part)), "{wrong}");
        }
    }

    #[test]
    fn a_text_with_blanks_is_quoted_and_a_time_stays_as_it_was_typed() {
        let text = r#"exit=3 cause="container \"etl\" exited with *" since=1h"#;
        let filter = parse(text).expect("a filter");
        assert_eq!((filter.text().as_str(), parse(&filter.text())), (text, Ok(filter.clone())));
        let query = filter.query();
        assert!(query.contains(&("cause", "container \"etl\" exited with *".to_owned())), "{query:?}");
        assert!(query.contains(&("since", "1970-01-01T23:00:00.000Z".to_owned())), "{query:?}");
        assert_eq!(Filter::of_query(query, Timestamp::default()).expect("a filter").query(), filter.query());
        assert_eq!(words(r#"a "b c"d "" "e"#), ["a", "b cd", "", "e"]);
    }

    #[test]
    fn a_group_of_failures_narrows_it() {
        let group = CauseGroup {
            status: "FAILED".into(),
            error: Some("E".into()),
            exit_code: Some(3),
            cause_pattern: Some("no *".into()),
            ..CauseGroup::default()
        };
        let narrowed = parse("name=fleet cluster=b since=1h").expect("a filter").failed_so(&group);
        assert_eq!(narrowed.text(), "status=FAILED error=E exit=3 cause=\"no *\" name=fleet cluster=b since=1h");
    }

    #[test]
    fn holds_a_run_against_it() {
        let row = Row {
            name: "fleet/3".into(),
            status: "FAILED".into(),
            queue: "a".into(),
            task_definition: "etl:7".into(),
            exit_code: Some(3),
            cause: "no disk is left".into(),
            ..Row::default()
        };
        for (text, fits) in [
            ("", true),
            ("name=fleet", true),
            ("lee", true),
            ("eet/3", true),
            ("fleet/4", false),
            ("name=lee", false),
            ("task=etl", true),
            ("task=etl:8", false),
            ("FAILED,ABORTED", true),
            ("QUEUED", false),
            ("queue=b", false),
            ("error=Taskwatch.Spot", false),
            ("exit=3", true),
            ("exit=4", false),
            ("cause=DISK", true),
            ("cause=\"no disk *\"", true),
            ("cause=disk*", false),
            ("since=1h", false),
        ] {
            assert_eq!(parse(text).map(|filter| filter.fits(&row)), Ok(fits), "{text}");
        }
        let failed = Row { error: "SpotInterruption".into(), ..row };
        assert!(parse("error=Taskwatch.Spot").is_ok_and(|filter| filter.fits(&failed)));
    }
}
