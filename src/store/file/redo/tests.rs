use std::collections::BTreeSet;
use std::path::Path;

use super::*;

const OURS: DatabaseId = [7; 16];

/// A log with entries 1 to `count`, the last of several pages.
fn log(path: &Path, count: u64) -> Vec<Vec<u8>> {
    let mut log = Recovered::read(path, OURS).unwrap().emptied(0).unwrap();
    let payload = |n: u64| vec![u8::try_from(n).unwrap(); if n == count { 10_000 } else { 100 }];
    let payloads: Vec<Vec<u8>> = (1..=count).map(payload).collect();
    for (payload, number) in payloads.iter().zip(1..) {
        assert_eq!(log.append(payload).unwrap(), number);
    }
    payloads
}

fn entries(path: &Path, of: DatabaseId, after: u64) -> Vec<(u64, Vec<u8>)> {
    let recovered = Recovered::read(path, of).unwrap();
    recovered.entries(after).into_iter().map(|(number, payload)| (number, payload.to_vec())).collect()
}

#[test]
fn a_log_has_what_was_added_behind_what_the_database_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let payloads = log(&path, 4);
    let all: Vec<(u64, Vec<u8>)> = (1..).zip(payloads).collect();
    assert_eq!(entries(&path, OURS, 0), all);
    assert_eq!(entries(&path, OURS, 2), all[2..]);
    assert_eq!(entries(&path, OURS, 4), []);
    assert_eq!(entries(&path, [8; 16], 0), [], "another database's");
    assert_eq!(entries(&path, OURS, 9), [], "an earlier state's");
    let mut log = Recovered::read(&path, OURS).unwrap().emptied(9).unwrap();
    assert_eq!(entries(&path, OURS, 0), [], "it is empty");
    log.append(b"ten").unwrap();
    assert_eq!(entries(&path, OURS, 9), [(10, b"ten".to_vec())]);
    assert_eq!(entries(&path, OURS, 0), [], "of a later state than the database, whose entries 1 to 9 are not there");
}

#[test]
fn what_is_written_over_the_first_entry_ends_those_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let mut log = Recovered::read(&path, OURS).unwrap().emptied(0).unwrap();
    for _ in 0..4 {
        log.append(b"before").unwrap();
    }
    log.rewind();
    log.append(b"after").unwrap();
    assert_eq!(entries(&path, OURS, 4), [(5, b"after".to_vec())]);
    assert_eq!(entries(&path, OURS, 3), [], "what is not in the database was written over: of no state of this one");
    log.append(&[1; 5_000]).unwrap();
    assert_eq!(entries(&path, OURS, 5), [(6, vec![1; 5_000])]);
}

#[test]
fn an_entry_is_there_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let payloads = log(&path, 3);
    let whole = std::fs::read(&path).unwrap();
    let written = 2 * 4096 + (10_000 + 16_usize).next_multiple_of(4096);
    let mut seen = BTreeSet::new();
    // Not all of it has arrived: what was there before stands behind, or a byte is another.
    for cut in (0..=written).step_by(97) {
        let mut cut_off = whole.clone();
        cut_off[cut..].fill(0xaa);
        std::fs::write(&path, &cut_off).unwrap();
        let found = entries(&path, OURS, 0);
        assert!(found.iter().map(|(_, payload)| payload).eq(&payloads[..found.len()]), "cut off at {cut}");
        seen.insert(found.len());
        let mut other = whole.clone();
        other[cut] ^= 1;
        std::fs::write(&path, &other).unwrap();
        let found = entries(&path, OURS, 0);
        assert!(found.iter().map(|(_, payload)| payload).eq(&payloads[..found.len()]), "another byte at {cut}");
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2, 3]));
}

#[test]
fn a_log_that_says_anything_is_no_more_than_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    for length in [u32::MAX, 1 << 20, 4096, 0] {
        let mut text = [&1_u64.to_le_bytes()[..], &length.to_le_bytes(), &[0; 4]].concat();
        for size in [0, 10, 15, 16, 17, 5_000] {
            text.resize(size, 0);
            std::fs::write(&path, &text).unwrap();
            assert_eq!(entries(&path, OURS, 0), []);
        }
    }
}
