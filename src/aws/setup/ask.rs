//! What `setup` is asked for, and whether AWS can have it: names are checked before anything is called.

use super::SetupError;

/// A queue's name has at most 80 characters (Amazon SQS quotas).
const LONGEST_QUEUE: usize = 80;
/// A rule's name has at most 64 characters (EventBridge API reference, PutRule).
const LONGEST_RULE: usize = 64;
/// A topic's name has at most 256 characters (SNS API reference, CreateTopic).
const LONGEST_TOPIC: usize = 256;

/// What the path of one cell is to be.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The cell's name: the prefix of every `startedBy`.
    pub cell: String,
    /// Clusters, by name or ARN, to whose tasks the rule is limited. None: every cluster.
    pub clusters: Vec<String>,
    /// Name of the requests queue, which cells may share; else `<cell>-requests`.
    pub requests_queue: Option<String>,
    /// The topic of notifications: a name, or the ARN of one that is there already; else `<cell>-runs`.
    pub topic: Option<String>,
    /// A bus that gets the notifications too.
    pub event_bus: Option<String>,
}

impl Ask {
    /// Refuses what AWS would refuse, by name.
    ///
    /// # Errors
    /// The first thing that is wrong, and what is allowed.
    pub fn check(&self) -> Result<(), SetupError> {
        if self.cell.is_empty() || !self.cell.chars().all(plain) {
            return Err(SetupError::usage(format!(
                "--cell is {:?}: expected characters of A-Z a-z 0-9 - _",
                self.cell
            )));
        }
        let rule = self.rule();
        if rule.len() > LONGEST_RULE {
            let most = LONGEST_RULE - (rule.len() - self.cell.len());
            return Err(SetupError::usage(format!(
                "--cell is {:?}: its rule would be {rule:?}, and a rule's name has at most {LONGEST_RULE} characters; take a name of at most {most}",
                self.cell
            )));
        }
        let requests = self.requests();
        name("--requests-queue", &requests, LONGEST_QUEUE - "-dlq".len(), "queue")?;
        if !self.topic().starts_with("arn:") {
            name("--topic", &self.topic(), LONGEST_TOPIC, "topic")?;
        } else if self.topic().split(':').count() != 6 || self.topic().split(':').nth(2) != Some("sns") {
            return Err(SetupError::usage(format!("--topic is {:?}: expected a name or a topic's ARN", self.topic())));
        }
        if requests == self.events() || requests == format!("{}-dlq", self.events()) {
            return Err(SetupError::usage(format!(
                "--requests-queue is {requests:?}: that is the cell's events queue"
            )));
        }
        Ok(())
    }

    /// The rule's name.
    pub(super) fn rule(&self) -> String {
        format!("{}-events", self.cell)
    }

    /// The events queue's name.
    pub(super) fn events(&self) -> String {
        format!("{}-events", self.cell)
    }

    /// The requests queue's name.
    pub(super) fn requests(&self) -> String {
        self.requests_queue.clone().unwrap_or_else(|| format!("{}-requests", self.cell))
    }

    /// The topic's name or ARN.
    pub(super) fn topic(&self) -> String {
        self.topic.clone().unwrap_or_else(|| self.own_topic())
    }

    /// The name of the topic that is made unless another is asked for.
    pub(super) fn own_topic(&self) -> String {
        format!("{}-runs", self.cell)
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
        Ask { cell: cell.into(), ..Ask::default() }
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
        ] {
            let error = ask.check().unwrap_err();
            assert!(error.to_string().contains(part) && error.is_usage(), "{error}");
        }
        ask(&"c".repeat(57)).check().unwrap();
        with(|a| a.topic = Some("arn:aws:sns:us-east-1:1:t.fifo".into())).check().unwrap();
    }
}
