//! How much a cell may do at once, and what is paused: changed while it runs, and kept over restarts.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::door::Commit;
use super::{Cell, CellConfig, Inner};
use crate::store::Change;

/// The note in the store.
pub(super) const NOTE: &str = "limits";

/// Runs that are not launched for now: they wait as `QUEUED`, and it costs them no attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Hold {
    /// All runs of a queue.
    Queue(String),
    /// All runs of a task definition: `family:revision`, or every revision of a `family`.
    TaskDefinition(String),
}

impl Hold {
    /// An ARN's last part is what counts.
    fn plainly(self) -> Self {
        match self {
            Self::TaskDefinition(name) => Self::TaskDefinition(plain(&name).to_owned()),
            queue => queue,
        }
    }

    /// Whether it is for this task definition, `family:revision` or `family`.
    pub(super) fn is_for(&self, definition: &str) -> bool {
        match self {
            Self::Queue(_) => false,
            Self::TaskDefinition(name) if name.contains(':') => definition == *name,
            Self::TaskDefinition(family) => definition.split(':').next() == Some(family),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Queue(name) | Self::TaskDefinition(name) => name,
        }
    }
}

/// The name in an ARN, or the name itself: `family:revision`, a cluster's name.
pub(super) fn plain(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Tasks a second, of each kind of capacity that has a launch rate.
    pub run_task_rate: f64,
    /// Tasks at once after a rest.
    pub run_task_burst: u32,
    /// Most runs that may have a task.
    pub max_in_flight: usize,
    /// Most tasks in PROVISIONING in a cluster.
    pub max_provisioning: usize,
    /// What is paused.
    pub holds: Vec<Hold>,
}

/// A change to the limits; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsChange {
    /// First, everything that was ever changed goes back to the cell's settings. Holds stay.
    pub reset: bool,
    /// Tasks a second.
    #[schema(exclusive_minimum = 0.0)]
    pub run_task_rate: Option<f64>,
    /// Tasks at once after a rest.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64)]
    pub run_task_burst: Option<u32>,
    /// Most runs that may have a task.
    #[schema(minimum = 1)]
    pub max_in_flight: Option<usize>,
    /// Most tasks in PROVISIONING in a cluster.
    pub max_provisioning: Option<usize>,
    /// What is not to be launched any more.
    pub pause: Vec<Hold>,
    /// What is to be launched again; a task definition also if it was paused because it failed again and again.
    pub resume: Vec<Hold>,
}

/// Why limits cannot be changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitsError {
    /// A value that cannot be: which, and what may be.
    #[error("{0}")]
    Wrong(String),
    /// The cell takes nothing more.
    #[error("the cell is shutting down; change the limits of the next one")]
    Closed,
}

/// What was changed while a cell ran. Kept as the store's note.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Standing {
    #[serde(skip_serializing_if = "Option::is_none")]
    run_task_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_task_burst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_provisioning: Option<usize>,
    holds: BTreeSet<Hold>,
}

impl Standing {
    /// What an earlier process noted. A note that cannot be read is no reason not to start, but must not go unseen.
    pub(super) fn read(note: Option<&String>) -> Self {
        let Some(note) = note else { return Self::default() };
        let standing = serde_json::from_str(note).unwrap_or_else(|error| {
            tracing::error!(%error, note, "the limits in the store cannot be read: the settings hold, and nothing is paused");
            Self::default()
        });
        if standing != Self::default() {
            tracing::info!(limits = note, "limits as they were changed before the restart");
        }
        standing
    }

    /// These on top of the cell's settings.
    pub(super) fn over(&self, config: &CellConfig) -> Limits {
        Limits {
            run_task_rate: self.run_task_rate.unwrap_or(config.run_task_rate),
            run_task_burst: self.run_task_burst.unwrap_or(config.run_task_burst),
            max_in_flight: self.max_in_flight.unwrap_or(config.max_in_flight),
            max_provisioning: self.max_provisioning.unwrap_or(config.max_provisioning),
            holds: self.holds.iter().cloned().collect(),
        }
    }

    fn changed(&self, change: LimitsChange) -> Result<Self, LimitsError> {
        let wrong = |what: &str, value: String, allowed: &str| {
            Err(LimitsError::Wrong(format!("{what} is {value}: expected {allowed}")))
        };
        if let Some(rate) = change.run_task_rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return wrong(
                "runTaskRate",
                rate.to_string(),
                "a number of tasks a second above 0; use pause to stop launches",
            );
        }
        let whole = [
            ("runTaskBurst", change.run_task_burst.map(|n| n as usize)),
            ("maxInFlight", change.max_in_flight),
            ("maxProvisioning", change.max_provisioning),
        ];
        if let Some((name, _)) = whole.into_iter().find(|(_, value)| *value == Some(0)) {
            return wrong(name, "0".into(), "a whole number above 0; use pause to stop launches");
        }
        if change.pause.iter().chain(&change.resume).any(|hold| hold.name().trim().is_empty()) {
            return wrong("a name in pause or resume", "empty".into(), "a queue or a task definition");
        }
        let (resume, pause) =
            (change.resume.into_iter().map(Hold::plainly), change.pause.into_iter().map(Hold::plainly));
        let mut holds = self.holds.clone();
        for hold in resume {
            holds.remove(&hold);
        }
        holds.extend(pause);
        let base = if change.reset { &Self::default() } else { self };
        Ok(Self {
            run_task_rate: change.run_task_rate.or(base.run_task_rate),
            run_task_burst: change.run_task_burst.or(base.run_task_burst),
            max_in_flight: change.max_in_flight.or(base.max_in_flight),
            max_provisioning: change.max_provisioning.or(base.max_provisioning),
            holds,
        })
    }
}

