//! How much a cell may do at once, and what is paused: changed while it runs, and kept over restarts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use crate::cell::config::CellConfig;
use crate::core::name;
use crate::core::time::Timestamp;

/// What is kept of who pauses something, and of why.
const SAID_CHARS: usize = 200;

/// Runs that are not launched for now: they wait as `QUEUED`, and it costs them no attempt.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Pause {
    /// All runs of a queue.
    Queue(String),
    /// All runs of a task definition: `family:revision`, or every revision of a `family`.
    TaskDefinition(String),
}

impl Pause {
    /// An ARN's last part is what counts.
    pub(in crate::cell) fn plainly(self) -> Self {
        match self {
            Self::TaskDefinition(name) => Self::TaskDefinition(name::in_arn(&name).to_owned()),
            queue => queue,
        }
    }

    /// Whether it is for this task definition, `family:revision` or `family`.
    pub(in crate::cell) fn is_for(&self, definition: &str) -> bool {
        match self {
            Self::Queue(_) => false,
            Self::TaskDefinition(name) => name::is_of_definition(name, definition),
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Queue(name) | Self::TaskDefinition(name) => name,
        }
    }
}

/// A pause in force: what is paused, and what is known of who did it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Paused {
    /// What is paused.
    #[serde(flatten)]
    pub what: Pause,
    /// Since when; releases that did not keep it left it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    pub since: Option<Timestamp>,
    /// Who paused it, as they named themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub by: Option<String>,
    /// Why, as they said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// What is in force.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Tasks a second, of each kind of capacity that has a launch rate.
    pub run_task_rate: f64,
    /// Tasks at once after a rest.
    pub run_task_burst: u32,
    /// Most tasks that there may be: one counts until ECS has taken it down.
    pub max_in_flight: usize,
    /// Most tasks in PROVISIONING in a cluster.
    pub max_provisioning: usize,
    /// What is paused.
    pub pauses: Vec<Paused>,
}

/// A change to the limits; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitsChange {
    /// First, everything that was ever changed goes back to the cell's settings. Pauses stay.
    pub reset: bool,
    /// Tasks a second.
    #[schema(exclusive_minimum = 0.0)]
    pub run_task_rate: Option<f64>,
    /// Tasks at once after a rest.
    #[schema(value_type = Option<u64>, minimum = 1, maximum = 4_294_967_295_u64)]
    pub run_task_burst: Option<u32>,
    /// Most tasks that there may be: one counts until ECS has taken it down.
    #[schema(minimum = 1)]
    pub max_in_flight: Option<usize>,
    /// Most tasks in PROVISIONING in a cluster.
    pub max_provisioning: Option<usize>,
    /// What is not to be launched any more.
    pub pause: Vec<Pause>,
    /// What is to be launched again; a task definition also if it was paused because it failed repeatedly.
    pub resume: Vec<Pause>,
    /// Who asks for it: kept with what is paused, and logged. The first 200 characters.
    pub by: Option<String>,
    /// Why: kept with what is paused, and logged. The first 200 characters.
    pub reason: Option<String>,
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
    /// The fleet's table does not take it.
    #[error("the limits of the fleet were not changed: {0}; send the change again")]
    Table(String),
}

/// What was changed while a cell ran. Kept as a note of the store.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::cell) struct LimitOverrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    run_task_rate: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_task_burst: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_provisioning: Option<usize>,
    #[serde(alias = "holds")]
    pauses: Vec<Paused>,
}

impl LimitOverrides {
    /// What an earlier process noted. A note that cannot be read is no reason not to start, but must not go unseen.
    pub(in crate::cell) fn read(note: Option<&String>) -> Self {
        let Some(note) = note else { return Self::default() };
        let overrides = serde_json::from_str(note).unwrap_or_else(|error| {
            tracing::error!(%error, note, "the limits in the store cannot be read: the settings apply, and nothing is paused");
            Self::default()
        });
        if overrides != Self::default() {
            tracing::info!(limits = note, "limits as they were changed before the restart");
        }
        overrides
    }

