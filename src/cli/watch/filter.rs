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

impl Filter {
    /// Reads `status=FAILED queue=team-a error=Taskwatch.Spot name=nightly`; a word alone is a status or a name.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut members: BTreeMap<String, &str> = BTreeMap::new();
        for word in text.split_whitespace() {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key.to_ascii_lowercase(), value),
                None if word.split(',').all(|word| word.parse::<Status>().is_ok()) => ("status".to_owned(), word),
                None => ("name".to_owned(), word),
            };
            if !["status", "queue", "error", "name"].contains(&key.as_str()) {
                return Err(format!("{key}= is unknown: status= queue= error= name="));
            }
            if members.insert(key.clone(), value).is_some() {
                return Err(format!("{key} is there twice"));
            }
        }
        let get = |key: &str| members.get(key).copied().filter(|value| !value.is_empty());
        let status = |name: &str| {
            name.parse().map_err(|_| format!("{name} is no status: {} {}", OPEN.join(" "), ENDED.join(" ")))
        };
        let statuses = |names: &str| names.split(',').map(status).collect::<Result<_, _>>();
        Ok(Self(RunFilter {
            statuses: get("status").map(statuses).transpose()?,
            queue: get("queue").map(str::to_owned),
            error: get("error").map(str::to_owned),
            name: get("name").map(str::to_owned),
            ..RunFilter::default()
        }))
    }

    /// The members of a query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let RunFilter { statuses, queue, error, name, .. } = &self.0;
        let named = |all: &Vec<Status>| all.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(",");
        let members = [
            ("status", statuses.as_ref().map(named)),
            ("queue", queue.clone()),
            ("error", error.clone()),
            ("name", name.clone()),
        ];
        members.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// As it is typed.
    pub(super) fn text(&self) -> String {
        self.query().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
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
        let filter = Filter::parse("failed,TIMED_OUT queue=a error=Taskwatch.Spot name=x:1").expect("a filter");
        assert_eq!(filter.text(), "status=FAILED,TIMED_OUT queue=a error=Taskwatch.Spot name=x:1");
        assert_eq!(Filter::parse(" nightly ").map(|f| f.text()), Ok("name=nightly".to_owned()));
        assert_eq!(Filter::parse("queue="), Ok(Filter::default()));
        for (wrong, part) in [("status=LOST", "LOST is no status"), ("kind=x", "kind="), ("a b", "name is there twice")]
        {
            assert!(Filter::parse(wrong).is_err_and(|why| why.contains(part)), "{wrong}");
        }
    }

    #[test]
    fn holds_a_run_against_it() {
        let row = Row { name: "fleet/3".into(), status: "FAILED".into(), queue: "a".into(), ..Row::default() };
        for (text, fits) in [
            ("", true),
            ("fleet", true),
            ("fleet/3", true),
            ("fleet/4", false),
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
