//! What a row says of an ended run: for people and whoever asks by name, and the run itself, packed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use super::kept::RowFact;
use super::keys;
use super::link::JournalError;
use super::rows::{Row, WAS};
use super::table::{Attributes, ENDED_ON, Item, Name, Value};
use crate::core::failure::Class;
use crate::core::name;
use crate::core::run::{Run, Status};
use crate::core::time::Timestamp;
use crate::store::codec::{self, CodecError, Keys};

/// A run, and the cell that has it.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The cell.
    pub cell: Arc<str>,
    /// The run.
    pub run: Run,
}

/// Of a cause: a row is to be small, and the packed run has all of it.
const CAUSE_CHARS: usize = 160;
/// Rows of about one time are forgotten together: so many times in the time for which they are kept.
const TIMES: u64 = 100;

/// Which row is this run's; it is written by the cell's owner of an epoch.
pub(super) fn row_of(run: &Run, epoch: u64) -> Row {
    let index = (run.name != run.request_name()).then_some(run.index);
    Row { request: run.request_name().into(), index, id: run.id.to_string().into(), epoch, revision: run.revision }
}

/// The second since 1970 from which a run is forgotten that ended at `at`: not before its time, and soon after it.
pub(super) fn ttl(at: Timestamp, keep: Duration) -> u64 {
    let step = (keep.as_secs() / TIMES).max(1);
    seconds(at.plus(keep)).div_ceil(step) * step
}

/// Whole seconds since 1970, of which the last may not be over.
pub(super) fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.millis()).unwrap_or_default().div_ceil(1_000)
}

/// The attributes of an ended run's row, but for its key and what tells one write of it from another.
pub(super) fn attributes(run: &Run, cell: &Arc<str>, ttl: u64, digest: &str) -> Result<Attributes, CodecError> {
    let text = |name: &'static str, text: &str| (Name::from(name), Value::text(text));
    let mut all = Attributes::from([
        text("name", &run.name),
        ("cell".into(), Value::S(Arc::clone(cell))),
        text("digest", digest),
        text("status", run.status.as_str()),
        text("queue", &run.spec.queue),
        text("taskDefinition", run.task_definition()),
        text("submittedAt", &run.submitted_at.to_string()),
        ("attempts".into(), Value::number(run.attempts.len() as u64)),
        (ENDED_ON.into(), Value::S(keys::ended_of(run.id))),
        ("ttl".into(), Value::number(ttl)),
        ("b".into(), Value::B(codec::encode_whole(run)?.into())),
    ]);
    all.extend(run.finished_at.map(|at| text("finishedAt", &at.to_string())));
    if let Some(failure) = run.failure() {
        let cause: String = failure.cause.chars().take(CAUSE_CHARS).collect();
        let told = [("error", failure.error.as_str()), ("class", failure.class.as_str()), ("cause", cause.as_str())];
        // DynamoDB takes an empty string, and nobody wants to read one.
        all.extend(told.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| text(name, value)));
    }
    all.extend(run.attempt().and_then(|a| a.exit_code).map(|code| ("exitCode".into(), Value::N(code))));
    Ok(all)
}

/// Whose rows.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// Those of a cell.
    Cell(&'a str),
    /// Those of several.
    Cells(&'a BTreeSet<Arc<str>>),
}

/// A row as it was read.
pub(super) struct Read<'a>(pub(super) &'a Item);

impl Read<'_> {
    /// The run's id.
    pub(super) fn id(&self) -> Option<Uuid> {
        Uuid::parse_str(self.0.text("id").ok()?).ok()
    }

    /// Whether it is a row of these cells that is not forgotten, and of a run that has ended.
    pub(super) fn is_shown(&self, of: Of<'_>, now: u64) -> bool {
        self.is_kept(now)
            && self.0.attributes.contains_key("b")
            && self.0.text("cell").is_ok_and(|cell| match of {
                Of::Cell(own) => **cell == *own,
                Of::Cells(own) => own.contains(cell),
            })
    }

    /// TTL takes items within days of their time (developer guide, "Using time to live"): until then they are read.
    pub(super) fn is_kept(&self, now: u64) -> bool {
        self.0.number("ttl").map_or(true, |ttl| ttl > now)
    }

    /// What a later revision of its run is to know of it; `None`: it is not of a run that has ended.
    pub(super) fn fact(&self) -> Result<Option<RowFact>, JournalError> {
        let text = |name| self.0.text(name).ok();
        let Some(status) = text("status").and_then(|status| status.parse::<Status>().ok()) else { return Ok(None) };
        let class = text("class").and_then(|class| Class::ALL.into_iter().find(|known| known.as_str() == &**class));
        let fact = |revision, ttl| Some(RowFact { revision, ttl, status, class });
        Ok(match self.0.number("ttl") {
            Ok(ttl) => fact(self.0.number("r")?, Some(ttl)),
            // It was opened for a redrive that no log has, or else its run would be kept: a try without an answer, or of a
            // process that ended. The run is still the one that ended.
            Err(_) => fact(self.run()?.revision, self.0.number(WAS).ok()),
        })
    }

    /// The run, and the cell that has it.
    pub(super) fn placed(&self) -> Result<Placed, JournalError> {
        Ok(Placed { cell: Arc::clone(self.0.text("cell")?), run: self.run()? })
    }

    /// The run.
    pub(super) fn run(&self) -> Result<Run, JournalError> {
        let damaged = |why: &dyn std::fmt::Display| JournalError::Damaged(format!("row {}: {why}", self.0.key));
        let id = self.id().ok_or_else(|| damaged(&"its id is none"))?;
        let run_name = self.0.text("name")?;
        let (request, index) = (name::request_of(run_name).to_owned(), name::index_in(run_name).unwrap_or_default());
        codec::decode_whole(Keys { id, request, index }, self.0.bytes("b")?).map_err(|e| damaged(&e))
    }
}
