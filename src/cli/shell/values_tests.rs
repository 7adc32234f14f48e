//! The values that variables and placeholders have in a line.

use super::{Beside, run_tasks};

/// The value of `--cluster` in the only line, or what is said of it.
fn cluster(text: &str, set: &[(&str, &str)], environment: &[(&str, &str)]) -> String {
    let given = |name: &str| environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut lines = run_tasks(text, &Beside { set, environment: &given });
    assert_eq!(lines.len(), 1, "{text}");
    match lines.remove(0).1 {
        Ok(words) => {
            words.windows(2).find(|pair| pair[0] == "--cluster").map(|pair| pair[1].clone()).unwrap_or_default()
        }
        Err(error) => error.to_string(),
    }
}

const RUN: &str = "aws ecs run-task --cluster $CLUSTER --task-definition etl";

#[test]
fn a_variable_with_several_values_is_refused_by_name() {
    for script in [
        "if [ \"$1\" = prod ]; then\n  CLUSTER=prod\nelse\n  CLUSTER=dev\nfi\nRUN",
        "if [ \"$1\" = prod ]; then CLUSTER=prod; else CLUSTER=dev; fi\nRUN",
        "CLUSTER=dev\n[ \"$1\" = prod ] && CLUSTER=prod\nRUN",
        "CLUSTER=dev\ntest -n \"$1\" || CLUSTER=prod\nRUN",
        "CLUSTER=dev\nif x; then\n  if y; then CLUSTER=prod; fi\nfi\nRUN",
        "CLUSTER=dev\nwhile getopts c: o; do case $o in c) CLUSTER=$OPTARG;; esac; done\nRUN",
        "CLUSTER=dev\nwhile getopts c: o; do\n  case \"$o\" in\n    c)\n      CLUSTER=\"$OPTARG\"\n      ;;\n  esac\ndone\nRUN",
        "case \"$1\" in\n  prod) CLUSTER=prod ;;\n  *) CLUSTER=dev ;;\nesac\nRUN",
        "CLUSTER=a\nfor CLUSTER in a b c; do RUN; done",
        "CLUSTER=a\nfor CLUSTER in a b c\ndo\n  RUN\ndone",
        "CLUSTER=a\nfor x in 1 2; do\n  RUN\n  CLUSTER=b\ndone",
        "CLUSTER=a\npick() { CLUSTER=b; }\npick\nRUN",
        "CLUSTER=a\nsource ./prod.env\nRUN",
        "CLUSTER=a\n[ -f .env ] && . .env\nRUN",
        "CLUSTER=a\neval \"$(cat x)\"\nRUN",
        "CLUSTER=a\nx && { CLUSTER=b; }\nRUN",
        "[[ $1 == prod ]] && CLUSTER=prod || CLUSTER=dev\nRUN",
        "if [ -z \"$CLUSTER\" ]; then CLUSTER=a; fi\nRUN",
        "CLUSTER=a\nwhile read -r line; do CLUSTER=$line; done < file\nRUN",
        "one { environment { CLUSTER = 'a' } }\ntwo { environment { CLUSTER = 'b' } }\nsh 'RUN'",
        "CLUSTER := a\nifdef PROD\nCLUSTER := b\nendif\nrun:\n\tRUN",
        "CLUSTER = a\nprod: CLUSTER = b\nrun:\n\tRUN",
        "env:\n  CLUSTER: a\nsteps:\n  - env:\n      CLUSTER: ${{ secrets.X }}\n    run: RUN",
        "env:\n  CLUSTER: a\nsteps:\n  - run: echo \"CLUSTER=b\" >> $GITHUB_ENV\n  - run: RUN",
        "run() { RUN; }\nCLUSTER=a\nrun\nCLUSTER=b\nrun",
    ] {
        let text = script.replace("RUN", RUN);
        let said = cluster(&text, &[], &[("CLUSTER", "ambient")]);
        assert!(
            said.contains("CLUSTER has more than one possible value here") && said.contains("--set CLUSTER=VALUE"),
            "{text}: {said}"
        );
        assert_eq!(cluster(&text, &[("CLUSTER", "given")], &[]), "given", "{text}");
    }
    let said = cluster(&format!("CLUSTER=dev\nx && CLUSTER=prod\n{RUN}"), &[], &[]);
    assert!(said.contains("(dev, prod)"), "{said}");
}

