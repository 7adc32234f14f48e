//! The arguments, named as the AWS CLI's where it has them.

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Launches Amazon ECS tasks, follows them by their events, retries what a retry can cure.
#[derive(Debug, Parser)]
#[command(name = "taskwatch", version, propagate_version = true, max_term_width = 120)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
    #[command(flatten)]
    pub(super) global: Global,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Json,
    Table,
    Text,
}

/// For every command.
#[derive(Debug, Args)]
pub(super) struct Global {
    /// How results are written [default: json for run, text for explain]
    #[arg(long, global = true, value_enum)]
    pub(super) output: Option<Format>,
    /// AWS region
    #[arg(long, global = true)]
    pub(super) region: Option<String>,
    /// Profile of the AWS configuration
    #[arg(long, global = true)]
    pub(super) profile: Option<String>,
    /// Another AWS endpoint
    #[arg(long, global = true, value_name = "URL")]
    pub(super) endpoint_url: Option<String>,
    /// Settings file [default: taskwatch.toml, if there is one]
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<std::path::PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Launch a task (or many) and wait for its goal
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// The cell: take requests and events from their queues until SIGTERM
    #[command(after_help = SERVE_EXAMPLES)]
    Serve,
    /// Exit code 0 while the cell that serves on this machine is alive: for a container's health check
    Healthcheck(super::healthcheck::HealthcheckArgs),
    /// A local AWS endpoint: ECS, SQS, SNS and EventBridge, with scripted faults
    #[command(after_help = LOCAL_EXAMPLES)]
    Local(LocalArgs),
    /// Local endpoint, cell and a fleet of runs with failures, in one process
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Hand run requests to a serving cell
    #[command(after_help = SUBMIT_EXAMPLES)]
    Submit(SubmitArgs),
    /// The runs of a serving cell, newest first
    List(ListArgs),
    /// One run with every attempt, or an array request by its counts and failures
    #[command(after_help = super::show::SHOW_EXAMPLES)]
    Show(super::show::ShowArgs),
    /// The cell, live in this terminal: figures, runs, causes
    #[command(after_help = super::watch::WATCH_EXAMPLES)]
    Watch(super::watch::WatchArgs),
    /// Stop a run, or all runs of a name of many
    Stop(StopArgs),
    /// Begin runs again that ended short of their goal
    #[command(after_help = REDRIVE_EXAMPLES)]
    Redrive(RedriveArgs),
    /// Launch nothing more of a queue or a task definition
    #[command(after_help = PAUSE_EXAMPLES)]
    Pause(HoldArgs),
    /// Launch again what was paused
    Resume(HoldArgs),
    /// Make or repair a cell's queues, rule, policies and topic
    #[command(after_help = super::setup::SETUP_EXAMPLES)]
    Setup(super::setup::SetupArgs),
    /// Prove a cell's path: identity, permissions, rule, queues, policies, and an event from end to end
    #[command(after_help = super::doctor::DOCTOR_EXAMPLES)]
    Doctor(super::doctor::DoctorArgs),
    /// Remove what setup made for a cell
    #[command(after_help = super::setup::TEARDOWN_EXAMPLES)]
    Teardown(super::setup::TeardownArgs),
    /// What happened to a task and what to do
    #[command(after_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Write a completion script for a shell to stdout
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Write the manual page to stdout, or one for each command into a directory
    Man(ManArgs),
}

const RUN_EXAMPLES: &str = "\
Examples:
  taskwatch run --cluster batch --task-definition etl:7 --launch-type FARGATE --subnets subnet-0a --until stopped
  taskwatch run --cli-input-json file://task.json --retries 3 --timeout 1h
  taskwatch run state-machine.json
  taskwatch run --task-definition etl --count 20 --env DAY=2026-11-22 --dry-run

Exit codes: 0 reached its goal; the task's own code where its container failed; 124 timed out; 125 never started;
130, 143 interrupted (what was launched is stopped first); 2 usage; 1 anything else.";

const SERVE_EXAMPLES: &str = "\
Example:
  TASKWATCH_CELL=blue TASKWATCH_EVENTS_QUEUE_URL=https://… TASKWATCH_REQUESTS_QUEUE_URL=https://… taskwatch serve";

