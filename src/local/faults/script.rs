//! The script: a TOML file of faults, read and checked.

use std::path::Path;
use std::sync::Arc;

use toml::{Table, Value};

use super::glob::Glob;
use super::presets;
use super::read::Fields;
use super::rule::rule;

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
    pub(in crate::local) log: Option<Arc<[String]>>,
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
    /// What the essential containers write.
    pub(in crate::local) log: Option<Arc<[String]>>,
}

/// What a fault looks at. Absent: anything.
#[derive(Clone, Debug, Default)]
pub(in crate::local) struct When {
    pub(in crate::local) operation: Option<Glob>,
    pub(in crate::local) cluster: Option<Glob>,
    pub(in crate::local) family: Option<Glob>,
    /// By `family:revision`, or a family for all of its revisions.
    pub(in crate::local) task_definition: Option<Glob>,
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
    /// The streams of its containers are there so long after their end.
    LogLate(Span),
    /// The first pages of its containers' lines are empty.
    LogEmptyPages,
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
    /// So long it waits to be overtaken.
    pub(in crate::local) hold: Option<Span>,
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
        let log = task.texts("log")?.map(Arc::from);
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
        Ok(Self { seed, seconds, exit_code, log, rules })
    }

    /// The same script with another seed: the command line's goes before the file's.
    pub fn with_seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The names of every ready-made fault: what `do` takes.
    pub fn preset_names() -> Vec<&'static str> {
        presets::names()
    }
}

pub(super) fn span(ends: Option<(f64, f64)>) -> Option<Span> {
    ends.map(|(least, most)| Span(least, most))
}
