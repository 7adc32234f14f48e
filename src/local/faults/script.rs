//! The script: a TOML file of faults, read and checked.

use std::path::Path;

use toml::{Table, Value};

use super::glob::Glob;
use super::presets;
use super::read::{Fields, nearest};
use super::reasons;

/// Why a script was not taken.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("fault script {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("fault script: {0}")]
    Toml(#[from] toml::de::Error),
    /// A key or a value is wrong.
    #[error("fault script, {place}: {what}")]
    Invalid {
        /// Which table.
        place: String,
        /// What is wrong, and what is allowed.
        what: String,
    },
}

/// A checked script of faults. The default one has none: tasks run 30 seconds and exit with 0.
#[derive(Clone, Debug, Default)]
pub struct Script {
    pub(in crate::local) seed: Option<u64>,
    pub(in crate::local) seconds: Option<Span>,
    pub(in crate::local) exit_code: Option<i64>,
    pub(in crate::local) rules: Vec<Rule>,
}

/// A number of seconds of AWS's time, drawn evenly from a range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::local) struct Span(pub(in crate::local) f64, pub(in crate::local) f64);

impl Span {
    pub(in crate::local) const fn exactly(seconds: f64) -> Self {
        Self(seconds, seconds)
    }
}

/// One `[[fault]]`.
#[derive(Clone, Debug)]
pub(in crate::local) struct Rule {
    pub(in crate::local) name: String,
    pub(in crate::local) when: When,
    pub(in crate::local) effect: Effect,
    pub(in crate::local) seconds: Option<Span>,
    pub(in crate::local) exit_code: Option<i64>,
}

/// What a fault looks at. Absent: anything.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct When {
    pub(in crate::local) operation: Option<Glob>,
    pub(in crate::local) cluster: Option<Glob>,
    pub(in crate::local) family: Option<Glob>,
    /// Of any container.
    pub(in crate::local) image: Option<Glob>,
    pub(in crate::local) launch_type: Option<Glob>,
    pub(in crate::local) capacity_provider: Option<Glob>,
    pub(in crate::local) subnet: Option<Glob>,
    pub(in crate::local) started_by: Option<Glob>,
    pub(in crate::local) last_status: Option<Vec<Glob>>,
    pub(in crate::local) attempt: Option<Vec<(u32, u32)>>,
    pub(in crate::local) probability: Option<f64>,
    pub(in crate::local) count: Option<u64>,
    pub(in crate::local) from: Option<f64>,
    pub(in crate::local) until: Option<f64>,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub(in crate::local) enum Effect {
    Life(Life),
    Refuse(Refusal),
    Call(CallFault),
    Delivery(Delivery),
    /// DescribeTasks does not know the task for so long.
    Missing(Span),
    /// The task reaches this status, and its events are sent, before RunTask answers.
    Early(String),
    /// Only the length and the exit code of the work.
    Work,
}

/// A life that goes wrong.
#[derive(Clone, Debug)]
pub(in crate::local) struct Life {
    pub(in crate::local) moment: Moment,
    pub(in crate::local) after: Option<Span>,
    pub(in crate::local) stop_code: Option<String>,
    pub(in crate::local) stopped_reason: Option<String>,
    pub(in crate::local) container_reason: Option<String>,
    pub(in crate::local) exit_code: Option<i64>,
    pub(in crate::local) no_containers: bool,
}

/// When a life goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::local) enum Moment {
    Provisioning,
    Pulling,
    Starting,
    Exit,
    Warned,
    HostGone,
    StuckProvisioning,
    StuckPending,
    StuckStopping,
    NeverEnds,
    IgnoresSigterm,
    Unhealthy,
}

/// An entry of `failures[]` in place of a task.
#[derive(Clone, Debug)]
pub(in crate::local) struct Refusal {
    pub(in crate::local) reason: String,
    pub(in crate::local) on_instance: bool,
}

