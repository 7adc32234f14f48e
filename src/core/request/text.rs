//! Requests as text: JSON, or YAML as people have state machines in it.

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Tagged;

use super::RequestError;
use super::programs;
use super::relaxed::strict;
use super::snapshot;
use super::symbols::symbolic;
use super::terraform;
use super::unique::{json, stream};

/// As deep as serde_json reads.
const MOST_LEVELS: usize = 128;

/// The document that a text is: JSON, or the machine of a Terraform configuration, or else YAML. JSON may have comments, and placeholders of a template in the place of values.
pub fn document(text: &str) -> Result<Value, RequestError> {
    let text = without_head(text);
    match json(text) {
        Ok(value) => Ok(value),
        Err(_) if terraform::is_configuration(text) => {
            let machines = terraform::machines(text)?;
            let count = machines.len();
            let one = machines.into_iter().next().filter(|_| count == 1);
            one.ok_or_else(|| several("a Terraform configuration", count))
        }
        Err(_) if snapshot::is_snapshot(text) => {
            let mut all = snapshot::documents(text)?;
            let count = all.len();
            all.pop().filter(|_| count == 1).ok_or_else(|| several("a Jest snapshot", count))
        }
        // A program reads as YAML now and then, as one text.
        Err(_) if may_be_yaml(text) => match yaml(text) {
            read @ (Ok(Value::String(_)) | Err(_)) => programs::named(text).map_or(read, Err),
            read => read,
        },
        Err(error) => {
            let relaxed = strict(text).map(|text| json(&text));
            match relaxed {
                Some(Ok(value)) => Ok(value),
                _ if error.is_data() => Err(twice(&error)),
                Some(Err(error)) if error.is_data() => Err(twice(&error)),
                _ => Err(programs::named(text).unwrap_or_else(|| RequestError::new(format!("not JSON: {error}")))),
            }
        }
    }
}

/// What is said of a member that is there twice.
fn twice(error: &serde_json::Error) -> RequestError {
    RequestError::new(error.to_string())
}

/// JSON without the comments that stand before it: by them it would be taken for YAML.
fn without_head(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        let behind = match rest.get(..2) {
            Some("//") => rest.split_once('\n').map(|(_, behind)| behind),
            Some("/*") => rest.split_once("*/").map(|(_, behind)| behind),
            _ => break,
        };
        let Some(behind) = behind else { break };
        rest = behind.trim_start();
    }
    if rest.starts_with(['{', '[']) { rest } else { text }
}

fn several(what: &str, count: usize) -> RequestError {
    RequestError::new(format!(
        "{what} with {count} documents: taskwatch convert FILE prints the requests of all of them"
    ))
}

/// Every document of a file: JSON one after the other, the items of arrays one by one, the machines of a Terraform configuration, or
/// one document in YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, RequestError> {
    let text = without_head(text);
    let documents = match stream(text) {
        Ok(documents) => documents,
        Err(error) if error.is_data() => return Err(twice(&error)),
        Err(_) if terraform::is_configuration(text) => terraform::machines(text)?,
        Err(_) if snapshot::is_snapshot(text) => snapshot::documents(text)?,
        Err(_) => vec![document(text)?],
    };
    let items = |document| match document {
        Value::Array(items) => items,
        one => vec![one],
    };
    Ok(documents.into_iter().flat_map(items).collect())
}

/// Whether a text that is no JSON is to be read as YAML: what begins as JSON is meant to be JSON.
pub fn may_be_yaml(text: &str) -> bool {
    !without_head(text).trim_start().starts_with(['{', '[', '"']) && text.contains(':')
}

/// YAML by serde-saphyr, which bounds depth, aliases and size. CloudFormation's tags (`!Ref`, `!Sub`) have their values there only:
/// they become placeholders, which are refused by name where a value is needed. Any other tag is refused.
fn yaml(text: &str) -> Result<Value, RequestError> {
    let options = serde_saphyr::options! {
        // YAML 1.2: on, off, yes and no are words.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MOST_LEVELS },
    };
    let read = serde_saphyr::from_str_with_options::<Tagged<Node>>(text, options);
    let value = read.map_err(|error| error.to_string()).and_then(untagged);
    let mut value = value.map_err(|said| {
        // What the reader advises is for those who write programs with it.
        if said.contains("multiple YAML documents") {
            return RequestError::new("several YAML documents in one file (---): give each a file of its own");
        }
        let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
        let said = said.replace(", set DuplicateKeyPolicy in Options if acceptable", "");
        RequestError::new(format!("not YAML that can be taken: {said}"))
    })?;
    // A template's conditions and mappings are evaluated first, with the values that are given.
    if text.contains('!') && !value.get("Resources").is_some_and(Value::is_object) {
        symbolic(&mut value);
    }
    Ok(value)
}

/// A value of YAML, with the tags inside it.
enum Node {
    Scalar(Value),
    List(Vec<Tagged<Self>>),
    Object(Vec<(String, Tagged<Self>)>),
}

