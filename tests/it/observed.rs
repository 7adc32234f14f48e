//! What others launch, from `setup --observe` to the message: rules and schedules of `taskwatch local`, its CloudTrail, a serving process.

use std::time::Duration;

use serde_json::{Value, json};

use super::cli::{Killed, Local, taskwatch};
use super::setup::{Account, has};

const ACCOUNT: &str = "123456789012";
const SCRIPT: &str = r#"
[task]
seconds = 10

[[fault]]
do = "image-pull"
match = { family = "gone" }

[[fault]]
do = "capacity"
reason = "RESOURCE:MEMORY"
match = { family = "large" }

[[fault]]
do = "duplicate"
match = { operation = "RunTask" }

[[fault]]
do = "duplicate"
"#;

/// An endpoint with a script of faults.
fn local(script: &str) -> (tempfile::TempDir, Local) {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("faults.toml");
    std::fs::write(&file, script).expect("a script");
    let file = file.to_str().expect("a path").to_owned();
    let local = Local::with(&["--script", &file]);
    (dir, local)
}

async fn registered(endpoint: &str, family: &str) -> String {
    let ecs = super::support::aws::Aws::ecs(endpoint);
    let container = aws_sdk_ecs::types::ContainerDefinition::builder().name("app").image("app:1").memory(128).build();
    ecs.register_task_definition().family(family).container_definitions(container).send().await.expect("registered");
    format!("arn:aws:ecs:us-east-1:{ACCOUNT}:task-definition/{family}:1")
}

fn ecs_target(definition: &str) -> aws_sdk_eventbridge::types::Target {
    let parameters = aws_sdk_eventbridge::types::EcsParameters::builder().task_definition_arn(definition).task_count(1);
    aws_sdk_eventbridge::types::Target::builder()
        .id("1")
        .arn(format!("arn:aws:ecs:us-east-1:{ACCOUNT}:cluster/batch"))
        .role_arn(format!("arn:aws:iam::{ACCOUNT}:role/events"))
        .input("{\"containerOverrides\": [{\"name\": \"app\", \"environment\": [{\"name\": \"K\", \"value\": \"secret\"}]}]}")
        .ecs_parameters(parameters.build().expect("parameters"))
        .build()
        .expect("a target")
}

/// A serving process, and what it says at a path.
pub(crate) struct Serving {
    _process: Killed,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start(account: &Account, endpoint: &str) -> Self {
        Self::start_in(account, endpoint, &std::env::temp_dir())
    }

    /// In a directory with a file of settings.
    fn start_in(account: &Account, endpoint: &str, dir: &std::path::Path) -> Self {
        let listen =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").to_string();
        let mut command = taskwatch();
        command.envs([("TASKWATCH_LISTEN", listen.as_str()), ("TASKWATCH_STORE", "memory:")]);
        command.envs(account.settings.iter().cloned()).env("AWS_ENDPOINT_URL", endpoint).arg("serve").current_dir(dir);
        let process = Killed(command.stderr(std::process::Stdio::null()).spawn().expect("taskwatch serve"));
        Self { _process: process, url: format!("http://{listen}") }
    }