    /// The limits that are in force: these, and otherwise the settings of a cell.
    pub(in crate::cell) fn over(&self, config: &CellConfig) -> Limits {
        self.effective(&Settings::of(config))
    }

    /// The same.
    fn effective(&self, settings: &Settings) -> Limits {
        Limits {
            run_task_rate: self.run_task_rate.unwrap_or(settings.run_task_rate),
            run_task_burst: self.run_task_burst.unwrap_or(settings.run_task_burst),
            max_in_flight: self.max_in_flight.unwrap_or(settings.max_in_flight),
            max_provisioning: self.max_provisioning.unwrap_or(settings.max_provisioning),
            pauses: self.pauses.clone(),
        }
    }

    /// These with a change of this instant.
    pub(in crate::cell) fn changed(&self, change: LimitsChange, now: Timestamp) -> Result<Self, LimitsError> {
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
        let integers = [
            ("runTaskBurst", change.run_task_burst.map(|n| n as usize)),
            ("maxInFlight", change.max_in_flight),
            ("maxProvisioning", change.max_provisioning),
        ];
        if let Some((name, _)) = integers.into_iter().find(|(_, value)| *value == Some(0)) {
            return wrong(name, "0".into(), "an integer above 0; use pause to stop launches");
        }
        if change.pause.iter().chain(&change.resume).any(|pause| pause.name().trim().is_empty()) {
            return wrong("a name in pause or resume", "empty".into(), "a queue or a task definition");
        }
        let resume: Vec<Pause> = change.resume.into_iter().map(Pause::plainly).collect();
        let mut pauses = self.pauses.clone();
        pauses.retain(|paused| !resume.contains(&paused.what));
        let [by, reason] = [change.by, change.reason].map(said);
        for what in change.pause.into_iter().map(Pause::plainly) {
            match pauses.iter_mut().find(|paused| paused.what == what) {
                // It is paused since it was; who says so now, and why, is news.
                Some(paused) => {
                    paused.by = by.clone().or(paused.by.take());
                    paused.reason = reason.clone().or(paused.reason.take());
                }
                None => pauses.push(Paused { what, since: Some(now), by: by.clone(), reason: reason.clone() }),
            }
        }
        pauses.sort_by(|a, b| a.what.cmp(&b.what));
        let base = if change.reset { &Self::default() } else { self };
        Ok(Self {
            run_task_rate: change.run_task_rate.or(base.run_task_rate),
            run_task_burst: change.run_task_burst.or(base.run_task_burst),
            max_in_flight: change.max_in_flight.or(base.max_in_flight),
            max_provisioning: change.max_provisioning.or(base.max_provisioning),
            pauses,
        })
    }
}

/// What somebody said, in one line of bounded length; `None` for nothing.
fn said(text: Option<String>) -> Option<String> {
    let text: String = text?.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_CHARS).collect();
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// The limits of the cell's settings.
#[derive(Clone, Copy, Debug)]
struct Settings {
    run_task_rate: f64,
    run_task_burst: u32,
    max_in_flight: usize,
    max_provisioning: usize,
}

impl Settings {
    const fn of(config: &CellConfig) -> Self {
        let CellConfig { run_task_rate, run_task_burst, max_in_flight, max_provisioning, .. } = *config;
        Self { run_task_rate, run_task_burst, max_in_flight, max_provisioning }
    }
}

/// The limits in force, for all who keep to them.
pub(in crate::cell) struct EffectiveLimits {
    settings: Settings,
    state: RwLock<(LimitOverrides, Arc<Limits>)>,
    version: AtomicU64,
}

impl EffectiveLimits {
    pub(in crate::cell) fn new(config: &CellConfig, overrides: LimitOverrides) -> Self {
        let settings = Settings::of(config);
        let limits = Arc::new(overrides.effective(&settings));
        Self { settings, state: RwLock::new((overrides, limits)), version: AtomicU64::new(1) }
    }

    pub(in crate::cell) fn current(&self) -> Arc<Limits> {
        Arc::clone(&self.state.read().unwrap_or_else(PoisonError::into_inner).1)
    }

