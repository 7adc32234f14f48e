//! Functions of lists, and those that call a function for each item.

use std::cmp::Ordering;
use std::rc::Rc;

use super::super::equal::{equal, order};
use super::super::value::{Function, Val};
use super::super::{Evaluated, Machine};
use super::{failed, number};
use crate::core::states::ExpressionError;

pub(super) fn count<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    Ok(Val::count(given.first().and_then(Val::length).unwrap_or(0)))
}

pub(super) fn append<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    match given {
        [Val::Nothing, other] | [other, Val::Nothing] => Ok(other.clone()),
        [one, other] => {
            let mut items = machine.paid_items(one)?;
            items.extend(machine.paid_items(other)?);
            // What is no list begins a sequence.
            if one.is_list() { Val::array(items) } else { Val::sequence(items) }
        }
        _ => Ok(Val::Nothing),
    }
}

pub(super) fn reverse<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let mut items = machine.paid_items(&given[0])?;
    items.reverse();
    Val::array(items)
}

pub(super) fn shuffle<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let mut items = machine.paid_items(&given[0])?;
    for n in (1..items.len()).rev() {
        let drawn = machine.scope.chance.next() % (n as u64 + 1);
        items.swap(n, usize::try_from(drawn).unwrap_or(n));
    }
    Val::array(items)
}

pub(super) fn distinct<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    if !given[0].is_list() {
        return Ok(given[0].clone());
    }
    let mut found: Vec<Val<'v>> = Vec::new();
    for item in machine.paid_items(&given[0])? {
        let mut is_known = false;
        for known in &found {
            is_known = is_known || equal(known, &item, machine.meter())?;
        }
        if !is_known {
            found.push(item);
        }
    }
    if given[0].is_sequence() { Val::sequence(found) } else { Val::array(found) }
}

pub(super) fn zip<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let lists = given.iter().map(|list| machine.paid_items(list)).collect::<Result<Vec<_>, _>>()?;
    let shortest = lists.iter().map(Vec::len).min().unwrap_or(0);
    machine.pay_items(shortest * lists.len())?;
    let row = |n: usize| Val::array(lists.iter().map(|list| list[n].clone()).collect());
    Val::array((0..shortest).map(row).collect::<Result<_, _>>()?)
}

/// Step Functions': parts of so many items.
pub(super) fn partition<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let items = machine.paid_items(&given[0])?;
    // Without a size, all items are one part.
    let size = number(given, 1).map_or(f64::INFINITY, f64::trunc);
    if size < 0.0 {
        return failed("$partition takes a size of 0 or more");
    }
    if size == 0.0 || items.is_empty() {
        return Ok(Val::Nothing);
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and saturates")]
    let parts = items.chunks(size as usize).map(|part| Val::array(part.to_vec()));
    Val::array(parts.collect::<Result<_, _>>()?)
}

/// Step Functions': from the first to the second, both included, by the third.
pub(super) fn range<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    // Rounded towards zero; a step that leads nowhere gives nothing.
    let at = |n: usize| number(given, n).map_or(0.0, f64::trunc);
    let (from, to, step) = (at(0), at(1), at(2));
    if step == 0.0 || (to - from) / step < 0.0 {
        return Ok(Val::Nothing);
    }
    let count = ((to - from) / step).floor() + 1.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and saturates")]
    let count = count as usize;
    machine.pay_items(count)?;
    let (mut items, mut n) = (Vec::<Val<'v>>::with_capacity(count), 0.0);
    for _ in 0..count {
        items.push((from + n * step).into());
        n += 1.0;
    }
    // A sequence of one is the item itself, as everywhere in JSONata.
    if let [one] = items.as_slice() { Ok(one.clone()) } else { Val::array(items) }
}

/// The function among the arguments.
pub(super) fn function<'v>(given: &[Val<'v>], at: usize) -> Option<Rc<Function<'v>>> {
    match given.get(at) {
        Some(Val::Function(function)) => Some(function.clone()),
        _ => None,
    }
}

/// Calls a function with an item, its index and the list, as far as it looks at them.
fn call<'v>(
    machine: &mut Machine<'_, 'v>,
    function: &Rc<Function<'v>>,
    item: &Val<'v>,
    index: usize,
    list: &Val<'v>,
) -> Evaluated<'v> {
    let mut arguments = vec![item.clone()];
    if function.arity() > 1 {
        arguments.push(Val::count(index));
    }
    if function.arity() > 2 {
        arguments.push(list.clone());
    }
    machine.apply(function, arguments)
}

