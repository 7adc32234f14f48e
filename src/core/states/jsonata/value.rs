//! Values while an expression is evaluated: JSON, nothing at all, and functions.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::Builtin;
use super::ast::{Lambda, Transform};
use super::numbers::Number;
use super::pattern::Pattern;
use crate::core::states::ExpressionError;

/// Values within each other: to walk through them, and to drop them, takes a piece of the stack for each.
pub(super) const MOST_LEVELS: u16 = 200;
/// As deep as a document that was given can be.
const LEVELS_OF_GIVEN: u16 = 129;

/// A value. What it holds of the document it borrows.
#[derive(Clone, Debug)]
pub(super) enum Val<'v> {
    /// No value: what JSONata calls undefined.
    Nothing,
    Null,
    Bool(bool),
    Number(Number),
    Text(Rc<str>),
    /// An array or an object of the document.
    Given(&'v Value),
    List(Rc<List<'v>>),
    Object(Rc<Object<'v>>),
    Function(Rc<Function<'v>>),
}

/// A list that was made.
#[derive(Clone, Debug)]
pub(super) struct List<'v> {
    pub(super) items: Vec<Val<'v>>,
    pub(super) kind: Kind,
    /// One item stays a list.
    pub(super) keep: bool,
    depth: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a path leads to: one item is that item, none is no value.
    Sequence,
    /// An array as any other.
    Array,
    /// An array that a path does not flatten.
    Step,
}

/// An object that was made.
#[derive(Clone, Debug)]
pub(super) struct Object<'v> {
    pub(super) members: BTreeMap<Rc<str>, Val<'v>>,
    depth: u16,
}

/// What can be called.
#[derive(Debug)]
pub(super) enum Function<'v> {
    Builtin(&'static Builtin),
    /// A function of the expression, with where it was made and what was `$` there.
    Lambda {
        lambda: Rc<Lambda>,
        frame: usize,
        focus: Val<'v>,
        depth: u16,
    },
    /// Some arguments are given already.
    Partial {
        function: Rc<Function<'v>>,
        arguments: Vec<Option<Val<'v>>>,
        depth: u16,
    },
    /// The second takes what the first gives.
    Chain {
        first: Rc<Function<'v>>,
        second: Rc<Function<'v>>,
        depth: u16,
    },
    Regex(Rc<Pattern>),
    /// `|…|…|`, with where it was made.
    Transform {
        transform: Rc<Transform>,
        frame: usize,
    },
    /// The further places of a match: `next` of a match object.
    Further {
        pattern: Rc<Pattern>,
        text: Rc<str>,
        from: usize,
    },
}

impl From<f64> for Val<'_> {
    fn from(float: f64) -> Self {
        Self::Number(Number::Float(float))
    }
}

type Made<T> = Result<T, ExpressionError>;

fn deeper(below: u16) -> Made<u16> {
    if below < MOST_LEVELS {
        return Ok(below + 1);
    }
    Err(ExpressionError::Failed(format!("the data is nested more than {MOST_LEVELS} levels deep")))
}

impl List<'_> {
    /// The same list, which stays one with one item.
    pub(super) fn kept(&self) -> Self {
        Self { keep: true, ..self.clone() }
    }
}

