//! The last lines of a failed container, in a notification that asks for them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::chat;
use super::fit::MOST_BYTES;
use super::{Destination, Notification};
use crate::core::log::LogPlace;
use crate::core::observe::ObservedLog;
use crate::core::request::MessageFormat;
use crate::core::run::Run;

/// Bytes of lines, at most, as they stand in the message.
const MOST: usize = 8 * 1024;
/// For what stands around them.
const AROUND: usize = 512;

/// Lines that are to be put into a notification before it is published.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinesAsked {
    /// How many, at most.
    pub lines: u32,
    /// Where they are.
    pub place: LogPlace,
    /// What kind of message they are put into.
    pub format: MessageFormat,
    /// Bytes that the message has room for.
    pub(super) room: usize,
    /// Of a message about several tasks: where the lines of each of its examples are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub examples: Vec<LogPlace>,
}

impl LinesAsked {
    /// What is asked for a run that ended: the lines of its last attempt, where a container of it ran and its log is in
    /// CloudWatch.
    pub(super) fn of(run: &Run, format: MessageFormat) -> Option<Self> {
        let lines = run.spec.notify.log_lines.filter(|lines| *lines > 0)?;
        let attempt = run.attempt().filter(|attempt| attempt.failure.is_some() && attempt.has_run())?;
        let place = attempt.log.as_deref().filter(|place| place.in_cloudwatch().is_some())?;
        Some(Self { lines, place: place.clone(), format, room: MOST + AROUND, examples: Vec::new() })
    }

    /// What is asked for tasks of others that failed.
    pub(super) fn of_examples(lines: u32, logs: &[ObservedLog], format: MessageFormat) -> Option<Self> {
        let examples: Vec<LogPlace> = logs.iter().map(|log| log.place.clone()).collect();
        let place = examples.first()?.clone();
        Some(Self { lines, place, format, room: MOST + AROUND * examples.len(), examples })
    }

    /// What counts towards the size of the message.
    pub(super) const fn bytes(&self) -> usize {
        self.room
    }

    /// Leaves them only the room that the message does not take.
    pub(super) fn fit(&mut self, taken: usize) {
        self.room = self.room.min(MOST_BYTES.saturating_sub(taken));
    }
}

impl Notification {
    /// The same with its lines, oldest first, or with why there are none. Where not all have room the oldest are left out.
    pub fn with_lines(&self, lines: Result<Vec<String>, String>) -> Self {
        let Some(asked) = &self.log else { return self.clone() };
        let room = asked.room.saturating_sub(AROUND).min(MOST);
        let lines = lines.and_then(|lines| match newest(&lines, room) {
            [] if !lines.is_empty() => Err("the message has no room for them".to_owned()),
            kept => Ok(kept.to_vec()),
        });
        let message = match asked.format {
            MessageFormat::Json => self.json_with(&lines),
            MessageFormat::Chat => chat::with_lines(&self.message, &lines),
            MessageFormat::Text => Some(match &lines {
                Ok(lines) => {
                    format!("{}\n\nLast lines of {}:\n{}", self.message, asked.place.container, lines.join("\n"))
                }
                Err(why) => format!("{}\n\nNo log lines: {why}", self.message),
            }),
        };
        // A reason is short, but a message may have no room for anything.
        let message = message.filter(|message| message.len() <= self.message.len() + asked.room);
        Self { message: message.unwrap_or_else(|| self.message.clone()), log: None, ..self.clone() }
    }

    /// The same of a message with examples: the lines of each, or why there are none. They share the room.
    pub fn with_examples(&self, all: Vec<Result<Vec<String>, String>>) -> Self {
        let Some(asked) = &self.log else { return self.clone() };
        let count = asked.examples.len().max(1);
        let mut room = asked.room.saturating_sub(AROUND * count).min(MOST) / count;
        if asked.format == MessageFormat::Chat {
            room = room.min(chat::EXAMPLE_BYTES);
        }
        let all: Vec<Result<Vec<String>, String>> = all
            .into_iter()
            .map(|lines| match newest(&lines?, room) {
                [] => Err("the message has no room for them".to_owned()),
                kept => Ok(kept.to_vec()),
            })
            .collect();
        let message = match asked.format {
            MessageFormat::Json => self.examples_with(&all),
            MessageFormat::Chat => {
                all.iter().try_fold(self.message.clone(), |message, lines| chat::with_lines(&message, lines))
            }
            MessageFormat::Text => {
                let part = |(place, lines): (&LogPlace, &Result<Vec<String>, String>)| match lines {
                    Ok(lines) => format!("\n\nLast lines of {}:\n{}", shown(place), lines.join("\n")),
                    Err(why) => format!("\n\nNo log lines of {}: {why}", shown(place)),
                };
                Some(self.message.clone() + &asked.examples.iter().zip(&all).map(part).collect::<String>())
            }
        };
        let message = message.filter(|message| message.len() <= self.message.len() + asked.room);
        Self { message: message.unwrap_or_else(|| self.message.clone()), log: None, ..self.clone() }
    }

    fn examples_with(&self, all: &[Result<Vec<String>, String>]) -> Option<String> {
        let mut message: Value = serde_json::from_str(&self.message).ok()?;
        let detail = match self.destination {
            Destination::Topic(_) => message.get_mut("detail")?,
            _ => &mut message,
        };
        for (log, lines) in detail.get_mut("logs")?.as_array_mut()?.iter_mut().zip(all) {
            put(log, lines);
        }
        Some(message.to_string())
    }

    fn json_with(&self, lines: &Result<Vec<String>, String>) -> Option<String> {
        let mut message: Value = serde_json::from_str(&self.message).ok()?;
        let detail = match self.destination {
            Destination::Topic(_) => message.get_mut("detail")?,
            Destination::Bus(_) => &mut message,
            // Who waits for an answer gets the task, and no lines.
            Destination::StepFunctions | Destination::DurableFunctions => return None,
        };
        let log = detail.get_mut("attempts")?.as_array_mut()?.last_mut()?.get_mut("log")?;
        put(log, lines);
        Some(message.to_string())
    }
}

/// Puts lines, or why there are none, beside where they are.
fn put(log: &mut Value, lines: &Result<Vec<String>, String>) {
    match lines {
        Ok(lines) => log["lines"] = lines.as_slice().into(),
        Err(why) => {
            log["lines"] = Value::Null;
            log["why"] = why.as_str().into();
        }
    }
}

/// A container and its task, by its stream.
fn shown(place: &LogPlace) -> String {
    format!("{} ({})", place.container, place.stream.as_deref().unwrap_or_default())
}

/// The newest lines of at most so many bytes, as JSON has them.
fn newest(lines: &[String], room: usize) -> &[String] {
    let mut bytes = 0;
    let fits = |line: &&String| {
        bytes += serde_json::to_string(line).map_or(usize::MAX, |text| text.len()).saturating_add(1);
        bytes <= room
    };
    let kept = lines.iter().rev().take_while(fits).count();
    &lines[lines.len() - kept..]
}
