//! A queue's policy: our statement put in, everybody else's kept; and what it comes to for a rule.

use serde_json::{Value, json};

use super::wanted::SID;

/// The policy with our statement in it. `None`: it has it already.
pub(super) fn with(policy: Option<&str>, statement: &Value) -> Option<Value> {
    let mut policy = policy.and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
    if !policy.is_object() {
        policy = json!({"Version": "2012-10-17"});
    }
    let mut statements = list(&policy["Statement"]);
    let wide = for_all_rules(statement);
    if statements.iter().any(|s| same(s, statement) || wide.as_ref().is_some_and(|wide| same(s, wide))) {
        return None;
    }
    // Ours of before, with another rule or queue in it.
    statements.retain(|s| s["Sid"] != SID);
    statements.push(statement.clone());
    policy["Statement"] = statements.into();
    Some(policy)
}

/// The statement as `infra/` has it: for all rules of the cell, `blue-0-*` in place of `blue-0-events` and others.
fn for_all_rules(statement: &Value) -> Option<Value> {
    let rules = list(&statement["Condition"]["ArnEquals"]["aws:SourceArn"]);
    let cells = rules.iter().map(|rule| Some(rule.as_str()?.rsplit_once('-')?.0));
    let cells: std::collections::BTreeSet<&str> = cells.collect::<Option<_>>()?;
    let cell = cells.first().filter(|_| cells.len() == 1)?;
    let mut wide = statement.clone();
    wide["Condition"]["ArnEquals"]["aws:SourceArn"] = format!("{cell}-*").into();
    Some(wide)
}

/// Whether two statements say the same: whatever they are called, and one thing may stand alone or in a list.
fn same(left: &Value, right: &Value) -> bool {
    ["Effect", "Principal", "Action", "Resource", "Condition", "NotPrincipal", "NotAction", "NotResource"]
        .iter()
        .all(|member| plain(&left[*member], member) == plain(&right[*member], member))
}

