//! `%`: which step of a path it is the parent of. A pass over the whole expression, after parsing, as JSONata's own
//! (`processAST` in its parser.js, 2.0.6) resolves them.

use std::rc::Rc;

use super::ast::{Expr, Node, Path, Slot};
use crate::core::states::ExpressionError;

type Open = Result<Vec<Rc<Slot>>, ExpressionError>;

/// Has each step keep what the `%` behind it stand for.
pub(super) fn resolve(expr: &mut Expr) -> Result<(), ExpressionError> {
    closed(expr)
}

fn nowhere() -> ExpressionError {
    ExpressionError::Syntax(
        "the parent operator % leads nowhere here: it stands in a path, behind names (orders.lines.%.id) or in the filter, the \
         arguments or the object of a step (orders.lines.{'of': %.id}); in a function, behind ~> and in a group it does not"
            .to_owned(),
    )
}

/// An expression whose `%` all have their step in itself.
fn closed(expr: &mut Expr) -> Result<(), ExpressionError> {
    if open(expr)?.is_empty() { Ok(()) } else { Err(nowhere()) }
}

fn all<'e>(expressions: impl IntoIterator<Item = &'e mut Expr>) -> Open {
    let mut slots = Vec::new();
    for expr in expressions {
        slots.extend(open(expr)?);
    }
    Ok(slots)
}

/// The `%` of an expression that stand for something outside of it.
fn open(expr: &mut Expr) -> Open {
    let mut slots = match &mut expr.node {
        Node::Parent(slot) => vec![slot.clone()],
        Node::Path(path) => of_path(path)?,
        Node::Negative(inner) | Node::Bind(_, inner) => open(inner)?,
        Node::Binary(_, left, right) => all([&mut **left, &mut **right])?,
        Node::Array(array) => all(&mut array.items)?,
        Node::Object(pairs) => all(pairs.iter_mut().flat_map(|(name, value)| [name, value]))?,
        Node::Block(expressions) => all(expressions)?,
        Node::Condition(both, otherwise) => all(both.iter_mut().chain(otherwise.as_deref_mut()))?,
        Node::Call(call) => {
            closed(&mut call.procedure)?;
            all(&mut call.arguments)?
        }
        Node::Sort(terms) => all(terms.iter_mut().map(|term| &mut term.by))?,
        Node::Apply(left, right) => {
            closed(left)?;
            closed(right)?;
            Vec::new()
        }
        // Nothing else refers to them yet.
        Node::Lambda(lambda) => {
            Rc::get_mut(lambda).map_or(Ok(()), |lambda| closed(&mut lambda.body))?;
            Vec::new()
        }
        Node::Transform(transform) => {
            if let Some(transform) = Rc::get_mut(transform) {
                for part in [&mut transform.location, &mut transform.update].into_iter().chain(&mut transform.delete) {
                    closed(part)?;
                }
            }
            Vec::new()
        }
        Node::Null
        | Node::Bool(_)
        | Node::Number(_)
        | Node::Text(_)
        | Node::Regex(_)
        | Node::Name(_)
        | Node::Variable(_)
        | Node::Children
        | Node::Below
        | Node::Placeholder
        | Node::Position(_) => Vec::new(),
    };
    let mut filters = std::mem::take(&mut expr.filters);
    for filter in &mut filters {
        for slot in open(filter)? {
            if slot.level.get() == 1 {
                seek(expr, &slot)?;
            } else {
                slot.level.set(slot.level.get() - 1);
            }
            slots.push(slot);
        }
    }
    expr.filters = filters;
    for (name, value) in expr.group.iter_mut().flatten() {
        closed(name)?;
        closed(value)?;
    }
    slots.retain(|slot| slot.level.get() > 0);
    Ok(slots)
}

fn of_path(path: &mut Path) -> Open {
    let mut outside = Vec::new();
    for n in 0..path.steps.len() {
        for slot in open(&mut path.steps[n])? {
            let mut before = n;
            while slot.level.get() > 0 {
                let Some(mut at) = before.checked_sub(1) else {
                    outside.push(slot.clone());
                    break;
                };
                // Steps that keep the focus where it is are one place.
                let keeps = |step: &Expr| step.bound.focus.is_some();
                while at > 0 && keeps(&path.steps[at]) && keeps(&path.steps[at - 1]) {
                    at -= 1;
                }
                before = at;
                seek(&mut path.steps[at], &slot)?;
            }
        }
    }
    Ok(outside)
}

/// Goes one step towards what a `%` stands for.
fn seek(step: &mut Expr, slot: &Rc<Slot>) -> Result<(), ExpressionError> {
    match &mut step.node {
        Node::Name(_) | Node::Children => {
            slot.level.set(slot.level.get() - 1);
            if slot.level.get() == 0 {
                if let Some(known) = &step.bound.ancestor {
                    slot.label.replace(known.label.borrow().clone());
                }
                step.bound.ancestor = Some(slot.clone());
                step.tuple = true;
            }
            Ok(())
        }
        Node::Parent(_) => {
            slot.level.set(slot.level.get() + 1);
            Ok(())
        }
        Node::Block(expressions) => {
            step.tuple = true;
            expressions.last_mut().map_or_else(|| Err(nowhere()), |last| seek(last, slot))
        }
        Node::Path(path) => {
            step.tuple = true;
            for inner in path.steps.iter_mut().rev() {
                seek(inner, slot)?;
                if slot.level.get() == 0 {
                    break;
                }
            }
            Ok(())
        }
        _ => Err(nowhere()),
    }
}
