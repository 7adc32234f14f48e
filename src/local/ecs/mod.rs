//! ECS, as far as stand-alone tasks go: RunTask with its checks, tokens, quotas and refusals; lives in real time, or faster;
//! the Task State Change events of each life; and the scripted faults in all of it.

mod body;
mod clusters;
mod definitions;
mod errors;
mod filter;
mod life;
mod logs;
mod providers;
mod query;
mod quota;
mod request;
mod run_task;
mod sizes;
mod snapshot;
mod state;
mod task;
mod timers;
mod tokens;
mod view;
mod work;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};
use tokio::sync::Notify;

pub use quota::{Quotas, Raised, RaisedError, Rate};
pub use snapshot::{Counters, EventCounters, TaskSnapshot};

use super::clock::Clock;
use super::cloudtrail::CloudTrail;
use super::faults::{CallFault, Delivery, Engine, Script, Subject, hash_of};
use super::wire::{self, ApiError, ApiResult, Call, JsonService};
use body::Body;
use state::State;

/// For so long ECS remembers a stopped task: "at least one hour", here exactly.
const FORGOTTEN_AFTER_SECONDS: f64 = 3600.0;

/// What is served.
const OPERATIONS: [&str; 20] = [
    "RunTask",
    "StopTask",
    "DescribeTasks",
    "ListTasks",
    "RegisterTaskDefinition",
    "DescribeTaskDefinition",
    "DeregisterTaskDefinition",
    "ListTaskDefinitions",
    "ListTaskDefinitionFamilies",
    "CreateCluster",
    "DescribeClusters",
    "ListClusters",
    "DeleteCluster",
    "PutClusterCapacityProviders",
    "CreateCapacityProvider",
    "DescribeCapacityProviders",
    "DeleteCapacityProvider",
    "TagResource",
    "UntagResource",
    "ListTagsForResource",
];

/// Where the events go.
pub trait EventSink: Send + Sync {
    /// Puts an event of a service on the default bus.
    fn put<'a>(&'a self, region: &'a str, account: &'a str, event: Value) -> BoxFuture<'a, ()>;
}

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct EcsOptions {
    /// How many times faster than AWS's time runs: 20 makes a start of 40 seconds one of two.
    pub time_scale: f64,
    /// Decides all chances; the script's own seed goes before it.
    pub seed: u64,
    /// The faults.
    pub script: Script,
    /// The API's throttling; none: every call is let through.
    pub quotas: Option<Quotas>,
    /// Whether a task definition that nobody registered is made up.
    pub auto_register: bool,
    /// Most tasks of a cluster in PROVISIONING, above which RunTask fails as it does with Auto Scaling group capacity providers.
    pub max_provisioning: Option<usize>,
    /// Most vCPUs on Fargate, above which RunTask answers with failures.
    pub max_vcpus: Option<f64>,
    /// How many tasks in `awsvpc` mode there are addresses for.
    pub max_addresses: Option<usize>,
    /// Clusters that are there from the start, besides `default`.
    pub clusters: Vec<String>,
    /// Whether [`Ecs::tasks_snapshot`] also shows tasks that ECS has forgotten.
    pub archive: bool,
    /// How long ECS knows a stopped task, and its `clientToken`, in seconds of AWS's time: an hour on AWS.
    pub forgotten_after: f64,
}

impl Default for EcsOptions {
    fn default() -> Self {
        Self {
            time_scale: 1.0,
            seed: 0,
            script: Script::default(),
            quotas: Some(Quotas::default()),
            auto_register: false,
            max_provisioning: None,
            max_vcpus: None,
            max_addresses: None,
            clusters: Vec::new(),
            archive: false,
            forgotten_after: FORGOTTEN_AFTER_SECONDS,
        }
    }
}

/// The ECS service. Its tasks live until it is dropped.
pub struct Ecs {
    shared: Arc<Shared>,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Ecs {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl std::fmt::Debug for Ecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ecs").field("counters", &self.counters()).finish()
    }
}

