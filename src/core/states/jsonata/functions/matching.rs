//! Functions with a text or a regular expression to look for.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::super::pattern::{Found, Pattern};
use super::super::value::{Function, Val};
use super::super::{Evaluated, Machine};
use super::{failed, number, text};
use crate::core::states::ExpressionError;

/// What one byte of a text costs that a regular expression looks at.
const BYTE: usize = 4;

type Found1<'t> = Result<Option<Found<'t>>, ExpressionError>;

fn look<'t>(machine: &Machine<'_, '_>, pattern: &Pattern, text: &'t str, from: usize) -> Found1<'t> {
    if from > text.len() {
        return Ok(None);
    }
    let found = pattern.find(text, from);
    let seen = found.as_ref().map_or(text.len(), |found| found.end) - from;
    machine.meter().spend(8 + seen.saturating_mul(BYTE))?;
    if found.as_ref().is_some_and(|found| found.text.is_empty()) {
        return failed("a regular expression fits no characters at all, which would be found without end");
    }
    Ok(found)
}

/// The regular expression that was given.
fn pattern<'a>(given: &'a [Val<'_>], at: usize) -> Result<&'a Rc<Pattern>, ExpressionError> {
    match given.get(at) {
        Some(Val::Function(function)) => match &**function {
            Function::Regex(pattern) => Ok(pattern),
            _ => failed("a function that looks for places in a text is not evaluated here; a regular expression is"),
        },
        _ => failed("expected a regular expression"),
    }
}

/// The first place from `from` on, as an object with `next` for the others.
pub(in super::super) fn first_match<'v>(
    machine: &mut Machine<'_, 'v>,
    pattern: &Rc<Pattern>,
    text: &Rc<str>,
    from: usize,
) -> Evaluated<'v> {
    let Some(found) = look(machine, pattern, text, from)? else { return Ok(Val::Nothing) };
    let next = Function::Further { pattern: pattern.clone(), text: text.clone(), from: found.end };
    let members = [
        ("match", Val::text(found.text)),
        ("start", Val::count(text[..found.start].encode_utf16().count())),
        ("end", Val::count(text[..found.end].encode_utf16().count())),
        ("groups", groups(machine, &found)?),
        ("next", Val::function(next)),
    ];
    machine.meter().spend(text.len())?;
    Val::object(members.into_iter().map(|(name, value)| (Rc::from(name), value)).collect())
}

fn groups<'v>(machine: &Machine<'_, 'v>, found: &Found<'_>) -> Evaluated<'v> {
    machine.meter().spend(found.groups.iter().map(|group| group.len() + 8).sum())?;
    Val::array(found.groups.iter().map(|group| Val::text(group)).collect())
}

fn limit(given: &[Val<'_>], at: usize, name: &str) -> Result<usize, ExpressionError> {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturates")]
    match number(given, at) {
        None => Ok(usize::MAX),
        Some(limit) if limit < 0.0 => failed(format!("${name} takes no negative limit")),
        Some(limit) => Ok(limit.floor() as usize),
    }
}

pub(super) fn contains<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let whole = text(given, 0).unwrap_or_default();
    machine.meter().spend(whole.len())?;
    Ok(match (&given[1], text(given, 1)) {
        (Val::Nothing, _) => Val::Nothing,
        (_, Some(part)) => Val::Bool(whole.contains(part)),
        _ => Val::Bool(look(machine, pattern(given, 1)?, whole, 0)?.is_some()),
    })
}

/// `[{match, index, groups}]`.
pub(super) fn matches<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let (whole, limit) = (text(given, 0).unwrap_or_default(), limit(given, 2, "match")?);
    let pattern = pattern(given, 1)?;
    let (mut found, mut from, mut units) = (Vec::new(), 0, 0);
    while found.len() < limit
        && let Some(place) = look(machine, pattern, whole, from)?
    {
        units += whole[from..place.start].encode_utf16().count();
        let members =
            [("match", Val::text(place.text)), ("index", Val::count(units)), ("groups", groups(machine, &place)?)];
        machine.meter().spend(place.text.len() + 64)?;
        found.push(Val::object(members.into_iter().map(|(name, value)| (Rc::from(name), value)).collect())?);
        units += place.text.encode_utf16().count();
        from = place.end;
    }
    Val::sequence(found)
}

