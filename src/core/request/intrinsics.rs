//! Values that a CloudFormation template has in itself: what its conditions decide (`Fn::If`), and what its mappings hold
//! (`Fn::FindInMap`). Parameters have the values that are given, or their defaults.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::RequestError;
use super::symbols::{fill, placeholders, symbolic, text_of, unknown};

/// Functions and conditions in each other.
const MOST_LEVELS: usize = 120;
/// What a condition is given by: `--set Condition.IsProd=true`.
const CONDITION: &str = "Condition.";

/// Puts the values of its conditions and mappings into a template; another document stays as it is. What is not decided becomes a
/// placeholder with the condition's or the mapping's name.
///
/// # Errors
/// A condition is given as something else than true or false.
pub fn resolve(document: &mut Value, given: &Map<String, Value>) -> Result<(), RequestError> {
    if !document.get("Resources").is_some_and(Value::is_object) {
        return Ok(());
    }
    let template = document.clone();
    let mut values = defaults(&template);
    values.extend(given.clone());
    let template = Template {
        conditions: &template["Conditions"],
        mappings: &template["Mappings"],
        values: &values,
        decided: RefCell::default(),
    };
    for (name, value) in given {
        if let Some(condition) = name.strip_prefix(CONDITION).filter(|_| as_bool(value).is_none()) {
            return Err(RequestError::new(format!("--set {name}: the condition {condition} is true or false")));
        }
    }
    template.put_in(&mut document["Resources"], 0);
    Ok(())
}

/// The names by which the template's parameters and conditions can be given.
pub fn names(document: &Value) -> Vec<String> {
    let template = Some(document).filter(|document| document.get("Resources").is_some_and(Value::is_object));
    let of = |member: &str| {
        template.and_then(|template| template.get(member)).and_then(Value::as_object).into_iter().flat_map(Map::keys)
    };
    let conditions = of("Conditions").map(|name| format!("{CONDITION}{name}"));
    of("Parameters").cloned().chain(conditions).collect()
}

/// The default values of a template's parameters.
pub fn defaults(template: &Value) -> Map<String, Value> {
    let parameters = template.get("Parameters").and_then(Value::as_object).into_iter().flatten();
    let default = |(name, parameter): (&String, &Value)| {
        let default = parameter.get("Default").filter(|default| !default.is_object() && !default.is_array())?;
        let list = parameter["Type"].as_str().is_some_and(|kind| kind.contains("List"));
        let text = text_of(default)?;
        Some((name.clone(), if list { text.split(',').map(str::trim).collect() } else { text.into() }))
    };
    parameters.filter_map(default).collect()
}

fn as_bool(value: &Value) -> Option<bool> {
    match text_of(value)?.as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

struct Template<'t> {
    conditions: &'t Value,
    mappings: &'t Value,
    values: &'t Map<String, Value>,
    /// The conditions that were looked at: others may name them again and again.
    decided: RefCell<BTreeMap<String, Option<bool>>>,
}

impl Template<'_> {
    /// Puts values in the place of `Fn::If` and `Fn::FindInMap`, from outside inwards: the branch that is not taken has no matter.
    fn put_in(&self, value: &mut Value, level: usize) {
        if level > MOST_LEVELS {
            return;
        }
        if let Some((name, argument)) = function(value) {
            match name {
                "Fn::If" => *value = self.chosen(argument),
                "Fn::FindInMap" => *value = self.found(argument).unwrap_or_else(|| unknown("FindInMap", argument)),
                _ => {}
            }
        }
        if matches!(function(value), Some(("Fn::If" | "Fn::FindInMap", _))) {
            return self.put_in(value, level + 1);
        }
        match value {
            Value::Object(members) => {
                members.values_mut().for_each(|value| self.put_in(value, level + 1));
                members.retain(|_, value| !is_no_value(value));
            }
            Value::Array(items) => {
                items.iter_mut().for_each(|value| self.put_in(value, level + 1));
                items.retain(|value| !is_no_value(value));
            }
            _ => {}
        }
        let item = function(value).filter(|(name, _)| *name == "Fn::Select").and_then(|(_, list)| self.selected(list));
        if let Some(item) = item {
            *value = item;
        }
    }

    /// The branch that a condition takes.
    fn chosen(&self, argument: &Value) -> Value {
        let [Value::String(name), then, otherwise] = argument.as_array().map_or(&[][..], Vec::as_slice) else {
            return unknown("If", argument);
        };
        match self.condition(name, 0) {
            Some(true) => then.clone(),
            Some(false) => otherwise.clone(),
            None => Value::from(format!("${{{CONDITION}{name}}}")),
        }
    }

    fn condition(&self, name: &str, level: usize) -> Option<bool> {
        if let Some(given) = self.values.get(&format!("{CONDITION}{name}")) {
            return as_bool(given);
        }
        if let Some(known) = self.decided.borrow().get(name) {
            return *known;
        }
        // One that names itself is not decided.
        self.decided.borrow_mut().insert(name.to_owned(), None);
        let holds = self.conditions.get(name).and_then(|condition| self.holds(condition, level));
        self.decided.borrow_mut().insert(name.to_owned(), holds);
        holds
    }

    /// Whether a condition holds; none where a value of it is not known.
    fn holds(&self, condition: &Value, level: usize) -> Option<bool> {
        if level > MOST_LEVELS {
            return None;
        }
        let (name, argument) = function(condition)?;
        let each = || -> Vec<Option<bool>> {
            argument.as_array().into_iter().flatten().map(|one| self.holds(one, level + 1)).collect()
        };
        // One that is known may decide it.
        let all = |each: &[Option<bool>], decides: bool| match each.contains(&Some(decides)) {
            true => Some(decides),
            false => each.iter().all(Option::is_some).then_some(!decides),
        };
        match name {
            "Condition" => self.condition(argument.as_str()?, level + 1),
            "Fn::Not" => each().first().copied()?.map(|holds| !holds),
            "Fn::And" => all(&each(), false),
            "Fn::Or" => all(&each(), true),
            "Fn::Equals" => {
                let [left, right] = argument.as_array()?.as_slice() else { return None };
                Some(self.text(left)? == self.text(right)?)
            }
            _ => None,
        }
    }

    /// What a mapping holds.
    fn found(&self, argument: &Value) -> Option<Value> {
        let [map, top, second, ..] = argument.as_array()?.as_slice() else { return None };
        self.mappings.get(self.text(map)?)?.get(self.text(top)?)?.get(self.text(second)?).cloned()
    }

    /// An item of a list that is known.
    fn selected(&self, argument: &Value) -> Option<Value> {
        let [at, list] = argument.as_array()?.as_slice() else { return None };
        let at: usize = text_of(&self.filled(at))?.parse().ok()?;
        self.filled(list).as_array()?.get(at).cloned()
    }

    /// A value with those of the parameters.
    fn filled(&self, value: &Value) -> Value {
        let mut value = value.clone();
        symbolic(&mut value);
        fill(&mut value, self.values);
        value
    }

    /// A value as a text, where all of it is known.
    fn text(&self, value: &Value) -> Option<String> {
        let mut value = value.clone();
        self.put_in(&mut value, 0);
        let value = self.filled(&value);
        if let Value::Array(items) = &value {
            return items.iter().map(text_of).collect::<Option<Vec<_>>>().map(|items| items.join(","));
        }
        text_of(&value).filter(|_| placeholders(&value).is_empty())
    }
}

