//! Every launch of a text is found, whatever the program is called there.

use std::collections::BTreeMap;

use super::{Beside, run_tasks};

fn clusters(text: &str) -> Vec<String> {
    let beside = Beside { set: BTreeMap::new(), environment: &|_| None };
    let mut lines = run_tasks(text, &beside);
    lines.extend(crate::cli::listed::run_tasks(text, &beside));
    lines.sort_by_key(|(at, _)| *at);
    let cluster = |words: Vec<String>| words.windows(2).find(|pair| pair[0] == "--cluster").map(|pair| pair[1].clone());
    lines
        .into_iter()
        .map(|(_, line)| line.map_or_else(|e| e.to_string(), |words| cluster(words).unwrap_or_default()))
        .collect()
}

#[test]
fn a_program_beside_a_plain_line_is_a_launch_too() {
    for line in [
        "docker run --rm amazon/aws-cli ecs run-task --cluster b",
        "docker run --rm -e AWS_REGION public.ecr.aws/aws-cli/aws-cli:2.15.0 ecs run-task --cluster b",
        "podman run amazon/aws-cli --region eu-west-1 ecs run-task --cluster b",
        "awslocal ecs run-task --cluster b",
        "aws2 ecs run-task --cluster b",
        "/usr/local/bin/aws ecs run-task --cluster b",
        "~/bin/aws --debug ecs run-task --cluster b",
        "aws.exe ecs run-task --cluster b",
        "\"C:\\Program Files\\Amazon\\AWSCLIV2\\aws.exe\" ecs run-task --cluster b",
        "& aws ecs run-task --cluster b",
        "python -m awscli ecs run-task --cluster b",
        "$(which aws) ecs run-task --cluster b",
        "${AWS:-aws} ecs run-task --cluster b",
        "AWS=aws\n$AWS ecs run-task --cluster b",
        "AWS_CLI=aws\nX=$(\"$AWS_CLI\" ecs run-task --cluster b)",
        "aws_cli() { command aws \"$@\"; }\naws_cli ecs run-task --cluster b",
        "bash -c 'set -e; aws ecs run-task --cluster b'",
        "ssh host \"cd /x && /usr/bin/aws ecs run-task --cluster b\"",
        "echo starting; aws ecs run-task --cluster b",
        "echo \"aws ecs run-task --cluster b\" | bash",
        "aws  ecs   run-task --cluster b",
        "Start-Process aws -ArgumentList \"ecs run-task --cluster b\"",
        "system(*%w[aws ecs run-task --cluster b])",
        "command:\n  - aws\n  - ecs\n  - run-task\n  - --cluster\n  - b",
        "args: [ecs, run-task, --cluster, b]",
        "aws\tecs\trun-task\t--cluster\tb",
        "aws \\\n --region eu-west-1 \\\n ecs run-task \\\n --cluster b",
        "system(\"aws\",\"ecs\",\"run-task\",\"--cluster\",\"b\")",
        "subprocess.run([\"/usr/bin/aws\", \"ecs\", \"run-task\", \"--cluster\", \"b\"])",
        "spawn('aws', ['ecs', 'run-task', '--cluster', 'b'])",
        "exec.Command(awsPath, \"ecs\", \"run-task\", \"--cluster\", \"b\")",
        "CLUSTER = \"b\"\ncall([AWS, \"ecs\", \"run-task\", \"--cluster\", CLUSTER])",
    ] {
        let text = format!("aws ecs run-task --cluster a\n{line}\n");
        assert_eq!(clusters(&text), ["a", "b"], "{line}");
        assert_eq!(clusters(line), ["b"], "alone: {line}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    for (line, part) in [
        ("$AWS ecs run-task --cluster b", "$AWS has its value"),
        ("\"$AWS_CLI\" ecs run-task --cluster b", "$AWS_CLI has its value"),
        ("run_ecs() { aws ecs run-task \"$@\"; }", "$(command)"),
        ("call([\"aws\", \"ecs\", \"run-task\", *options])", "*options has its value in the program only"),
    ] {
        let found = clusters(&format!("aws ecs run-task --cluster a\n{line}\n"));
        assert!(matches!(found.as_slice(), [a, said] if a == "a" && said.contains(part)), "{line}: {found:?}");
    }
    // It is named for what it lacks.
    assert_eq!(clusters("RUN=\"aws ecs run-task\"\naws ecs run-task --cluster a\n$RUN --cluster b"), ["", "a"]);
}

#[test]
fn what_only_tells_of_a_launch_is_none() {
    for line in [
        "# docker run amazon/aws-cli ecs run-task --cluster b",
        "make x # awslocal ecs run-task --cluster b",
        "echo \"awslocal ecs run-task --cluster b\"",
        "aws ecs run-task-set --cluster b",
        "ALLOWED = [(\"ecs\", \"run-task\")]",
        "the word ecs run-task is told",
    ] {
        assert_eq!(clusters(&format!("aws ecs run-task --cluster a\n{line}\n")), ["a"], "{line}");
    }
}
