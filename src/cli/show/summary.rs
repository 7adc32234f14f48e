//! An array request at a glance: its runs by status, and by what they fail of or wait for.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde_json::Value;

use super::super::output::cell;

/// Runs that are named of each group.
const EXAMPLES: usize = 3;
/// Groups that are shown, the largest first.
const GROUPS: usize = 20;

/// What its runs come to. It keeps a few names of each group, and nothing of the others.
#[derive(Default)]
pub(super) struct Summary {
    counts: BTreeMap<String, usize>,
    groups: BTreeMap<Key, Group>,
}

/// What makes runs alike: status, exit code, error, and the cause or reason without what differs from task to task.
type Key = [String; 4];

#[derive(Default)]
struct Group {
    runs: usize,
    examples: Vec<String>,
    /// As it is of the first of them.
    text: String,
    hint: Option<String>,
}

impl Summary {
    pub(super) fn add(&mut self, run: &Value) {
        let status = cell(&run["status"]);
        let failed = matches!(status.as_str(), "FAILED" | "TIMED_OUT" | "ABORTED");
        let told = if failed { &run["cause"] } else { &run["waitingFor"]["text"] };
        if failed || told.is_string() {
            let exit = run["exitCode"].as_i64().filter(|_| failed).map(|code| format!("exit {code}"));
            let error = if failed { cell(&run["error"]) } else { String::new() };
            let text = if told.is_string() { cell(told) } else { String::new() };
            let key = [status.clone(), exit.unwrap_or_default(), error, alike(&text)];
            let group = self.groups.entry(key).or_insert_with(|| Group { text, ..Group::default() });
            group.runs += 1;
            group.hint = group.hint.take().or_else(|| run["hint"].is_string().then(|| cell(&run["hint"])));
            if group.examples.len() < EXAMPLES {
                group.examples.push(cell(&run["name"]));
            }
        }
        *self.counts.entry(status).or_default() += 1;
    }

    /// Counts, and below them each group with what to do and a few of its runs.
    pub(super) fn text(&self, name: &str) -> String {
        let counts: Vec<String> = self.counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let mut lines = vec![format!("{name}: {} runs: {}", self.counts.values().sum::<usize>(), counts.join(", "))];
        let mut groups: Vec<(&Key, &Group)> = self.groups.iter().collect();
        groups.sort_by_key(|(_, group)| Reverse(group.runs));
        for ([status, exit, error, _], group) in groups.iter().take(GROUPS) {
            let words: Vec<&str> =
                [status, exit, error].into_iter().map(String::as_str).filter(|w| !w.is_empty()).collect();
            let text = if group.text.is_empty() { String::new() } else { format!(": {}", group.text) };
            lines.push(String::new());
            lines.push(format!("{} × {}{text}", group.runs, words.join(", ")));
            lines.extend(group.hint.as_ref().map(|hint| format!("  do: {hint}")));
            let others = group.runs - group.examples.len();
            let more = if others > 0 { format!(" and {others} more") } else { String::new() };
            lines.push(format!("  runs: {}{more}", group.examples.join(", ")));
        }
        if groups.len() > GROUPS {
            lines.push(format!("\nand {} other causes: `taskwatch list --name {name}`", groups.len() - GROUPS));
        }
        lines.join("\n")
    }
}

/// A text without what differs from task to task: words with digits in them (ids, ARNs, addresses, times).
fn alike(text: &str) -> String {
    let word =
        |word: &str| if word.contains(|c: char| c.is_ascii_digit()) { "…".to_owned() } else { word.to_owned() };
    text.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn runs_are_counted_and_failures_grouped_by_exit_code_error_and_cause() {
        let mut summary = Summary::default();
        let failed = |n: u32, code: Option<i64>, cause: &str| json!({"name": format!("f/{n}"), "status": "FAILED", "exitCode": code, "error": "E", "cause": cause, "hint": "mend it"});
        (0..5).for_each(|n| summary.add(&failed(n, Some(3), "it ended")));
        summary.add(&failed(5, Some(4), "it ended"));
        (6..8).for_each(|n| summary.add(&failed(n, None, &format!("no image for arn:aws:ecs:x:{n}"))));
        let waits = json!({"name": "f/8", "status": "QUEUED", "waitingFor": {"text": "queue a is paused by x"}});
        summary.add(&waits);
        summary.add(&json!({"name": "f/9", "status": "SUCCEEDED", "exitCode": 0}));
        let expected = "f: 10 runs: 8 FAILED, 1 QUEUED, 1 SUCCEEDED

5 × FAILED, exit 3, E: it ended
  do: mend it
  runs: f/0, f/1, f/2 and 2 more

2 × FAILED, E: no image for arn:aws:ecs:x:6
  do: mend it
  runs: f/6, f/7

1 × FAILED, exit 4, E: it ended
  do: mend it
  runs: f/5

1 × QUEUED: queue a is paused by x
  runs: f/8";
        assert_eq!(summary.text("f"), expected);
    }
}
