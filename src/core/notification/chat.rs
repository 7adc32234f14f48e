//! Messages for Amazon Q Developer in chat applications (once AWS Chatbot), which shows them in Slack and Teams. It drops
//! what is not of its schema without a word (administrator guide, "Custom notifications").

use serde_json::{Value, json};

use super::fit::Fit;
use crate::core::breaker::BreakerChange;
use crate::core::console;
use crate::core::failure::Failure;
use crate::core::name;
use crate::core::observe;
use crate::core::run::{Run, Status};

/// Of a title.
const TITLE_CHARS: usize = 250;
/// Of a description.
const DESCRIPTION_CHARS: usize = 2_000;
/// Lines of one of three examples in a description.
pub(super) const EXAMPLE_BYTES: usize = 400;
/// Of a step, and of what the message is about in one line.
const STEP_CHARS: usize = 500;
/// Tasks that are named.
const RESOURCES: usize = 10;
/// Attempts that are named, the newest.
const ATTEMPTS: usize = 5;
const FENCE: &str = "```";

/// What a message is made of.
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    /// What belongs together is one thread.
    pub(super) thread: String,
    pub(super) event_type: &'a str,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) next_steps: Vec<String>,
    pub(super) keywords: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) context: Value,
}

impl Message<'_> {
    /// In Amazon Q's schema, each part of at most its length.
    pub(super) fn into_json(self) -> Value {
        let keywords: Vec<String> = self.keywords.into_iter().filter(|word| !word.is_empty()).collect();
        let steps: Vec<String> = self.next_steps.iter().map(|step| cut(step, STEP_CHARS)).collect();
        json!({
            "version": "1.0",
            "source": "custom",
            "id": self.id,
            "content": {
                "textType": "client-markdown",
                "title": cut(&self.title, TITLE_CHARS),
                "description": cut(&self.description, DESCRIPTION_CHARS),
                "nextSteps": steps,
                "keywords": keywords,
            },
            "metadata": {
                "threadId": self.thread,
                "summary": cut(&self.title, TITLE_CHARS),
                "eventType": self.event_type,
                "relatedResources": self.resources,
                "additionalContext": self.context,
            },
        })
    }
}

/// The message of a run's end.
pub(super) fn of_run(run: &Run, cell: &str, (id, event_type): (&str, &str), fit: &Fit) -> Value {
    let failure = run.failure().filter(|_| run.ended_by.is_some());
    let (sign, words) = match run.status {
        Status::Succeeded => ("✅", "succeeded"),
        Status::TimedOut => ("⌛", "timed out"),
        Status::Aborted => ("⛔", "was aborted"),
        _ => ("❌", "failed"),
    };
    let why = failure.map(|failure| format!(": {}", escaped(&failure.error))).unwrap_or_default();
    let resources: Vec<String> = run
        .attempts
        .iter()
        .rev()
        .filter_map(|a| a.task_arn.as_ref().map(ToString::to_string))
        .take(RESOURCES)
        .collect();
    let message = Message {
        id,
        // A launch that was made once more is in the thread of the failure that it repeats.
        thread: observe::repeated(run.request_name()).unwrap_or(run.id).to_string(),
        event_type,
        title: format!("{sign} {} {words}{why}", escaped(&run.name)),
        description: description(run, failure, fit),
        next_steps: next_steps(run, failure),
        keywords: [failure.map(|f| f.class.as_str().to_owned()), Some(run.spec.run_task.family().to_owned())]
            .into_iter()
            .flatten()
            .collect(),
        resources,
        context: json!({
            "cell": cell,
            "run": run.id.to_string(),
            "name": run.name,
            "status": run.status.as_str(),
            "cluster": name::in_arn(run.cluster()),
            "taskDefinition": name::in_arn(run.task_definition()),
        }),
    };
    message.into_json()
}

fn description(run: &Run, failure: Option<&Failure>, fit: &Fit) -> String {
    let mut lines = vec![format!(
        "Task definition {}, cluster {}, {} attempt{}.",
        code(name::in_arn(run.task_definition())),
        code(name::in_arn(run.cluster())),
        run.attempts.total(),
        if run.attempts.total() == 1 { "" } else { "s" },
    )];
    if let Some(failure) = failure {
        lines.push(block(&fit.cut(&failure.cause)));
    }
    let earlier = run.attempts.len().saturating_sub(1);
    let failed =
        run.attempts[..earlier].iter().rev().take(ATTEMPTS).filter_map(|a| Some((a.number, a.failure.as_ref()?)));
    let mut failed: Vec<String> =
        failed.map(|(number, failure)| format!("Attempt {number}: {}", escaped(&failure.error))).collect();
    failed.reverse();
    lines.extend(failed);
    lines.join("\n")
}

