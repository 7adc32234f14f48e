//! Snapshots of Jest, which CDK projects have of their templates: `exports[`name`] = `value`;`, the value as Jest prints it, one
//! member a line.
//!
//! Source: Jest's documentation, "Configuring Jest", snapshotFormat: with `escapeString: false`, the default since version 29, quotes in
//! a text are not escaped; before version 29 objects and arrays began with `Object {` and `Array [`.

use serde_json::{Map, Value};

use super::RequestError;

/// As deep as serde_json reads.
const MOST_LEVELS: usize = 128;

/// Whether a text is a snapshot.
pub(super) fn is_snapshot(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("exports[`"))
}

/// The templates and machines of a snapshot.
///
/// # Errors
/// It has none.
pub(super) fn documents(text: &str) -> Result<Vec<Value>, RequestError> {
    let whole = format!("\n{text}");
    let parts = whole.split("\nexports[`").skip(1);
    let values = parts.filter_map(|part| Some(value(&literal(part.split_once("`] = `")?.1)?)));
    let of_interest = |value: &Value| ["Resources", "States"].iter().any(|name| value.get(name).is_some());
    let found: Vec<Value> = values.flatten().map(unpacked).filter(of_interest).collect();
    if found.is_empty() {
        return Err(RequestError::new(
            "a Jest snapshot without a CloudFormation template or a state machine that can be read: convert what cdk synth writes \
             (cdk.out/*.template.json)",
        ));
    }
    Ok(found)
}

/// A machine may be a text.
fn unpacked(value: Value) -> Value {
    let read = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    read.unwrap_or(value)
}

/// What a template literal holds, up to its end.
fn literal(text: &str) -> Option<String> {
    let (mut inner, mut characters) = (String::new(), text.chars());
    loop {
        match characters.next()? {
            '`' => return Some(inner),
            '\\' => inner.push(characters.next()?),
            c => inner.push(c),
        }
    }
}

/// An object or array whose end has not come yet, with the name of the member that is read.
enum Open {
    Object(Map<String, Value>, String),
    Array(Vec<Value>),
}

/// The value that Jest has printed.
fn value(text: &str) -> Option<Value> {
    let (mut open, mut lines) = (Vec::<Open>::new(), text.trim().lines());
    while let Some(line) = lines.next() {
        let line = line.trim_start();
        let mut rest = line;
        if let Some(Open::Object(_, member)) = open.last_mut()
            && line.starts_with('"')
        {
            let (name, value) = line.split_once("\": ")?;
            (*member, rest) = (name[1..].to_owned(), value);
        }
        let mut value = match rest.strip_suffix(',').unwrap_or(rest) {
            "Object {" | "{" if open.len() < MOST_LEVELS => {
                open.push(Open::Object(Map::new(), String::new()));
                continue;
            }
            "Array [" | "[" if open.len() < MOST_LEVELS => {
                open.push(Open::Array(Vec::new()));
                continue;
            }
            "}" | "]" => match open.pop()? {
                Open::Object(members, _) => Value::Object(members),
                Open::Array(items) => Value::Array(items),
            },
            "Object {}" => Value::Object(Map::new()),
            "Array []" => Value::Array(Vec::new()),
            word if word.starts_with('"') => Value::String(string(word, &mut lines)?),
            // `undefined`, `Any<String>`.
            word => serde_json::from_str(word).unwrap_or(Value::Null),
        };
        match open.last_mut() {
            Some(Open::Object(members, name)) => drop(members.insert(std::mem::take(name), value.take())),
            Some(Open::Array(items)) => items.push(value.take()),
            None => return Some(value),
        }
    }
    None
}

/// A text, which goes on until a line ends with a quote.
fn string(first: &str, lines: &mut std::str::Lines<'_>) -> Option<String> {
    let mut text = first.to_owned();
    while text.len() < 2 || !text.ends_with('"') {
        text = format!("{text}\n{}", lines.next()?);
        text.truncate(text.strip_suffix(',').filter(|text| text.ends_with('"')).map_or(text.len(), str::len));
    }
    // Without escapes it is what it looks like.
    serde_json::from_str(&text).ok().or_else(|| Some(text.get(1..text.len() - 1)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(machine: &str, object: &str, array: &str) -> String {
        format!(
            "// Jest Snapshot v1, https://goo.gl/fbAQLP\n\nexports[`a name 1`] = `\"no template\"`;\n\nexports[`a stack 1`] = `\n{object}{{\n  \"Resources\": \
             {object}{{\n    \"Flow\": {object}{{\n      \"Count\": 2,\n      \"Empty\": {object}{{}},\n      \"None\": {array}[],\n      \"Properties\": {object}{{\n        \
             \"Definition\": {object}{{\n          \"Fn::Join\": {array}[\n            \"\",\n            {array}[\n              \"{machine}\",\n              {object}{{\n                \
             \"Ref\": \"AWS::Partition\",\n              }},\n              \"two\nlines\",\n            ],\n          ],\n        }},\n      }},\n    }},\n  }},\n}}\n`;\n"
        )
    }

    #[test]
    fn templates_in_snapshots_of_old_and_new_jest_are_read() {
        let join = json!(["", ["{\"StartAt\": \"Run\",", {"Ref": "AWS::Partition"}, "two\nlines"]]);
        let expected = json!({"Resources": {"Flow": {"Count": 2, "Empty": {}, "None": [], "Properties": {"Definition": {"Fn::Join": join}}}}});
        for (machine, object, array) in
            [("{\"StartAt\": \"Run\",", "", ""), ("{\\\\\"StartAt\\\\\": \\\\\"Run\\\\\",", "Object ", "Array ")]
        {
            let text = template(machine, object, array);
            assert!(is_snapshot(&text));
            assert_eq!(documents(&text), Ok(vec![expected.clone()]), "{text}");
        }
        let machine = "exports[`machine 1`] = `\"{\"StartAt\":\"Run\",\"States\":{}}\"`;";
        assert_eq!(documents(machine), Ok(vec![json!({"StartAt": "Run", "States": {}})]));
    }

    #[test]
    fn a_snapshot_of_something_else_is_named() {
        for text in ["exports[`x 1`] = `\"a\"`;", "exports[`x 1`] = `\n{\n  \"Resources\": {\n", "exports[`x"] {
            assert!(is_snapshot(text));
            let said = documents(text).unwrap_err().message;
            assert!(said.contains("a Jest snapshot without") && said.contains("cdk synth"), "{said}");
        }
        let deep = format!("exports[`x 1`] = `\n{}", "{\n".repeat(100_000));
        assert!(documents(&deep).is_err());
    }
}
