//! What an expression consists of, as the parser leaves it for the evaluation.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::numbers::Number;
use super::pattern::Pattern;

/// A node, and what stands behind it.
#[derive(Debug)]
pub(super) struct Expr {
    pub(super) node: Node,
    /// `[…]` behind a value; of a step of a path, they filter what each item leads to.
    pub(super) filters: Vec<Expr>,
    /// `{…}` behind a value.
    pub(super) group: Option<Pairs>,
    /// `[]` behind a value: a list of one stays a list.
    pub(super) keep: bool,
    /// Nodes within each other, itself included.
    pub(super) height: usize,
    /// What it binds, as a step of a path, for the steps behind it.
    pub(super) bound: Bound,
    /// As a step of a path: from here on each item has names of its own (JSONata calls such items tuples).
    pub(super) tuple: bool,
}

/// The names that a step of a path gives.
#[derive(Debug, Default)]
pub(super) struct Bound {
    /// `@$name`: the item; what is in focus stays.
    pub(super) focus: Option<Rc<str>>,
    /// `#$name`: the item's position.
    pub(super) index: Option<Rc<str>>,
    /// Some `%` behind it is what was in focus before this step.
    pub(super) ancestor: Option<Rc<Slot>>,
}

/// What a `%` stands for: what is in focus before the step that its `level` leads to. Levels are counted while parsing.
#[derive(Debug)]
pub(super) struct Slot {
    /// The name under which the step binds it, which is no name that people can write.
    pub(super) label: RefCell<Rc<str>>,
    pub(super) level: Cell<usize>,
}

/// Names and values of an object.
pub(super) type Pairs = Vec<(Expr, Expr)>;

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(Number),
    Text(Rc<str>),
    Regex(Rc<Pattern>),
    Name(Rc<str>),
    /// Without its `$`: `$` is the empty name, `$$` is `$`.
    Variable(Rc<str>),
    /// `*`.
    Children,
    /// `**`.
    Below,
    Path(Path),
    Negative(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Array(Array),
    Object(Pairs),
    Block(Vec<Expr>),
    Condition(Box<[Expr; 2]>, Option<Box<Expr>>),
    Bind(Rc<str>, Box<Expr>),
    Call(Box<Call>),
    Lambda(Rc<Lambda>),
    /// `~>`.
    Apply(Box<Expr>, Box<Expr>),
    /// `^(…)`, the step of a path.
    Sort(Vec<SortTerm>),
    /// `?` among the arguments of a call.
    Placeholder,
    /// `%`.
    Parent(Rc<Slot>),
    /// `#$name` behind a filter, among the filters of a step.
    Position(Rc<str>),
    Transform(Rc<Transform>),
}

#[derive(Debug)]
pub(super) struct Path {
    pub(super) steps: Vec<Expr>,
    /// A list of one stays a list.
    pub(super) keep: bool,
}

impl Path {
    /// Some step gives names to its items.
    pub(super) fn has_tuples(&self) -> bool {
        self.steps.iter().any(|step| step.tuple)
    }
}

#[derive(Debug)]
pub(super) struct Array {
    pub(super) items: Vec<Expr>,
    /// The first or last step of a path: it is not flattened into the path's result.
    pub(super) is_step: bool,
}

#[derive(Debug)]
pub(super) struct Call {
    pub(super) procedure: Expr,
    pub(super) arguments: Vec<Expr>,
    /// Some argument is `?`.
    pub(super) is_partial: bool,
}

#[derive(Debug)]
pub(super) struct Lambda {
    pub(super) parameters: Vec<Rc<str>>,
    pub(super) body: Expr,
}

/// `|location|update, delete|`.
#[derive(Debug)]
pub(super) struct Transform {
    pub(super) location: Expr,
    pub(super) update: Expr,
    pub(super) delete: Option<Expr>,
}

#[derive(Debug)]
pub(super) struct SortTerm {
    pub(super) by: Expr,
    pub(super) descending: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    And,
    Or,
    Concatenate,
    Range,
}

impl Operator {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::In => "in",
            Self::And => "and",
            Self::Or => "or",
            Self::Concatenate => "&",
            Self::Range => "..",
        }
    }
}

impl Expr {
    /// The node with nothing behind it, `below` the greatest height of what is in it.
    pub(super) fn new(node: Node, below: usize) -> Self {
        Self {
            node,
            filters: Vec::new(),
            group: None,
            keep: false,
            height: below + 1,
            bound: Bound::default(),
            tuple: false,
        }
    }

    /// A node with nothing in it.
    pub(super) fn leaf(node: Node) -> Self {
        Self::new(node, 0)
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self.node, Node::Array(_))
    }
}
