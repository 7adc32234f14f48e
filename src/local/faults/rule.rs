//! One `[[fault]]` of a script: its words, what they may be, and which of them the fault has a use for.

use std::sync::Arc;

use toml::{Table, Value};

use super::glob::Glob;
use super::presets;
use super::read::{Fields, nearest};
use super::reasons;
use super::script::{CallFault, Effect, Life, Moment, Refusal, Rule, ScriptError, Span, When, span};

/// Every word that some fault takes.
pub(super) const WORDS: &[&str] = &[
    "name",
    "do",
    "stop_reason",
    "error",
    "match",
    "probability",
    "count",
    "from_seconds",
    "until_seconds",
    "seconds",
    "exit_code",
    "stop_code",
    "reason",
    "container_reason",
    "containers",
    "message",
    "status",
    "variant",
    "where",
    "copies",
    "log",
    "reached",
];

/// Reads the `number`-th fault, from 1.
pub(super) fn rule(number: usize, table: Table) -> Result<Rule, ScriptError> {
    let given = table.get("name").and_then(Value::as_str);
    let place = given.map_or_else(|| format!("fault {number}"), |name| format!("fault {number} ({name:?})"));
    let mut fields = Fields::new(place.clone(), table);
    let name = fields.text("name")?.unwrap_or_else(|| format!("fault {number}"));
    let matching = fields.table("match")?.unwrap_or_default();
    let mut when = when(Fields::new(format!("{place}, match"), matching))?;
    let mut effect = named_effect(&mut fields)?;
    when.probability = fields.number("probability", 0.0, 1.0)?;
    when.count = fields.integer("count", 1, i64::MAX)?.map(i64::cast_unsigned);
    when.from = fields.number("from_seconds", 0.0, 1e12)?;
    when.until = fields.number("until_seconds", 0.0, 1e12)?;
    let (seconds, exit_code) = overlay(&mut effect, &mut fields)?;
    let writes = matches!(effect, Effect::Life(_) | Effect::Work);
    let log = if writes { fields.texts("log")?.map(Arc::from) } else { None };
    check_match(&when, &effect, &fields)?;
    if let (Effect::Call(_), None) = (&effect, &when.operation) {
        when.operation = Some(Glob::new("RunTask"));
    }
    fields.finish_with(WORDS)?;
    Ok(Rule { name, when, effect, seconds, exit_code, log })
}

fn when(mut fields: Fields) -> Result<When, ScriptError> {
    let mut glob = |key| fields.text(key).map(|t| t.map(|t| Glob::new(&t)));
    let when = When {
        operation: glob("operation")?,
        cluster: glob("cluster")?,
        family: glob("family")?,
        task_definition: glob("task_definition")?,
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

/// Lays the script's own keys over what the name stands for. Only those that this effect looks at are taken, so that any other is
/// refused. Gives `seconds` and `exit_code`.
fn overlay(effect: &mut Effect, fields: &mut Fields) -> Result<(Option<Span>, Option<i64>), ScriptError> {
    let mut work = (None, None);
    match effect {
        Effect::Life(life) => overlay_life(life, fields)?,
        Effect::Refuse(refusal) => {
            if let Some(reason) = fields.text("reason")? {
                refusal.reason = reason;
            }
        }
        Effect::Call(call) => {
            call.latency = span(fields.span("seconds")?).or(call.latency);
            if let Some(error) = &mut call.error
                && let Some(message) = fields.text("message")?
            {
                error.2 = message;
            }
        }
        Effect::Delivery(delivery) => {
            if delivery.reorder {
                delivery.hold = span(fields.span("seconds")?);
            } else if !delivery.drop {
                delivery.delay = span(fields.span("seconds")?).or(delivery.delay);
            }
            if delivery.copies > 0
                && let Some(copies) = fields.integer("copies", 2, 100)?
            {
                delivery.copies = u32::try_from(copies).unwrap_or(2);
            }
        }
        Effect::LogLate(late) => *late = span(fields.span("seconds")?).unwrap_or(*late),
        Effect::LogEmptyPages => {}
        Effect::Missing(most) => *most = span(fields.span("seconds")?).unwrap_or(*most),
        Effect::Early(status) => {
            if let Some(given) = fields.text("reached")? {
                let known = ["PENDING", "RUNNING", "STOPPED"];
                if !known.contains(&given.as_str()) {
                    return Err(fields.error(format!("`reached` is {given:?}{}", nearest(&given, &known))));
                }
                *status = given;
            }
        }
        Effect::Work => work = (span(fields.span("seconds")?), fields.integer("exit_code", 0, 255)?),
    }
    Ok(work)
}

/// A life's own keys, as far as its moment has a use for them.
fn overlay_life(life: &mut Life, fields: &mut Fields) -> Result<(), ScriptError> {
    use Moment::{Exit, HostGone, NeverEnds, Provisioning, Pulling, Starting, StuckPending, StuckProvisioning, Warned};
    let moment = life.moment;
    let never_starts = matches!(moment, Provisioning | Pulling | Starting);
    // A task that gets stuck or does not listen ends as others do, if it ends.
    let ends = never_starts || matches!(moment, Exit | Warned | HostGone);
    if ends {
        life.after = span(fields.span("seconds")?).or(life.after);
        life.stop_code = fields.text("stop_code")?.or(life.stop_code.take());
        life.stopped_reason = fields.text("reason")?.or(life.stopped_reason.take());
    }
    if never_starts || moment == Exit {
        life.container_reason = fields.text("container_reason")?.or(life.container_reason.take());
    }
    if !never_starts && !matches!(moment, HostGone | NeverEnds | StuckProvisioning | StuckPending) {
        life.exit_code = fields.integer("exit_code", 0, 255)?.or(life.exit_code);
    }
    life.no_containers = match fields.text("containers")?.as_deref() {
        None => false,
        Some("none") => true,
        Some(other) => return Err(fields.error(format!("`containers` is {other:?}: only \"none\" is known"))),
    };
    Ok(())
}

/// A key of `match` that the effect never looks at would silently never match.
fn check_match(when: &When, effect: &Effect, fields: &Fields) -> Result<(), ScriptError> {
    if when.last_status.is_some() && !matches!(effect, Effect::Delivery(_)) {
        return Err(fields.error("`match.last_status` is for faults of events: duplicate, drop, delay, reorder"));
    }
    if when.operation.is_some() && !matches!(effect, Effect::Call(_) | Effect::Delivery(_)) {
        return Err(
            fields.error("`match.operation` is for faults of calls and of their records: throttle, server-error, answer-lost, latency, drop …")
        );
    }
    Ok(())
}
