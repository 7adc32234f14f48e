//! Which runs are listed: typed in one line, asked of the cell, and held against what the stream brings.

use std::collections::BTreeMap;

use super::data::Row;
use crate::core::filter::{Filtered, RunFilter};
use crate::core::run::Status;
use crate::core::time::Timestamp;

/// The statuses, in the order in which they are shown: the open ones first.
pub(super) const OPEN: [&str; 4] = ["QUEUED", "STARTING", "RUNNING", "PENDING_RETRY"];
pub(super) const ENDED: [&str; 4] = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];

/// What is typed, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter(RunFilter);

/// What a filter can name: as it is typed, and as the cell's API has it.
const KEYS: [(&str, &str); 6] = [
    ("status", "status"),
    ("queue", "queue"),
    ("error", "error"),
    ("name", "name"),
    ("task", "taskDefinition"),
    ("cluster", "cluster"),
];

impl Filter {
    /// Reads `status=FAILED queue=team-a error=Spot name=nightly task=etl:7`; a word alone is a status or a part of a name.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut members: BTreeMap<&str, String> = BTreeMap::new();
        for word in text.split_whitespace() {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key, value.to_owned()),
                None if word.split(',').all(|word| word.parse::<Status>().is_ok()) => ("status", word.to_owned()),
                None if word.contains(['*', '?']) => ("name", word.to_owned()),
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
        let mut get = |key: &str| members.remove(key).filter(|value| !value.is_empty());
        let status = |name: &str| {
            let known = OPEN.iter().chain(&ENDED).copied().collect::<Vec<_>>().join(" ");
            name.parse().map_err(|_| format!("{name} is not a status; known are {known}"))
        };
        let statuses = |names: String| names.split(',').map(status).collect::<Result<_, _>>();
        Ok(Self(RunFilter {
            statuses: get("status").map(statuses).transpose()?,
            queue: get("queue"),
            error: get("error"),
            name: get("name"),
            task_definition: get("task"),
            cluster: get("cluster"),
            since: None,
        }))
    }

    /// What it narrows by, by the key as it is typed and by the API's.
    fn members(&self) -> impl Iterator<Item = (&'static str, &'static str, String)> {
        let RunFilter { statuses, queue, error, name, task_definition, cluster, since: _ } = self.0.clone();
        let named = |all: Vec<Status>| all.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(",");
        let values = [statuses.map(named), queue, error, name, task_definition, cluster];
        KEYS.into_iter().zip(values).filter_map(|((key, api), value)| Some((key, api, value?)))
    }

    /// The members of a query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        self.members().map(|(_, api, value)| (api, value)).collect()
    }

    /// As it is typed.
    pub(super) fn text(&self) -> String {
        self.members().map(|(key, _, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }

    /// Whether a run can be among them.
    pub(super) fn fits(&self, row: &Row) -> bool {
        self.0.fits(row)
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

    #[test]
    fn reads_what_is_typed() {
        let typed = "failed,TIMED_OUT queue=a error=Taskwatch.Spot name=x:1 taskDefinition=etl:7 cluster=b";
        let filter = Filter::parse(typed).expect("a filter");
        let text = "status=FAILED,TIMED_OUT queue=a error=Taskwatch.Spot name=x:1 task=etl:7 cluster=b";
        assert_eq!((filter.text().as_str(), Filter::parse(text)), (text, Ok(filter.clone())));
        assert!(filter.query().contains(&("taskDefinition", "etl:7".to_owned())));
        for (word, name) in [(" nightly ", "*nightly*"), ("night*", "night*"), ("name=nightly", "nightly")] {
            assert_eq!(Filter::parse(word).map(|f| f.text()), Ok(format!("name={name}")));
        }
        assert_eq!(Filter::parse("queue="), Ok(Filter::default()));
        for (wrong, part) in
            [("status=LOST", "LOST is not a status"), ("kind=x", "kind="), ("a b", "name= is given twice")]
        {
            assert!(Filter::parse(wrong).is_err_and(|why| why.contains(part)), "{wrong}");
        }
    }

    #[test]
    fn holds_a_run_against_it() {
        let row = Row {
            name: "fleet/3".into(),
            status: "FAILED".into(),
            queue: "a".into(),
            task_definition: "etl:7".into(),
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
        ] {
            assert_eq!(Filter::parse(text).map(|filter| filter.fits(&row)), Ok(fits), "{text}");
        }
        let failed = Row { error: "SpotInterruption".into(), ..row };
        assert!(Filter::parse("error=Taskwatch.Spot").is_ok_and(|filter| filter.fits(&failed)));
    }
}