/// An account in a Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Scope {
    region: String,
    account: String,
}

impl Scope {
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{resource}", self.region, self.account)
    }

    fn name(&self) -> String {
        format!("{}/{}", self.region, self.account)
    }
}

struct Shared {
    clock: Arc<Clock>,
    sink: Arc<dyn EventSink>,
    wake: Arc<Notify>,
    trail: OnceLock<Arc<CloudTrail>>,
    state: Mutex<State>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Milliseconds here for seconds of AWS's.
fn scaled(seconds: f64, scale: f64) -> i64 {
    (seconds * 1000.0 / scale).round() as i64
}

fn with_token(mut answer: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        answer["nextToken"] = json!(next);
    }
    answer
}

impl Ecs {
    /// Starts the service; must be called within a tokio runtime. Its events go to `sink`.
    pub fn new(mut options: EcsOptions, clock: Arc<Clock>, sink: Arc<dyn EventSink>) -> Self {
        if !options.time_scale.is_finite() || options.time_scale <= 0.0 {
            options.time_scale = 1.0;
        }
        let state = Mutex::new(State::new(options, clock.now_millis()));
        let shared = Arc::new(Shared { clock, sink, wake: Arc::new(Notify::new()), trail: OnceLock::new(), state });
        let driver = tokio::spawn(timers::drive(Arc::downgrade(&shared)));
        Self { shared, driver }
    }

    /// Has every RunTask call recorded from here on.
    pub fn tell_trail(&self, trail: Arc<CloudTrail>) {
        // A second one is not taken.
        let _ = self.shared.trail.set(trail);
    }

    /// Every task, oldest first: what it truly did, whatever was told of it.
    pub fn tasks_snapshot(&self) -> Vec<TaskSnapshot> {
        let state = self.shared.lock();
        let mut keys: Vec<_> = state.tasks.keys().copied().collect();
        keys.sort_unstable();
        let known = keys.iter().filter_map(|key| state.tasks.get(key)).map(TaskSnapshot::of);
        state.archive.iter().cloned().chain(known).collect()
    }

    /// What decides all chances: the script's seed, or else the options'.
    pub fn seed(&self) -> u64 {
        self.shared.lock().engine.seed()
    }

    /// What was asked, and what became of it.
    pub fn counters(&self) -> Counters {
        let state = self.shared.lock();
        Counters {
            calls: state.calls.clone(),
            throttled: state.throttled.clone(),
            faults: state.engine.hits(),
            events: state.events,
            tasks: state.tasks.len(),
        }
    }

    async fn call(&self, call: Call) -> ApiResult {
        let now = self.shared.clock.now_millis();
        let scope = Scope { region: call.region.clone(), account: call.account.clone() };
        let arrived = self.shared.lock().arriving(&scope, &call.operation, &call.body, now);
        let (fault, wait) = match arrived {
            Ok(arrived) => arrived,
            Err(error) => return self.recorded(&call, Err(error)).await,
        };
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        let fault = fault.unwrap_or_default();
        if let (Some(error), false) = (&fault.error, fault.after) {
            return self.recorded(&call, Err(errors::error(error.0, &error.1, error.2.clone()))).await;
        }
        let now = self.shared.clock.now_millis();
        let (answer, early) = {
            let mut state = self.shared.lock();
            let answer = state.answer(&scope, &call, now);
            (answer, std::mem::take(&mut state.early))
        };
        self.shared.wake.notify_one();
        for outgoing in early {
            self.shared.sink.put(&outgoing.scope.region, &outgoing.scope.account, outgoing.event).await;
        }
        // What took place is recorded, whatever the caller gets to know of it.
        let answer = self.recorded(&call, answer).await;
        match &fault.error {
            Some(error) => Err(errors::error(error.0, &error.1, error.2.clone())),
            None if fault.drop_answer => {
                let lost = errors::error(500, "ConnectionLost", "the answer was lost on its way");
                Err(ApiError { drop_connection: true, ..lost })
            }
            None => answer,
        }
    }

