//! `taskwatch setup`, `doctor` and `teardown` of a fleet as a user runs them, against DynamoDB as MiniStack and moto have it.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, DeleteGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, KeySchemaElement,
    KeyType, PointInTimeRecoverySpecification, ScalarAttributeType, TimeToLiveSpecification,
};
use serde_json::{Value, json};
use taskwatch::store::dynamo::{Directory, ProcessRow};

use super::cli::{stderr, stdout};
use super::emulators::clients;
use super::setup::{Account, has, send};
use super::support::emulator::{Emulator, sdk};
use super::support::polled::eventually;
use super::support::{python, slow_table};

const STORE: [&str; 4] = ["--fleet", "blue", "--store", "dynamodb:runs"];

/// The tables of an account.
struct Tables(aws_sdk_dynamodb::Client);

impl Tables {
    fn of(emulator: &Emulator) -> Self {
        Self(aws_sdk_dynamodb::Client::new(&sdk(&emulator.endpoint())))
    }

    /// What a fleet needs of its table, in words.
    async fn shown(&self) -> Vec<String> {
        let table = self.0.describe_table().table_name("runs").send().await.expect("DescribeTable").table.expect("it");
        let ttl = self.0.describe_time_to_live().table_name("runs").send().await.expect("DescribeTimeToLive");
        let ttl = ttl.time_to_live_description.expect("time to live");
        let backups = self.0.describe_continuous_backups().table_name("runs").send().await.expect("backups");
        let backups = backups.continuous_backups_description.and_then(|of| of.point_in_time_recovery_description);
        let schema = |keys: &[KeySchemaElement]| {
            keys.iter().map(|key| format!("{} {}", key.attribute_name(), key.key_type())).collect::<Vec<_>>().join(" ")
        };
        let index = table.global_secondary_indexes().iter().map(|index| {
            let projection = index.projection().expect("a projection");
            let shows = projection.non_key_attributes().join(" ");
            format!("{}: {} with {shows}", index.index_name().unwrap_or_default(), schema(index.key_schema()))
        });
        let mut kinds: Vec<String> = table
            .attribute_definitions()
            .iter()
            .map(|of| format!("{} {}", of.attribute_name(), of.attribute_type()))
            .collect();
        kinds.sort();
        let billing = table.billing_mode_summary().and_then(|of| of.billing_mode()).map(BillingMode::as_str);
        let mut shown = vec![schema(table.key_schema()), kinds.join(" "), billing.unwrap_or_default().to_owned()];
        shown.extend(index);
        let status = ttl.time_to_live_status().map(|status| status.as_str()).unwrap_or_default();
        shown.push(format!("{} {status}", ttl.attribute_name().unwrap_or_default()));
        let backups = backups.and_then(|of| of.point_in_time_recovery_status);
        shown.push(format!("backups {}", backups.map(|status| status.as_str().to_owned()).unwrap_or_default()));
        shown.push(format!("protected {}", table.deletion_protection_enabled().unwrap_or(false)));
        shown
    }

    async fn protect(&self, on: bool) {
        let update = self.0.update_table().table_name("runs").deletion_protection_enabled(on);
        update.send().await.expect("UpdateTable");
    }

    /// Takes away what `setup` puts back.
    async fn spoil(&self) {
        self.protect(false).await;
        let index = DeleteGlobalSecondaryIndexAction::builder().index_name("ended").build().expect("an index");
        let index = GlobalSecondaryIndexUpdate::builder().delete(index).build();
        self.0
            .update_table()
            .table_name("runs")
            .global_secondary_index_updates(index)
            .send()
            .await
            .expect("UpdateTable");
        let off = TimeToLiveSpecification::builder().attribute_name("ttl").enabled(false).build().expect("whole");
        let update = self.0.update_time_to_live().table_name("runs").time_to_live_specification(off);
        update.send().await.expect("UpdateTimeToLive");
        let off = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(false).build();
        let update = self.0.update_continuous_backups().table_name("runs");
        let update = update.point_in_time_recovery_specification(off.expect("whole"));
        update.send().await.expect("UpdateContinuousBackups");
    }

    /// A table with another key.
    async fn other(&self, name: &str) {
        let key = KeySchemaElement::builder().attribute_name("id").key_type(KeyType::Hash).build().expect("a key");
        let kind = AttributeDefinition::builder().attribute_name("id").attribute_type(ScalarAttributeType::S);
        let made = self.0.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest).key_schema(key);
        made.attribute_definitions(kind.build().expect("an attribute")).send().await.expect("CreateTable");
    }
}

