//! Run requests are held to AWS's own service model, as botocore has it.

use serde_json::Value;
use taskwatch::core::run_task;

use super::support::python;

const DUMP: &str = "
import json, botocore.session
model = botocore.session.get_session().get_service_model('ecs')
def dump(shape):
    if shape.type_name == 'structure':
        members = {name: dump(member) for name, member in shape.members.items()}
        return {'!required': sorted(shape.required_members), **members} if shape.required_members else members
    if shape.type_name == 'list':
        return [dump(shape.member)]
    return shape.type_name
print(json.dumps(dump(model.operation_model('RunTask').input_shape)))
";

#[test]
fn every_member_of_runtask_is_known_with_its_type() {
    let output = python::command().args(["-c", DUMP]).output().expect("python");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let theirs: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let mut wrong = Vec::new();
    compare("RunTask", &theirs, run_task::model(), &mut wrong);
    assert!(wrong.is_empty(), "src/core/run_task/model.json differs from AWS's model:\n{}", wrong.join("\n"));
}

/// Everything of theirs must be in ours; ours may know a newer member.
fn compare(path: &str, theirs: &Value, ours: &Value, wrong: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, shape) in theirs {
                match ours.get(name) {
                    Some(_) if name == "!required" => {}
                    Some(known) => compare(&format!("{path}.{name}"), shape, known, wrong),
                    None => wrong.push(format!("{path}.{name} is missing")),
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => compare(&format!("{path}[]"), &theirs[0], &ours[0], wrong),
        (Value::String(theirs), Value::String(ours)) if ours.split('|').next() == Some(theirs) => {}
        _ => wrong.push(format!("{path}: theirs is {theirs}, ours is {ours}")),
    }
}

#[test]
fn a_missing_member_is_seen() {
    let mut wrong = Vec::new();
    let theirs = serde_json::json!({"a": "string", "b": ["integer"]});
    compare("X", &theirs, &serde_json::json!({"b": ["string"]}), &mut wrong);
    assert_eq!(wrong.len(), 2, "{wrong:?}");
}