impl Cell {
    /// The limits and pauses in force.
    pub fn limits(&self) -> Limits {
        self.inner.limits()
    }

    /// Changes limits and pauses; durable, and in force, when this answers.
    ///
    /// # Errors
    /// [`LimitsError::Wrong`] names the value that cannot be; [`LimitsError::Closed`] once the cell has ended.
    pub async fn change_limits(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        // To its end, though whoever asked may go away meanwhile: what is durable must also be in force.
        let inner = Arc::clone(&self.inner);
        let changing = self.inner.tasks.spawn(async move { inner.change_limits(change).await });
        changing.await.map_err(|_| LimitsError::Closed)?
    }
}

impl Inner {
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn change_limits(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        let _one_at_a_time = self.changing.lock().await;
        let resumed: Vec<Hold> = change.resume.iter().cloned().map(Hold::plainly).collect();
        let next = self.standing().changed(change)?;
        let text = serde_json::to_string(&next).map_err(|e| LimitsError::Wrong(e.to_string()))?;
        let (commit, durable) = Commit::bare(vec![Change::Note { name: NOTE, text }]);
        let permit = self.commits.reserve().await.map_err(|_| LimitsError::Closed)?;
        self.resume(&resumed, commit, |commit| permit.send(commit));
        durable.await.map_err(|_| LimitsError::Closed)?;
        *self.standing() = next;
        let limits = self.limits();
        tracing::info!(limits = serde_json::to_string(&limits).unwrap_or_default(), "limits were changed");
        self.enforce(&limits);
        self.keep_gate();
        Ok(limits)
    }

    pub(super) fn limits(&self) -> Limits {
        self.standing().over(&self.config)
    }

    /// Puts limits in force: what waits is looked at anew.
    pub(super) fn enforce(&self, limits: &Limits) {
        self.governor.set_rate(limits.run_task_rate, limits.run_task_burst);
        let holds = limits.holds.iter().cloned().collect();
        self.launch_queue().set_holds(holds);
        self.look_again.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(name: &str) -> Hold {
        Hold::Queue(name.into())
    }

    #[test]
    fn what_is_left_out_stays_and_a_reset_goes_back_to_the_settings() {
        let config = CellConfig::new("c");
        let change = LimitsChange { run_task_rate: Some(2.5), pause: vec![queue("a")], ..LimitsChange::default() };
        let first = Standing::default().changed(change).unwrap();
        let second = first.changed(LimitsChange { max_in_flight: Some(7), ..LimitsChange::default() }).unwrap();
        let limits = second.over(&config);
        assert_eq!((limits.run_task_rate, limits.run_task_burst, limits.max_in_flight), (2.5, 100, 7));
        assert_eq!(limits.holds, [queue("a")]);
        let third = second.changed(LimitsChange { reset: true, run_task_burst: Some(3), ..LimitsChange::default() });
        let limits = third.unwrap().over(&config);
        assert_eq!((limits.run_task_rate, limits.run_task_burst, limits.holds.len()), (20.0, 3, 1));
    }

    #[test]
    fn an_arn_and_its_family_and_revision_are_one_hold() {
        let arn = Hold::TaskDefinition("arn:aws:ecs:eu-west-1:1:task-definition/etl:7".into());
        let held = Standing::default().changed(LimitsChange { pause: vec![arn], ..LimitsChange::default() }).unwrap();
        let resume = vec![Hold::TaskDefinition("etl:7".into())];
        let free = held.changed(LimitsChange { resume, ..LimitsChange::default() }).unwrap();
        assert_eq!((held.holds.len(), free.holds.len()), (1, 0));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let refused = |change| Standing::default().changed(change).unwrap_err().to_string();
        let rate = |rate| refused(LimitsChange { run_task_rate: Some(rate), ..LimitsChange::default() });
        assert!(rate(0.0).contains("runTaskRate is 0") && rate(f64::NAN).contains("NaN"));
        assert!(refused(LimitsChange { max_in_flight: Some(0), ..LimitsChange::default() }).contains("maxInFlight"));
        assert!(refused(LimitsChange { pause: vec![queue(" ")], ..LimitsChange::default() }).contains("empty"));
    }

    #[test]
    fn the_json_is_what_the_api_shows() {
        let change: LimitsChange = serde_json::from_str(
            r#"{"runTaskRate": 5, "pause": [{"queue": "a"}], "resume": [{"taskDefinition": "e"}]}"#,
        )
        .unwrap();
        assert_eq!(change.resume, [Hold::TaskDefinition("e".into())]);
        assert!(serde_json::from_str::<LimitsChange>(r#"{"rate": 5}"#).is_err());
    }
}
