//! `taskwatch setup`, `doctor` and `teardown` as a user runs them: against our own endpoint, which enforces queue policies, and
//! against moto and MiniStack, which do not.

use std::process::Output;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::{Value, json};

use super::cli::{Killed, Local, stderr, stdout, taskwatch};
use super::support::answers::{self, Answer};
use super::support::aws::Aws;
use super::support::emulator::{Emulator, sdk};
use super::support::polled;

const RULE: &str = "blue-events";

/// An account with an endpoint.
pub(crate) struct Account {
    endpoint: String,
    pub(crate) aws: Aws,
    /// What `setup` printed for `serve`.
    pub(crate) settings: Vec<(String, String)>,
    /// Another endpoint for DynamoDB.
    pub(crate) dynamodb: Option<String>,
}

impl Account {
    pub(crate) fn at(endpoint: &str) -> Self {
        Self { endpoint: endpoint.to_owned(), aws: Aws::new(&sdk(endpoint)), settings: Vec::new(), dynamodb: None }
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = taskwatch();
        command.env("AWS_ENDPOINT_URL", &self.endpoint).envs(self.settings.iter().cloned()).args(arguments);
        command.envs(self.dynamodb.as_ref().map(|url| ("AWS_ENDPOINT_URL_DYNAMODB", url)));
        // Nobody listens there, whatever else runs on this machine.
        command.env("TASKWATCH_URL", "http://127.0.0.1:9").env("TASKWATCH_STORE", "memory:");
        tokio::task::spawn_blocking(move || command.output().expect("taskwatch")).await.expect("its end")
    }

    pub(crate) async fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}{}", stderr(&output), stdout(&output));
        serde_json::from_str(&stdout(&output)).expect("JSON")
    }

    /// `setup` of the cell `blue`, and what it did to each thing that it did not leave: `change queue blue-events`.
    async fn setup(&mut self) -> Vec<String> {
        self.set_up(&["--cell", "blue", "--cluster", "batch"]).await
    }

    /// `setup` with these arguments, and what it did.
    pub(crate) async fn set_up(&mut self, arguments: &[&str]) -> Vec<String> {
        let done = self.json(&[&["setup"], arguments].concat(), 0).await;
        let pairs = done["environment"].as_object().expect("the environment").iter();
        self.settings = pairs.map(|(n, v)| (n.clone(), v.as_str().expect("a text").to_owned())).collect();
        let steps = done["steps"].as_array().expect("steps").iter().filter(|step| step["action"] != "leave");
        let shown = |step: &Value| ["action", "kind", "name"].map(|n| step[n].as_str().unwrap_or_default()).join(" ");
        steps.map(shown).collect()
    }

    pub(crate) fn setting(&self, name: &str) -> String {
        self.settings.iter().find(|(n, _)| n == name).expect("a setting").1.clone()
    }

    fn events_queue(&self) -> String {
        self.setting("TASKWATCH_EVENTS_QUEUE_URL")
    }

    async fn set(&self, name: QueueAttributeName, value: &str) {
        let set = self.aws.sqs.set_queue_attributes().queue_url(self.events_queue()).attributes(name, value);
        set.send().await.expect("SetQueueAttributes");
    }

    async fn policy(&self) -> Value {
        let asked = self.aws.sqs.get_queue_attributes().queue_url(self.events_queue());
        let answer = asked.attribute_names(QueueAttributeName::Policy).send().await.expect("GetQueueAttributes");
        let text = answer.attributes.and_then(|mut all| all.remove(&QueueAttributeName::Policy)).expect("a policy");
        serde_json::from_str(&text).expect("JSON")
    }

    /// `teardown`, after which nothing is there.
    async fn torn_down(&self) {
        let gone = self.run(&["teardown", "--cell", "blue", "--yes"]).await;
        assert_eq!(gone.status.code(), Some(0), "{}", stderr(&gone));
        has(&self.doctor(&[], 1, "fail").await, "events queue", "taskwatch setup");
    }

    /// The findings of `doctor` with this status.
    pub(crate) async fn doctor(&self, arguments: &[&str], code: i32, status: &str) -> Vec<Value> {
        let report = self.json(&[&["doctor"], arguments].concat(), code).await;
        assert_eq!(report["healthy"], code == 0);
        let findings = report["findings"].as_array().expect("findings");
        findings.iter().filter(|finding| finding["status"] == status).cloned().collect()
    }
}

