//! Values that are not shown, wherever they stand.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::core::run_task::MASK;

/// A shorter one inside other text says nothing, and would take that text apart.
const LONG: usize = 6;

/// Puts the mask in the place of each text that is one of these, and of the long ones inside other texts.
pub(super) fn hide(within: &mut Value, values: &BTreeSet<&str>) {
    match within {
        Value::String(text) if values.contains(text.as_str()) => *text = MASK.to_owned(),
        Value::String(text) => {
            for value in values.iter().filter(|value| value.len() >= LONG && text.contains(**value)).collect::<Vec<_>>()
            {
                *text = text.replace(value, MASK);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, values)),
        Value::Object(members) => members.values_mut().for_each(|member| hide(member, values)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
