//! Message attributes and the structure of a message, as SNS takes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::RequestError;
use super::given::{members, wrong};

/// Attributes by their names.
pub type MessageAttributes = BTreeMap<String, MessageAttribute>;

/// SNS: "The message attribute name can be up to 256 characters long" (developer guide, message attributes).
const NAME_CHARS: usize = 256;

/// A message attribute of SNS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageAttribute {
    /// `String`, `Number`, `String.Array`, or one of these with a name of its own behind it.
    pub data_type: String,
    /// The value, as a text.
    pub string_value: String,
}

/// `{"kind": {"DataType": "String", "StringValue": "nightly"}}`, in PascalCase or camelCase.
pub(super) fn attributes(value: &Value, path: &str) -> Result<MessageAttributes, RequestError> {
    let given = value.as_object().ok_or_else(|| wrong(path, "an object of attributes by name", value))?;
    given
        .iter()
        .map(|(name, value)| {
            let here = format!("{path}.{name}");
            if !is_name(name) {
                return Err(RequestError::new(format!(
                    "{here}: a message attribute has a name of A-Z a-z 0-9 _ - . that does not begin with AWS. or Amazon."
                )));
            }
            Ok((name.clone(), attribute(value, &here)?))
        })
        .collect()
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let lower = name.to_ascii_lowercase();
    (1..=NAME_CHARS).contains(&name.len())
        && name.chars().all(allowed)
        && !(lower.starts_with("aws.") || lower.starts_with("amazon."))
        && !(name.starts_with('.') || name.ends_with('.') || name.contains(".."))
}

fn attribute(value: &Value, path: &str) -> Result<MessageAttribute, RequestError> {
    let given = value.as_object().ok_or_else(|| wrong(path, "an object with DataType and StringValue", value))?;
    let members = members(given, &["dataType", "stringValue", "binaryValue"], &format!("{path}."))?;
    let text = |member: &str| match members.get(member) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        other => Err(wrong(&format!("{path}.{member}"), "a text that is not empty", other.unwrap_or(&&Value::Null))),
    };
    let data_type = text("dataType")?;
    match data_type.split('.').next() {
        Some("Binary") => {
            return Err(RequestError::new(format!(
                "{path}: a Binary attribute has no counterpart; send it as a String in Base64"
            )));
        }
        Some("String" | "Number") => {}
        _ => {
            let got = Value::from(data_type.as_str());
            return Err(wrong(&format!("{path}.dataType"), "String, Number or String.Array", &got));
        }
    }
    let string_value = text("stringValue")?;
    if data_type.starts_with("Number") && string_value.parse::<f64>().is_err() {
        return Err(wrong(&format!("{path}.stringValue"), "a number", &Value::from(string_value.as_str())));
    }
    Ok(MessageAttribute { data_type, string_value })
}

/// Checks a message for each protocol (`MessageStructure` is `json`): an object of texts with one for all others.
pub(super) fn check_structure(message: &str, path: &str) -> Result<(), RequestError> {
    let by_protocol = serde_json::from_str::<BTreeMap<String, String>>(message);
    match by_protocol {
        Ok(texts) if texts.contains_key("default") => Ok(()),
        _ => Err(RequestError::new(format!(
            "{path}: with the structure json, a message is a JSON object of texts by protocol, and one of them is \"default\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn attributes_are_read_in_both_cases_and_wrong_ones_are_refused_by_name() {
        let read = attributes(
            &json!({"kind": {"DataType": "String", "StringValue": "nightly"}, "size": {"dataType": "Number", "stringValue": 5}}),
            "A",
        );
        let read = read.unwrap();
        assert_eq!((read["kind"].string_value.as_str(), read["size"].data_type.as_str()), ("nightly", "Number"));
        assert_eq!(read["size"].string_value, "5");
        let one = |of: Value| json!({"kind": of});
        for (value, part) in [
            (json!([]), "A: expected an object of attributes"),
            (json!({"a b": {}}), "A.a b: a message attribute has a name"),
            (json!({"AWS.x": {}}), "does not begin with AWS."),
            (one(json!("x")), "A.kind: expected an object with DataType"),
            (one(json!({"DataType": "String"})), "A.kind.stringValue: expected a text that is not empty"),
            (one(json!({"DataType": "String", "StringValue": ""})), "A.kind.stringValue: expected a text"),
            (one(json!({"DataType": "Text", "StringValue": "x"})), "A.kind.dataType: expected String, Number"),
            (one(json!({"DataType": "Number", "StringValue": "x"})), "A.kind.stringValue: expected a number"),
            (
                one(json!({"DataType": "Binary", "BinaryValue": "eA=="})),
                "A.kind: a Binary attribute has no counterpart",
            ),
            (
                one(json!({"DataType": "String", "StringVal": "x"})),
                "StringVal: unknown member; did you mean stringValue?",
            ),
        ] {
            let said = attributes(&value, "A").unwrap_err().message;
            assert!(said.contains(part), "{value}: {said}");
        }
    }

    #[test]
    fn a_message_for_each_protocol_has_one_for_all_others() {
        assert!(check_structure(r#"{"default": "x", "sms": "y"}"#, "M").is_ok());
        for message in ["x", "{}", r#"{"sms": "y"}"#, r#"{"default": {}}"#] {
            assert!(check_structure(message, "M").unwrap_err().message.contains("default"), "{message}");
        }
    }
}
