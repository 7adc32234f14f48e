//! Whose credentials sign: as the AWS CLI has it, lest a call be made in another account.

use std::path::Path;
use std::process::{Command, Stdio};

use super::super::cli::{Killed, taskwatch};
use super::super::support::answers::{self, Answer, nobody};
use super::super::support::polled::until;
use super::{Needs, bounded, stderr, those_that_need};

const CONFIG: &str = "[profile team]\nregion = us-east-1\n[profile keyless]\nregion = us-east-1\n";
const CREDENTIALS: &str = "[team]\naws_access_key_id = TEAM\naws_secret_access_key = x\n";

/// The flag, variables, and the key that is to sign.
type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);

const CASES: [Case; 6] = [
    (&[], &[], "ENVIRONMENT"),
    (&["--profile", "team"], &[], "TEAM"),
    (&["--profile", "team"], &[("AWS_PROFILE", "keyless")], "TEAM"),
    (&[], &[("AWS_PROFILE", "team")], "ENVIRONMENT"),
    (&[], &[("AWS_PROFILE", "team"), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], "TEAM"),
    (&[], &[("AWS_DEFAULT_PROFILE", "team"), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], "TEAM"),
];

fn write(dir: &Path) -> [(&'static str, String); 2] {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).expect("a file");
        path.display().to_string()
    };
    [("AWS_CONFIG_FILE", file("config", CONFIG)), ("AWS_SHARED_CREDENTIALS_FILE", file("credentials", CREDENTIALS))]
}

#[test]
fn a_profile_of_the_flag_goes_before_keys_in_the_environment_and_one_of_the_environment_behind() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = write(dir.path());
    let (url, signers) =
        answers::signed(Answer::Aws("UnrecognizedClientException", "InvalidClientTokenId", "nobody is known here"));
    let nobody = nobody();
    let doctor = ["doctor", "--cell", "blue"].map(str::to_owned);
    let commands = || {
        let all = those_that_need(Needs::Aws).map(|given| (given.shown(), given.command("", &nobody)));
        all.chain([("doctor".to_owned(), bounded(doctor.clone()))])
    };
    for (flags, variables, key) in CASES {
        for (shown, mut command) in commands() {
            command.envs([("AWS_ACCESS_KEY_ID", "ENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "x")]);
            command.envs(files.iter().cloned()).env("AWS_ENDPOINT_URL", &url);
            command.env("TASKWATCH_EVENTS_QUEUE_URL", format!("{url}/1/blue-events")).env("TASKWATCH_URL", &nobody);
            let output = command.envs(variables.iter().copied()).args(flags).output().expect("taskwatch");
            let signed = signers.take();
            assert!(!signed.is_empty(), "{shown} {flags:?} {variables:?}: it called nobody: {}", stderr(&output));
            assert!(
                signed.iter().all(|signer| signer == key),
                "{shown} {flags:?} {variables:?}: {signed:?}, not {key}"
            );
        }
    }
}

/// It serves on whoever signs: nobody waits for its end.
#[test]
fn a_cell_signs_with_the_profile_of_the_flag_and_does_not_start_with_one_that_is_not_there() {
    let dir = tempfile::tempdir().expect("a directory");
    let files = write(dir.path());
    for (flags, variables, key) in CASES {
        let (url, signers) =
            answers::signed(Answer::Aws("UnrecognizedClientException", "InvalidClientTokenId", "nobody is known here"));
        let mut serve = serving(&url);
        serve.envs([("AWS_ACCESS_KEY_ID", "ENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "x")]);
        serve.envs(files.iter().cloned()).envs(variables.iter().copied()).args(flags);
        let serve = Killed(serve.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("taskwatch serve"));
        let mut signed = Vec::new();
        until(
            || format!("{flags:?} {variables:?}: it called nobody"),
            || {
                signed.extend(signers.take());
                !signed.is_empty()
            },
        );
        drop(serve);
        signed.extend(signers.take());
        assert!(signed.iter().all(|signer| signer == key), "{flags:?} {variables:?}: {signed:?}, not {key}");
    }
    for (flags, variables) in [(&["--profile", "nope"][..], &[][..]), (&[], &[("AWS_PROFILE", "nope")])] {
        let mut command = bounded(["serve".to_owned()]);
        command.envs(serving(&nobody()).get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.envs(files.iter().cloned()).envs(variables.iter().copied()).args(flags);
        let output = command.output().expect("serve");
        super::ends_with(&output, 2, &["The config profile (nope) could not be found"], "serve");
    }
}

/// A cell whose queues are there.
fn serving(url: &str) -> Command {
    let mut serve = taskwatch();
    serve.arg("serve").env("AWS_ENDPOINT_URL", url);
    serve.envs([("TASKWATCH_CELL", "blue"), ("TASKWATCH_STORE", "memory:"), ("TASKWATCH_LISTEN", "127.0.0.1:0")]);
    serve.env("TASKWATCH_EVENTS_QUEUE_URL", format!("{url}/1/blue-events"));
    serve.env("TASKWATCH_REQUESTS_QUEUE_URL", format!("{url}/1/blue-requests"));
    serve
}

#[test]
fn a_profile_without_credentials_does_not_fall_back_on_the_environments() {
    let dir = tempfile::tempdir().expect("a directory");
    let (url, signers) = answers::signed(Answer::Nothing);
    let mut command = bounded(["setup", "--cell", "blue", "--profile", "keyless"].map(str::to_owned));
    command.envs(write(dir.path())).env("AWS_ENDPOINT_URL", &url);
    let output = command.output().expect("setup");
    assert!(stderr(&output).contains("no credentials were found"), "{}", stderr(&output));
    assert_eq!((output.status.code(), signers.take().len()), (Some(1), 0));
}

#[test]
fn a_configuration_that_cannot_be_read_is_said_in_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("config");
    std::fs::write(&file, "[profile team\nregion = us-east-1\n").expect("a file");
    let mut command = bounded(["setup", "--cell", "blue"].map(str::to_owned));
    let output = command.env("AWS_CONFIG_FILE", &file).output().expect("setup");
    super::ends_with(&output, 2, &["the AWS configuration: ", "line 1"], "setup");
}
