//! How nodes are put together: paths out of steps above all.

use std::rc::Rc;

use super::ast::{Array, Expr, Node, Path, SortTerm};
use super::lex::Token;
use crate::core::states::ExpressionError;

/// A word that is an expression by itself.
pub(super) fn leaf_of(token: Token) -> Option<Expr> {
    let node = match token {
        Token::Name(name) => match &*name {
            "true" => Node::Bool(true),
            "false" => Node::Bool(false),
            "null" => Node::Null,
            _ => return Some(step(Expr::leaf(Node::Name(name)))),
        },
        Token::Quoted(name) => return Some(step(Expr::leaf(Node::Name(name)))),
        Token::Variable(name) => Node::Variable(name),
        Token::Text(text) => Node::Text(text),
        Token::Number(number) => Node::Number(number),
        Token::Regex(pattern) => Node::Regex(pattern),
        Token::Sign("*") => Node::Children,
        Token::Sign("**") => Node::Below,
        _ => return None,
    };
    Some(Expr::leaf(node))
}

/// A node around another.
pub(super) fn behind(inner: Expr, node: impl FnOnce(Box<Expr>) -> Node) -> Expr {
    let below = inner.height;
    Expr::new(node(Box::new(inner)), below)
}

/// A path of one step.
fn step(step: Expr) -> Expr {
    let below = step.height;
    Expr::new(Node::Path(Path { steps: vec![step], keep: false }), below)
}

/// `left.right`.
pub(super) fn concatenated(left: Expr, right: Expr) -> Result<Expr, ExpressionError> {
    let below = left.height.max(right.height);
    let mut path = match left.node {
        Node::Path(path) if left.group.is_none() => path,
        _ => Path { steps: vec![left], keep: false },
    };
    let mut group = None;
    match right {
        Expr { node: Node::Path(rest), group: given, .. } => {
            path.keep |= rest.keep;
            path.steps.extend(rest.steps);
            group = given;
        }
        other => path.steps.push(other),
    }
    for step in &mut path.steps {
        match &step.node {
            Node::Number(_) | Node::Bool(_) | Node::Null => {
                return Err(ExpressionError::Syntax(
                    "a number, true, false or null is no step of a path; a name that reads so stands in backticks"
                        .to_owned(),
                ));
            }
            Node::Text(name) => step.node = Node::Name(name.clone()),
            _ => {}
        }
    }
    path.keep |= path.steps.iter().any(|step| step.keep);
    let last = path.steps.len().saturating_sub(1);
    for n in [0, last] {
        if let Some(Expr { node: Node::Array(Array { is_step, .. }), .. }) = path.steps.get_mut(n) {
            *is_step = true;
        }
    }
    Ok(Expr { group, ..Expr::new(Node::Path(path), below) })
}

/// `value[]`.
pub(super) fn marked_to_keep(mut expr: Expr) -> Expr {
    match &mut expr.node {
        Node::Path(path) => {
            path.keep = true;
            if let Some(last) = path.steps.last_mut() {
                last.keep = true;
            }
        }
        _ => expr.keep = true,
    }
    expr
}

/// `left@$name` and `left#$name`: the last step of a path gives names to each of its items.
pub(super) fn bound(left: Expr, name: Rc<str>, is_focus: bool) -> Result<Expr, ExpressionError> {
    let wrong = |what: &str| Err(ExpressionError::Syntax(format!("@${name} goes before {what}, not behind it")));
    let mut path = match left {
        Expr { node: Node::Path(_), .. } => left,
        step => self::step(step),
    };
    let Node::Path(Path { steps, .. }) = &mut path.node else { return Ok(path) };
    let Some(last) = steps.last_mut() else { return Ok(path) };
    match (is_focus, last.filters.is_empty()) {
        (true, _) if matches!(last.node, Node::Sort(_)) => return wrong("^( )"),
        (true, false) => return wrong("a filter [ ]"),
        (true, true) => last.bound.focus = Some(name),
        (false, true) => last.bound.index = Some(name),
        (false, false) => last.filters.push(Expr::leaf(Node::Position(name))),
    }
    last.tuple = true;
    Ok(path)
}

/// `left^(…)`.
pub(super) fn sorted(left: Expr, terms: Vec<SortTerm>) -> Expr {
    let below = terms.iter().map(|term| term.by.height).max().unwrap_or(0) + 1;
    let below = below.max(left.height);
    let mut path = match left.node {
        Node::Path(path) if left.group.is_none() => path,
        _ => Path { steps: vec![left], keep: false },
    };
    path.steps.push(Expr::leaf(Node::Sort(terms)));
    Expr::new(Node::Path(path), below)
}
