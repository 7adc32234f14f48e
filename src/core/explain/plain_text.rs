//! A text without JSON: reasons as people paste them, or what the AWS CLI writes in its other formats.

use super::{Broken, Explained, explain_reason};
use crate::core::failure;

/// What the AWS CLI's `--output text` begins the lines of these answers with.
const ROWS: [&str; 4] = ["TASKS\t", "FAILURES\t", "CONTAINERS\t", "JOBS\t"];

/// Explains the reasons of a text. Where it is an answer in a format without names, says which format to ask for.
pub(super) fn explain(text: &str) -> Explained {
    let mut explained = Explained::default();
    if let Some(line) = text.lines().position(|line| ROWS.iter().any(|row| line.starts_with(row)) || is_border(line)) {
        let why = "the AWS CLI's text and table formats do not say what is what; use --output json".to_owned();
        explained.broken = vec![Broken { line: line + 1, column: 1, why }];
        return explained;
    }
    explained.tasks.extend(reasons(text).iter().filter_map(|reason| explain_reason(reason)));
    explained
}

/// The border of `--output table`.
fn is_border(line: &str) -> bool {
    line.len() > 10 && line.starts_with(['-', '+']) && line.chars().all(|c| matches!(c, '-' | '+'))
}

/// One for each line where each has a name of ECS's; else one for each paragraph, for a terminal wraps lines.
fn reasons(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut filled = lines.iter().filter(|line| !line.is_empty());
    if filled.all(|line| failure::has_name(line)) {
        return lines.iter().filter(|line| !line.is_empty()).map(|&line| line.to_owned()).collect();
    }
    let paragraphs = lines.split(|line| line.is_empty()).map(|paragraph| paragraph.join(" "));
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect()
}
