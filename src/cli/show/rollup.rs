//! An array request at a glance: its runs by status, and by what they fail of or wait for.

use serde_json::Value;

use super::super::failure::Failure;
use super::super::output::cell;

/// Counts, and below them each group with what to do and a few of its runs.
pub(super) fn told(name: &str, counted: &Value) -> String {
    let counts = counted["statuses"].as_object().into_iter().flatten();
    let counts: Vec<String> =
        counts.map(|(status, count)| format!("{} {}", cell(count), cell(&status.as_str().into()))).collect();
    let mut lines = vec![format!("{name}: {} runs: {}", cell(&counted["runs"]), counts.join(", "))];
    for group in groups(counted, "causes") {
        let failure = Failure::of(group["error"].as_str(), group["cause"].as_str(), group["exitCode"].as_i64());
        told_of(group, &format!(", {}", failure.line()), &mut lines);
    }
    for group in groups(counted, "waits") {
        told_of(group, &format!(": {}", cell(&group["text"])), &mut lines);
    }
    for (left_out, of) in [("causesLeftOut", "causes"), ("waitsLeftOut", "things that runs wait for")] {
        if let Some(left_out) = counted[left_out].as_u64().filter(|left_out| *left_out > 0) {
            lines.push(format!("\nand {left_out} other {of}: taskwatch list --name {name} --wide"));
        }
    }
    lines.join("\n")
}

fn groups<'v>(counted: &'v Value, kind: &str) -> impl Iterator<Item = &'v Value> {
    counted[kind].as_array().into_iter().flatten()
}

fn told_of(group: &Value, what: &str, lines: &mut Vec<String>) {
    let runs = group["runs"].as_u64().unwrap_or_default();
    lines.push(format!("\n{runs} × {}{what}", cell(&group["status"])));
    if group["hint"].is_string() {
        lines.push(format!("  do: {}", cell(&group["hint"])));
    }
    let examples: Vec<String> = group["examples"].as_array().into_iter().flatten().map(cell).collect();
    let others = runs.saturating_sub(examples.len() as u64);
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    lines.push(format!("  runs: {}{more}", examples.join(", ")));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_array_is_told_by_counts_and_each_group_with_what_to_do() {
        let counted = json!({
            "runs": 8, "complete": true, "statuses": {"FAILED": 6, "QUEUED": 1, "SUCCEEDED": 1},
            "causes": [
                {"runs": 5, "status": "FAILED", "exitCode": 3, "error": "EssentialContainerExited", "hint": "mend it",
                    "cause": "container \"etl\" exited with 3", "examples": ["f/0", "f/1", "f/2"]},
                {"runs": 1, "status": "FAILED", "exitCode": null, "error": "AGENT", "cause": "no\u{1b} agent", "hint": null,
                    "examples": ["f/5"]},
            ],
            "causesLeftOut": 2, "waitsLeftOut": 0,
            "waits": [{"runs": 1, "status": "QUEUED", "text": "queue a is paused by x", "examples": ["f/6"]}],
        });
        let expected = "f: 8 runs: 6 FAILED, 1 QUEUED, 1 SUCCEEDED

5 × FAILED, exit 3 (etl)
  do: mend it
  runs: f/0, f/1, f/2 and 2 more

1 × FAILED, AGENT: no  agent
  runs: f/5

1 × QUEUED: queue a is paused by x
  runs: f/6

and 2 other causes: taskwatch list --name f --wide";
        assert_eq!(told("f", &counted), expected);
    }
}
