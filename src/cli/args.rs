//! The commands: each file says what it takes.

use clap::{CommandFactory as _, Parser, Subcommand};

use super::options::Global;
use super::{
    convert, demo, doctor, explain, fleet, healthcheck, limits, list, local, logs, manual, migrate_store, pause,
    redrive, report, run_args, serve, setup, show, statuses, stop, submit, teardown, watch,
};
use crate::explaining::ExplainArgs;

/// Launches Amazon ECS tasks, follows them by their events, retries the failures that a retry can fix.
#[derive(Debug, Parser)]
#[command(name = "taskwatch", version, propagate_version = true, max_term_width = 120)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) global: Global,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Launch a task (or many) and wait for its goal
    // The AWS CLI takes options by their first letters.
    #[command(after_help = run_args::RUN_EXAMPLES, infer_long_args = true)]
    Run(Box<run_args::RunArgs>),
    /// Serve a cell: receive run requests and events from their queues, until SIGTERM
    #[command(after_help = serve::SERVE_EXAMPLES)]
    Serve,
    /// Ask whether the cell on this machine is alive; the exit code answers. For a container's health check
    Healthcheck(healthcheck::HealthcheckArgs),
    /// Serve a local AWS endpoint: ECS, SQS, SNS and EventBridge, with scripted faults
    #[command(after_help = local::LOCAL_EXAMPLES)]
    Local(local::LocalArgs),
    /// Show a local endpoint, a cell and many runs with failures, in one process
    #[command(after_help = demo::DEMO_EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Hand run requests to a serving cell
    #[command(after_help = submit::SUBMIT_EXAMPLES)]
    Submit(submit::SubmitArgs),
    /// List the runs of a serving cell, newest first
    #[command(after_help = list::LIST_EXAMPLES)]
    List(list::ListArgs),
    /// Show one run with every attempt, or an array request by its counts and failures
    #[command(after_help = show::SHOW_EXAMPLES)]
    Show(show::ShowArgs),
    /// Show what the containers of a run wrote: their last lines, or those that come
    #[command(after_help = logs::LOGS_EXAMPLES)]
    Logs(logs::LogsArgs),
    /// Show a serving cell live in this terminal: figures, runs, causes
    #[command(after_help = watch::WATCH_EXAMPLES)]
    Watch(watch::WatchArgs),
    /// Stop runs, or all runs of array requests
    #[command(after_help = stop::STOP_EXAMPLES, override_usage = stop::STOP_USAGE)]
    Stop(stop::StopArgs),
    /// Begin runs again that failed, timed out or were aborted
    #[command(after_help = redrive::REDRIVE_EXAMPLES, override_usage = redrive::REDRIVE_USAGE)]
    Redrive(redrive::RedriveArgs),
    /// Pause the launches of a queue or a task definition
    #[command(after_help = pause::PAUSE_EXAMPLES, override_usage = pause::PAUSE_USAGE)]
    Pause(pause::PauseArgs),
    /// Resume the launches of what was paused
    #[command(after_help = pause::RESUME_EXAMPLES, override_usage = pause::RESUME_USAGE)]
    Resume(pause::PauseArgs),
    /// Show or change how much a cell may do at once
    #[command(after_help = limits::LIMITS_EXAMPLES)]
    Limits(limits::LimitsArgs),
    /// Show the processes of a fleet, its cells, and who serves which
    #[command(after_help = fleet::FLEET_EXAMPLES)]
    Fleet(fleet::FleetArgs),
    /// Make or repair a cell's queues, rule, policies and topic
    #[command(after_help = setup::SETUP_EXAMPLES)]
    Setup(setup::SetupArgs),
    /// Check a cell's event pipeline: identity, permissions, rule, queues, policies, and an event from end to end
    #[command(after_help = doctor::DOCTOR_EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Remove what setup made for a cell
    #[command(after_help = teardown::TEARDOWN_EXAMPLES)]
    Teardown(teardown::TeardownArgs),
    /// Move a cell's runs to another store, such as a DynamoDB table, while nobody serves it
    #[command(after_help = migrate_store::MIGRATE_STORE_EXAMPLES)]
    MigrateStore(migrate_store::MigrateStoreArgs),
    /// Explain what happened to a task, and what to do
    #[command(after_help = explain::EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Report what became of a cluster's launches: how many never ran a container, and why. Reads only
    #[command(after_help = report::REPORT_EXAMPLES)]
    Report(report::ReportArgs),
    /// The run request of a state machine, an EventBridge target or schedule, a Batch job definition, an aws ecs run-task line
    #[command(after_help = convert::CONVERT_EXAMPLES)]
    Convert(convert::ConvertArgs),
    /// Write a completion script for a shell to stdout
    #[command(after_help = manual::COMPLETIONS_EXAMPLES)]
    Completions(manual::CompletionsArgs),
    /// Write the manual page to stdout, or one for each command into a directory
    Man(manual::ManArgs),
}

