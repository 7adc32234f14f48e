//! Percent-encoding as JavaScript has it.

use super::super::value::Val;
use super::super::{Evaluated, Machine};
use super::{failed, text};

/// What stays as it is in a component.
const PLAIN: &str = "-_.!~*'()";
/// What has a meaning in a URL, and stays as it is in a whole one.
const RESERVED: &str = ";/?:@&=+$,#";

pub(super) fn encode_component<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.made_text(encoded(text(given, 0).unwrap_or_default(), ""))
}

pub(super) fn encode<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    machine.made_text(encoded(text(given, 0).unwrap_or_default(), RESERVED))
}

pub(super) fn decode_component<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    decoded(machine, text(given, 0).unwrap_or_default(), "")
}

pub(super) fn decode<'v>(machine: &mut Machine<'_, 'v>, given: &[Val<'v>]) -> Evaluated<'v> {
    decoded(machine, text(given, 0).unwrap_or_default(), RESERVED)
}

fn encoded(text: &str, also_plain: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || (byte.is_ascii() && (PLAIN.contains(c) || also_plain.contains(c))) {
            out.push(c);
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn decoded<'v>(machine: &Machine<'_, 'v>, text: &str, kept: &str) -> Evaluated<'v> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        rest = behind;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let hex = behind.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let Some(of) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) else {
            return failed("a text that is to be decoded has a % that no two hexadecimal digits follow");
        };
        if of.is_ascii() && kept.contains(char::from(of)) {
            bytes.push(b'%');
            continue;
        }
        bytes.push(of);
        rest = &behind[2..];
    }
    match String::from_utf8(bytes) {
        Ok(text) => machine.made_text(text),
        Err(_) => failed("a text that is to be decoded is no UTF-8"),
    }
}
