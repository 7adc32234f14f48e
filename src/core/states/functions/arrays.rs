//! Functions of arrays.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Answer, Given};

/// Items of `States.ArrayRange`, as Step Functions bounds it.
const MOST_ITEMS: i128 = 1000;

pub(super) fn partition(given: &Given<'_>) -> Answer {
    let items = given.array(0)?;
    let size = usize::try_from(given.integer(1)?).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| given.expected(1, "a number of 1 or more"))?;
    Ok(items.chunks(size).map(|part| Value::from(part.to_vec())).collect())
}

pub(super) fn contains(given: &Given<'_>) -> Answer {
    let wanted = canonical(&given.values[1]);
    Ok(given.array(0)?.iter().any(|item| canonical(item) == wanted).into())
}

/// From the first to the second, both included, by the third.
pub(super) fn range(given: &Given<'_>) -> Answer {
    let (from, to, step) = (given.integer(0)?, given.integer(1)?, given.integer(2)?);
    if step == 0 {
        return Err(given.wrong("takes a step other than 0"));
    }
    let count = (i128::from(to) - i128::from(from)) / i128::from(step) + 1;
    let ends_before = (to < from && step > 0) || (to > from && step < 0);
    if ends_before {
        return Ok(Value::Array(Vec::new()));
    }
    if count > MOST_ITEMS {
        return Err(given.wrong(&format!("makes {count} items; {MOST_ITEMS} are the most, as in Step Functions")));
    }
    let last = i64::try_from(count).unwrap_or(0);
    Ok((0..last).map(|n| Value::from(from.saturating_add(n.saturating_mul(step)))).collect())
}

pub(super) fn item(given: &Given<'_>) -> Answer {
    let (items, index) = (given.array(0)?, given.integer(1)?);
    let item = usize::try_from(index).ok().and_then(|index| items.get(index));
    item.cloned().ok_or_else(|| given.wrong(&format!("finds no item {index} in an array of {}", items.len())))
}

pub(super) fn length(given: &Given<'_>) -> Answer {
    Ok(given.array(0)?.len().into())
}

pub(super) fn unique(given: &Given<'_>) -> Answer {
    let mut seen = BTreeSet::new();
    Ok(given.array(0)?.iter().filter(|item| seen.insert(canonical(item))).cloned().collect())
}

/// A text that equal values share: members are sorted, and 1.0 is 1.
fn canonical(value: &Value) -> String {
    match value.as_f64() {
        Some(number) if !value.is_i64() && !value.is_u64() && number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number:.0}")
        }
        _ => value.to_string(),
    }
}