/// How each command writes its result. The others have none: a log, a script, an exit code.
const OUTPUTS: [(&str, &str); 19] = [
    ("run", "json, table, text, yaml, yaml-stream or off (nothing) [default: json]"),
    ("demo", "json or text [default: text]"),
    ("submit", "json, table or text (the names) [default: text]"),
    ("list", "json, table or text (names and statuses) [default: table]"),
    ("show", "json or text [default: text]"),
    ("logs", "json (the lines with their times and where they are) or text (the lines) [default: text]"),
    ("watch", "with --once: json (the summary) or text (a frame) [default: text]"),
    ("stop", "json, table or text (names and statuses) [default: table]"),
    ("redrive", "json, table or text (names and statuses) [default: table]"),
    ("limits", "json, table or text [default: table]"),
    ("pause", "json, table or text [default: table]"),
    ("resume", "json, table or text [default: table]"),
    ("fleet", "json, table or text (cells, their open runs, owners and epochs) [default: table]"),
    ("setup", "json, table or text; without json the settings as export lines [default: text]"),
    ("doctor", "json, table or text [default: text]"),
    ("teardown", "json or text [default: text]"),
    ("migrate-store", "json or text [default: text]"),
    ("report", "json, text or markdown [default: text]"),
    ("explain", "json (one array), table or text [default: text]"),
];

/// The whole command line. `--output` is everybody's, and means something else to each; `--status` is offered by completion.
pub(super) fn command() -> clap::Command {
    let all = Arguments::command();
    let Some(output) = all.get_arguments().find(|argument| argument.get_id() == "output").cloned() else { return all };
    let described = |command: clap::Command| {
        let how = OUTPUTS.iter().find(|(name, _)| *name == command.get_name()).map(|(_, how)| *how);
        let output = output.clone().hide_possible_values(true);
        let command = command.arg(match how {
            Some(how) => output.help(format!("How the result is written: {how}")),
            None => output.hide(true),
        });
        let statuses = if command.get_name() == "redrive" { statuses::REDRIVABLE } else { statuses::ALL };
        let has_status = command.get_arguments().any(|argument| argument.get_id() == "status");
        match has_status {
            true => command.mut_arg("status", |status| status.value_parser(statuses).hide_possible_values(true)),
            false => command,
        }
    };
    all.mut_subcommands(described)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_whole() {
        command().debug_assert();
    }

    #[test]
    fn every_command_says_how_its_own_result_is_written() {
        let mut all = command();
        all.build();
        for command in all.get_subcommands().filter(|command| command.get_name() != "help") {
            let name = command.get_name();
            let output = command.get_arguments().find(|argument| argument.get_id() == "output").expect("--output");
            let help = output.get_help().map(ToString::to_string).unwrap_or_default();
            let silent = ["serve", "healthcheck", "local", "convert", "completions", "man"].contains(&name);
            assert_eq!(output.is_hide_set(), silent, "{name}: say in OUTPUTS how its result is written");
            assert!(silent || help.contains("[default: "), "{name}: {help}");
        }
    }
}