#[test]
fn the_one_value_that_a_script_assigns_goes_before_the_environments() {
    for (script, expected) in [
        ("CLUSTER=a\nRUN", "a"),
        ("CLUSTER=a\nCLUSTER=\"$CLUSTER-b\"\nRUN", "a-b"),
        ("CLUSTER=a\nCLUSTER+=b\nRUN", "ab"),
        ("CLUSTER=a; export CLUSTER; RUN", "a"),
        ("export CLUSTER=a X=b\nRUN", "a"),
        ("CLUSTER=a && RUN", "a"),
        ("if x; then CLUSTER=a; RUN; fi", "a"),
        ("f() {\n  CLUSTER=a\n  RUN\n}\nf", "a"),
        ("CLUSTER=a\nf() {\n  local CLUSTER=other\n  echo x\n}\nRUN", "a"),
        ("run() {\n  RUN\n}\nCLUSTER=a\nrun", "a"),
        ("(CLUSTER=other; echo x)\nCLUSTER=a\nRUN", "a"),
        ("CLUSTER=a\n(CLUSTER=other; echo x)\nX=$(CLUSTER=third; echo x)\nRUN", "a"),
        ("X=$(date)\nCLUSTER=a\nY=\"$(echo \"b\")\"\nX=\"$(RUN)\"", "a"),
        ("CLUSTER=other echo x\nCLUSTER=a\nRUN", "a"),
        ("CLUSTER=a\nCLUSTER=other RUN", "a"),
        ("for CLUSTER in a; do RUN; done", "a"),
        ("# CLUSTER=other\nCLUSTER='a' # CLUSTER=other\nRUN", "a"),
        ("CLUSTER ?= b\nrun:\n\tRUN", "ambient"),
        ("CLUSTER := a\nrun:\n\tRUN", "a"),
        (": \"${CLUSTER:=b}\"\nRUN", "ambient"),
        ("CLUSTER=${CLUSTER:-b}\nRUN", "ambient"),
        ("CLUSTER=\nCLUSTER=${CLUSTER:-a}\nRUN", "a"),
        ("env:\n  CLUSTER: a\nrun: RUN", "a"),
        ("env:\n  CLUSTER: a\nsteps:\n  - run: CLUSTER=other; echo x\n  - run: RUN", "a"),
        ("cat <<EOF\nCLUSTER=other\nit's\nEOF\nCLUSTER=a\nRUN", "a"),
        ("echo \"don't\"\nCLUSTER=a\nRUN", "a"),
        ("set CLUSTER a\nRUN", "a"),
        ("pipeline { agent any\n environment { CLUSTER = 'a' }\n stages { sh '''\nRUN\n''' } }", "a"),
        ("pipeline {\n  environment {\n    CLUSTER = 'a'\n  }\n  sh 'RUN'\n}", "a"),
        ("variables:\n  CLUSTER: a\none:\n  script:\n    - export CLUSTER=other\ntwo:\n  script:\n    - RUN", "a"),
        ("one:\n  before_script:\n    - export CLUSTER=a\n  script:\n    - RUN", "a"),
        ("if [ -n \"$1\" ]; then X=b; fi\nset -euo pipefail; CLUSTER=a\nRUN", "a"),
        ("RUN", "ambient"),
    ] {
        let text = script.replace("RUN", RUN);
        assert_eq!(cluster(&text, &[], &[("CLUSTER", "ambient")]), expected, "{text}");
    }
    let several_lines = "NETWORK='{\n \"a\": 1\n}'\naws ecs run-task --cluster \"$NETWORK\"";
    assert_eq!(cluster(several_lines, &[], &[]), "{\n \"a\": 1\n}");
}

#[test]
fn what_a_script_computes_is_not_the_environments() {
    for script in ["CLUSTER=$(cat x)\nRUN", "read -r CLUSTER\nRUN", "CLUSTER=a\nunset CLUSTER\nRUN", "CLUSTER=`x`\nRUN"]
    {
        let text = script.replace("RUN", RUN);
        let said = cluster(&text, &[], &[("CLUSTER", "ambient")]);
        assert!(
            said.contains("$CLUSTER has its value in the shell only") && !said.contains("environment"),
            "{text}: {said}"
        );
    }
}

