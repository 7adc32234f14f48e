//! The bench of peers judges rightly, and its figures become a table: by fixtures, with no peer installed.

use crate::cli::{stderr, stdout};
use crate::support::python;

#[test]
fn the_bench_of_peers_judges_a_made_up_record_rightly() {
    let root = env!("CARGO_MANIFEST_DIR");
    let output = python::command().arg(format!("{root}/tests/python/peers.py")).output().expect("python");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}
