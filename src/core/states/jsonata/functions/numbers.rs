//! Functions of numbers.

use std::cmp::Ordering;

use super::super::numbers::{Number, rounded_to, text_in_base};
use super::super::operators::finite;
use super::super::value::Val;
use super::super::{Evaluated, Machine};
use super::{failed, number as number_at, text};
use crate::core::states::seeded::Seeded;

fn one<'v>(given: &[Val<'v>], of: impl Fn(f64) -> f64) -> Evaluated<'v> {
    number_at(given, 0).map_or(Ok(Val::Nothing), |number| finite(of(number)))
}

pub(super) fn abs<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    one(given, f64::abs)
}

pub(super) fn ceil<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    one(given, f64::ceil)
}

pub(super) fn floor<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    one(given, f64::floor)
}

pub(super) fn sqrt<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    match number_at(given, 0) {
        Some(number) if number < 0.0 => failed("$sqrt takes no negative number"),
        _ => one(given, f64::sqrt),
    }
}

pub(super) fn power<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let exponent = number_at(given, 1).unwrap_or(1.0);
    one(given, |base| base.powf(exponent))
}

/// To the nearest, of two as near to the even one.
pub(super) fn round<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let places = number_at(given, 1).unwrap_or(0.0);
    one(given, |number| rounded_to(number, places))
}

pub(super) fn number<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(text) = text(given, 0) else {
        return Ok(match given.first() {
            Some(Val::Bool(is)) => f64::from(u8::from(*is)).into(),
            other => other.cloned().unwrap_or(Val::Nothing),
        });
    };
    let based = [("0x", 16), ("0b", 2), ("0o", 8)].into_iter().find_map(|(prefix, base)| {
        let digits = text.strip_prefix(prefix).or_else(|| text.strip_prefix(&prefix.to_uppercase()))?;
        u64::from_str_radix(digits, base).ok()
    });
    #[allow(clippy::cast_precision_loss, reason = "JavaScript's numbers are floats")]
    let number = based.map(|number| Number::Float(number as f64)).or_else(|| {
        let plain = text.bytes().all(|c| c.is_ascii_digit() || b"+-.eE".contains(&c));
        Number::read(text).filter(|_| plain && !text.starts_with('+'))
    });
    // The text may be a secret.
    number.map_or_else(
        || failed("$number takes a number in a string, which this is not"),
        |number| Ok(Val::Number(number)),
    )
}

fn numbers<'v>(machine: &Machine<'_, 'v>, given: &[Val<'v>]) -> Result<Vec<f64>, crate::core::states::ExpressionError> {
    let items = machine.paid_items(given.first().unwrap_or(&Val::Nothing))?;
    Ok(items.iter().filter_map(|item| number_at(std::slice::from_ref(item), 0)).collect())
}

pub(super) fn sum<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    finite(numbers(machine, given)?.iter().sum::<f64>() + 0.0)
}

pub(super) fn average<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let numbers = numbers(machine, given)?;
    #[allow(clippy::cast_precision_loss, reason = "no list is as long as 2^53")]
    let count = numbers.len() as f64;
    if numbers.is_empty() { Ok(Val::Nothing) } else { finite(numbers.iter().sum::<f64>() / count) }
}

/// The item of a list of numbers that every other is not beyond.
fn extreme<'v>(machine: &Machine<'_, 'v>, given: &[Val<'v>], beyond: Ordering) -> Evaluated<'v> {
    let items = machine.paid_items(given.first().unwrap_or(&Val::Nothing))?;
    let numbers = items.into_iter().filter_map(|item| match item {
        Val::Number(number) => Some(number),
        _ => None,
    });
    let found = numbers.reduce(|one, other| if other.order(one) == Some(beyond) { other } else { one });
    Ok(found.map_or(Val::Nothing, Val::Number))
}

pub(super) fn max<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    extreme(machine, given, Ordering::Greater)
}

pub(super) fn min<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    extreme(machine, given, Ordering::Less)
}

pub(super) fn format_base<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(number) = number_at(given, 0) else { return Ok(Val::Nothing) };
    let base = rounded_to(number_at(given, 1).unwrap_or(10.0), 0.0);
    if !(2.0..=36.0).contains(&base) {
        return failed("$formatBase takes a base from 2 to 36");
    }
    Ok(Val::text(&text_in_base(rounded_to(number, 0.0), base)))
}

/// From 0 (inclusive) to 1 (exclusive); with a seed always the same.
pub(super) fn random<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let drawn = match number_at(given, 0) {
        #[allow(clippy::cast_possible_truncation, reason = "rounded towards zero, as Step Functions does")]
        Some(seed) => Seeded::new(seed as i64).float(),
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit a float")]
        None => (machine.scope.chance.next() >> 11) as f64 / 9_007_199_254_740_992.0,
    };
    Ok(drawn.into())
}
