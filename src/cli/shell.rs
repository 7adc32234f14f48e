//! An `aws ecs run-task` line out of a script, as a shell reads it.

use std::collections::BTreeMap;

use super::error::CliError;

/// What variables a line has: those that the text assigns before it, and those that are given.
struct Variables<'g> {
    assigned: BTreeMap<String, String>,
    given: &'g dyn Fn(&str) -> Option<String>,
}

impl Variables<'_> {
    fn value(&self, name: &str) -> Option<String> {
        (self.given)(name).or_else(|| self.assigned.get(name).cloned())
    }
}

/// The words behind `run-task` of a text's first such line; none where the text has none. `given` knows variables that the text does
/// not assign.
pub(super) fn run_task(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Option<Result<Vec<String>, CliError>> {
    // JSON and YAML may speak of it too.
    if text.trim_start().starts_with(['{', '[']) {
        return None;
    }
    let mut begin = text.match_indices("aws ").filter(|(at, _)| {
        let before = text[..*at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "(`;&|".contains(c))
    });
    begin.find_map(|(at, _)| {
        let variables = assigned(&text[..at], given);
        match words(&text[at..], &variables) {
            Err(error) => text[at..].lines().next()?.contains("run-task").then_some(Err(error)),
            Ok(words) => of_aws(&words).map(Ok),
        }
    })
}

/// The variables that a script has assigned by itself, `NAME=value` at the beginning of a line; those of commands are not known.
fn assigned<'g>(script: &str, given: &'g dyn Fn(&str) -> Option<String>) -> Variables<'g> {
    let mut variables = Variables { assigned: BTreeMap::new(), given };
    for line in script.lines() {
        let line = line.trim_start();
        let line = ["export ", "readonly ", "local ", "declare "]
            .iter()
            .find_map(|word| line.strip_prefix(word))
            .unwrap_or(line);
        let Some((name, value)) = line.trim_start().split_once('=').filter(|(name, _)| is_name(name)) else { continue };
        match words(value, &variables) {
            Ok(words) => drop(variables.assigned.insert(name.to_owned(), words.into_iter().next().unwrap_or_default())),
            Err(_) => drop(variables.assigned.remove(name)),
        }
    }
    variables
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// What stands around `ecs run-task`: options may come before it too.
fn of_aws(words: &[String]) -> Option<Vec<String>> {
    let ecs = words.windows(2).position(|pair| pair == ["ecs", "run-task"])?;
    Some([&words[1..ecs], &words[ecs + 2..]].concat())
}

/// The words of one command, quotes and line ends read as a shell reads them. What only the shell has the value of is refused.
fn words(text: &str, variables: &Variables<'_>) -> Result<Vec<String>, CliError> {
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
                    // GitHub Actions puts its values in before a shell reads the line.
                    Some('$') if is_expression(&characters) => word.push_str(&variable(&mut characters, variables)?),
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
                    Some('\\') if characters.next_if_eq(&'\n').is_some() => {}
                    Some('$') => word.push_str(&variable(&mut characters, variables)?),
                    Some('`') => return wrong(OF_A_COMMAND),
                    Some(c) => word.push(c),
                    None => return wrong("a quote of the command line is not closed"),
                }
            },
            '$' => {
                // Outside quotes a shell takes it apart at blanks.
                let value = variable(&mut characters, variables)?;
                for (n, part) in value.split_ascii_whitespace().enumerate() {
                    if n > 0 {
                        words.extend(word.take());
                    }
                    word.get_or_insert_default().push_str(part);
                }
            }
            '`' => return wrong(OF_A_COMMAND),
            '\n' | ';' | '|' | '&' | '>' | '<' | ')' => break,
            '#' if word.is_none() => break,
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// Whether the `$` that was read begins an expression of GitHub Actions, `${{ secrets.NAME }}`.
fn is_expression(characters: &std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    characters.clone().take(2).eq("{{".chars())
}

/// The value of the expression of GitHub Actions whose `$` was read: it may be given by its own name or by the last part of it.
fn expression(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    variables: &Variables<'_>,
) -> Result<String, CliError> {
    let mut inner: String = characters.by_ref().skip(2).take_while(|c| *c != '}').collect();
    characters.next_if_eq(&'}');
    inner = inner.trim().to_owned();
    let what = format!("${{{{ {inner} }}}} is an expression of GitHub Actions");
    let is_path = inner.split('.').all(|part| is_name(&part.replace('-', "_")));
    let Some((_, name)) = inner.rsplit_once('.').filter(|_| is_path) else {
        return Err(CliError::usage(format!("{what}: write its value into the line")));
    };
    (variables.given)(&inner).or_else(|| (variables.given)(name)).ok_or_else(|| {
        let variable = if is_name(name) { format!(", or by {name} in the environment") } else { String::new() };
        CliError::usage(format!("{what}: give its value by --set {inner}=VALUE{variable}"))
    })
}