    /// Waits until it receives.
    pub(crate) async fn is_up(&self) {
        for _ in 0..600 {
            if reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{} does not answer", self.url);
    }

    async fn get(&self, path: &str) -> Option<String> {
        reqwest::get(format!("{}{path}", self.url)).await.ok()?.text().await.ok()
    }

    async fn observed(&self, query: &str) -> Vec<Value> {
        let text = self.get(&format!("/v1/observed{query}")).await.unwrap_or_default();
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        answer["observed"].as_array().cloned().unwrap_or_default()
    }

    async fn has(&self, query: &str, number: usize) -> Vec<Value> {
        for _ in 0..600 {
            let seen = self.observed(query).await;
            if seen.len() >= number {
                return seen;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{query}: {number} are not in {:#?}", self.observed(query).await);
    }
}

/// A queue that gets what the topic is told.
async fn subscribed(account: &Account) -> String {
    let topic = account.setting("TASKWATCH_TOPIC_ARN");
    let told = account.aws.queue("told").await;
    let arn = account.aws.arn(&told).await;
    let policy = json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"}]}).to_string();
    let set = account.aws.sqs.set_queue_attributes().queue_url(&told);
    set.attributes(aws_sdk_sqs::types::QueueAttributeName::Policy, policy).send().await.expect("a policy");
    account.aws.sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(arn).send().await.expect("subscribed");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn what_rules_schedules_and_people_launch_is_told_with_who_did_and_why() {
    let (_dir, local) = local(SCRIPT);
    let mut account = Account::at(&local.1);
    let made = account.set_up(&["--cell", "blue", "--cluster", "batch", "--observe"]).await;
    assert!(
        made.contains(&"create rule blue-tasks".to_owned()) && made.contains(&"create rule blue-calls".to_owned()),
        "{made:?}"
    );
    let (gone, large) = (registered(&local.1, "gone").await, registered(&local.1, "large").await);
    let fine = registered(&local.1, "fine").await;
    let told = subscribed(&account).await;
    let serving = Serving::start(&account, &local.1);

    let events = &account.aws.events;
    for (rule, definition) in [("pulls", &gone), ("sizes", &large), ("works", &fine)] {
        let pattern = json!({"source": ["me"], "detail-type": [rule]}).to_string();
        events.put_rule().name(rule).event_pattern(pattern).send().await.expect("PutRule");
        let put = events.put_targets().rule(rule).targets(ecs_target(definition)).send().await.expect("PutTargets");
        assert_eq!(put.failed_entry_count(), 0);
        let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder();
        let entry = entry.source("me").detail_type(rule).detail("{}").build();
        events.put_events().entries(entry).send().await.expect("PutEvents");
    }
    let failed = serving.has("?kind=task-failed&launcherName=pulls", 1).await;
    assert_eq!((&failed[0]["launcher"]["kind"], &failed[0]["ran"]), (&json!("rule"), &json!(false)));
    assert_eq!((&failed[0]["class"], &failed[0]["family"]), (&json!("Taskwatch.Image"), &json!("gone")));
    let refused = serving.has("?kind=launch-refused&launcher=rule", 1).await;
    assert_eq!((&refused[0]["missing"], &refused[0]["error"]), (&json!(1), &json!("RESOURCE:MEMORY")));
    assert_eq!(refused[0]["launcher"]["role"], format!("arn:aws:iam::{ACCOUNT}:role/events"));

    let by_hand =
        super::support::aws::Aws::ecs(&local.1).run_task().cluster("batch").task_definition("gone").send().await;
    assert_eq!(by_hand.expect("RunTask").tasks().len(), 1);
    serving.has("?launcher=other&family=gone", 1).await;
    let messages = account.aws.take(&told, 4, 3).await;
    assert_eq!(messages.len(), 3, "whatever came twice was told once: {messages:#?}");
    assert_eq!(serving.observed("").await.len(), 3, "what ended well is not told");
    let metrics = serving.get("/metrics").await.unwrap_or_default();
    let line = "taskwatch_observed_never_ran_total{launcher=\"rule\",class=\"Taskwatch.Image\"} 1";
    assert!(metrics.contains(line), "{metrics}");
    let wrong = serving.get("/v1/observed?launcher=rules").await.unwrap_or_default();
    assert!(wrong.contains("InvalidRequest") && wrong.contains("step-functions"), "{wrong}");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_observes_until_teardown_and_doctor_says_what_is_blind() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    let without = account.set_up(&["--cell", "blue", "--cluster", "batch"]).await;
    assert_eq!(without.len(), 7);
    let more = account.set_up(&["--cell", "blue", "--cluster", "batch", "--observe"]).await;
    let expected = [
        "change queue blue-events-dlq",
        "change queue blue-events",
        "create rule blue-tasks",
        "create target taskwatch of blue-tasks",
        "create rule blue-calls",
        "create target taskwatch of blue-calls",
    ];
    assert_eq!(more, expected);
    assert_eq!(account.set_up(&["--cell", "blue", "--cluster", "batch"]).await, [""; 0], "it goes on to observe");
    let good = account.doctor(&["--no-probe"], 0, "ok").await;
    for check in ["observed", "observed tasks' pattern", "trail"] {
        assert!(good.iter().any(|f| f["check"] == check), "{check} is not in {good:#?}");
    }
    account.aws.events.disable_rule().name("blue-calls").send().await.expect("DisableRule");
    has(&account.doctor(&["--no-probe"], 1, "fail").await, "observed", "--observe");
    assert_eq!(account.set_up(&["--cell", "blue", "--cluster", "batch"]).await, ["change rule blue-calls"]);
    let gone = account.run(&["teardown", "--cell", "blue", "--yes"]).await;
    assert_eq!(gone.status.code(), Some(0), "{}", super::cli::stderr(&gone));
    let rules = account.aws.events.list_rules().send().await.expect("ListRules");
    assert!(rules.rules().is_empty(), "{rules:?}");
    let template = account.run(&["setup", "--cell", "blue", "--observe", "--print"]).await;
    let template = super::cli::stdout(&template);
    assert!(
        template.contains("TasksRule") && template.contains("CallsRule") && template.contains("CloudTrail"),
        "{template}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rules_task_that_never_ran_is_launched_once_more_by_its_target_and_runs() {
    let script = "[[fault]]\ndo = \"image-pull\"\ncount = 1\nmatch = { family = \"etl\" }\n";
    let (dir, local) = local(script);
    let mut account = Account::at(&local.1);
    account.set_up(&["--cell", "blue", "--cluster", "batch", "--observe"]).await;
    let settings = "[[observe.policy]]\nname = \"cron jobs\"\nmatch = { launcher = \"rule\" }\naction = \"retry\"\nsettle = \"1s\"\n";
    std::fs::write(dir.path().join("taskwatch.toml"), settings).expect("settings");
    account.settings.push(("TASKWATCH_RECONCILE_AFTER_SECONDS".to_owned(), "5".to_owned()));
    let definition = registered(&local.1, "etl").await;
    let serving = Serving::start_in(&account, &local.1, dir.path());
    let events = &account.aws.events;
    let pattern = json!({"source": ["me"]}).to_string();
    events.put_rule().name("a-rule-with-a-name-that-is-cut").event_pattern(pattern).send().await.expect("PutRule");
    let rule = events.put_targets().rule("a-rule-with-a-name-that-is-cut").targets(ecs_target(&definition));
    assert_eq!(rule.send().await.expect("PutTargets").failed_entry_count(), 0);
    let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder().source("me").detail_type("x").detail("{}");
    events.put_events().entries(entry.build()).send().await.expect("PutEvents");
    let told = serving.has("", 1).await;
    assert_eq!((&told[0]["repeated"], &told[0]["launcher"]["cut"]), (&json!(true), &json!(true)), "{told:#?}");
    let run = told[0]["run"].as_str().expect("a run").to_owned();
    let mut shown = Value::Null;
    for _ in 0..600 {
        let text = serving.get(&format!("/v1/runs/{run}")).await.unwrap_or_default();
        shown = serde_json::from_str(&text).unwrap_or_default();
        if shown["status"] == "SUCCEEDED" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(shown["status"], "SUCCEEDED", "{shown}");
    let ledger =
        reqwest::get(format!("{}/_taskwatch/tasks", local.1)).await.expect("the ledger").text().await.expect("text");
    let ledger: Value = serde_json::from_str(&ledger).expect("JSON");
    let tasks = ledger["tasks"].as_array().expect("tasks");
    assert_eq!(tasks.len(), 2, "{tasks:#?}");
    assert_eq!(tasks[0]["environment"], tasks[1]["environment"], "as it was, though CloudTrail hides it");
    assert!(tasks[1]["environment"].to_string().contains("secret") && !told[0].to_string().contains("secret"));
    assert!(tasks[1]["startedBy"].as_str().is_some_and(|by| by.starts_with("blue/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_observed_is_listed_after_a_restart_too_and_told_once() {
    let (dir, local) = local(SCRIPT);
    let mut account = Account::at(&local.1);
    account.set_up(&["--cell", "blue", "--cluster", "batch", "--observe"]).await;
    let store = format!("file:{}", dir.path().join("store").display());
    account.settings.push(("TASKWATCH_STORE".to_owned(), store));
    let run = async || {
        let asked = super::support::aws::Aws::ecs(&local.1).run_task().cluster("batch").task_definition("gone").send();
        assert_eq!(asked.await.expect("RunTask").tasks().len(), 1);
    };
    registered(&local.1, "gone").await;
    let first = Serving::start(&account, &local.1);
    run().await;
    let before = first.has("?family=gone", 1).await;
    drop(first);
    let second = Serving::start(&account, &local.1);
    second.is_up().await;
    assert_eq!(second.observed("").await, before);
    run().await;
    let after = second.has("", 2).await;
    assert_eq!(after[1], before[0], "the newest comes first, and nothing is listed twice");
}

/// Programs that fail in a series: the first messages have the lines of their tasks, the one of the series those of three.
#[tokio::test(flavor = "multi_thread")]
async fn messages_of_others_failures_carry_lines_where_the_policy_asks_for_them() {
    let script =
        "[task]\nseconds = 1\n[[fault]]\ndo = \"exit-code\"\nexit_code = 3\nlog = [\"loading\", \"no space left\"]\n";
    let (dir, local) = local(script);
    let mut account = Account::at(&local.1);
    account.set_up(&["--cell", "blue", "--cluster", "batch", "--observe"]).await;
    let settings = "[[observe.policy]]\nmatch = { ran = true }\nlog_lines = 1\n";
    std::fs::write(dir.path().join("taskwatch.toml"), settings).expect("settings");
    for (name, value) in [("TASKWATCH_CIRCUIT_BREAKER_FAILURES", "4"), ("TASKWATCH_LOG_RATE", "10")] {
        account.settings.push((name.to_owned(), value.to_owned()));
    }
    let told = subscribed(&account).await;
    let serving = Serving::start_in(&account, &local.1, dir.path());
    let ecs = super::support::aws::Aws::ecs(&local.1);
    let launched = ecs.run_task().cluster("batch").task_definition("talks").count(6).send().await.expect("RunTask");
    assert_eq!(launched.tasks().len(), 6);
    serving.has("?family=talks", 6).await;
    let messages = account.aws.take(&told, 4, 3).await;
    let details: Vec<Value> = messages
        .iter()
        .map(|message| {
            let outer: Value = serde_json::from_str(message.body().unwrap_or_default()).expect("JSON");
            let inner =
                outer["Message"].as_str().map_or(outer.clone(), |text| serde_json::from_str(text).expect("JSON"));
            inner["detail"].clone()
        })
        .collect();
    let of = |status: &str| details.iter().filter(|detail| detail["status"] == status).collect::<Vec<_>>();
    let (singly, series) = (of("FAILED"), of("REPEATING"));
    assert_eq!((singly.len(), series.len()), (3, 1), "{details:#?}");
    for (detail, logs) in singly.iter().map(|detail| (detail, 1)).chain([(&series[0], 3)]) {
        let all = detail["logs"].as_array().expect("logs");
        assert_eq!(all.len(), logs, "{detail:#}");
        assert!(all.iter().all(|log| log["lines"] == json!(["no space left"])), "{detail:#}");
    }
}
