//! JSONata 2.0.6, as Step Functions has it: `{% $states.input.name %}`.
//!
//! Own code, because no crate can be held to bounds: jsonata-rs (0.3.4) panics on `%` and on 60 expressions of JSONata's own test
//! suite; jsonata-core (2.2.13) passes that suite, but its time is bounded by a clock that functions do not look at, and its memory
//! not at all: with a limit of 3 s, `$pad` and `$replace` in one line took 3 GB and then the process. It also turns on serde_json's
//! `preserve_order`, by which equal requests would no longer have equal texts. Here every step, item and character is paid for
//! from the request's meter, levels are counted, and time and chance are the acceptance's.
//!
//! Sources: <https://docs.jsonata.org/2.0.0/overview> and
//! <https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>. Refused by name: the
//! signatures of functions, pictures in words, look-around and references back in regular expressions.

mod ancestry;
mod ast;
mod equal;
mod evaluate;
mod functions;
mod json;
mod lex;
mod numbers;
mod operators;
#[cfg(test)]
mod own_tests;
mod parse;
mod path;
mod pattern;
mod pieces;
#[cfg(test)]
mod places_tests;
#[cfg(test)]
mod tests;
mod transform;
mod tuples;
mod value;

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value;

use super::{ExpressionError, Scope};
use lex::Token;
use value::Val;

type Evaluated<'v> = Result<Val<'v>, ExpressionError>;

/// The names that a block or a call has.
struct Frame<'v> {
    names: Vec<(Rc<str>, Val<'v>)>,
    parent: Option<usize>,
}

/// What evaluates: it owns the frames, to which functions refer by number, so that no circle of them is left behind.
struct Machine<'s, 'v> {
    scope: &'s Scope<'v>,
    frames: Vec<Frame<'v>>,
    level: usize,
}

type Run = for<'m, 's, 'v> fn(&'m mut Machine<'s, 'v>, &[Val<'v>]) -> Evaluated<'v>;

/// One function.
struct Builtin {
    name: &'static str,
    /// What it takes, as JSONata writes it: `s-nn?` is a text (else what is in focus), a number, and perhaps another.
    takes: &'static str,
    /// It is called for no value too; the others give none then.
    takes_nothing: bool,
    run: Run,
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "${}", self.name)
    }
}

impl Builtin {
    fn arity(&self) -> usize {
        functions::needed(self.takes)
    }
}

/// The expression of a text that is one: `{% … %}`.
pub(in crate::core) fn expression(text: &str) -> Option<&str> {
    text.strip_prefix("{%")?.strip_suffix("%}").map(str::trim)
}

/// The value of an expression (without `{%` and `%}`).
pub(super) fn evaluate(text: &str, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
    scope.meter.spend(text.len())?;
    let expr = parse::parse(text)?;
    // Step Functions has nothing at the top: no name leads anywhere there.
    let value = Machine::new(scope)?.run(&expr, &Val::Nothing)?;
    if value.is_nothing() {
        return Err(nothing(text, scope)?);
    }
    json::to_json(&value, scope.meter)
}

/// What is said of an expression without a value: what stands there may be why.
fn nothing(text: &str, scope: &Scope<'_>) -> Result<ExpressionError, ExpressionError> {
    if let Some(name) = unassigned(text, scope)? {
        return Ok(ExpressionError::Missing(format!("the variable ${name} is assigned by no state before this one")));
    }
    let what = if text.starts_with("$states.") || !text.starts_with(|c: char| c.is_alphabetic() || c == '`') {
        "has no value: something in it leads nowhere"
    } else {
        "has no value: a name at the beginning leads nowhere in Step Functions; the input is $states.input"
    };
    Ok(ExpressionError::Missing(what.to_owned()))
}

/// The first variable that neither a state nor the expression itself gives a value.
fn unassigned(text: &str, scope: &Scope<'_>) -> Result<Option<Rc<str>>, ExpressionError> {
    let (mut lexer, mut words) = (lex::Lexer::new(text), Vec::new());
    loop {
        match lexer.next()? {
            Token::End => break,
            word => words.push(word),
        }
    }
    let mut own: BTreeSet<Rc<str>> = BTreeSet::new();
    let mut is_parameter = false;
    for pair in words.windows(2) {
        match pair {
            [Token::Name(name), Token::Sign("(")] if matches!(&**name, "function" | "λ") => is_parameter = true,
            [Token::Sign(")"), _] => is_parameter = false,
            [Token::Sign("@" | "#"), Token::Variable(name)] => {
                own.insert(name.clone());
            }
            [Token::Variable(name), next] if is_parameter || *next == Token::Sign(":=") => {
                own.insert(name.clone());
            }
            _ => {}
        }
    }
    let known = |name: &str| {
        matches!(name, "" | "$" | "states") || scope.variables.contains_key(name) || functions::find(name).is_some()
    };
    Ok(words.into_iter().find_map(|word| match word {
        Token::Variable(name) if !own.contains(&name) && !known(&name) => Some(name),
        _ => None,
    }))
}
