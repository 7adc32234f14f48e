//! SQS's own forms: flattened lists and maps, as SDKs sent them before its JSON protocol (API reference, "Making Query API
//! requests"). Turned into the JSON protocol's shapes and back, so that there is one SQS.

use serde_json::{Map, Value, json};

/// Members that are numbers in JSON.
const NUMBERS: [&str; 5] =
    ["DelaySeconds", "MaxNumberOfMessages", "VisibilityTimeout", "WaitTimeSeconds", "MaxResults"];

/// The name of an error before the JSON protocol.
pub(in crate::local) fn old_code(code: &str) -> String {
    match code {
        "QueueDoesNotExist" => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
        "QueueNameExists" => "QueueAlreadyExists".to_owned(),
        "UnknownOperationException" => "InvalidAction".to_owned(),
        "EmptyBatchRequest"
        | "TooManyEntriesInBatchRequest"
        | "BatchEntryIdsNotDistinct"
        | "BatchRequestTooLong"
        | "InvalidBatchEntryId"
        | "UnsupportedOperation"
        | "MessageNotInflight" => format!("AWS.SimpleQueueService.{code}"),
        code => code.to_owned(),
    }
}

/// A form as the JSON protocol has it. The queue may be named by the path alone.
pub(in crate::local) fn request(form: Map<String, Value>, path: &str, origin: &str) -> Value {
    let mut body = structure(form);
    if body["QueueUrl"].is_null() && path.len() > 1 {
        body["QueueUrl"] = format!("{origin}{path}").into();
    }
    body
}

fn structure(form: Map<String, Value>) -> Value {
    let mut body = Map::new();
    for (name, value) in form {
        let (name, value) = match name.as_str() {
            "Attribute" => ("Attributes", map(value, "Name", "Value")),
            "MessageAttribute" => ("MessageAttributes", map(value, "Name", "Value")),
            "MessageSystemAttribute" => ("MessageSystemAttributes", map(value, "Name", "Value")),
            "Tag" => {
                let tags = map(value, "Key", "Value");
                // CreateQueue says `tags`, TagQueue says `Tags`.
                body.insert("tags".to_owned(), tags.clone());
                ("Tags", tags)
            }
            "AttributeName" => ("AttributeNames", list(value)),
            "MessageAttributeName" => ("MessageAttributeNames", list(value)),
            "MessageSystemAttributeName" => ("MessageSystemAttributeNames", list(value)),
            "TagKey" => ("TagKeys", list(value)),
            batch if batch.ends_with("BatchRequestEntry") => ("Entries", list(value)),
            number if NUMBERS.contains(&number) => {
                let parsed = value.as_str().and_then(|text| text.parse::<i64>().ok());
                (number, parsed.map_or(value, Value::from))
            }
            other => (other, value),
        };
        body.insert(name.to_owned(), value);
    }
    Value::Object(body)
}

/// `{1: …, 2: …}` in the order of its numbers; structures in it are unfolded too.
fn list(value: Value) -> Value {
    let Value::Object(items) = value else { return json!([value]) };
    let mut items: Vec<(u64, Value)> = items.into_iter().filter_map(|(n, v)| Some((n.parse().ok()?, v))).collect();
    items.sort_by_key(|(n, _)| *n);
    let unfolded = items.into_iter().map(|(_, item)| match item {
        Value::Object(form) => structure(form),
        item => item,
    });
    Value::Array(unfolded.collect())
}

fn map(value: Value, key: &str, member: &str) -> Value {
    let Value::Object(items) = value else { return json!({}) };
    let pairs = items.into_iter().filter_map(|(_, mut item)| {
        Some((item[key].as_str()?.to_owned(), item.get_mut(member).map(Value::take).unwrap_or_else(|| "".into())))
    });
    Value::Object(pairs.collect())
}

/// An answer with flattened lists; a name that begins with `*` is an element that repeats.
pub(in crate::local) fn answer(operation: &str, value: Value) -> Value {
    let Value::Object(members) = value else { return value };
    let mut out = Map::new();
    for (name, value) in members {
        let (name, value) = match name.as_str() {
            "QueueUrls" | "queueUrls" => ("*QueueUrl".to_owned(), value),
            "Messages" => ("*Message".to_owned(), each(operation, value)),
            "Attributes" => ("*Attribute".to_owned(), pairs(value, "Name", "Value")),
            "MessageAttributes" => ("*MessageAttribute".to_owned(), pairs(value, "Name", "Value")),
            "Tags" => ("*Tag".to_owned(), pairs(value, "Key", "Value")),
            "Successful" => (format!("*{operation}ResultEntry"), value),
            "Failed" => ("*BatchResultErrorEntry".to_owned(), value),
            _ => (name, value),
        };
        out.insert(name, value);
    }
    Value::Object(out)
}

fn each(operation: &str, value: Value) -> Value {
    let Value::Array(items) = value else { return value };
    Value::Array(items.into_iter().map(|item| answer(operation, item)).collect())
}

fn pairs(value: Value, key: &str, member: &str) -> Value {
    let Value::Object(members) = value else { return json!([]) };
    Value::Array(members.into_iter().map(|(name, value)| json!({key: name, member: value})).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::query;

    #[test]
    fn forms_become_the_json_protocol() {
        let form = b"QueueUrl=u&DelaySeconds=5&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String\
            &MessageAttribute.1.Value.StringValue=b&AttributeName.2=y&AttributeName.1=x&Attribute.1.Name=n&Attribute.1.Value=v\
            &SendMessageBatchRequestEntry.1.Id=e&SendMessageBatchRequestEntry.1.DelaySeconds=7";
        let body = request(query::unfold(form), "/", "http://h");
        assert_eq!(
            body,
            json!({"QueueUrl": "u", "DelaySeconds": 5, "AttributeNames": ["x", "y"], "Attributes": {"n": "v"},
                "MessageAttributes": {"a": {"DataType": "String", "StringValue": "b"}},
                "Entries": [{"Id": "e", "DelaySeconds": 7}]})
        );
        assert_eq!(request(Map::new(), "/1/q", "http://h")["QueueUrl"], "http://h/1/q");
    }

    #[test]
    fn answers_are_flattened() {
        let value =
            json!({"Messages": [{"Body": "<b>", "Attributes": {"SentTimestamp": "1"}}], "Failed": [{"Id": "1"}]});
        let xml = query::answer("ReceiveMessage", "ns", &answer("ReceiveMessage", value), "r");
        assert!(xml.contains("<BatchResultErrorEntry><Id>1</Id></BatchResultErrorEntry>"), "{xml}");
        assert!(xml.contains("<Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>"), "{xml}");
        assert!(xml.contains("<Body>&lt;b&gt;</Body>") && xml.contains("<Message>"), "{xml}");
    }
}
