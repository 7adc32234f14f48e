//! The patterns of the rules that let in what others launch.

use serde_json::{Value, json};

use super::ask::Ask;
use super::wanted::{Place, clusters};
use crate::core::name::in_arn;

/// Prefixes that a pattern of at most 2,048 characters has room for.
const MOST_PREFIXES: usize = 64;

/// The ends of tasks that no service and none of these cells launched. `startedBy` may be absent: `anything-but` alone would miss
/// those tasks, for it matches nothing where there is no value.
pub(super) fn tasks(ask: &Ask, place: &Place) -> Value {
    let mut detail = json!({
        "lastStatus": ["DEPROVISIONING", "STOPPED"],
        "group": [{"anything-but": {"prefix": "service:"}}],
        "$or": [
            {"startedBy": [{"exists": false}]},
            {"startedBy": [{"anything-but": {"prefix": own(ask)}}]},
        ],
    });
    if !ask.clusters.is_empty() {
        detail["clusterArn"] = clusters(ask, place);
    }
    json!({"source": ["aws.ecs"], "detail-type": ["ECS Task State Change"], "detail": detail})
}

/// RunTask calls as CloudTrail tells of them. A request names its cluster by name or ARN, and the default one perhaps not at all.
pub(super) fn calls(ask: &Ask, place: &Place) -> Value {
    let mut detail = json!({"eventSource": ["ecs.amazonaws.com"], "eventName": ["RunTask"]});
    let is_default = |cluster: &String| in_arn(cluster) == "default";
    if !ask.clusters.is_empty() && !ask.clusters.iter().any(is_default) {
        let arns = clusters(ask, place);
        let names = ask.clusters.iter().map(|cluster| json!(in_arn(cluster)));
        let all: Vec<Value> = names.chain(arns.as_array().into_iter().flatten().cloned()).collect();
        detail["requestParameters"] = json!({ "cluster": all });
    }
    json!({"source": ["aws.ecs"], "detail-type": ["AWS API Call via CloudTrail"], "detail": detail})
}

/// What `startedBy` of the cells' own tasks begins with.
fn own(ask: &Ask) -> Value {
    let cells = ask.cells();
    match cells.as_slice() {
        [cell] => json!(format!("{}/", cell.name)),
        cells if cells.len() <= MOST_PREFIXES => cells.iter().map(|cell| json!(format!("{}/", cell.name))).collect(),
        _ => json!(format!("{}-", ask.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ask::FleetAsk;
    use super::*;

    fn place() -> Place {
        Place { partition: "aws".into(), region: "us-east-1".into(), account: "123456789012".into() }
    }

    #[test]
    fn the_rules_of_others_leave_out_services_and_the_cells_own_tasks() {
        let ask = Ask { name: "blue".into(), clusters: vec!["batch".into()], ..Ask::default() };
        let pattern = tasks(&ask, &place());
        let arn = "arn:aws:ecs:us-east-1:123456789012:cluster/batch";
        assert_eq!(pattern["detail"]["$or"][1]["startedBy"][0]["anything-but"]["prefix"], "blue/");
        assert_eq!(pattern["detail"]["clusterArn"], json!([arn]));
        assert_eq!(calls(&ask, &place())["detail"]["requestParameters"]["cluster"], json!(["batch", arn]));
        let default = Ask { clusters: vec!["default".into(), "batch".into()], ..ask.clone() };
        assert!(calls(&default, &place())["detail"]["requestParameters"].is_null(), "it may not be named");
    }

    #[test]
    fn a_fleet_leaves_out_the_tasks_of_all_its_cells_and_the_pattern_stays_short_enough() {
        let fleet = |cells| Ask {
            name: "b".repeat(53),
            fleet: Some(FleetAsk { cells: Some(cells), table: "runs".into() }),
            ..Ask::default()
        };
        let prefix = |cells| {
            tasks(&fleet(cells), &place())["detail"]["$or"][1]["startedBy"][0]["anything-but"]["prefix"].clone()
        };
        assert_eq!(prefix(2), json!([format!("{}-0/", "b".repeat(53)), format!("{}-1/", "b".repeat(53))]));
        assert!(prefix(256).to_string().ends_with("-\""));
    }
}
