//! What an operator can have done: stop, redrive, pause, resume.

use super::data::{Full, Pause, Row, Summary};
use super::filter::ENDED;
use crate::core::name::in_arn;

/// So many names are in a question.
const NAMED: usize = 5;
/// Runs with these can be redriven.
const FAILED: [&str; 3] = ["FAILED", "TIMED_OUT", "ABORTED"];

/// The runs of an order: their ids and names; and how many were marked besides, which it leaves as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Runs {
    pub(super) runs: Vec<(String, String)>,
    left: usize,
}

/// One order to the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Stop(Runs),
    Redrive(Runs),
    Pause(Pause),
    Resume(Pause),
}

/// What is known of a run that an order is to be for.
pub(super) struct Subject<'r> {
    pub(super) id: &'r str,
    pub(super) name: &'r str,
    pub(super) status: &'r str,
}

impl<'r> From<&'r Full> for Subject<'r> {
    fn from(full: &'r Full) -> Self {
        Self { id: &full.run, name: &full.name, status: &full.status }
    }
}

impl<'r> From<&'r Row> for Subject<'r> {
    fn from(row: &'r Row) -> Self {
        Self { id: &row.run, name: &row.name, status: &row.status }
    }
}

/// Stops those that have not ended.
///
/// # Errors
/// Why there is nothing to be stopped.
pub(super) fn stop<'r>(subjects: impl Iterator<Item = Subject<'r>>) -> Result<Order, String> {
    choose(subjects, |status| !ENDED.contains(&status), "it has ended", "all have ended").map(Order::Stop)
}

/// Redrives those that failed, timed out or were aborted.
///
/// # Errors
/// Why there is nothing to be redriven.
pub(super) fn redrive<'r>(subjects: impl Iterator<Item = Subject<'r>>) -> Result<Order, String> {
    let why = "only a run that failed, timed out or was aborted can be redriven";
    choose(subjects, |status| FAILED.contains(&status), why, why).map(Order::Redrive)
}

fn choose<'r>(
    subjects: impl Iterator<Item = Subject<'r>>,
    fits: impl Fn(&str) -> bool,
    one: &str,
    several: &str,
) -> Result<Runs, String> {
    let subjects: Vec<Subject<'r>> = subjects.collect();
    let runs = subjects.iter().filter(|subject| fits(subject.status));
    let runs: Vec<_> = runs.map(|subject| (subject.id.to_owned(), subject.name.to_owned())).collect();
    match (runs.is_empty(), subjects.as_slice()) {
        (false, all) => Ok(Runs { left: all.len() - runs.len(), runs }),
        (true, []) => Err("no run is selected".to_owned()),
        (true, [only]) => Err(format!("{} is {}: {one}", only.name, only.status)),
        (true, all) => Err(format!("none of the {} marked runs: {several}", all.len())),
    }
}

impl Runs {
    /// Its name, or how many there are.
    fn named(&self) -> String {
        match self.runs.as_slice() {
            [(_, name)] => name.clone(),
            runs => format!("{} runs", runs.len()),
        }
    }

    /// Of several, their names; and those that stay as they are.
    fn besides(&self) -> String {
        let mut text = String::new();
        if self.runs.len() > 1 {
            let names: Vec<&str> = self.runs.iter().take(NAMED).map(|(_, name)| name.as_str()).collect();
            text = format!(" They are {}", names.join(", "));
            text += &match self.runs.len() - names.len() {
                0 => ".".to_owned(),
                more => format!(" and {more} more."),
            };
        }
        match self.left {
            0 => text,
            1 => text + " 1 other marked run stays as it is.",
            left => text + &format!(" {left} other marked runs stay as they are."),
        }
    }
}

impl Order {
    /// What a person is asked.
    pub(super) fn question(&self) -> String {
        match self {
            Self::Stop(runs) => format!("Stop {}?", runs.named()),
            Self::Redrive(runs) => format!("Redrive {}?", runs.named()),
            Self::Pause(pause) => format!("Pause {pause}?"),
            Self::Resume(pause) => format!("Resume {pause}?"),
        }
    }

    /// What follows from it.
    pub(super) fn meaning(&self) -> String {
        match self {
            Self::Stop(runs) => {
                format!("ECS is asked to stop the task; then the run ends as ABORTED.{}", runs.besides())
            }
            Self::Redrive(runs) => format!("It is launched again, with all its retries.{}", runs.besides()),
            Self::Pause(_) => "Its runs wait as QUEUED and use up no attempt.".to_owned(),
            Self::Resume(_) => "Its waiting runs are launched, as fast as the limits allow.".to_owned(),
        }
    }