/// The value of the variable whose `$` was read.
fn variable(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    variables: &Variables<'_>,
) -> Result<String, CliError> {
    if is_expression(characters) {
        return expression(characters, variables);
    }
    let (mut name, mut default) = (String::new(), None);
    if characters.next_if_eq(&'{').is_some() {
        let inner: String = std::iter::from_fn(|| characters.next_if(|c| *c != '}')).collect();
        characters.next();
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (of, behind) = inner.split_at(end);
        default = ["-", ":-"].iter().find_map(|sign| behind.strip_prefix(sign)).map(str::to_owned);
        // ${NAME:?} asks for a value; anything else changes it.
        if default.is_none() && !behind.is_empty() && !behind.starts_with(['?']) && !behind.starts_with(":?") {
            return Err(CliError::usage(format!(
                "${{{inner}}} has its value in the shell only: write the value into the line"
            )));
        }
        name.push_str(of);
    } else {
        name.extend(std::iter::from_fn(|| characters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')));
    }
    if !is_name(&name) {
        return Err(CliError::usage(OF_A_COMMAND.to_owned()));
    }
    let value = variables.value(&name).filter(|value| !value.is_empty() || default.is_none()).or(default);
    value.ok_or_else(|| {
        CliError::usage(format!(
            "${name} has its value in the shell only: write it into the line, or give it by --set {name}=VALUE or in the environment"
        ))
    })
}

const OF_A_COMMAND: &str = "a `command` or $(command) has its value in the shell only: write the value into the line";

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
                run_task(text, &|_| None).map(|words| words.expect("words")).as_deref(),
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
            assert!(run_task(text, &|_| None).is_some_and(|words| words.is_err()), "{text}");
        }
        for text in ["{\"a\": \"aws ecs run-task\"}", "laws ecs run-task", "StartAt: Run", ""] {
            assert!(run_task(text, &|_| None).is_none(), "{text}");
        }
    }

    #[test]
    fn variables_are_those_of_the_script_and_those_that_are_given() {
        let script = "#!/bin/sh\nset -e\nPROJECT=tutor\nexport REGION=\"${AWS_REGION:-us-east-1}\"\n: \"${SUBNET:?}\"\nSG=$(aws ec2 x)\n\
                      TASK_ARN=\"$(\n  aws ecs run-task \\\n --cluster ${PROJECT}-cluster --region $REGION --network-configuration \\\n  \
                      \"awsvpcConfiguration={subnets=[${SUBNET}],securityGroups=[$SG]}\" --count $N\n)\"\n";
        let given = |name: &str| match name {
            "SUBNET" => Some("subnet-0a".to_owned()),
            "SG" => Some("sg-0a".to_owned()),
            "N" => Some("2 --group g".to_owned()),
            _ => None,
        };
        let words = run_task(script, &given).expect("a line").expect("words");
        let expected = [
            "--cluster",
            "tutor-cluster",
            "--region",
            "us-east-1",
            "--network-configuration",
            "awsvpcConfiguration={subnets=[subnet-0a],securityGroups=[sg-0a]}",
            "--count",
            "2",
            "--group",
            "g",
        ];
        assert_eq!(words, expected);
        let said =
            run_task(script, &|name| given(name).filter(|_| name != "SG")).expect("a line").unwrap_err().to_string();
        assert!(said.contains("$SG has its value in the shell only") && said.contains("--set SG=VALUE"), "{said}");
        for (line, part) in [
            ("aws ecs run-task --cluster $(x)", "$(command)"),
            ("aws ecs run-task --cluster ${X%%-*}", "${X%%-*} has its value in the shell only"),
            ("aws ecs run-task --cluster $1", "$(command)"),
        ] {
            let said = run_task(line, &|_| None).expect("a line").unwrap_err().to_string();
            assert!(said.contains(part), "{line}: {said}");
        }
    }

    #[test]
    fn expressions_of_github_actions_are_named_and_take_their_values() {
        let line = "run: aws ecs run-task --cluster ${{ vars.CLUSTER }} --group '${{secrets.GROUP}}' --tags \"key=a,value=${{ github.sha }}\"";
        let given = |name: &str| match name {
            "CLUSTER" => Some("batch".to_owned()),
            "secrets.GROUP" => Some("a b".to_owned()),
            "github.sha" => Some("abc".to_owned()),
            _ => None,
        };
        let words = run_task(line, &given).expect("a line").expect("words");
        assert_eq!(words, ["--cluster", "batch", "--group", "a b", "--tags", "key=a,value=abc"]);
        for (line, part) in [
            (
                "aws ecs run-task --cluster ${{ secrets.X }}",
                "${{ secrets.X }} is an expression of GitHub Actions: give its value by --set secrets.X=VALUE, or by X in the environment",
            ),
            (
                "aws ecs run-task --cluster '${{ steps.a-b.outputs.c-d }}'",
                "give its value by --set steps.a-b.outputs.c-d=VALUE",
            ),
            (
                "aws ecs run-task --cluster \"${{ env.A || 'b' }}\"",
                "${{ env.A || 'b' }} is an expression of GitHub Actions: write its value",
            ),
        ] {
            let said = run_task(line, &|_| None).expect("a line").unwrap_err().to_string();
            assert!(said.contains(part) && !said.contains("shell only"), "{line}: {said}");
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
