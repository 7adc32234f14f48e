use serde_json::Value;

use super::samples::{Life, Samples};
use super::*;
use crate::core::log::{LogConfig, LogPlace};
use crate::store::Change;
use crate::store::conformance::{NOW, ended, runs, same};

fn keys(run: &Run) -> Keys {
    Keys { id: run.id, request: run.request_name().to_owned(), index: run.index }
}

fn there_and_back(run: &Run) -> Run {
    let (shared, _) = encode_shared(&run.spec, &run.digest).unwrap();
    decode_run(keys(run), &decode_shared(&shared).unwrap(), &encode_run(run).unwrap()).unwrap()
}

#[test]
fn a_run_comes_back_as_it_was() {
    let mut samples = Samples::new(1);
    for _ in 0..200 {
        let run = samples.next();
        same(&there_and_back(&run), &run);
    }
    let mut all = runs(3);
    all[0] = ended(&all[0], NOW.plus(std::time::Duration::from_millis(7)));
    all[1].name = "a name/of its own/1".into();
    all[2].redrives = 2;
    all[2].redriven_at = Some(crate::core::time::Timestamp::from_millis(i64::MIN));
    all[2].revision = u64::MAX;
    for run in &all {
        same(&there_and_back(run), run);
        same(&decode_whole(keys(run), &encode_whole(run).unwrap()).unwrap(), run);
    }
}