pub(crate) fn has(findings: &[Value], check: &str, todo: &str) {
    let found = findings.iter().any(|f| f["check"] == check && f["do"].as_str().is_some_and(|d| d.contains(todo)));
    assert!(found, "{check} with {todo:?} is not in {findings:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_makes_mends_and_removes_a_path() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    let dry = account.run(&["setup", "--cell", "blue", "--dry-run"]).await;
    assert!(stdout(&dry).contains("would make   rule blue-events"), "{}", stdout(&dry));
    assert_eq!(account.setup().await.len(), 7, "four queues, rule, target and topic: the dry run made nothing");
    assert_eq!(account.setup().await, [""; 0], "a second time changes nothing");
    let probe = account.doctor(&["--cluster", "batch"], 0, "ok").await;
    assert!(probe.iter().any(|f| f["check"] == "probe"), "an event goes through: {probe:#?}");

    let theirs = json!({"Sid": "Backup", "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:ReceiveMessage"});
    account.set(QueueAttributeName::Policy, &json!({"Version": "2012-10-17", "Statement": [theirs]}).to_string()).await;
    account.aws.events.disable_rule().name(RULE).send().await.expect("DisableRule");
    account.aws.events.remove_targets().rule(RULE).ids("taskwatch").send().await.expect("RemoveTargets");
    let mended = account.setup().await;
    assert_eq!(
        mended,
        ["change queue blue-events", "change rule blue-events", "create target taskwatch of blue-events"]
    );
    let policy = account.policy().await;
    assert_eq!(policy["Statement"][0], theirs, "other people's statements stay");
    assert_eq!(policy["Statement"].as_array().expect("statements").len(), 2);
    account.doctor(&[], 0, "ok").await;

    let shown = account.run(&["teardown", "--cell", "blue"]).await;
    assert_eq!(shown.status.code(), Some(2));
    assert!(stdout(&shown).contains("would remove queue blue-events"), "{}", stdout(&shown));
    account.doctor(&["--no-probe"], 0, "ok").await;
    // A topic with a tag of nobody's is nobody's to take away.
    let arn = account.setting("TASKWATCH_TOPIC_ARN");
    account.aws.sns.untag_resource().resource_arn(&arn).tag_keys("taskwatch:cell").send().await.expect("UntagResource");
    let gone = account.run(&["teardown", "--cell", "blue", "--yes"]).await;
    assert_eq!(gone.status.code(), Some(0), "{}", stderr(&gone));
    assert!(stdout(&gone).contains("leaves       topic"), "{}", stdout(&gone));
    has(&account.doctor(&[], 1, "fail").await, "events queue", "taskwatch setup");
}

/// The endpoint drops what a queue's policy does not let in, so that a policy which is wrong is seen by the probe too.
#[tokio::test(flavor = "multi_thread")]
async fn the_policy_that_setup_makes_lets_its_rule_in_and_no_other() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    account.setup().await;
    let (events, queue) = (&account.aws.events, account.events_queue());
    let detail = json!({"startedBy": "blue/x", "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/batch"});
    send(events, &detail).await;
    assert_eq!(account.aws.take(&queue, 1, 10).await.len(), 1, "the cell's rule may send");

    // Another rule that matches the same event and sends to the same queue, without being let in.
    let arn = account.aws.arn(&queue).await;
    let target = aws_sdk_eventbridge::types::Target::builder().id("x").arn(&arn).build().expect("a target");
    events.put_rule().name("green").event_pattern("{\"source\":[\"taskwatch.doctor\"]}").send().await.expect("PutRule");
    events.put_targets().rule("green").targets(target).send().await.expect("PutTargets");
    send(events, &detail).await;
    assert_eq!(account.aws.take(&queue, 2, 2).await.len(), 1, "and no other");
}

