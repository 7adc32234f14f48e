//! A URL where no cell is.

use super::super::cli::taskwatch;
use super::super::support::answers::{self, Answer};
use super::super::support::terminal::Terminal;
use super::{Needs, ends_with, those_that_need};

/// What listens there, and what is said of it.
const OTHERS: [(Answer, &[&str]); 9] = [
    (Answer::Http("200 OK", "text/html", "<!DOCTYPE html>\n<title>Log in</title>"), &["200 OK", "<!DOCTYPE html>"]),
    (Answer::Http("404 Not Found", "text/plain", "404 page not found"), &["404 Not Found", "404 page not found"]),
    (Answer::Http("503 Service Unavailable", "text/html", "<h1>busy</h1>"), &["503 Service Unavailable", "busy"]),
    (Answer::Http("200 OK", "application/json", "{\"status\": \"up\"}"), &["200 OK", "{\"status\": \"up\"}"]),
    (
        Answer::Http("200 OK", "application/json", "{\"runs\": [{\"id\": 7}], \"name\": \"x\"}"),
        &["200 OK", "{\"id\": 7}"],
    ),
    (Answer::Http("200 OK", "application/json", "[]"), &["200 OK", "[]"]),
    (Answer::Http("401 Unauthorized", "application/json", "{\"code\": 16}"), &["401 Unauthorized", "{\"code\": 16}"]),
    (Answer::Http("200 OK", "text/plain", ""), &["200 OK", "an empty body"]),
    (Answer::Http("204 No Content", "text/plain", ""), &["204 No Content", "an empty body"]),
];

const REQUEST: &str = "{\"taskDefinition\": \"etl\", \"cluster\": \"batch\"}";

#[test]
fn what_is_no_cell_is_not_taken_for_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.json");
    std::fs::write(&file, REQUEST).expect("a file");
    for (answer, says) in &OTHERS {
        let url = answers::serve(answer.clone());
        for given in those_that_need(Needs::Cell) {
            let output = given.command(&file.display().to_string(), &url).output().expect("taskwatch");
            let says = [&[url.as_str(), "not a taskwatch cell: ", "/v1/"], *says].concat();
            ends_with(&output, 1, &says, &format!("{} at {answer:?}", given.shown()));
        }
        for given in those_that_need(Needs::Listening) {
            let mut command = given.command("", "");
            command.env("TASKWATCH_LISTEN", url.trim_start_matches("http://"));
            let output = command.output().expect("taskwatch");
            ends_with(
                &output,
                1,
                &[&url, "not the answer of a taskwatch cell"],
                &format!("{} at {answer:?}", given.shown()),
            );
        }
    }
}

#[test]
fn where_nobody_is_nobody_answers() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("run.json");
    std::fs::write(&file, REQUEST).expect("a file");
    for (url, says) in [
        (answers::nobody(), "cannot connect; is `taskwatch serve` running there?"),
        (answers::serve(Answer::Nothing), "no answer ("),
    ] {
        for given in those_that_need(Needs::Cell) {
            let output = given.command(&file.display().to_string(), &url).output().expect("taskwatch");
            ends_with(&output, 1, &[&url, says], &given.shown());
        }
        for given in those_that_need(Needs::Listening) {
            let mut command = given.command("", "");
            command.env("TASKWATCH_LISTEN", url.trim_start_matches("http://"));
            ends_with(&command.output().expect("taskwatch"), 1, &[&url], &given.shown());
        }
    }
    for url in ["", "nonsense", "ftp://127.0.0.1", "127.0.0.1:7717", "http://"] {
        for given in those_that_need(Needs::Cell) {
            let output = given.command(&file.display().to_string(), url).output().expect("taskwatch");
            ends_with(&output, 2, &["--server is ", "expected a URL such as http://127.0.0.1:7717"], &given.shown());
        }
    }
}

/// In a terminal, where it would stay: whoever opens it sees at once that no cell is there, and has the terminal back.
#[tokio::test]
async fn the_live_view_is_not_opened_where_no_cell_is() {
    let refusal = "{\"error\": \"InternalError\", \"message\": \"the store is away\"}";
    let failing = (Answer::Http("500 Internal Server Error", "application/json", refusal), &["the store is away"][..]);
    let asking = "{\"error\": \"Unauthorized\", \"message\": \"no token\"}";
    let asking = (Answer::Http("401 Unauthorized", "application/json", asking), &["set TASKWATCH_API_TOKEN"][..]);
    let silent = (Answer::Nothing, &["no answer"][..]);
    let places =
        OTHERS.into_iter().chain([failing, asking, silent]).map(|(answer, says)| (answers::serve(answer), says));
    for (url, says) in places.chain([(answers::nobody(), &["cannot connect"][..])]) {
        let terminal = Terminal::open(24, 200, &["watch", "--server", &url], &[]);
        let ended = terminal.end().await;
        let said = String::from_utf8_lossy(&ended.bytes).into_owned();
        assert_eq!((ended.report.as_str(), ended.usual), ("1 restored", true), "{url}: {said}");
        assert!(says.iter().all(|part| said.contains(part)), "not with {says:?}: {said}");
        assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "not one line: {said}");
    }
}

#[test]
fn an_empty_url_in_the_environment_counts_as_not_set() {
    for given in [&["show", "no-such-run"][..], &["list", "--name", "no-such-run"], &["watch", "--once"], &["limits"]] {
        let said = |url: Option<&str>| {
            let mut command = taskwatch();
            let output = command.args(given).envs(url.map(|url| ("TASKWATCH_URL", url))).output().expect("taskwatch");
            (output.status.code(), super::stderr(&output))
        };
        let (code, empty) = said(Some(""));
        assert_eq!((code, empty.as_str()), (said(None).0, said(None).1.as_str()), "{given:?}");
        assert!(!empty.contains("--server is"), "{given:?}: {empty}");
    }
}

#[test]
fn a_wrong_token_is_told_from_none() {
    let refusal = "{\"error\": \"Unauthorized\", \"message\": \"send the cell's TASKWATCH_API_TOKEN\"}";
    let url = answers::serve(Answer::Http("401 Unauthorized", "application/json", refusal));
    for (token, says) in
        [(None, "set TASKWATCH_API_TOKEN"), (Some("s3cret"), "another token than the one in TASKWATCH_API_TOKEN")]
    {
        let mut list = taskwatch();
        list.args(["list", "--server", &url]).envs(token.map(|token| ("TASKWATCH_API_TOKEN", token)));
        let output = list.output().expect("list");
        ends_with(&output, 1, &[&url, says], "list");
        assert!(!super::stderr(&output).contains("s3cret"));
    }
}
