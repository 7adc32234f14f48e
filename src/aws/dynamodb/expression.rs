//! Conditions and changes as DynamoDB's expressions. Names and values have placeholders: some names are reserved words
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html>).

use serde_json::{Map, Value as Json};

use super::values;
use crate::store::dynamo::{Attributes, Condition, Name, Value};

/// The placeholders of one call.
#[derive(Default)]
pub(super) struct Expression {
    names: Map<String, Json>,
    values: Map<String, Json>,
}

impl Expression {
    /// A condition as text; `None`: always.
    pub(super) fn condition(&mut self, condition: &Condition) -> Option<String> {
        let comparison = |this: &mut Self, name: &str, operator: &str, value: &Value| {
            Some(format!("{} {operator} {}", this.name(name), this.value(value.clone())))
        };
        match condition {
            Condition::Absent(name) => Some(format!("attribute_not_exists({})", self.name(name))),
            Condition::Equals(name, value) => comparison(self, name, "=", value),
            Condition::Less(name, value) => comparison(self, name, "<", value),
            Condition::Greater(name, value) => comparison(self, name, ">", value),
            Condition::All(all) => self.joined(all, " AND "),
            Condition::Any(any) => self.joined(any, " OR "),
        }
    }

    fn joined(&mut self, conditions: &[Condition], operator: &str) -> Option<String> {
        let parts: Vec<String> = conditions.iter().filter_map(|one| self.condition(one)).collect();
        match parts.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            _ => Some(format!("({})", parts.join(operator))),
        }
    }

    /// The changes of an update as text.
    pub(super) fn changes(&mut self, set: Attributes, remove: &[Name]) -> String {
        let set: Vec<String> =
            set.into_iter().map(|(name, value)| format!("{} = {}", self.name(&name), self.value(value))).collect();
        let remove: Vec<String> = remove.iter().map(|name| self.name(name)).collect();
        let clause =
            |word: &str, parts: Vec<String>| (!parts.is_empty()).then(|| format!("{word} {}", parts.join(", ")));
        [clause("SET", set), clause("REMOVE", remove)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    }

    /// Puts the placeholders into a call. DynamoDB refuses maps that are empty.
    pub(super) fn complete(self, call: &mut Json) {
        for (member, map) in [("ExpressionAttributeNames", self.names), ("ExpressionAttributeValues", self.values)] {
            if !map.is_empty() {
                call[member] = map.into();
            }
        }
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.into());
        placeholder
    }

    fn value(&mut self, value: Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), values::value(value));
        placeholder
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_condition_is_written_with_placeholders_and_brackets() {
        let mut expression = Expression::default();
        let is_its = Condition::All(vec![Condition::Equals("e", Value::N(7)), Condition::Less("s", Value::N(9))]);
        let condition = Condition::Any(vec![Condition::Absent("s"), Condition::Greater("ttl", Value::N(5)), is_its]);
        let text = expression.condition(&condition).unwrap();
        assert_eq!(text, "(attribute_not_exists(#s) OR #ttl > :v0 OR (#e = :v1 AND #s < :v2))");
        let mut call = json!({});
        expression.complete(&mut call);
        assert_eq!(call["ExpressionAttributeNames"], json!({"#s": "s", "#ttl": "ttl", "#e": "e"}));
        assert_eq!(call["ExpressionAttributeValues"][":v2"], json!({"N": "9"}));
    }

    #[test]
    fn no_condition_is_no_text_and_an_update_has_its_clauses() {
        let mut expression = Expression::default();
        assert_eq!(expression.condition(&Condition::ALWAYS), None);
        let mut call = json!({});
        std::mem::take(&mut expression).complete(&mut call);
        assert_eq!(call, json!({}));
        let set = Attributes::from([("r".into(), Value::N(3)), ("slot".into(), Value::text("A"))]);
        assert_eq!(expression.changes(set, &["ttl".into()]), "SET #r = :v0, #slot = :v1 REMOVE #ttl");
    }
}
