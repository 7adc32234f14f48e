//! An `aws ecs run-task` line out of a script, as a shell reads it.

use super::error::CliError;

/// The words behind `run-task` of a text's first such line; none where the text has none.
pub(super) fn run_task(text: &str) -> Option<Result<Vec<String>, CliError>> {
    // JSON and YAML may speak of it too.
    if text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut begin = text.match_indices("aws ").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "(`;&|".contains(c))
    });
    begin.find_map(|(at, _)| match words(&text[at..]) {
        Err(error) => text[at..].lines().next()?.contains("run-task").then_some(Err(error)),
        Ok(words) => of_aws(&words).map(Ok),
    })
}

/// What stands around `ecs run-task`: options may come before it too.
fn of_aws(words: &[String]) -> Option<Vec<String>> {
    let ecs = words.windows(2).position(|pair| pair == ["ecs", "run-task"])?;
    Some([&words[1..ecs], &words[ecs + 2..]].concat())
}

/// The words of one command, quotes and line ends read as a shell reads them. What only the shell has the value of is refused.
fn words(text: &str) -> Result<Vec<String>, CliError> {
    let (mut words, mut word): (Vec<String>, Option<String>) = (Vec::new(), None);
    let mut characters = text.chars().peekable();
    let wrong = |what: &str| Err(CliError::usage(what.to_owned()));
    while let Some(c) = characters.next() {
        match c {
            '\\' => match characters.next() {
                Some('\n') | None => {}
                Some('\r') => drop(characters.next_if_eq(&'\n')),
                Some(c) => word.get_or_insert_default().push(c),
            },
            '\'' => loop {
                let word = word.get_or_insert_default();
                match characters.next() {
                    Some('\'') => break,
                    Some(c) => word.push(c),
                    None => return wrong("a quote of the command line is not closed"),
                }
            },
            '"' => loop {
                let word = word.get_or_insert_default();
                match characters.next() {
                    Some('"') => break,
                    Some('\\') if characters.peek().is_some_and(|c| "\"\\$`".contains(*c)) => {
                        word.extend(characters.next())
                    }
                    Some('$' | '`') => return wrong(OF_THE_SHELL),
                    Some(c) => word.push(c),
                    None => return wrong("a quote of the command line is not closed"),
                }
            },
            '$' | '`' => return wrong(OF_THE_SHELL),
            '\n' | ';' | '|' | '&' | '>' | '<' | ')' => break,
            '#' if word.is_none() => break,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

const OF_THE_SHELL: &str = "a $variable or `command` has its value in the shell only: write the value into the line";

#[cfg(test)]
mod tests {
    use super::run_task;

    #[test]
    fn lines_are_read_as_a_shell_reads_them() {
        for (text, expected) in [
            ("aws ecs run-task --cluster c", vec!["--cluster", "c"]),
            (
                "#!/bin/sh\nset -e\naws --region eu-west-1 ecs run-task \\\n  --cluster 'a b' \\\r\n --overrides \"{\\\"a\\\": 1}\"\necho",
                vec!["--region", "eu-west-1", "--cluster", "a b", "--overrides", "{\"a\": 1}"],
            ),
            ("X=(aws ecs run-task --cluster c) ; y", vec!["--cluster", "c"]),
            ("aws s3 ls\naws ecs run-task --count 2 | jq .", vec!["--count", "2"]),
            ("aws ecs run-task --group '' --cluster a\\ b # why", vec!["--group", "", "--cluster", "a b"]),
        ] {
            assert_eq!(
                run_task(text).map(|words| words.expect("words")).as_deref(),
                Some(expected.map_strings().as_slice()),
                "{text}"
            );
        }
        for text in [
            "aws ecs run-task --cluster $C",
            "aws ecs run-task --cluster \"$C\"",
            "aws ecs run-task --x `y`",
            "aws ecs run-task 'x",
        ] {
            assert!(run_task(text).is_some_and(|words| words.is_err()), "{text}");
        }
        for text in ["{\"a\": \"aws ecs run-task\"}", "laws ecs run-task", "StartAt: Run", ""] {
            assert!(run_task(text).is_none(), "{text}");
        }
    }

    trait Strings {
        fn map_strings(&self) -> Vec<String>;
    }

    impl Strings for Vec<&str> {
        fn map_strings(&self) -> Vec<String> {
            self.iter().map(|word| (*word).to_owned()).collect()
        }
    }
}