/// A call that goes wrong.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct CallFault {
    pub(in crate::local) error: Option<(u16, String, String)>,
    pub(in crate::local) after: bool,
    pub(in crate::local) drop_answer: bool,
    pub(in crate::local) latency: Option<Span>,
}

/// An event that goes astray.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct Delivery {
    pub(in crate::local) drop: bool,
    pub(in crate::local) copies: u32,
    pub(in crate::local) delay: Option<Span>,
    pub(in crate::local) reorder: bool,
}

impl Script {
    /// Reads a script from a file.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScriptError::Read { path: path.display().to_string(), source })?;
        Self::parse(&text)
    }

    /// Reads a script from TOML text.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut top = Fields::new("top level", text.parse::<Table>()?);
        let seed = top.integer("seed", 0, i64::MAX)?.map(i64::cast_unsigned);
        let mut task = Fields::new("[task]", top.table("task")?.unwrap_or_default());
        let seconds = span(task.span("seconds")?);
        let exit_code = task.integer("exit_code", 0, 255)?;
        task.finish()?;
        let mut rules = Vec::new();
        match top.take("fault") {
            None => {}
            Some(Value::Array(items)) => {
                for (index, item) in items.into_iter().enumerate() {
                    let Value::Table(table) = item else {
                        return Err(top.error("`fault` must be written `[[fault]]`"));
                    };
                    rules.push(rule(index + 1, table)?);
                }
            }
            Some(_) => return Err(top.error("`fault` must be written `[[fault]]`, with two brackets")),
        }
        top.finish()?;
        Ok(Self { seed, seconds, exit_code, rules })
    }

    /// The names of every ready-made fault: what `do` takes.
    pub fn preset_names() -> Vec<&'static str> {
        presets::names()
    }
}

fn span(ends: Option<(f64, f64)>) -> Option<Span> {
    ends.map(|(least, most)| Span(least, most))
}

fn rule(number: usize, mut table: Table) -> Result<Rule, ScriptError> {
    let name = table.get("name").and_then(Value::as_str).map_or_else(|| format!("fault {number}"), str::to_owned);
    table.remove("name").filter(|v| !v.is_str()).map_or(Ok(()), |v| {
        let what = format!("`name` is {v}, it must be a text in quotes");
        Err(ScriptError::Invalid { place: format!("fault {number}"), what })
    })?;
    let place = if name == format!("fault {number}") { name.clone() } else { format!("fault {number} ({name:?})") };
    let mut fields = Fields::new(place.clone(), table);
    let matching = fields.table("match")?.unwrap_or_default();
    let mut when = when(Fields::new(format!("{place}, match"), matching))?;
    let mut effect = named_effect(&mut fields)?;
    when.probability = fields.number("probability", 0.0, 1.0)?;
    when.count = fields.integer("count", 1, i64::MAX)?.map(i64::cast_unsigned);
    when.from = fields.number("from_seconds", 0.0, 1e12)?;
    when.until = fields.number("until_seconds", 0.0, 1e12)?;
    let seconds = span(fields.span("seconds")?);
    let exit_code = fields.integer("exit_code", 0, 255)?;
    overlay(&mut effect, &mut fields, seconds, exit_code)?;
    check_match(&when, &effect, &fields)?;
    if let (Effect::Call(_), None) = (&effect, &when.operation) {
        when.operation = Some(Glob::new("RunTask"));
    }
    fields.finish()?;
    Ok(Rule { name, when, effect, seconds, exit_code })
}

fn when(mut fields: Fields) -> Result<When, ScriptError> {
    let mut glob = |key| fields.text(key).map(|t| t.map(|t| Glob::new(&t)));
    let when = When {
        operation: glob("operation")?,
        cluster: glob("cluster")?,
        family: glob("family")?,
        image: glob("image")?,
        launch_type: glob("launch_type")?,
        capacity_provider: glob("capacity_provider")?,
        subnet: glob("subnet")?,
        started_by: glob("started_by")?,
        last_status: fields.texts("last_status")?.map(|all| all.iter().map(|t| Glob::new(t)).collect()),
        attempt: attempts(&mut fields)?,
        ..When::default()
    };
    fields.finish()?;
    Ok(when)
}