const LOCAL_EXAMPLES: &str = "\
Examples:
  taskwatch local
  taskwatch local --listen 127.0.0.1:0 --time-scale 20 --seed 7 --script faults.toml";

const DEMO_EXAMPLES: &str = "\
Examples:
  taskwatch demo
  taskwatch demo --stay                    # its page stays up until Ctrl-C
  taskwatch demo --runs 1000 --seed 7 --output json";

const SUBMIT_EXAMPLES: &str = "\
Examples:
  taskwatch submit nightly.json
  generate | taskwatch submit - --server http://taskwatch.internal:7717
  taskwatch submit fleet.ndjson --output json

A FILE holds one request, an array of them, or one a line. Exit codes: 0 all were taken; 1 some were refused.";

const REDRIVE_EXAMPLES: &str = "\
Examples:
  taskwatch redrive nightly-2026-11-22
  taskwatch redrive --status FAILED --error Taskwatch.Network
  taskwatch redrive --name fleet --output json

Retries and timeoutSeconds count anew, attempts are numbered on. Exit codes: 0 all that were named were begun again; 1 some were not.";

const PAUSE_EXAMPLES: &str = "\
Examples:
  taskwatch pause --queue team-a
  taskwatch pause --task-definition etl:7 --task-definition report
  taskwatch resume --queue team-a

What is paused waits as QUEUED and burns no attempt; tasks that run go on.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  taskwatch completions bash > /etc/bash_completion.d/taskwatch
  taskwatch completions zsh > ~/.zfunc/_taskwatch";

const EXPLAIN_EXAMPLES: &str = "\
Examples:
  aws ecs describe-tasks --cluster batch --tasks ARN | taskwatch explain -
  taskwatch explain event.json --output json
  taskwatch explain arn:aws:ecs:eu-west-1:123456789012:task/batch/0123456789abcdef";

