//! What templates leave open: CloudFormation's references become placeholders (`${Name}`), and placeholders whose values are known are
//! filled in.

use serde_json::{Map, Value};

use crate::core::placeholder::{MARKS, Placeholder};

/// Levels of a template's functions in each other.
const MOST_LEVELS: usize = 100;

/// Puts placeholders in the place of CloudFormation's functions: `{"Ref": "Cluster"}` is `${Cluster}`, `Fn::Join` the joined text.
pub fn symbolic(value: &mut Value) {
    symbolic_at(value, 0);
}

fn symbolic_at(value: &mut Value, level: usize) {
    if level > MOST_LEVELS {
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| symbolic_at(item, level + 1)),
        Value::Object(members) => {
            members.values_mut().for_each(|value| symbolic_at(value, level + 1));
            if let Some(known) = function(members) {
                *value = known;
            }
        }
        _ => {}
    }
}

/// The text that one of CloudFormation's functions stands for, or the list; its arguments are texts already.
fn function(members: &Map<String, Value>) -> Option<Value> {
    let mut one = members.iter().filter(|_| members.len() == 1);
    let (name, argument) = one.next()?;
    let texts = |items: &[Value]| items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let text = match (name.as_str(), argument) {
        ("Ref", Value::String(name)) => format!("${{{name}}}"),
        ("Fn::GetAtt", Value::String(name)) => format!("${{{name}}}"),
        ("Fn::GetAtt", Value::Array(parts)) => format!("${{{}}}", texts(parts)?.join(".")),
        ("Fn::Sub", Value::String(text)) => text.clone(),
        ("Fn::Sub", Value::Array(parts)) => match parts.as_slice() {
            [Value::String(text), Value::Object(values)] => {
                let mut text = Value::from(text.as_str());
                fill(&mut text, values);
                text.as_str()?.to_owned()
            }
            _ => return None,
        },
        ("Fn::Join", Value::Array(parts)) => match parts.as_slice() {
            [Value::String(between), Value::Array(items)] => texts(items)?.join(between),
            // A list that is not known yet.
            [Value::String(_), Value::String(list)] => list.clone(),
            _ => return None,
        },
        ("Fn::Split", Value::Array(parts)) => match parts.as_slice() {
            [Value::String(_), Value::String(list)] if list.contains("${") => list.clone(),
            [Value::String(between), Value::String(list)] if !between.is_empty() => {
                return Some(list.split(between.as_str()).collect());
            }
            _ => return Some(unknown("Split", argument)),
        },
        ("Fn::Select", Value::Array(parts)) => match parts.as_slice() {
            [at, Value::Array(items)] => {
                let at = at.as_u64().or_else(|| at.as_str()?.parse().ok()).and_then(|at| usize::try_from(at).ok())?;
                return items.get(at).cloned();
            }
            _ => return Some(unknown("Select", argument)),
        },
        // A template imports several values: each by its own name.
        ("Fn::ImportValue", Value::String(name)) => {
            format!("${{ImportValue.{}}}", name.replace("${", "").replace('}', ""))
        }
        (name, argument) => return Some(unknown(name.strip_prefix("Fn::")?, argument)),
    };
    Some(Value::String(text))
}

/// The placeholder of a function without a value: one for each argument, so that no value gets into another's place.
pub(super) fn unknown(name: &str, argument: &Value) -> Value {
    let mut argument = argument.clone();
    symbolic(&mut argument);
    let parts = match &argument {
        Value::Array(items) => items.iter().map(|item| text_of(item).unwrap_or_else(|| item.to_string())).collect(),
        one => vec![text_of(one).unwrap_or_else(|| one.to_string())],
    };
    let shown = parts.join(".").replace("${", "").replace(['{', '}', '"', '$', '='], "");
    Value::from(format!("${{{name}.{shown}}}"))
}

/// A scalar as CloudFormation compares it.
pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Puts the values in the place of their placeholders. A text that is one placeholder becomes the value itself, be it a list.
pub fn fill(value: &mut Value, values: &Map<String, Value>) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) if MARKS.iter().any(|(open, _)| text.contains(open)) => {
                *value = filled(&with_others(text, values), values);
            }
            Value::Array(items) => {
                spliced(items, values);
                open.extend(items);
            }
            Value::Object(members) => open.extend(members.values_mut()),
            _ => {}
        }
    }
}

