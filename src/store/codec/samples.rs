//! Runs as cells have them: what the dictionary is made from, and what sizes are measured on.
//!
//! A dictionary is made from runs of seeds that no test measures:
//!
//!     TASKWATCH_SAMPLES=DIR cargo test --locked --lib samples -- --ignored
//!     zstd --train -r DIR --maxdict=16384 -o src/store/codec/dictionary-3.zstd
//!
//! and gets the next number in `pack.rs`. The second one knows notifications and the headers of groups as well.

use std::sync::Arc;

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::core::failure::{self, Failure};
use crate::core::machine::{self, Input, Observation};
use crate::core::notification::{self, Destinations, Notification, Origin};
use crate::core::request::{RunRequest, RunSpec};
use crate::core::run::{Run, Stage};
use crate::core::task::parse_task;
use crate::core::time::Timestamp;
use crate::core::verdict::{Deciders, Verdict};

/// A source of runs; the same ones for the same seed.
pub(in crate::store) struct Samples {
    dice: SmallRng,
    failures: Vec<Failure>,
    now: i64,
    account: u64,
}

/// How a run of the samples goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Life {
    /// Placed, and no more.
    Open,
    /// Succeeded after so many failed attempts.
    Succeeded(u32),
    /// Failed at last, with so many attempts.
    Failed(u32),
}

/// Every failure of the recorded texts.
fn failures() -> Vec<Failure> {
    let texts: Vec<Value> = serde_json::from_str(include_str!("../../../tests/fixtures/stop_reasons.json")).unwrap();
    let failure = |text: &Value| {
        let example = text["example"].as_str()?;
        match text["field"].as_str()? {
            "failures.reason" => Some(failure::from_refusal(example, None)),
            "exception" => Some(failure::from_exception(example, "")),
            field => {
                let container = if field == "container.reason" { json!(example) } else { Value::Null };
                let task = parse_task(&json!({
                    "lastStatus": "STOPPED", "desiredStatus": "STOPPED", "stopCode": text["stopCode"],
                    "stoppedReason": if container.is_null() { example } else { "Essential container in task exited" },
                    "containers": [{"name": "app", "lastStatus": "STOPPED", "exitCode": 1, "reason": container}],
                }));
                match task.verdict(Deciders::Unknown) {
                    Verdict::Failed(failure) => Some(*failure),
                    _ => None,
                }
            }
        }
    };
    texts.iter().filter_map(failure).collect()
}

