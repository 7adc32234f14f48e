//! The desired state as a CloudFormation template.

use serde_json::{Map, Value, json};

use super::SetupError;
use super::ask::Ask;
use super::wanted::{Place, Role, Wanted, WantedQueue};
use super::yaml;

/// What `setup` would make, in YAML. Needs no AWS access: account and region are CloudFormation's own.
///
/// # Errors
/// A name that AWS does not take.
pub fn template(ask: &Ask) -> Result<String, SetupError> {
    ask.check()?;
    let pseudo = |name: &str| format!("${{AWS::{name}}}");
    let place = Place { partition: pseudo("Partition"), region: pseudo("Region"), account: pseudo("AccountId") };
    let wanted = Wanted::new(ask, &place);
    let mut document = Map::new();
    document.insert("AWSTemplateFormatVersion".into(), "2010-09-09".into());
    document.insert(
        "Description".into(),
        format!("The path of the taskwatch cell {}: queues, rule, topic", ask.cell).into(),
    );
    document.insert("Resources".into(), resources(&wanted));
    document.insert("Outputs".into(), outputs(&wanted));
    Ok(yaml::write(&refer(&Value::Object(document), &wanted)))
}

fn id(role: Role) -> &'static str {
    match role {
        Role::EventsDlq => "EventsDlq",
        Role::Events => "EventsQueue",
        Role::RequestsDlq => "RequestsDlq",
        Role::Requests => "RequestsQueue",
    }
}

fn resources(wanted: &Wanted) -> Value {
    let mut all = Map::new();
    for queue in &wanted.queues {
        all.insert(id(queue.role).into(), resource("AWS::SQS::Queue", queue_properties(queue)));
    }
    for queue in wanted.queues.iter().filter(|queue| queue.statement.is_some()) {
        let document = json!({"Version": "2012-10-17", "Statement": [queue.statement]});
        let properties = json!({"Queues": [{"Ref": id(queue.role)}], "PolicyDocument": document});
        all.insert(format!("{}Policy", id(queue.role)), resource("AWS::SQS::QueuePolicy", properties));
    }
    let rule = &wanted.rule;
    let mut made = resource(
        "AWS::Events::Rule",
        json!({"Name": rule.name, "Description": rule.description, "EventPattern": rule.pattern, "State": "ENABLED", "Targets": [rule.target]}),
    );
    // Before the rule sends, the queues let it.
    made["DependsOn"] = json!(["EventsQueuePolicy", "EventsDlqPolicy"]);
    all.insert("EventsRule".into(), made);
    if let Some(name) = &wanted.topic.name {
        let mut properties = json!({ "TopicName": name });
        wanted.topic.attributes.iter().for_each(|(name, value)| properties[*name] = value.clone());
        all.insert("Topic".into(), resource("AWS::SNS::Topic", properties));
    }
    if let Some(name) = wanted.bus.as_ref().filter(|name| *name != "default") {
        all.insert("NotificationBus".into(), resource("AWS::Events::EventBus", json!({ "Name": name })));
    }
    all.into()
}

fn resource(kind: &str, properties: Value) -> Value {
    json!({"Type": kind, "Properties": properties})
}

fn queue_properties(queue: &WantedQueue) -> Value {
    let mut properties = json!({"QueueName": queue.name});
    queue.attributes.iter().for_each(|(name, value)| properties[*name] = value.clone());
    properties
}

/// The settings of `taskwatch serve`, by their names without the prefix.
fn outputs(wanted: &Wanted) -> Value {
    let url = |role: Role| json!({"Value": {"Ref": id(role)}});
    let mut all = json!({"EventsQueueUrl": url(Role::Events), "RequestsQueueUrl": url(Role::Requests),
        "RequestsDlqUrl": url(Role::RequestsDlq), "TopicArn": {"Value": wanted.topic.arn}});
    if let Some(bus) = &wanted.bus {
        all["EventBus"] = json!({ "Value": bus });
    }
    all
}

/// Our own ARNs become references; other texts with a pseudo parameter are substituted.
fn refer(value: &Value, wanted: &Wanted) -> Value {
    match value {
        Value::String(text) => {
            if let Some(queue) = wanted.queues.iter().find(|queue| queue.arn == *text) {
                return json!({"Fn::GetAtt": [id(queue.role), "Arn"]});
            }
            if wanted.topic.name.is_some() && wanted.topic.arn == *text {
                return json!({"Ref": "Topic"});
            }
            if text.contains("${AWS::") { json!({ "Fn::Sub": text }) } else { value.clone() }
        }
        Value::Array(items) => items.iter().map(|item| refer(item, wanted)).collect(),
        Value::Object(members) => members.iter().map(|(name, member)| (name.clone(), refer(member, wanted))).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_refers_to_its_own_things_and_names_no_account() {
        let ask = Ask { cell: "blue".into(), clusters: vec!["batch".into()], ..Ask::default() };
        let text = template(&ask).unwrap();
        for part in [
            "Type: \"AWS::SQS::QueuePolicy\"",
            "aws:SourceArn: \n                  Fn::Sub: \"arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/blue-events\"",
            "prefix: \"blue/\"",
            "Fn::Sub: \"arn:${AWS::Partition}:ecs:${AWS::Region}:${AWS::AccountId}:cluster/batch\"",
            "MessageRetentionPeriod: 1209600",
        ] {
            let squeezed = |t: &str| t.split_whitespace().collect::<Vec<_>>().join(" ").replace('"', "");
            assert!(squeezed(&text).contains(&squeezed(part)), "{part} is not in\n{text}");
        }
    }
}
