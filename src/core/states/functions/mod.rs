//! The intrinsic functions, as <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html> has them.

mod arrays;
mod texts;

pub(super) use texts::digest;

use serde_json::Value;

use super::path::unescaped;
use super::seeded::Seeded;
use super::{Chance, ExpressionError, Scope};
use crate::core::input::{kind, nearest};

const NAMES: [&str; 18] = [
    "States.Format",
    "States.Array",
    "States.ArrayPartition",
    "States.ArrayContains",
    "States.ArrayRange",
    "States.ArrayGetItem",
    "States.ArrayLength",
    "States.ArrayUnique",
    "States.Base64Encode",
    "States.Base64Decode",
    "States.Hash",
    "States.JsonMerge",
    "States.JsonToString",
    "States.StringToJson",
    "States.MathAdd",
    "States.MathRandom",
    "States.StringSplit",
    "States.UUID",
];

/// Characters of what is encoded, decoded or hashed.
const MOST_CHARACTERS: usize = 10_000;

/// What was given to a function.
pub(super) enum Argument {
    /// A value.
    Value(Value),
    /// A text as it was written, its backslashes in it: `States.Format` tells `\{` from `{`.
    Text(String),
}

impl Argument {
    pub(super) fn into_value(self) -> Value {
        match self {
            Self::Value(value) => value,
            Self::Text(raw) => Value::String(unescaped(&raw)),
        }
    }
}

type Answer = Result<Value, ExpressionError>;

/// The value of a call.
pub(super) fn call(name: &str, arguments: Vec<Argument>, scope: &Scope<'_>) -> Answer {
    if name == "States.Format" {
        return texts::format(arguments, scope);
    }
    let given = Given { name, values: arguments.into_iter().map(Argument::into_value).collect() };
    match name {
        "States.Array" => Ok(Value::Array(given.values)),
        "States.ArrayPartition" => arrays::partition(&given.exactly(2)?),
        "States.ArrayContains" => arrays::contains(&given.exactly(2)?),
        "States.ArrayRange" => arrays::range(&given.exactly(3)?),
        "States.ArrayGetItem" => arrays::item(&given.exactly(2)?),
        "States.ArrayLength" => arrays::length(&given.exactly(1)?),
        "States.ArrayUnique" => arrays::unique(&given.exactly(1)?),
        "States.Base64Encode" => texts::base64_encode(&given.exactly(1)?),
        "States.Base64Decode" => texts::base64_decode(&given.exactly(1)?),
        "States.Hash" => texts::hash(&given.exactly(2)?),
        "States.JsonMerge" => merge(&given.exactly(3)?),
        "States.JsonToString" => texts::json_to_string(&given.exactly(1)?),
        "States.StringToJson" => texts::string_to_json(&given.exactly(1)?),
        "States.StringSplit" => texts::split(&given.exactly(2)?),
        "States.MathAdd" => add(&given.exactly(2)?),
        "States.MathRandom" => random(&given, scope),
        "States.UUID" => given.exactly(0).map(|_| uuid(scope.chance).into()),
        _ => Err(ExpressionError::Syntax(format!(
            "{name} is no intrinsic function; did you mean {}?",
            nearest(name, &NAMES)
        ))),
    }
}

/// What a function was given, in order.
struct Given<'n> {
    name: &'n str,
    values: Vec<Value>,
}

impl Given<'_> {
    /// Exactly so many.
    fn exactly(self, count: usize) -> Result<Self, ExpressionError> {
        if self.values.len() == count {
            return Ok(self);
        }
        Err(self.wrong(&format!("takes {count} arguments, got {}", self.values.len())))
    }

    fn wrong(&self, what: &str) -> ExpressionError {
        ExpressionError::Failed(format!("{} {what}", self.name))
    }

    /// The values may be secrets: what they are is said, not how they read.
    fn expected(&self, at: usize, what: &str) -> ExpressionError {
        let got = self.values.get(at).map_or("nothing", kind);
        self.wrong(&format!("takes {what} as argument {}, got {got}", at + 1))
    }

    fn array(&self, at: usize) -> Result<&Vec<Value>, ExpressionError> {
        self.values.get(at).and_then(Value::as_array).ok_or_else(|| self.expected(at, "an array"))
    }

    fn text(&self, at: usize) -> Result<&str, ExpressionError> {
        self.values.get(at).and_then(Value::as_str).ok_or_else(|| self.expected(at, "a string"))
    }

    /// A text no longer than Step Functions takes it.
    fn short<'t>(&self, text: &'t str) -> Result<&'t str, ExpressionError> {
        match text.chars().nth(MOST_CHARACTERS) {
            Some(_) => Err(self.wrong(&format!("takes at most {MOST_CHARACTERS} characters, as in Step Functions"))),
            None => Ok(text),
        }
    }

    /// A whole number; Step Functions rounds to the nearest.
    fn integer(&self, at: usize) -> Result<i64, ExpressionError> {
        let number = self.values.get(at).filter(|value| value.is_number());
        let number = number.ok_or_else(|| self.expected(at, "a number"))?;
        if let Some(whole) = number.as_i64() {
            return Ok(whole);
        }
        // Beyond 2^53 a float names no whole number.
        let rounded = number.as_f64().unwrap_or(f64::NAN).round();
        if rounded.abs() <= 9_007_199_254_740_992.0 {
            #[allow(clippy::cast_possible_truncation, reason = "it is whole and within the bounds just checked")]
            return Ok(rounded as i64);
        }
        Err(self.wrong(&format!("takes no number as large as argument {}", at + 1)))
    }
}

fn merge(given: &Given<'_>) -> Answer {
    let object = |at: usize| given.values[at].as_object().ok_or_else(|| given.expected(at, "an object"));
    let (first, second) = (object(0)?, object(1)?);
    match &given.values[2] {
        Value::Bool(false) => {}
        Value::Bool(true) => {
            return Err(given.wrong("merges shallowly only, as in Step Functions: argument 3 is false"));
        }
        _ => return Err(given.expected(2, "false")),
    }
    let mut merged = first.clone();
    merged.extend(second.clone());
    Ok(Value::Object(merged))
}

fn add(given: &Given<'_>) -> Answer {
    let number = |at: usize| {
        let number = i32::try_from(given.integer(at)?);
        number.map_err(|_| given.wrong("takes numbers from -2147483648 to 2147483647, as in Step Functions"))
    };
    Ok(Value::from(i64::from(number(0)?) + i64::from(number(1)?)))
}

/// From the first (inclusive) to the second (exclusive).
fn random(given: &Given<'_>, scope: &Scope<'_>) -> Answer {
    if !(2..=3).contains(&given.values.len()) {
        return Err(given.wrong(&format!("takes 2 or 3 arguments, got {}", given.values.len())));
    }
    let (from, to) = (given.integer(0)?, given.integer(1)?);
    let span = to.checked_sub(from).and_then(|span| u64::try_from(span).ok()).filter(|span| *span > 0);
    let span = span.ok_or_else(|| given.wrong("takes a start that is less than its end"))?;
    let drawn =
        if given.values.len() == 3 { Seeded::new(given.integer(2)?).below(span) } else { scope.chance.next() % span };
    Ok(Value::from(from.wrapping_add_unsigned(drawn)))
}

/// A UUID of version 4.
pub(super) fn uuid(chance: &Chance) -> String {
    let random = (u128::from(chance.next()) << 64) | u128::from(chance.next());
    uuid::Builder::from_random_bytes(random.to_be_bytes()).into_uuid().to_string()
}