fn plain(value: &Value, member: &str) -> Value {
    match value {
        Value::Array(items) if items.len() == 1 => plain(&items[0], member),
        Value::Object(members) => members.iter().map(|(name, v)| (name.clone(), plain(v, member))).collect(),
        // Actions are case-insensitive.
        Value::String(text) if member == "Action" => text.to_lowercase().into(),
        other => other.clone(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// What a policy says about a rule that sends to a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It may.
    Allowed,
    /// No statement lets it.
    NotAllowed,
    /// This statement forbids it.
    Denied(String),
    /// A statement has conditions that cannot be judged from here.
    Unclear(String),
}

/// Evaluates a policy for `events.amazonaws.com`, `sqs:SendMessage`, a queue and a rule, as far as EventBridge's request has
/// known values: `aws:SourceArn`, `aws:SourceAccount`, `aws:PrincipalIsAWSService`, `aws:SecureTransport`.
pub(crate) fn judge(policy: &str, rule: &str, queue: &str) -> Verdict {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let mut verdict = Verdict::NotAllowed;
    for (place, statement) in list(&policy["Statement"]).iter().enumerate() {
        let name = statement["Sid"].as_str().map_or_else(|| format!("number {}", place + 1), str::to_owned);
        match (statement["Effect"].as_str(), applies(statement, rule, queue)) {
            (_, Some(false)) => {}
            (Some("Deny"), Some(true)) => return Verdict::Denied(name),
            (Some("Allow"), Some(true)) if verdict == Verdict::NotAllowed => verdict = Verdict::Allowed,
            (Some("Deny"), None) => verdict = Verdict::Unclear(name),
            (Some("Allow"), None) if verdict == Verdict::NotAllowed => verdict = Verdict::Unclear(name),
            _ => {}
        }
    }
    verdict
}

/// `None`: it depends on what is not known here.
fn applies(statement: &Value, rule: &str, queue: &str) -> Option<bool> {
    let texts =
        |value: &Value| -> Vec<String> { list(value).iter().filter_map(|v| v.as_str().map(str::to_owned)).collect() };
    let principal = |value: &Value| {
        value == "*"
            || texts(&value["AWS"]).iter().any(|p| p == "*")
            || texts(&value["Service"]).iter().any(|p| p == "events.amazonaws.com")
    };
    let action = |value: &Value| texts(value).iter().any(|a| like(&a.to_lowercase(), "sqs:sendmessage"));
    let resource = |value: &Value| texts(value).iter().any(|r| like(r, queue));
    // Each of the three has a form that says who or what is meant not.
    let meant = |name: &str, test: &dyn Fn(&Value) -> bool| {
        let not = &statement[format!("Not{name}")];
        if not.is_null() { test(&statement[name]) } else { !test(not) }
    };
    let everything = statement["Resource"].is_null() && statement["NotResource"].is_null();
    if !meant("Principal", &principal) || !meant("Action", &action) || !(everything || meant("Resource", &resource)) {
        return Some(false);
    }
    let mut known = true;
    for (operator, keys) in statement["Condition"].as_object().into_iter().flatten() {
        for (key, wanted) in keys.as_object().into_iter().flatten() {
            match condition(operator, &key.to_ascii_lowercase(), &texts(wanted), rule) {
                Some(false) => return Some(false),
                Some(true) => {}
                None => known = false,
            }
        }
    }
    known.then_some(true)
}

fn condition(operator: &str, key: &str, wanted: &[String], rule: &str) -> Option<bool> {
    let has = match key {
        "aws:sourcearn" => rule,
        "aws:sourceaccount" => rule.split(':').nth(4).unwrap_or_default(),
        "aws:principalisawsservice" | "aws:securetransport" => "true",
        _ => return None,
    };
    let any = |test: &dyn Fn(&str) -> bool| wanted.iter().any(|w| test(w));
    // In IAM ArnEquals behaves as ArnLike.
    match operator.strip_suffix("IfExists").unwrap_or(operator) {
        "ArnEquals" | "ArnLike" | "StringLike" => Some(any(&|w| like(w, has))),
        "ArnNotEquals" | "ArnNotLike" | "StringNotLike" => Some(!any(&|w| like(w, has))),
        "StringEquals" => Some(any(&|w| w == has)),
        "StringNotEquals" => Some(!any(&|w| w == has)),
        "StringEqualsIgnoreCase" | "Bool" => Some(any(&|w| w.eq_ignore_ascii_case(has))),
        _ => None,
    }
}

/// `*` for any text, `?` for any character.
fn like(pattern: &str, text: &str) -> bool {
    match pattern.as_bytes().first() {
        None => text.is_empty(),
        Some(b'*') => {
            let rest = pattern.trim_start_matches('*');
            rest.is_empty() || text.char_indices().any(|(at, _)| like(rest, &text[at..]))
        }
        Some(b'?') => text.chars().next().is_some_and(|c| like(&pattern[1..], &text[c.len_utf8()..])),
        Some(_) => {
            let mut chars = pattern.chars();
            let first = chars.next();
            first == text.chars().next() && first.is_some_and(|c| like(chars.as_str(), &text[c.len_utf8()..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "arn:aws:events:us-east-1:123456789012:rule/blue-events";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:123456789012:blue-events";

    fn ours() -> Value {
        json!({"Sid": SID, "Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage",
            "Resource": QUEUE, "Condition": {"ArnEquals": {"aws:SourceArn": RULE}}})
    }

    #[test]
    fn other_peoples_statements_are_kept_and_ours_is_there_once() {
        let theirs = json!({"Sid": "Backup", "Effect": "Allow", "Principal": "*", "Action": "sqs:ReceiveMessage"});
        let old = json!({"Sid": SID, "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage"});
        let before = json!({"Version": "2008-10-17", "Id": "x", "Statement": [theirs, old]}).to_string();
        let after = with(Some(&before), &ours()).unwrap();
        assert_eq!(after["Statement"], json!([theirs, ours()]));
        assert_eq!((&after["Version"], &after["Id"]), (&"2008-10-17".into(), &"x".into()));
        assert_eq!(with(Some(&after.to_string()), &ours()), None);
        // One statement may stand alone, and a name or a list around one thing is no difference.
        let mut alone = ours();
        alone["Sid"] = "Mine".into();
        alone["Action"] = json!(["SQS:SendMessage"]);
        assert_eq!(with(Some(&json!({"Statement": alone}).to_string()), &ours()), None);
        assert_eq!(with(None, &ours()).unwrap()["Statement"], json!([ours()]));
    }

    #[test]
    fn a_statement_for_all_rules_of_the_cell_is_as_good_and_one_for_other_rules_is_not() {
        let arn = |rule: &str| format!("arn:aws:events:us-east-1:123456789012:rule/{rule}");
        let mut wanted = ours();
        wanted["Condition"]["ArnEquals"]["aws:SourceArn"] = json!([arn("blue-0-events"), arn("blue-0-tasks")]);
        let left = |rule: &str| {
            let mut there = ours();
            there["Condition"]["ArnEquals"]["aws:SourceArn"] = arn(rule).into();
            with(Some(&json!({"Statement": [there]}).to_string()), &wanted).is_none()
        };
        assert!(left("blue-0-*"));
        assert!(!left("*") && !left("blue-*") && !left("blue-1-*") && !left("blue-0-events"));
    }

    #[test]
    fn a_policy_is_judged_for_the_rule() {
        let judged = |statements: Value| judge(&json!({ "Statement": statements }).to_string(), RULE, QUEUE);
        assert_eq!(judged(json!([ours()])), Verdict::Allowed);
        let mut other = ours();
        other["Condition"]["ArnEquals"]["aws:SourceArn"] = "arn:aws:events:us-east-1:123456789012:rule/green-*".into();
        assert_eq!(judged(json!([other])), Verdict::NotAllowed);
        let tls = json!({"Sid": "Tls", "Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}});
        assert_eq!(judged(json!([ours(), tls])), Verdict::Allowed);
        let vpc = json!({"Sid": "Vpc", "Effect": "Deny", "Principal": "*", "Action": "sqs:*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}});
        assert_eq!(judged(json!([ours(), vpc])), Verdict::Unclear("Vpc".into()));
        let no =
            json!({"Effect": "Deny", "NotPrincipal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "sqs:Send*"});
        assert_eq!(judged(json!([ours(), no])), Verdict::Denied("number 2".into()));
        assert_eq!(judge("", RULE, QUEUE), Verdict::NotAllowed);
    }

    #[test]
    fn wildcards() {
        for (pattern, text, expected) in
            [("a*c", "abbc", true), ("*", "", true), ("a?c", "ac", false), ("a*", "b", false), ("*b*", "abc", true)]
        {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
