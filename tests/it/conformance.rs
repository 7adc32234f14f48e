//! `taskwatch local` held to AWS's service models: boto3 drives every operation, botocore's shapes judge every answer.

use std::collections::BTreeMap;

use super::clients::local;
use super::support::python;

/// The operations that boto3 must have driven at least: all that the endpoint answers.
const OPERATIONS: [(&str, usize); 8] = [
    ("ecs", 16),
    ("sqs", 15),
    ("sns", 13),
    ("events", 16),
    ("scheduler", 5),
    ("cloudtrail", 3),
    ("sts", 1),
    ("logs", 3),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_of_local_has_the_shape_that_awss_model_gives_it() {
    let local = local(false).await;
    let mut command = python::command();
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/conformance.py")).arg(local.url());
    let output = tokio::task::spawn_blocking(move || command.output().expect("python")).await.expect("its end");
    let (found, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "answers differ from AWS's models:\n{found}\n{told}");
    let driven: BTreeMap<String, Vec<String>> = serde_json::from_str(told.trim()).expect("what was driven");
    for (service, least) in OPERATIONS {
        assert!(driven.get(service).is_some_and(|names| names.len() >= least), "{service}: {driven:?}");
    }
}
