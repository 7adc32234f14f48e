//! The operators between two values.

use std::cmp::Ordering;
use std::rc::Rc;

use super::ast::{Expr, Operator};
use super::equal::{equal, order};
use super::json::to_text;
use super::value::Val;
use super::{Evaluated, Machine};
use crate::core::states::ExpressionError;

impl<'v> Machine<'_, 'v> {
    pub(super) fn binary(
        &mut self,
        operator: Operator,
        left: &Expr,
        right: &Expr,
        focus: &Val<'v>,
        frame: usize,
    ) -> Evaluated<'v> {
        let one = self.eval(left, focus, frame)?;
        let truth = |value: &Val<'_>| value.truth().unwrap_or(false);
        match operator {
            Operator::And if !truth(&one) => return Ok(Val::Bool(false)),
            Operator::Or if truth(&one) => return Ok(Val::Bool(true)),
            Operator::And | Operator::Or => {
                let other = self.eval(right, focus, frame)?;
                return Ok(Val::Bool(truth(&other)));
            }
            _ => {}
        }
        let other = self.eval(right, focus, frame)?;
        self.operate(operator, &one, &other)
    }

    fn operate(&self, operator: Operator, one: &Val<'v>, other: &Val<'v>) -> Evaluated<'v> {
        match operator {
            Operator::Equal | Operator::NotEqual => {
                let known = !one.is_nothing() && !other.is_nothing();
                let same = known && equal(one, other, self.meter())?;
                Ok(Val::Bool(known && same == (operator == Operator::Equal)))
            }
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                compare(operator, one, other)
            }
            Operator::In => self.is_in(one, other),
            Operator::Concatenate => self.concatenate(one, other),
            Operator::Range => self.range(one, other),
            _ => arithmetic(operator, one, other),
        }
    }

    fn is_in(&self, one: &Val<'v>, other: &Val<'v>) -> Evaluated<'v> {
        if one.is_nothing() || other.is_nothing() {
            return Ok(Val::Bool(false));
        }
        let items = self.paid_items(other)?;
        // JavaScript's ===: objects and arrays are never the same as others.
        let plain = !one.is_list() && !one.is_object();
        for item in items.iter().filter(|_| plain) {
            if equal(one, item, self.meter())? {
                return Ok(Val::Bool(true));
            }
        }
        Ok(Val::Bool(false))
    }

    fn concatenate(&self, one: &Val<'v>, other: &Val<'v>) -> Evaluated<'v> {
        let text = |value: &Val<'v>| match value {
            Val::Nothing => Ok(String::new()),
            value => to_text(value, false, self.meter()),
        };
        let joined = text(one)? + &text(other)?;
        self.made_text(joined)
    }

    /// `[from..to]`.
    fn range(&self, one: &Val<'v>, other: &Val<'v>) -> Evaluated<'v> {
        let bound = |value: &Val<'v>| match value {
            Val::Nothing => Ok(None),
            Val::Number(number) if number.float().fract() == 0.0 => Ok(Some(number.float())),
            other => {
                Err(ExpressionError::Failed(format!(".. goes from a whole number to another, got {}", other.kind())))
            }
        };
        let (Some(from), Some(to)) = (bound(one)?, bound(other)?) else { return Ok(Val::Nothing) };
        if from > to {
            return Ok(Val::Nothing);
        }
        let count = to - from + 1.0;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count that is too large saturates"
        )]
        let count = count as usize;
        self.pay_items(count)?;
        let mut items = Vec::with_capacity(count);
        let mut at = from;
        for _ in 0..count {
            items.push(at.into());
            at += 1.0;
        }
        Val::sequence(items)
    }

    /// A text that was made, paid for.
    pub(super) fn made_text(&self, text: String) -> Evaluated<'v> {
        self.meter().spend(text.len())?;
        Ok(Val::Text(Rc::from(text)))
    }
}

fn compare<'v>(operator: Operator, one: &Val<'v>, other: &Val<'v>) -> Evaluated<'v> {
    for value in [one, other] {
        if !matches!(value, Val::Nothing | Val::Number(_) | Val::Text(_)) {
            return Err(ExpressionError::Failed(format!(
                "{} compares numbers and strings, got {}",
                operator.sign(),
                value.kind()
            )));
        }
    }
    if one.is_nothing() || other.is_nothing() {
        return Ok(Val::Nothing);
    }
    let order = order(one, other, operator.sign())?;
    Ok(Val::Bool(match operator {
        Operator::Less => order == Ordering::Less,
        Operator::LessOrEqual => order != Ordering::Greater,
        Operator::Greater => order == Ordering::Greater,
        _ => order != Ordering::Less,
    }))
}

fn arithmetic<'v>(operator: Operator, one: &Val<'v>, other: &Val<'v>) -> Evaluated<'v> {
    let number = |value: &Val<'v>| match value {
        Val::Nothing => Ok(None),
        Val::Number(number) => Ok(Some(number.float())),
        other => Err(ExpressionError::Failed(format!("{} takes numbers, got {}", operator.sign(), other.kind()))),
    };
    let (one, other) = (number(one)?, number(other)?);
    let (Some(one), Some(other)) = (one, other) else { return Ok(Val::Nothing) };
    finite(match operator {
        Operator::Add => one + other,
        Operator::Subtract => one - other,
        Operator::Multiply => one * other,
        Operator::Divide => one / other,
        _ => one % other,
    })
}

/// A number that is one.
pub(super) fn finite<'v>(number: f64) -> Evaluated<'v> {
    if number.is_finite() {
        return Ok(number.into());
    }
    Err(ExpressionError::Failed("gives a number that is too large, or none (a division by 0)".to_owned()))
}
