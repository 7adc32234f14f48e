//! Files that are not there, or not what they should be.

use std::path::Path;

use super::super::support::answers;
use super::{COMMANDS, Needs, ends_with, those_that_need};

/// A name, and what is in the file of that name; none: there is none.
const FILES: [(&str, Option<&[u8]>); 6] = [
    ("not-there.json", None),
    ("empty.json", Some(b"")),
    ("text.json", Some(b"what is this")),
    ("binary.json", Some(b"\x7fELF\x02\xff\xfe")),
    ("other.json", Some(b"{\"hello\": \"world\"}")),
    ("cut.json", Some(b"{\"taskDefinition\": \"etl\", \"overrides\": {")),
];

fn write(dir: &Path) -> Vec<String> {
    let file = |(name, text): &(&str, Option<&[u8]>)| {
        let path = dir.join(name);
        if let Some(text) = text {
            std::fs::write(&path, text).expect("a file");
        }
        path.display().to_string()
    };
    FILES.iter().map(file).chain([dir.display().to_string()]).collect()
}

#[test]
fn a_file_that_is_no_request_is_named_with_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a directory");
    for file in write(dir.path()) {
        // Whose server would have to say what is wrong with it needs one.
        for given in those_that_need(Needs::Requests).filter(|given| !given.needs.contains(&Needs::Cell)) {
            let output = given.command(&file, "").output().expect("taskwatch");
            // What stands behind file:// is named by its flag once it was read.
            let named = if given.shown().contains("--cli-input-json") { "" } else { file.as_str() };
            ends_with(&output, 2, &[named], &format!("{} with {file}", given.shown()));
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_submitted_to_nobody() {
    let nobody = answers::nobody();
    for file in ["/nowhere/at/all.json", "/"] {
        for given in those_that_need(Needs::Requests).filter(|given| given.needs.contains(&Needs::Cell)) {
            ends_with(&given.command(file, &nobody).output().expect("taskwatch"), 2, &[file], &given.shown());
        }
    }
}

#[test]
fn a_file_that_explains_nothing_is_said_to() {
    let dir = tempfile::tempdir().expect("a directory");
    for file in write(dir.path()) {
        for given in those_that_need(Needs::Events) {
            let output = given.command(&file, "").output().expect("taskwatch");
            let said = super::stderr(&output);
            assert!(matches!(output.status.code(), Some(1 | 2)), "{file}: {said}");
            assert!(!said.contains("panicked") && said.contains("error: "), "{file}: {said}");
        }
    }
}

#[test]
fn a_wrong_settings_file_stops_every_command() {
    let dir = tempfile::tempdir().expect("a directory");
    let wrong = dir.path().join("wrong.toml");
    std::fs::write(&wrong, "cell = \"blue\"\nlisten = 7\n").expect("a file");
    let request = dir.path().join("run.json");
    std::fs::write(&request, "{\"taskDefinition\": \"etl\"}").expect("a file");
    let (wrong, request) = (wrong.display().to_string(), request.display().to_string());
    for (config, says) in [("/nowhere.toml", "/nowhere.toml: "), (wrong.as_str(), "wrong.toml, line 2: ")] {
        for given in &COMMANDS {
            let mut command = given.command(&request, "http://127.0.0.1:9");
            ends_with(&command.args(["--config", config]).output().expect("taskwatch"), 2, &[says], &given.shown());
        }
    }
}
