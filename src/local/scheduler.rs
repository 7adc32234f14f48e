//! EventBridge Scheduler: schedules that launch ECS tasks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::{Value, json};

use super::clock::Clock;
use super::launch::{Launch, Launches};
use super::schedule::Schedule;
use super::wire::{ApiError, ApiResult, Call};

/// Schedules of every Region and group.
pub struct Scheduler {
    clock: Arc<Clock>,
    time_scale: OnceLock<f64>,
    launches: OnceLock<Launches>,
    /// By ARN.
    schedules: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    name: String,
    region: String,
    account: String,
    /// As GetSchedule answers it.
    shown: Value,
    schedule: Schedule,
    next: Option<i64>,
}

impl Scheduler {
    /// One without schedules.
    pub fn new(clock: Arc<Clock>) -> Self {
        Self { clock, time_scale: OnceLock::new(), launches: OnceLock::new(), schedules: Mutex::default() }
    }

    /// Where launches go, and how many times faster than AWS's time rates pass.
    pub(in crate::local) fn launch_with(&self, launches: Launches, time_scale: f64) {
        // A second one is not taken.
        let _ = (self.launches.set(launches), self.time_scale.set(time_scale));
    }

    fn schedules(&self) -> MutexGuard<'_, BTreeMap<String, Kept>> {
        self.schedules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn scale(&self) -> f64 {
        self.time_scale.get().copied().unwrap_or(1.0)
    }

    /// Launches what is due.
    pub(in crate::local) fn tick(&self) {
        let now = self.clock.now_millis();
        let scale = self.scale();
        for kept in self.schedules().values_mut() {
            let Some(due) = kept.next.filter(|due| *due <= now) else { continue };
            kept.next = kept.schedule.next(due.max(now - 1), scale);
            if kept.shown["State"] != "DISABLED" {
                self.launch(kept);
            }
        }
    }

    fn launch(&self, kept: &Kept) {
        let target = &kept.shown["Target"];
        let named = ("chronos-schedule/", kept.name.as_str());
        let launch = Launch::of_target(target, named, target["Input"].as_str(), (&kept.region, &kept.account));
        match (launch, self.launches.get()) {
            // Nobody is there to launch: the endpoint ends.
            (Ok(launch), Some(launches)) => drop(launches.send(launch)),
            (Ok(_), None) => {}
            (Err(error), _) => tracing::warn!(schedule = kept.name, error, "a schedule launched nothing"),
        }
    }

    /// Answers a call: method, path and query are REST's.
    pub(in crate::local) fn answer(&self, method: &str, path: &str, query: &str, call: &Call) -> ApiResult {
        let asked: BTreeMap<String, String> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let name = path.strip_prefix("/schedules").unwrap_or_default().trim_start_matches('/');
        let group = call.body["GroupName"].as_str().or(asked.get("groupName").map(String::as_str)).unwrap_or("default");
        let arn = format!("arn:aws:scheduler:{}:{}:schedule/{group}/{name}", call.region, call.account);
        match (method, name) {
            ("GET", "") => Ok(self.list(call, asked.get("NamePrefix").map_or("", String::as_str))),
            ("POST", name) if self.schedules().contains_key(&arn) => Err(ApiError {
                status: 409,
                ..ApiError::new("ConflictException", format!("Schedule {name} already exists."))
            }),
            ("POST", _) => self.put(&arn, name, group, call),
            ("PUT", _) if self.schedules().contains_key(&arn) => self.put(&arn, name, group, call),
            ("GET", _) => self.schedules().get(&arn).map(|kept| kept.shown.clone()).ok_or_else(|| gone(name)),
            ("DELETE", _) => self.schedules().remove(&arn).map(|_| json!({})).ok_or_else(|| gone(name)),
            ("PUT", _) => Err(gone(name)),
            _ => {
                Err(ApiError::new("ValidationException", format!("{method} is not part of this endpoint's Scheduler")))
            }
        }
    }

    fn put(&self, arn: &str, name: &str, group: &str, call: &Call) -> ApiResult {
        let invalid = |why: String| ApiError::new("ValidationException", why);
        let fits = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if !(1..=64).contains(&name.len()) || !name.chars().all(fits) {
            return Err(invalid("Name must match [0-9a-zA-Z-_.]+ and have at most 64 characters".to_owned()));
        }
        let expression = call.body["ScheduleExpression"].as_str().unwrap_or_default();
        let schedule = Schedule::parse(expression).map_err(|_| invalid("Invalid Schedule Expression.".to_owned()))?;
        if call.body["FlexibleTimeWindow"]["Mode"].as_str().is_none() {
            return Err(invalid("FlexibleTimeWindow must be specified.".to_owned()));
        }
        if call.body["ScheduleExpressionTimezone"].as_str().is_some_and(|zone| zone != "UTC") {
            return Err(invalid("this endpoint's schedules are in UTC".to_owned()));
        }
        let target = &call.body["Target"];
        let arn_of_target = target["Arn"].as_str().unwrap_or_default();
        if !arn_of_target.contains(":ecs:") || target["EcsParameters"]["TaskDefinitionArn"].as_str().is_none() {
            return Err(invalid(
                "the targets of this endpoint's schedules are ECS clusters, with EcsParameters".to_owned(),
            ));
        }
        if target["RoleArn"].as_str().is_none() {
            return Err(invalid("RoleArn must be specified.".to_owned()));
        }
        if target["Input"].as_str().is_some_and(|input| serde_json::from_str::<Value>(input).is_err()) {
            return Err(invalid("Invalid Input: it must be JSON.".to_owned()));
        }
        let now = self.clock.now_millis();
        let next = schedule.next(now, self.scale());
        let mut shown = call.body.clone();
        let at = now as f64 / 1000.0;
        for (member, value) in [
            ("Arn", json!(arn)),
            ("Name", json!(name)),
            ("GroupName", json!(group)),
            ("CreationDate", json!(at)),
            ("LastModificationDate", json!(at)),
        ] {
            shown[member] = value;
        }
        for (member, usual) in
            [("State", "ENABLED"), ("ScheduleExpressionTimezone", "UTC"), ("ActionAfterCompletion", "NONE")]
        {
            if shown[member].is_null() {
                shown[member] = usual.into();
            }
        }
        if let Some(members) = shown.as_object_mut() {
            members.remove("ClientToken");
        }
        let (region, account) = (call.region.clone(), call.account.clone());
        let kept = Kept { name: name.to_owned(), region, account, shown, schedule, next };
        self.schedules().insert(arn.to_owned(), kept);
        Ok(json!({"ScheduleArn": arn}))
    }

    fn list(&self, call: &Call, prefix: &str) -> Value {
        let schedules = self.schedules();
        let mine = schedules.values().filter(|kept| kept.region == call.region && kept.name.starts_with(prefix));
        let summary = |kept: &Kept| {
            let mut summary = json!({ "Target": {"Arn": kept.shown["Target"]["Arn"]} });
            for member in ["Arn", "Name", "GroupName", "State", "CreationDate", "LastModificationDate"] {
                summary[member] = kept.shown[member].clone();
            }
            summary
        };
        json!({ "Schedules": mine.map(summary).collect::<Vec<_>>() })
    }
}

fn gone(name: &str) -> ApiError {
    ApiError { status: 404, ..ApiError::new("ResourceNotFoundException", format!("Schedule {name} does not exist.")) }
}
