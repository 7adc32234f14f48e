//! Lines as scripts, CI files and programs have them.

use super::*;

/// The words of the one line that a text has.
fn run_task(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Option<Result<Vec<String>, CliError>> {
    let mut all = all(text, given);
    assert!(all.len() < 2, "{text}");
    all.pop()
}

/// The words of all lines. What only the script or a CI system computes is given by `--set`, the rest is of the environment.
fn all(text: &str, given: &dyn Fn(&str) -> Option<String>) -> Vec<Result<Vec<String>, CliError>> {
    let set = ["SG", "secrets.GROUP", "github.sha"].iter().filter_map(|name| Some(((*name).to_owned(), given(name)?)));
    let beside = Beside { set: set.collect(), environment: given };
    run_tasks(text, &beside).into_iter().map(|(_, line)| line).collect()
}

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
    let said = run_task(script, &|name| given(name).filter(|_| name != "SG")).expect("a line").unwrap_err().to_string();
    assert!(said.contains("$SG has its value in the shell only") && said.contains("--set SG=VALUE"), "{said}");
    for (line, part) in [
        ("aws ecs run-task --cluster $(x)", "$(x) has its value in the shell only, or in make"),
        ("aws ecs run-task --cluster $(x \"y\")", "$(command)"),
        ("aws ecs run-task --cluster $(terraform output -raw x)", "--set 'terraform output -raw x=VALUE'"),
        ("aws ecs run-task --cluster ${X%%-*}", "${X%%-*} has its value in the shell only"),
        ("aws ecs run-task --cluster $1", "$1 has its value in the shell only"),
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

#[test]
fn every_line_of_a_text_is_taken_and_what_only_tells_of_one_is_not() {
    let all = |text: &str| -> Vec<Vec<String>> {
        super::tests::all(text, &|_| None)
            .into_iter()
            .map(|line| line.unwrap_or_else(|e| vec![e.to_string()]))
            .collect()
    };
    for (text, expected) in [
        (
            "aws ecs run-task --cluster a\naws ecs run-task --cluster b\n",
            vec![vec!["--cluster", "a"], vec!["--cluster", "b"]],
        ),
        (
            "echo \"running aws ecs run-task now\"\naws ecs run-task --cluster a > /tmp/x 2>&1",
            vec![vec!["--cluster", "a"]],
        ),
        (
            "# aws ecs run-task --cluster old\n- name: aws ecs run-task\n  run: aws ecs run-task --cluster a",
            vec![vec!["--cluster", "a"]],
        ),
        ("# aws ecs run-task --cluster a", vec![vec!["--cluster", "a"]]),
        ("echo \"aws ecs run-task\"", vec![]),
        ("X=$(echo; aws ecs run-task --cluster a 2>/dev/null)", vec![vec!["--cluster", "a"]]),
    ] {
        assert_eq!(all(text), expected, "{text}");
    }
}

#[test]
fn a_line_goes_on_as_yaml_powershell_and_cmd_have_it() {
    for text in [
        "aws ecs run-task --cluster a \\\n  --count 2\n",
        "script:\n  - >-\n    aws ecs run-task --cluster a\n    --count 2\n  - echo done",
        "  - aws ecs run-task --cluster a\n      --count 2\n",
        "aws ecs run-task `\n  --cluster a `\r\n  --count 2\n",
        "aws ecs run-task ^\r\n  --cluster a ^\n  --count 2\n",
        "  - \"aws ecs run-task --cluster \\\"a\\\" --count 2\"\n",
        "run: 'aws ecs run-task --cluster ''a'' --count 2'\n",
        "os.system('aws ecs run-task --cluster a --count 2')\nx = 'y'",
        "AWS=\"aws\"\n$AWS ecs run-task --cluster a --count 2",
        "docker run --rm amazon/aws-cli ecs run-task --cluster a --count 2",
        "if ! OUT=\"$(AWS_PAGER=\"\" aws ecs run-task --cluster a --count 2 2>&1)\"; then",
    ] {
        let words = run_task(text, &|_| None).expect("a line").expect("words");
        assert_eq!(words, ["--cluster", "a", "--count", "2"], "{text}");
    }
    let said = run_task("os.system(f\"aws ecs run-task --cluster {c}\")", &|_| None).expect("a line").unwrap_err();
    assert!(said.to_string().contains("f-string"), "{said}");
    let said = run_task("system(\"aws ecs run-task --cluster #{c}\")", &|_| None).expect("a line").unwrap_err();
    assert!(said.to_string().contains("#{…} has its value in the program"), "{said}");
    let beside = Beside { set: std::collections::BTreeMap::new(), environment: &|_| None };
    let package = "{\"scripts\": {\"a\": \"aws ecs run-task --cluster \\\"a\\\"\", \"b\": \"aws ecs run-task\"}}";
    let lines: Vec<_> = run_tasks_in_json(package, &beside).into_iter().map(|(_, line)| line.expect("words")).collect();
    assert_eq!(lines, [["--cluster", "a"]]);
    let said = run_task("$AWS ecs run-task --cluster a", &|_| None).expect("a line").unwrap_err();
    assert!(said.to_string().contains("$AWS has its value"), "{said}");
}

#[test]
fn variables_of_make_and_of_ci_files_are_known() {
    let make = "CLUSTER := batch\nREV ?= 7\nrun:\n\taws ecs run-task --cluster $(CLUSTER) --task-definition etl:$(REV) --group $$GROUP";
    let words = run_task(make, &|name| (name == "GROUP").then(|| "g".to_owned())).expect("a line").expect("words");
    assert_eq!(words, ["--cluster", "batch", "--task-definition", "etl:7", "--group", "g"]);
    let ci = |other: &str| {
        format!(
            "env:\n  CLUSTER: batch\nsteps:\n  - run: aws ecs run-task --cluster $CLUSTER --group $GROUP\n    env:\n      GROUP: 'a b'\n      CLUSTER: {other}\n"
        )
    };
    let words = run_task(&ci("batch"), &|_| None).expect("a line").expect("words");
    assert_eq!(words, ["--cluster", "batch", "--group", "a", "b"]);
    let github = "env:\n  CLUSTER: batch\nrun: |\n  - export FAMILY=\"${1:-etl}\"\n  aws ecs run-task --cluster ${{ env.CLUSTER }} --task-definition $FAMILY";
    let words = run_task(github, &|_| None).expect("a line").expect("words");
    assert_eq!(words, ["--cluster", "batch", "--task-definition", "etl"]);
    // One of two values would be a guess.
    let said = run_task(&ci("other"), &|_| None).expect("a line").unwrap_err().to_string();
    assert!(said.contains("--set CLUSTER=VALUE"), "{said}");
}
