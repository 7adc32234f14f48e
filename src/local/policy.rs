//! Queue policies, as far as deliveries by services need them.

use serde_json::Value;

/// Whether a policy lets `service` (as in `events.amazonaws.com`) send to `resource` on behalf of `source_arn`.
/// A Deny that applies goes before any Allow.
pub(super) fn allows(policy: &str, service: &str, source_arn: &str, resource: &str) -> bool {
    let policy: Value = serde_json::from_str(policy).unwrap_or_default();
    let applies = |effect: &str| {
        each(&policy["Statement"]).any(|s| s["Effect"] == *effect && statement(s, service, source_arn, resource))
    };
    applies("Allow") && !applies("Deny")
}

fn statement(statement: &Value, service: &str, source_arn: &str, resource: &str) -> bool {
    let principal = &statement["Principal"];
    let everyone = principal == "*" || each(&principal["AWS"]).any(|p| p == "*");
    let principal = everyone || each(&principal["Service"]).any(|p| p == service);
    let matches = |list: &Value, text: &str, fold: bool| {
        each(list).filter_map(Value::as_str).any(|pattern| like(pattern, text, fold))
    };
    let action = matches(&statement["Action"], "sqs:SendMessage", true);
    let resource = statement["Resource"].is_null() || matches(&statement["Resource"], resource, false);
    let mut conditions = statement["Condition"].as_object().into_iter().flatten();
    let condition = conditions.all(|(operator, keys)| {
        keys.as_object().into_iter().flatten().all(|(key, wanted)| match key.to_ascii_lowercase().as_str() {
            "aws:sourcearn" => compare(operator, wanted, source_arn),
            "aws:sourceaccount" => compare(operator, wanted, source_arn.split(':').nth(4).unwrap_or_default()),
            // A key that this endpoint does not know is not met.
            _ => false,
        })
    });
    principal && action && resource && condition
}

fn compare(operator: &str, wanted: &Value, got: &str) -> bool {
    let mut wanted = each(wanted).filter_map(Value::as_str);
    match operator.strip_suffix("IfExists").unwrap_or(operator) {
        // In IAM ArnEquals behaves as ArnLike.
        "ArnEquals" | "ArnLike" | "StringLike" => wanted.any(|w| like(w, got, false)),
        "StringEquals" => wanted.any(|w| w == got),
        "StringEqualsIgnoreCase" => wanted.any(|w| w.eq_ignore_ascii_case(got)),
        _ => false,
    }
}

/// One thing or a list of them.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    let list = value.as_array().map(Vec::as_slice);
    let one = if value.is_null() || value.is_array() { None } else { Some(value) };
    list.unwrap_or_default().iter().chain(one)
}

/// `*` for any text, `?` for any character.
pub(super) fn like(pattern: &str, text: &str, fold: bool) -> bool {
    let chars = |s: &str| if fold { s.to_ascii_lowercase().into_bytes() } else { s.as_bytes().to_vec() };
    let (pattern, text) = (chars(pattern), chars(text));
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == text[t] || pattern[p] == b'?') {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            p = at + 1;
            t = from + 1;
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const RULE: &str = "arn:aws:events:us-east-1:1:rule/blue";
    const QUEUE: &str = "arn:aws:sqs:us-east-1:1:q";

    fn policy(condition: Value) -> String {
        json!({"Statement": [{"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage", "Resource": QUEUE, "Condition": condition}]})
        .to_string()
    }

    #[test]
    fn only_the_rule_that_is_named_may_send() {
        let equals = policy(json!({"ArnEquals": {"aws:SourceArn": RULE}}));
        assert!(allows(&equals, "events.amazonaws.com", RULE, QUEUE));
        assert!(!allows(&equals, "events.amazonaws.com", "arn:aws:events:us-east-1:1:rule/other", QUEUE));
        assert!(!allows(&equals, "sns.amazonaws.com", RULE, QUEUE));
        let like = policy(json!({"ArnLike": {"aws:SourceArn": "arn:aws:events:*:1:rule/*"}}));
        assert!(allows(&like, "events.amazonaws.com", RULE, QUEUE));
        assert!(!allows(
            &policy(json!({"Bool": {"aws:SecureTransport": "true"}})),
            "events.amazonaws.com",
            RULE,
            QUEUE
        ));
        assert!(!allows("{}", "events.amazonaws.com", RULE, QUEUE));
        assert!(!allows("no json", "events.amazonaws.com", RULE, QUEUE));
    }

    #[test]
    fn a_deny_goes_first() {
        let both = json!({"Statement": [
            {"Effect": "Allow", "Principal": "*", "Action": "SQS:*"},
            {"Effect": "Deny", "Principal": {"Service": ["events.amazonaws.com"]}, "Action": "sqs:SendMessage"}]});
        assert!(!allows(&both.to_string(), "events.amazonaws.com", RULE, QUEUE));
        assert!(allows(&both.to_string(), "sns.amazonaws.com", RULE, QUEUE));
    }
}
