//! EventBridge's event patterns (user guide, "Comparison operators for use in event patterns"), and the same language in
//! SNS filter policies. What is refused, and with which words, is as in EventBridge's own matcher (Event Ruler).

mod check;
mod matching;
#[cfg(test)]
mod tests;

use serde_json::Value;

/// Why a pattern is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PatternError(pub(super) String);

fn wrong(why: impl std::fmt::Display) -> PatternError {
    PatternError(format!("Event pattern is not valid. Reason: {why}"))
}

/// Reads a pattern, and refuses what EventBridge would refuse.
pub(super) fn parse(text: &str) -> Result<Value, PatternError> {
    let pattern: Value = serde_json::from_str(text).map_err(wrong)?;
    check::object(pattern.as_object().ok_or_else(|| wrong("Filter is not an object"))?, false)?;
    Ok(pattern)
}

/// Whether an event (any JSON object) matches a pattern.
pub(super) fn matches(pattern: &Value, event: &Value) -> bool {
    pattern.as_object().is_some_and(|pattern| matching::object(pattern, Some(event)))
}

/// `["<", 5]` or `[">", 0, "<=", 5]`; anything else is no range.
fn ranges(value: &Value) -> Option<Vec<(&str, f64)>> {
    let items = value.as_array().filter(|items| matches!(items.len(), 2 | 4))?;
    items.chunks(2).map(|pair| Some((pair[0].as_str()?, pair[1].as_f64()?))).collect()
}

/// A block of addresses: the network and how many of its bits count.
fn cidr(text: &str) -> Option<(std::net::IpAddr, u32)> {
    let (net, bits) = text.split_once('/')?;
    let (net, bits): (std::net::IpAddr, u32) = (net.parse().ok()?, bits.parse().ok()?);
    (bits <= if net.is_ipv4() { 32 } else { 128 }).then_some((net, bits))
}

/// The text of `{"equals-ignore-case": …}`.
fn folded(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get("equals-ignore-case").and_then(Value::as_str)
}
