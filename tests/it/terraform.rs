//! `infra/terraform/`: formatted, with no resource or argument that the provider does not have, and the same as the templates.
//!
//! The provider itself is never asked: its arguments are in a fixture (`tests/python/terraform_schemas.py` made it).

use std::process::Command;

use super::cli::{stderr, stdout};
use super::infra::infra;
use super::support::python;
use super::support::tool::tool;

/// Runs a part of `tests/python/terraform.py`.
fn holds(arguments: &[&str]) {
    let root = env!("CARGO_MANIFEST_DIR");
    let script = format!("{root}/tests/python/terraform.py");
    let output = python::command().arg(script).args(arguments).current_dir(root).output().expect("python");
    assert!(output.status.success(), "{arguments:?}:\n{}{}", stdout(&output), stderr(&output));
}

/// `None`, and a word of it, where there is no Terraform and none is asked for (`TASKWATCH_TERRAFORM=required`).
fn terraform() -> Option<Command> {
    let why = "there is no terraform on PATH";
    tool("terraform", "version", "a test of infra/terraform", why, "TASKWATCH_TERRAFORM")
}

const PAIRS: [(&str, &str); 2] =
    [("infra/fleet.yaml", "infra/terraform"), ("infra/scheduled-run.yaml", "infra/terraform/modules/scheduled-run")];

#[test]
fn every_argument_of_the_terraform_modules_is_one_that_the_provider_has() {
    holds(&["schemas", "infra/terraform", "tests/fixtures/terraform/aws.json"]);
}

#[test]
fn the_terraform_modules_are_like_the_templates() {
    PAIRS.iter().for_each(|(template, module)| holds(&["like", template, module]));
}

#[test]
fn what_the_terraform_modules_write_as_json_is_what_the_templates_have() {
    if terraform().is_some() {
        PAIRS.iter().for_each(|(template, module)| holds(&["values", template, module]));
    }
}

#[test]
fn the_terraform_modules_are_formatted() {
    let Some(mut terraform) = terraform() else { return };
    let output =
        terraform.args(["fmt", "-check", "-diff", "-recursive", &infra("terraform")]).output().expect("terraform");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

/// The names that people of the module know: a README that lacks one, or has one too many, is wrong.
#[test]
fn the_modules_readme_names_every_argument_and_output() {
    let read = |name: &str| std::fs::read_to_string(infra(name)).expect("a file of infra/");
    let readme = read("terraform/README.md");
    let scheduled = readme.find("## scheduled-run").expect("its part");
    for (folder, page) in
        [("terraform", &readme[..scheduled]), ("terraform/modules/scheduled-run", &readme[scheduled..])]
    {
        let of = |file: &str, block: &str| -> Vec<String> {
            let text = read(&format!("{folder}/{file}"));
            let begins = format!("{block} \"");
            let lines = text.lines().filter_map(|line| line.strip_prefix(&begins)?.split('"').next());
            lines.map(str::to_owned).collect()
        };
        let mut wanted: Vec<String> = [of("variables.tf", "variable"), of("outputs.tf", "output")].concat();
        let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
        let mut named: Vec<String> = rows.map(str::to_owned).collect();
        wanted.sort();
        named.sort();
        assert!(wanted.len() >= 8);
        assert_eq!(named, wanted, "{folder}");
    }
}