/// `taskwatch run`.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// A run request in any form: taskwatch's own, RunTask JSON, or a Step Functions state machine; - for stdin
    #[arg(value_name = "FILE", conflicts_with = "cli_input_json")]
    pub(super) file: Option<String>,
    /// The same, as the AWS CLI takes it: JSON, or file://PATH
    #[arg(long, value_name = "JSON")]
    pub(super) cli_input_json: Option<String>,
    /// Cluster name or ARN
    #[arg(long)]
    pub(super) cluster: Option<String>,
    /// family, family:revision or ARN
    #[arg(long)]
    pub(super) task_definition: Option<String>,
    /// How many runs (more than 10 is fine)
    #[arg(long)]
    pub(super) count: Option<u32>,
    /// EC2, FARGATE, EXTERNAL or MANAGED_INSTANCES
    #[arg(long)]
    pub(super) launch_type: Option<String>,
    /// JSON, or capacityProvider=NAME,weight=N,base=N
    #[arg(long, num_args = 1.., value_name = "STRATEGY")]
    pub(super) capacity_provider_strategy: Vec<String>,
    /// JSON, or awsvpcConfiguration={subnets=[…],securityGroups=[…],assignPublicIp=ENABLED}
    #[arg(long, value_name = "JSON")]
    pub(super) network_configuration: Option<String>,
    /// JSON
    #[arg(long, value_name = "JSON")]
    pub(super) overrides: Option<String>,
    /// Fargate platform version
    #[arg(long)]
    pub(super) platform_version: Option<String>,
    /// Task group
    #[arg(long)]
    pub(super) group: Option<String>,
    /// JSON, or key=NAME,value=TEXT
    #[arg(long, num_args = 1.., value_name = "TAG")]
    pub(super) tags: Vec<String>,
    /// TASK_DEFINITION or NONE
    #[arg(long)]
    pub(super) propagate_tags: Option<String>,
    /// Allow ECS Exec
    #[arg(long)]
    pub(super) enable_execute_command: bool,
    #[arg(long, hide = true, conflicts_with = "enable_execute_command")]
    pub(super) disable_execute_command: bool,
    /// Tag the task with its cluster
    #[arg(long)]
    pub(super) enable_ecs_managed_tags: bool,
    #[arg(long, hide = true, conflicts_with = "enable_ecs_managed_tags")]
    pub(super) no_enable_ecs_managed_tags: bool,
    /// JSON, or type=memberOf,expression=TEXT
    #[arg(long, num_args = 1.., value_name = "CONSTRAINT")]
    pub(super) placement_constraints: Vec<String>,
    /// JSON, or type=spread,field=NAME
    #[arg(long, num_args = 1.., value_name = "STRATEGY")]
    pub(super) placement_strategy: Vec<String>,
    /// JSON, or the AWS CLI's shorthand
    #[arg(long, num_args = 1.., value_name = "VOLUME")]
    pub(super) volume_configurations: Vec<String>,
    /// The task's reference id
    #[arg(long)]
    pub(super) reference_id: Option<String>,
    #[arg(long, hide = true)]
    pub(super) started_by: Option<String>,
    #[arg(long, hide = true)]
    pub(super) client_token: Option<String>,
    /// Subnets of the task's network interface
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub(super) subnets: Vec<String>,
    /// Security groups of the task's network interface
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub(super) security_groups: Vec<String>,
    /// Command of the container, last of all flags (the one named by --decided-by, else the task definition's family)
    #[arg(long, num_args = 1.., allow_hyphen_values = true)]
    pub(super) command: Vec<String>,
    /// Environment variable of that container
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,
    /// Idempotency key
    #[arg(long)]
    pub(super) name: Option<String>,
    /// running, stopped or healthy
    #[arg(long)]
    pub(super) until: Option<String>,
    /// Amazon States Language Retry array: JSON, or a file
    #[arg(long, value_name = "JSON|FILE", conflicts_with = "retries")]
    pub(super) retry: Option<String>,
    /// Retry any failure N times, after 10, 20, 40 … s
    #[arg(long, value_name = "N")]
    pub(super) retries: Option<u32>,
    /// The whole run may take so long: 90s, 1h
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<String>,
    /// An attempt may take so long to reach RUNNING
    #[arg(long, value_name = "DURATION")]
    pub(super) start_timeout: Option<String>,
    /// The containers whose exit codes decide
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub(super) decided_by: Vec<String>,
    /// URL of an events queue of its own (never one that a serving cell reads)
    #[arg(long, value_name = "URL")]
    pub(super) events_queue: Option<String>,
    #[command(flatten)]
    pub(super) server: RemoteArgs,
    /// Launch and leave: do not wait for the goal
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Show the request with all its defaults, and launch nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

/// The cell that is to do the work. Only when it is named: TASKWATCH_URL alone does not change what `run` does.
#[derive(Debug, Default, Args)]
pub(super) struct RemoteArgs {
    /// Hand the request to the serving cell at this URL and follow it there
    #[arg(long, value_name = "URL", conflicts_with = "events_queue")]
    pub(super) server: Option<String>,
}

/// Which cell a command talks to.
#[derive(Debug, Default, Args)]
pub(super) struct ServerArgs {
    /// URL of a serving cell [default: http://127.0.0.1:7717]
    #[arg(long, value_name = "URL", env = "TASKWATCH_URL")]
    pub(super) server: Option<String>,
}

