//! Lists of words as YAML has them: one a line (`- ecs`), or without quotes in brackets (`[ecs, run-task]`).

use super::of_the_program;
use crate::cli::error::CliError;
use crate::cli::shell::Line;

/// The words behind `run-task` of each such list.
pub(super) fn run_tasks(text: &str) -> Vec<Line> {
    let mut lines = in_brackets(text);
    lines.extend(in_lines(text));
    lines
}

fn in_brackets(text: &str) -> Vec<Line> {
    let begins = text.match_indices("ecs,").filter(|(at, _)| text[..*at].trim_end().ends_with(['[', ',']));
    let line = |(at, found): (usize, &str)| {
        let items = text[at + found.len()..].split_once(']')?.0;
        let mut items = items.split(',').map(str::trim);
        (items.next()? == "run-task").then(|| (at, items.map(word).collect()))
    };
    begins.filter_map(line).collect()
}

fn in_lines(text: &str) -> Vec<Line> {
    let mut begin = 0;
    let placed: Vec<(usize, &str)> = text
        .split_inclusive('\n')
        .map(|line| {
            begin += line.len();
            (begin - line.len(), line.trim_end())
        })
        .collect();
    let item = |line: &str| line.trim_start().strip_prefix("- ").map(|item| item.trim().to_owned());
    let is = |n: usize, word: &str| {
        placed.get(n).and_then(|(_, line)| item(line)).is_some_and(|item| item.trim_matches(['"', '\'']) == word)
    };
    let indent = |line: &str| line.len() - line.trim_start().len();
    let list = |n: usize| {
        let margin = indent(placed[n].1);
        let items = placed[n + 2..].iter().map_while(|(_, line)| item(line).filter(|_| indent(line) == margin));
        (placed[n].0, items.map(|item| word(&item)).collect())
    };
    (0..placed.len()).filter(|n| is(*n, "ecs") && is(n + 1, "run-task")).map(list).collect()
}

/// A word of YAML; what is put into it by another tool is named.
fn word(item: &str) -> Result<String, CliError> {
    let plain = item.split(" #").next().unwrap_or(item).trim();
    let quoted = ['"', '\''].iter().find_map(|quote| item.strip_prefix(*quote)?.strip_suffix(*quote));
    let word = quoted.unwrap_or(plain);
    let computed = word.contains("${") || word.contains("$(") || word.starts_with('$') || word.contains("{{");
    if computed { Err(of_the_program(word)) } else { Ok(word.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::run_tasks;

    #[test]
    fn lists_of_yaml_are_lines() {
        for text in [
            "command:\n  - aws\n  - ecs\n  - run-task\n  - --cluster\n  - \"b c\" \n  - --count\n  - 2 # two\nother:\n  - x\n",
            "args: [aws, ecs, run-task, --cluster, \"b c\", --count, 2]\n",
            "args: [ ecs,run-task, --cluster, 'b c', --count,\n  2 ]\n",
        ] {
            let lines: Vec<_> = run_tasks(text).into_iter().map(|(_, line)| line.expect("words")).collect();
            assert_eq!(lines, [["--cluster", "b c", "--count", "2"]], "{text}");
        }
        for text in ["- ecs\n- fargate\n", "[ecs, fargate]", "specs, run-task", "- ecs"] {
            assert!(run_tasks(text).is_empty(), "{text}");
        }
        let mut line = run_tasks("- ecs\n- run-task\n- --cluster\n- ${CLUSTER}\n");
        let said = line.remove(0).1.unwrap_err().to_string();
        assert!(said.contains("${CLUSTER} has its value in the program only"), "{said}");
    }
}
