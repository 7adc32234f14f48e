//! An `aws ecs run-task` line as programs have it: a list of words, `["aws", "ecs", "run-task", "--cluster", "batch"]`.

use super::error::CliError;
use super::shell::{is_name, of_aws};

/// The words behind `run-task` of each such list of a text. `given` knows the variables of the program.
pub(super) fn run_tasks(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Vec<Result<Vec<String>, CliError>> {
    // A JSON document may have a container's command in it.
    if text.trim_start().starts_with('{') {
        return Vec::new();
    }
    let mut begins: Vec<usize> =
        ["\"aws\"", "'aws'"].iter().flat_map(|aws| text.match_indices(aws)).map(|(at, _)| at).collect();
    begins.sort_unstable();
    begins.into_iter().filter_map(|at| line(&text[at..], given)).collect()
}

/// The words of the list whose first one begins here; none of a list that is another command.
fn line(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Option<Result<Vec<String>, CliError>> {
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
            Err(error) => return of_aws(&words).map(|_| Err(error)),
        }
        match without_comments(behind).strip_prefix(',') {
            Some(next) => rest = next,
            None => break,
        }
    }
    of_aws(&words).map(Ok)
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
fn item<'t>(text: &'t str, given: &dyn Fn(&str) -> Option<String>) -> Option<(Result<String, CliError>, &'t str)> {
    let quote = text.chars().next()?;
    if ")]}".contains(quote) {
        return None;
    }
    if matches!(quote, '"' | '\'' | '`') {
        let (word, behind) = quoted(&text[1..], quote)?;
        let computed = quote == '`' && word.contains("${");
        return Some((
            if computed { Err(of_the_program(&text[..text.len() - behind.len()])) } else { Ok(word) },
            behind,
        ));
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
    Some((given(word).filter(|_| is_name(word)).ok_or_else(|| of_the_program(word)), &text[end..]))
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
        run_tasks(text, &given).into_iter().map(|line| line.map_err(|error| error.to_string())).collect()
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
