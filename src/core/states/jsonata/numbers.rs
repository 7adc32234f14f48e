//! Numbers, rounding, and numbers in other bases.

/// The greatest integer up to which floats name every one.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number: a float, as in JavaScript, or an integer that no float names. Such an integer keeps its digits as long as nothing is
/// computed with it: an id that is only passed on stays the same id.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Float(f64),
    Large(i128),
}

impl Number {
    pub(super) fn of(number: &serde_json::Number) -> Self {
        let float = number.as_f64().unwrap_or(f64::NAN);
        number.as_i128().filter(|_| float.abs() >= EXACT).map_or(Self::Float(float), Self::Large)
    }

    /// From digits as they are written, in bounds of JSON's integers.
    pub(super) fn read(text: &str) -> Option<Self> {
        let float: f64 = text.parse().ok().filter(|float: &f64| float.is_finite())?;
        let bounds = i128::from(i64::MIN)..=i128::from(u64::MAX);
        let large = text.parse().ok().filter(|integer| float.abs() >= EXACT && bounds.contains(integer));
        Some(large.map_or(Self::Float(float), Self::Large))
    }

    /// What is computed with.
    #[allow(clippy::cast_precision_loss, reason = "JSONata computes with floats")]
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Float(float) => float,
            Self::Large(integer) => integer as f64,
        }
    }

    pub(super) fn negative(self) -> Self {
        match self {
            Self::Float(float) => Self::Float(-float),
            // JSON's negative integers end earlier than its positive ones.
            Self::Large(integer) if -integer < i128::from(i64::MIN) => Self::Float(-self.float()),
            Self::Large(integer) => Self::Large(-integer),
        }
    }

    pub(super) fn order(self, other: Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Large(one), Self::Large(other)) => Some(one.cmp(&other)),
            _ => self.float().partial_cmp(&other.float()),
        }
    }
}

/// To so many decimal places; of two that are as near, to the one whose last digit is even.
pub(super) fn rounded_to(number: f64, places: f64) -> f64 {
    let places = places.clamp(-400.0, 400.0);
    #[allow(clippy::cast_possible_truncation, reason = "it was clamped")]
    let places = places as i32;
    // By its text, so that 1.005 is what it reads.
    let shift = |number: f64, by: i32| {
        let text = format!("{number:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let exponent = exponent.parse().unwrap_or(0) + by;
        format!("{digits}e{exponent}").parse().unwrap_or(number)
    };
    shift(shift(number, places).round_ties_even(), -places) + 0.0
}

/// A whole number in a base from 2 to 36.
pub(super) fn text_in_base(number: f64, base: f64) -> String {
    let (mut rest, mut digits) = (number.abs(), Vec::new());
    while rest >= 1.0 {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "less than the base, which is 36 at most"
        )]
        digits.push(std::char::from_digit((rest % base) as u32, 36).unwrap_or('0'));
        rest = (rest / base).floor();
    }
    if digits.is_empty() {
        digits.push('0');
    }
    if number < 0.0 {
        digits.push('-');
    }
    digits.into_iter().rev().collect()
}
