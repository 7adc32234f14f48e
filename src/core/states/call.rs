//! Intrinsic functions as they are written: `States.Format('{}-{}', $.name, States.UUID())`.

use serde_json::Value;

use super::functions::{self, Argument};
use super::path::{Path, literal};
use super::scan::Scan;
use super::{ExpressionError, Scope};

/// "You can nest up to 10 intrinsic functions within a field in your workflows"
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>, whose example of nine counts every call in the
/// field, side by side or in each other).
const MOST_CALLS: usize = 10;

/// The value of an expression: a path, or a call of an intrinsic function.
pub(super) fn evaluate(text: &str, scope: &Scope<'_>) -> Result<Value, ExpressionError> {
    let mut scan = Scan::new(text);
    scan.blanks();
    let value = match scan.peek() {
        Some('$') => Path::scan(&mut scan, 0)?.value(scope)?,
        _ if scan.rest().starts_with("States.") => call(&mut scan, scope, &mut 0)?,
        _ => {
            return Err(ExpressionError::Syntax(
                "expected a path, which begins with $, or an intrinsic function (States.…)".to_owned(),
            ));
        }
    };
    scan.blanks();
    if scan.peek().is_some() { Err(scan.unexpected("the end of the expression")) } else { Ok(value) }
}

fn call(scan: &mut Scan<'_>, scope: &Scope<'_>, calls: &mut usize) -> Result<Value, ExpressionError> {
    *calls += 1;
    if *calls > MOST_CALLS {
        return Err(ExpressionError::Syntax(format!(
            "more than {MOST_CALLS} intrinsic functions in one field, which Step Functions does not take either: let a Pass state \
             before this one make a part of it, or write the state in JSONata"
        )));
    }
    let name = scan.take(|c| c.is_ascii_alphanumeric() || c == '.');
    scan.blanks();
    if !scan.eat("(") {
        return Err(scan.unexpected("("));
    }
    let mut arguments = Vec::new();
    scan.blanks();
    while !scan.eat(")") {
        if !arguments.is_empty() && !scan.eat(",") {
            return Err(scan.unexpected(", or )"));
        }
        scan.blanks();
        arguments.push(argument(scan, scope, calls)?);
        scan.blanks();
    }
    let value = functions::call(name, arguments, scope)?;
    scope.meter.pay(&value)?;
    Ok(value)
}

/// Refuses a backslash that escapes nothing.
fn escaped(text: &str) -> Result<(), ExpressionError> {
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c == '\\' && !characters.next().is_some_and(|next| "'\"\\{}".contains(next)) {
            return Err(ExpressionError::Syntax(
                "a backslash in quotes stands before ' { } or another backslash".to_owned(),
            ));
        }
    }
    Ok(())
}

fn argument(scan: &mut Scan<'_>, scope: &Scope<'_>, calls: &mut usize) -> Result<Argument, ExpressionError> {
    match scan.peek() {
        Some('\'') => scan.quoted().and_then(|text| escaped(text).map(|()| Argument::Text(text.to_owned()))),
        Some('$') => Path::scan(scan, 0)?.value(scope).map(Argument::Value),
        _ if scan.rest().starts_with("States.") => call(scan, scope, calls).map(Argument::Value),
        _ => literal(scan).map(Argument::Value),
    }
}
