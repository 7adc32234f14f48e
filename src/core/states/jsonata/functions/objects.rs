//! Functions of objects and of any value.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::super::value::{Function, Val};
use super::super::{Evaluated, Machine};
use super::arrays::function;
use super::{failed, text};

/// Characters of a text that is the user's own word on an error.
const MOST_SHOWN: usize = 200;

pub(super) fn boolean<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    Ok(given[0].truth().map_or(Val::Nothing, Val::Bool))
}

pub(super) fn not<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    Ok(given[0].truth().map_or(Val::Nothing, |is| Val::Bool(!is)))
}

pub(super) fn exists<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    Ok(Val::Bool(!given[0].is_nothing()))
}

pub(super) fn kind<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    // "an object" without its article.
    Ok(Val::text(given[0].kind().rsplit(' ').next().unwrap_or_default()))
}

pub(super) fn clone<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    Ok(given[0].clone())
}

pub(super) fn error<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    said("$error was called", text(given, 0))
}

pub(super) fn assert<'v>(_: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    match given[0] {
        Val::Bool(true) => Ok(Val::Nothing),
        _ => said("$assert does not hold", text(given, 1)),
    }
}

fn said<'v>(what: &str, message: Option<&str>) -> Evaluated<'v> {
    let message = message.map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let shown =
        message.map_or_else(String::new, |text| format!(": {}", text.chars().take(MOST_SHOWN).collect::<String>()));
    failed(format!("{what}{shown}"))
}

/// Of a list, the names of all its objects.
pub(super) fn keys<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let mut names = BTreeSet::new();
    for item in machine.paid_items(&given[0])? {
        for (name, _) in item.members().unwrap_or_default() {
            machine.meter().spend(name.len() + 8)?;
            names.insert(name);
        }
    }
    Val::sequence(names.into_iter().map(Val::Text).collect())
}

pub(super) fn lookup<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.lookup(&given[0], text(given, 1).unwrap_or_default())
}

/// One object for each member.
pub(super) fn spread<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    if !given[0].is_list() && !given[0].is_object() {
        return Ok(given[0].clone());
    }
    let mut objects = Vec::new();
    for item in machine.paid_items(&given[0])? {
        let Some(members) = item.members() else {
            objects.push(item);
            continue;
        };
        for member in members {
            machine.meter().spend(32)?;
            objects.push(Val::object(BTreeMap::from([member]))?);
        }
    }
    Val::sequence(objects)
}

pub(super) fn merge<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let mut merged = BTreeMap::new();
    for item in machine.paid_items(&given[0])? {
        let members = item.members().unwrap_or_default();
        machine.pay_items(members.len() * 4)?;
        merged.extend(members);
    }
    Val::object(merged)
}

/// Calls a function with a value, its name and the object, as far as it looks at them.
fn call<'v>(
    machine: &mut Machine<'_, 'v>,
    function: &Rc<Function<'v>>,
    (name, value): (&Rc<str>, &Val<'v>),
    object: &Val<'v>,
) -> Evaluated<'v> {
    let mut arguments = vec![value.clone()];
    if function.arity() > 1 {
        arguments.push(Val::Text(name.clone()));
    }
    if function.arity() > 2 {
        arguments.push(object.clone());
    }
    machine.apply(function, arguments)
}

pub(super) fn each<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(function) = function(given, 1) else { return Ok(Val::Nothing) };
    let members = given[0].members().unwrap_or_default();
    machine.pay_items(members.len())?;
    let mut results = Vec::new();
    for (name, value) in &members {
        let result = call(machine, &function, (name, value), &given[0])?;
        if !result.is_nothing() {
            results.push(result);
        }
    }
    Val::sequence(results)
}

pub(super) fn sift<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let function = function(given, 1);
    let members = given[0].members().unwrap_or_default();
    machine.pay_items(members.len() * 4)?;
    let mut kept = BTreeMap::new();
    for (name, value) in members {
        let fits = match &function {
            Some(function) => call(machine, function, (&name, &value), &given[0])?,
            None => value.clone(),
        };
        if fits.truth().unwrap_or(false) {
            kept.insert(name, value);
        }
    }
    // An object without members is no value here.
    if kept.is_empty() { Ok(Val::Nothing) } else { Val::object(kept) }
}
