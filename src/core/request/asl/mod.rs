//! Step Functions documents: a machine around one `ecs:runTask` state, that state alone, or one such state of any machine by
//! name; with the execution's input.

mod before;
mod document;
mod ending;
mod evaluation;
mod flow;
mod left_out;
mod machine;
mod members;
mod named;
mod notify;
mod publish;
mod state;
mod wait;
mod walk;
mod ways;

use serde_json::{Map, Value};

use document::Document;
pub(super) use document::with_input;
pub use ending::{Ended, Ending};
use evaluation::Evaluation;
pub use left_out::left_out;
use members::{seconds, wrong};
pub use publish::Publish;

use super::{RequestError, RunRequest};
use crate::core::states::Acceptance;

/// Whether the members are those of such a document.
pub(super) fn is_document(members: &Map<String, Value>) -> bool {
    document::is_document(members)
}

/// Reads a document; what differs from one acceptance to the next needs `at`.
pub(super) fn read(members: &Map<String, Value>, at: Option<&Acceptance>) -> Result<RunRequest, RequestError> {
    let document = Document::read(members)?;
    let evaluation = Evaluation::new(&document, at);
    let machine = &document.machine;
    let named = document.state.or_else(|| machine::only_state(machine));
    let mut request = match (named, machine.contains_key("States")) {
        (Some(name), true) => named::request(machine, name, &evaluation)?,
        (None, true) => whole(machine, &evaluation)?,
        // Its Next and Catch lead to states that are not there: the cell's own topic is notified of the end.
        (name, false) => state::request(machine, name.unwrap_or("the state"), "the state", None, &evaluation)?,
    };
    evaluation.conclude(&mut request, members)?;
    document.overlaid(request)
}

/// A machine in which all is the run's: what comes before the task is evaluated, what comes behind it are messages.
fn whole(machine: &Map<String, Value>, evaluation: &Evaluation<'_>) -> Result<RunRequest, RequestError> {
    let states = machine::states(machine)?;
    let advise = |error| machine::advise(machine, &error);
    let language = machine::language(machine);
    let mut flow = flow::Flow::new(states, language, evaluation);
    let name = machine::start(machine).and_then(|start| flow.reach_the_task(start)).map_err(advise)?;
    let path = machine::place(name);
    let task = states.get(name).and_then(Value::as_object).ok_or_else(|| wrong(&path, "a state (an object)", None))?;
    let mut request = state::request_from(task, name, &path, language, evaluation, &flow.data, &flow.variables)?;
    let timeout = machine.get("TimeoutSeconds").map(|value| seconds(value, "TimeoutSeconds")).transpose()?;
    request.spec.timeout_seconds = timeout;
    request.spec.start_at = flow.starts_at;
    request.spec.notify = notify::notify(states, name, task, &flow, machine.get("QueryLanguage")).map_err(advise)?;
    Ok(request)
}
