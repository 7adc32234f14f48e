//! The AWS CLI's own options, as lines that were written for `aws ecs run-task` have them: taken, or refused with what to do instead.
//!
//! Source: AWS CLI version 2 command reference, "Global options" and "run-task".

use clap::{Args, ValueEnum};

use super::error::CliError;
use super::query::Query;

/// Options of the AWS CLI that are about the CLI itself.
#[derive(Debug, Default, Args)]
pub(super) struct AwsCliArgs {
    /// JMESPath expression that selects what is printed. The result has tasks[] and failures[] as in RunTask's answer
    #[arg(long, value_name = "JMESPATH")]
    pub(super) query: Option<String>,
    /// Log every step and call to stderr, as TASKWATCH_LOG=debug does
    #[arg(long)]
    pub(super) debug: bool,
    // These mean nothing here: there is no pager, no page, no prompt, no binary value, no color to switch off, and no second version of the
    // AWS CLI to prepare for.
    #[arg(long, hide = true)]
    no_cli_pager: bool,
    #[arg(long, hide = true)]
    no_paginate: bool,
    #[arg(long, hide = true)]
    no_cli_auto_prompt: bool,
    #[arg(long, hide = true, value_name = "FORMAT")]
    cli_binary_format: Option<BinaryFormat>,
    #[arg(long, hide = true, value_name = "WHEN")]
    color: Option<Color>,
    #[arg(long, hide = true, value_name = "FORMAT")]
    cli_error_format: Option<String>,
    #[arg(long, hide = true)]
    v2_debug: bool,
    // These would be ignored silently, or be dangerous.
    #[arg(long, hide = true)]
    cli_auto_prompt: bool,
    #[arg(long, hide = true)]
    no_verify_ssl: bool,
    #[arg(long, hide = true)]
    no_sign_request: bool,
    #[arg(long, hide = true, value_name = "FILE")]
    ca_bundle: Option<String>,
    #[arg(long, hide = true, value_name = "SECONDS")]
    cli_read_timeout: Option<String>,
    #[arg(long, hide = true, value_name = "SECONDS")]
    cli_connect_timeout: Option<String>,
    #[arg(long, hide = true, value_name = "FORMAT", num_args = 0..=1)]
    generate_cli_skeleton: Option<Option<String>>,
    #[arg(long, hide = true, value_name = "YAML")]
    cli_input_yaml: Option<String>,
    #[arg(long, hide = true)]
    started_by: Option<String>,
    #[arg(long, hide = true)]
    client_token: Option<String>,
}

/// What a line says of the call itself: whose credentials, where to, and how the answer is written. A request has no place for it.
#[derive(Debug, Default, Args)]
pub(super) struct Client {
    #[arg(long, value_name = "OUTPUT")]
    output: Option<LineOutput>,
    #[arg(long)]
    region: Option<String>,
    #[arg(long)]
    profile: Option<String>,
    #[arg(long, value_name = "URL")]
    endpoint_url: Option<String>,
}

/// What the AWS CLI's `--output` takes.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum LineOutput {
    Json,
    Table,
    Text,
    Yaml,
    YamlStream,
    Off,
}

impl Client {
    /// What of it is left out, and where it goes; `asks` where the line has a `--query`.
    pub(super) fn left_out(&self, asks: bool) -> Vec<String> {
        let of = |flag: &str, value: &Option<String>, whose: &str| {
            let value = value.as_deref()?;
            Some(format!(
                "{flag} {value} has no place in a request: a run is {whose} of the process that launches it; give it to taskwatch run"
            ))
        };
        let printed = [("--query", asks), ("--output", self.output.is_some())];
        let printed: Vec<&str> = printed.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
        let printed = (!printed.is_empty()).then(|| {
            let has = if printed.len() == 1 { "has" } else { "have" };
            format!(
                "{} {has} no place in a request: give it to taskwatch run, which prints the result",
                printed.join(" and ")
            )
        });
        [
            of("--region", &self.region, "in the region"),
            of("--profile", &self.profile, "in the account"),
            of("--endpoint-url", &self.endpoint_url, "at the endpoint"),
            printed,
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// How blobs are given; RunTask has none.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum BinaryFormat {
    #[value(name = "base64")]
    Base64,
    #[value(name = "raw-in-base64-out")]
    Raw,
}

/// When the AWS CLI colors its output.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Color {
    On,
    Off,
    Auto,
}

impl AwsCliArgs {
    /// Takes out `--started-by` where only a request is to be made, and says what has its place. The request is the same without it.
    pub(super) fn without_started_by(&mut self) -> Option<String> {
        let value = self.started_by.take()?;
        Some(format!("--started-by {value} is left out: {}", started_by(&value)))
    }

    /// The query that these arguments have.
    ///
    /// # Errors
    /// An option that cannot be honoured, or a query that is no JMESPath.
    pub(super) fn checked(&self) -> Result<Option<Query>, CliError> {
        if let Some((option, instead)) = self.refused() {
            return Err(CliError::usage(format!("{option}: {instead}")));
        }
        self.query.as_deref().map(Query::parse).transpose()
    }

