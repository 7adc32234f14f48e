//! The evaluation of one document's expressions, and what is said of one that has no value.

use std::cell::RefCell;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::document::Document;
use super::{RequestError, RunRequest};
use crate::core::states::{
    Acceptance, Execution, ExpressionError, Language, Meter, Scope, Unresolved, expression, template,
};
use crate::core::time::Timestamp;

/// What all states of a document are evaluated with.
pub(super) struct Evaluation<'a> {
    at: Option<&'a Acceptance>,
    execution: Execution,
    meter: Meter,
    /// The execution's input.
    pub(super) input: Value,
    has_input: bool,
    /// Whether one state is meant by its name.
    by_name: bool,
    /// The last expression that is not written as its language has it.
    slip: RefCell<Option<RequestError>>,
}

impl<'a> Evaluation<'a> {
    pub(super) fn new(document: &Document<'_>, at: Option<&'a Acceptance>) -> Self {
        let input = document.input.cloned().unwrap_or_else(|| json!({}));
        let nowhere = Acceptance::new(Timestamp::default(), Uuid::nil());
        let moment = at.unwrap_or(&nowhere);
        let id = moment.id.to_string();
        let name = document.name.or(moment.default_name.as_deref()).unwrap_or(&id);
        let execution = Execution::new(moment, name, &input, &document.names);
        let has_input = document.input.is_some();
        let by_name = document.state.is_some();
        Self { at, execution, meter: Meter::default(), input, has_input, by_name, slip: RefCell::default() }
    }

    /// Of what is evaluated when a run has ended.
    pub(super) fn of_an_end(
        input: Value,
        context: Map<String, Value>,
        seed: Uuid,
        at: Timestamp,
    ) -> Evaluation<'static> {
        let execution = Execution::of_context(context, seed, at);
        let (meter, slip) = (Meter::of_an_end(), RefCell::default());
        Evaluation { at: None, execution, meter, input, has_input: true, by_name: false, slip }
    }

    /// The context object, without the state; with the execution's input only where somebody reads it.
    pub(super) fn context(&self, is_read: bool) -> Map<String, Value> {
        if is_read { self.execution.context().clone() } else { Map::new() }
    }

    /// Forgets expressions that were found to be written wrong.
    pub(super) fn forget_slips(&self) {
        self.slip.replace(None);
    }

    /// One that was found since.
    pub(super) fn slip(&self) -> Option<RequestError> {
        self.slip.take()
    }

    /// The instant of acceptance.
    pub(super) fn now(&self) -> Timestamp {
        self.execution.now
    }

    /// Runs `evaluate` with all that a state's expressions see.
    fn within<T>(
        &self,
        state: &str,
        data: &Value,
        (variables, outcome): (&Map<String, Value>, Option<(&str, &Value)>),
        evaluate: impl FnOnce(&Scope<'_>) -> Result<T, Box<Unresolved>>,
    ) -> Result<T, RequestError> {
        let context = self.execution.in_state(state);
        let (chance, meter) = (&self.execution.chance, &self.meter);
        let scope =
            Scope { input: data, context: &context, variables, outcome, now: self.execution.now, chance, meter };
        evaluate(&scope).map_err(|unresolved| {
            let refusal = self.refusal(&unresolved);
            if matches!(unresolved.error, ExpressionError::Syntax(_)) {
                self.slip.replace(Some(refusal.clone()));
            }
            refusal
        })
    }

    /// What a state's own data are, and where it stands.
    pub(super) fn state<'s>(
        &'s self,
        name: &'s str,
        path: &'s str,
        language: Language,
        variables: &'s Map<String, Value>,
    ) -> InState<'s> {
        InState { evaluation: self, name, path, language, variables, outcome: None }
    }

    /// One line: where, which expression, why, and what to do.
    fn refusal(&self, unresolved: &Unresolved) -> RequestError {
        let Unresolved { path, expression, error } = unresolved;
        let shown = expression.as_ref().map_or_else(String::new, |text| format!(" {text:?}:"));
        let leads = |text: &String| ["$.", "$[", "$states.input"].iter().any(|root| text.contains(root));
        let of_input = expression.as_ref().is_some_and(leads);
        if let (true, ExpressionError::Missing(what)) = (self.by_name, error)
            && let Some(name) = what.strip_prefix("the variable $").and_then(|what| what.split(' ').next())
        {
            return RequestError::new(format!(
                "{path}:{shown} the variable ${name} is of the states before this one: give it with --input (\"input\" in a \
                 request) as the member {name:?}"
            ));
        }
        let what_to_do = match error {
            ExpressionError::Missing(what) if what.starts_with("$$") => {
                "; write the value in (what describe-state-machine answers is known where its answer is the document)"
            }
            ExpressionError::Missing(what) if what.starts_with("the variable") => "; write the value in",
            ExpressionError::Missing(_) if !self.has_input => {
                "; the request has no input: give the execution's with --input JSON|file://… (\"input\" in a request)"
            }
            ExpressionError::Missing(_) if of_input => "; give it with --input (\"input\" in a request)",
            _ => "",
        };
        RequestError::new(format!("{path}:{shown} {error}{what_to_do}"))
    }

    /// What two acceptances would read differently is identified by its document, and needs an acceptance.
    pub(super) fn conclude(&self, request: &mut RunRequest, document: &Map<String, Value>) -> Result<(), RequestError> {
        if !self.execution.chance.is_used() {
            return Ok(());
        }
        let Some(at) = self.at else {
            return Err(RequestError::new(
                "the document uses the context object, the time or chance ($$, States.UUID, $uuid( ) …), which have values where a request is accepted: read it with \
                 RunRequest::accept",
            ));
        };
        let mut nameless = document.clone();
        nameless.remove("name");
        request.identity = Some(Sha256::digest(Value::Object(nameless).to_string().as_bytes()).into());
        if request.name.is_none() && at.default_name.is_none() {
            request.name = Some(at.id.to_string());
        }
        Ok(())
    }
}