/// `attempt = 1`, `[1, 3]`, `"2-4"` or `"3-"`.
fn attempts(fields: &mut Fields) -> Result<Option<Vec<(u32, u32)>>, ScriptError> {
    let Some(value) = fields.take("attempt") else { return Ok(None) };
    let one = |v: &Value| v.as_integer().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).map(|n| (n, n));
    let ranges = match &value {
        Value::Array(items) => items.iter().map(one).collect::<Option<Vec<_>>>(),
        Value::String(text) => text.split_once('-').and_then(|(from, to)| {
            let from = from.trim().parse().ok()?;
            let to = if to.trim().is_empty() { u32::MAX } else { to.trim().parse().ok()? };
            (from <= to).then(|| vec![(from, to)])
        }),
        other => one(other).map(|range| vec![range]),
    };
    ranges.map(Some).ok_or_else(|| {
        fields.error(format!(
            "`attempt` is {value}, it must be a number from 1, a list of them, or a range as \"2-4\" or \"3-\""
        ))
    })
}

/// The effect that `do`, `stop_reason` or `error` names.
fn named_effect(fields: &mut Fields) -> Result<Effect, ScriptError> {
    let (preset, reason, error) = (fields.text("do")?, fields.text("stop_reason")?, fields.text("error")?);
    match (preset, reason, error) {
        (Some(name), None, None) => presets::preset(&name).ok_or_else(|| {
            fields.error(format!("`do` is {name:?}, which is no fault{}", nearest(&name, &presets::names())))
        }),
        (None, Some(reason), None) => by_reason(fields, &reason),
        (None, None, Some(code)) => {
            let status = fields.integer("status", 400, 599)?.and_then(|s| u16::try_from(s).ok()).unwrap_or(400);
            let message = fields.text("message")?.unwrap_or_else(|| code.clone());
            Ok(Effect::Call(CallFault { error: Some((status, code, message)), ..CallFault::default() }))
        }
        _ => Err(fields.error("one of `do`, `stop_reason` or `error` must say what goes wrong")),
    }
}

/// A reason by its class in the table, or any text of one's own.
fn by_reason(fields: &mut Fields, given: &str) -> Result<Effect, ScriptError> {
    let variant = fields.integer("variant", 1, 1000)?.unwrap_or(1);
    let place = fields.text("where")?;
    if let Some(place) =
        place.as_deref().filter(|p| !["stoppedReason", "container.reason", "failures.reason"].contains(p))
    {
        let known = ["stoppedReason", "container.reason", "failures.reason"];
        return Err(fields.error(format!("`where` is {place:?}{}", nearest(place, &known))));
    }
    let rows = reasons::of_class(given);
    let (text, field, code) = if rows.is_empty() {
        if !given.contains([' ', ':']) {
            let hint = nearest(given, &reasons::class_names());
            return Err(fields.error(format!(
                "`stop_reason` is {given:?}, which is no known reason{hint} (a text of your own must have a space)"
            )));
        }
        (given, "stoppedReason", "TaskFailedToStart")
    } else {
        let row = usize::try_from(variant - 1).ok().and_then(|i| rows.get(i));
        let row = row.ok_or_else(|| fields.error(format!("`variant` is {variant}, {given} has {}", rows.len())))?;
        (row.text.as_str(), row.field.as_str(), row.stop_code.as_str())
    };
    Ok(effect_of_reason(text, place.as_deref().unwrap_or(field), code))
}

