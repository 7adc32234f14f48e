//! Paths whose items have names: `@$item`, `#$position`, and what `%` leads back to.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Expr, Node, Pairs, Path};
use super::evaluate::{known, normal};
use super::path::place;
use super::value::Val;
use super::{Evaluated, Machine};
use crate::core::states::ExpressionError;

/// An item of a path, with the names that its steps gave.
#[derive(Clone)]
pub(super) struct Tuple<'v> {
    /// What is in focus.
    pub(super) at: Val<'v>,
    names: Vec<(Rc<str>, Val<'v>)>,
}

type Tuples<'v> = Result<Vec<Tuple<'v>>, ExpressionError>;

impl<'v> Tuple<'v> {
    fn set(&mut self, name: &Rc<str>, value: Val<'v>) {
        match self.names.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.names.push((name.clone(), value)),
        }
    }
}

/// Whether the items of a step have names of their own, which the path around it takes over.
fn is_stream(step: &Expr) -> bool {
    step.tuple
        && step.group.is_none()
        && match &step.node {
            Node::Path(_) => true,
            Node::Block(expressions) => expressions.last().is_some_and(is_stream),
            _ => false,
        }
}

impl<'v> Machine<'_, 'v> {
    pub(super) fn tuples_of_path(&mut self, path: &Path, focus: &Val<'v>, frame: usize) -> Tuples<'v> {
        let steps = &path.steps;
        let first = steps.iter().position(|step| step.tuple).unwrap_or(0);
        let at = if first == 0 {
            self.start(steps, focus)?
        } else {
            let reached = self.walk(steps, first, focus, frame)?;
            self.paid_items(&reached)?
        };
        let mut tuples: Vec<Tuple<'v>> = at.into_iter().map(|at| Tuple { at, names: Vec::new() }).collect();
        for step in &steps[first..] {
            tuples = self.tuple_step(step, tuples, frame)?;
        }
        Ok(tuples)
    }

    /// A frame in which the names of an item are variables.
    fn frame_of(&mut self, tuple: &Tuple<'v>, frame: usize) -> Result<usize, ExpressionError> {
        let inner = self.open(frame)?;
        for (name, value) in &tuple.names {
            self.bind(inner, name, value.clone())?;
        }
        Ok(inner)
    }

    fn tuple_step(&mut self, step: &Expr, tuples: Vec<Tuple<'v>>, frame: usize) -> Tuples<'v> {
        let mut reached = match &step.node {
            Node::Sort(terms) => {
                let mut keyed = Vec::with_capacity(tuples.len());
                for tuple in tuples {
                    let inner = self.frame_of(&tuple, frame)?;
                    keyed.push((self.sort_keys(terms, &tuple.at, inner)?, tuple));
                }
                let mut sorted = self.ordered(terms, keyed)?;
                if let Some(name) = &step.bound.index {
                    number(&mut sorted, name);
                }
                sorted
            }
            _ => self.tuples_from(step, &tuples, frame)?,
        };
        for filter in &step.filters {
            match &filter.node {
                Node::Position(name) => number(&mut reached, name),
                _ => reached = self.filter_tuples(filter, reached, frame)?,
            }
        }
        Ok(reached)
    }

    fn tuples_from(&mut self, step: &Expr, tuples: &[Tuple<'v>], frame: usize) -> Tuples<'v> {
        let mut reached = Vec::new();
        for tuple in tuples {
            let inner = self.frame_of(tuple, frame)?;
            if is_stream(step) {
                for found in self.stream(step, &tuple.at, inner)? {
                    self.pay_items(1 + tuple.names.len())?;
                    let mut next = Tuple { at: found.at, names: tuple.names.clone() };
                    for (name, value) in found.names {
                        next.set(&name, value);
                    }
                    reached.push(next);
                }
                continue;
            }
            let value = self.bare(step, &tuple.at, inner)?;
            for (n, item) in self.paid_items(&value)?.into_iter().enumerate() {
                self.pay_items(1 + tuple.names.len())?;
                let mut next = tuple.clone();
                match &step.bound.focus {
                    Some(name) => next.set(name, item),
                    None => next.at = item,
                }
                if let Some(name) = &step.bound.index {
                    next.set(name, Val::count(n));
                }
                if let Some(slot) = &step.bound.ancestor {
                    next.set(&slot.label.borrow(), tuple.at.clone());
                }
                reached.push(next);
            }
        }
        Ok(reached)
    }

    /// The items of a step that is a path or a block with one at its end.
    fn stream(&mut self, step: &Expr, at: &Val<'v>, frame: usize) -> Tuples<'v> {
        self.enter()?;
        let found = match &step.node {
            Node::Path(path) => self.tuples_of_path(path, at, frame)?,
            Node::Block(expressions) => {
                let inner = self.open(frame)?;
                let Some((last, before)) = expressions.split_last() else { return Ok(Vec::new()) };
                for expr in before {
                    self.eval(expr, at, inner)?;
                }
                self.stream(last, at, inner)?
            }
            _ => Vec::new(),
        };
        self.level -= 1;
        Ok(found)
    }

    fn filter_tuples(&mut self, filter: &Expr, tuples: Vec<Tuple<'v>>, frame: usize) -> Tuples<'v> {
        if let Node::Number(index) = filter.node {
            let at = place(index.float(), tuples.len());
            return Ok(at.and_then(|at| tuples.into_iter().nth(at)).into_iter().collect());
        }
        let mut chosen = Vec::new();
        for (n, tuple) in tuples.iter().enumerate() {
            let inner = self.frame_of(tuple, frame)?;
            let wanted = self.eval(filter, &tuple.at, inner)?;
            let times = self.times(&wanted, n, tuples.len())?;
            chosen.extend(std::iter::repeat_n(tuple, times).cloned());
        }
        Ok(chosen)
    }

    /// `{…}` behind such a path: grouped by name, the items and names of a group are lists.
    pub(super) fn group_tuples(&mut self, pairs: &Pairs, tuples: Vec<Tuple<'v>>, frame: usize) -> Evaluated<'v> {
        let mut groups: BTreeMap<Rc<str>, (usize, Vec<Tuple<'v>>)> = BTreeMap::new();
        for tuple in tuples {
            let inner = self.frame_of(&tuple, frame)?;
            for (n, (name, _)) in pairs.iter().enumerate() {
                let name = match self.eval(name, &tuple.at, inner)? {
                    Val::Nothing => continue,
                    Val::Text(name) => name,
                    other => {
                        let what = format!("the names of an object are strings, got {}", other.kind());
                        return Err(ExpressionError::Failed(what));
                    }
                };
                self.pay_items(1 + tuple.names.len())?;
                let group = groups.entry(name).or_insert_with(|| (n, Vec::new()));
                if group.0 != n {
                    return Err(ExpressionError::Failed("two members of an object have the same name".to_owned()));
                }
                group.1.push(tuple.clone());
            }
        }
        let mut members = BTreeMap::new();
        for (name, (n, of)) in groups {
            let reduced = self.reduced(of)?;
            let inner = self.frame_of(&reduced, frame)?;
            let value = self.eval(&pairs[n].1, &reduced.at, inner)?;
            self.meter().spend(name.len())?;
            if !value.is_nothing() {
                members.insert(name, value);
            }
        }
        Val::object(members)
    }

    fn reduced(&mut self, mut tuples: Vec<Tuple<'v>>) -> Result<Tuple<'v>, ExpressionError> {
        if tuples.len() == 1
            && let Some(one) = tuples.pop()
        {
            return Ok(one);
        }
        let (mut at, mut names) = (Vec::new(), BTreeMap::<Rc<str>, Vec<Val<'v>>>::new());
        for tuple in tuples {
            at.extend(self.paid_items(&tuple.at)?);
            for (name, value) in tuple.names {
                names.entry(name).or_default().extend(self.paid_items(&value)?);
            }
        }
        let joined = |items| Ok::<_, ExpressionError>(normal(Val::sequence(items)?, false));
        let names = names.into_iter().map(|(name, items)| Ok((name, joined(items)?)));
        Ok(Tuple { at: known(joined(at)?)?, names: names.collect::<Result<_, ExpressionError>>()? })
    }
}

/// Gives each item its position.
fn number(tuples: &mut [Tuple<'_>], name: &Rc<str>) {
    for (n, tuple) in tuples.iter_mut().enumerate() {
        tuple.set(name, Val::count(n));
    }
}