/// A function of CloudFormation's, by its name and argument.
fn function(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.iter().next().map(|(name, argument)| (name.as_str(), argument))
}

/// `AWS::NoValue` takes its member or item away.
fn is_no_value(value: &Value) -> bool {
    function(value).is_some_and(|(name, argument)| name == "Ref" && argument == "AWS::NoValue")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(given: Value) -> Result<Value, String> {
        let mut template = json!({
            "Parameters": {"Env": {"Type": "String", "Default": "dev"}, "Size": {"Type": "Number"},
                "Subnets": {"Type": "CommaDelimitedList", "Default": "a,b"}},
            "Mappings": {"Clusters": {"dev": {"Name": "small"}, "prod": {"Name": "big"}}},
            "Conditions": {
                "IsProd": {"Fn::Equals": [{"Ref": "Env"}, "prod"]},
                "IsDev": {"Fn::Not": [{"Condition": "IsProd"}]},
                "IsBig": {"Fn::Equals": [{"Ref": "Size"}, 5]},
                "Both": {"Fn::And": [{"Condition": "IsProd"}, {"Condition": "IsBig"}]}},
            "Resources": {"R": {
                "type": {"Fn::If": ["IsProd", "FARGATE", "FARGATE_SPOT"]},
                "arn": {"Fn::If": ["IsDev", {"Fn::Sub": "arn:${Env}"}, {"Ref": "Arn"}]},
                "big": {"Fn::If": ["IsBig", "a", "b"]},
                "both": {"Fn::If": ["Both", "a", {"Fn::If": ["IsProd", "x", {"Ref": "AWS::NoValue"}]}]},
                "cluster": {"Fn::FindInMap": ["Clusters", {"Ref": "Env"}, "Name"]},
                "first": {"Fn::Select": [0, {"Ref": "Subnets"}]},
                "other": {"Fn::FindInMap": ["Clusters", {"Ref": "AWS::Region"}, "Name"]}}}});
        resolve(&mut template, given.as_object().unwrap()).map_err(|error| error.message)?;
        Ok(template["Resources"]["R"].clone())
    }

    #[test]
    fn conditions_and_mappings_are_evaluated_or_named() {
        assert_eq!(
            resolved(json!({})),
            Ok(
                json!({"type": "FARGATE_SPOT", "arn": {"Fn::Sub": "arn:${Env}"}, "big": "${Condition.IsBig}", "cluster": "small", "first": "a",
                "other": "${FindInMap.Clusters.AWS::Region.Name}"})
            )
        );
        let given = resolved(json!({"Env": "prod", "Size": "5", "AWS::Region": "dev"})).unwrap();
        assert_eq!(
            given,
            json!({"type": "FARGATE", "arn": {"Ref": "Arn"}, "big": "a", "both": "a", "cluster": "big", "first": "a", "other": "small"})
        );
        let given = resolved(json!({"Condition.IsProd": "true", "Condition.IsBig": "false"})).unwrap();
        assert_eq!((&given["type"], &given["big"], &given["both"]), (&json!("FARGATE"), &json!("b"), &json!("x")));
        let said = resolved(json!({"Condition.IsProd": "FARGATE"})).unwrap_err();
        assert!(said.contains("the condition IsProd is true or false"), "{said}");
    }

    #[test]
    fn conditions_that_name_themselves_are_not_decided() {
        let mut template =
            json!({"Conditions": {"A": {"Condition": "A"}}, "Resources": {"R": {"Fn::If": ["A", 1, 2]}}});
        resolve(&mut template, &Map::new()).unwrap();
        assert_eq!(template["Resources"]["R"], "${Condition.A}");
    }
}
