//! What `setup` is asked for, and whether AWS can have it: names are checked before anything is called.

use super::SetupError;
use super::owner::Owner;

/// A queue's name has at most 80 characters (Amazon SQS quotas).
const LONGEST_QUEUE: usize = 80;
/// A rule's name has at most 64 characters (EventBridge API reference, PutRule).
const LONGEST_RULE: usize = 64;
/// A topic's name has at most 256 characters (SNS API reference, CreateTopic).
const LONGEST_TOPIC: usize = 256;
/// A table's name has 3 to 255 characters (DynamoDB API reference, CreateTable).
const TABLE_NAME: std::ops::RangeInclusive<usize> = 3..=255;
/// Each cell has a rule on the default bus, which has 300 unless AWS is asked for more (EventBridge quotas).
const MOST_CELLS: u32 = 256;

/// What is to be made: the event pipeline of a cell, or those of a fleet's cells with their table.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The cell's name, the prefix of every `startedBy`; or the fleet's, whose cells are `<name>-0`, `<name>-1`, …
    pub name: String,
    /// Of a fleet.
    pub fleet: Option<FleetAsk>,
    /// Of a cell without a fleet that keeps its runs in a table: the table's name.
    pub table: Option<String>,
    /// Clusters, by name or ARN, to whose tasks the rules are limited. None: every cluster.
    pub clusters: Vec<String>,
    /// Name of the requests queue, which cells may share; else `<name>-requests`.
    pub requests_queue: Option<String>,
    /// The topic of notifications: a name, or the ARN of one that is there already; else `<name>-runs`.
    pub topic: Option<String>,
    /// A bus that gets the notifications too.
    pub event_bus: Option<String>,
    /// Whether the cell, or the first of the fleet, observes what others launch.
    pub observe: bool,
}

/// What a fleet has beside a cell's things.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FleetAsk {
    /// How many cells; none: as many as there are.
    pub cells: Option<u32>,
    /// Name of its table.
    pub table: String,
}

impl Ask {
    /// Refuses what AWS would refuse, by name.
    ///
    /// # Errors
    /// The first thing that is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), SetupError> {
        self.check_name()?;
        if let Some(fleet) = &self.fleet {
            fleet.check()?;
        }
        self.table_name().map_or(Ok(()), check_table)?;
        let requests = self.requests();
        name("--requests-queue", &requests, LONGEST_QUEUE - "-dlq".len(), "queue")?;
        if !self.topic().starts_with("arn:") {
            name("--topic", &self.topic(), LONGEST_TOPIC, "topic")?;
        } else if self.topic().split(':').count() != 6 || self.topic().split(':').nth(2) != Some("sns") {
            return Err(SetupError::usage(format!("--topic is {:?}: expected a name or a topic's ARN", self.topic())));
        }
        let is_events = |cell: &Member| requests == cell.events() || requests == format!("{}-dlq", cell.events());
        if self.cells().iter().any(is_events) {
            return Err(SetupError::usage(format!(
                "--requests-queue is {requests:?}: that is the cell's events queue"
            )));
        }
        Ok(())
    }

    /// The name of the table, of a fleet or of a cell that has one.
    pub(super) fn table_name(&self) -> Option<&str> {
        self.fleet.as_ref().map(|fleet| fleet.table.as_str()).or(self.table.as_deref())
    }

    fn check_name(&self) -> Result<(), SetupError> {
        let (flag, most) = match &self.fleet {
            None => ("--cell", 0),
            Some(_) => ("--fleet", "-255".len()),
        };
        if self.name.is_empty() || !self.name.chars().all(plain) {
            return Err(SetupError::usage(format!(
                "{flag} is {:?}: expected characters of A-Z a-z 0-9 - _",
                self.name
            )));
        }
        let longest = LONGEST_RULE - "-events".len() - most;
        if self.name.len() > longest {
            let rule = self.cells().pop().unwrap_or_else(|| self.member(MOST_CELLS - 1)).rule();
            return Err(SetupError::usage(format!(
                "{flag} is {:?}: a rule would be {rule:?}, and a rule's name has at most {LONGEST_RULE} characters; take a name of at most {longest}",
                self.name
            )));
        }
        Ok(())
    }

    /// The cells: one, or those of the fleet as far as their number is known.
    pub(super) fn cells(&self) -> Vec<Member> {
        match &self.fleet {
            None => vec![Member { name: self.name.clone(), owner: Owner::cell(&self.name), number: None }],
            Some(fleet) => (0..fleet.cells.unwrap_or(0)).map(|number| self.member(number)).collect(),
        }
    }

    /// The cell that observes, if one is to.
    pub(super) fn observer(&self) -> Member {
        match &self.fleet {
            None => Member { name: self.name.clone(), owner: Owner::cell(&self.name), number: None },
            Some(_) => self.member(0),
        }
    }

    /// A fleet's cell by its number.
    pub(super) fn member(&self, number: u32) -> Member {
        let name = format!("{}-{number}", self.name);
        Member { owner: Owner::member(&name, &self.name), name, number: Some(number) }
    }

    /// For whom everything is made that is no single cell's of a fleet.
    pub(super) fn owner(&self) -> Owner {
        match &self.fleet {
            None => Owner::cell(&self.name),
            Some(_) => Owner::fleet(&self.name),
        }
    }

    /// The requests queue's name.
    pub(super) fn requests(&self) -> String {
        self.requests_queue.clone().unwrap_or_else(|| format!("{}-requests", self.name))
    }

    /// The topic's name or ARN.
    pub(super) fn topic(&self) -> String {
        self.topic.clone().unwrap_or_else(|| self.own_topic())
    }

    /// The name of the topic that is made unless another is asked for.
    pub(super) fn own_topic(&self) -> String {
        format!("{}-runs", self.name)
    }
}