impl Samples {
    pub(in crate::store) fn new(seed: u64) -> Self {
        let mut dice = SmallRng::seed_from_u64(seed);
        let account = dice.random_range(100_000_000_000..1_000_000_000_000);
        Self { dice, failures: failures(), now: 1_790_000_000_000, account }
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.dice.random_range(0..of.len())]
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.dice.random_range(0..16), 16).unwrap_or_default()).collect()
    }

    fn later(&mut self, least: i64, most: i64) -> Timestamp {
        self.now += self.dice.random_range(least..most);
        Timestamp::from_millis(self.now)
    }

    /// A request of its own: its command or environment says what it is to do.
    pub(in crate::store) fn spec(&mut self) -> Arc<RunSpec> {
        let (cluster, family) =
            (self.pick(&["batch", "prod-batch", "default"]), self.pick(&["etl", "render", "report"]));
        let day = self.dice.random_range(10..29);
        let key =
            format!("s3://company-data/incoming/2026/09/{day}/part-{:05}.parquet", self.dice.random_range(0..99_999));
        let request = json!({
            "runTask": {
                "cluster": cluster, "taskDefinition": format!("{family}:{}", self.dice.random_range(1..99)),
                "launchType": "FARGATE",
                "networkConfiguration": {"awsvpcConfiguration": {
                    "subnets": [format!("subnet-{}", self.hex(17)), format!("subnet-{}", self.hex(17))],
                    "securityGroups": [format!("sg-{}", self.hex(17))], "assignPublicIp": "DISABLED"}},
                "overrides": {"containerOverrides": [{"name": "app", "command": ["run", "--input", key],
                    "environment": [{"name": "STAGE", "value": "prod"}, {"name": "RUN_DATE", "value": format!("2026-09-{day}")}]}]},
            },
            "until": "stopped", "queue": self.pick(&["default", "nightly", "adhoc"]),
        });
        Arc::new(RunRequest::parse(&request.to_string()).unwrap().spec)
    }

    /// A cause of about 300 characters, as image pulls that fail have.
    fn failure(&mut self) -> Failure {
        let mut failure = self.failures[self.dice.random_range(0..self.failures.len())].clone();
        if self.dice.random_bool(0.5) {
            let (id, account) = (self.hex(12), self.account);
            failure.cause = format!(
                "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref \
                 {account}.dkr.ecr.eu-west-1.amazonaws.com/etl:{id}: failed to do request: Head \
                 \"https://{account}.dkr.ecr.eu-west-1.amazonaws.com/v2/etl/manifests/{id}\": dial tcp 10.0.{}.{}:443: \
                 i/o timeout. Check that the task can reach the registry.",
                self.dice.random_range(0..255),
                self.dice.random_range(0..255),
            );
        }
        failure
    }

    fn launch(&mut self, run: &mut Run, region: &str) -> String {
        let now = self.later(5, 4_000);
        let token = self.hex(40).parse().unwrap();
        machine::apply(run, &Input::Launching { token, group_size: 1 }, now);
        let (account, cluster, hex) = (self.account, run.cluster().to_owned(), self.hex(32));
        let task_arn = format!("arn:aws:ecs:{region}:{account}:task/{cluster}/{hex}");
        let created_at = Some(self.later(100, 900));
        machine::apply(run, &Input::Placed { task_arn: task_arn.as_str().into(), created_at }, self.later(1, 50));
        task_arn
    }

    fn observe(&mut self, run: &mut Run, task_arn: &str, version: i64, status: &str, verdict: Verdict) {
        let (began, ended) = (self.later(9_000, 20_000), self.later(1_000, 9_000));
        let over = matches!(verdict, Verdict::Succeeded | Verdict::Failed(_));
        let observation = Observation {
            task_arn: task_arn.into(),
            token: None,
            version,
            last_status: status.into(),
            healthy: false,
            exit_code: over.then(|| i64::from(matches!(verdict, Verdict::Failed(_)))),
            created_at: None,
            pull_started_at: Some(began),
            pull_stopped_at: Some(ended),
            started_at: Some(self.later(500, 2_000)),
            stopped_at: over.then(|| self.later(10_000, 900_000)),
            verdict,
            log: None,
        };
        let heard = self.later(100, 2_000);
        machine::apply(run, &Input::Observed(observation), heard);
    }

    /// A run and its life.
    pub(in crate::store) fn run(&mut self, name: &str, index: u32, spec: &Arc<RunSpec>, life: Life) -> Run {
        let now = self.later(1, 100);
        let id = uuid::Builder::from_unix_timestamp_millis(u64::try_from(self.now).unwrap(), &self.dice.random())
            .into_uuid();
        let mut run = Run::new(id, name.to_owned(), index, Arc::clone(spec), now);
        run.digest = self.dice.random();
        machine::apply(&mut run, &Input::Submitted, now);
        let region = self.pick(&["eu-west-1", "us-east-1", "eu-central-1"]);
        let (fails, succeeds) = match life {
            Life::Open => (0, false),
            Life::Succeeded(fails) => (fails, true),
            Life::Failed(attempts) => (attempts, false),
        };
        for attempt in 1..=fails {
            let mut failure = self.failure();
            if attempt == fails && !succeeds {
                failure.transience = failure::Transience::Permanent;
                failure.names.push("Taskwatch.Permanent".into());
            } else {
                failure.names =
                    vec![failure.error.clone(), failure.class.as_str().into(), "Taskwatch.Transient".into()];
                failure.transience = failure::Transience::Transient;
            }
            let task_arn = self.launch(&mut run, region);
            self.observe(&mut run, &task_arn, 7, "STOPPED", Verdict::Failed(Box::new(failure)));
            if let Some(due) = machine::next_deadline(&run) {
                self.now = self.now.max(due.millis());
                machine::apply(&mut run, &Input::Due, Timestamp::from_millis(self.now));
            }
        }
        if succeeds || life == Life::Open {
            let task_arn = self.launch(&mut run, region);
            if succeeds {
                self.observe(&mut run, &task_arn, 4, "RUNNING", Verdict::Running);
                self.observe(&mut run, &task_arn, 6, "STOPPED", Verdict::Succeeded);
            }
        }
        assert_eq!(run.status.is_final(), life != Life::Open, "{life:?} {:?}", run.attempts.last().map(|a| a.stage));
        assert!(life != Life::Open || run.attempts[0].stage == Stage::Placed);
        run
    }

    /// What a topic is told of a run's end.
    pub(in crate::store) fn told(&mut self, run: &Run) -> Vec<Notification> {
        let (account, region) = (self.account.to_string(), self.pick(&["eu-west-1", "us-east-1"]).to_owned());
        let topic = Some(format!("arn:aws:sns:{region}:{account}:blue-runs"));
        let origin = Origin { cell: format!("blue-{}", self.dice.random_range(0..4)), account, region };
        if !run.status.is_final() {
            return Vec::new();
        }
        notification::build(run, &origin, &Destinations { topic, ..Destinations::default() })
    }

    /// The next one, as they come: most succeed at once.
    pub(in crate::store) fn next(&mut self) -> Run {
        let spec = self.spec();
        let name = match self.dice.random_range(0..3) {
            0 => format!("nightly-2026-09-{}-{}", self.dice.random_range(10..30), self.hex(6)),
            1 => Uuid::from_bytes(self.dice.random()).to_string(),
            _ => format!("import-{}", self.dice.random_range(10_000..99_999)),
        };
        let life = match self.dice.random_range(0..10) {
            0..6 => Life::Succeeded(0),
            6 => Life::Succeeded(1),
            7 => Life::Failed(1),
            8 => Life::Failed(3),
            _ => Life::Open,
        };
        self.run(&name, 0, &spec, life)
    }
}

#[test]
#[ignore = "makes the files that a new dictionary is trained on"]
fn write_samples() {
    let dir = std::path::PathBuf::from(std::env::var("TASKWATCH_SAMPLES").unwrap());
    std::fs::create_dir_all(&dir).unwrap();
    for seed in 1_000..1_120 {
        let mut samples = Samples::new(seed);
        for n in 0..12 {
            let run = samples.next();
            let write = |kind: &str, text: Vec<u8>| {
                std::fs::write(dir.join(format!("{kind}-{seed}-{n}")), text).unwrap();
            };
            write("run", super::run_text(&run));
            if n % 3 == 0 {
                write("spec", super::shared_text(&run.spec, &run.digest));
            }
            for told in samples.told(&run) {
                write("told", super::notification_text(&told));
            }
        }
    }
}
