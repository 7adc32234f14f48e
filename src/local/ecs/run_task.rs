//! RunTask.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::body::Body;
use super::definitions::Definition;
use super::errors::{client, invalid, throttled};
use super::request::{self, Checked};
use super::state::State;
use super::task::{Birth, Launch, Place, Status, Task, TaskLog};
use super::{Scope, tokens};
use crate::local::faults::{Decision, Life, Moment, Subject, hash_of, no_free_address};
use crate::local::wire::{ApiError, ApiResult};

impl State {
    pub(super) fn run_task(&mut self, scope: &Scope, raw: &Map<String, Value>, body: Body<'_>, now: i64) -> ApiResult {
        let checked = request::check(body)?;
        let cluster = self.cluster_of(scope, body)?;
        let parameters = tokens::digest(raw, &["clientToken", "cluster"]);
        if let Some(token) = checked.client_token
            && let Some(answer) = self.replay(scope, &cluster, token, parameters, now)
        {
            return answer;
        }
        let strategy = self.strategy_of(scope, &cluster, &checked);
        for (provider, ..) in &strategy {
            self.check_provider(scope, provider)?;
        }
        let launch_type = self.launch_type(scope, &checked, &strategy);
        let definition = self.definition_of(scope, body, now)?;
        let awsvpc = request::check_place(body, &definition, launch_type, checked.subnets.is_some())?;
        let launch = Arc::new(request::launch(body, &checked, scope, &cluster, &definition)?);
        let places: Vec<Place> =
            (0..checked.count).map(|index| request::place(&strategy, launch_type, index, awsvpc)).collect();
        self.check_quotas(scope, &launch, &places, now)?;

        let (mut answer, mut started, mut failures) = (Vec::new(), Vec::new(), Vec::new());
        for place in places {
            let same = launch_key(&launch, raw);
            let nth = self.engine.nth(same);
            let attempt = told_attempt(&launch).unwrap_or(nth);
            let key = hash_of(&(same, nth));
            let decision = self.decide(&launch, &place, attempt, key, now);
            let refused = decision.refuse.as_ref().map(|r| (r.reason.clone(), r.on_instance));
            if let Some((reason, on_instance)) = refused.or_else(|| self.over_vcpus(&launch, &place)) {
                let instance = format!("container-instance/{cluster}/{:016x}{key:016x}", hash_of(&cluster));
                let mut failure = json!({"reason": reason});
                if on_instance {
                    failure["arn"] = json!(scope.arn(&instance));
                }
                failures.push(failure);
                continue;
            }
            let (number, task) = self.birth(&launch, place, attempt, key, decision, now);
            started.push((number, task["taskArn"].as_str().unwrap_or_default().to_owned()));
            answer.push(task);
        }
        if let Some(token) = checked.client_token {
            self.keep_token((scope, &cluster, token), parameters, started, failures.clone(), now);
        }
        Ok(json!({"tasks": answer, "failures": failures}))
    }

    /// The request's strategy, or the cluster's own where the request says neither strategy nor launch type.
    fn strategy_of(&self, scope: &Scope, cluster: &str, checked: &Checked<'_>) -> Vec<(String, i64, i64)> {
        if checked.launch_type.is_some() || !checked.strategy.is_empty() {
            return checked.strategy.clone();
        }
        let cluster = self.account(scope).and_then(|a| a.clusters.get(cluster));
        cluster.map(|c| c.default_strategy.clone()).unwrap_or_default()
    }