impl<'v> Val<'v> {
    /// A value of the document.
    pub(super) fn of(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(is) => Self::Bool(*is),
            Value::Number(number) => Self::Number(Number::of(number)),
            Value::String(text) => Self::Text(text.as_str().into()),
            Value::Array(_) | Value::Object(_) => Self::Given(value),
        }
    }

    /// The same from JSON that was made, not given.
    pub(super) fn owned(value: &Value) -> Made<Self> {
        Ok(match value {
            Value::Array(items) => Self::array(items.iter().map(Self::owned).collect::<Made<_>>()?)?,
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| Ok((name.as_str().into(), Self::owned(value)?)));
                Self::object(members.collect::<Made<_>>()?)?
            }
            Value::Null => Self::Null,
            Value::Bool(is) => Self::Bool(*is),
            Value::Number(number) => Self::Number(Number::of(number)),
            Value::String(text) => Self::text(text),
        })
    }

    pub(super) fn text(text: &str) -> Self {
        Self::Text(text.into())
    }

    #[allow(clippy::cast_precision_loss, reason = "no list is as long as 2^53")]
    pub(super) fn count(count: usize) -> Self {
        (count as f64).into()
    }

    pub(super) fn array(items: Vec<Self>) -> Made<Self> {
        Self::list(items, Kind::Array)
    }

    pub(super) fn sequence(items: Vec<Self>) -> Made<Self> {
        Self::list(items, Kind::Sequence)
    }

    pub(super) fn list(items: Vec<Self>, kind: Kind) -> Made<Self> {
        let depth = deeper(items.iter().map(Self::depth).max().unwrap_or(0))?;
        Ok(Self::List(Rc::new(List { items, kind, keep: false, depth })))
    }

    pub(super) fn object(members: BTreeMap<Rc<str>, Self>) -> Made<Self> {
        let depth = deeper(members.values().map(Self::depth).max().unwrap_or(0))?;
        Ok(Self::Object(Rc::new(Object { members, depth })))
    }

    pub(super) fn function(function: Function<'v>) -> Self {
        Self::Function(Rc::new(function))
    }

    pub(super) fn depth(&self) -> u16 {
        match self {
            Self::Given(_) => LEVELS_OF_GIVEN,
            Self::List(list) => list.depth,
            Self::Object(object) => object.depth,
            Self::Function(function) => function.depth(),
            _ => 0,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Nothing)
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::Given(Value::Array(_)))
    }

    pub(super) fn is_object(&self) -> bool {
        matches!(self, Self::Object(_) | Self::Given(Value::Object(_)))
    }

    pub(super) fn is_sequence(&self) -> bool {
        matches!(self, Self::List(list) if list.kind == Kind::Sequence)
    }

    /// The items of a list; none where it is no list.
    pub(super) fn items(&self) -> Option<Cow<'_, [Self]>> {
        match self {
            Self::List(list) => Some(Cow::Borrowed(&list.items)),
            Self::Given(Value::Array(items)) => Some(Cow::Owned(items.iter().map(Self::of).collect())),
            _ => None,
        }
    }

    /// How many items.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Self::List(list) => Some(list.items.len()),
            Self::Given(Value::Array(items)) => Some(items.len()),
            _ => None,
        }
    }

    /// The items of a list, else the value as the only one; none of no value.
    pub(super) fn as_items(&self) -> Vec<Self> {
        match self {
            Self::Nothing => Vec::new(),
            other => other.items().map_or_else(|| vec![other.clone()], Cow::into_owned),
        }
    }

    /// The members of an object, by name.
    pub(super) fn members(&self) -> Option<Vec<(Rc<str>, Self)>> {
        match self {
            Self::Object(object) => {
                Some(object.members.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            Self::Given(Value::Object(members)) => {
                Some(members.iter().map(|(name, value)| (name.as_str().into(), Self::of(value))).collect())
            }
            _ => None,
        }
    }

    /// A member of an object, no value where there is none.
    pub(super) fn member(&self, name: &str) -> Self {
        match self {
            Self::Object(object) => object.members.get(name).cloned().unwrap_or(Self::Nothing),
            Self::Given(Value::Object(members)) => members.get(name).map_or(Self::Nothing, Self::of),
            _ => Self::Nothing,
        }
    }

    /// What it is, in words; never how it reads, for it may be a secret.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nothing => "no value",
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
            Self::List(_) | Self::Given(Value::Array(_)) => "an array",
            Self::Object(_) | Self::Given(_) => "an object",
            Self::Function(_) => "a function",
        }
    }

    /// As a condition, as `$boolean` has it; none of no value.
    pub(super) fn truth(&self) -> Option<bool> {
        Some(match self {
            Self::Nothing => return None,
            Self::Null | Self::Function(_) => false,
            Self::Bool(is) => *is,
            Self::Number(number) => number.float() != 0.0 && !number.float().is_nan(),
            Self::Text(text) => !text.is_empty(),
            Self::Object(object) => !object.members.is_empty(),
            Self::Given(Value::Object(members)) => !members.is_empty(),
            list => match list.items().unwrap_or_default().as_ref() {
                [one] => one.truth().unwrap_or(false),
                items => items.iter().any(|item| item.truth().unwrap_or(false)),
            },
        })
    }
}

impl Function<'_> {
    pub(super) fn depth(&self) -> u16 {
        match self {
            Self::Lambda { depth, .. } | Self::Partial { depth, .. } | Self::Chain { depth, .. } => *depth,
            _ => 0,
        }
    }

    /// How many arguments it looks at.
    pub(super) fn arity(&self) -> usize {
        match self {
            Self::Builtin(builtin) => builtin.arity(),
            Self::Lambda { lambda, .. } => lambda.parameters.len(),
            Self::Partial { arguments, .. } => arguments.iter().filter(|argument| argument.is_none()).count(),
            Self::Chain { first, .. } => first.arity(),
            Self::Regex(_) | Self::Transform { .. } => 1,
            Self::Further { .. } => 0,
        }
    }
}

impl<'v> Function<'v> {
    pub(super) fn lambda(lambda: Rc<Lambda>, frame: usize, focus: Val<'v>) -> Made<Self> {
        let depth = deeper(focus.depth())?;
        Ok(Self::Lambda { lambda, frame, focus, depth })
    }

    pub(super) fn partial(function: Rc<Self>, arguments: Vec<Option<Val<'v>>>) -> Made<Self> {
        let depth = deeper(arguments.iter().flatten().map(Val::depth).chain([function.depth()]).max().unwrap_or(0))?;
        Ok(Self::Partial { function, arguments, depth })
    }

    pub(super) fn chain(first: Rc<Self>, second: Rc<Self>) -> Made<Self> {
        let depth = deeper(first.depth().max(second.depth()))?;
        Ok(Self::Chain { first, second, depth })
    }
}
