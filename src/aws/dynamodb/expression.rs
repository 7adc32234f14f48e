//! Conditions and changes as DynamoDB's expressions. Names and values have placeholders: some names are reserved words
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.ExpressionAttributeNames.html>).

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::values;
use crate::store::dynamo::{Attributes, Condition, Name, Value};

/// The placeholders of one call.
#[derive(Default)]
pub(super) struct Expression {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
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

    /// The names; `None`: there are none, and DynamoDB refuses an empty map.
    pub(super) fn names(&self) -> Option<HashMap<String, String>> {
        (!self.names.is_empty()).then(|| self.names.clone())
    }

    /// The values; `None`: there are none.
    pub(super) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        (!self.values.is_empty()).then(|| self.values.clone())
    }

    fn name(&mut self, name: &str) -> String {
        let placeholder = format!("#{name}");
        self.names.insert(placeholder.clone(), name.to_owned());
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
    use super::*;

    #[test]
    fn a_condition_is_written_with_placeholders_and_brackets() {
        let mut expression = Expression::default();
        let is_its = Condition::All(vec![Condition::Equals("e", Value::N(7)), Condition::Less("s", Value::N(9))]);
        let condition = Condition::Any(vec![Condition::Absent("s"), Condition::Greater("ttl", Value::N(5)), is_its]);
        let text = expression.condition(&condition).unwrap();
        assert_eq!(text, "(attribute_not_exists(#s) OR #ttl > :v0 OR (#e = :v1 AND #s < :v2))");
        assert_eq!(expression.names().unwrap().len(), 3);
        assert_eq!(expression.values().unwrap()[":v2"], AttributeValue::N("9".into()));
    }

    #[test]
    fn no_condition_is_no_text_and_an_update_has_its_clauses() {
        let mut expression = Expression::default();
        assert_eq!(expression.condition(&Condition::ALWAYS), None);
        assert_eq!((expression.names(), expression.values()), (None, None));
        let set = Attributes::from([("r".into(), Value::N(3)), ("slot".into(), Value::text("A"))]);
        assert_eq!(expression.changes(set, &["ttl".into()]), "SET #r = :v0, #slot = :v1 REMOVE #ttl");
    }
}
