//! Functions of texts and of JSON.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::Digest;

use super::super::path::unescaped;
use super::super::{ExpressionError, Scope};
use super::{Answer, Argument, Given};

/// The first argument with each `{}` replaced by the next; `\{`, `\}`, `\'` and `\\` stand for the character.
pub(super) fn format(arguments: Vec<Argument>, scope: &Scope<'_>) -> Answer {
    let wrong = |what: String| ExpressionError::Failed(format!("States.Format {what}"));
    let mut arguments = arguments.into_iter();
    let template = match arguments.next() {
        Some(Argument::Text(raw) | Argument::Value(Value::String(raw))) => raw,
        _ => return Err(wrong("takes a string as argument 1".to_owned())),
    };
    let values: Vec<Value> = arguments.map(Argument::into_value).collect();
    let parts = parts(&template);
    if parts.len() != values.len() + 1 {
        return Err(wrong(format!("has {} {{}} in its text and {} values for them", parts.len() - 1, values.len())));
    }
    let mut text = unescaped(parts[0]);
    for (value, part) in values.iter().zip(&parts[1..]) {
        let shown = shown(value);
        scope.meter.spend(shown.len())?;
        text += &shown;
        text += &unescaped(part);
    }
    Ok(Value::String(text))
}

/// The text between the `{}` that no backslash stands before.
fn parts(template: &str) -> Vec<&str> {
    let (mut parts, mut start, mut skip) = (Vec::new(), 0, false);
    for (at, c) in template.char_indices() {
        if skip {
            skip = false;
        } else if c == '\\' {
            skip = true;
        } else if c == '{' && at >= start && template[at..].starts_with("{}") {
            parts.push(&template[start..at]);
            start = at + 2;
        }
    }
    parts.push(&template[start..]);
    parts
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

pub(super) fn base64_encode(given: &Given<'_>) -> Answer {
    Ok(BASE64_STANDARD.encode(given.short(given.text(0)?)?).into())
}

pub(super) fn base64_decode(given: &Given<'_>) -> Answer {
    let bytes =
        BASE64_STANDARD.decode(given.short(given.text(0)?)?).map_err(|_| given.wrong("takes a text in Base64"))?;
    String::from_utf8(bytes).map(Value::from).map_err(|_| given.wrong("finds no UTF-8 text in its Base64"))
}

pub(super) fn hash(given: &Given<'_>) -> Answer {
    let (data, algorithm) = (shown(&given.values[0]), given.text(1)?);
    let digest = digest(given.short(&data)?, algorithm).map(Value::from);
    digest.ok_or_else(|| given.wrong(&format!("knows MD5, SHA-1, SHA-256, SHA-384 and SHA-512, not {algorithm:?}")))
}

/// The digest in hexadecimal digits; none by an algorithm that Step Functions does not know.
pub(in crate::core::states) fn digest(data: &str, algorithm: &str) -> Option<String> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Some(match algorithm {
        "MD5" => hex(&md5::Md5::digest(data)),
        "SHA-1" => hex(&sha1::Sha1::digest(data)),
        "SHA-256" => hex(&sha2::Sha256::digest(data)),
        "SHA-384" => hex(&sha2::Sha384::digest(data)),
        "SHA-512" => hex(&sha2::Sha512::digest(data)),
        _ => return None,
    })
}

pub(super) fn json_to_string(given: &Given<'_>) -> Answer {
    Ok(given.values[0].to_string().into())
}

pub(super) fn string_to_json(given: &Given<'_>) -> Answer {
    let parsed = serde_json::from_str(given.text(0)?);
    parsed
        .map_err(|error| given.wrong(&format!("takes JSON in a text: line {} column {}", error.line(), error.column())))
}

/// At each of the characters of the second argument; empty parts are left out.
pub(super) fn split(given: &Given<'_>) -> Answer {
    let (text, at) = (given.text(0)?, given.text(1)?);
    if at.is_empty() {
        return Ok(Value::from(vec![text]));
    }
    // Many of them in a long text would take long one by one.
    let at: std::collections::BTreeSet<char> = at.chars().collect();
    Ok(text.split(|c| at.contains(&c)).filter(|part| !part.is_empty()).collect())
}
