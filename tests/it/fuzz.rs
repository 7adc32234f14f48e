//! Fuzz targets for all that comes from outside: ECS events and run requests. `cargo test` replays the corpora in
//! `tests/corpora` and tries some thousand inputs of its own; CONTRIBUTING.md says how to run them guided by coverage.

use std::path::Path;

use serde_json::json;
use taskwatch::core::explain::explain;
use taskwatch::core::observe::RunTaskRecord;
use taskwatch::core::request::{self, Acceptance, RunRequest};
use taskwatch::core::task::{Notice, parse_notice};
use taskwatch::core::time::Timestamp;
use taskwatch::core::verdict::Deciders;

/// Tries of one target beyond its corpus; the seed is fixed in `.cargo/config.toml`.
const TRIES: usize = 3_000;

/// Whatever the events queue brings is an event, something foreign, or an error; and what it means can be said.
fn event(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(Notice::Task(event)) = parse_notice(&text) {
        for deciders in [Deciders::Unknown, Deciders::Named(&["app".to_owned()])] {
            let _ = event.task.verdict(deciders);
            let _ = event.task.exit_code(deciders);
        }
    }
    if let Ok(Some(record)) = RunTaskRecord::read(&text) {
        let missing = record.refusal().and_then(|refused| refused.missing);
        assert!(missing.is_none_or(|missing| missing > 0), "{record:?}");
    }
    for task in explain(&text, &[]).tasks {
        assert_eq!(task.status == "FAILED", task.error.is_some(), "a failure has a name: {task:?}");
        assert!(task.error.is_none() || task.hint.is_some_and(|hint| !hint.is_empty()), "and a hint");
    }
}

/// Whatever a user sends is a request or an error with a text; a request written down reads as the same request.
fn requests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for parsed in request::parse_many(&text).into_iter().chain([RunRequest::parse(&text)]) {
        match parsed {
            Err(error) => assert!(!error.message.is_empty()),
            Ok(request) => {
                let written = request.to_value().to_string();
                let again = RunRequest::parse(&written).unwrap_or_else(|e| panic!("{e}: {written}"));
                assert_eq!(request.digest(), again.digest(), "{written}");
            }
        }
    }
}

/// Whatever document is to be converted becomes requests or an error with a text.
fn documents(bytes: &[u8]) {
    let at = Acceptance::new(Timestamp::default(), uuid::Uuid::from_u128(7));
    for document in request::documents(&String::from_utf8_lossy(bytes)).unwrap_or_default() {
        let mut filled = document.clone();
        request::symbols::symbolic(&mut filled);
        for document in [document, filled] {
            if let Err(error) = taskwatch::core::convert::convert(document, &at) {
                assert!(!error.message.is_empty());
            }
        }
    }
}

/// Whatever stands in an expression, of either language, it has a value or an error with a text, and soon.
fn expressions(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let at = Acceptance::new(Timestamp::default(), uuid::Uuid::from_u128(7));
    let lines = json!([{"sku": 1, "n": 2}]);
    let input =
        json!({"customer": {"last name": "x"}, "orders": [{"id": "a", "price": 10.5, "tags": ["y"], "lines": lines}]});
    for (language, parameters, member, value) in [
        ("JSONata", "Arguments", "Group", format!("{{% {text} %}}")),
        ("JSONPath", "Parameters", "Group.$", text.into_owned()),
    ] {
        let state = json!({"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask", "QueryLanguage": language,
            parameters: {"TaskDefinition": "etl", member: value}});
        match RunRequest::accept(json!({"stateMachine": state, "input": input}), &at) {
            Err(error) => assert!(!error.message.is_empty()),
            Ok(request) => drop(request.digest()),
        }
    }
}

/// Every file of a corpus, as it is and cut off at many places.
fn replay(corpus: &str, least: usize, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora").join(corpus);
    let files: Vec<_> = std::fs::read_dir(folder).expect("a corpus").map(|file| file.expect("a file").path()).collect();
    assert!(files.len() >= least, "{} files", files.len());
    for file in files {
        let bytes = std::fs::read(file).expect("a file");
        target(&bytes);
        let step = (bytes.len() / 40).max(1);
        (0..bytes.len()).step_by(step).for_each(|end| target(&bytes[..end]));
    }
}

/// A mebibyte of one thing: the most that SQS brings, and no reason to overflow the stack.
fn mebibyte(target: fn(&[u8])) {
    for piece in ["[", "{\"a\":", "\"", "\\u0000", "1", "{\"runTask\":{\"overrides\":", "🦀", "\n"] {
        target(piece.repeat(1024 * 1024 / piece.len()).as_bytes());
    }
    let long = "x".repeat(1024 * 1024);
    target(
        format!(
            "{{\"detail-type\":\"ECS Task State Change\",\"source\":\"aws.ecs\",\"detail\":{{\"taskArn\":\"{long}\"}}}}"
        )
        .as_bytes(),
    );
    target(format!("{{\"runTask\":{{\"taskDefinition\":\"{long}\"}}}}").as_bytes());
}

#[test]
fn events() {
    replay("events", 35, event);
    mebibyte(event);
}

#[test]
fn run_requests() {
    replay("requests", 10, requests);
    mebibyte(requests);
}

#[test]
fn converted_documents() {
    replay("requests", 26, documents);
    mebibyte(documents);
    for piece in ["${", "/*", "//", "[${a},", "a: !Ref b\n", "- !Sub [", "!Join ", "{ ${", "*a &a "] {
        documents(piece.repeat(64 * 1024 / piece.len()).as_bytes());
        documents(format!("{{{}", piece.repeat(64 * 1024 / piece.len())).as_bytes());
    }
}

#[test]
fn evaluated_expressions() {
    replay("expressions", 13, expressions);
    mebibyte(expressions);
    for piece in ["$a.", "(", "-", "1+", "$f(", "[1..9].", "function($x){", "'x'&", "a[0]", "?:", "/*", "{'a':"] {
        expressions(piece.repeat(256 * 1024 / piece.len()).as_bytes());
    }
}

#[test]
fn fuzz_expressions() {
    bolero::check!().with_iterations(TRIES).for_each(expressions);
}

#[test]
fn fuzz_events() {
    bolero::check!().with_iterations(TRIES).for_each(event);
}

#[test]
fn fuzz_requests() {
    bolero::check!().with_iterations(TRIES).for_each(requests);
}
