//! AWS's Query protocol: forms in, XML out. SNS and STS speak it, and SQS to SDKs of before 2023.

pub(super) mod sqs;

use serde_json::{Map, Value};

use super::wire::ApiError;

/// A form's fields as JSON: `Attributes.entry.1.key` and `.value` become maps, `Entries.member.1` lists.
pub(super) fn unfold(form: &[u8]) -> Map<String, Value> {
    let mut tree = Map::new();
    for (name, value) in form_urlencoded::parse(form) {
        insert(&mut tree, &name, value.into_owned());
    }
    tree.into_iter().map(|(name, value)| (name, fold(value))).collect()
}

fn insert(tree: &mut Map<String, Value>, name: &str, value: String) {
    match name.split_once('.') {
        None => drop(tree.insert(name.to_owned(), value.into())),
        Some((head, rest)) => {
            if let Value::Object(inner) = tree.entry(head).or_insert_with(|| Value::Object(Map::new())) {
                insert(inner, rest, value);
            }
        }
    }
}

/// `{entry: {1: {key, value}}}` to a map, `{member: {1: …}}` to a list.
fn fold(value: Value) -> Value {
    let Value::Object(mut members) = value else { return value };
    if let Some(Value::Object(entries)) = members.remove("entry") {
        let pairs = entries.into_iter().filter_map(|(_, mut entry)| {
            let name = ["key", "Name"].iter().find_map(|k| entry[*k].as_str().map(str::to_owned))?;
            let value = ["value", "Value"].iter().find_map(|k| entry.get_mut(*k).map(Value::take))?;
            Some((name, fold(value)))
        });
        return Value::Object(pairs.collect());
    }
    if let Some(Value::Object(items)) = members.remove("member") {
        let mut items: Vec<(u64, Value)> =
            items.into_iter().map(|(n, item)| (n.parse().unwrap_or(u64::MAX), fold(item))).collect();
        items.sort_by_key(|(n, _)| *n);
        return Value::Array(items.into_iter().map(|(_, item)| item).collect());
    }
    Value::Object(members.into_iter().map(|(name, value)| (name, fold(value))).collect())
}

/// The XML of an answer.
pub(super) fn answer(operation: &str, namespace: &str, result: &Value, request_id: &str) -> String {
    let mut xml = format!("<{operation}Response xmlns=\"{namespace}\"><{operation}Result>");
    write(&mut xml, result);
    xml += &format!(
        "</{operation}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation}Response>"
    );
    xml
}

/// The XML of an error.
pub(super) fn error(error: &ApiError, namespace: &str, request_id: &str) -> String {
    let kind = if error.status < 500 { "Sender" } else { "Receiver" };
    let (code, message) = (escape(&error.code), escape(&error.message));
    format!(
        "<ErrorResponse xmlns=\"{namespace}\"><Error><Type>{kind}</Type><Code>{code}</Code><Message>{message}</Message>\
         </Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
}

fn write(xml: &mut String, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                // A flattened list: its element again and again.
                if let (Some(name), Value::Array(items)) = (name.strip_prefix('*'), value) {
                    for item in items {
                        *xml += &format!("<{name}>");
                        write(xml, item);
                        *xml += &format!("</{name}>");
                    }
                    continue;
                }
                *xml += &format!("<{name}>");
                match value {
                    Value::Object(map) if name == "Attributes" => {
                        for (key, value) in map {
                            *xml += &format!("<entry><key>{}</key><value>", escape(key));
                            write(xml, value);
                            *xml += "</value></entry>";
                        }
                    }
                    value => write(xml, value),
                }
                *xml += &format!("</{name}>");
            }
        }
        Value::Array(items) => {
            for item in items {
                *xml += "<member>";
                write(xml, item);
                *xml += "</member>";
            }
        }
        Value::String(text) => *xml += &escape(text),
        Value::Null => {}
        other => *xml += &other.to_string(),
    }
}

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // Not allowed in XML 1.0, escaped or not.
            c if c.is_control() && !"\t\n\r".contains(c) => escaped += "\u{fffd}",
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn forms_unfold() {
        let form = b"Action=Publish&Message=a%26b&MessageAttributes.entry.1.Name=status&MessageAttributes.entry.1.Value.DataType=String\
            &MessageAttributes.entry.1.Value.StringValue=FAILED&Attributes.entry.1.key=Raw&Attributes.entry.1.value=true\
            &Entries.member.2.Id=b&Entries.member.1.Id=a";
        let form = Value::Object(unfold(form));
        assert_eq!(form["Message"], "a&b");
        assert_eq!(form["MessageAttributes"], json!({"status": {"DataType": "String", "StringValue": "FAILED"}}));
        assert_eq!(form["Attributes"], json!({"Raw": "true"}));
        assert_eq!(form["Entries"], json!([{"Id": "a"}, {"Id": "b"}]));
    }

    #[test]
    fn answers_are_escaped() {
        let xml = answer("X", "ns", &json!({"Attributes": {"a": "<b>"}, "L": [{"I": "1"}]}), "r");
        assert!(xml.contains("<entry><key>a</key><value>&lt;b&gt;</value></entry>"), "{xml}");
        assert!(xml.contains("<L><member><I>1</I></member></L>"), "{xml}");
    }
}