/// A list in the place of one item of a list, as templates write it (`["${Subnets}"]`), is its items.
fn spliced(items: &mut Vec<Value>, values: &Map<String, Value>) {
    let list = |item: &Value| values.get(name_of(item.as_str()?)?)?.as_array().cloned();
    if items.iter().any(|item| list(item).is_some()) {
        *items = std::mem::take(items).into_iter().flat_map(|item| list(&item).unwrap_or_else(|| vec![item])).collect();
    }
}

/// The name of the placeholder that a text is.
fn name_of(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}').map(str::trim)
}

/// A text with the placeholders of other tools filled in, as far as their values are known: `{{ Name }}`, `<< Name >>`, `%Name%`.
fn with_others(text: &str, values: &Map<String, Value>) -> String {
    let mut done = text.to_owned();
    for (open, close) in &MARKS[1..] {
        for (name, value) in values {
            let shown = |one: &Placeholder<'_>| one.name == name;
            let mut from = 0;
            while let Some(one) = done.get(from..).and_then(|rest| Placeholder::between(rest, open, close)) {
                let begin = from + done[from..].find(one.shown).unwrap_or_default();
                let end = begin + one.shown.len();
                // A list takes the place of a text by itself only, as `${Name}` does.
                let (is_one, text) =
                    (shown(&one), value.as_str().map_or_else(|| format!("${{{name}}}"), str::to_owned));
                if is_one {
                    done.replace_range(begin..end, &text);
                }
                from = if is_one { begin + text.len() } else { end };
            }
        }
    }
    done
}

fn filled(text: &str, values: &Map<String, Value>) -> Value {
    if let Some(value) = name_of(text).and_then(|name| values.get(name)) {
        return value.clone();
    }
    let (mut done, mut rest) = (String::new(), text);
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let (name, end) = (rest[start + 2..start + length].trim(), start + length + 1);
        done += &rest[..start];
        let (placeholder, behind) = (&rest[start..end], &rest[end..]);
        rest = behind;
        match values.get(name) {
            Some(Value::String(value)) => done += value,
            Some(value) => match in_quotes(&done, behind) {
                // The quotes are a scalar's: the list or object takes their place too.
                Some(place) => {
                    done.pop();
                    done += &written(value, place);
                    rest = &behind[1..];
                }
                None => done += &value.to_string(),
            },
            None => done += placeholder,
        }
    }
    Value::String(done + rest)
}

/// Where a placeholder stands that is a string of its own in JSON text.
enum Place {
    /// An item of an array.
    Item,
    /// The value of a member.
    Member,
}

/// The place of a placeholder between these texts; none where it is not a JSON string of its own.
fn in_quotes(before: &str, behind: &str) -> Option<Place> {
    let before = before.strip_suffix('"')?.trim_end();
    let behind = behind.strip_prefix('"')?.trim_start();
    match (before.chars().next_back()?, behind.chars().next()?) {
        ('[' | ',', ']' | ',') => Some(Place::Item),
        (':', '}' | ',') => Some(Place::Member),
        _ => None,
    }
}

/// A value as JSON text; a list in the place of an item is its items.
fn written(value: &Value, place: Place) -> String {
    match (value, place) {
        (Value::Array(items), Place::Item) => items.iter().map(Value::to_string).collect::<Vec<_>>().join(","),
        (value, _) => value.to_string(),
    }
}

/// The names of the placeholders of templates in a document, `${Name}`, in order.
pub fn placeholders(value: &Value) -> Vec<String> {
    between(value, &MARKS[..1])
}

/// The same with those of other tools.
pub fn all_placeholders(value: &Value) -> Vec<String> {
    between(value, &MARKS)
}

