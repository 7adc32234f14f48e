//! The modules and the dependencies allowed between them, as docs/architecture.md has them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module, and the modules on which it may depend.
const ALLOWED: &[(&str, &[&str])] = &[
    ("core", &[]),
    ("local", &[]),
    ("terminal", &[]),
    ("explaining", &["core", "terminal"]),
    ("store", &["core"]),
    ("cell", &["core", "store"]),
    ("fleet", &[]),
    ("host", &["core", "store", "cell", "fleet"]),
    ("aws", &["core", "store", "cell"]),
    ("library", &["core", "store", "cell", "aws"]),
    ("front", &["core", "store", "cell", "fleet"]),
    ("http", &["core", "store", "cell", "fleet", "front"]),
    ("cli", &["core", "store", "cell", "fleet", "host", "front", "aws", "http", "local", "terminal", "explaining"]),
];

/// Longer than this, a file has more than one job.
const MAX_LINES: usize = 500;

#[test]
fn top_level_modules_depend_one_way_only() {
    let mut wrong = Vec::new();
    for (module, allowed) in ALLOWED {
        for file in rust_files(&root().join("src").join(module)) {
            for used in modules_used(&code(&file)) {
                if used != *module && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("{}: {module} must not depend on crate::{used}", shown(&file)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_module_is_known() {
    let known: BTreeSet<String> = ALLOWED.iter().map(|(module, _)| (*module).to_owned()).collect();
    let built: BTreeSet<String> = fs::read_dir(root().join("src"))
        .expect("src/")
        .map(|entry| entry.expect("src/").path())
        .filter(|path| path.is_dir())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    assert_eq!(
        built, known,
        "a module without its line in ALLOWED and docs/architecture.md, or a line without its module"
    );
}

#[test]
fn the_core_is_pure() {
    let impure =
        ["tokio", "aws_", "std::fs", "std::net", "SystemTime", "Instant::now", "async fn", ".await", "rand::rng"];
    assert_absent(&root().join("src/core"), &impure, "has no clock, I/O, chance, async or AWS types");
}

#[test]
fn only_the_aws_module_knows_the_sdk() {
    for (module, _) in ALLOWED.iter().filter(|(module, _)| *module != "aws") {
        assert_absent(
            &root().join("src").join(module),
            &["aws_sdk_", "aws_smithy", "aws_config"],
            "must ask crate::aws",
        );
    }
}

#[test]
fn every_file_has_one_job() {
    let mut wrong = Vec::new();
    for folder in ["src", "tests", "benches"] {
        for file in rust_files(&root().join(folder)) {
            let lines = text(&file).lines().count();
            if lines > MAX_LINES {
                wrong.push(format!("{}: {lines} lines; split it by responsibility", shown(&file)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The documents say which test holds what; a renamed or deleted one must not go unnoticed.
#[test]
fn every_test_that_the_documents_name_is_there() {
    let sources: String =
        ["src", "tests"].iter().flat_map(|dir| rust_files(&root().join(dir))).map(|f| text(&f)).collect();
    for page in ["docs/architecture.md", "docs/tests.md"] {
        let text = text(&root().join(page));
        let tables = text.split("| held by |").skip(1);
        let rows = tables.flat_map(|table| table.lines().skip(1).take_while(|line| line.starts_with('|')));
        let cells = rows.filter_map(|row| row.rsplit(" | ").next());
        let code = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        // A setting in a remark is no test.
        let named: Vec<&str> = code.filter(|name| !name.contains(|c: char| c.is_ascii_uppercase())).collect();
        assert!(named.len() >= 10, "{page}: the tables were not found: {named:?}");
        let gone: Vec<_> = named.iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
        assert!(gone.is_empty(), "{page} names tests that are not there: {gone:?}");
    }
}

#[test]
fn the_scan_sees_every_way_to_name_a_module() {
    let source = "use crate::cell::ports;\nuse crate::{aws, core::{run, task}, self};\nlet x = crate::http::go();\n";
    let used: Vec<_> = modules_used(source).into_iter().collect();
    assert_eq!(used, ["aws", "cell", "core", "http", "self"]);
}

/// The first name after every `crate::` in the code, groups opened.
fn modules_used(code: &str) -> BTreeSet<String> {
    let mut modules = BTreeSet::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, found)| (at, &code[at + found.len()..])) {
        if let Some(group) = rest.strip_prefix('{') {
            modules.extend(group_heads(group));
        } else {
            modules.insert(head(rest).to_owned());
        }
    }
    modules.remove("");
    modules
}

/// The first names of a `{…}` group, whose opening brace is gone.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut item) = (1, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 || (depth == 1 && c == ',') {
            heads.push(head(item.trim()).to_owned());
            item.clear();
        } else {
            item.push(c);
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

fn head(path: &str) -> &str {
    path.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn assert_absent(folder: &Path, words: &[&str], rule: &str) {
    let mut wrong = Vec::new();
    // A module's tests may read fixtures.
    for file in rust_files(folder).into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let code = code(&file);
        wrong.extend(words.iter().filter(|word| code.contains(**word)).map(|word| format!("{}: {word}", shown(&file))));
    }
    assert!(wrong.is_empty(), "{} {rule}, yet:\n{}", shown(folder), wrong.join("\n"));
}

/// A file without its comment lines.
pub(crate) fn code(file: &Path) -> String {
    text(file).lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.to_owned() + "\n").collect()
}

fn text(file: &Path) -> String {
    fs::read_to_string(file).expect("a source file")
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the project") {
        let path = entry.expect("a folder of the project").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