    /// What is said once the cell has taken it.
    pub(super) fn done(&self) -> String {
        match self {
            Self::Stop(runs) => format!("stop requested: {}", runs.named()),
            Self::Redrive(runs) => format!("redriven: {}", runs.named()),
            Self::Pause(pause) => format!("paused {pause}"),
            Self::Resume(pause) => format!("resumed {pause}"),
        }
    }
}

/// What can be paused or resumed: what concerns the run at hand (its queue and its task definition) first.
pub(super) fn choices(run: Option<(&str, &str)>, summary: Option<&Summary>) -> Vec<Order> {
    let by_hand = summary.map_or(&[][..], |summary| &summary.limits.pauses);
    let breakers = summary.map_or(&[][..], |summary| &summary.circuit_breakers);
    let by_breaker = breakers.iter().map(|breaker| Pause::TaskDefinition(breaker.task_definition.clone()));
    // The name in an ARN, as the cell has it.
    let definition = |name: &str| Pause::TaskDefinition(in_arn(name).to_owned());
    let near = run.map(|(queue, task)| [Pause::Queue(queue.to_owned()), definition(task)]);
    let mut paused: Vec<Pause> = Vec::new();
    for pause in by_hand.iter().map(|paused| paused.what.clone()).chain(by_breaker) {
        if !paused.contains(&pause) {
            paused.push(pause);
        }
    }
    let near = near.into_iter().flatten();
    let (resumable, pausable): (Vec<Pause>, Vec<Pause>) = near.partition(|pause| paused.contains(pause));
    paused.retain(|pause| !resumable.contains(pause));
    let resume = resumable.into_iter().chain(paused).map(Order::Resume);
    pausable.into_iter().map(Order::Pause).chain(resume).collect()
}

#[cfg(test)]
mod tests {
    use super::super::data::{Limits, OpenBreaker, Paused};
    use super::*;

    #[test]
    fn what_concerns_the_run_comes_first_and_nothing_twice() {
        let paused = |what| Paused { what, since: None, by: None, reason: None };
        let pauses = [Pause::Queue("other".into()), Pause::TaskDefinition("etl:7".into())].map(paused).to_vec();
        let breakers = vec![OpenBreaker { task_definition: "etl:7".into(), ..OpenBreaker::default() }];
        let summary = Summary {
            limits: Limits { pauses, ..Limits::default() },
            circuit_breakers: breakers,
            ..Summary::default()
        };
        let arn = "arn:aws:ecs:eu-west-1:123456789012:task-definition/etl:7";
        let orders: Vec<String> = choices(Some(("a", arn)), Some(&summary)).iter().map(Order::question).collect();
        assert_eq!(orders, ["Pause queue a?", "Resume task definition etl:7?", "Resume queue other?"]);
        assert!(choices(None, None).is_empty());
    }

    #[test]
    fn a_question_says_how_many_runs_there_are_and_which_stay() {
        let names: Vec<String> = (0..8).map(|n| format!("r{n}")).collect();
        let subject = |name, status| Subject { id: name, name, status };
        let running = names.iter().map(|name| subject(name.as_str(), "RUNNING"));
        let order = stop(running.chain([subject("x", "FAILED"), subject("y", "SUCCEEDED")])).expect("an order");
        assert_eq!((order.question(), order.done()), ("Stop 8 runs?".into(), "stop requested: 8 runs".into()));
        let meaning = order.meaning();
        assert!(
            meaning.ends_with("They are r0, r1, r2, r3, r4 and 3 more. 2 other marked runs stay as they are."),
            "{meaning}"
        );
        let one = redrive([subject("x", "FAILED")].into_iter()).expect("an order");
        assert_eq!(one.question(), "Redrive x?");
        assert_eq!(stop([subject("x", "FAILED")].into_iter()), Err("x is FAILED: it has ended".into()));
        let none = redrive([subject("x", "RUNNING"), subject("y", "QUEUED")].into_iter());
        assert!(none.is_err_and(|why| why.starts_with("none of the 2 marked runs: only a run that failed")));
        assert_eq!(stop([].into_iter()), Err("no run is selected".into()));
    }
}