pub(super) fn map<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(function) = function(given, 1) else { return Ok(Val::Nothing) };
    let mut results = Vec::new();
    for (n, item) in machine.paid_items(&given[0])?.iter().enumerate() {
        let result = call(machine, &function, item, n, &given[0])?;
        if !result.is_nothing() {
            results.push(result);
        }
    }
    Val::sequence(results)
}

pub(super) fn filter<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(function) = function(given, 1) else { return Ok(Val::Nothing) };
    let mut results = Vec::new();
    for (n, item) in machine.paid_items(&given[0])?.into_iter().enumerate() {
        if call(machine, &function, &item, n, &given[0])?.truth().unwrap_or(false) {
            results.push(item);
        }
    }
    Val::sequence(results)
}

pub(super) fn single<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let function = function(given, 1);
    let mut found = None;
    for (n, item) in machine.paid_items(&given[0])?.into_iter().enumerate() {
        let fits = match &function {
            Some(function) => call(machine, function, &item, n, &given[0])?.truth().unwrap_or(false),
            None => true,
        };
        if fits && found.replace(item).is_some() {
            return failed("$single finds more than one item that fits");
        }
    }
    found.map_or_else(|| failed("$single finds no item that fits"), Ok)
}

pub(super) fn reduce<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(function) = function(given, 1) else { return Ok(Val::Nothing) };
    if function.arity() < 2 {
        return failed("$reduce takes a function of two arguments or more");
    }
    let items = machine.paid_items(&given[0])?;
    let mut items = items.into_iter().enumerate();
    let mut result = match given.get(2) {
        Some(Val::Nothing) | None => items.next().map_or(Val::Nothing, |(_, first)| first),
        Some(initial) => initial.clone(),
    };
    for (n, item) in items {
        let mut arguments = vec![result, item];
        if function.arity() > 2 {
            arguments.push(Val::count(n));
        }
        if function.arity() > 3 {
            arguments.push(given[0].clone());
        }
        result = machine.apply(&function, arguments)?;
    }
    Ok(result)
}

/// By what a function says of two items (whether the first goes behind the second), else by their own order.
pub(super) fn sort<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let items = machine.paid_items(&given[0])?;
    if items.len() <= 1 {
        return Ok(given[0].clone());
    }
    let function = function(given, 1);
    if function.is_none() {
        let same = |fits: fn(&Val<'_>) -> bool| items.iter().all(fits);
        if !same(|item| matches!(item, Val::Number(_))) && !same(|item| matches!(item, Val::Text(_))) {
            return failed("$sort without a function takes an array of numbers or of strings");
        }
    }
    merge_sort(machine, items, function.as_ref()).and_then(Val::array)
}

type Sorted<'v> = Result<Vec<Val<'v>>, ExpressionError>;

/// A sort of its own, since a comparison may fail, and may be no order at all.
fn merge_sort<'v>(
    machine: &mut Machine<'_, 'v>,
    items: Vec<Val<'v>>,
    function: Option<&Rc<Function<'v>>>,
) -> Sorted<'v> {
    let mut parts: Vec<Vec<Val<'v>>> = items.into_iter().map(|item| vec![item]).collect();
    while parts.len() > 1 {
        let mut merged = Vec::with_capacity(parts.len().div_ceil(2));
        let mut pairs = parts.into_iter();
        while let Some(left) = pairs.next() {
            merged.push(match pairs.next() {
                Some(right) => merge(machine, left, right, function)?,
                None => left,
            });
        }
        parts = merged;
    }
    Ok(parts.pop().unwrap_or_default())
}

fn merge<'v>(
    machine: &mut Machine<'_, 'v>,
    left: Vec<Val<'v>>,
    right: Vec<Val<'v>>,
    function: Option<&Rc<Function<'v>>>,
) -> Sorted<'v> {
    machine.pay_items(left.len() + right.len())?;
    let mut merged = Vec::with_capacity(left.len() + right.len());
    let (mut left, mut right) = (left.into_iter().peekable(), right.into_iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        let is_behind = match function {
            Some(function) => {
                let arguments = vec![one.clone(), other.clone()];
                machine.apply(function, arguments)?.truth().unwrap_or(false)
            }
            None => order(one, other, "$sort")? == Ordering::Greater,
        };
        merged.extend(if is_behind { right.next() } else { left.next() });
    }
    merged.extend(left);
    merged.extend(right);
    Ok(merged)
}
