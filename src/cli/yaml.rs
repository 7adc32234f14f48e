//! Results as YAML, as the AWS CLI writes them with `--output yaml`.

use serde_json::Value;

use super::options::Special;
use super::output;

impl Special {
    /// Writes the answers as the AWS CLI's format of that name does. Markdown is `report`'s, which writes it itself.
    pub(super) fn print(self, answers: &[Value]) {
        match (self, answers) {
            (Self::Off | Self::Markdown, _) => {}
            (Self::Yaml, [one]) => output::data(&yaml(one)),
            (Self::Yaml | Self::YamlStream, many) => output::data(&yaml(&Value::from(many.to_vec()))),
        }
    }
}

/// A value as a YAML document in block style.
fn yaml(value: &Value) -> String {
    let mut text = String::new();
    block(value, 0, &mut text);
    text
}

/// Writes a value whose lines are indented by that much; the first line is where the text ends.
fn block(value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    match value {
        Value::Array(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                *text += if n > 0 { &margin } else { "" };
                *text += "- ";
                block(item, indent + 2, text);
            }
        }
        Value::Object(members) if !members.is_empty() => {
            for (n, (name, value)) in members.iter().enumerate() {
                *text += if n > 0 { &margin } else { "" };
                *text += &scalar(name);
                *text += ":";
                match value {
                    Value::Array(items) if !items.is_empty() => {
                        text.push('\n');
                        *text += &margin;
                        block(value, indent, text);
                    }
                    Value::Object(members) if !members.is_empty() => {
                        text.push('\n');
                        *text += &" ".repeat(indent + 2);
                        block(value, indent + 2, text);
                    }
                    _ => {
                        text.push(' ');
                        block(value, indent + 2, text);
                    }
                }
            }
        }
        Value::String(one) => {
            *text += &scalar(one);
            text.push('\n');
        }
        other => {
            *text += &other.to_string();
            text.push('\n');
        }
    }
}

/// Words that readers of YAML 1.1 or 1.2 take for something else than a text.
const WORDS: [&str; 9] = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

/// A text: plain where every reader takes it for a text, else in quotes as JSON has it.
fn scalar(text: &str) -> String {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-./:".contains(c);
    let is_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text.chars().all(inner)
        && !text.ends_with(':')
        && !WORDS.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is_plain {
        return text.to_owned();
    }
    let mut quoted = String::new();
    for c in Value::from(text).to_string().chars() {
        match c {
            // JSON has these as they are, YAML does not.
            c if !output::plain(c.encode_utf8(&mut [0; 4])).contains(c) || matches!(c, '\u{fffe}' | '\u{ffff}') => {
                quoted += &format!("\\U{:08x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::core::request::document;

    fn values() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            any::<String>(),
            "[ -~]{0,8}",
            "[a-zA-Z/][a-zA-Z0-9_./:-]{0,8}",
            "(null|True|no|ON|y|~|-|---|1e3|0x1|1_0|1:30|2026-11-29|a: b|a #b|\\.inf|\\.nan|<<|=|!x|&a|\\*a|% ?|@|`)",
        ];
        let leaves = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9).prop_map(|number: f64| Value::from(number)),
            texts.clone().prop_map(Value::from),
        ];
        leaves.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(texts.clone(), inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_as_the_same(value in values()) {
            // Under a name: what begins as JSON is read as JSON.
            let whole = json!({"it": value});
            let text = yaml(&whole);
            prop_assert_eq!(document(&text).map_err(|e| e.to_string()), Ok(whole), "{}", text);
        }
    }

    #[test]
    fn results_are_written_in_blocks() {
        let value = json!({"name": "nightly", "attempts": [{"number": 1, "taskArn": "arn:aws:ecs:eu-west-1:1:task/a/b", "cause": null}],
            "hint": "look: there", "no": [], "list": [[1, 2], {}]});
        let expected = "attempts:\n- cause: null\n  number: 1\n  taskArn: arn:aws:ecs:eu-west-1:1:task/a/b\nhint: \"look: there\"\n\
                        list:\n- - 1\n  - 2\n- {}\nname: nightly\n\"no\": []\n";
        assert_eq!(yaml(&value), expected);
    }
}