    /// Rises with each change, from 1.
    pub(in crate::cell) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub(in crate::cell) fn overrides(&self) -> LimitOverrides {
        self.state.read().unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Puts overrides in force.
    pub(in crate::cell) fn set(&self, overrides: LimitOverrides) -> Arc<Limits> {
        let limits = Arc::new(overrides.effective(&self.settings));
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = (overrides, Arc::clone(&limits));
        self.version.fetch_add(1, Ordering::AcqRel);
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn queue(name: &str) -> Pause {
        Pause::Queue(name.into())
    }

    #[test]
    fn what_is_left_out_stays_and_a_reset_goes_back_to_the_settings() {
        let config = Settings::of(&CellConfig::new("c"));
        let change = LimitsChange { run_task_rate: Some(2.5), pause: vec![queue("a")], ..LimitsChange::default() };
        let first = LimitOverrides::default().changed(change, NOW).unwrap();
        let second = first.changed(LimitsChange { max_in_flight: Some(7), ..LimitsChange::default() }, NOW).unwrap();
        let limits = second.effective(&config);
        assert_eq!((limits.run_task_rate, limits.run_task_burst, limits.max_in_flight), (2.5, 100, 7));
        assert_eq!(limits.pauses.iter().map(|paused| &paused.what).collect::<Vec<_>>(), [&queue("a")]);
        let third =
            second.changed(LimitsChange { reset: true, run_task_burst: Some(3), ..LimitsChange::default() }, NOW);
        let limits = third.unwrap().effective(&config);
        assert_eq!((limits.run_task_rate, limits.run_task_burst, limits.pauses.len()), (20.0, 3, 1));
    }

    #[test]
    fn an_arn_and_its_family_and_revision_are_one_pause() {
        let arn = Pause::TaskDefinition("arn:aws:ecs:eu-west-1:1:task-definition/etl:7".into());
        let paused = LimitOverrides::default()
            .changed(LimitsChange { pause: vec![arn], ..LimitsChange::default() }, NOW)
            .unwrap();
        let resume = vec![Pause::TaskDefinition("etl:7".into())];
        let free = paused.changed(LimitsChange { resume, ..LimitsChange::default() }, NOW).unwrap();
        assert_eq!((paused.pauses.len(), free.pauses.len()), (1, 0));
    }

    #[test]
    fn a_pause_keeps_who_when_and_why_and_a_second_one_when_it_began() {
        let pause = |by: Option<&str>, reason: Option<&str>| LimitsChange {
            pause: vec![queue("a")],
            by: by.map(str::to_owned),
            reason: reason.map(str::to_owned),
            ..LimitsChange::default()
        };
        let first = LimitOverrides::default().changed(pause(Some("ops\n@host"), Some(&"x".repeat(300))), NOW).unwrap();
        let later = NOW.plus(std::time::Duration::from_secs(60));
        let again = first.changed(pause(None, Some("other")), later).unwrap();
        let expected = |reason: String| {
            [Paused { what: queue("a"), since: Some(NOW), by: Some("ops @host".into()), reason: Some(reason) }]
        };
        assert_eq!(first.pauses, expected("x".repeat(200)));
        assert_eq!(again.pauses, expected("other".into()));
        assert_eq!(first.changed(pause(None, None), later).unwrap(), first, "it changes nothing");
        let note = serde_json::to_string(&again).unwrap();
        assert_eq!(LimitOverrides::read(Some(&note)), again);
    }

    #[test]
    fn pauses_that_an_older_release_noted_as_holds_are_read() {
        let note = r#"{"maxInFlight": 7, "holds": [{"queue": "a"}]}"#.to_owned();
        let overrides = LimitOverrides::read(Some(&note));
        assert_eq!((overrides.max_in_flight, overrides.pauses.len()), (Some(7), 1));
    }

    #[test]
    fn what_cannot_be_is_refused_by_name() {
        let refused = |change| LimitOverrides::default().changed(change, NOW).unwrap_err().to_string();
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
        assert_eq!(change.resume, [Pause::TaskDefinition("e".into())]);
        assert!(serde_json::from_str::<LimitsChange>(r#"{"rate": 5}"#).is_err());
    }
}
