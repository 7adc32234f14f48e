//! Requests as text: JSON, or YAML as people have state machines in it.

use serde_json::Value;

use super::RequestError;

/// As deep as serde_json reads.
const MOST_LEVELS: usize = 128;

/// The document that a text is: JSON, or else YAML.
pub fn document(text: &str) -> Result<Value, RequestError> {
    match serde_json::from_str(text) {
        Ok(value) => Ok(value),
        Err(_) if may_be_yaml(text) => yaml(text),
        Err(error) => Err(RequestError::new(format!("not JSON: {error}"))),
    }
}

/// Every document of a file: JSON one after the other, the items of arrays one by one, or one document in YAML.
pub fn documents(text: &str) -> Result<Vec<Value>, RequestError> {
    let stream: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let documents = stream.or_else(|_| document(text).map(|one| vec![one]))?;
    let items = |document| match document {
        Value::Array(items) => items,
        one => vec![one],
    };
    Ok(documents.into_iter().flat_map(items).collect())
}

/// Whether a text that is no JSON is to be read as YAML: what begins as JSON is meant to be JSON.
pub fn may_be_yaml(text: &str) -> bool {
    !text.trim_start().starts_with(['{', '[', '"']) && text.contains(':')
}

/// YAML by serde-saphyr, which bounds depth, aliases and size. A tag is refused: `!Ref` and its like have their values in
/// CloudFormation only, and the text behind them is not the value.
fn yaml(text: &str) -> Result<Value, RequestError> {
    let options = serde_saphyr::options! {
        reject_unsupported_tags: true,
        // YAML 1.2: on, off, yes and no are words.
        strict_booleans: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MOST_LEVELS },
    };
    let value = serde_saphyr::from_str_with_options(text, options);
    value.map_err(|error| {
        let said = error.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        let tag = said
            .contains("tag")
            .then_some("; tags such as !Ref and !Sub have values in CloudFormation only: write the value in");
        RequestError::new(format!("not YAML that can be taken: {said}{}", tag.unwrap_or_default()))
    })
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
    fn what_is_neither_is_refused_in_one_line() {
        let bomb = (0..30).fold("a0: &a0 [x, x]\n".to_owned(), |text, n| {
            format!("{text}a{}: &a{} [{}]\n", n + 1, n + 1, format!("*a{n}, ").repeat(10))
        });
        let deep = format!("a: {}", "[".repeat(100_000));
        for (text, part) in [
            ("{\"a\": ", "not JSON: EOF"),
            ("hello", "not JSON"),
            ("", "not JSON"),
            ("a: b\n  c: d\n - e", "not YAML"),
            ("a: 1\na: 2\n", "not YAML"),
            ("Cluster: !Ref Cluster\n", "!Ref and !Sub have values in CloudFormation only"),
            ("Cluster: !Sub '${Cluster}'\n", "!Ref and !Sub have values in CloudFormation only"),
            ("States: {a: !GetAtt [A, Arn]}\n", "!Ref and !Sub have values in CloudFormation only"),
            (&bomb, "not YAML"),
            (&deep, "not YAML"),
        ] {
            let said = document(text).unwrap_err().message;
            assert!(said.contains(part) && !said.contains('\n'), "{}: {said}", &text[..text.len().min(60)]);
        }
    }
}