impl FleetAsk {
    fn check(&self) -> Result<(), SetupError> {
        if let Some(cells) = self.cells.filter(|cells| !(1..=MOST_CELLS).contains(cells)) {
            return Err(SetupError::usage(format!("--cells is {cells}: expected 1 to {MOST_CELLS}")));
        }
        Ok(())
    }
}

fn check_table(table: &str) -> Result<(), SetupError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !TABLE_NAME.contains(&table.len()) || !table.chars().all(fits) {
        return Err(SetupError::usage(format!(
            "--store is {:?}: a table's name has 3 to 255 characters of A-Z a-z 0-9 - _ .",
            format!("dynamodb:{table}")
        )));
    }
    Ok(())
}

/// A cell whose event pipeline is made.
#[derive(Clone, Debug)]
pub(in crate::aws) struct Member {
    pub(super) name: String,
    pub(super) owner: Owner,
    /// In its fleet, from 0.
    pub(super) number: Option<u32>,
}

impl Member {
    /// The rule's name.
    pub(super) fn rule(&self) -> String {
        format!("{}-events", self.name)
    }

    /// The rule's name that lets in the ends of others' tasks.
    pub(in crate::aws) fn tasks_rule(cell: &str) -> String {
        format!("{cell}-tasks")
    }

    /// The rule's name that lets in others' RunTask calls.
    pub(in crate::aws) fn calls_rule(cell: &str) -> String {
        format!("{cell}-calls")
    }

    /// Whether it is the one of its fleet that observes.
    pub(super) fn is_first(&self) -> bool {
        self.number.is_none_or(|number| number == 0)
    }

    /// The events queue's name.
    pub(super) fn events(&self) -> String {
        format!("{}-events", self.name)
    }
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_".contains(c)
}

fn name(flag: &str, name: &str, longest: usize, what: &str) -> Result<(), SetupError> {
    if name.ends_with(".fifo") {
        let why = match what {
            "topic" => "a FIFO topic is not made here; give the ARN of one that is there",
            _ => "taskwatch takes requests in any order and dedupes by name: give a standard queue",
        };
        return Err(SetupError::usage(format!("{flag} is {name:?}: {why}")));
    }
    if name.is_empty() || name.len() > longest || !name.chars().all(plain) {
        return Err(SetupError::usage(format!(
            "{flag} is {name:?}: a {what} here has 1 to {longest} characters of A-Z a-z 0-9 - _"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(cell: &str) -> Ask {
        Ask { name: cell.into(), ..Ask::default() }
    }

    fn fleet(name: &str, cells: u32, table: &str) -> Ask {
        Ask { fleet: Some(FleetAsk { cells: Some(cells), table: table.into() }), ..ask(name) }
    }

    #[test]
    fn what_aws_would_refuse_is_refused_by_name() {
        let with = |change: fn(&mut Ask)| {
            let mut ask = ask("blue");
            change(&mut ask);
            ask
        };
        for (ask, part) in [
            (ask(""), "--cell is \"\""),
            (ask("a b"), "--cell is \"a b\""),
            (ask(&"c".repeat(58)), "take a name of at most 57"),
            (with(|a| a.requests_queue = Some("q.fifo".into())), "give a standard queue"),
            (with(|a| a.requests_queue = Some("q".repeat(77))), "1 to 76 characters"),
            (with(|a| a.requests_queue = Some("blue-events".into())), "the cell's events queue"),
            (with(|a| a.topic = Some("t.fifo".into())), "FIFO topic"),
            (with(|a| a.topic = Some("arn:aws:sqs:us-east-1:1:q".into())), "topic's ARN"),
            (fleet("a b", 4, "runs"), "--fleet is \"a b\""),
            (fleet(&"f".repeat(54), 4, "runs"), "take a name of at most 53"),
            (fleet("blue", 0, "runs"), "--cells is 0: expected 1 to 256"),
            (fleet("blue", 257, "runs"), "--cells is 257"),
            (fleet("blue", 4, "a"), "--store is \"dynamodb:a\""),
            (fleet("blue", 4, "a/b"), "3 to 255 characters"),
            (with(|a| a.table = Some("a".into())), "--store is \"dynamodb:a\""),
            (
                Ask { requests_queue: Some("blue-3-events".into()), ..fleet("blue", 4, "runs") },
                "the cell's events queue",
            ),
        ] {
            let error = ask.check().unwrap_err();
            assert!(error.to_string().contains(part) && error.is_usage(), "{error}");
        }
        ask(&"c".repeat(57)).check().unwrap();
        fleet(&"f".repeat(53), 256, "a.b-c_d").check().unwrap();
        with(|a| a.topic = Some("arn:aws:sns:us-east-1:1:t.fifo".into())).check().unwrap();
    }
}