/// What the table must be, on both emulators.
fn whole() -> Vec<String> {
    [
        "pk HASH sk RANGE",
        "endedOn S id S pk S sk N",
        "PAY_PER_REQUEST",
        "ended: endedOn HASH id RANGE with status queue error",
        "ttl ENABLED",
        "backups ENABLED",
        "protected true",
    ]
    .map(str::to_owned)
    .into()
}

async fn set_up(account: &mut Account, arguments: &[&str]) -> Vec<String> {
    account.set_up(&[&STORE, arguments].concat()).await
}

async fn teardown(account: &Account, arguments: &[&str]) -> Output {
    account.run(&[&["teardown"], &STORE[..], arguments].concat()).await
}

async fn directory(emulator: &Emulator) -> Directory {
    Directory::new(Arc::new(clients(emulator).await.table("runs")), "blue")
}

/// A process of the fleet, which has beaten so often.
fn process(id: &str, version: &str, beat: u64) -> ProcessRow {
    ProcessRow { id: id.into(), version: version.into(), beat, ..ProcessRow::default() }
}

/// An event of a cell's task goes into its own queue, and no other.
async fn assert_each_cell_gets_its_own(account: &Account, cells: u32) {
    for cell in 0..cells {
        send(&account.aws.events, &json!({"startedBy": format!("blue-{cell}/x")})).await;
    }
    send(&account.aws.events, &json!({"startedBy": "blue/x"})).await;
    for cell in 0..cells {
        let asked = account.aws.sqs.get_queue_url().queue_name(format!("blue-{cell}-events")).send().await;
        let url = asked.expect("GetQueueUrl").queue_url.expect("a URL");
        let taken = account.aws.take(&url, 2, 2).await;
        assert_eq!(taken.len(), 1, "the cell {cell}: {taken:?}");
    }
}

async fn a_fleet_is_made_mended_and_grown(emulator: &Emulator) {
    let (mut account, tables) = (Account::at(&emulator.endpoint()), Tables::of(emulator));
    let dry = account.run(&[&["setup"], &STORE[..], &["--cells", "2", "--dry-run"]].concat()).await;
    for line in ["would make   table runs", "key: pk (S), sk (N)", "would make   rule blue-1-events"] {
        assert!(stdout(&dry).contains(line), "{}{}", stdout(&dry), stderr(&dry));
    }
    let made = set_up(&mut account, &["--cells", "2"]).await;
    assert_eq!(made.len(), 14, "table, six queues, two rules and targets, topic, two cells in the table: {made:?}");
    assert_eq!(tables.shown().await, whole());
    assert_eq!(set_up(&mut account, &["--cells", "2"]).await, [""; 0], "a second time changes nothing");
    assert_eq!(set_up(&mut account, &[]).await, [""; 0], "as many cells as there are");
    let settings: Vec<&str> = account.settings.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["AWS_REGION", "TASKWATCH_FLEET", "TASKWATCH_REQUESTS_DLQ_URL", "TASKWATCH_REQUESTS_QUEUE_URL"];
    assert_eq!(settings, [&expected[..], &["TASKWATCH_STORE", "TASKWATCH_TOPIC_ARN"]].concat());
    assert_eq!(
        (account.setting("TASKWATCH_STORE").as_str(), account.setting("TASKWATCH_FLEET")),
        ("dynamodb:runs", "blue".into())
    );
    assert!(account.setting("TASKWATCH_REQUESTS_DLQ_URL").ends_with("/blue-requests-dlq"));
    assert!(account.setting("TASKWATCH_TOPIC_ARN").ends_with(":blue-runs"));

    tables.spoil().await;
    assert_ne!(tables.shown().await, whole());
    assert_eq!(set_up(&mut account, &[]).await, ["change table runs"]);
    assert_eq!(tables.shown().await, whole());

    let more = set_up(&mut account, &["--cells", "3"]).await;
    let of_the_third = ["create queue blue-2-events-dlq", "create queue blue-2-events", "create rule blue-2-events"];
    assert_eq!(more, [&of_the_third[..], &["create target taskwatch of blue-2-events", "create cell blue-2"]].concat());
    let rows = directory(emulator).await.read().await.expect("the rows");
    let cells: Vec<String> = rows.cells.iter().map(|cell| format!("{} {}", cell.name, cell.events)).collect();
    assert_eq!(cells.len(), 3);
    assert!(cells[2].starts_with("blue-2 http") && cells[2].ends_with("/blue-2-events"), "{cells:?}");
    let fewer = account.run(&[&["setup"], &STORE[..], &["--cells", "1"]].concat()).await;
    assert_eq!(fewer.status.code(), Some(2), "{}", stderr(&fewer));
    assert!(
        stderr(&fewer).contains("--cells is 1: the fleet blue has 3 cells")
            && stderr(&fewer).contains("Give --cells 3")
    );
    assert_each_cell_gets_its_own(&account, 3).await;
}

