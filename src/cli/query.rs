//! `--query`: a JMESPath expression over the result, as the AWS CLI has it.

use std::fmt;

use serde_json::{Value, json};

use super::error::CliError;
use super::options::Format;
use super::output;

/// A JMESPath expression that was read.
pub(super) struct Query {
    expression: jmespath::Expression<'static>,
}

impl fmt::Debug for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Query({})", self.expression.as_str())
    }
}

impl Query {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, CliError> {
        let expression = jmespath::compile(text);
        expression.map(|expression| Self { expression }).map_err(|error| wrong(text, &error))
    }

    /// What the expression finds in these results of runs: in the members of a single one, in `runs`, and in `tasks` and `failures` as
    /// RunTask's answer has them.
    pub(super) fn of(&self, results: &[Value]) -> Result<Value, CliError> {
        let failed = |error: &jmespath::JmespathError| wrong(self.expression.as_str(), error);
        let found = self.expression.search(document(results)).map_err(|e| failed(&e))?;
        serde_json::to_value(&*found).map_err(|e| CliError::other(format!("--query: {e}")))
    }
}

impl Query {
    /// Writes what it finds, in the formats that the AWS CLI has for it.
    pub(super) fn print(&self, results: &[Value], format: Format) -> Result<(), CliError> {
        let found = self.of(results)?;
        match format {
            Format::Json => output::json(&found),
            Format::Only(special) => special.print(&[found]),
            // A table of anything at all is what its lines are.
            Format::Text | Format::Table => output::data(&text(&found)),
        }
        Ok(())
    }
}

fn wrong(text: &str, error: &jmespath::JmespathError) -> CliError {
    // The crate draws a caret under the column, on lines of its own.
    let why = error.reason.to_string();
    let why = why.lines().next().unwrap_or_default();
    CliError::usage(format!("--query {text:?}: not JMESPath at column {}: {why}", error.column + 1))
}

fn document(results: &[Value]) -> Value {
    let mut document = match results {
        [one] if one.is_object() => one.clone(),
        _ => json!({}),
    };
    let last =
        |run: &Value| run["attempts"].as_array().and_then(|attempts| attempts.last()).cloned().unwrap_or_default();
    let member = |value: &Value, name: &str| value.get(name).cloned().unwrap_or_default();
    let task = |run: &Value| {
        let attempt = last(run);
        let arn = member(&attempt, "taskArn");
        (!arn.is_null()).then(|| {
            let mut task = run["runTask"].clone();
            task["taskArn"] = arn;
            task["lastStatus"] = match (attempt["stoppedAt"].is_null(), attempt["startedAt"].is_null()) {
                (false, _) => "STOPPED".into(),
                (true, false) => "RUNNING".into(),
                (true, true) => "PENDING".into(),
            };
            for name in ["createdAt", "startedAt", "stoppedAt", "exitCode"] {
                task[name] = member(&attempt, name);
            }
            task
        })
    };
    let failure = |run: &Value| {
        let attempt = last(run);
        let refused = member(&attempt, "taskArn").is_null() && !run["error"].is_null();
        refused.then(|| json!({"arn": null, "reason": run["error"], "detail": run["cause"]}))
    };
    document["runs"] = results.into();
    document["tasks"] = results.iter().filter_map(task).collect();
    document["failures"] = results.iter().filter_map(failure).collect();
    document
}

/// A value as the AWS CLI's text format has it: a scalar alone, a list of scalars by tabs, any other list a line each, the members of an
/// object by their names' order.
pub(super) fn text(value: &Value) -> String {
    let scalar = |value: &Value| match value {
        Value::Null => Some("None".to_owned()),
        Value::Bool(yes) => Some(if *yes { "True" } else { "False" }.to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.clone()),
        Value::Array(_) | Value::Object(_) => None,
    };
    if let Some(plain) = scalar(value) {
        return plain;
    }
    let (items, lists): (Vec<&Value>, bool) = match value {
        Value::Array(items) => (items.iter().collect(), true),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| name.as_str());
            (members.into_iter().map(|(_, value)| value).collect(), false)
        }
        _ => (Vec::new(), false),
    };
    let plain: Vec<String> = items.iter().filter_map(|item| scalar(item)).collect();
    let nested = items.iter().filter(|item| item.is_array() || item.is_object()).map(|item| text(item));
    let row = (!plain.is_empty() || !lists && items.is_empty()).then(|| plain.join("\t"));
    row.into_iter().chain(nested).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, attempt: Value) -> Value {
        json!({"name": name, "status": "SUCCEEDED", "error": null, "runTask": {"cluster": "batch", "taskDefinition": "etl:7"},
            "attempts": [{"taskArn": "first"}, attempt]})
    }

    #[test]
    fn the_usual_queries_of_run_task_find_what_they_are_after() {
        let one = [run("a", json!({"taskArn": "arn:1", "startedAt": "t"}))];
        let mut refused = run("c", json!({"taskArn": null}));
        (refused["error"], refused["cause"]) = (json!("RESOURCE:MEMORY"), json!("RESOURCE:MEMORY"));
        let many = [one[0].clone(), run("b", json!({"taskArn": "arn:2", "stoppedAt": "t"})), refused];
        for (query, results, expected) in [
            ("tasks[0].taskArn", &one[..], "arn:1"),
            ("tasks[*].taskArn", &many, "arn:1\tarn:2"),
            ("tasks[].{a:taskArn,b:lastStatus}", &many, "arn:1\tRUNNING\narn:2\tSTOPPED"),
            ("tasks[].[taskArn,cluster]", &many, "arn:1\tbatch\narn:2\tbatch"),
            ("failures[].reason", &many, "RESOURCE:MEMORY"),
            ("length(failures)", &one, "0"),
            ("name", &one, "a"),
            ("runs[?name=='b'].status | [0]", &many, "SUCCEEDED"),
            ("tasks[7].taskArn", &one, "None"),
            ("attempts[-1].taskArn", &one, "arn:1"),
            ("failures", &one, ""),
        ] {
            let found = Query::parse(query).and_then(|q| q.of(results)).unwrap_or_else(|e| panic!("{query}: {e}"));
            assert_eq!(text(&found), expected, "{query}: {found}");
        }
    }

    #[test]
    fn what_is_no_jmespath_is_refused_in_one_line() {
        for query in ["tasks[", "", "nothing(@)", "length(`1`)"] {
            let error = Query::parse(query).and_then(|q| q.of(&[])).expect_err("refused").to_string();
            assert!(error.starts_with("--query ") && !error.contains('\n'), "{error}");
        }
    }
}
