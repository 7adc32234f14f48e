//! The calls that a fleet and its logs make of a table, on emulators that others wrote: they and the fake table of the simulations agree.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use futures::future::join_all;
use taskwatch::aws::DynamoTable;
use taskwatch::store::dynamo::{
    AddError, Attributes, Beat, Condition, Conditional, Directory, ENDED, ENDED_ID, ENDED_ON, FORMAT, FleetNote, Item,
    Key, NewCell, ProcessRow, Put, Query, Table, TableError, Update, Value,
};

use super::emulators::clients;
use super::support::emulator::Emulator;

pub(crate) const TABLE: &str = "taskwatch";

pub(crate) async fn make_table(emulator: &Emulator) -> DynamoTable {
    let client = aws_sdk_dynamodb::Client::new(&emulator.sdk());
    let attribute = |name: &str, kind: ScalarAttributeType| {
        AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().expect("an attribute")
    };
    let key = |name: &str, kind: KeyType| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().expect("a key")
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name(ENDED)
        .key_schema(key(ENDED_ON, KeyType::Hash))
        .key_schema(key(ENDED_ID, KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    let made = client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("pk", ScalarAttributeType::S))
        .attribute_definitions(attribute("sk", ScalarAttributeType::N))
        .attribute_definitions(attribute(ENDED_ON, ScalarAttributeType::S))
        .attribute_definitions(attribute(ENDED_ID, ScalarAttributeType::S))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index.build().expect("an index"));
    made.send().await.expect("a table");
    clients(emulator).await.table(TABLE)
}

fn key(pk: &str, sk: u64) -> Key {
    Key { pk: pk.into(), sk }
}