    /// Has CloudTrail tell of a RunTask call, or what the script makes of that.
    async fn recorded(&self, call: &Call, answer: ApiResult) -> ApiResult {
        let Some(trail) = self.shared.trail.get().filter(|_| call.operation == "RunTask") else { return answer };
        let event = trail.record(call, &answer);
        let (delivery, wait) = self.shared.lock().record_delivery(call, self.shared.clock.now_millis());
        let copies = if delivery.drop { 0 } else { delivery.copies };
        let (shared, region, account) = (Arc::clone(&self.shared), call.region.clone(), call.account.clone());
        let send = async move {
            for _ in 0..copies {
                shared.sink.put(&region, &account, event.clone()).await;
            }
        };
        match wait {
            None => send.await,
            Some(wait) => drop(tokio::spawn(async move {
                tokio::time::sleep(wait).await;
                send.await;
            })),
        }
        answer
    }
}

impl JsonService for Ecs {
    fn serves(&self, service: &str, operation: &str) -> Result<(), ApiError> {
        let is_of_logs = logs::OPERATIONS.contains(&operation);
        match service {
            "logs" if !is_of_logs => Err(wire::unknown("CloudWatch Logs", operation, &logs::OPERATIONS)),
            "ecs" if is_of_logs => Err(wire::unknown("ECS", operation, &OPERATIONS)),
            _ => Ok(()),
        }
    }

    fn inspection(&self) -> Value {
        json!({"seed": self.seed(), "counters": self.counters(), "tasks": self.tasks_snapshot()})
    }

    fn handle<'a>(&'a self, call: Call) -> BoxFuture<'a, ApiResult> {
        self.call(call).boxed()
    }
}

impl State {
    /// Counts the call, takes from its quota, and looks up what the script does to it, and how long that takes.
    fn arriving(
        &mut self,
        scope: &Scope,
        operation: &str,
        body: &Value,
        now: i64,
    ) -> Result<(Option<CallFault>, Option<Duration>), ApiError> {
        *self.calls.entry(operation.to_owned()).or_insert(0) += 1;
        let bucket = self.options.quotas.as_ref().and_then(|q| q.of_operation(operation));
        if let Some((bucket, rate)) = bucket
            && !self.buckets.take(&scope.name(), bucket, rate, 1.0, now, self.options.time_scale)
        {
            *self.throttled.entry(operation.to_owned()).or_insert(0) += 1;
            return Err(errors::throttled());
        }
        let fault = self.call_fault(operation, body, now);
        let wait = fault.as_ref().and_then(|f| f.latency).map(|span| {
            let most = self.wait(span.1).max(0);
            let least = self.wait(span.0).clamp(0, most);
            let dice = hash_of(&(self.engine.seed(), operation, self.calls.get(operation)));
            let share = i64::try_from(dice % 1000).unwrap_or(0);
            Duration::from_millis(u64::try_from(least + (most - least) * share / 1000).unwrap_or(0))
        });
        Ok((fault, wait))
    }

    /// What happens to the record of a call on its way, and how long it takes.
    fn record_delivery(&mut self, call: &Call, now: i64) -> (Delivery, Option<Duration>) {
        let key = hash_of(&("record", self.calls.get(&call.operation)));
        let delivery = self.about_call(&call.operation, &call.body, (1, key), now, Engine::for_record);
        let wait = delivery.delay.map(|span| Duration::from_millis(u64::try_from(self.wait(span.0)).unwrap_or(0)));
        (delivery, wait)
    }

    fn call_fault(&mut self, operation: &str, body: &Value, now: i64) -> Option<CallFault> {
        let empty = Map::new();
        let raw = body.as_object().unwrap_or(&empty);
        // A call repeated with its token is the same call's next attempt; without one, so is the same body.
        let key = match raw.get("clientToken").and_then(Value::as_str) {
            Some(token) => hash_of(&(operation, token)),
            None => hash_of(&(operation, tokens::digest(raw, &[]))),
        };
        let attempt = self.engine.nth(key);
        let calls = self.calls.get(operation).copied().unwrap_or(0);
        self.about_call(operation, body, (attempt, hash_of(&(operation, calls))), now, Engine::for_call)
    }

