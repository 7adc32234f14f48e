//! Which runs are listed: typed in one line, asked of the cell, and held against what the stream brings.

use super::data::Row;

/// The statuses, in the order in which they are shown: the open ones first.
pub(super) const OPEN: [&str; 4] = ["QUEUED", "STARTING", "RUNNING", "PENDING_RETRY"];
pub(super) const ENDED: [&str; 4] = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"];

/// Runs with all of these.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// One, or several with commas.
    pub(super) status: Option<String>,
    pub(super) queue: Option<String>,
    pub(super) error: Option<String>,
    pub(super) name: Option<String>,
}

impl Filter {
    /// Reads `status=FAILED queue=team-a error=Taskwatch.Spot name=nightly`; a word alone is a status or a name.
    ///
    /// # Errors
    /// A line that says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for word in text.split_whitespace() {
            let (key, value) = match word.split_once('=') {
                Some((key, value)) => (key.to_ascii_lowercase(), value),
                None if word.split(',').all(is_status) => ("status".to_owned(), word),
                None => ("name".to_owned(), word),
            };
            let member = match key.as_str() {
                "status" => &mut filter.status,
                "queue" => &mut filter.queue,
                "error" => &mut filter.error,
                "name" => &mut filter.name,
                other => return Err(format!("{other}= is unknown: status= queue= error= name=")),
            };
            if member.is_some() {
                return Err(format!("{key} is there twice"));
            }
            *member = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        if let Some(status) = &mut filter.status {
            if let Some(wrong) = status.split(',').find(|name| !is_status(name)) {
                return Err(format!("{wrong} is no status: {} {}", OPEN.join(" "), ENDED.join(" ")));
            }
            *status = status.to_ascii_uppercase();
        }
        Ok(filter)
    }

    /// The members of a query.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let members = [("status", &self.status), ("queue", &self.queue), ("error", &self.error), ("name", &self.name)];
        members.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }

    /// As it is typed.
    pub(super) fn text(&self) -> String {
        self.query().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }

    /// Whether a run can be among them. The names of its failure are the cell's to know: with one at all, it can.
    pub(super) fn fits(&self, row: &Row) -> bool {
        let request = row.name.split('/').next().unwrap_or_default();
        self.status.as_ref().is_none_or(|wanted| wanted.split(',').any(|status| status == row.status))
            && self.queue.as_ref().is_none_or(|queue| *queue == row.queue)
            && self.name.as_ref().is_none_or(|name| *name == row.name || name == request)
            && (self.error.is_none() || !row.error.is_empty())
    }
}

fn is_status(word: &str) -> bool {
    OPEN.iter().chain(&ENDED).any(|status| status.eq_ignore_ascii_case(word))
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
