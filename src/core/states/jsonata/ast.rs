//! What an expression consists of, as the parser leaves it for the evaluation.

use std::rc::Rc;

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
}

/// Names and values of an object.
pub(super) type Pairs = Vec<(Expr, Expr)>;

#[derive(Debug)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(f64),
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
}

#[derive(Debug)]
pub(super) struct Path {
    pub(super) steps: Vec<Expr>,
    /// A list of one stays a list.
    pub(super) keep: bool,
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
        Self { node, filters: Vec::new(), group: None, keep: false, height: below + 1 }
    }

    /// A node with nothing in it.
    pub(super) fn leaf(node: Node) -> Self {
        Self::new(node, 0)
    }

    pub(super) fn is_array(&self) -> bool {
        matches!(self.node, Node::Array(_))
    }
}
