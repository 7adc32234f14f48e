//! What an operator can have done: stop, redrive, pause, resume.

use super::data::{Pause, Summary};
use crate::core::name::in_arn;

/// One order to the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// A run's id and name.
    Stop(String, String),
    Redrive(String, String),
    Pause(Pause),
    Resume(Pause),
}

impl Order {
    /// What a person is asked.
    pub(super) fn question(&self) -> String {
        match self {
            Self::Stop(_, name) => format!("Stop {name}?"),
            Self::Redrive(_, name) => format!("Begin {name} again?"),
            Self::Pause(pause) => format!("Pause {pause}?"),
            Self::Resume(pause) => format!("Resume {pause}?"),
        }
    }

    /// What follows from it.
    pub(super) fn meaning(&self) -> &'static str {
        match self {
            Self::Stop(..) => "Its task is stopped, and the run ends as ABORTED.",
            Self::Redrive(..) => "Retries and timeoutSeconds count anew; attempts are numbered on.",
            Self::Pause(_) => "What is paused waits as QUEUED and uses up no attempt.",
            Self::Resume(_) => "What waits is launched, as fast as the limits allow.",
        }
    }

    /// What is said once the cell has taken it.
    pub(super) fn done(&self) -> String {
        match self {
            Self::Stop(_, name) => format!("asked {name} to stop"),
            Self::Redrive(_, name) => format!("begun again: {name}"),
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
    for pause in by_hand.iter().cloned().chain(by_breaker) {
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
    use super::super::data::{Limits, OpenBreaker};
    use super::*;

    #[test]
    fn what_concerns_the_run_comes_first_and_nothing_twice() {
        let pauses = vec![Pause::Queue("other".into()), Pause::TaskDefinition("etl:7".into())];
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
}
