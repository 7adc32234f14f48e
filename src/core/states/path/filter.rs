//! Filters of a path: `[?(@.size > 10 && @.name == 'a')]`.

use std::cmp::Ordering;

use serde_json::Value;

use super::{ExpressionError, Path, Scan, Scope, list, unescaped};

/// Parentheses and filters within each other.
const MOST_LEVELS: usize = 16;

/// A condition on an item.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::core) enum Filter {
    Any(Vec<Filter>),
    All(Vec<Filter>),
    Not(Box<Filter>),
    Exists(Operand),
    Compare(Operand, Operator, Operand),
}

#[derive(Clone, Debug, PartialEq)]
pub(in crate::core) enum Operand {
    Path(Path),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::core) enum Operator {
    Equal,
    NotEqual,
    LessOrEqual,
    Less,
    GreaterOrEqual,
    Greater,
    NotIn,
    In,
}

const OPERATORS: [(&str, Operator); 8] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::LessOrEqual),
    ("<", Operator::Less),
    (">=", Operator::GreaterOrEqual),
    (">", Operator::Greater),
    ("nin ", Operator::NotIn),
    ("in ", Operator::In),
];

impl Filter {
    /// Reads `(…)` behind the question mark.
    pub(super) fn scan(scan: &mut Scan<'_>, level: usize) -> Result<Self, ExpressionError> {
        if level > MOST_LEVELS {
            return Err(ExpressionError::Syntax(format!("the path has more than {MOST_LEVELS} filters in each other")));
        }
        let mut any = vec![Self::all(scan, level)?];
        while scan.eat("||") {
            any.push(Self::all(scan, level)?);
        }
        Ok(Self::Any(any))
    }

    fn all(scan: &mut Scan<'_>, level: usize) -> Result<Self, ExpressionError> {
        let mut all = vec![Self::term(scan, level)?];
        while scan.eat("&&") {
            all.push(Self::term(scan, level)?);
        }
        Ok(Self::All(all))
    }

    fn term(scan: &mut Scan<'_>, level: usize) -> Result<Self, ExpressionError> {
        scan.blanks();
        let term = if scan.eat("!") {
            if level > MOST_LEVELS {
                return Err(scan.unexpected("fewer !"));
            }
            Self::Not(Box::new(Self::term(scan, level + 1)?))
        } else if scan.eat("(") {
            let inner = Self::scan(scan, level + 1)?;
            if !scan.eat(")") {
                return Err(scan.unexpected(")"));
            }
            inner
        } else {
            Self::comparison(scan, level)?
        };
        scan.blanks();
        Ok(term)
    }

    fn comparison(scan: &mut Scan<'_>, level: usize) -> Result<Self, ExpressionError> {
        let left = Operand::scan(scan, level)?;
        scan.blanks();
        let Some((_, operator)) = OPERATORS.iter().find(|(text, _)| scan.eat(text)) else {
            return Ok(Self::Exists(left));
        };
        scan.blanks();
        Ok(Self::Compare(left, *operator, Operand::scan(scan, level)?))
    }

    /// Whether the item is one of those.
    pub(super) fn fits(&self, item: &Value, scope: &Scope<'_>) -> Result<bool, ExpressionError> {
        scope.meter.spend(1)?;
        let fit = |filter: &Self| filter.fits(item, scope);
        match self {
            Self::Any(filters) => filters.iter().map(fit).find(|fit| *fit != Ok(false)).unwrap_or(Ok(false)),
            Self::All(filters) => filters.iter().map(fit).find(|fit| *fit != Ok(true)).unwrap_or(Ok(true)),
            Self::Not(filter) => fit(filter).map(|fits| !fits),
            Self::Exists(operand) => Ok(operand.value(item, scope)?.is_some()),
            Self::Compare(left, operator, right) => {
                let (left, right) = (left.value(item, scope)?, right.value(item, scope)?);
                Ok(operator.holds(left, right))
            }
        }
    }
}

impl Operand {
    fn scan(scan: &mut Scan<'_>, level: usize) -> Result<Self, ExpressionError> {
        if matches!(scan.peek(), Some('@' | '$')) {
            return Path::scan(scan, level).map(Self::Path);
        }
        if scan.eat("[") {
            let items = list(scan, literal)?;
            return if scan.eat("]") { Ok(Self::Literal(Value::Array(items))) } else { Err(scan.unexpected("]")) };
        }
        literal(scan).map(Self::Literal)
    }

    fn value<'v>(&'v self, item: &'v Value, scope: &Scope<'v>) -> Result<Option<&'v Value>, ExpressionError> {
        match self {
            Self::Path(path) => path.of_item(item, scope),
            Self::Literal(value) => Ok(Some(value)),
        }
    }
}

impl Operator {
    fn holds(self, left: Option<&Value>, right: Option<&Value>) -> bool {
        let is_in = || right.and_then(Value::as_array).is_some_and(|items| left.is_some_and(|l| items.contains(l)));
        let order = left.zip(right).and_then(|(left, right)| compare(left, right));
        match self {
            Self::Equal => order == Some(Ordering::Equal) || left == right,
            Self::NotEqual => order != Some(Ordering::Equal) && left != right,
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Self::In => is_in(),
            Self::NotIn => !is_in(),
        }
    }
}

/// The order of two numbers or two texts.
pub(in crate::core::states) fn compare(left: &Value, right: &Value) -> Option<Ordering> {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i128(), right.as_i128()) {
            (Some(left), Some(right)) => Some(left.cmp(&right)),
            _ => left.as_f64()?.partial_cmp(&right.as_f64()?),
        },
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

/// A text in quotes, a number, true, false or null.
pub(in crate::core::states) fn literal(scan: &mut Scan<'_>) -> Result<Value, ExpressionError> {
    if matches!(scan.peek(), Some('\'' | '"')) {
        return scan.quoted().map(|text| Value::String(unescaped(text)));
    }
    let word = scan.take(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.'));
    match serde_json::from_str(word) {
        Ok(value) => Ok(value),
        Err(_) => Err(scan.unexpected("a path, a text in apostrophes, a number, true, false or null")),
    }
}