fn number(attributes: &[(&'static str, u64)]) -> Attributes {
    attributes.iter().map(|(name, of)| ((*name).into(), Value::number(*of))).collect()
}

fn put(key: Key, attributes: Attributes, condition: Condition) -> Put {
    Put { item: Item { key, attributes }, condition }
}

/// Whether a write was refused, by this item. Not every endpoint says what refused it, and then it is asked for.
async fn is_refused<T>(
    table: &DynamoTable,
    key: Key,
    answer: Result<Conditional<T>, TableError>,
    by: Option<Item>,
) -> bool {
    match answer {
        Ok(Conditional::Refused(Some(said))) => Some(said) == by,
        Ok(Conditional::Refused(None)) => table.get(key).await == Ok(by),
        _ => false,
    }
}

/// A record at a place of the ring, over a lower position only.
fn append(position: u64, epoch: u64) -> Put {
    let is_lower = Condition::Less("n", Value::number(position));
    let condition = Condition::Any(vec![Condition::Absent("n"), is_lower]);
    put(key("L#blue#0", position % 8), number(&[("n", position), ("e", epoch)]), condition)
}

async fn appends_are_fenced(table: &DynamoTable) {
    for position in 1..=20 {
        assert_eq!(table.put_if(append(position, 1)).await, Ok(Conditional::Written(())), "{position}");
    }
    let ours = append(20, 1).item;
    for late in [append(20, 1), append(20, 2), append(12, 9)] {
        let answer = table.put_if(late).await;
        assert!(is_refused(table, ours.key.clone(), answer, Some(ours.clone())).await);
    }
    // A number is compared as a number: 100 is over 20.
    assert_eq!(table.put_if(append(100, 2)).await, Ok(Conditional::Written(())));
    assert_eq!(table.get(key("L#blue#0", 4)).await, Ok(Some(append(100, 2).item)));
    assert_eq!(table.get(key("L#blue#0", 99)).await, Ok(None));
}

async fn a_cell_is_taken_once(table: &DynamoTable) {
    let cell = || key("FLEET", 4_611_686_018_427_387_904);
    let new = put(cell(), number(&[("epoch", 0), ("s", 0), ("want", 1)]), Condition::Absent("epoch"));
    assert_eq!(table.put_if(new.clone()).await, Ok(Conditional::Written(())));
    assert!(matches!(table.put_if(new).await, Ok(Conditional::Refused(_))));
    let take = |seen: u64| Update {
        key: cell(),
        set: Attributes::from([("epoch".into(), Value::number(seen + 1)), ("owner".into(), Value::text("me"))]),
        remove: vec!["want".into()],
        condition: Condition::Equals("epoch", Value::number(seen)),
    };
    let mut taken = Item { key: cell(), attributes: number(&[("epoch", 1), ("s", 0)]) };
    taken.attributes.insert("owner".into(), Value::text("me"));
    assert_eq!(table.update_if(take(0)).await, Ok(Conditional::Written(taken.clone())));
    let again = table.update_if(take(0)).await;
    assert!(is_refused(table, cell(), again, Some(taken)).await);
    // An item that is not there fulfils no comparison.
    let absent = Update { key: key("FLEET", 5), ..take(0) };
    assert_eq!(table.update_if(absent).await, Ok(Conditional::Refused(None)));
}

async fn a_name_that_has_expired_is_free(table: &DynamoTable) {
    let claim = |id: &str, now: u64| {
        let condition = Condition::Any(vec![Condition::Absent("name"), Condition::Less("ttl", Value::number(now))]);
        let attributes = Attributes::from([("name".into(), Value::text("nightly")), ("id".into(), Value::text(id))]);
        put(key("N#nightly", 0), attributes, condition)
    };
    assert_eq!(table.put_if(claim("first", 100)).await, Ok(Conditional::Written(())));
    assert!(matches!(table.put_if(claim("second", 100)).await, Ok(Conditional::Refused(_))));
    let expire = Update {
        key: key("N#nightly", 0),
        set: number(&[("ttl", 50)]),
        remove: Vec::new(),
        condition: Condition::All(vec![
            Condition::Equals("id", Value::text("first")),
            Condition::Any(vec![Condition::Absent("ttl"), Condition::Greater("ttl", Value::number(100))]),
        ]),
    };
    assert!(matches!(table.update_if(expire).await, Ok(Conditional::Written(_))));
    assert_eq!(table.put_if(claim("second", 100)).await, Ok(Conditional::Written(())));
}

async fn of_many_who_claim_a_name_one_has_it(table: &DynamoTable) {
    let claim = |n: usize| {
        let name = key(&format!("N#race-{}", n % 10), 0);
        table.put_if(put(name, Attributes::from([("id".into(), Value::text(n.to_string()))]), Condition::Absent("id")))
    };
    let written = join_all((0..80).map(claim)).await.into_iter().filter(|one| *one == Ok(Conditional::Written(())));
    assert_eq!(written.count(), 10);
}

/// More than an answer may have, 1 MB, comes in pages.
async fn pages_and_batches_are_complete(table: &DynamoTable) {
    let body: Arc<[u8]> = (0..350_000).map(|n: u32| n.to_le_bytes()[0]).collect();
    for chunk in 0..4 {
        let attributes = Attributes::from([("b".into(), Value::B(Arc::clone(&body)))]);
        let put = put(key("S#blue", chunk), attributes, Condition::ALWAYS);
        assert_eq!(table.put_if(put).await, Ok(Conditional::Written(())));
    }
    let (mut found, mut from, mut pages) = (Vec::new(), 0, 0);
    loop {
        let query = Query::Items { pk: "S#blue".into(), from, to: u64::MAX };
        let answer = table.query(query).await.expect("a page");
        pages += 1;
        from = answer.items.last().map_or(from, |item| item.key.sk + 1);
        found.extend(answer.items);
        if !answer.more {
            break;
        }
    }
    assert_eq!(found.iter().map(|item| item.key.sk).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert!(pages > 1 && found.iter().all(|item| item.bytes("b") == Ok(&body)));
    let range = Query::Items { pk: "S#blue".into(), from: 1, to: 2 };
    assert_eq!(table.query(range).await.expect("a page").items.len(), 2);

    let mut wanted: BTreeSet<Key> = (0..5).map(|chunk| key("S#blue", chunk)).collect();
    let mut there = BTreeSet::new();
    while !wanted.is_empty() {
        let answer = table.batch_get(wanted.iter().cloned().collect()).await.expect("a batch");
        there.extend(answer.items.into_iter().map(|item| item.key.sk));
        wanted = answer.unprocessed.into_iter().collect();
    }
    assert_eq!(there, BTreeSet::from([0, 1, 2, 3]));
}

async fn ended_runs_are_listed_newest_first(table: &DynamoTable) {
    for n in 0..5 {
        let mut row = Attributes::from([("id".into(), Value::text(format!("0{n}")))]);
        if n != 3 {
            row.insert(ENDED_ON.into(), Value::text("E#20000#1"));
        }
        assert_eq!(
            table.put_if(put(key("N#array", n + 1), row, Condition::ALWAYS)).await,
            Ok(Conditional::Written(()))
        );
    }
    let page = async |below: Option<&str>| {
        let query = Query::Ended { on: "E#20000#1".into(), below: below.map(Into::into), limit: 2 };
        let items = table.query(query).await.expect("a page").items;
        items.iter().map(|item| item.key.sk).collect::<Vec<_>>()
    };
    assert_eq!([page(None).await, page(Some("02")).await], [[5, 3], [2, 1]]);
}

fn new_cells(count: usize) -> Vec<NewCell> {
    (0..count).map(|n| NewCell { name: format!("blue-{n}"), events: format!("https://sqs/blue-{n}-events") }).collect()
}

fn process(id: &str, beat: u64) -> ProcessRow {
    let text = |text: &str| text.into();
    ProcessRow {
        id: text(id),
        beat,
        version: text("1.2.3"),
        format: FORMAT,
        cells: text("{}"),
        ..ProcessRow::default()
    }
}

async fn a_fleet_gets_more_cells_and_takes_none_of_another(table: &DynamoTable) {
    let blue = Directory::new(Arc::new(table.clone()), "blue");
    assert_eq!(blue.add_cells(&new_cells(2)).await, Ok(()));
    assert_eq!(blue.take("blue-0", 0, "one").await, Ok(Some(1)));
    assert_eq!(blue.add_cells(&new_cells(3)).await, Ok(()), "more, and again");
    let cells = blue.read().await.expect("rows").cells;
    let seen: Vec<_> = cells.iter().map(|cell| (&*cell.name, cell.epoch, cell.owner.as_deref(), cell.format)).collect();
    let one = Some("one");
    assert_eq!(seen, [("blue-0", 1, one, FORMAT), ("blue-1", 0, None, FORMAT), ("blue-2", 0, None, FORMAT)]);
    assert_eq!(&*cells[2].events, "https://sqs/blue-2-events");
    let green = Directory::new(Arc::new(table.clone()), "green");
    let refused = green.add_cells(&new_cells(1)).await;
    assert_eq!(refused, Err(AddError::OfAnother { cell: "blue-0".into(), fleet: "blue".into() }));
    assert_eq!(green.read().await.expect("rows").cells, []);
}

async fn a_cell_is_wanted_given_back_and_taken_by_its_epoch(table: &DynamoTable) {
    let fleet = Directory::new(Arc::new(table.clone()), "blue");
    let row = async || fleet.read().await.expect("rows").cells.swap_remove(1);
    assert_eq!(fleet.take("blue-1", 0, "one").await, Ok(Some(1)));
    assert_eq!(fleet.take("blue-1", 0, "two").await, Ok(None), "another was first");
    assert_eq!(fleet.want("blue-1", 0, "two").await, Ok(false), "it was taken since");
    assert_eq!(fleet.want("blue-1", 1, "two").await, Ok(true));
    assert_eq!((row().await.owner.as_deref(), row().await.want.as_deref()), (Some("one"), Some("two")));
    assert_eq!(fleet.release("blue-1", 0).await, Ok(false), "not in this epoch");
    assert_eq!(fleet.release("blue-1", 1).await, Ok(true));
    assert_eq!((row().await.owner, row().await.want.as_deref()), (None, Some("two")));
    assert_eq!(fleet.take("blue-1", 1, "two").await, Ok(Some(2)));
    assert_eq!((row().await.owner.as_deref(), row().await.want), (Some("two"), None));
}

async fn who_was_declared_dead_learns_it_from_the_next_beat(table: &DynamoTable) {
    let fleet = Directory::new(Arc::new(table.clone()), "blue");
    let beats = async || {
        let rows = fleet.read().await.expect("rows").processes;
        rows.into_iter().map(|row| (row.id.to_string(), row.beat)).collect::<Vec<_>>()
    };
    for id in ["one", "two"] {
        assert_eq!(fleet.begin(&process(id, 1)).await, Ok(()));
    }
    assert_eq!(fleet.beat(&process("one", 2)).await, Ok(Beat::Confirmed));
    assert_eq!(fleet.begin(&process("one", 1)).await, Ok(()), "a late copy sets nothing back");
    assert_eq!(fleet.beat(&process("one", 2)).await, Ok(Beat::Confirmed), "its own earlier try");
    assert_eq!(fleet.read().await.expect("rows").processes[0], process("one", 2));
    assert_eq!(beats().await, [("one".to_owned(), 2), ("two".to_owned(), 1)]);
    assert_eq!(fleet.remove("one", 1).await, Ok(false), "it has beaten since");
    assert_eq!(fleet.remove("one", 2).await, Ok(true));
    assert_eq!(fleet.beat(&process("one", 3)).await, Ok(Beat::DeclaredDead));
    assert_eq!(beats().await, [("two".to_owned(), 1)], "a beat makes no row");
    assert_eq!(fleet.leave("two").await, Ok(()));
    assert_eq!(fleet.leave("two").await, Ok(()));
    assert_eq!(beats().await, []);
}

async fn of_two_changes_of_a_fleets_note_one_is_made_again(table: &DynamoTable) {
    let fleet = Directory::new(Arc::new(table.clone()), "blue");
    assert_eq!((fleet.note().await.expect("none").revision, fleet.read().await.expect("rows").note), (0, None));
    assert_eq!(fleet.change_note(0, "one").await, Ok(true));
    assert_eq!(fleet.change_note(0, "one").await, Ok(true), "its own earlier try");
    assert_eq!(fleet.change_note(0, "two").await, Ok(false), "somebody was first");
    assert_eq!(fleet.change_note(1, "two").await, Ok(true));
    let note = FleetNote { revision: 2, text: "two".into() };
    assert_eq!((fleet.note().await, fleet.read().await.expect("rows").note), (Ok(note.clone()), Some(note)));
    assert_eq!(Directory::new(Arc::new(table.clone()), "green").note().await, Ok(FleetNote::default()));
}

async fn the_calls_of_a_fleet(emulator: Emulator) {
    let table = make_table(&emulator).await;
    appends_are_fenced(&table).await;
    a_cell_is_taken_once(&table).await;
    a_name_that_has_expired_is_free(&table).await;
    of_many_who_claim_a_name_one_has_it(&table).await;
    pages_and_batches_are_complete(&table).await;
    ended_runs_are_listed_newest_first(&table).await;
    a_fleet_gets_more_cells_and_takes_none_of_another(&table).await;
    a_cell_is_wanted_given_back_and_taken_by_its_epoch(&table).await;
    who_was_declared_dead_learns_it_from_the_next_beat(&table).await;
    of_two_changes_of_a_fleets_note_one_is_made_again(&table).await;
    let missing = clients(&emulator).await.table("another").get(key("FLEET", 0)).await;
    assert!(matches!(&missing, Err(TableError::Refused(text)) if text.contains("ResourceNotFound")), "{missing:?}");
    drop(emulator);
    let away = tokio::time::timeout(Duration::from_secs(60), table.get(key("FLEET", 0))).await.expect("an answer");
    assert!(matches!(away, Err(TableError::Unknown(_))), "{away:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn ministack_answers_the_calls_of_the_log() {
    the_calls_of_a_fleet(Emulator::ministack()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moto_answers_the_calls_of_the_log() {
    the_calls_of_a_fleet(Emulator::moto()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dynalite_answers_the_calls_of_the_log() {
    if let Some(emulator) = Emulator::dynalite() {
        the_calls_of_a_fleet(emulator).await;
    }
}