/// One state's expressions.
#[derive(Clone, Copy)]
pub(super) struct InState<'s> {
    evaluation: &'s Evaluation<'s>,
    name: &'s str,
    /// Where it stands, for errors.
    pub(super) path: &'s str,
    pub(super) language: Language,
    variables: &'s Map<String, Value>,
    /// `$states.result` or `$states.errorOutput`.
    outcome: Option<(&'s str, &'s Value)>,
}

impl<'s> InState<'s> {
    /// The same where the state has ended.
    pub(super) fn ended<'o>(self, kind: &'o str, outcome: &'o Value) -> InState<'o>
    where
        's: 'o,
    {
        InState { outcome: Some((kind, outcome)), ..self }
    }

    /// The value of a template that is the state's `member`.
    pub(super) fn template(&self, member: &str, value: &Value, data: &Value) -> Result<Value, RequestError> {
        self.run(data, |scope| template(value, &format!("{}.{member}", self.path), self.language, scope))
    }

    /// The value of an expression that is the state's `member`.
    pub(super) fn expression(&self, member: &str, value: &Value, data: &Value) -> Result<Value, RequestError> {
        self.run(data, |scope| expression(value, &format!("{}.{member}", self.path), scope))
    }

    /// Runs `evaluate` with the scope of this state.
    pub(super) fn run<T>(
        &self,
        data: &Value,
        evaluate: impl FnOnce(&Scope<'_>) -> Result<T, Box<Unresolved>>,
    ) -> Result<T, RequestError> {
        self.evaluation.within(self.name, data, (self.variables, self.outcome), evaluate)
    }

    /// Notes that the instant of acceptance was used.
    pub(super) fn differs(&self) {
        self.evaluation.execution.chance.differs();
    }

    /// What a path of the state leads to: all where it is left out, an empty object where it is null.
    pub(super) fn at_path(&self, member: &str, value: Option<&Value>, data: &Value) -> Result<Value, RequestError> {
        match value {
            None => Ok(data.clone()),
            Some(Value::Null) => Ok(json!({})),
            Some(path) => self.expression(member, path, data),
        }
    }
}
