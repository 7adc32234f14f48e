//! Nobody whom AWS knows, and nowhere that is AWS.

use std::process::Command;

use super::super::cli::Local;
use super::super::support::answers::{self, Answer};
use super::{Needs, bounded, ends_with, those_that_need};

/// What is wrong, what makes it so, the exit code, and what is said of it.
struct Wrong {
    what: &'static str,
    makes: fn(&mut Command, &Places),
    code: i32,
    says: &'static [&'static str],
}

/// Where calls go.
struct Places {
    local: Local,
    nobody: String,
    page: String,
    other: String,
    empty: String,
    silent: String,
    expired: String,
    unknown: String,
}

impl Places {
    fn new() -> Self {
        let expired = "The security token included in the request is expired";
        let unknown = "The security token included in the request is invalid.";
        Self {
            local: Local::start(),
            nobody: answers::nobody(),
            page: answers::serve(Answer::Http("200 OK", "text/html", "<!DOCTYPE html>\n<title>Log in</title>")),
            other: answers::serve(Answer::Http("404 Not Found", "application/json", "{\"detail\": \"no such page\"}")),
            empty: answers::serve(Answer::Http("200 OK", "text/plain", "")),
            silent: answers::serve(Answer::Nothing),
            expired: answers::serve(Answer::Aws("ExpiredTokenException", "ExpiredToken", expired)),
            unknown: answers::serve(Answer::Aws("UnrecognizedClientException", "InvalidClientTokenId", unknown)),
        }
    }
}

fn at(command: &mut Command, url: &str) {
    command.env("AWS_ENDPOINT_URL", url);
}

const WRONG: [Wrong; 12] = [
    Wrong {
        what: "no credentials",
        makes: |command, _| {
            command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        },
        code: 1,
        says: &["no credentials were found; ", "AWS_PROFILE"],
    },
    Wrong {
        what: "a profile of the environment that is not there",
        makes: |command, _| {
            command.env("AWS_PROFILE", "nope");
        },
        code: 2,
        says: &["The config profile (nope) could not be found", "AWS_PROFILE names it"],
    },
    Wrong {
        what: "a profile of the flag that is not there",
        makes: |command, _| {
            command.args(["--profile", "nope"]);
        },
        code: 2,
        says: &["The config profile (nope) could not be found"],
    },
    Wrong {
        what: "no Region",
        makes: |command, places| {
            at(command, &places.local.1);
            command.env_remove("AWS_REGION");
        },
        code: 2,
        says: &["no AWS region is set: use --region or AWS_REGION"],
    },
    Wrong {
        what: "a Region that is not there",
        makes: |command, places| {
            at(command, &places.local.1);
            command.args(["--region", "us-esat-1"]);
        },
        code: 1,
        says: &["us-esat-1", "set AWS_REGION, or --region, to a Region that there is"],
    },
    Wrong {
        what: "an endpoint of the environment without its scheme",
        makes: |command, _| at(command, "localhost:4566"),
        code: 2,
        says: &["the endpoint \"localhost:4566\" is no URL, such as http://127.0.0.1:4566; look at --endpoint-url"],
    },
    Wrong {
        what: "an endpoint of the flag that is no URL",
        makes: |command, _| {
            command.args(["--endpoint-url", "htp:/x"]);
        },
        code: 2,
        says: &["the endpoint \"htp:/x\" is no URL"],
    },
    Wrong {
        what: "an endpoint of one service without its scheme",
        makes: |command, _| {
            command.env("AWS_ENDPOINT_URL_ECS", "localhost:4566");
        },
        code: 2,
        says: &[
            "the endpoint \"localhost:4566\" of ECS is no URL, such as http://127.0.0.1:4566; look at AWS_ENDPOINT_URL_ECS",
        ],
    },
    Wrong {
        what: "an endpoint of a service with two words that is no URL",
        makes: |command, _| {
            command.env("AWS_ENDPOINT_URL_SERVICE_QUOTAS", "http:/x");
        },
        code: 2,
        says: &["the endpoint \"http:/x\" of Service Quotas is no URL", "AWS_ENDPOINT_URL_SERVICE_QUOTAS"],
    },
    Wrong {
        what: "an endpoint where nobody listens",
        makes: |command, places| at(command, &places.nobody),
        code: 1,
        says: &["Connection refused", "see that this machine reaches AWS (AWS_REGION"],
    },
    Wrong {
        what: "credentials that have run out",
        makes: |command, places| at(command, &places.expired),
        code: 1,
        says: &["The security token included in the request is expired", "log in again"],
    },
    Wrong {
        what: "credentials that AWS does not know",
        makes: |command, places| at(command, &places.unknown),
        code: 1,
        says: &["The security token included in the request is invalid", "the access key or its secret is wrong"],
    },
];

#[test]
fn a_command_says_at_once_that_aws_cannot_be_called() {
    let places = Places::new();
    for given in those_that_need(Needs::Aws) {
        // An ARN names its Region, which goes before that of flag and environment.
        let has_region = given.arguments.first() == Some(&"explain");
        let concerns = |wrong: &&Wrong| !(has_region && wrong.what.contains("Region"));
        for wrong in WRONG.iter().filter(concerns) {
            let mut command = given.command("", &places.nobody);
            (wrong.makes)(&mut command, &places);
            let output = command.output().expect("taskwatch");
            ends_with(&output, wrong.code, wrong.says, &format!("{} with {}", given.shown(), wrong.what));
        }
    }
}

#[test]
fn what_is_not_aws_is_not_taken_for_it() {
    let places = Places::new();
    // RunTask may have been carried out where no answer can be read: `run` goes on asking.
    for given in those_that_need(Needs::Aws).filter(|given| given.arguments.first() != Some(&"run")) {
        for (what, url) in
            [("a page", &places.page), ("JSON", &places.other), ("nothing", &places.empty), ("silence", &places.silent)]
        {
            let mut command = given.command("", &places.nobody);
            at(&mut command, url);
            let output = command.output().expect("taskwatch");
            ends_with(&output, 1, &[], &format!("{} at an endpoint that answers with {what}", given.shown()));
        }
    }
}

#[test]
fn doctor_finds_wrong_credentials_as_well() {
    let places = Places::new();
    for wrong in WRONG.iter().filter(|wrong| wrong.code == 1) {
        let queue = "https://sqs.us-east-1.amazonaws.com/123456789012/blue-events";
        let mut command = bounded(["doctor", "--cell", "blue", "--server", &places.nobody].map(str::to_owned));
        command.env("TASKWATCH_EVENTS_QUEUE_URL", queue).env("TASKWATCH_STORE", "memory:");
        (wrong.makes)(&mut command, &places);
        let output = command.output().expect("doctor");
        let said = super::stdout(&output);
        assert_eq!(output.status.code(), Some(1), "{}: {said}{}", wrong.what, super::stderr(&output));
        assert!(said.starts_with("FAIL   identity: "), "{}: {said}", wrong.what);
        assert!(wrong.says.iter().all(|part| said.contains(part.trim_end_matches("; "))), "{}: {said}", wrong.what);
    }
}
