//! The command line: one file a command.

mod args;
mod aws;
mod aws_cli;
mod beside;
mod beside_cells;
mod chosen;
mod client;
mod console;
mod convert;
mod demo;
mod doctor;
mod document;
mod duration;
mod exit;
mod explain;
#[cfg(debug_assertions)]
mod failpoints;
mod failure;
mod filter;
mod fleet;
mod follow;
mod healthcheck;
mod input;
mod limits;
mod list;
mod listed;
mod local;
mod logs;
mod manual;
mod masked;
mod migrate_store;
mod options;
mod pause;
mod progress;
mod query;
mod redrive;
mod remote;
mod report;
mod request;
mod run;
mod run_args;
mod run_events;
mod serve;
mod serve_fleet;
mod serving;
mod settings;
mod setup;
mod shell;
mod shorthand;
mod show;
mod signals;
mod sse;
mod stale;
mod statuses;
mod stop;
mod store;
mod submit;
mod tails;
mod teardown;
#[cfg(feature = "otlp")]
mod traces;
mod watch;
mod yaml;

use std::process::ExitCode;

use clap::FromArgMatches as _;

use args::{Arguments, Command};
use error::CliError;
use settings::Settings;

use crate::terminal::{ended, error, output};

/// For threads that wait for the system when the command has ended.
const LAST_THREADS: std::time::Duration = std::time::Duration::from_millis(500);

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    // clap ends the process itself: 0 for --help and --version, 2 for usage.
    let arguments = Arguments::from_arg_matches(&args::command().get_matches()).unwrap_or_else(|error| error.exit());
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return ended(Err(CliError::other(format!("cannot start: {error}")))),
    };
    let result = runtime.block_on(dispatch(arguments));
    // A name that is being looked up, say, keeps a thread for longer than anybody should wait.
    runtime.shutdown_timeout(LAST_THREADS);
    ended(result)
}

async fn dispatch(arguments: Arguments) -> Result<u8, CliError> {
    // These need no settings, and must not fail for a wrong one.
    match &arguments.command {
        Command::Completions(asked) => return Ok(manual::completions(asked, args::command())),
        Command::Man(asked) => return manual::man(asked, args::command()),
        _ => {}
    }
    let command = match arguments.command {
        Command::Report(_) => "report",
        Command::Run(_) => "run",
        _ => "",
    };
    if let Some(format) = arguments.global.output
        && let Some(only) = format.command().filter(|only| *only != command)
    {
        let name = format.name();
        return Err(CliError::usage(format!(
            "--output {name}: only {only} takes {name}; expected {}",
            if command == "run" { "json, table, text, yaml, yaml-stream or off" } else { "json, table or text" }
        )));
    }
    let settings = Settings::load(&arguments.global)?;
    // A demo's faults are on purpose; a person who waits for one task reads progress, not a log.
    let usual = match &arguments.command {
        Command::Demo(_) => "error",
        Command::Serve => "warn,taskwatch=info",
        // A log line would tear the screen.
        Command::Watch(_) => "off",
        // Its progress tells how runs end.
        Command::Run(run) if run.aws_cli.debug => "debug",
        Command::Run(_) => "warn,taskwatch::cell::view=error",
        _ => "warn",
    };
    settings.init_log(&format!("{usual},{}", crate::aws::QUIET))?;
    for line in settings.warnings() {
        match &arguments.command {
            // Its stderr is a log, which machines may read.
            Command::Serve => tracing::warn!("{line}"),
            _ => output::problem(&format!("warning: {}", output::plain(&line))),
        }
    }
    let global = arguments.global;
    match arguments.command {
        Command::Run(run) => run::run(*run, &global, &settings).await,
        Command::Serve => serve::serve(&global, &settings).await,
        Command::Submit(arguments) => submit::submit(arguments, &global, &settings).await,
        Command::List(arguments) => list::list(arguments, &global, &settings).await,
        Command::Show(arguments) => show::show(arguments, &global, &settings).await,
        Command::Logs(arguments) => logs::logs(arguments, &global, &settings).await,
        Command::Watch(arguments) => watch::watch(arguments, &global, &settings).await,
        Command::Stop(arguments) => stop::stop(arguments, &global, &settings).await,
        Command::Redrive(arguments) => redrive::redrive(arguments, &global, &settings).await,
        Command::Pause(arguments) => pause::pause(arguments, &global, &settings).await,
        Command::Resume(arguments) => pause::resume(arguments, &global, &settings).await,
        Command::Limits(arguments) => limits::limits(arguments, &global, &settings).await,
        Command::Fleet(arguments) => fleet::fleet(arguments, &global, &settings).await,
        Command::Local(arguments) => local::local(arguments).await,
        Command::Demo(arguments) => demo::demo(arguments, &global, &settings).await,
        Command::Healthcheck(arguments) => healthcheck::healthcheck(arguments, &settings).await,
        Command::Setup(arguments) => setup::setup(arguments, &global, &settings).await,
        Command::Doctor(arguments) => doctor::doctor(arguments, &global, &settings).await,
        Command::MigrateStore(arguments) => migrate_store::migrate_store(arguments, &global, &settings).await,
        Command::Teardown(arguments) => teardown::teardown(arguments, &global, &settings).await,
        Command::Report(arguments) => report::report(arguments, &global).await,
        Command::Convert(arguments) => convert::convert(&arguments),
        Command::Explain(explain) => explain::explain(explain, &global, &settings).await,
        Command::Completions(asked) => Ok(manual::completions(&asked, args::command())),
        Command::Man(asked) => manual::man(&asked, args::command()),
    }
}