#[test]
fn the_changes_of_a_commit_come_back_as_they_were() {
    let mut samples = Samples::new(9);
    let destinations = crate::store::conformance::destinations();
    let mut changes: Vec<Change> = (0..50).map(|_| Change::Put(Arc::new(samples.next()))).collect();
    // Siblings share what they share.
    let siblings = runs(3);
    changes.extend(crate::store::conformance::puts(&siblings));
    let told = crate::core::notification::build(&ended(&siblings[0], NOW), &Default::default(), &destinations);
    assert!(!told.is_empty());
    changes.extend(told.into_iter().map(|told| Change::Post(Arc::new(told))));
    changes.push(Change::Note { name: "limits".into(), text: r#"{"a": "b\n"}"#.into() });
    changes.extend([Change::Delivered(u64::MAX), Change::Forget(siblings[1].id)]);
    let read = decode_changes(&encode_changes(&changes).unwrap()).unwrap();
    assert_eq!(read.len(), changes.len());
    for (read, change) in read.iter().zip(&changes) {
        match (read, change) {
            (Change::Put(read), Change::Put(run)) => same(read, run),
            (Change::Post(read), Change::Post(told)) => assert_eq!(read, told),
            (read, change) => assert_eq!(format!("{read:?}"), format!("{change:?}")),
        }
    }
    let specs = read.iter().filter_map(|change| if let Change::Put(run) = change { Some(&run.spec) } else { None });
    let specs: Vec<_> = specs.skip(50).collect();
    assert!(specs.len() == 3 && specs.iter().all(|spec| Arc::ptr_eq(spec, specs[0])));
}

#[test]
fn a_notification_comes_back_as_it_was_and_is_small() {
    let mut samples = Samples::new(4);
    let destinations = crate::store::conformance::destinations();
    let (mut bytes, mut count) = (0, 0);
    for run in (0..100).map(|_| samples.next()).filter(|run| run.status.is_final()) {
        for told in crate::core::notification::build(&run, &Default::default(), &destinations) {
            let record = encode_notification(&told).unwrap();
            let (id, destination) = (told.id.clone(), told.destination.clone());
            let keys = NotificationKeys { id, run: told.run, destination };
            assert_eq!(decode_notification(keys, &record).unwrap(), told);
            if run.status == crate::core::run::Status::Succeeded {
                (bytes, count) = (bytes + record.len(), count + 1);
            }
        }
    }
    println!("a notification: {}", bytes / count);
    assert!(count > 20 && bytes / count < 345, "{} bytes each", bytes / count);
}

/// What `nightly` looked like when there was one dictionary.
const OF_THE_FIRST: &str = include_str!("dictionary-1.txt");

#[test]
fn a_record_of_the_first_dictionary_is_still_read() {
    let record: Vec<u8> = (0..OF_THE_FIRST.trim().len() / 2)
        .map(|n| u8::from_str_radix(&OF_THE_FIRST[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    assert_eq!(record[0], 1);
    let run = Samples::new(6).next();
    same(&decode_whole(keys(&run), &record).unwrap(), &run);
}

#[test]
fn the_place_of_a_log_comes_back_as_it_was_and_what_follows_from_the_task_takes_no_room() {
    let mut run = Samples::new(4).next();
    let task = run.attempts[0].task_arn.clone().unwrap().to_string();
    let docker = "ab".repeat(32);
    let config = |driver: &str, prefix: Option<&str>, region: Option<&str>| LogConfig {
        driver: driver.into(),
        group: Some("/ecs/etl".into()),
        prefix: prefix.map(Into::into),
        region: region.map(Into::into),
    };
    for (config, room) in [
        (Some(config("awslogs", Some("ecs"), None)), 60),
        (Some(config("awslogs", None, Some("eu-north-1"))), 140),
        (Some(config("splunk", None, None)), 60),
        (None, 60),
    ] {
        run.attempts.last_mut().unwrap().log = None;
        let before = run_text(&run).len();
        let place = LogPlace::of("app", config.as_ref(), &task, Some(&docker));
        run.attempts[0].log = Some(std::sync::Arc::new(place));
        same(&there_and_back(&run), &run);
        assert!(run_text(&run).len() - before < room, "{} bytes", run_text(&run).len() - before);
        run.attempts[0].log = None;
    }
}

#[test]
fn what_a_newer_taskwatch_added_is_skipped() {
    let run = Samples::new(2).next();
    let mut record: Value = serde_json::from_slice(&run_text(&run)).unwrap();
    record["new"] = serde_json::json!({"a": [1]});
    record["tries"][0]["new"] = 1.into();
    let packed = pack::packed(|json| Ok(serde_json::to_writer(json, &record)?)).unwrap();
    let (shared, _) = encode_shared(&run.spec, &run.digest).unwrap();
    same(&decode_run(keys(&run), &decode_shared(&shared).unwrap(), &packed).unwrap(), &run);
}

#[test]
fn a_damaged_record_is_an_error_and_nothing_worse() {
    let run = Samples::new(3).next();
    let (shared, _) = encode_shared(&run.spec, &run.digest).unwrap();
    let shared = decode_shared(&shared).unwrap();
    let record = encode_run(&run).unwrap();
    for cut in 0..record.len() {
        assert!(decode_run(keys(&run), &shared, &record[..cut]).is_err(), "cut at {cut}");
        let mut other = record.clone();
        other[cut] ^= 0x55;
        // Some of its text may be another and still a run.
        let _ = decode_run(keys(&run), &shared, &other);
    }
    let newer = [9, 1, 2, 3];
    let error = decode_run(keys(&run), &shared, &newer).unwrap_err().to_string();
    assert!(error.contains("dictionary 9") && error.contains("newer taskwatch"), "{error}");
    let long = [1, 0xff, 0xff, 0xff, 0xff, 0x7f];
    assert!(matches!(decode_run(keys(&run), &shared, &long), Err(CodecError::Length(_))));
}

#[test]
fn equal_requests_have_one_id_and_others_another() {
    let mut samples = Samples::new(4);
    let (one, other) = (samples.spec(), samples.spec());
    let id = |spec: &RunSpec, digest: u8| encode_shared(spec, &[digest; 32]).unwrap().1;
    assert_eq!(id(&one, 1), id(&RunSpec::clone(&one), 1));
    assert_ne!(id(&one, 1), id(&one, 2));
    assert_ne!(id(&one, 1), id(&other, 1));
}

/// Bytes of a record, on the average of a hundred.
#[test]
fn records_are_small() {
    let mut samples = Samples::new(5);
    let mut size = |life| {
        let sizes = (0..100).map(|n| {
            let spec = samples.spec();
            encode_run(&samples.run(&format!("nightly-{n}"), 0, &spec, life)).unwrap().len()
        });
        sizes.sum::<usize>() / 100
    };
    let sizes = [Life::Open, Life::Succeeded(0), Life::Succeeded(1), Life::Failed(1), Life::Failed(3)]
        .map(|life| (life, size(life)));
    println!("bytes: {sizes:?}");
    let most = [140, 160, 380, 320, 800];
    assert!(sizes.iter().zip(most).all(|((_, size), most)| *size <= most), "{sizes:?}");
    let mut spec = || encode_shared(&samples.spec(), &[7; 32]).unwrap().0.len();
    let specs = (0..100).map(|_| spec()).sum::<usize>() / 100;
    println!("a request: {specs}");
    assert!(specs <= 260, "{specs}");
}
