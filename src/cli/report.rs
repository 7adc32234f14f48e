//! `taskwatch report`: what became of a cluster's launches. Reads, and changes nothing.

use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::error::CliError;
use super::options::{Format, Global, Special};
use super::{aws, duration, output};
use crate::aws::{Found, NoSource};
use crate::core::name::{in_arn, region_in_arn};
use crate::core::report::{Facts, Source};
use crate::core::time::Timestamp;

pub(super) const REPORT_EXAMPLES: &str = "\
Examples:
  taskwatch report --cluster batch
  taskwatch report --cluster batch --since 7d --output markdown > launches.md
  taskwatch report --cluster batch --since 24h --fail-over 1%

It reads stopped tasks from ECS (ecs:ListTasks, ecs:DescribeTasks; the last hour), from the log group of ECS's event capture \
(logs:FilterLogEvents), and RunTask calls from CloudTrail (cloudtrail:LookupEvents; 90 days). Each of them may be missing: the report \
says which, and what to allow. Nothing is installed or changed.

Exit codes: 0; with --fail-over 1 where a larger share of the launches never ran a container.";

/// CloudTrail's event history (user guide).
const LONGEST: Duration = Duration::from_secs(90 * 24 * 3600);

/// `taskwatch report`.
#[derive(Debug, Args)]
pub(super) struct ReportArgs {
    /// Cluster name or ARN
    #[arg(long, default_value = "default")]
    cluster: String,
    /// How far back: 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    since: String,
    /// End with exit code 1 if a larger share of the launches never ran a container: 1%, 0.5%
    #[arg(long, value_name = "PERCENT")]
    fail_over: Option<String>,
    /// Calls of CloudTrail's LookupEvents, at most, two a second; each has up to 50 RunTask calls of all clusters
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    calls: u32,
}

pub(super) async fn report(arguments: ReportArgs, global: &Global) -> Result<u8, CliError> {
    let wrong = || CliError::usage(format!("--since is {:?}: expected 1m to 90d, such as 24h", arguments.since));
    // Days are no unit of a duration elsewhere.
    let days = arguments.since.strip_suffix('d').and_then(|days| days.parse::<u32>().ok());
    let span = days.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
    let span = span
        .or_else(|| duration::parse(&arguments.since))
        .filter(|span| *span >= Duration::from_secs(60) && *span <= LONGEST);
    let span = span.ok_or_else(wrong)?;
    let most = arguments.fail_over.as_deref().map(share).transpose()?;
    let until = super::filter::now();
    let since = Timestamp::from_millis(until.millis() - i64::try_from(span.as_millis()).unwrap_or(i64::MAX));
    let clients = aws::clients_in(global, region_in_arn(&arguments.cluster)).await?;
    let sources = clients.report_sources();
    let mut facts = Facts::new(&arguments.cluster, since, until);
    let (stopped, captured, calls) = tokio::join!(
        sources.stopped_tasks(&arguments.cluster),
        sources.captured(in_arn(&arguments.cluster), since),
        sources.run_task_calls(since, arguments.calls),
    );
    if calls.is_ok() && arguments.calls > 0 {
        facts.calls_are_known();
    }
    let given = [
        (&ECS, stopped, Facts::add_task as fn(&mut Facts, &Value) -> bool),
        (&CAPTURE, captured, Facts::add_task),
        (&TRAIL, calls, Facts::add_call),
    ];
    if given.iter().all(|(_, found, _)| found.is_err()) {
        let whys = given.iter().filter_map(|(kind, found, _)| Some(kind.note(found.as_ref().err()?)));
        return Err(CliError::other(format!("nothing can be read: {}", whys.take(1).collect::<String>())));
    }
    let is_nowhere = matches!(given[0].1, Err(NoSource::Missing));
    for (kind, found, add) in given {
        let source = take(&mut facts, kind, found, add);
        facts.source(source);
    }
    let report = facts.report();
    if is_nowhere && report.of == 0 && report.calls.is_none_or(|calls| calls == 0) {
        let cluster = &report.cluster;
        return Err(CliError::other(format!(
            "there is no cluster {cluster:?} in this account and Region, and nobody launched into it: see --cluster and --region"
        )));
    }
    match global.output {
        Some(Format::Only(Special::Markdown)) => output::data(&report.markdown()),
        Some(Format::Json) => output::json(&report),
        _ => output::data(&report.text()),
    }
    let is_over = most.is_some_and(|most| report.share > most);
    if is_over {
        output::problem(&format!(
            "{}, which is more than {}",
            report.headline(),
            arguments.fail_over.unwrap_or_default()
        ));
    }
    Ok(u8::from(is_over))
}

/// A kind of source.
struct Kind {
    name: &'static str,
    allow: &'static str,
    missing: &'static str,
    cut: &'static str,
}

impl Kind {
    /// Why it gave nothing, and what to do.
    fn note(&self, error: &NoSource) -> String {
        match error {
            NoSource::Missing => self.missing.to_owned(),
            NoSource::Denied(why) => format!("not read: allow {} ({why})", self.allow),
            NoSource::Failed(why) => format!("not read: {why}"),
        }
    }
}

const ECS: Kind = Kind {
    name: "stopped tasks of the last hour, from ECS",
    allow: "ecs:ListTasks and ecs:DescribeTasks",
    missing: "there is no such cluster",
    cut: "",
};
const CAPTURE: Kind = Kind {
    name: "stopped tasks, from ECS's event capture",
    allow: "logs:FilterLogEvents",
    missing: "the cluster has no event capture: turn it on in the ECS console (cluster, Event capture), and tasks that stopped \
              more than an hour ago are counted too",
    cut: "not all were read: shorten --since",
};
const TRAIL: Kind = Kind {
    name: "RunTask calls, from CloudTrail",
    allow: "cloudtrail:LookupEvents",
    missing: "CloudTrail does not know this Region",
    cut: "not all were read: raise --calls, or shorten --since",
};

/// Takes in what a source gave.
fn take(facts: &mut Facts, kind: &Kind, found: Result<Found, NoSource>, add: fn(&mut Facts, &Value) -> bool) -> Source {
    let (records, note) = match found {
        Ok(found) => {
            let taken = found.records.iter().filter(|record| add(facts, record)).count();
            (taken, found.cut.then(|| kind.cut.to_owned()))
        }
        Err(error) => (0, Some(kind.note(&error))),
    };
    Source { name: kind.name, records, note: note.filter(|note| !note.is_empty()) }
}

/// `1%`, `0.5%`, or `0.01`, as a share.
fn share(text: &str) -> Result<f64, CliError> {
    let (number, whole) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|number| number / whole);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| CliError::usage(format!("--fail-over is {text:?}: expected a percentage, such as 1%")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percentage_or_a_part_of_one() {
        for (text, expected) in [("1%", 0.01), ("0.5 %", 0.005), ("0", 0.0), ("100%", 1.0), ("0.02", 0.02)] {
            assert!((share(text).expect("a share") - expected).abs() < 1e-12, "{text}");
        }
        for wrong in ["", "%", "-1%", "101%", "many", "2", "NaN"] {
            assert!(share(wrong).expect_err("none").to_string().contains("--fail-over"), "{wrong}");
        }
    }
}
