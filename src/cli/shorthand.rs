//! The AWS CLI's shorthand syntax: `key=a,value=b`, `name={list=[a,b],text='x, y'}`.
//!
//! Source: AWS CLI user guide, "Using shorthand syntax with the AWS CLI". Its lists without brackets (`names=a,b`) are
//! left out: no member of RunTask that can be written in shorthand has one at the top.

use serde_json::{Map, Value, json};

/// The structure that a shorthand text is, with lists and numbers where `shape` (of RunTask's model) has them; `None`
/// where the text is no shorthand.
pub(super) fn read(text: &str, shape: &Value) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let members = reader.members(None)?;
    Some(shaped(Value::Object(members), shape))
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    /// `name=value,…` up to `end`, or to the end of the text.
    fn members(&mut self, end: Option<char>) -> Option<Map<String, Value>> {
        let mut members = Map::new();
        loop {
            let (name, after) = self.rest.split_once('=')?;
            let name = name.trim();
            let plain = |c: char| c.is_ascii_alphanumeric() || "_-.#/:".contains(c);
            if name.is_empty() || !name.chars().all(plain) {
                return None;
            }
            self.rest = after;
            let value = self.value(end)?;
            members.insert(name.to_owned(), value);
            if self.ends(end)? {
                return Some(members);
            }
        }
    }

    fn value(&mut self, end: Option<char>) -> Option<Value> {
        self.rest = self.rest.trim_start();
        if self.takes('{') {
            return self.members(Some('}')).map(Value::Object);
        }
        if !self.takes('[') {
            return self.text(end).map(Value::String);
        }
        let mut items = Vec::new();
        self.rest = self.rest.trim_start();
        if self.takes(']') {
            return Some(Value::Array(items));
        }
        loop {
            items.push(self.value(Some(']'))?);
            if self.ends(Some(']'))? {
                return Some(Value::Array(items));
            }
        }
    }

    /// A quoted text, or all up to a comma or `end`; a backslash takes away what a quote or a comma means.
    fn text(&mut self, end: Option<char>) -> Option<String> {
        let quote = ['"', '\''].into_iter().find(|quote| self.takes(*quote));
        let over = |c: char| quote.map_or(c == ',' || Some(c) == end, |quote| c == quote);
        let mut text = String::new();
        let mut letters = self.rest.char_indices().peekable();
        while let Some((at, letter)) = letters.next() {
            if over(letter) {
                self.rest = &self.rest[at + usize::from(quote.is_some())..];
                return Some(if quote.is_some() { text } else { text.trim_end().to_owned() });
            }
            let escaped = letters.next_if(|(_, next)| letter == '\\' && (*next == ',' || Some(*next) == quote));
            text.push(escaped.map_or(letter, |(_, next)| next));
        }
        self.rest = "";
        (quote.is_none() && end.is_none()).then(|| text.trim_end().to_owned())
    }

    /// Whether what follows is `end`, not a comma and more.
    fn ends(&mut self, end: Option<char>) -> Option<bool> {
        self.rest = self.rest.trim_start();
        if self.takes(',') {
            return Some(false);
        }
        let over = end.map_or(self.rest.is_empty(), |end| self.takes(end));
        over.then_some(true)
    }

    fn takes(&mut self, letter: char) -> bool {
        let rest = self.rest.strip_prefix(letter);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

/// All values of shorthand are texts, and one value may stand for a list of one: the model says which.
fn shaped(value: Value, shape: &Value) -> Value {
    match (value, shape) {
        (Value::Object(members), Value::Object(shapes)) => members
            .into_iter()
            .map(|(name, value)| {
                let shape = shapes.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name)).map(|(_, shape)| shape);
                (name, shaped(value, shape.unwrap_or(&Value::Null)))
            })
            .collect(),
        (Value::Array(items), Value::Array(shapes)) => {
            items.into_iter().map(|item| shaped(item, shapes.first().unwrap_or(&Value::Null))).collect()
        }
        (value @ (Value::String(_) | Value::Object(_)), Value::Array(_)) => shaped(json!([value]), shape),
        (Value::String(text), Value::String(kind)) => match kind.split('|').next() {
            Some("string") => Value::String(text),
            Some("boolean") => text.parse::<bool>().map_or(Value::String(text), Value::from),
            _ => text.parse::<i64>().map_or(Value::String(text), Value::from),
        },
        (value, _) => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::run_task::model;

    #[test]
    fn what_the_aws_cli_takes_is_read() {
        let network = json!({"subnets": ["a", "b"], "securityGroups": ["g"], "assignPublicIp": "ENABLED"});
        for text in [
            "awsvpcConfiguration={subnets=[a,b],securityGroups=[g],assignPublicIp=ENABLED}",
            "awsvpcConfiguration = { subnets = [ a , b ] , securityGroups=g, assignPublicIp=ENABLED }",
            r#"awsvpcConfiguration={subnets=["a",'b'],securityGroups=[g],assignPublicIp="ENABLED"}"#,
        ] {
            let value = read(text, &model()["networkConfiguration"]);
            assert_eq!(value, Some(json!({"awsvpcConfiguration": network})), "{text}");
        }
        for (list, text, expected) in [
            ("tags", "key=a,value=", json!({"key": "a", "value": ""})),
            ("tags", "key=a,value='x, \\'y\\''", json!({"key": "a", "value": "x, 'y'"})),
            ("tags", "key=a,value=x\\, y=z]", json!({"key": "a", "value": "x, y=z]"})),
            ("capacityProviderStrategy", "capacityProvider=7,weight=1", json!({"capacityProvider": "7", "weight": 1})),
            (
                "capacityProviderStrategy",
                "capacityProvider=P,weight=x",
                json!({"capacityProvider": "P", "weight": "x"}),
            ),
            (
                "placementConstraints",
                "type=memberOf,expression=attribute:a =~ t2.*",
                json!({"type": "memberOf", "expression": "attribute:a =~ t2.*"}),
            ),
        ] {
            assert_eq!(read(text, &model()[list][0]), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_shorthand_is_refused() {
        for text in
            ["", "a", "a=b,c", "a=b,", "=b", "a=[b", "a={b=c", "a={b}", "a=[b}c", "a='b", "a=[b]c", "{\"a\": 1}"]
        {
            assert_eq!(read(text, &Value::Null), None, "{text}");
        }
    }
}