    /// The first option that cannot be honoured, and what to do instead.
    fn refused(&self) -> Option<(&'static str, String)> {
        let plain = |text: &str| text.to_owned();
        let bundle = self.ca_bundle.as_deref().unwrap_or_default();
        let refused = [
            (
                self.no_verify_ssl,
                "--no-verify-ssl",
                plain(
                    "taskwatch does not call anybody who cannot prove to be AWS; trust your proxy's authority with SSL_CERT_FILE=FILE.pem, or name an http:// --endpoint-url",
                ),
            ),
            (self.ca_bundle.is_some(), "--ca-bundle", format!("set SSL_CERT_FILE={bundle} instead")),
            (self.no_sign_request, "--no-sign-request", plain("ECS takes signed requests only; leave it out")),
            (
                self.cli_auto_prompt,
                "--cli-auto-prompt",
                plain(
                    "there is no prompt here; taskwatch run --help lists every flag, taskwatch completions completes them",
                ),
            ),
            (
                self.generate_cli_skeleton.is_some(),
                "--generate-cli-skeleton",
                plain("use --dry-run: it shows the request with all its defaults"),
            ),
            (
                self.cli_input_yaml.is_some(),
                "--cli-input-yaml",
                plain("give the request as a FILE, or as JSON with --cli-input-json"),
            ),
            (
                self.cli_read_timeout.is_some(),
                "--cli-read-timeout",
                plain(
                    "leave it out: taskwatch bounds and repeats each call itself; --timeout and --start-timeout bound the run",
                ),
            ),
            (
                self.cli_connect_timeout.is_some(),
                "--cli-connect-timeout",
                plain(
                    "leave it out: taskwatch bounds and repeats each call itself; --timeout and --start-timeout bound the run",
                ),
            ),
            (self.started_by.is_some(), "--started-by", started_by(self.started_by.as_deref().unwrap_or_default())),
            (
                self.client_token.is_some(),
                "--client-token",
                plain("taskwatch gives every launch its own; --name makes the whole run idempotent"),
            ),
        ];
        refused.into_iter().find(|(given, ..)| *given).map(|(_, option, instead)| (option, instead))
    }
}

/// What to use in the place of `--started-by`.
fn started_by(value: &str) -> String {
    format!(
        "taskwatch marks its tasks there to know their events; name the run with --name {value}, or mark its tasks with --tags key=started-by,value={value}"
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        aws: AwsCliArgs,
    }

    fn checked(line: &[&str]) -> Result<Option<Query>, String> {
        let line = Line::try_parse_from(["run"].iter().chain(line)).map_err(|e| e.to_string())?;
        line.aws.checked().map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_line_says_of_the_call_is_left_out_with_where_it_goes() {
        #[derive(Parser)]
        struct Called {
            #[command(flatten)]
            client: Client,
        }
        let line =
            ["aws", "--region", "eu-west-1", "--profile", "prod", "--endpoint-url", "http://x:1", "--output", "text"];
        let told = Called::try_parse_from(line).unwrap().client.left_out(true);
        let begins = [
            "--region eu-west-1 has no place",
            "--profile prod has",
            "--endpoint-url http://x:1 has",
            "--query and --output have",
        ];
        assert_eq!(told.len(), begins.len());
        for (line, begin) in told.iter().zip(begins) {
            assert!(line.starts_with(begin) && line.contains("give it to taskwatch run"), "{line}");
        }
        assert_eq!(Called::try_parse_from(["aws"]).unwrap().client.left_out(false), Vec::<String>::new());
        let refused = Called::try_parse_from(["aws", "--output", "markdown"]).err().unwrap().to_string();
        assert!(refused.contains("[possible values: json, table, text, yaml, yaml-stream, off]"), "{refused}");
    }

    #[test]
    fn every_global_option_of_the_aws_cli_is_taken_or_refused_with_a_reason() {
        for taken in [
            &["--no-cli-pager", "--no-paginate", "--no-cli-auto-prompt", "--debug"][..],
            &["--cli-binary-format", "raw-in-base64-out", "--color", "off"],
            &["--query", "tasks[0].taskArn"],
        ] {
            assert!(checked(taken).is_ok(), "{taken:?}");
        }
        for (refused, part) in [
            (&["--no-verify-ssl"][..], "SSL_CERT_FILE"),
            (&["--ca-bundle", "/a.pem"], "SSL_CERT_FILE=/a.pem"),
            (&["--no-sign-request"], "signed"),
            (&["--cli-auto-prompt"], "--help"),
            (&["--generate-cli-skeleton"], "--dry-run"),
            (&["--generate-cli-skeleton", "output"], "--dry-run"),
            (&["--cli-input-yaml", "a: b"], "--cli-input-json"),
            (&["--cli-read-timeout", "0"], "--timeout"),
            (&["--cli-connect-timeout", "5"], "--timeout"),
            (&["--started-by", "ci"], "--name ci, or mark its tasks with --tags key=started-by,value=ci"),
            (&["--client-token", "x"], "--name"),
            (&["--query", "tasks["], "--query"),
            (&["--color", "green"], "possible values: on, off, auto"),
        ] {
            let error = checked(refused).expect_err("refused");
            assert!(error.contains(part), "{refused:?}: {error}");
        }
    }
}
