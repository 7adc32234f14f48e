//! When two values are the same, and which comes first.

use std::cmp::Ordering;

use super::value::Val;
use crate::core::states::{ExpressionError, Meter};

/// Whether two values are equal all the way down.
pub(super) fn equal(one: &Val<'_>, other: &Val<'_>, meter: &Meter) -> Result<bool, ExpressionError> {
    meter.spend(1)?;
    Ok(match (one, other) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(one), Val::Bool(other)) => one == other,
        (Val::Number(one), Val::Number(other)) => one.order(*other) == Some(Ordering::Equal),
        (Val::Text(one), Val::Text(other)) => {
            meter.spend(one.len() / 16)?;
            one == other
        }
        (Val::Function(one), Val::Function(other)) => std::rc::Rc::ptr_eq(one, other),
        (one, other) => {
            if let (Some(one), Some(other)) = (one.items(), other.items()) {
                meter.spend(one.len())?;
                return all_equal(one.iter().zip(other.iter()), one.len() == other.len(), meter);
            }
            let (Some(one), Some(other)) = (one.members(), other.members()) else { return Ok(false) };
            meter.spend(one.len())?;
            let same = one.len() == other.len() && one.iter().zip(&other).all(|((one, _), (other, _))| one == other);
            all_equal(one.iter().zip(&other).map(|((_, one), (_, other))| (one, other)), same, meter)?
        }
    })
}

fn all_equal<'a, 'v: 'a>(
    mut pairs: impl Iterator<Item = (&'a Val<'v>, &'a Val<'v>)>,
    may_be: bool,
    meter: &Meter,
) -> Result<bool, ExpressionError> {
    if !may_be {
        return Ok(false);
    }
    let differs =
        pairs.find_map(|(one, other)| Some(equal(one, other, meter)).filter(|same| !matches!(same, Ok(true))));
    differs.unwrap_or(Ok(true))
}

/// The order of two texts or two numbers; an error of anything else.
pub(super) fn order(one: &Val<'_>, other: &Val<'_>, sign: &str) -> Result<Ordering, ExpressionError> {
    match (one, other) {
        (Val::Number(one), Val::Number(other)) => Ok(one.order(*other).unwrap_or(Ordering::Equal)),
        // JavaScript compares UTF-16 units.
        (Val::Text(one), Val::Text(other)) => Ok(one.encode_utf16().cmp(other.encode_utf16())),
        _ => Err(ExpressionError::Failed(format!(
            "{sign} compares two numbers or two strings, got {} and {}",
            one.kind(),
            other.kind()
        ))),
    }
}