/// A process that beats until this is dropped.
struct Beating(tokio::task::JoinHandle<()>);

impl Beating {
    async fn begin(rows: &Directory, id: &'static str, version: &'static str) -> Self {
        rows.begin(&process(id, version, 1)).await.expect("a row");
        let rows = rows.clone();
        Self(tokio::spawn(async move {
            for beat in 2.. {
                tokio::time::sleep(Duration::from_millis(500)).await;
                rows.beat(&process(id, version, beat)).await.expect("a beat");
            }
        }))
    }
}

impl Drop for Beating {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn a_fleet_is_removed_but_for_what_somebody_needs(emulator: &Emulator) {
    let (mut account, tables) = (Account::at(&emulator.endpoint()), Tables::of(emulator));
    // Of a cell that was made by itself, and has the fleet's third cell's name.
    Account::at(&emulator.endpoint()).set_up(&["--cell", "blue-2"]).await;
    set_up(&mut account, &["--cells", "2"]).await;
    account.aws.send(&account.setting("TASKWATCH_REQUESTS_QUEUE_URL"), &["{}".to_owned()]).await;
    let shown = teardown(&account, &[]).await;
    assert_eq!(shown.status.code(), Some(2));
    for line in [
        "would remove rule blue-1-events",
        "would remove queue blue-requests: with about 1 messages",
        "leaves       table runs: deletion protection is on",
    ] {
        assert!(stdout(&shown).contains(line), "{}", stdout(&shown));
    }
    let refused = teardown(&account, &["--yes", "--force"]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("about 1 in blue-requests"), "{}", stderr(&refused));
    assert_eq!(set_up(&mut account, &["--cells", "2"]).await, [""; 0], "nothing was removed");

    // A process that beats serves; the row of one that was killed is only a row.
    let rows = directory(emulator).await;
    rows.begin(&process("dead", "0.1.0", 7)).await.expect("a row");
    let beating = Beating::begin(&rows, "alive", "0.1.0").await;
    let arguments = ["--yes", "--discard-requests"];
    let refused = teardown(&account, &arguments).await;
    assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("nothing was removed: 1 processes serve the fleet blue"), "{}", stderr(&refused));
    drop(beating);

    let gone = teardown(&account, &arguments).await;
    assert_eq!(gone.status.code(), Some(0), "{}", stderr(&gone));
    let said = stdout(&gone);
    assert!(
        said.contains("removed      queue blue-0-events") && said.contains("removed      topic blue-runs"),
        "{said}"
    );
    assert!(said.contains("aws dynamodb update-table --table-name runs --no-deletion-protection-enabled"), "{said}");
    assert!(!said.contains("blue-2-"), "another cell's: {said}");
    assert!(account.aws.events.describe_rule().name("blue-2-events").send().await.is_ok());
    assert_eq!(tables.shown().await, whole(), "the table and its runs are there");

