//! The arguments of `taskwatch run`, named as the AWS CLI's where it has them.

use clap::Args;

use super::aws_cli::AwsCliArgs;
use super::document::DocumentArgs;
use super::options::RemoteArgs;

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  taskwatch run --cluster batch --task-definition etl:7 --launch-type FARGATE --subnets subnet-0a
  taskwatch run --cli-input-json file://task.json --retries 3 --timeout 1h
  taskwatch run state-machine.json
  taskwatch run workflow.yaml --state Load --input file://input.json
  taskwatch run --task-definition etl --count 20 --env DAY=2026-11-22 --dry-run
  taskwatch run --cluster batch --task-definition etl -- sh -c 'exit 3'

run waits for the end of its tasks, unless --until or the request says otherwise. It follows them by DescribeTasks calls that all its \
tasks share, and makes nothing in the account. A program that ended by itself is run again only with --retry or --retries.

Exit codes:
  0         it reached its goal
  N         the task's own code, where its container failed
  124       it timed out
  125       it never started
  130, 143  interrupted (what was launched is stopped first)
  2         usage
  1         anything else";

/// `taskwatch run`.
#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    /// A run request in any form: taskwatch's own, RunTask JSON, or a Step Functions state machine (JSON or YAML); - for stdin
    #[arg(value_name = "FILE", conflicts_with = "cli_input_json")]
    pub(super) file: Option<String>,
    /// A run request as the AWS CLI takes it: JSON, or file://PATH
    #[arg(long, value_name = "JSON")]
    pub(super) cli_input_json: Option<String>,
    #[command(flatten)]
    pub(super) document: DocumentArgs,
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
    /// JSON, or containerOverrides=[{name=NAME,command=[…],environment=[{name=NAME,value=TEXT}]}]
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
    /// Subnets of the task's network interface
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub(super) subnets: Vec<String>,
    /// Security groups of the task's network interface
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub(super) security_groups: Vec<String>,
    /// Command of a container: of the one in --decided-by, else of the one with the family's name. All words behind it belong to
    /// it: give it last. Or put the command behind --
    #[arg(long, num_args = 1.., allow_hyphen_values = true, value_name = "WORD")]
    pub(super) command: Vec<String>,
    /// Command of the container, as with --command
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "command")]
    pub(super) words: Vec<String>,
    /// Environment variable of the same container
    #[arg(long, value_name = "NAME=VALUE")]
    pub(super) env: Vec<String>,
    /// Idempotency key
    #[arg(long)]
    pub(super) name: Option<String>,
    /// The goal that is waited for: running, stopped or healthy [default: stopped]
    #[arg(long)]
    pub(super) until: Option<String>,
    /// Amazon States Language Retry array: JSON, or a file
    #[arg(long, value_name = "JSON|FILE", conflicts_with = "retries")]
    pub(super) retry: Option<String>,
    /// Retry N times, after 10, 20, 40 … s. A program that failed is run again too; permanent errors, such as a missing image,
    /// are not retried
    #[arg(long, value_name = "N")]
    pub(super) retries: Option<u32>,
    /// How long the whole run may take: 90s, 1h
    #[arg(long, value_name = "DURATION")]
    pub(super) timeout: Option<String>,
    /// How long an attempt may take to reach RUNNING
    #[arg(long, value_name = "DURATION")]
    pub(super) start_timeout: Option<String>,
    /// The containers whose exit codes decide
    #[arg(long, num_args = 1.., value_delimiter = ',')]
    pub(super) decided_by: Vec<String>,
    /// Follow the tasks by the events of this queue. Its rule must match startedBy with the prefix run-, and no serving cell may
    /// read it [default: follow by shared DescribeTasks calls, which need no queue]
    #[arg(long, value_name = "URL")]
    pub(super) events_queue: Option<String>,
    /// Follow the tasks by events: make a queue and a rule for this run, and remove them at its end
    #[arg(long, conflicts_with_all = ["events_queue", "no_wait"])]
    pub(super) events: bool,
    #[command(flatten)]
    pub(super) aws_cli: AwsCliArgs,
    #[command(flatten)]
    pub(super) server: RemoteArgs,
    /// Launch, and do not wait for the goal
    #[arg(long)]
    pub(super) no_wait: bool,
    /// Show what the containers write while they run, on stderr (CloudWatch Logs only)
    #[arg(long, short, conflicts_with_all = ["no_wait", "dry_run", "detach"])]
    pub(super) follow: bool,
    /// Show the request with all its defaults, with *** for each value of the environment, and launch nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Show the values of the environment as well: then the output can be submitted
    #[arg(long, requires = "dry_run")]
    pub(super) show_values: bool,
}
