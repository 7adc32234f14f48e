//! Inside a layer, modules depend one way: no module is used by what it uses itself. A folder counts as one module among its
//! neighbours, and its own modules are held against each other. What a folder's `mod.rs` has is everybody's in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::architecture::{code, root, rust_files};

/// The layers that are free of circles, and are to stay so.
const FREE: &[&str] = &["core", "store", "fleet", "cell", "host", "explaining", "cli"];

/// A module by its path from the crate: `["core", "request", "asl"]`.
type Module = Vec<String>;
/// By folder: which of its modules uses which others.
type Graph = BTreeMap<Module, BTreeMap<String, BTreeSet<String>>>;

#[test]
fn modules_depend_one_way_only() {
    for layer in FREE {
        let circles = circles(&graph(layer));
        assert!(circles.is_empty(), "move what both need down:\n{}", circles.join("\n"));
    }
}

#[test]
fn the_scan_sees_every_way_to_name_a_module() {
    let source = "use super::run::{Run, Status};\nuse crate::core::{failure::{self, Class}, task};\nuse super::super::time;\n\
                  fn x() -> super::retry::RetryCounts { crate::core::machine::apply() }\n#[cfg(test)]\nmod tests { use super::no; }";
    let here = ["core", "request"].map(str::to_owned).to_vec();
    let used: BTreeSet<String> = paths(&without_tests(source), &here).iter().map(|path| path.join("::")).collect();
    let expected = ["core::failure::Class", "core::failure::self", "core::machine::apply", "core::retry::RetryCounts"];
    let expected = [&expected[..], &["core::run::Run", "core::run::Status", "core::task", "time"]].concat();
    assert_eq!(used, expected.into_iter().map(str::to_owned).collect());
}

#[test]
fn a_circle_is_found_through_others_and_named() {
    let uses = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")];
    let mut graph = Graph::new();
    for (user, used) in uses {
        let folder = graph.entry(vec!["x".to_owned()]).or_default();
        folder.entry(user.to_owned()).or_default().insert(used.to_owned());
    }
    assert_eq!(circles(&graph), ["x: a → b → c → a"]);
}

/// Which module of a layer uses which.
fn graph(layer: &str) -> Graph {
    let source = root().join("src");
    let files = rust_files(&source.join(layer));
    let tests: BTreeSet<PathBuf> = files.iter().flat_map(|file| test_modules(file)).collect();
    let is_test = |file: &&PathBuf| tests.iter().any(|test| file.starts_with(test) || file.with_extension("") == *test);
    let modules: BTreeSet<Module> = files.iter().map(|file| module(&source, file)).collect();
    let mut graph = Graph::new();
    for file in files.iter().filter(|file| !is_test(file)) {
        let user = module(&source, file);
        for used in paths(&without_tests(&code(file)), &user) {
            let shared = user.iter().zip(&used).take_while(|(one, other)| one == other).count();
            let (Some(own), Some(other)) = (user.get(shared), used.get(shared)) else { continue };
            if modules.contains(&used[..=shared]) {
                let folder = graph.entry(user[..shared].to_vec()).or_default();
                folder.entry(own.clone()).or_default().insert(other.clone());
            }
        }
    }
    graph
}

/// One line for each circle, the shortest through its first module.
fn circles(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for (folder, uses) in graph {
        let mut told = BTreeSet::new();
        for start in uses.keys() {
            if let Some(circle) = way_back(uses, start).filter(|circle| !circle.iter().any(|one| told.contains(one))) {
                told.extend(circle.iter().cloned());
                found.push(format!("{}: {} → {start}", folder.join("::"), circle.join(" → ")));
            }
        }
    }
    found
}

/// The shortest way from a module to itself.
fn way_back(uses: &BTreeMap<String, BTreeSet<String>>, start: &str) -> Option<Vec<String>> {
    let mut ways = std::collections::VecDeque::from([vec![start.to_owned()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in way.last().and_then(|last| uses.get(last)).into_iter().flatten() {
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push_back([way.clone(), vec![next.clone()]].concat());
            }
        }
    }
    None
}

fn module(source: &Path, file: &Path) -> Module {
    let path = file.strip_prefix(source).unwrap_or(file).with_extension("");
    let names: Module = path.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    if names.last().is_some_and(|last| last == "mod") { names[..names.len() - 1].to_vec() } else { names }
}

/// The modules that this file declares as tests, as paths without their extension.
fn test_modules(file: &Path) -> Vec<PathBuf> {
    let code = code(file);
    let folder = if file.ends_with("mod.rs") { file.with_file_name("") } else { file.with_extension("") };
    let declared = code.split("#[cfg(test)]").skip(1).filter_map(|after| after.trim_start().lines().next());
    let names = declared.filter_map(|line| line.split("mod ").nth(1)?.strip_suffix(';'));
    names.map(|name| folder.join(name)).collect()
}

/// The code before its inline tests, which stand at the end.
fn without_tests(code: &str) -> String {
    let inline = code.match_indices("#[cfg(test)]").find(|(at, found)| {
        code[at + found.len()..].trim_start().starts_with("mod ")
            && !code[at + found.len()..].lines().nth(1).is_some_and(|l| l.ends_with(';'))
    });
    inline.map_or(code, |(at, _)| &code[..at]).to_owned()
}

/// Every path from the crate that the code of a module names by `crate::` or `super::`, groups opened.
fn paths(code: &str, module: &[String]) -> Vec<Module> {
    let mut found = Vec::new();
    let mut rest = code;
    while let Some(at) = [rest.find("crate::"), rest.find("super::")].into_iter().flatten().min() {
        rest = &rest[at..];
        let mut base = Vec::new();
        match rest.strip_prefix("crate::") {
            Some(behind) => rest = behind,
            None => {
                base = module.to_vec();
                while let Some(behind) = rest.strip_prefix("super::") {
                    base.pop();
                    rest = behind;
                }
            }
        }
        rest = &rest[open(rest, &base, &mut found)..];
    }
    found
}

/// Adds the paths of the tree at the beginning of `text`; answers its length.
fn open(text: &str, base: &[String], found: &mut Vec<Module>) -> usize {
    let name = text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    if let Some(behind) = text[name.len()..].strip_prefix("::").filter(|_| !name.is_empty()) {
        let longer = [base, &[name.to_owned()]].concat();
        return text.len() - behind.len() + open(behind, &longer, found);
    }
    if !text.starts_with('{') {
        found.push([base, &[name.to_owned()]].concat());
        return name.len();
    }
    let mut at = 1;
    while let Some(c) = text[at..].chars().next().filter(|c| *c != '}') {
        let is_part = c.is_alphanumeric() || c == '_' || c == '{';
        at += if is_part { open(&text[at..], base, found) } else { c.len_utf8() };
    }
    (at + 1).min(text.len())
}
