//! The desired state as a CloudFormation template.

use serde_json::{Map, Value, json};

use super::SetupError;
use super::ask::Ask;
use super::members;
use super::wanted::{Pipeline, Place, Role, Wanted, WantedQueue, WantedRule};
use super::yaml;

/// What `setup` would make, in YAML. Needs no AWS access: account and region are CloudFormation's own.
///
/// # Errors
/// A name that AWS does not take.
pub fn template(ask: &Ask) -> Result<String, SetupError> {
    ask.check()?;
    let pseudo = |name: &str| format!("${{AWS::{name}}}");
    let place = Place { partition: pseudo("Partition"), region: pseudo("Region"), account: pseudo("AccountId") };
    let wanted = Wanted::new(&members::usual(ask), &place);
    let mut document = Map::new();
    document.insert("AWSTemplateFormatVersion".into(), "2010-09-09".into());
    document.insert(
        "Description".into(),
        match (&ask.fleet, &ask.table) {
            (None, None) => format!("The path of the taskwatch cell {}: queues, rule, topic", ask.name).into(),
            (None, Some(_)) => format!("What the taskwatch cell {} needs: table, queues, rule, topic", ask.name).into(),
            (Some(_), _) => format!("What the taskwatch fleet {} needs: table, queues, rules, topic", ask.name).into(),
        },
    );
    document.insert("Resources".into(), resources(&wanted));
    document.insert("Outputs".into(), outputs(&wanted));
    Ok(yaml::write(&refer(&Value::Object(document), &wanted)))
}

fn id(queue: &WantedQueue) -> String {
    let role = match queue.role {
        Role::EventsDlq => "EventsDlq",
        Role::Events => "EventsQueue",
        Role::RequestsDlq => "RequestsDlq",
        Role::Requests => "RequestsQueue",
    };
    numbered(queue.number, role)
}

/// A name that is a cell's own in the template of a fleet.
fn numbered(number: Option<u32>, name: &str) -> String {
    number.map_or_else(|| name.to_owned(), |number| format!("Cell{number}{name}"))
}

fn resources(wanted: &Wanted) -> Value {
    let mut all = Map::new();
    if let Some(table) = &wanted.table {
        let mut made = resource("AWS::DynamoDB::Table", table.properties());
        // What the stack's end leaves alone: every run is in it.
        made["DeletionPolicy"] = "Retain".into();
        made["UpdateReplacePolicy"] = "Retain".into();
        all.insert("Table".into(), made);
    }
    for queue in wanted.queues() {
        all.insert(id(queue), resource("AWS::SQS::Queue", queue_properties(queue)));
    }
    for queue in wanted.queues().filter(|queue| queue.statement.is_some()) {
        let document = json!({"Version": "2012-10-17", "Statement": [queue.statement]});
        let properties = json!({"Queues": [{"Ref": id(queue)}], "PolicyDocument": document});
        all.insert(format!("{}Policy", id(queue)), resource("AWS::SQS::QueuePolicy", properties));
    }
    for pipeline in &wanted.pipelines {
        for (wanted, name) in pipeline.rules().zip(["EventsRule", "TasksRule", "CallsRule"]) {
            all.insert(numbered(pipeline.number, name), rule(pipeline, wanted));
        }
    }
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

fn rule(pipeline: &Pipeline, rule: &WantedRule) -> Value {
    let mut made = resource(
        "AWS::Events::Rule",
        json!({"Name": rule.name, "Description": rule.description, "EventPattern": rule.pattern, "State": "ENABLED", "Targets": [rule.target]}),
    );
    // Before the rule sends, the queues let it.
    made["DependsOn"] = json!([&pipeline.events, &pipeline.dlq].map(|queue| format!("{}Policy", id(queue))));
    made
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
    let url = |queue: &WantedQueue| json!({"Value": {"Ref": id(queue)}});
    let mut all = json!({"RequestsQueueUrl": url(&wanted.requests), "RequestsDlqUrl": url(&wanted.requests_dlq),
        "TopicArn": {"Value": wanted.topic.arn}});
    if let Some(table) = &wanted.table {
        all["Store"] = json!({"Value": format!("dynamodb:{}", table.name)});
    }
    match (wanted.is_fleet, wanted.pipelines.first()) {
        (true, _) => all["Fleet"] = json!({"Value": wanted.name}),
        (false, pipeline) => all["EventsQueueUrl"] = pipeline.map(|of| url(&of.events)).unwrap_or_default(),
    }
    if let Some(bus) = &wanted.bus {
        all["EventBus"] = json!({ "Value": bus });
    }
    all
}

/// Our own ARNs become references; other texts with a pseudo parameter are substituted.
fn refer(value: &Value, wanted: &Wanted) -> Value {
    match value {
        Value::String(text) => {
            if let Some(queue) = wanted.queues().find(|queue| queue.arn == *text) {
                return json!({"Fn::GetAtt": [id(queue), "Arn"]});
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
        let ask = Ask { name: "blue".into(), clusters: vec!["batch".into()], ..Ask::default() };
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

    #[test]
    fn the_template_of_a_fleet_has_its_table_once_and_a_pipeline_for_each_cell() {
        let fleet = super::super::FleetAsk { cells: Some(3), table: "runs".into() };
        let text = template(&Ask { name: "blue".into(), fleet: Some(fleet), ..Ask::default() }).unwrap();
        let count = |part: &str| text.matches(part).count();
        assert_eq!((count("AWS::DynamoDB::Table"), count("AWS::Events::Rule"), count("AWS::SQS::Queue\"")), (1, 3, 8));
        assert_eq!((count("DeletionPolicy: \"Retain\""), count("AWS::SNS::Topic\"")), (1, 1));
        for part in
            ["Cell2EventsQueuePolicy", "blue-2-events", "dynamodb:runs", "NonKeyAttributes", "prefix: \"blue-0/\""]
        {
            assert!(count(part) > 0, "{part} is not in\n{text}");
        }
        assert_eq!(count("EventsQueueUrl"), 0, "the cells find their queues by name");
    }
}
