//! Writes JSON values as block YAML, for people to read and CloudFormation to take.

use serde_json::Value;

/// The document's text.
pub(super) fn write(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

fn block(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                text.push_str(&format!("{}{}:", "  ".repeat(depth), key(name)));
                below(member, depth + 1, text);
            }
        }
        Value::Array(items) => {
            for item in items {
                item_of(item, depth, text);
            }
        }
        scalar => text.push_str(&format!("{}{scalar}\n", "  ".repeat(depth))),
    }
}

/// What stands after `name:`, on its line or under it.
fn below(value: &Value, depth: usize, text: &mut String) {
    if is_block(value) {
        text.push('\n');
        block(value, depth, text);
    } else {
        // JSON's scalars, `{}` and `[]` are YAML's too.
        text.push_str(&format!(" {value}\n"));
    }
}

fn item_of(item: &Value, depth: usize, text: &mut String) {
    let mut inner = String::new();
    if is_block(item) {
        block(item, depth + 1, &mut inner)
    } else {
        inner = format!("{item}\n")
    }
    text.push_str(&format!("{}- {}", "  ".repeat(depth), inner.trim_start()));
}

fn is_block(value: &Value) -> bool {
    value.as_object().is_some_and(|o| !o.is_empty()) || value.as_array().is_some_and(|a| !a.is_empty())
}

fn key(name: &str) -> String {
    let plain = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:".contains(c))
        && !name.ends_with(':');
    if plain { name.to_owned() } else { Value::from(name).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn blocks_lists_and_scalars() {
        let value = json!({"a": {"b": [1, {"c": "x: y", "d": true}, [2]], "e": []}, "aws:SourceArn": "q"});
        assert_eq!(
            write(&value),
            "a:\n  b:\n    - 1\n    - c: \"x: y\"\n      d: true\n    - - 2\n  e: []\naws:SourceArn: \"q\"\n"
        );
    }
}
