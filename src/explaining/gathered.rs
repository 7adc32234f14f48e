//! What the arguments of one `explain` say together, and its end.

use super::arguments::Format;
use super::shown;
use crate::core::explain::Explained;
use crate::terminal::error::CliError;
use crate::terminal::output;

/// So many broken lines are named; behind them comes how many more there are.
const MOST_NAMED: usize = 20;

/// What is said of an answer in which there is nothing to explain.
const EMPTY: &str = "is valid and holds no task and no failure: check the cluster, the region and the filters (list-tasks leaves out stopped \
                     tasks unless --desired-status STOPPED is given; ECS forgets them after about an hour)";

/// What was found up to now.
#[derive(Debug)]
pub(crate) struct Gathered {
    several: bool,
    all: Explained,
    broken: Vec<String>,
    unknown: bool,
}

impl Gathered {
    /// Nothing yet, of this many sources.
    pub(crate) fn of(sources: usize) -> Self {
        Self { several: sources > 1, all: Explained::default(), broken: Vec::new(), unknown: false }
    }

    /// Adds what one source says. One that is not known does not cost the others.
    pub(crate) fn add(&mut self, source: &str, found: Result<Explained, CliError>) -> Result<(), CliError> {
        let found = match found {
            Err(error) if self.several => {
                output::problem(&output::plain(&error.to_string()));
                self.unknown = true;
                return Ok(());
            }
            found => found?,
        };
        self.broken.extend(found.broken.iter().map(|broken| format!("{source}, {broken}")));
        self.all.tasks.extend(found.tasks);
        self.all.others.extend(found.others);
        self.all.empty += found.empty;
        self.all.skipped += found.skipped;
        Ok(())
    }

    /// Writes all of it. 0, or 1 where a part of the input is no JSON: what is, is explained all the same.
    pub(crate) fn write(self, format: Format) -> Result<u8, CliError> {
        shown::write(&self.all.tasks, format);
        // JSON and tables are for tasks; what else there was is said beside them.
        for other in &self.all.others {
            let line = format!("not a task: {}", output::plain(other));
            if format == Format::Text { output::data(&line) } else { output::problem(&line) }
        }
        match self.all.skipped.saturating_sub(self.all.others.len()) {
            0 => {}
            1 => output::problem("1 document is neither about a task nor an event"),
            n => output::problem(&format!("{n} documents are neither about a task nor an event")),
        }
        match self.all.empty {
            0 => {}
            1 => output::problem(&format!("1 answer {EMPTY}")),
            n => output::problem(&format!("{n} answers: each {EMPTY}")),
        }
        name(&self.broken);
        let nothing = self.all.tasks.is_empty() && self.all.others.is_empty() && self.all.empty == 0;
        if nothing && !self.unknown {
            return Err(CliError::other(
                "nothing to explain: expected ECS task events, answers of DescribeTasks, RunTask or AWS Batch's DescribeJobs, or a reason as \
                 ECS words it; of a text that is not known give the task: aws ecs describe-tasks --cluster CLUSTER --tasks TASK_ARN | taskwatch explain -",
            ));
        }
        Ok(u8::from(!self.broken.is_empty() || self.unknown))
    }
}

/// Says what could not be read.
fn name(broken: &[String]) {
    broken.iter().take(MOST_NAMED).for_each(|line| output::problem(&output::plain(line)));
    match broken.len().saturating_sub(MOST_NAMED) {
        0 => {}
        more => output::problem(&format!("and {more} more that are not JSON")),
    }
}