fn effect_of_reason(text: &str, field: &str, code: &str) -> Effect {
    if field == "failures.reason" {
        return Effect::Refuse(Refusal { reason: text.to_owned(), on_instance: !text.contains(' ') });
    }
    if field == "exception" {
        let code =
            if text.contains("InvalidParameterException") { "InvalidParameterException" } else { "ClientException" };
        let message =
            text.rsplit_once("operation: ").or_else(|| text.split_once("Exception: ")).map_or(text, |(_, m)| m);
        return Effect::Call(CallFault {
            error: Some((400, code.to_owned(), message.to_owned())),
            ..CallFault::default()
        });
    }
    let moment = match code {
        "EssentialContainerExited" => Moment::Exit,
        "SpotInterruption" | "ServiceSchedulerInitiated" => Moment::Warned,
        "TerminationNotice" | "InfrastructureHealth" | "UserInitiated" => Moment::HostGone,
        "TaskFailedToStart" if text.starts_with("CannotPull") => Moment::Pulling,
        "TaskFailedToStart" => Moment::Starting,
        _ => Moment::HostGone,
    };
    let in_container = field == "container.reason";
    let general = if moment == Moment::Exit { "Essential container in task exited" } else { "Task failed to start" };
    Effect::Life(Life {
        moment,
        after: None,
        stop_code: Some(code.to_owned()).filter(|c| !c.is_empty()),
        stopped_reason: Some(if in_container { general.to_owned() } else { text.to_owned() }),
        container_reason: in_container.then(|| text.to_owned()),
        exit_code: (moment == Moment::Exit).then_some(if text.starts_with("OutOfMemory") { 137 } else { 1 }),
        no_containers: false,
    })
}

/// Lays the script's own keys over what the name stands for.
fn overlay(
    effect: &mut Effect,
    fields: &mut Fields,
    seconds: Option<Span>,
    exit: Option<i64>,
) -> Result<(), ScriptError> {
    match effect {
        Effect::Life(life) => {
            life.after = seconds.or(life.after);
            life.exit_code = exit.or(life.exit_code);
            life.stop_code = fields.text("stop_code")?.or(life.stop_code.take());
            life.stopped_reason = fields.text("reason")?.or(life.stopped_reason.take());
            life.container_reason = fields.text("container_reason")?.or(life.container_reason.take());
            life.no_containers = match fields.text("containers")?.as_deref() {
                None => false,
                Some("none") => true,
                Some(other) => return Err(fields.error(format!("`containers` is {other:?}: only \"none\" is known"))),
            };
        }
        Effect::Refuse(refusal) => {
            if let Some(reason) = fields.text("reason")? {
                refusal.reason = reason;
            }
        }
        Effect::Call(call) => {
            call.latency = seconds.or(call.latency);
            if let (Some(error), Some(message)) = (&mut call.error, fields.text("message")?) {
                error.2 = message;
            }
        }
        Effect::Delivery(delivery) => {
            delivery.delay = seconds.or(delivery.delay);
            if let Some(copies) = fields.integer("copies", 2, 100)? {
                delivery.copies = u32::try_from(copies).unwrap_or(2);
            }
        }
        Effect::Missing(span) => *span = seconds.unwrap_or(*span),
        Effect::Early(status) => {
            if let Some(given) = fields.text("reached")? {
                let known = ["PENDING", "RUNNING", "STOPPED"];
                if !known.contains(&given.as_str()) {
                    return Err(fields.error(format!("`reached` is {given:?}{}", nearest(&given, &known))));
                }
                *status = given;
            }
        }
        Effect::Work => {}
    }
    Ok(())
}

/// A key of `match` that the effect never looks at would silently never match.
fn check_match(when: &When, effect: &Effect, fields: &Fields) -> Result<(), ScriptError> {
    if when.last_status.is_some() && !matches!(effect, Effect::Delivery(_)) {
        return Err(fields.error("`match.last_status` is for faults of events: duplicate, drop, delay, reorder"));
    }
    if when.operation.is_some() && !matches!(effect, Effect::Call(_)) {
        return Err(
            fields.error("`match.operation` is for faults of calls: throttle, server-error, answer-lost, latency …")
        );
    }
    Ok(())
}