pub(super) fn split<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let (whole, limit) = (text(given, 0).unwrap_or_default(), limit(given, 2, "split")?);
    machine.meter().spend(whole.len())?;
    let mut parts = Vec::new();
    match text(given, 1) {
        Some("") => parts.extend(whole.chars().take(limit).map(|c| Val::text(c.encode_utf8(&mut [0; 4])))),
        Some(at) => parts.extend(whole.split(at).take(limit).map(Val::text)),
        None => {
            let (pattern, mut from) = (pattern(given, 1)?, 0);
            while let Some(found) = look(machine, pattern, whole, from)?.filter(|_| parts.len() < limit) {
                parts.push(Val::text(&whole[from..found.start]));
                from = found.end;
            }
            if parts.len() < limit {
                parts.push(Val::text(&whole[from..]));
            }
        }
    }
    machine.pay_items(parts.len() * 8)?;
    Val::array(parts)
}

pub(super) fn replace<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let (whole, limit) = (text(given, 0).unwrap_or_default(), limit(given, 3, "replace")?);
    let mut out = String::new();
    match (text(given, 1), text(given, 2)) {
        (Some(""), _) => return failed("$replace takes no empty text to look for"),
        (Some(part), Some(by)) => {
            machine.meter().spend(whole.len())?;
            let mut rest = whole;
            for _ in 0..limit {
                let Some((before, behind)) = rest.split_once(part) else { break };
                machine.meter().spend(by.len())?;
                out.extend([before, by]);
                rest = behind;
            }
            out += rest;
        }
        _ => {
            let (pattern, mut from, mut count) = (pattern(given, 1)?.clone(), 0, 0);
            while count < limit
                && let Some(found) = look(machine, &pattern, whole, from)?
            {
                out += &whole[from..found.start];
                let by = replacement(machine, given, &found)?;
                machine.meter().spend(by.len())?;
                out += &by;
                (from, count) = (found.end, count + 1);
            }
            out += &whole[from..];
        }
    }
    machine.made_text(out)
}

/// What takes the place of what was found.
fn replacement<'v>(
    machine: &mut Machine<'_, 'v>,
    given: &[Val<'v>],
    found: &Found<'_>,
) -> Result<String, ExpressionError> {
    if let Some(template) = text(given, 2) {
        return Ok(substituted(template, found));
    }
    let Some(Val::Function(function)) = given.get(2) else {
        return failed("$replace takes a text or a function to replace by");
    };
    let function = function.clone();
    let members =
        BTreeMap::from([(Rc::from("match"), Val::text(found.text)), (Rc::from("groups"), groups(machine, found)?)]);
    match machine.apply(&function, vec![Val::object(members)?])? {
        Val::Text(by) => Ok(by.to_string()),
        other => failed(format!("$replace takes a function that gives a string, got {}", other.kind())),
    }
}

/// `$0` is what was found, `$1` its first group, `$$` a dollar.
fn substituted(template: &str, found: &Found<'_>) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once('$') {
        out += before;
        if let Some(behind) = behind.strip_prefix('$') {
            out.push('$');
            rest = behind;
            continue;
        }
        let digits = behind.find(|c: char| !c.is_ascii_digit()).unwrap_or(behind.len());
        // As many digits as the number of groups has, one fewer where that would lead beyond them.
        let most = found.groups.len().max(1).to_string().len().min(digits);
        let index = |length: usize| behind[..length].parse::<usize>().ok();
        let length = if most > 1 && index(most).is_some_and(|n| n > found.groups.len()) { most - 1 } else { most };
        match index(length) {
            None => {
                out.push('$');
                rest = behind;
            }
            Some(0) => {
                out += found.text;
                rest = &behind[length..];
            }
            Some(group) => {
                out += found.groups.get(group - 1).copied().unwrap_or_default();
                rest = &behind[length..];
            }
        }
    }
    out + rest
}
