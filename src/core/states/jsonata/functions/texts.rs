//! Functions of texts.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::super::json::to_text;
use super::super::value::Val;
use super::super::{Evaluated, Machine};
use super::{failed, number, text};
use crate::core::states::functions::{digest, uuid as new_uuid};

pub(super) fn string<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let pretty = matches!(given.get(1), Some(Val::Bool(true)));
    Ok(Val::text(&to_text(&given[0], pretty, machine.meter())?))
}

/// In characters, as JSONata counts.
pub(super) fn length<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let text = text(given, 0).unwrap_or_default();
    machine.meter().spend(text.len() / 8)?;
    Ok(Val::count(text.chars().count()))
}

pub(super) fn lowercase<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.made_text(text(given, 0).unwrap_or_default().to_lowercase())
}

pub(super) fn uppercase<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.made_text(text(given, 0).unwrap_or_default().to_uppercase())
}

/// Without blanks around, and one between words.
pub(super) fn trim<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let words: Vec<&str> =
        text(given, 0).unwrap_or_default().split([' ', '\t', '\n', '\r']).filter(|w| !w.is_empty()).collect();
    machine.made_text(words.join(" "))
}

pub(super) fn substring<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let text = text(given, 0).unwrap_or_default();
    machine.meter().spend(text.len())?;
    let count = text.chars().count();
    let Some(start) = number(given, 1) else { return Ok(given[0].clone()) };
    #[allow(clippy::cast_precision_loss, reason = "no text is as long as 2^53")]
    let from = if start < 0.0 { (start + count as f64).max(0.0) } else { start };
    let length = number(given, 2);
    if length.is_some_and(|length| length <= 0.0) {
        return Ok(Val::text(""));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturates")]
    let (from, take) = (from as usize, length.map_or(usize::MAX, |length| (from + length) as usize - from as usize));
    Ok(Val::text(&text.chars().skip(from).take(take).collect::<String>()))
}

pub(super) fn substring_before<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let whole = text(given, 0).unwrap_or_default();
    let Some(part) = text(given, 1) else { return Ok(given[0].clone()) };
    machine.made_text(whole.split_once(part).map_or(whole, |(before, _)| before).to_owned())
}

pub(super) fn substring_after<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let whole = text(given, 0).unwrap_or_default();
    let Some(part) = text(given, 1) else { return Ok(given[0].clone()) };
    machine.made_text(whole.split_once(part).map_or(whole, |(_, after)| after).to_owned())
}

/// To a width; before it where the width is negative.
pub(super) fn pad<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let whole = text(given, 0).unwrap_or_default();
    let width = number(given, 1).unwrap_or(0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and saturates")]
    let missing = (width.abs() as usize).saturating_sub(whole.chars().count());
    let with = text(given, 2).filter(|with| !with.is_empty()).unwrap_or(" ");
    machine.meter().spend(missing.saturating_mul(4))?;
    let padding: String = with.chars().cycle().take(missing).collect();
    machine.made_text(if width < 0.0 { padding + whole } else { whole.to_owned() + &padding })
}

pub(super) fn join<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let between = text(given, 1).unwrap_or_default();
    let items = machine.paid_items(&given[0])?;
    let parts: Vec<&str> = items.iter().filter_map(|item| text(std::slice::from_ref(item), 0)).collect();
    let size = parts.iter().map(|part| part.len() + between.len()).sum();
    machine.meter().spend(size)?;
    Ok(Val::text(&parts.join(between)))
}

pub(super) fn base64_encode<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.made_text(BASE64_STANDARD.encode(text(given, 0).unwrap_or_default()))
}

pub(super) fn base64_decode<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let bytes = BASE64_STANDARD.decode(text(given, 0).unwrap_or_default()).ok();
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) => machine.made_text(text),
        None => failed("$base64decode takes a text in Base64"),
    }
}

/// Step Functions': the digest of a text in hexadecimal digits.
pub(super) fn hash<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    let Some(algorithm) = text(given, 1) else { return Ok(Val::Nothing) };
    let data = to_text(&given[0], false, machine.meter())?;
    digest(&data, algorithm).map_or_else(
        || failed(format!("$hash knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not {algorithm:?}")),
        |digest| Ok(Val::text(&digest)),
    )
}

/// Step Functions': the value that a text in JSON has.
pub(super) fn parse<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    match serde_json::from_str(text(given, 0).unwrap_or_default()) {
        Ok(value) => {
            machine.meter().pay(&value)?;
            Val::owned(&value)
        }
        Err(error) => failed(format!("$parse takes JSON in a text: line {} column {}", error.line(), error.column())),
    }
}

/// Step Functions': a UUID of version 4.
pub(super) fn uuid<'v>(machine: &mut Machine<'_, 'v>, _: &[Val<'v>]) -> Evaluated<'v> {
    Ok(Val::text(&new_uuid(machine.scope.chance)))
}
