//! Paths: what each step leads to from each item of the one before.

use std::cmp::Ordering;
use std::rc::Rc;

use super::ast::{Array, Expr, Node, Path, SortTerm};
use super::equal::order;
use super::evaluate::{known, normal};
use super::value::{Kind, Val};
use super::{Evaluated, Machine};
use crate::core::states::ExpressionError;

impl<'v> Machine<'_, 'v> {
    pub(super) fn path(&mut self, path: &Path, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let reached = if path.has_tuples() {
            let tuples = self.tuples_of_path(path, focus, frame)?;
            self.pay_items(tuples.len())?;
            Val::sequence(tuples.into_iter().map(|tuple| tuple.at).collect())?
        } else {
            self.walk(&path.steps, path.steps.len(), focus, frame)?
        };
        match &reached {
            // An array that was written into the path is one item of its result.
            Val::List(list) if path.keep && list.kind == Kind::Step => kept(Val::sequence(vec![reached])?),
            Val::List(list) if path.keep && list.kind == Kind::Sequence => kept(reached),
            _ => Ok(reached),
        }
    }

    /// Where a path begins: at each item of a list, but for a variable, which is a place of its own.
    pub(super) fn start(&self, steps: &[Expr], focus: &Val<'v>) -> Result<Vec<Val<'v>>, ExpressionError> {
        let from_variable = steps.first().is_some_and(|step| matches!(step.node, Node::Variable(_)));
        if focus.is_list() && !from_variable { self.paid_items(focus) } else { Ok(vec![focus.clone()]) }
    }

    /// What the first `count` steps of a path lead to.
    pub(super) fn walk(&mut self, steps: &[Expr], count: usize, focus: &Val<'v>, frame: usize) -> Evaluated<'v> {
        let mut at = self.start(steps, focus)?;
        let mut reached = Val::Nothing;
        for (n, step) in steps.iter().take(count).enumerate() {
            let is_last = n + 1 == steps.len();
            reached = match (&step.node, n) {
                (Node::Array(Array { is_step: true, .. }), 0) => {
                    self.eval(step, &Val::array(std::mem::take(&mut at))?, frame)?
                }
                (Node::Variable(name), 0) if step.filters.is_empty() => {
                    let behind = steps.get(1).and_then(|step| match &step.node {
                        Node::Name(name) => Some(&**name),
                        _ => None,
                    });
                    let value = known(normal(self.variable(name, behind, focus, frame)?, step.keep))?;
                    self.flat(vec![value], is_last)?
                }
                (Node::Sort(terms), _) => self.sorted(terms, step, std::mem::take(&mut at), frame)?,
                _ => self.step(step, &at, frame, is_last)?,
            };
            if matches!(reached.length(), None | Some(0)) {
                break;
            }
            if !is_last {
                at = self.paid_items(&reached)?;
            }
        }
        Ok(reached)
    }

    fn step(&mut self, step: &Expr, at: &[Val<'v>], frame: usize, is_last: bool) -> Evaluated<'v> {
        let mut results = Vec::new();
        for item in at {
            let mut value = self.bare(step, item, frame)?;
            for filter in &step.filters {
                value = self.filter(filter, &value, frame)?;
            }
            if !value.is_nothing() {
                self.pay_items(1)?;
                results.push(value);
            }
        }
        self.flat(results, is_last)
    }

    /// The results of a step as one sequence: arrays in it are opened, but for the last one that is an array itself.
    fn flat(&self, mut results: Vec<Val<'v>>, is_last: bool) -> Evaluated<'v> {
        if is_last
            && let [one] = results.as_slice()
            && one.is_list()
            && !one.is_sequence()
        {
            return Ok(results.remove(0));
        }
        let mut items = Vec::new();
        for result in results {
            match &result {
                Val::Nothing => {}
                Val::List(list) if list.kind == Kind::Step => items.push(result),
                list if list.is_list() => items.extend(self.paid_items(list)?),
                _ => items.push(result),
            }
        }
        Val::sequence(items)
    }

    pub(super) fn filter(&mut self, filter: &Expr, value: &Val<'v>, frame: usize) -> Evaluated<'v> {
        if value.is_nothing() {
            return Ok(Val::Nothing);
        }
        let items = self.paid_items(value)?;
        if let Node::Number(index) = filter.node {
            return match place(index.float(), items.len()).and_then(|at| items.get(at)) {
                None => Val::sequence(Vec::new()),
                Some(list) if list.is_list() => Ok(list.clone()),
                Some(item) => Val::sequence(vec![item.clone()]),
            };
        }
        let mut chosen = Vec::new();
        for (n, item) in items.iter().enumerate() {
            let wanted = self.eval(filter, item, frame)?;
            let times = self.times(&wanted, n, items.len())?;
            chosen.extend(std::iter::repeat_n(item, times).cloned());
        }
        Val::sequence(chosen)
    }

    /// How often a filter that gives this chooses the item `n` of so many: numbers are positions, anything else holds or not.
    pub(super) fn times(&self, wanted: &Val<'v>, n: usize, length: usize) -> Result<usize, ExpressionError> {
        let indexes = match wanted {
            Val::Number(index) => Some(vec![index.float()]),
            list => self.indexes(list)?,
        };
        let times = match indexes {
            Some(indexes) => indexes.into_iter().filter(|index| place(*index, length) == Some(n)).count(),
            None => usize::from(wanted.truth().unwrap_or(false)),
        };
        self.pay_items(times)?;
        Ok(times)
    }

    /// The numbers of a list that has nothing else.
    fn indexes(&self, value: &Val<'v>) -> Result<Option<Vec<f64>>, ExpressionError> {
        if !value.is_list() {
            return Ok(None);
        }
        let items = self.paid_items(value)?;
        let number = |item: &Val<'v>| match item {
            Val::Number(number) => Some(number.float()),
            _ => None,
        };
        Ok(items.iter().map(number).collect::<Option<Vec<f64>>>().filter(|indexes| !indexes.is_empty()))
    }

    /// `name` of a value, or of every item of a list.
    pub(super) fn lookup(&self, value: &Val<'v>, name: &str) -> Evaluated<'v> {
        if !value.is_list() {
            return Ok(value.member(name));
        }
        let mut found = Vec::new();
        let mut open = self.paid_items(value)?;
        open.reverse();
        while let Some(item) = open.pop() {
            if item.is_list() {
                let mut inner = self.paid_items(&item)?;
                inner.reverse();
                open.extend(inner);
                continue;
            }
            let member = item.member(name);
            match &member {
                Val::Nothing => {}
                list if list.is_list() => found.extend(self.paid_items(list)?),
                _ => found.push(known(member)?),
            }
        }
        self.pay_items(found.len())?;
        Val::sequence(found)
    }

    /// `*`: all members of an object, or of a list; lists in them are opened.
    pub(super) fn children(&self, value: &Val<'v>) -> Evaluated<'v> {
        let children: Vec<Val<'v>> = match value.members() {
            Some(members) => members.into_iter().map(|(_, value)| value).collect(),
            None if value.is_list() => self.paid_items(value)?,
            None => return Val::sequence(Vec::new()),
        };
        let mut found = Vec::new();
        let mut open: Vec<Val<'v>> = children.into_iter().rev().collect();
        self.pay_items(open.len())?;
        while let Some(child) = open.pop() {
            if child.is_list() {
                let mut inner = self.paid_items(&child)?;
                inner.reverse();
                open.extend(inner);
            } else {
                self.pay_items(1)?;
                found.push(known(child)?);
            }
        }
        Val::sequence(found)
    }

    /// `**`: the value and all below it.
    pub(super) fn below(&self, value: &Val<'v>) -> Evaluated<'v> {
        let (mut found, mut open) = (Vec::new(), vec![value.clone()]);
        while let Some(value) = open.pop() {
            if value.is_nothing() {
                continue;
            }
            self.pay_items(2)?;
            if !value.is_list() {
                found.push(known(value.clone())?);
            }
            let mut inner = match value.members() {
                Some(members) => members.into_iter().map(|(_, value)| value).collect(),
                None if value.is_list() => self.paid_items(&value)?,
                None => Vec::new(),
            };
            inner.reverse();
            open.extend(inner);
        }
        Val::sequence(found)
    }

    /// `^(…)` of items without names.
    fn sorted(&mut self, terms: &[SortTerm], step: &Expr, items: Vec<Val<'v>>, frame: usize) -> Evaluated<'v> {
        let mut keyed = Vec::with_capacity(items.len());
        for item in items {
            keyed.push((self.sort_keys(terms, &item, frame)?, item));
        }
        let mut value = Val::sequence(self.ordered(terms, keyed)?)?;
        for filter in &step.filters {
            value = self.filter(filter, &value, frame)?;
        }
        Ok(value)
    }

    /// What an item is sorted by.
    pub(super) fn sort_keys(
        &mut self,
        terms: &[SortTerm],
        item: &Val<'v>,
        frame: usize,
    ) -> Result<Vec<Val<'v>>, ExpressionError> {
        let keys = terms.iter().map(|term| self.eval(&term.by, item, frame)).collect::<Result<Vec<_>, _>>()?;
        match keys.iter().find(|key| !matches!(key, Val::Nothing | Val::Number(_) | Val::Text(_))) {
            None => Ok(keys),
            Some(wrong) => {
                Err(ExpressionError::Failed(format!("^( ) sorts by numbers and strings, got {}", wrong.kind())))
            }
        }
    }

    /// By the terms of `^(…)`, the first that differs decides; no value comes last.
    pub(super) fn ordered<T>(
        &self,
        terms: &[SortTerm],
        mut keyed: Vec<(Vec<Val<'v>>, T)>,
    ) -> Result<Vec<T>, ExpressionError> {
        let (mut failed, meter) = (None, self.meter());
        let spent = |cost: usize| meter.spend(cost).is_ok();
        keyed.sort_by(|(one, _), (other, _)| {
            for (n, (one, other)) in one.iter().zip(other).enumerate() {
                // Comparing goes on for nothing when the meter is empty; each of those steps is short.
                if failed.is_some() || !spent(4) {
                    return Ordering::Equal;
                }
                let by = match (one, other) {
                    (Val::Nothing, Val::Nothing) => continue,
                    (Val::Nothing, _) => return Ordering::Greater,
                    (_, Val::Nothing) => return Ordering::Less,
                    _ => order(one, other, "^( )"),
                };
                match by {
                    Ok(Ordering::Equal) => {}
                    Ok(by) => return if terms[n].descending { by.reverse() } else { by },
                    Err(error) => failed = Some(error),
                }
            }
            Ordering::Equal
        });
        if let Some(error) = failed {
            return Err(error);
        }
        meter.spend(0)?;
        Ok(keyed.into_iter().map(|(_, item)| item).collect())
    }
}

/// A list that stays one with one item.
fn kept(list: Val<'_>) -> Evaluated<'_> {
    match list {
        Val::List(list) => Ok(Val::List(Rc::new(list.kept()))),
        other => Ok(other),
    }
}

/// Where an index leads in a list of so many, from its end where it is negative.
pub(super) fn place(index: f64, length: usize) -> Option<usize> {
    let index = index.floor();
    #[allow(clippy::cast_precision_loss, reason = "no list is as long as 2^53")]
    let index = if index < 0.0 { index + length as f64 } else { index };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is not negative, and saturates")]
    (index >= 0.0).then_some(index as usize)
}