    /// EC2 where nothing is said: ECS's own default.
    fn launch_type(&self, scope: &Scope, checked: &Checked<'_>, strategy: &[(String, i64, i64)]) -> &'static str {
        match (checked.launch_type, strategy.first()) {
            (Some(given), _) => given,
            (None, Some((provider, ..))) if provider.starts_with("FARGATE") => "FARGATE",
            (None, Some((provider, ..))) if self.is_managed(scope, provider) => "MANAGED_INSTANCES",
            _ => "EC2",
        }
    }

    fn definition_of(&mut self, scope: &Scope, body: Body<'_>, now: i64) -> Result<Arc<Definition>, ApiError> {
        let name = body.needed("taskDefinition")?;
        let containers = request::override_names(body)?;
        let make_up = self.options.auto_register;
        let definitions = &mut self.account_mut(scope).definitions;
        let found = if make_up {
            definitions.find_or_make(scope, name, &containers, now)
        } else {
            definitions.find(name).cloned()
        };
        let found = found.ok_or_else(|| client("TaskDefinition not found."))?;
        if found.active { Ok(found) } else { Err(invalid("TaskDefinition is inactive")) }
    }

    fn check_quotas(&mut self, scope: &Scope, launch: &Launch, places: &[Place], now: i64) -> Result<(), ApiError> {
        if let Some(most) = self.options.max_provisioning {
            let account = self.account(scope).and_then(|a| a.clusters.get(&launch.cluster));
            let waiting = account.map_or(0, |c| {
                let provisioning = |key: &&u64| self.tasks.get(key).is_some_and(|t| t.status == Status::Provisioning);
                c.tasks.iter().filter(provisioning).count()
            });
            if waiting + places.len() > most {
                return Err(client("Tasks provisioning capacity limit exceeded."));
            }
        }
        let Some(quotas) = self.options.quotas.clone() else { return Ok(()) };
        let name = scope.name();
        let scale = self.options.time_scale;
        let fargate = places.iter().filter(|p| p.fargate() && !p.spot()).count();
        let spot = places.iter().filter(|p| p.spot()).count();
        let mut take = |bucket, rate, n: usize| n == 0 || self.buckets.take(&name, bucket, rate, n as f64, now, scale);
        let calls = usize::from(fargate + spot > 0);
        if take("fargate run task", quotas.fargate_run_task, calls)
            && take("fargate launch", quotas.fargate_launch, fargate)
            && take("fargate spot launch", quotas.fargate_spot_launch, spot)
        {
            return Ok(());
        }
        *self.throttled.entry("RunTask (Fargate)".to_owned()).or_insert(0) += 1;
        Err(throttled())
    }

    /// Whether one more task would be too many vCPUs, and the entry of `failures[]` that says so.
    fn over_vcpus(&self, launch: &Launch, place: &Place) -> Option<(String, bool)> {
        let most = self.options.max_vcpus.filter(|_| place.fargate())?;
        let units = |launch: &Launch| launch.cpu.parse::<f64>().unwrap_or(0.0) / 1024.0;
        let same = |t: &&Task| {
            t.live() && t.place.fargate() && t.place.spot() == place.spot() && t.launch.scope == launch.scope
        };
        let used: f64 = self.live_tasks().filter(same).map(|t| units(&t.launch)).sum();
        (used + units(launch) > most)
            .then(|| ("You've reached the limit on the number of vCPUs you can run concurrently".to_owned(), false))
    }

    fn live_tasks(&self) -> impl Iterator<Item = &Task> {
        self.live.iter().filter_map(|key| self.tasks.get(key))
    }

    /// The end of a task in whose subnets no address is free. One that ends before it has an address holds none.
    fn without_address(&self, place: &Place) -> Option<Life> {
        let most = self.options.max_addresses.filter(|_| place.awsvpc)?;
        let holds =
            |t: &&Task| t.interface.is_some() && t.fault.as_ref().is_none_or(|f| f.moment != Moment::Provisioning);
        (self.live_tasks().filter(holds).count() >= most).then(no_free_address).flatten()
    }

    fn decide(&mut self, launch: &Launch, place: &Place, attempt: u32, key: u64, now: i64) -> Decision {
        let seconds = self.elapsed(now);
        self.engine.for_launch(&Subject {
            operation: "RunTask",
            cluster: &launch.cluster,
            family: &launch.definition.family,
            task_definition: launch.definition.name(),
            images: &launch.definition.containers.iter().map(|c| c.image.as_str()).collect::<Vec<_>>(),
            launch_type: place.launch_type,
            capacity_provider: place.capacity_provider.as_deref().unwrap_or_default(),
            subnets: &launch.subnets,
            started_by: launch.started_by.as_deref().unwrap_or_default(),
            last_status: "",
            attempt,
            seconds,
            key,
        })
    }

    /// Creates a task and sets it on its way. Gives its key and how the answer shows it.
    fn birth(
        &mut self,
        launch: &Arc<Launch>,
        place: Place,
        attempt: u32,
        key: u64,
        decision: Decision,
        now: i64,
    ) -> (u64, Value) {
        self.next_key += 1;
        let number = self.next_key;
        let (seconds, exit_code) = self.engine.work();
        let fault = decision.life.or_else(|| self.without_address(&place));
        let mut task = Task::new(
            launch.clone(),
            Birth {
                place,
                now,
                attempt,
                key,
                // Names differ from one start of the endpoint to the next: a client's store may outlive it.
                name_seed: hash_of(&(self.engine.seed(), self.started, number)),
                fault,
                work: (decision.seconds.unwrap_or(seconds), decision.exit_code.unwrap_or(exit_code)),
                seed: self.engine.seed(),
                forgotten_after: self.options.forgotten_after,
                log: TaskLog {
                    lines: decision.log.or_else(|| self.engine.log()),
                    late: decision.log_late.map(|span| f64::midpoint(span.0, span.1)),
                    empty_pages: decision.log_empty_pages,
                },
            },
        );
        if let Some(span) = decision.missing {
            task.invisible_until = now + self.wait(super::task::drawn(&mut task.rng, span));
        }
        task.plan_start();
        let shown = task.api(true);
        let account = self.account_mut(&launch.scope);
        account.ids.insert(task.id.clone(), number);
        if let Some(cluster) = account.clusters.get_mut(&launch.cluster) {
            cluster.tasks.insert(number);
        }
        self.tasks.insert(number, task);
        self.live.insert(number);
        match decision.early {
            Some(status) => self.hurry(number, &status, now),
            None => self.schedule(number, now),
        }
        (number, shown)
    }

    /// Takes the task to this status at once, and its events before the answer.
    fn hurry(&mut self, number: u64, status: &str, now: i64) {
        self.sending_early = true;
        let before = self.early.len();
        while let Some(task) = self.tasks.get_mut(&number) {
            // Each step sets the timer of the next one; a new epoch makes nothing of it, but for the last.
            task.epoch += 1;
            if self.advance(number, now).is_none() {
                break;
            }
            let Some(task) = self.tasks.get(&number) else { break };
            let reached = task.status.name() == status && self.early.len() > before;
            if reached || !task.live() {
                break;
            }
        }
        self.sending_early = false;
    }
}

/// What two launches have in common that are attempts at the same work: the name of the work where the environment tells it, else
/// all but the attempt's number and the call's own marks.
fn launch_key(launch: &Launch, raw: &Map<String, Value>) -> u64 {
    if let Some(work) = told(launch, "TASKWATCH_LOCAL_WORK") {
        let index = told(launch, "TASKWATCH_ARRAY_INDEX").map(|index| format!("/{index}")).unwrap_or_default();
        // The third is nothing: the fates of fleets that were measured hang on this hash.
        return hash_of(&(&launch.cluster, format!("{work}{index}"), None::<&str>));
    }
    let mut overrides = raw.get("overrides").cloned().unwrap_or(Value::Null);
    if let Some(containers) = overrides.get_mut("containerOverrides").and_then(Value::as_array_mut) {
        for container in containers {
            if let Some(environment) = container.get_mut("environment").and_then(Value::as_array_mut) {
                environment.retain(|pair| pair["name"] != "TASKWATCH_ATTEMPT");
            }
        }
    }
    let mut parameters = Map::new();
    parameters.insert("overrides".to_owned(), overrides);
    hash_of(&(&launch.cluster, &launch.definition.family, tokens::digest(&parameters, &[])))
}

/// The attempt's number where the environment tells it.
fn told_attempt(launch: &Launch) -> Option<u32> {
    told(launch, "TASKWATCH_ATTEMPT")?.parse().ok()
}

/// The first variable of this name in any container's environment.
fn told<'a>(launch: &'a Launch, variable: &str) -> Option<&'a str> {
    let mut environments = launch.containers.iter().flat_map(|c| &c.environment);
    environments.find(|(name, _)| name == variable).map(|(_, value)| value.as_str())
}
