//! What a function takes, and what it is given.

use super::super::Machine;
use super::super::value::Val;
use crate::core::states::ExpressionError;

/// One parameter of a signature.
pub(super) struct Parameter<'t> {
    /// The letters of the types that fit.
    types: &'t str,
    /// The type of a list's items.
    of: Option<char>,
    /// What is in focus stands in for it.
    focus: bool,
    optional: bool,
    many: bool,
}

/// The parameters of a signature.
pub(super) fn parameters(takes: &str) -> impl Iterator<Item = Parameter<'_>> {
    let mut rest = takes;
    std::iter::from_fn(move || {
        let (types, mut behind) = match rest.strip_prefix('(') {
            Some(several) => several.split_once(')')?,
            None => rest.split_at_checked(1)?,
        };
        let mut of = None;
        if let Some(inner) = behind.strip_prefix('<') {
            of = inner.chars().next();
            behind = inner.split_once('>').map_or("", |(_, behind)| behind);
        }
        let modifier = behind.chars().next().filter(|c| "-?+".contains(*c));
        rest = if modifier.is_some() { &behind[1..] } else { behind };
        let is = |sign: char| modifier == Some(sign);
        Some(Parameter { types, of, focus: is('-'), optional: is('?'), many: is('+') })
    })
}

impl Parameter<'_> {
    fn fits(&self, value: &Val<'_>) -> bool {
        let letter = match value {
            Val::Nothing => return true,
            Val::Null => 'l',
            Val::Bool(_) => 'b',
            Val::Number(_) => 'n',
            Val::Text(_) => 's',
            Val::Function(_) => 'f',
            list if list.is_list() => 'a',
            _ => 'o',
        };
        self.types.contains(letter)
            || self.types.contains('x')
            // Anything is a list of one.
            || self.types == "a"
            || (self.types == "j" && letter != 'f')
    }

    fn in_words(&self) -> &'static str {
        match (self.types, self.of) {
            ("a", Some('n')) => "an array of numbers",
            ("a", Some('s')) => "an array of strings",
            ("a", Some('o')) => "an array of objects",
            ("a", _) => "an array",
            ("s", _) => "a string",
            ("n", _) => "a number",
            ("b", _) => "a boolean",
            ("o", _) => "an object",
            ("f", _) => "a function",
            ("sf", _) => "a string or a regular expression",
            ("nsb", _) => "a number, a string or a boolean",
            _ => "a value",
        }
    }
}

/// How many arguments a function cannot do without.
pub(in super::super) fn needed(takes: &str) -> usize {
    parameters(takes).filter(|parameter| !parameter.optional).count()
}

/// Where each parameter has its value from.
enum Source {
    Argument(usize),
    Focus,
    Nothing,
}

/// Gives each parameter its argument; what is in focus stands in for one only where the arguments do not fit without.
fn assigned(parameters: &[Parameter<'_>], arguments: &[Val<'_>], from: usize, focus: &Val<'_>) -> Option<Vec<Source>> {
    let Some((parameter, others)) = parameters.split_first() else {
        return (from == arguments.len()).then(Vec::new);
    };
    if parameter.many {
        return Some((from..arguments.len()).map(Source::Argument).collect());
    }
    let then = |source: Source, from: usize| {
        let rest = assigned(others, arguments, from, focus)?;
        Some(std::iter::once(source).chain(rest).collect())
    };
    let fits = arguments.get(from).is_some_and(|argument| parameter.fits(argument));
    fits.then(|| then(Source::Argument(from), from + 1))
        .flatten()
        .or_else(|| (parameter.focus && parameter.fits(focus)).then(|| then(Source::Focus, from)).flatten())
        .or_else(|| parameter.optional.then(|| then(Source::Nothing, from)).flatten())
}

type Fitted<'v> = Result<Vec<Val<'v>>, String>;

/// The arguments in the places of the parameters; the inner error says what does not fit.
pub(super) fn fitted<'v>(
    machine: &Machine<'_, 'v>,
    takes: &str,
    arguments: &[Val<'v>],
    focus: &Val<'v>,
) -> Result<Fitted<'v>, ExpressionError> {
    let all: Vec<Parameter<'_>> = parameters(takes).collect();
    let Some(sources) = assigned(&all, arguments, 0, focus) else { return Ok(Err(misfit(&all, arguments))) };
    let mut fitted = Vec::new();
    for (n, source) in sources.into_iter().enumerate() {
        let value = match source {
            Source::Argument(at) => arguments[at].clone(),
            Source::Focus => focus.clone(),
            Source::Nothing => Val::Nothing,
        };
        let Some(parameter) = all.get(n).or(all.last()) else { break };
        let value = if parameter.types == "a" { list(machine, value)? } else { value };
        if let Some(of) = parameter.of {
            let types = if of == 'n' {
                "n"
            } else if of == 's' {
                "s"
            } else {
                "o"
            };
            let of = Parameter { types, of: None, ..*parameter };
            if let Some(wrong) = machine.paid_items(&value)?.iter().find(|item| !of.fits(item)) {
                return Ok(Err(format!(
                    "takes {} as argument {}, got {} in it",
                    parameter.in_words(),
                    n + 1,
                    wrong.kind()
                )));
            }
        }
        fitted.push(value);
    }
    Ok(Ok(fitted))
}

/// The first argument that does not fit.
fn misfit(all: &[Parameter<'_>], arguments: &[Val<'_>]) -> String {
    let wrong = all.iter().enumerate().find(|(n, parameter)| match arguments.get(*n) {
        Some(argument) => !parameter.fits(argument),
        None => !parameter.optional,
    });
    match wrong {
        Some((n, parameter)) => {
            let got = arguments.get(n).map_or("nothing", Val::kind);
            format!("takes {} as argument {}, got {got}", parameter.in_words(), n + 1)
        }
        None => format!("takes {} arguments at most, got {}", all.len(), arguments.len()),
    }
}

fn list<'v>(machine: &Machine<'_, 'v>, value: Val<'v>) -> Result<Val<'v>, ExpressionError> {
    if value.is_list() || value.is_nothing() {
        return Ok(value);
    }
    machine.pay_items(1)?;
    Val::array(vec![value])
}