#[test]
fn values_do_not_grow_without_bound() {
    let doubled: String = (1..60).map(|n| format!("A{n}=$A{}$A{}\n", n - 1, n - 1)).collect();
    let said = cluster(&format!("A0=xx\n{doubled}aws ecs run-task --cluster $A59"), &[], &[]);
    assert!(said.contains("$A59 has its value in the shell only"), "{said}");
}

#[test]
fn placeholders_of_other_tools_take_their_values_from_set_or_are_named() {
    for (value, name) in [
        ("%CLUSTER%", "CLUSTER"),
        ("{{ cluster }}", "cluster"),
        ("{{cluster}}", "cluster"),
        ("'{{ params.cluster }}'", "params.cluster"),
        ("\"{{ .Values.cluster }}\"", ".Values.cluster"),
        ("{{ a | default('b') }}", "a | default('b')"),
        ("<< parameters.cluster >>", "parameters.cluster"),
        ("<<pipeline.parameters.cluster>>", "pipeline.parameters.cluster"),
        ("${var.cluster}", "var.cluster"),
        ("'${var.cluster}'", "var.cluster"),
        ("\"${aws_ecs_cluster.main.name}\"", "aws_ecs_cluster.main.name"),
        ("${env.CLUSTER}", "env.CLUSTER"),
        ("${self:custom.cluster}", "self:custom.cluster"),
        ("${{ vars.CLUSTER }}", "vars.CLUSTER"),
        ("$env:CLUSTER", "CLUSTER"),
        ("${env:CLUSTER}", "CLUSTER"),
        ("$Env:Cluster", "CLUSTER"),
    ] {
        let text = format!("aws ecs run-task --cluster {value} --task-definition etl");
        assert_eq!(cluster(&text, &[(name, "batch")], &[]), "batch", "{text}");
        let found = cluster(&text, &[], &[]);
        // A name is refused where the request is checked.
        assert!(found.contains("--set") || found == "%CLUSTER%", "{text}: {found}");
    }
    for (text, part) in [
        ("aws ecs run-task --task-definition etl --count %N%", "%N% of --count"),
        ("aws ecs run-task --task-definition etl --count {{n}}", "--set n=VALUE"),
        ("xargs -I{} aws ecs run-task --overrides '{\"command\": [\"{}\"]}'", "--set '{}'=VALUE"),
        ("cat x | xargs -I X aws ecs run-task --task-definition etl-X", "--set X=VALUE"),
        ("parallel aws ecs run-task --task-definition {}", "--set '{}'=VALUE"),
        ("aws ecs run-task --overrides '{\"command\": [\"{{ ds }}\"]}'", "--set ds=VALUE"),
        ("@echo off\naws ecs run-task --overrides '%DATE%'", "%DATE% has its value"),
    ] {
        let said = cluster(text, &[], &[]);
        assert!(said.contains(part), "{text}: {said}");
    }
    // A pattern of a date is no variable outside cmd.exe.
    assert_eq!(cluster("aws ecs run-task --overrides '%Y%m%d' --cluster a", &[], &[]), "a");
}

