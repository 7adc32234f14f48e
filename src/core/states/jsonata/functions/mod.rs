//! The functions that every expression has: those of JSONata 2.0.6 but `$eval`, and Step Functions' own `$partition`, `$range`,
//! `$hash`, `$random` with a seed, `$uuid` and `$parse`.

mod arrays;
mod dates;
mod matching;
mod numbers;
mod objects;
mod pictures;
mod signature;
mod texts;
mod urls;

pub(super) use matching::first_match;
pub(super) use signature::needed;

use super::value::Val;
use super::{Builtin, Evaluated, Machine, Run};
use crate::core::input::nearest;
use crate::core::states::ExpressionError;

const fn of(name: &'static str, takes: &'static str, run: Run) -> Builtin {
    Builtin { name, takes, takes_nothing: false, run }
}

/// A function that is called for no value too.
const fn always(name: &'static str, takes: &'static str, run: Run) -> Builtin {
    Builtin { name, takes, takes_nothing: true, run }
}

static BUILTINS: [Builtin; 69] = [
    of("abs", "n-", numbers::abs),
    always("append", "xx", arrays::append),
    always("assert", "bs?", objects::assert),
    of("average", "a<n>", numbers::average),
    of("base64decode", "s-", texts::base64_decode),
    of("base64encode", "s-", texts::base64_encode),
    of("boolean", "x-", objects::boolean),
    of("ceil", "n-", numbers::ceil),
    of("clone", "(oa)-", objects::clone),
    of("contains", "s-(sf)", matching::contains),
    always("count", "a", arrays::count),
    of("decodeUrl", "s-", urls::decode),
    of("decodeUrlComponent", "s-", urls::decode_component),
    of("distinct", "x", arrays::distinct),
    of("each", "o-f", objects::each),
    of("encodeUrl", "s-", urls::encode),
    of("encodeUrlComponent", "s-", urls::encode_component),
    always("error", "s?", objects::error),
    always("exists", "x", objects::exists),
    of("filter", "af", arrays::filter),
    of("floor", "n-", numbers::floor),
    of("formatBase", "n-n?", numbers::format_base),
    of("formatInteger", "n-s", pictures::format_integer),
    of("formatNumber", "n-so?", pictures::format_number),
    of("fromMillis", "n-s?s?", dates::from_millis),
    of("hash", "s?s?", texts::hash),
    of("join", "a<s>s?", texts::join),
    of("keys", "x-", objects::keys),
    of("length", "s-", texts::length),
    of("lookup", "x-s", objects::lookup),
    of("lowercase", "s-", texts::lowercase),
    of("map", "af", arrays::map),
    of("match", "s-fn?", matching::matches),
    of("max", "a<n>", numbers::max),
    of("merge", "a<o>", objects::merge),
    always("millis", "", dates::millis),
    of("min", "a<n>", numbers::min),
    always("not", "x-", objects::not),
    always("now", "s?s?", dates::now),
    of("number", "(nsb)-", numbers::number),
    of("pad", "s-ns?", texts::pad),
    of("parse", "s?", texts::parse),
    of("parseInteger", "s-s", pictures::parse_integer),
    of("partition", "an?", arrays::partition),
    of("power", "n-n", numbers::power),
    always("random", "n?", numbers::random),
    of("range", "nnn?", arrays::range),
    of("reduce", "afj?", arrays::reduce),
    of("replace", "s-(sf)(sf)n?", matching::replace),
    of("reverse", "a", arrays::reverse),
    of("round", "n-n?", numbers::round),
    of("shuffle", "a", arrays::shuffle),
    of("sift", "o-f?", objects::sift),
    of("single", "af?", arrays::single),
    of("sort", "af?", arrays::sort),
    of("split", "s-(sf)n?", matching::split),
    of("spread", "x-", objects::spread),
    of("sqrt", "n-", numbers::sqrt),
    of("string", "x-b?", texts::string),
    of("substring", "s-nn?", texts::substring),
    of("substringAfter", "s-s", texts::substring_after),
    of("substringBefore", "s-s", texts::substring_before),
    of("sum", "a<n>", numbers::sum),
    of("toMillis", "s-s?", dates::to_millis),
    of("trim", "s-", texts::trim),
    of("type", "x", objects::kind),
    of("uppercase", "s-", texts::uppercase),
    always("uuid", "", texts::uuid),
    of("zip", "a+", arrays::zip),
];

pub(super) fn find(name: &str) -> Option<&'static Builtin> {
    BUILTINS.iter().find(|builtin| builtin.name == name)
}

/// What is said of a function that is not there.
pub(super) fn unknown(name: &str) -> String {
    let names: Vec<&str> = BUILTINS.iter().map(|builtin| builtin.name).collect();
    format!("{name} is no function; did you mean ${}?", nearest(name.trim_start_matches('$'), &names))
}

/// What a function gives for these arguments, in the focus in which it is called.
pub(super) fn call<'v>(
    machine: &mut Machine<'_, 'v>,
    builtin: &'static Builtin,
    arguments: &[Val<'v>],
    focus: &Val<'v>,
) -> Evaluated<'v> {
    let wrong = |what: String| ExpressionError::Failed(format!("${} {what}", builtin.name));
    let given = signature::fitted(machine, builtin.takes, arguments, focus)?.map_err(wrong)?;
    if !builtin.takes_nothing && matches!(given.first(), Some(Val::Nothing)) {
        return Ok(Val::Nothing);
    }
    (builtin.run)(machine, &given)
}

/// The text that the signature lets in.
fn text<'a>(given: &'a [Val<'_>], at: usize) -> Option<&'a str> {
    match given.get(at) {
        Some(Val::Text(text)) => Some(text),
        _ => None,
    }
}

fn number(given: &[Val<'_>], at: usize) -> Option<f64> {
    match given.get(at) {
        Some(Val::Number(number)) => Some(number.float()),
        _ => None,
    }
}

/// A function cannot do this.
fn failed<T>(what: impl Into<String>) -> Result<T, ExpressionError> {
    Err(ExpressionError::Failed(what.into()))
}