/// The value: a tag of CloudFormation's is its function.
fn untagged(Tagged(node, tag): Tagged<Node>) -> Result<Value, String> {
    let value = match node {
        Node::Scalar(value) => value,
        Node::List(items) => items.into_iter().map(untagged).collect::<Result<_, _>>().map(Value::Array)?,
        Node::Object(members) => {
            let members = members.into_iter().map(|(name, value)| Ok((name, untagged(value)?)));
            members.collect::<Result<_, String>>().map(Value::Object)?
        }
    };
    let function = |name: &str| Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
    match tag.as_deref() {
        None => Ok(value),
        Some(tag) if tag.starts_with("tag:yaml.org,2002:") => Ok(value),
        Some("!Ref") => Ok(function("Ref")),
        Some("!Condition") => Ok(function("Condition")),
        Some(tag) => match tag.strip_prefix('!').filter(|name| FUNCTIONS.contains(name)) {
            Some(name) => Ok(function(&format!("Fn::{name}"))),
            None => Err(format!("unsupported tag `{tag}`: write the value in")),
        },
    }
}

/// CloudFormation's functions that have a short form.
const FUNCTIONS: [&str; 17] = [
    "And",
    "Base64",
    "Cidr",
    "Equals",
    "FindInMap",
    "GetAZs",
    "GetAtt",
    "If",
    "ImportValue",
    "Join",
    "Not",
    "Or",
    "Select",
    "Split",
    "Sub",
    "ToJsonString",
    "Transform",
];

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Nodes)
    }
}

/// Reads a value of any kind.
struct Nodes;

impl<'de> Visitor<'de> for Nodes {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Node::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Node, A::Error> {
        let mut all = Vec::new();
        while let Some(member) = members.next_entry()? {
            all.push(member);
        }
        Ok(Node::Object(all))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_yaml_are_read() {
        let machine = json!({"StartAt": "Run", "States": {"Run": {"Type": "Task", "TimeoutSeconds": 60, "End": true, "Parameters":
            {"Cluster.$": "$.cluster", "Tags": ["a: b", "on", "1.0"], "Text": "two\nlines\n", "Again": {"x": 1}, "More": {"x": 1}}}}});
        let yaml = "\
# a machine\nStartAt: Run\nStates:\n  Run:\n    Type: Task\n    TimeoutSeconds: 60\n    End: true\n    Parameters:\n      Cluster.$: $.cluster\n      \
Tags: ['a: b', on, \"1.0\"]\n      Text: |\n        two\n        lines\n      Again: &again { x: 1 }\n      More: *again\n";
        assert_eq!(document(yaml).unwrap(), machine);
        assert_eq!(document(&machine.to_string()).unwrap(), machine);
    }

    #[test]
    fn what_a_template_leaves_open_is_a_placeholder() {
        let yaml = "Cluster: !Ref Cluster\nTask: !Sub '${AWS::Region}-etl'\nArn: !GetAtt Topic.Arn\nSubnets: [!Ref A, !Select [0, !Ref B]]\n\
                    Name: !Join ['-', [a, !Ref C]]\nText: hello!\n";
        let expected = json!({"Cluster": "${Cluster}", "Task": "${AWS::Region}-etl", "Arn": "${Topic.Arn}", "Subnets": ["${A}", "${Select.0.B}"],
            "Name": "a-${C}", "Text": "hello!"});
        assert_eq!(document(yaml).unwrap(), expected);
        let json = "{ // ours\n\"Subnets\": ${subnets}, \"Url\": \"https://x/\" }";
        assert_eq!(document(json).unwrap(), json!({"Subnets": "${subnets}", "Url": "https://x/"}));
        for head in ["// c: d\n", "/* c: d */\n", "\n// c\n/* d\n e: f */ // g\n"] {
            assert_eq!(document(&format!("{head}{json}")).unwrap(), document(json).unwrap(), "{head}");
            assert_eq!(documents(&format!("{head}{{\"a\": 1}}")).unwrap(), [json!({"a": 1})], "{head}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_in_one_line() {
        let bomb = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            format!("{text}a{}: &a{} [{}]\n", n + 1, n + 1, format!("*a{n}, ").repeat(10))
        });
        let deep = format!("a: {}", "[".repeat(100_000));
        for (text, part) in [
            ("{\"a\": ", "not JSON: EOF"),
            ("a: 1\n---\na: 2\n", "several YAML documents in one file (---): give each a file of its own"),
            ("{\"a\": 1, \"a\": 2}", "the member \"a\" is there twice"),
            ("{ // c\n\"a\": 1, \"a\": 2}", "the member \"a\" is there twice"),
            ("hello", "not JSON"),
            ("", "not JSON"),
            ("a: b\n  c: d\n - e", "not YAML"),
            ("a: 1\na: 2\n", "not YAML"),
            ("Cluster: !Colour red\n", "unsupported tag `!Colour`"),
            ("{\"a\": ${b", "not JSON"),
            (&bomb, "not YAML"),
            (&deep, "not YAML"),
        ] {
            let said = document(text).unwrap_err().message;
            assert!(said.contains(part) && !said.contains('\n'), "{}: {said}", &text[..text.len().min(60)]);
        }
    }
}
