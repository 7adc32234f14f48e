//! Values as JSON, and numbers as text.

use serde_json::{Map, Value};

use super::numbers::Number;
use super::value::Val;
use crate::core::states::{ExpressionError, Meter};

/// The value as JSON; functions have none.
pub(super) fn to_json(value: &Val<'_>, meter: &Meter) -> Result<Value, ExpressionError> {
    convert(value, meter, &mut |_| Err(ExpressionError::Failed("gives a function, which is no JSON".to_owned())))
}

/// The text of a value: a text itself, of anything else its JSON. Functions in it are empty texts.
pub(super) fn to_text(value: &Val<'_>, pretty: bool, meter: &Meter) -> Result<String, ExpressionError> {
    match value {
        Val::Text(text) => {
            meter.spend(text.len())?;
            Ok(text.to_string())
        }
        Val::Function(_) => Ok(String::new()),
        Val::Number(number) => Ok(text_of(*number)),
        other => {
            let json = convert(other, meter, &mut |_| Ok(Value::from("")))?;
            meter.pay(&json)?;
            let text = Text { pretty }.of(&json, 0);
            meter.spend(text.len())?;
            Ok(text)
        }
    }
}

type OfFunction<'f> = &'f mut dyn FnMut(&Val<'_>) -> Result<Value, ExpressionError>;

fn convert(value: &Val<'_>, meter: &Meter, of_function: OfFunction<'_>) -> Result<Value, ExpressionError> {
    meter.spend(1)?;
    Ok(match value {
        // A function's result may be no value inside a list; JSON has null for it.
        Val::Nothing | Val::Null => Value::Null,
        Val::Bool(is) => (*is).into(),
        Val::Number(number) => number_json(*number)?,
        Val::Text(text) => {
            meter.spend(text.len())?;
            Value::from(&**text)
        }
        Val::Given(given) => meter.copy(given)?,
        Val::List(list) => {
            let items = list.items.iter().map(|item| convert(item, meter, of_function));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Val::Object(object) => {
            let mut members = Map::new();
            for (name, value) in &object.members {
                meter.spend(name.len())?;
                members.insert(name.to_string(), convert(value, meter, of_function)?);
            }
            Value::Object(members)
        }
        function @ Val::Function(_) => of_function(function)?,
    })
}

/// A whole number is one in JSON too.
fn number_json(number: Number) -> Result<Value, ExpressionError> {
    let number = match number {
        Number::Float(float) => float,
        Number::Large(integer) => {
            let json = serde_json::Number::from_i128(integer).map(Value::Number);
            return json.ok_or_else(|| ExpressionError::Failed("gives a number that is too large".to_owned()));
        }
    };
    if number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0 {
        #[allow(clippy::cast_possible_truncation, reason = "it is whole and within the bounds just checked")]
        return Ok(Value::from(number as i64));
    }
    let json = serde_json::Number::from_f64(number).map(Value::Number);
    json.ok_or_else(|| ExpressionError::Failed("gives a number that is too large".to_owned()))
}

/// What is no whole number has 15 digits, as JSONata shows it.
fn rounded(number: f64) -> f64 {
    if number.fract() == 0.0 { number } else { format!("{number:.14e}").parse().unwrap_or(number) }
}

fn text_of(number: Number) -> String {
    match number {
        Number::Float(float) => number_text(rounded(float)),
        Number::Large(integer) => integer.to_string(),
    }
}

/// A number as JavaScript writes it.
pub(super) fn number_text(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-6..21).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { "" } else { "+" };
    format!("{digits}e{sign}{exponent}")
}

/// JSON as JavaScript writes it.
struct Text {
    pretty: bool,
}

impl Text {
    fn of(&self, value: &Value, level: usize) -> String {
        match value {
            Value::Number(number) => text_of(Number::of(number)),
            Value::Array(items) => {
                self.within('[', items.iter().map(|item| self.of(item, level + 1)).collect(), ']', level)
            }
            Value::Object(members) => {
                let colon = if self.pretty { ": " } else { ":" };
                let member = |(name, value): (&String, &Value)| {
                    format!("{}{colon}{}", Value::from(name.as_str()), self.of(value, level + 1))
                };
                self.within('{', members.iter().map(member).collect(), '}', level)
            }
            other => other.to_string(),
        }
    }

    fn within(&self, open: char, parts: Vec<String>, close: char, level: usize) -> String {
        if !self.pretty || parts.is_empty() {
            return format!("{open}{}{close}", parts.join(","));
        }
        let (inner, outer) = ("  ".repeat(level + 1), "  ".repeat(level));
        format!("{open}\n{inner}{}\n{outer}{close}", parts.join(&format!(",\n{inner}")))
    }
}