/// As the source of doctor's probe: the endpoint lets nobody but itself send as `aws.ecs`, as AWS does.
pub(crate) async fn send(events: &aws_sdk_eventbridge::Client, detail: &Value) {
    let entry = aws_sdk_eventbridge::types::PutEventsRequestEntry::builder().source(taskwatch::aws::PROBE_SOURCE);
    let entry = entry.detail_type("ECS Task State Change").detail(detail.to_string()).build();
    let put = events.put_events().entries(entry).send().await.expect("PutEvents");
    assert_eq!(put.failed_entry_count, 0);
}

/// Service Quotas is asked where it is, and what it says is judged.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_tells_a_quota_of_vcpus_that_is_less_than_one_burst() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    account.setup().await;
    let json = "application/x-amz-json-1.1";
    let six = "{\"Quota\":{\"ServiceCode\":\"fargate\",\"Value\":6.0}}";
    let denied = "{\"__type\":\"AccessDeniedException\",\"Message\":\"may not\"}";
    for (answer, found, todo) in [
        (Answer::Http("200 OK", json, six), "6 on demand, 6 on Spot at once", "TASKWATCH_MAX_IN_FLIGHT"),
        (Answer::Http("400 Bad Request", json, denied), "not known", "servicequotas:GetServiceQuota"),
    ] {
        account.settings.push(("AWS_ENDPOINT_URL_SERVICE_QUOTAS".to_owned(), answers::serve(answer)));
        let warnings = account.doctor(&["--no-probe"], 0, "warn").await;
        has(&warnings, "vCPUs", todo);
        assert!(warnings.iter().any(|f| f["found"].as_str().is_some_and(|text| text.contains(found))), "{warnings:#?}");
    }
    account.settings.push(("TASKWATCH_MAX_IN_FLIGHT".to_owned(), "24".to_owned()));
    account
        .settings
        .push(("AWS_ENDPOINT_URL_SERVICE_QUOTAS".to_owned(), answers::serve(Answer::Http("200 OK", json, six))));
    let fits = account.doctor(&["--no-probe"], 0, "ok").await;
    assert!(fits.iter().any(|f| f["check"] == "vCPUs"), "{fits:#?}");
    account.settings.push(("AWS_ENDPOINT_URL_SERVICE_QUOTAS".to_owned(), answers::nobody()));
    let unknown = account.doctor(&["--no-probe"], 0, "skip").await;
    assert!(unknown.iter().any(|f| f["check"] == "vCPUs"), "{unknown:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_finds_what_is_wrong_and_says_what_to_do() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    account.setup().await;

    account.set(QueueAttributeName::MessageRetentionPeriod, "3600").await;
    let dlq = account.setting("TASKWATCH_REQUESTS_DLQ_URL");
    account.aws.send(&dlq, &["{}".to_owned()]).await;
    let warnings = account.doctor(&["--no-probe"], 0, "warn").await;
    has(&warnings, "events queue's retention", "345600");
    has(&warnings, "requests dead-letter queue", "taskwatchError");

    account.aws.events.disable_rule().name(RULE).send().await.expect("DisableRule");
    has(&account.doctor(&[], 1, "fail").await, "rule", "enable-rule --name blue-events");
    account.setup().await;

    let pattern = "{\"source\":[\"aws.ecs\"],\"detail\":{\"startedBy\":[{\"prefix\":\"green/\"}]}}";
    account.aws.events.put_rule().name(RULE).event_pattern(pattern).send().await.expect("PutRule");
    has(&account.doctor(&[], 1, "fail").await, "pattern", "taskwatch setup");
    account.setup().await;

    account.set(QueueAttributeName::Policy, "").await;
    has(&account.doctor(&[], 1, "fail").await, "events queue's policy", "taskwatch setup");
    account.setup().await;

    account.set(QueueAttributeName::KmsMasterKeyId, "alias/aws/sqs").await;
    has(&account.doctor(&[], 1, "fail").await, "events queue's encryption", "customer managed key");
    account.setup().await;

    account.aws.events.remove_targets().rule(RULE).ids("taskwatch").send().await.expect("RemoveTargets");
    has(&account.doctor(&[], 1, "fail").await, "target", "taskwatch setup");
    account.setup().await;

    account.aws.sns.delete_topic().topic_arn(account.setting("TASKWATCH_TOPIC_ARN")).send().await.expect("DeleteTopic");
    has(&account.doctor(&[], 1, "fail").await, "topic", "taskwatch setup");
    assert_eq!(account.setup().await, ["create topic blue-runs"], "though the settings name it by its ARN");

    // What slows or shuts a queue is found, and mended by what doctor names.
    for (name, value, check) in [
        (QueueAttributeName::DelaySeconds, "600", "events queue's delay"),
        (QueueAttributeName::VisibilityTimeout, "43200", "events queue's visibility timeout"),
        (QueueAttributeName::MaximumMessageSize, "1024", "events queue's message size"),
    ] {
        account.set(name.clone(), value).await;
        has(&account.doctor(&["--no-probe"], 0, "warn").await, check, "taskwatch setup --cell blue makes it");
        let dry = account.run(&["setup", "--cell", "blue", "--cluster", "batch", "--dry-run"]).await;
        assert!(stdout(&dry).contains(&format!("{}: {value} → ", name.as_str())), "{}", stdout(&dry));
        assert_eq!(account.setup().await, ["change queue blue-events"], "{check}");
    }
    account.doctor(&[], 0, "ok").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teardown_takes_away_no_request_no_subscription_and_nothing_of_others() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    account.setup().await;
    let green = account.run(&["setup", "--cell", "green", "--requests-queue", "blue-requests"]).await;
    assert_eq!(green.status.code(), Some(0), "{}", stderr(&green));
    let (requests, topic) = (account.setting("TASKWATCH_REQUESTS_QUEUE_URL"), account.setting("TASKWATCH_TOPIC_ARN"));
    account.aws.send(&requests, &["{}".to_owned()]).await;
    let subscribed = account.aws.sns.subscribe().topic_arn(&topic).protocol("sqs");
    subscribed.endpoint(account.aws.arn(&requests).await).send().await.expect("Subscribe");

    let shown = account.run(&["teardown", "--cell", "blue", "--dry-run"]).await;
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    assert!(stdout(&shown).contains("would remove queue blue-requests: with about 1 messages"), "{}", stdout(&shown));
    assert!(stderr(&shown).contains("account 123456789012, us-east-1"), "{}", stderr(&shown));
    let advice = "--yes would be refused: run requests wait, about 1 in blue-requests. ";
    assert!(stderr(&shown).contains(advice) && stderr(&shown).contains("--discard-requests"), "{}", stderr(&shown));
    let refused = account.run(&["teardown", "--cell", "blue", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("about 1 in blue-requests"), "{}", stderr(&refused));
    assert_eq!(account.setup().await, [""; 0], "nothing was removed");

    let gone = account.run(&["teardown", "--cell", "blue", "--yes", "--discard-requests"]).await;
    assert_eq!(gone.status.code(), Some(0), "{}", stderr(&gone));
    let said = stdout(&gone);
    assert!(
        said.contains("removed      queue blue-requests: with") && said.contains("removed      rule blue-events"),
        "{said}"
    );
    assert!(said.contains("leaves       topic blue-runs: it has 1 subscriptions"), "{said}");
    assert!(account.aws.sns.get_topic_attributes().topic_arn(&topic).send().await.is_ok());
    assert!(account.aws.events.describe_rule().name("green-events").send().await.is_ok(), "another cell's");
    let again = account.run(&["teardown", "--cell", "blue", "--yes"]).await;
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    assert!(stderr(&again).contains("nothing to remove"), "{}", stderr(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn teardown_removes_nothing_of_a_cell_that_is_at_work() {
    let local = Local::start();
    let mut account = Account::at(&local.1);
    account.setup().await;
    let ecs = Aws::ecs(&local.1);
    let task = |started_by: &'static str| {
        let network =
            aws_sdk_ecs::types::AwsVpcConfiguration::builder().subnets("subnet-0a").build().expect("a network");
        let network = aws_sdk_ecs::types::NetworkConfiguration::builder().awsvpc_configuration(network).build();
        let over = aws_sdk_ecs::types::KeyValuePair::builder().name("TASKWATCH_LOCAL_SECONDS").value("100000").build();
        let over = aws_sdk_ecs::types::ContainerOverride::builder().name("etl").environment(over).build();
        let over = aws_sdk_ecs::types::TaskOverride::builder().container_overrides(over).build();
        ecs.run_task()
            .cluster("batch")
            .task_definition("etl")
            .launch_type(aws_sdk_ecs::types::LaunchType::Fargate)
            .network_configuration(network)
            .overrides(over)
            .started_by(started_by)
            .send()
    };
    // A cell whose name begins with this one's, and tasks of nobody's.
    for by in ["blue-2/x", "bluex", "blue"] {
        task(by).await.expect("RunTask");
    }
    let arn = task("blue/token").await.expect("RunTask").tasks()[0].task_arn().expect("an ARN").to_owned();

    let refused = account.run(&["teardown", "--cell", "blue", "--yes"]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let said = "nothing was removed: tasks of the cell blue run, 1 in arn:aws:ecs:us-east-1:123456789012:cluster/batch";
    assert!(stderr(&refused).contains(said) && stderr(&refused).contains("--force"), "{}", stderr(&refused));
    assert!(stdout(&refused).contains("would remove queue blue-events"), "{}", stdout(&refused));
    assert_eq!(account.setup().await, [""; 0], "nothing was removed");
    let shown = account.run(&["teardown", "--cell", "blue", "--dry-run"]).await;
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
    let advice = said.replace("nothing was removed", "--yes would be refused");
    assert!(stderr(&shown).contains(&advice) && stderr(&shown).contains("--force"), "{}", stderr(&shown));

    ecs.stop_task().cluster("batch").task(arn).send().await.expect("StopTask");
    // It serves, has nothing to do, and would lose what comes.
    let serving = Serving::new(&account).await;
    let arguments = ["teardown", "--cell", "blue", "--yes", "--server", &serving.url];
    let refused = account.run(&arguments).await;
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    let said = format!("nothing was removed: the cell blue serves at {}, with 0 runs that have not ended", serving.url);
    assert!(stderr(&refused).contains(&said), "{}", stderr(&refused));
    assert!(serving.ready().await);
    let gone = account.run(&[&arguments[..], &["--force"]].concat()).await;
    assert_eq!(gone.status.code(), Some(0), "{}", stderr(&gone));
    polled::eventually("a cell whose queue is gone is not ready", async || !serving.ready().await).await;
}

/// A cell that serves with an account's settings.
struct Serving {
    url: String,
    #[expect(dead_code, reason = "it ends with this")]
    process: Killed,
}

impl Serving {
    async fn new(account: &Account) -> Self {
        let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
        let mut command = taskwatch();
        command.arg("serve").env("AWS_ENDPOINT_URL", &account.endpoint).envs(account.settings.iter().cloned());
        command.env("TASKWATCH_STORE", "memory:").env("TASKWATCH_LISTEN", address.to_string());
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let process = Killed(command.spawn().expect("serve"));
        let serving = Self { url: format!("http://{address}"), process };
        polled::eventually("it is ready", async || serving.ready().await).await;
        serving
    }

    async fn ready(&self) -> bool {
        reqwest::get(format!("{}/readyz", self.url)).await.is_ok_and(|answer| answer.status().is_success())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_and_doctor_agree_with_ministack() {
    let emulator = Emulator::ministack();
    let mut account = Account::at(&emulator.endpoint());
    assert_eq!(account.setup().await.len(), 7);
    assert_eq!(account.setup().await, [""; 0], "a second time changes nothing");
    account.aws.events.disable_rule().name(RULE).send().await.expect("DisableRule");
    has(&account.doctor(&[], 1, "fail").await, "rule", "enable-rule");
    assert_eq!(account.setup().await, ["change rule blue-events"]);
    let ok = account.doctor(&[], 0, "ok").await;
    assert!(ok.iter().any(|f| f["check"] == "probe"), "an event goes through: {ok:#?}");
    account.torn_down().await;
}

/// moto has no TestEventPattern, so that doctor has nothing to say there; but it lets a test be ECS.
#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_setup_made_in_moto_takes_the_cells_events() {
    let emulator = Emulator::moto();
    let mut account = Account::at(&emulator.endpoint());
    assert_eq!(account.setup().await.len(), 7);
    assert_eq!(account.setup().await, [""; 0], "a second time changes nothing");
    let cluster = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";
    let events = ["blue/x", "green/x"].map(|by| json!({"startedBy": by, "clusterArn": cluster, "taskArn": "x"}));
    account.aws.put_events(&events).await;
    let taken = account.aws.take(&account.events_queue(), 2, 2).await;
    assert_eq!(taken.len(), 1, "the cell's own and no other's");
    account.torn_down().await;
}

/// As docs/aws.md and the README have it: the settings go from `setup` into the shell, and from there to everything else.
#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_on_aws_from_setup_to_a_serving_cell() {
    let local = Local::start();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").to_string();
    let dir = tempfile::tempdir().expect("a directory");
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_taskwatch")).parent().expect("its directory").display();
    let shell = |script: &str| {
        let mut command = std::process::Command::new("sh");
        command.env_clear().envs(taskwatch().get_envs().filter_map(|(n, v)| Some((n, v?)))).arg("-c");
        command.arg(format!("eval \"$(taskwatch setup --cell blue --cluster batch)\" && {script}")).current_dir(&dir);
        command.env("PATH", format!("{binary}:{}", std::env::var("PATH").unwrap_or_default()));
        command.envs([("AWS_ENDPOINT_URL", &local.1), ("TASKWATCH_LISTEN", &listen)]);
        command.env("TASKWATCH_URL", format!("http://{listen}"));
        command
    };
    let asked = |script: &str| shell(script).output().expect("sh");
    let nobody = asked("taskwatch healthcheck");
    assert_eq!(nobody.status.code(), Some(1), "{}", stderr(&nobody));
    assert_eq!(asked("taskwatch doctor --task-definition etl").status.code(), Some(0), "before anything serves");

    let serve = shell("exec taskwatch serve").stderr(std::process::Stdio::null()).spawn().expect("taskwatch serve");
    let cell = Killed(serve);
    polled::until(|| "the cell is ready".to_owned(), || asked("taskwatch healthcheck --ready").status.success());
    let doctor = asked("taskwatch doctor --task-definition etl");
    let elsewhere =
        "{\"name\":\"w\",\"until\":\"stopped\",\"runTask\":{\"cluster\":\"default\",\"taskDefinition\":\"etl\"}}";
    let submitted = asked(&format!("echo '{elsewhere}' | taskwatch submit -"));
    // The same request again is the same run; this returns once it has a task.
    let placed = asked(&format!("echo '{elsewhere}' | taskwatch run - --no-wait --server \"$TASKWATCH_URL\""));
    let unheard = asked("taskwatch doctor --no-probe");
    drop(cell);
    let said = stdout(&doctor);
    assert_eq!(doctor.status.code(), Some(0), "{said}");
    assert!(said.contains("probe: an event went through the rule into the queue"), "{said}");
    assert!(said.trim_end().lines().last().is_some_and(|line| line.starts_with("The path works")), "{said}");
    assert!(stdout(&placed).contains(":task/default/"), "{}{}", stderr(&submitted), stderr(&placed));
    let said = stdout(&unheard);
    assert!(
        unheard.status.code() == Some(1) && said.contains("FAIL   rule's clusters: the cell has tasks in"),
        "{said}"
    );
    let all = "cluster/batch,arn:aws:ecs:us-east-1:123456789012:cluster/default";
    assert!(said.contains("do: taskwatch setup --cell blue --cluster") && said.contains(all), "{said}");
    assert_eq!(asked("taskwatch healthcheck").status.code(), Some(1), "killed");
}