    tables.protect(false).await;
    let shown = teardown(&account, &["--dry-run"]).await;
    assert!(stdout(&shown).contains("would remove table runs: with about"), "{}", stdout(&shown));
    let gone = teardown(&account, &["--yes"]).await;
    assert_eq!(stdout(&gone).lines().filter(|line| line.starts_with("removed")).count(), 1, "{}", stdout(&gone));
    assert!(tables.0.describe_table().table_name("runs").send().await.is_err(), "it is gone");
    let again = teardown(&account, &["--yes"]).await;
    assert!(stderr(&again).contains("there is nothing to remove of the fleet blue"), "{}", stderr(&again));
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_makes_mends_and_grows_a_fleet_in_ministack() {
    a_fleet_is_made_mended_and_grown(&Emulator::ministack()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn setup_makes_mends_and_grows_a_fleet_in_moto() {
    a_fleet_is_made_mended_and_grown(&Emulator::moto()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn teardown_of_a_fleet_leaves_requests_a_protected_table_and_what_is_not_its_own() {
    a_fleet_is_removed_but_for_what_somebody_needs(&Emulator::ministack()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_cannot_be_a_fleets_is_refused_with_what_to_do() {
    let emulator = Emulator::ministack();
    let (mut account, tables) = (Account::at(&emulator.endpoint()), Tables::of(&emulator));
    tables.other("jobs").await;
    let refused = async |account: &Account, fleet: &str, table: &str| {
        let store = format!("dynamodb:{table}");
        let said = account.run(&["setup", "--fleet", fleet, "--store", &store, "--cells", "1"]).await;
        assert_eq!(said.status.code(), Some(2), "{}", stdout(&said));
        stderr(&said)
    };
    let said = refused(&account, "blue", "jobs").await;
    assert!(said.contains("the key of the table jobs is id (S); taskwatch needs pk (S), sk (N)"), "{said}");
    let queues = account.aws.sqs.list_queues().send().await.expect("ListQueues");
    assert!(queues.queue_urls().is_empty(), "nothing was made: {queues:?}");
    set_up(&mut account, &["--cells", "1"]).await;
    let said = refused(&account, "green", "runs").await;
    assert!(said.contains("that table was made for the fleet blue") && said.contains("name another table"), "{said}");
    let said = refused(&account, "blue", "").await;
    assert!(said.contains("dynamodb:TABLE"), "{said}");
}

/// A table takes its time on AWS, which no emulator plays.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_takes_its_time_is_waited_for() {
    let emulator = Emulator::ministack();
    let mut account = Account::at(&emulator.endpoint());
    account.dynamodb = Some(slow_table::before(&emulator.endpoint()).await);
    let made = set_up(&mut account, &["--cells", "1"]).await;
    assert_eq!(made.len(), 9, "{made:?}");
    assert_eq!(Tables::of(&emulator).shown().await, whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_proves_each_cell_of_a_fleet_and_finds_what_is_wrong_with_its_table() {
    let emulator = Emulator::ministack();
    let (mut account, tables) = (Account::at(&emulator.endpoint()), Tables::of(&emulator));
    set_up(&mut account, &["--cells", "2"]).await;
    let doctor = async |account: &Account, arguments: &[&str], code: i32, status: &str| {
        account.doctor(&[&STORE[..], arguments].concat(), code, status).await
    };
    let ok = doctor(&account, &[], 0, "ok").await;
    let checks: Vec<&str> = ok.iter().filter_map(|finding| finding["check"].as_str()).collect();
    for check in
        ["table", "table's capacity", "cells", "dynamodb:PutItem", "blue-1: pattern", "blue-0: probe", "blue-1: probe"]
    {
        assert!(checks.contains(&check), "{check} is not in {checks:?}");
    }
    assert_eq!(doctor(&account, &[], 0, "warn").await, [Value::Null; 0]);

    tables.spoil().await;
    has(&doctor(&account, &[], 1, "fail").await, "table's index", "taskwatch setup --fleet blue --store dynamodb:runs");
    let warnings = doctor(&account, &[], 1, "warn").await;
    for check in ["table's time to live", "table's deletion protection", "table's backups"] {
        has(&warnings, check, "taskwatch setup --fleet blue");
    }
    set_up(&mut account, &[]).await;
    let provisioned = aws_sdk_dynamodb::types::ProvisionedThroughput::builder().read_capacity_units(5);
    let provisioned = provisioned.write_capacity_units(5).build().expect("units");
    let update = tables.0.update_table().table_name("runs").billing_mode(BillingMode::Provisioned);
    update.provisioned_throughput(provisioned).send().await.expect("UpdateTable");
    account.aws.events.disable_rule().name("blue-1-events").send().await.expect("DisableRule");
    has(&doctor(&account, &[], 1, "fail").await, "blue-1: rule", "enable-rule --name blue-1-events");
    let rows = directory(&emulator).await;
    let _beating = [Beating::begin(&rows, "a", "0.1.0").await, Beating::begin(&rows, "b", "0.2.0").await];
    rows.take("blue-0", 0, "a").await.expect("a call").expect("it is free");
    let warnings = doctor(&account, &[], 1, "warn").await;
    has(&warnings, "table's capacity", "--billing-mode PAY_PER_REQUEST");
    has(&warnings, "processes' versions", "one version");
    has(&warnings, "cells without owner", "15 s");
    let found = |check: &str| warnings.iter().find(|finding| finding["check"] == check).expect("it")["found"].clone();
    assert_eq!(
        (found("cells without owner"), found("processes' versions")),
        ("blue-1".into(), "1 of 0.1.0, 1 of 0.2.0".into())
    );

    account.aws.events.enable_rule().name("blue-1-events").send().await.expect("EnableRule");
    let skipped = doctor(&account, &[], 0, "skip").await;
    has(&skipped, "blue-0: probe", "");
    let why = skipped.iter().find(|finding| finding["check"] == "blue-0: probe").expect("it");
    assert!(why["found"].as_str().is_some_and(|found| found.contains("give --server URL")), "{why}");
    let none = account.doctor(&["--fleet", "blue", "--store", "dynamodb:none"], 1, "fail").await;
    has(&none, "table", "taskwatch setup --fleet blue --store dynamodb:none");
}

/// `--print` needs no account, and says the same as the calls.
#[tokio::test(flavor = "multi_thread")]
async fn the_template_of_a_fleet_makes_what_setup_makes() {
    let emulator = Emulator::ministack();
    let account = Account::at(&emulator.endpoint());
    let printed = account.run(&[&["setup"], &STORE[..], &["--cells", "2", "--print"]].concat()).await;
    let stack = |arguments: &[&str]| {
        let mut client = python::aws(&emulator.endpoint());
        let said = client.arg("cloudformation").args(arguments).args(["--stack-name", "blue"]).output().expect("aws");
        assert!(said.status.success(), "{}", stderr(&said));
        serde_json::from_str::<Value>(&stdout(&said)).unwrap_or_default()
    };
    stack(&["create-stack", "--template-body", &stdout(&printed)]);
    eventually("the stack is made", async || {
        let said = stack(&["describe-stacks"]);
        let status = said["Stacks"][0]["StackStatus"].as_str().unwrap_or_default().to_owned();
        assert!(status.starts_with("CREATE") && !status.contains("FAILED"), "{said:#}");
        status == "CREATE_COMPLETE"
    })
    .await;
    let dry = account.json(&[&["setup"], &STORE[..], &["--cells", "2", "--dry-run"]].concat(), 0).await;
    let differs: Vec<&Value> =
        dry["steps"].as_array().expect("steps").iter().filter(|step| step["action"] != "leave").collect();
    let kinds: Vec<&Value> = differs.iter().map(|step| &step["kind"]).collect();
    assert_eq!(kinds, ["table", "cell", "cell"], "CloudFormation puts no items: {dry:#}");
    // The template has both; MiniStack's CloudFormation leaves them out.
    assert_eq!(differs[0]["changes"], json!(["time to live: by ttl", "point-in-time recovery: on"]));
    assert!(
        stdout(&printed).contains("TimeToLiveSpecification")
            && stdout(&printed).contains("PointInTimeRecoveryEnabled: true")
    );
}

/// One cell, without a fleet, with its runs in a table.
#[tokio::test(flavor = "multi_thread")]
async fn setup_makes_and_mends_a_cells_own_table_and_doctor_proves_it() {
    let emulator = Emulator::ministack();
    let (mut account, tables) = (Account::at(&emulator.endpoint()), Tables::of(&emulator));
    let solo = ["--cell", "solo", "--store", "dynamodb:runs"];
    let made = account.set_up(&solo).await;
    assert_eq!(
        (made.len(), made[0].as_str()),
        (8, "create table runs"),
        "and four queues, rule, target, topic: {made:?}"
    );
    assert_eq!(tables.shown().await, whole());
    let [cell, store] = ["TASKWATCH_CELL", "TASKWATCH_STORE"].map(|name| account.setting(name));
    assert_eq!((cell.as_str(), store.as_str()), ("solo", "dynamodb:runs"));
    assert!(account.setting("TASKWATCH_EVENTS_QUEUE_URL").ends_with("/solo-events"));
    assert_eq!(account.set_up(&solo).await, [""; 0], "a second time changes nothing");
    assert!(directory(&emulator).await.read().await.expect("rows").cells.is_empty(), "it is in no fleet");

    let ok = account.doctor(&solo, 0, "ok").await;
    let checks: Vec<&str> = ok.iter().filter_map(|finding| finding["check"].as_str()).collect();
    for check in ["table", "table's index", "dynamodb:PutItem", "events queue", "probe"] {
        assert!(checks.contains(&check), "{check} is not in {checks:?}");
    }
    tables.spoil().await;
    let setup = "taskwatch setup --cell solo --store dynamodb:runs";
    has(&account.doctor(&solo, 1, "fail").await, "table's index", setup);
    assert_eq!(account.set_up(&solo).await, ["change table runs"]);
    assert_eq!(tables.shown().await, whole());

    let other = account.run(&["setup", "--cell", "other", "--store", "dynamodb:runs"]).await;
    assert_eq!(other.status.code(), Some(2), "{}", stdout(&other));
    assert!(stderr(&other).contains("that table was made for the cell solo"), "{}", stderr(&other));
    let directory = account.run(&["setup", "--cell", "solo", "--store", "file:data"]).await;
    assert!(stderr(&directory).contains("expected a table, dynamodb:TABLE"), "{}", stderr(&directory));
    let kept = account.run(&[&["teardown"], &solo[..], &["--yes"]].concat()).await;
    assert!(stdout(&kept).contains("leaves       table runs: deletion protection is on"), "{}", stdout(&kept));
}
