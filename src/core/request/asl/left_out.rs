//! What of a state machine has no place in a run, and needs none: it is said, so that nobody misses it.

use serde_json::{Map, Value};

use super::machine::place;
use super::publish::is_publish;
use crate::core::request::document;

/// One line for each such member of a document that is taken whole; none of other documents.
pub fn left_out(given: &Value) -> Vec<String> {
    let Some(members) = given.as_object().filter(|members| !members.contains_key("stateName")) else {
        return Vec::new();
    };
    let read = |value: &Value| match value {
        // It may be a text, or the answer of describe-state-machine.
        Value::String(text) => document(text).ok(),
        other => match other.get("definition").and_then(Value::as_str) {
            Some(text) => document(text).ok(),
            None => Some(other.clone()),
        },
    };
    let machine = match members.get("stateMachine").or_else(|| members.get("definition")) {
        Some(machine) => read(machine),
        None => Some(given.clone()),
    };
    let states = machine.as_ref().and_then(|machine| machine.get("States")).and_then(Value::as_object);
    states
        .into_iter()
        .flatten()
        .filter_map(|(name, state)| Some((name, state.as_object()?)))
        .flat_map(of_state)
        .collect()
}

fn of_state((name, state): (&String, &Map<String, Value>)) -> Vec<String> {
    let told = |members: &[&str], why: &str| -> Vec<String> {
        let there = members.iter().filter(|member| state.contains_key(**member));
        there.map(|member| format!("{}.{member}: left out: {why}", place(name))).collect()
    };
    match state.get("Type").and_then(Value::as_str) {
        Some("Fail") => told(
            &["Error", "ErrorPath", "Cause", "CausePath"],
            "a run that fails has the error and the cause of its task",
        ),
        Some("Task") if is_publish(state) => {
            told(&["Retry", "Catch"], "a notification is sent until its topic takes it, and the run has ended")
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_without_a_place_are_named() {
        let machine = json!({"StartAt": "R", "States": {
            "R": {"Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "Retry": []},
            "F": {"Type": "Fail", "Error": "X", "Cause": "y"},
            "T": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Retry": [{"ErrorEquals": ["States.ALL"]}]}}});
        let named = |document: &Value| -> Vec<String> {
            left_out(document).iter().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
        };
        let all = ["States[\"F\"].Error", "States[\"F\"].Cause", "States[\"T\"].Retry"];
        for document in [
            machine.clone(),
            json!({"stateMachine": machine.clone()}),
            json!({"stateMachine": machine.to_string(), "input": {}}),
            json!({"stateMachineArn": "arn", "definition": machine.to_string()}),
        ] {
            assert_eq!(named(&document), all, "{document}");
        }
        assert!(named(&json!({"stateMachine": machine, "stateName": "R"})).is_empty());
        assert!(named(&json!({"runTask": {"taskDefinition": "etl"}})).is_empty());
    }
}
