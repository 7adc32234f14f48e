//! The JSON documents of a text, one after the other. A broken one does not cost the others.

use serde_json::Value;

/// A part of a text that is no JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: not JSON: {why}")]
pub struct Broken {
    /// The line, from 1.
    pub line: usize,
    /// Where in the line, from 1.
    pub column: usize,
    /// What is wrong there.
    pub why: String,
}

/// Gives each document to `each`, in order; answers the parts between them that are none.
pub(super) fn documents(text: &str, mut each: impl FnMut(&Value)) -> Vec<Broken> {
    let (mut broken, mut rest, mut line) = (Vec::new(), text, 1);
    let lines = |part: &str| part.matches('\n').count();
    loop {
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
        let Some(error) = stream.find_map(|document| document.map(|document| each(&document)).err()) else {
            return broken;
        };
        let read = stream.byte_offset();
        let begin = rest.len() - rest[read..].trim_start_matches([' ', '\t', '\r', '\n']).len();
        line += lines(&rest[..begin]);
        rest = &rest[begin..];
        let part = &rest[..length(rest)];
        // By itself: cut off, its error is its end, not the next document's beginning.
        let error = serde_json::from_str::<Value>(part.trim_end()).err().unwrap_or(error);
        broken.push(told(&error, line));
        line += lines(part);
        rest = &rest[part.len()..];
    }
}

/// How much of a text belongs to the broken document that it begins with: what follows begins a line, as documents do.
fn length(text: &str) -> usize {
    let first = text.lines().next().unwrap_or_default().trim_end();
    // An array whose elements may begin lines, too.
    if first == "[" {
        return text.find("\n]").map_or(text.len(), |at| at + 2);
    }
    let opens = |line: &str| line.starts_with(['{', '[']);
    let mut ends = text.match_indices('\n').map(|(at, _)| at + 1);
    ends.find(|end| !opens(first) || opens(&text[*end..])).unwrap_or(text.len())
}

/// The error of a part that begins at this line.
fn told(error: &serde_json::Error, line: usize) -> Broken {
    let (text, place) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
    let why = text.strip_suffix(&place).unwrap_or(&text).to_owned();
    Broken { line: line + error.line().saturating_sub(1), column: error.column().max(1), why }
}