fn between(value: &Value, marks: &[(&str, &str)]) -> Vec<String> {
    let (mut open, mut names) = (vec![value], Vec::new());
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => {
                for (begin, end) in marks {
                    let parts = text.match_indices(begin).map(|(at, _)| &text[at..]);
                    names
                        .extend(parts.filter_map(|part| Some(Placeholder::between(part, begin, end)?.name.to_owned())));
                }
            }
            Value::Array(items) => open.extend(items.iter().rev()),
            Value::Object(members) => open.extend(members.values().collect::<Vec<_>>().into_iter().rev()),
            _ => {}
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| !name.is_empty() && seen.insert(name.clone()));
    names
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_in_a_definitions_text_takes_the_quotes_of_its_placeholder() {
        let values = json!({"list": ["a", "b\"c"], "none": [], "object": {"x": 1}, "one": "a", "joined": "a\",\"b"});
        for (text, expected) in [
            (r#"{"s": ["${list}"]}"#, json!({"s": ["a", "b\"c"]})),
            (r#"{"s": [ "x", "${ list }" , "y"]}"#, json!({"s": ["x", "a", "b\"c", "y"]})),
            (r#"{"s": "${list}", "t": "${list}"}"#, json!({"s": ["a", "b\"c"], "t": ["a", "b\"c"]})),
            (r#"{"s": ${list}}"#, json!({"s": ["a", "b\"c"]})),
            (r#"{"s": ["${none}"]}"#, json!({"s": []})),
            (r#"{"s": "${object}"}"#, json!({"s": {"x": 1}})),
            // A scalar is put in as it is, as by CloudFormation.
            (
                r#"{"s": ["${one}"], "t": "${one}-${one}", "u": ["${joined}"]}"#,
                json!({"s": ["a"], "t": "a-a", "u": ["a", "b"]}),
            ),
            (r#"{"s": ["${unknown}"]}"#, json!({"s": ["${unknown}"]})),
        ] {
            let mut value = Value::from(text);
            fill(&mut value, values.as_object().unwrap());
            let read: Value =
                serde_json::from_str(value.as_str().unwrap()).unwrap_or_else(|e| panic!("{text}: {value}: {e}"));
            assert_eq!(read, expected, "{text}");
        }
    }

    #[test]
    fn references_become_placeholders_and_placeholders_their_values() {
        for (template, expected) in [
            (json!({"Ref": "Cluster"}), json!("${Cluster}")),
            (json!({"Fn::GetAtt": ["Cluster", "Arn"]}), json!("${Cluster.Arn}")),
            (json!({"Fn::GetAtt": "Cluster.Arn"}), json!("${Cluster.Arn}")),
            (json!({"Fn::Sub": "arn:${AWS::Partition}:x"}), json!("arn:${AWS::Partition}:x")),
            (json!({"Fn::Sub": ["${a}-${b}", {"a": {"Ref": "A"}}]}), json!("${A}-${b}")),
            (json!({"Fn::Join": ["", ["{\"a\": \"", {"Ref": "A"}, "\"}"]]}), json!("{\"a\": \"${A}\"}")),
            (json!({"Fn::ImportValue": {"Fn::Sub": "${App}-cluster"}}), json!("${ImportValue.App-cluster}")),
            (
                json!({"Fn::Join": ["\",\"", {"Fn::Split": [",", {"Fn::ImportValue": "subnets"}]}]}),
                json!("${ImportValue.subnets}"),
            ),
            (json!({"Fn::Split": [",", "a,b"]}), json!(["a", "b"])),
            (json!({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}), json!("b")),
            (json!({"Fn::Select": ["0", {"Ref": "A"}]}), json!("${Select.0.A}")),
            (json!({"Fn::If": ["X", "a", {"Ref": "B"}]}), json!("${If.X.a.B}")),
            (json!([{"Ref": "A", "B": 1}, {"Ref": 5}]), json!([{"Ref": "A", "B": 1}, {"Ref": 5}])),
        ] {
            let mut value = template.clone();
            symbolic(&mut value);
            assert_eq!(value, expected, "{template}");
        }
        let values = json!({"a": "x", "subnets": ["s1", "s2"], "AWS::Region": "eu-west-1"});
        let mut value = json!({"c": "${a}-${ a }-${b}-${", "s": "${subnets}", "r": ["${AWS::Region}"], "t": "in ${subnets}", "n": 1});
        assert_eq!(placeholders(&value), ["a", "b", "AWS::Region", "subnets"]);
        fill(&mut value, values.as_object().unwrap());
        let expected =
            json!({"c": "x-x-${b}-${", "s": ["s1", "s2"], "r": ["eu-west-1"], "t": "in [\"s1\",\"s2\"]", "n": 1});
        assert_eq!(value, expected);
        let mut value = json!({"c": "{{ a }}-{{b}}-%a%", "s": "<< subnets >>", "p": "5% of %b%"});
        assert_eq!(placeholders(&value), Vec::<String>::new());
        assert_eq!(all_placeholders(&value), ["a", "b", "subnets"]);
        fill(&mut value, values.as_object().unwrap());
        assert_eq!(value, json!({"c": "x-{{b}}-x", "s": ["s1", "s2"], "p": "5% of %b%"}));
        let mut value = json!(["${subnets}", "${a}", ["${ subnets }"], "x ${subnets}"]);
        fill(&mut value, values.as_object().unwrap());
        assert_eq!(value, json!(["s1", "s2", "x", ["s1", "s2"], "x [\"s1\",\"s2\"]"]));
    }
}