fn next_steps(run: &Run, failure: Option<&Failure>) -> Vec<String> {
    let Some(failure) = failure else { return Vec::new() };
    let mut steps = vec![escaped(&failure.hint_for(&run.name)), code(&format!("taskwatch show {}", run.name))];
    let task = run.attempt().and_then(|attempt| attempt.task_arn.as_ref()).map(ToString::to_string);
    steps.extend(task.as_deref().and_then(console::task).map(|url| format!("The task: {url}")));
    let log = run.attempt().filter(|attempt| attempt.has_run()).and_then(|attempt| attempt.log_view());
    steps.extend(log.and_then(|log| log.url.or(log.why)).map(|where_| format!("Its log: {where_}")));
    steps
}

/// The message of a circuit breaker: in one thread until it closes.
///
/// `status` and `text` are what the other formats say.
pub(super) fn of_breaker(
    change: &BreakerChange,
    thread: String,
    cell: &str,
    (id, event_type): (&str, &str),
    (status, text): (&str, &str),
) -> Value {
    let (breaker, sign, words) = match change {
        BreakerChange::Opened(breaker) => (breaker, "⏸️", "is paused"),
        BreakerChange::Closed(breaker, _) => (breaker, "▶️", "is launched again"),
    };
    let task_definition = &breaker.task_definition;
    let next_steps = match change {
        BreakerChange::Opened(_) => {
            let resume = format!("taskwatch resume --task-definition {task_definition}");
            vec![escaped(&breaker.hint), format!("At once: {}", code(&resume))]
        }
        BreakerChange::Closed(..) => Vec::new(),
    };
    let message = Message {
        id,
        thread,
        event_type,
        title: format!("{sign} {} {words}: {}", escaped(task_definition), escaped(&breaker.error)),
        description: format!("{}\n{}", escaped(text), block(&breaker.cause)),
        next_steps,
        keywords: vec![
            breaker.class.as_str().to_owned(),
            task_definition.split(':').next().unwrap_or_default().to_owned(),
        ],
        resources: Vec::new(),
        context: json!({"cell": cell, "taskDefinition": task_definition, "status": status}),
    };
    message.into_json()
}

/// A message with the last lines behind its description, as many as have room.
pub(super) fn with_lines(message: &str, lines: &Result<Vec<String>, String>) -> Option<String> {
    let mut message: Value = serde_json::from_str(message).ok()?;
    let description = message["content"]["description"].as_str()?.to_owned();
    let room = DESCRIPTION_CHARS.saturating_sub(description.chars().count());
    let more = match lines {
        Ok(lines) => (0..lines.len())
            .map(|from| format!("\nLast lines:\n{}", block(&lines[from..].join("\n"))))
            .find(|text| text.chars().count() <= room),
        Err(why) => Some(format!("\nNo log lines: {}", escaped(why))).filter(|text| text.chars().count() <= room),
    };
    message["content"]["description"] = format!("{description}{}", more.unwrap_or_default()).into();
    Some(message.to_string())
}

/// A text of at most so many characters. A block that is cut is closed.
fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut kept: String = text.chars().take(most.saturating_sub(FENCE.len() + 2)).collect();
    kept.push('…');
    if kept.matches(FENCE).count() % 2 == 1 {
        kept.push('\n');
        kept.push_str(FENCE);
    }
    kept
}

/// Text between others: nothing of it is a mention, a link or a format. Slack knows no escapes but those of `&`, `<` and `>`
/// (Slack, "Formatting text for app surfaces"), so that a space of no width stands before what would format.
pub(super) fn escaped(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.chars().fold(String::new(), |mut all, c| {
        match c {
            '&' => all.push_str("&amp;"),
            '<' => all.push_str("&lt;"),
            '>' => all.push_str("&gt;"),
            '*' | '_' | '~' | '`' | '[' | ']' | '|' | '@' | '#' => all.extend(['\u{200b}', c]),
            c => all.push(c),
        }
        all
    })
}

/// A name or a command, as it stands.
pub(super) fn code(text: &str) -> String {
    format!("`{}`", literal(text).replace('\n', " "))
}

/// Text of several lines, as it stands.
pub(super) fn block(text: &str) -> String {
    format!("{FENCE}\n{}\n{FENCE}", literal(text))
}

/// Text that stands as code: only what ends code and what makes a mention is changed.
fn literal(text: &str) -> String {
    let plain: String = text.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect();
    plain.replace('`', "'").replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
