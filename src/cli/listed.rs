//! An `aws ecs run-task` line as programs have it: a list of words, `["aws", "ecs", "run-task", "--cluster", "batch"]`.

mod unquoted;

use super::error::CliError;
use super::shell::{Beside, Line, Program, is_name, of_aws};
use crate::core::placeholder::Placeholder;

/// The words behind `run-task` of each such list of a text. `beside` knows variables that the program does not assign.
pub(super) fn run_tasks(text: &str, beside: &Beside<'_>) -> Vec<Line> {
    // A JSON document may have a container's command in it.
    if text.trim_start().starts_with('{') {
        return Vec::new();
    }
    let begins = |words: [&'static str; 2]| -> Vec<usize> {
        let mut begins: Vec<usize> = words.iter().flat_map(|word| text.match_indices(word)).map(|(at, _)| at).collect();
        begins.sort_unstable();
        begins
    };
    // The program may be a variable or have another name, and stand outside the list: `spawn("aws", ["ecs", …])`.
    let subcommands = begins(["\"ecs\"", "'ecs'"]);
    if subcommands.is_empty() {
        return unquoted::run_tasks(text);
    }
    let program = Program::read(text, &subcommands, beside);
    let mut lines = unquoted::run_tasks(text);
    let mut read_to = 0;
    let programs = begins(["\"aws\"", "'aws'"]).into_iter().map(|at| (at, true));
    let mut all: Vec<(usize, bool)> = programs.chain(subcommands.iter().map(|at| (*at, false))).collect();
    all.sort_unstable();
    for (at, is_program) in all {
        if at < read_to {
            continue;
        }
        let given = |name: &str| program.value(name, at);
        let (line, end) = line(&text[at..], &given);
        // Two words alone may be a list of what is allowed.
        let is_line =
            |line: &Result<Vec<String>, CliError>| is_program || line.as_ref().map_or(true, |words| !words.is_empty());
        if let Some(line) = line.filter(is_line) {
            lines.push((at, line));
            read_to = at + end;
        }
    }
    lines
}

/// The words of the list whose first one begins here, and where they end; none of a list that is another command.
fn line(
    text: &str,
    given: &dyn Fn(&str) -> Result<Option<String>, CliError>,
) -> (Option<Result<Vec<String>, CliError>>, usize) {
    let (mut words, mut rest) = (Vec::new(), text);
    loop {
        rest = without_comments(rest);
        let (word, behind) = match item(rest, given) {
            Some(item) => item,
            None => break,
        };
        match word {
            Ok(word) => words.push(word),
            // What another command has is no matter here.
            Err(error) => return (of_aws(&words).map(|_| Err(error)), text.len() - behind.len()),
        }
        match without_comments(behind).strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
    }
    (of_aws(&words).map(Ok), text.len() - rest.len())
}

/// The text behind blanks and comments.
fn without_comments(text: &str) -> &str {
    let mut text = text.trim_start();
    while text.starts_with('#') || text.starts_with("//") {
        text = text.split_once('\n').map_or("", |(_, next)| next).trim_start();
    }
    text
}

/// The item that a list has here, and what stands behind it; none at the list's end.
fn item<'t>(
    text: &'t str,
    given: &dyn Fn(&str) -> Result<Option<String>, CliError>,
) -> Option<(Result<String, CliError>, &'t str)> {
    let quote = text.chars().next()?;
    if ")]}".contains(quote) {
        return None;
    }
    if matches!(quote, '"' | '\'' | '`') {
        let (word, behind) = quoted(&text[1..], quote)?;
        let shown = &text[..text.len() - behind.len()];
        let computed = quote == '`' && word.contains("${");
        let word = match templated(&word, given) {
            _ if computed => Err(of_the_program(shown)),
            word => word,
        };
        return Some((word, behind));
    }
    let mut depth = 0_usize;
    let end = text.find(|c: char| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth > 0 => depth -= 1,
            ',' | ')' | ']' | '}' if depth == 0 => return true,
            _ => {}
        }
        false
    })?;
    let word = text[..end].trim();
    let value = match is_name(word) {
        true => given(word).and_then(|value| value.ok_or_else(|| of_the_program(word))),
        false => Err(of_the_program(word)),
    };
    Some((value, &text[end..]))
}

/// A word with its placeholder of Jinja or Airflow filled in.
fn templated(word: &str, given: &dyn Fn(&str) -> Result<Option<String>, CliError>) -> Result<String, CliError> {
    let mut word = word.to_owned();
    while let Some(one) = Placeholder::between(&word, "{{", "}}") {
        let value = if is_name(one.name) || one.name.contains('.') { given(one.name)? } else { None };
        let Some(value) = value.filter(|value| !value.contains("{{")) else {
            return Err(CliError::usage(format!("the placeholder {} is not filled in{}", one.shown, one.set_by())));
        };
        word = word.replacen(one.shown, &value, 1);
    }
    Ok(word)
}

fn of_the_program(word: &str) -> CliError {
    let word = word.split_whitespace().collect::<Vec<_>>().join(" ");
    let set = if is_name(&word) { format!(", or give it by --set {word}=VALUE") } else { String::new() };
    CliError::usage(format!("{word} has its value in the program only: write it into the list{set}"))
}

/// A quoted word, with the escapes that all these languages have, and what stands behind it.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let (mut word, mut characters) = (String::new(), text.char_indices());
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => word.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                c => c,
            }),
            c if c == quote => return Some((word, &text[at + c.len_utf8()..])),
            c => word.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Result<Vec<String>, String>> {
        let given = |name: &str| (name == "cluster").then(|| "batch".to_owned());
        let beside = Beside { set: std::collections::BTreeMap::new(), environment: &given };
        run_tasks(text, &beside).into_iter().map(|(_, line)| line.map_err(|error| error.to_string())).collect()
    }

    #[test]
    fn a_list_of_words_is_a_line() {
        for text in [
            "subprocess.run([\"aws\", \"ecs\", \"run-task\", \"--cluster\", \"batch\", \"--count\", \"2\"], check=True)",
            "['aws', 'ecs', 'run-task',\n  '--cluster', cluster,  # where\n  '--count', '2',\n]",
            "execFile('aws', ['x']); spawn(`aws`); x = ['aws', '--cluster', 'batch', 'ecs', 'run-task', '--count', \"2\"]",
            "[\"aws\", \"ecs\", \"run-task\", \"--cluster\", `batch`, // c\n \"--count\", \"2\"]",
        ] {
            assert_eq!(all(text), [Ok(["--cluster", "batch", "--count", "2"].map(str::to_owned).to_vec())], "{text}");
        }
        for text in [
            "{\"command\": [\"aws\", \"ecs\", \"run-task\"]}",
            "[\"aws\", \"s3\", bucket, \"ls\"]",
            "'aws'",
            "[\"aws\", \"ecs",
        ] {
            assert_eq!(all(text), [], "{text}");
        }
    }

    #[test]
    fn what_only_the_program_knows_is_named() {
        for (item, part) in [
            (
                "family",
                "family has its value in the program only: write it into the list, or give it by --set family=VALUE",
            ),
            ("json.dumps({'a': [1]})", "json.dumps({'a': [1]}) has its value in the program only"),
            ("f\"etl:{rev}\"", "f\"etl:{rev}\" has its value in the program only"),
            ("`etl:${rev}`", "`etl:${rev}` has its value in the program only"),
        ] {
            let said = all(&format!("[\"aws\", \"ecs\", \"run-task\", \"--task-definition\", {item}]"));
            assert!(matches!(said.as_slice(), [Err(said)] if said.contains(part)), "{item}: {said:?}");
        }
    }
}