    /// What the script has for a call.
    fn about_call<T>(
        &mut self,
        operation: &str,
        body: &Value,
        (attempt, key): (u32, u64),
        now: i64,
        ask: impl FnOnce(&mut Engine, &Subject<'_>) -> T,
    ) -> T {
        let empty = Map::new();
        let raw = body.as_object().unwrap_or(&empty);
        let text = |name: &str| raw.get(name).and_then(Value::as_str).unwrap_or_default();
        let family = text("taskDefinition").rsplit('/').next().unwrap_or_default();
        let subnets = body["networkConfiguration"]["awsvpcConfiguration"]["subnets"].as_array();
        let subnets: Vec<String> = subnets.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let cluster = raw.get("cluster").and_then(Value::as_str).unwrap_or("default");
        let subject = Subject {
            operation,
            cluster: clusters::name_of(cluster),
            images: &[],
            family: family.split(':').next().unwrap_or_default(),
            task_definition: family,
            launch_type: text("launchType"),
            capacity_provider: body["capacityProviderStrategy"][0]["capacityProvider"].as_str().unwrap_or_default(),
            subnets: &subnets,
            started_by: text("startedBy"),
            last_status: "",
            attempt,
            seconds: self.elapsed(now),
            key,
        };
        ask(&mut self.engine, &subject)
    }

    fn dispatch(&mut self, scope: &Scope, operation: &str, raw: &Value, now: i64) -> ApiResult {
        let body = Body::of(raw)?;
        let empty = Map::new();
        let map = raw.as_object().unwrap_or(&empty);
        let make_up = self.options.auto_register;
        match operation {
            "RunTask" => self.run_task(scope, map, body, now),
            "StopTask" => self.stop_task(scope, body, now),
            "DescribeTasks" => self.describe_tasks(scope, body, now),
            "ListTasks" => self.list_tasks(scope, body, now),
            "RegisterTaskDefinition" => {
                request::check_tags(body)?;
                self.account_mut(scope).definitions.register_call(scope, body, now)
            }
            "DescribeTaskDefinition" => self.account_mut(scope).definitions.describe_call(scope, body, make_up, now),
            "DeregisterTaskDefinition" => self.account_mut(scope).definitions.deregister_call(body, now),
            "ListTaskDefinitions" => self.account_mut(scope).definitions.list_call(body),
            "ListTaskDefinitionFamilies" => self.account_mut(scope).definitions.families_call(body),
            "CreateCluster" => self.create_cluster(scope, body),
            "DescribeClusters" => self.describe_clusters(scope, body),
            "ListClusters" => self.list_clusters(scope, body),
            "DeleteCluster" => self.delete_cluster(scope, body),
            "TagResource" => self.tag_resource(scope, body),
            "UntagResource" => self.untag_resource(scope, body),
            "ListTagsForResource" => self.list_tags(scope, body),
            "CreateCapacityProvider" => self.create_provider(scope, body),
            "DescribeCapacityProviders" => self.describe_providers(scope, body),
            "DeleteCapacityProvider" => self.delete_provider(scope, body),
            "PutClusterCapacityProviders" => self.put_providers(scope, body),
            other => Err(wire::unknown("ECS", other, &OPERATIONS)),
        }
    }

    /// The service that a call is for: what is ECS's, and what is CloudWatch Logs' about its tasks.
    fn answer(&mut self, scope: &Scope, call: &Call, now: i64) -> ApiResult {
        match logs::OPERATIONS.contains(&call.operation.as_str()) {
            true => self.logs(scope, &call.operation, Body::of(&call.body)?, now),
            false => self.dispatch(scope, &call.operation, &call.body, now),
        }
    }
}

#[cfg(test)]
mod tests;
