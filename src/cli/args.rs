//! The commands: each file says what it takes.

use clap::{Parser, Subcommand};

use super::options::Global;
use super::{
    demo, doctor, explain, healthcheck, limits, local, manual, pause, redrive, run_args, runs, serve, setup, show,
    submit, watch,
};

/// Launches Amazon ECS tasks, follows them by their events, retries what a retry can cure.
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
    #[command(after_help = run_args::RUN_EXAMPLES)]
    Run(Box<run_args::RunArgs>),
    /// The cell: take requests and events from their queues until SIGTERM
    #[command(after_help = serve::SERVE_EXAMPLES)]
    Serve,
    /// Exit code 0 while the cell that serves on this machine is alive: for a container's health check
    Healthcheck(healthcheck::HealthcheckArgs),
    /// A local AWS endpoint: ECS, SQS, SNS and EventBridge, with scripted faults
    #[command(after_help = local::LOCAL_EXAMPLES)]
    Local(local::LocalArgs),
    /// Local endpoint, cell and a fleet of runs with failures, in one process
    #[command(after_help = demo::DEMO_EXAMPLES)]
    Demo(demo::DemoArgs),
    /// Hand run requests to a serving cell
    #[command(after_help = submit::SUBMIT_EXAMPLES)]
    Submit(submit::SubmitArgs),
    /// The runs of a serving cell, newest first
    List(runs::ListArgs),
    /// One run with every attempt, or an array request by its counts and failures
    #[command(after_help = show::SHOW_EXAMPLES)]
    Show(show::ShowArgs),
    /// The cell, live in this terminal: figures, runs, causes
    #[command(after_help = watch::WATCH_EXAMPLES)]
    Watch(watch::WatchArgs),
    /// Stop a run, or all runs of an array request
    Stop(runs::StopArgs),
    /// Begin runs again that failed, timed out or were aborted
    #[command(after_help = redrive::REDRIVE_EXAMPLES)]
    Redrive(redrive::RedriveArgs),
    /// Launch nothing more of a queue or a task definition
    #[command(after_help = pause::PAUSE_EXAMPLES)]
    Pause(pause::PauseArgs),
    /// Launch again what was paused
    #[command(after_help = pause::RESUME_EXAMPLES)]
    Resume(pause::PauseArgs),
    /// Show or change how much a cell may do at once
    #[command(after_help = limits::LIMITS_EXAMPLES)]
    Limits(limits::LimitsArgs),
    /// Make or repair a cell's queues, rule, policies and topic
    #[command(after_help = setup::SETUP_EXAMPLES)]
    Setup(setup::SetupArgs),
    /// Prove a cell's path: identity, permissions, rule, queues, policies, and an event from end to end
    #[command(after_help = doctor::DOCTOR_EXAMPLES)]
    Doctor(doctor::DoctorArgs),
    /// Remove what setup made for a cell
    #[command(after_help = setup::TEARDOWN_EXAMPLES)]
    Teardown(setup::TeardownArgs),
    /// What happened to a task and what to do
    #[command(after_help = explain::EXPLAIN_EXAMPLES)]
    Explain(explain::ExplainArgs),
    /// Write a completion script for a shell to stdout
    #[command(after_help = manual::COMPLETIONS_EXAMPLES)]
    Completions(manual::CompletionsArgs),
    /// Write the manual page to stdout, or one for each command into a directory
    Man(manual::ManArgs),
}
