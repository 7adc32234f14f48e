//! Rounding, and numbers in other bases.

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