/// `taskwatch submit`.
#[derive(Debug, Args)]
pub(super) struct SubmitArgs {
    /// Files with run requests in any form; - for stdin
    #[arg(value_name = "FILE|-", required = true)]
    pub(super) files: Vec<String>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// `taskwatch list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// QUEUED, STARTING, RUNNING, PENDING_RETRY, SUCCEEDED, FAILED, TIMED_OUT or ABORTED, or several with commas
    #[arg(long)]
    pub(super) status: Option<String>,
    /// Runs of this queue
    #[arg(long)]
    pub(super) queue: Option<String>,
    /// Runs whose newest failure has this name, class or transience
    #[arg(long)]
    pub(super) error: Option<String>,
    /// Runs of this name
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Most runs to show
    #[arg(long, default_value_t = 100, value_name = "N")]
    pub(super) max: usize,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// `taskwatch stop`.
#[derive(Debug, Args)]
pub(super) struct StopArgs {
    /// Its id or name
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    /// What ECS and the notification are told
    #[arg(long)]
    pub(super) reason: Option<String>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// `taskwatch redrive`.
#[derive(Debug, Args)]
pub(super) struct RedriveArgs {
    /// Ids or names
    #[arg(value_name = "RUN", required_unless_present_any = ["status", "queue", "error", "name"])]
    pub(super) runs: Vec<String>,
    /// All runs in this status: FAILED, TIMED_OUT or ABORTED, or several with commas
    #[arg(long)]
    pub(super) status: Option<String>,
    /// All runs of this queue that ended short of their goal
    #[arg(long)]
    pub(super) queue: Option<String>,
    /// All runs that were ended by a failure of this name, class or transience
    #[arg(long)]
    pub(super) error: Option<String>,
    /// All runs of this name that ended short of their goal
    #[arg(long)]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// `taskwatch pause` and `resume`.
#[derive(Debug, Args)]
pub(super) struct HoldArgs {
    /// A queue
    #[arg(long, required_unless_present = "task_definition")]
    pub(super) queue: Vec<String>,
    /// family, family:revision or ARN
    #[arg(long)]
    pub(super) task_definition: Vec<String>,
    #[command(flatten)]
    pub(super) server: ServerArgs,
}

/// `taskwatch completions`.
#[derive(Debug, Args)]
pub(super) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

/// `taskwatch man`.
#[derive(Debug, Args)]
pub(super) struct ManArgs {
    /// Write taskwatch.1, taskwatch-run.1, … into this directory
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<std::path::PathBuf>,
}

/// `taskwatch explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// Files with ECS events, DescribeTasks or RunTask answers; a task's ARN; - for stdin
    #[arg(value_name = "FILE|TASK_ARN|-", default_value = "-")]
    pub(super) sources: Vec<String>,
    /// The container whose exit code decides
    #[arg(long, value_name = "CONTAINER", value_delimiter = ',')]
    pub(super) decided_by: Vec<String>,
}

/// `taskwatch local`.
#[derive(Debug, Args)]
pub(super) struct LocalArgs {
    /// Address and port; port 0 takes any
    #[arg(long, default_value = "127.0.0.1:4566")]
    pub(super) listen: std::net::SocketAddr,
    /// A name by which clients call it, besides loopback's and the address it listens on (host.docker.internal)
    #[arg(long, value_name = "NAME")]
    pub(super) allow_host: Vec<String>,
    /// How many times faster than AWS's time runs
    #[arg(long, default_value_t = 1.0, value_name = "N")]
    pub(super) time_scale: f64,
    /// Decides all chances, so that a run can be repeated [default: the script's `seed`, or 0]
    #[arg(long, value_name = "N")]
    pub(super) seed: Option<u64>,
    /// TOML file of faults (docs/local.md)
    #[arg(long, visible_alias = "faults", value_name = "FILE")]
    pub(super) script: Option<std::path::PathBuf>,
    /// Never throttle
    #[arg(long)]
    pub(super) no_quotas: bool,
    /// Refuse task definitions that nobody registered, as AWS does, instead of making them up
    #[arg(long)]
    pub(super) strict: bool,
    /// Most tasks in PROVISIONING in a cluster
    #[arg(long, value_name = "N")]
    pub(super) max_provisioning: Option<usize>,
    /// Most Fargate vCPUs at once
    #[arg(long, value_name = "N")]
    pub(super) max_vcpus: Option<f64>,
    /// Clusters that are there from the start, besides `default`
    #[arg(long, value_name = "NAME")]
    pub(super) cluster: Vec<String>,
}

/// `taskwatch demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// How many runs
    #[arg(long, default_value_t = 200)]
    pub(super) runs: u32,
    /// How many times faster than AWS's time runs
    #[arg(long, default_value_t = 20.0, value_name = "N")]
    pub(super) time_scale: f64,
    /// Decides all chances
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub(super) seed: u64,
    /// Leave the page up at the end, until Ctrl-C
    #[arg(long)]
    pub(super) stay: bool,
}