#[test]
fn batch_files_justfiles_and_powershell_assign_in_their_ways() {
    for (text, expected) in [
        ("@echo off\r\nset CLUSTER=batch\r\naws ecs run-task --cluster %CLUSTER% ^\r\n --count 1", "batch"),
        ("set \"CLUSTER=batch\"\naws ecs run-task --cluster %cluster%", "batch"),
        ("cluster := \"batch\"\nrun:\n  aws ecs run-task --cluster {{cluster}}", "batch"),
        ("$Cluster = \"batch\"\naws ecs run-task `\n  --cluster $cluster", "batch"),
        ("[string]$CLUSTER='batch'\naws ecs run-task --cluster $Cluster", "batch"),
        ("param([string]$Cluster = 'batch')\naws ecs run-task --cluster $Cluster", "batch"),
        ("setlocal enabledelayedexpansion\nset CLUSTER=batch\naws ecs run-task --cluster !CLUSTER!", "batch"),
        ("$env:CLUSTER = 'batch'\naws ecs run-task --cluster $env:Cluster", "batch"),
        ("$script:Cluster = 'batch'\naws ecs run-task --cluster $Cluster", "batch"),
        ("env=a\naws ecs run-task --cluster $env:b", "a:b"),
        ("aws ecs run-task --cluster $env:7", "$env has its value"),
    ] {
        let found = cluster(text, &[], &[]);
        assert!(found == expected || found.contains(expected), "{text}: {found}");
    }
    for text in [
        "set CLUSTER=dev\nif \"%1\"==\"prod\" set CLUSTER=prod\naws ecs run-task --cluster %CLUSTER%",
        "set CLUSTER=dev\nif \"%1\"==\"prod\" (\n  set CLUSTER=prod\n)\naws ecs run-task --cluster %CLUSTER%",
        "$Cluster = 'dev'\nif ($prod) {\n  $Cluster = 'prod'\n}\naws ecs run-task --cluster $Cluster",
        "if ($prod) { $Cluster = 'prod' } else { $Cluster = 'dev' }\naws ecs run-task --cluster $Cluster",
    ] {
        let said = cluster(text, &[], &[]);
        assert!(said.contains("more than one possible value here"), "{text}: {said}");
    }
    let said = cluster("$Cluster = Get-Cluster -Name x\naws ecs run-task --cluster $Cluster", &[], &[]);
    assert!(said.contains("$Cluster has its value"), "{said}");
}

#[test]
fn a_blank_behind_the_sign_that_continues_a_line_is_named() {
    let said = cluster("aws ecs run-task --cluster a \\ \n  --count 5", &[], &[]);
    assert!(said.contains("a blank behind the \\ at a line's end"), "{said}");
}

#[test]
fn all_that_has_no_value_is_named_at_once() {
    for (line, others) in [
        ("--cluster $A --task-definition $B --group \"${C}-$A-$B\"", "$B, $C"),
        ("--cluster '${{ vars.A }}' --task-definition ${{ secrets.B }}", "${{ secrets.B }}"),
        ("--cluster {{ a }} --task-definition $B --group << parameters.c >>", "$B, << parameters.c >>"),
        ("--cluster $(A) --group $(terraform output -raw b)", "$(terraform output -raw b)"),
        ("--cluster ${A%%-*} --group $1", "$1"),
        ("--cluster ${var.a} --group $env:B", "$env:B"),
    ] {
        let said = cluster(&format!("aws ecs run-task {line}"), &[], &[]);
        let (first, rest) = said.split_once("; the same goes for ").unwrap_or((&said, ""));
        assert_eq!(rest, others, "{line}: {said}");
        assert!(first.contains("VALUE") || first.contains("write"), "{line}: {said}");
    }
    let said = cluster("@echo off\naws ecs run-task --cluster %A% --group %B%-%C%", &[], &[]);
    assert!(said.starts_with("%A% has") && said.ends_with("; the same goes for %B%, %C%"), "{said}");
    // A quote that is not closed says nothing of what the text behind it means.
    let said = cluster("aws ecs run-task --cluster $A --group 'b", &[], &[]);
    assert!(said.starts_with("$A has") && !said.contains("the same"), "{said}");
    assert_eq!(cluster("aws ecs run-task --cluster $1 --group $2", &[("1", "batch"), ("2", "g")], &[]), "batch");
    let line = "aws ecs run-task --cluster $(terraform output -raw x)";
    assert_eq!(cluster(line, &[("terraform output -raw x", "batch")], &[]), "batch");
}

#[test]
fn json_that_is_quoted_for_windows_powershell_is_json() {
    for (text, expected) in [
        (r#"'{\"a\": \"b\"}'"#, r#"{"a": "b"}"#),
        (r#"'[{\"a\": 1}]'"#, r#"[{"a": 1}]"#),
        (r#"'{ \"a\": \"say \\\"b\\\"\"}'"#, r#"{ "a": "say \"b\""}"#),
        (r#"'{"a": "say \"b\""}'"#, r#"{"a": "say \"b\""}"#),
        (r#"'\"a\"'"#, r#"\"a\""#),
    ] {
        assert_eq!(cluster(&format!("aws ecs run-task --cluster {text}"), &[], &[]), expected, "{text}");
    }
}
