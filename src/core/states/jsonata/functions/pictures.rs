//! Numbers and times by a picture: those of digits. Numbers in words, letters and Roman digits are refused by name.

use super::super::numbers::Number;
use super::super::numbers::rounded_to;
use super::super::value::Val;
use super::super::{Evaluated, Machine};
use super::{failed, number, text};
use crate::core::states::ExpressionError;

/// Digits that a picture may ask for.
const MOST_DIGITS: usize = 100;

/// A piece of a picture of a time.
pub(super) enum Part<'t> {
    Text(&'t str),
    /// What stands in brackets.
    Marker(&'t str),
}

/// The pieces of a picture; `[[` and `]]` are brackets.
pub(super) fn parts(picture: &str) -> Result<Vec<Part<'_>>, ExpressionError> {
    let (mut parts, mut rest) = (Vec::new(), picture);
    while let Some(at) = rest.find(['[', ']']) {
        let (before, from) = rest.split_at(at);
        parts.push(Part::Text(before));
        if from.starts_with("[[") || from.starts_with("]]") {
            parts.push(Part::Text(&from[..1]));
            rest = &from[2..];
            continue;
        }
        let Some((marker, behind)) = from.strip_prefix('[').and_then(|from| from.split_once(']')) else {
            return failed("a picture of a time has a [ or ] without the other");
        };
        parts.push(Part::Marker(marker));
        rest = behind;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// A number with as many digits as the form has, which is of digits only.
pub(super) fn padded(value: i64, form: &str) -> Option<String> {
    let width = form.len();
    let fits = width <= MOST_DIGITS && form.bytes().all(|c| c.is_ascii_digit() || c == b'#') && !form.is_empty();
    let least = form.bytes().filter(u8::is_ascii_digit).count();
    fits.then(|| format!("{value:0least$}"))
}

/// A whole number: `#,##0` and its like.
pub(super) fn format_integer<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let (Some(number), Some(picture)) = (number(given, 0), text(given, 1)) else { return Ok(Val::Nothing) };
    if !of_digits(picture) {
        return failed("$formatInteger takes pictures of digits here, such as '000' or '#,##0'");
    }
    machine.made_text(Picture::of(picture).formatted(number.floor()))
}

pub(super) fn parse_integer<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let (whole, picture) = (text(given, 0).unwrap_or_default(), text(given, 1).unwrap_or_default());
    if !of_digits(picture) {
        return failed("$parseInteger takes pictures of digits here, such as '000' or '#,##0'");
    }
    let digits: String = whole.chars().filter(|c| *c != ',').collect();
    let number = Number::read(&digits).filter(|_| digits.trim_start_matches('-').bytes().all(|c| c.is_ascii_digit()));
    number.map_or_else(
        || failed("$parseInteger takes a whole number in a string, which this is not"),
        |n| Ok(Val::Number(n)),
    )
}

fn of_digits(picture: &str) -> bool {
    picture.len() <= MOST_DIGITS
        && picture.contains(|c: char| c.is_ascii_digit())
        && picture.chars().all(|c| c.is_ascii_digit() || c == '#' || c == ',')
}

/// `#,##0.00`, a text before and behind it, `%`, and another picture for negative numbers behind `;`.
pub(super) fn format_number<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let (Some(number), Some(picture)) = (number(given, 0), text(given, 1)) else { return Ok(Val::Nothing) };
    if !matches!(given.get(2), None | Some(Val::Nothing)) {
        return failed("$formatNumber takes no options here");
    }
    let mut pictures = picture.split(';');
    let positive = pictures.next().unwrap_or_default();
    let (negative, more) = (pictures.next(), pictures.next());
    let chosen = if number < 0.0 { negative.unwrap_or(positive) } else { positive };
    let is_digit = |c: char| c.is_ascii_digit() || c == '#';
    let active = |c: char| is_digit(c) || c == ',' || c == '.';
    let fits = picture.len() <= MOST_DIGITS && more.is_none() && chosen.contains(is_digit);
    let (Some(from), Some(to), true) = (chosen.find(active), chosen.rfind(active), fits) else {
        return failed("$formatNumber takes a picture such as '#,##0.00'");
    };
    let (before, body, behind) = (&chosen[..from], &chosen[from..=to], &chosen[to + 1..]);
    let (integer, fraction) = body.split_once('.').unwrap_or((body, ""));
    let scales = chosen.matches(['%', '\u{2030}']).count();
    let wrong = body.contains(",,") || integer.ends_with(',') || fraction.contains(',') || scales > 1;
    if wrong || !body.chars().all(active) || fraction.contains('.') || behind.starts_with('e') {
        return failed("$formatNumber takes a picture such as '#,##0.00' here: digits, commas and a point");
    }
    let scale = |sign: char, by: f64| if chosen.contains(sign) { by } else { 1.0 };
    let scaled = number.abs() * scale('%', 100.0) * scale('\u{2030}', 1000.0);
    let minus = if number < 0.0 && negative.is_none() { "-" } else { "" };
    machine.made_text(format!("{minus}{before}{}{behind}", Picture::of(body).formatted(scaled)))
}

/// A picture of digits.
struct Picture {
    least: usize,
    /// Digits from the right at which a comma stands.
    commas: Vec<usize>,
    fraction: (usize, usize),
}

impl Picture {
    fn of(picture: &str) -> Self {
        let (integer, fraction) = picture.split_once('.').unwrap_or((picture, ""));
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        let places = |text: &str| text.chars().filter(|c| c.is_ascii_digit() || *c == '#').count();
        let commas = integer.match_indices(',').map(|(at, _)| places(&integer[at..])).filter(|at| *at > 0).collect();
        let fraction = (digits(fraction), places(fraction));
        // Something has to be there.
        let least = digits(integer).max(usize::from(fraction.1 == 0));
        Self { least, commas, fraction }
    }

    fn formatted(&self, number: f64) -> String {
        let (least, most) = self.fraction;
        #[allow(clippy::cast_precision_loss, reason = "a hundred at most")]
        let rounded = rounded_to(number.abs(), most as f64);
        let text = format!("{rounded:.most$}");
        let (integer, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let integer = integer.trim_start_matches('0');
        let kept = fraction.trim_end_matches('0').len().max(least).min(fraction.len());
        let integer = format!("{integer:0>width$}", width = self.least);
        let sign = if number < 0.0 { "-" } else { "" };
        let point = if kept > 0 { "." } else { "" };
        format!("{sign}{}{point}{}", self.grouped(&integer), &fraction[..kept])
    }

    fn grouped(&self, digits: &str) -> String {
        // One comma, or several as far from each other, go on to the left.
        let step = self.commas.iter().copied().min().unwrap_or(0);
        let regular = step > 0 && (1..=self.commas.len()).all(|n| self.commas.contains(&(n * step)));
        let mut out = String::new();
        for (n, digit) in digits.chars().enumerate() {
            let behind = digits.len() - n;
            if n > 0 && (if regular { behind.is_multiple_of(step) } else { self.commas.contains(&behind) }) {
                out.push(',');
            }
            out.push(digit);
        }
        out
    }
}
