//! What stands behind a `$` of a command: variables of shells, of make and of PowerShell, and expressions of GitHub Actions and Terraform.

use super::unset::Unset;
use super::variables::{Found, Place, Variables, refused};
use super::{Characters, is_name};

/// A longer name is none.
const LONGEST: usize = 1000;

pub(super) const OF_A_COMMAND: &str =
    "a `command` or $(command) has its value in the shell only: write the value into the line";

/// Whether the `$` that was read begins an expression of GitHub Actions, `${{ secrets.NAME }}`.
pub(super) fn is_expression(characters: &Characters<'_>) -> bool {
    characters.clone().take(2).eq("{{".chars())
}

/// Whether the `$` that was read begins an expression of Terraform, `${var.cluster}`, which shells do not know.
pub(super) fn is_of_template(characters: &Characters<'_>) -> bool {
    let inner: String = characters.clone().take(24).collect();
    ["var.", "local.", "data.", "module.", "each.", "aws_"].iter().any(|begin| {
        let behind = inner.strip_prefix('{').and_then(|inner| inner.strip_prefix(begin));
        behind.is_some() && (begin.ends_with('.') || inner.contains('.'))
    })
}

/// The value of the expression of GitHub Actions whose `$` was read: it may be given by its own name or by the last part of it.
fn expression(characters: &mut Characters<'_>, variables: &Variables<'_>, place: Place<'_>) -> Result<String, Unset> {
    let mut inner: String = characters.by_ref().skip(2).take_while(|c| *c != '}').collect();
    characters.next_if_eq(&'}');
    inner = inner.trim().to_owned();
    let shown = format!("${{{{ {inner} }}}}");
    let what = format!("{shown} is an expression of GitHub Actions");
    if let Some(value) = variables.set(&inner) {
        return Ok(value);
    }
    let is_path = inner.split('.').all(|part| is_name(&part.replace('-', "_")));
    let Some((_, name)) = inner.rsplit_once('.').filter(|_| is_path) else {
        return Err(Unset::of(shown, format!("{what}: write its value into the line")));
    };
    let found = match inner.starts_with("env.") {
        true => variables.value(name, place),
        false => match variables.set(name).or_else(|| variables.environment(name)) {
            Some(value) => Found::One(value),
            None => Found::None,
        },
    };
    match found {
        Found::One(value) => Ok(value),
        Found::None => {
            let variable = if is_name(name) { format!(", or by {name} in the environment") } else { String::new() };
            Err(Unset::of(shown, format!("{what}: give its value by --set {inner}=VALUE{variable}")))
        }
        found => Err(refused(&shown, &inner, found)),
    }
}

/// The value of the variable whose `$` was read.
pub(super) fn variable(
    characters: &mut Characters<'_>,
    variables: &Variables<'_>,
    place: Place<'_>,
) -> Result<String, Unset> {
    if is_expression(characters) {
        return expression(characters, variables, place);
    }
    // A Makefile writes a variable of the shell so.
    characters.next_if_eq(&'$');
    match characters.peek() {
        Some('(') => of_make(characters, variables, place),
        Some('{') => braced(characters, variables, place),
        _ => {
            let name = name(characters);
            match scope(&name, characters, variables) {
                Some(inner) => of_powershell(&name, &inner, variables, place),
                None => found(&name, None, variables, place),
            }
        }
    }
}

fn name(characters: &mut Characters<'_>) -> String {
    std::iter::from_fn(|| characters.next_if(|c| c.is_ascii_alphanumeric() || *c == '_')).collect()
}

/// PowerShell's `$env:NAME`, `$script:NAME`: the name behind the scope. In a shell, `$env:7` is the variable `env` and a text.
fn scope(name: &str, characters: &mut Characters<'_>, variables: &Variables<'_>) -> Option<String> {
    let mut behind = characters.clone();
    let is_name_behind =
        behind.next() == Some(':') && behind.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !is_scope(name) || !is_name_behind || variables.has(name) {
        return None;
    }
    characters.next();
    Some(self::name(characters))
}

fn is_scope(name: &str) -> bool {
    ["env", "script", "global", "local", "private", "using"].iter().any(|scope| name.eq_ignore_ascii_case(scope))
}

fn of_powershell(scope: &str, name: &str, variables: &Variables<'_>, place: Place<'_>) -> Result<String, Unset> {
    let lower = name.to_ascii_lowercase();
    let key = if scope.eq_ignore_ascii_case("env") { format!("env:{lower}") } else { lower };
    match variables.without_case(&key, name, place) {
        Found::One(value) => Ok(value),
        other => Err(refused(&format!("${scope}:{name}"), name, other)),
    }
}

/// `${NAME}`, with a default, or what others have in braces.
fn braced(characters: &mut Characters<'_>, variables: &Variables<'_>, place: Place<'_>) -> Result<String, Unset> {
    characters.next();
    let inner: String = std::iter::from_fn(|| characters.next_if(|c| *c != '}')).collect();
    characters.next();
    let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (of, behind) = inner.split_at(end);
    if let Some(value) = variables.set(inner.trim()) {
        return Ok(value);
    }
    let scoped = behind.strip_prefix(':').filter(|name| is_scope(of) && is_name(name) && !variables.has(of));
    if let Some(name) = scoped {
        return of_powershell(of, name, variables, place);
    }
    let default = ["-", ":-", "=", ":="].iter().find_map(|sign| behind.strip_prefix(sign));
    // ${NAME:?} asks for a value; anything else changes it.
    if default.is_none() && !behind.is_empty() && !behind.starts_with(['?']) && !behind.starts_with(":?") {
        return of_template(&inner, of, behind, variables, place);
    }
    found(of, default, variables, place)
}

/// `${var.cluster}` of Terraform, `${env.CLUSTER}` of Jenkins: a name of another tool.
fn of_template(
    inner: &str,
    of: &str,
    behind: &str,
    variables: &Variables<'_>,
    place: Place<'_>,
) -> Result<String, Unset> {
    // `${self:custom.cluster}` of the Serverless framework.
    let of_serverless =
        behind.strip_prefix(':').is_some_and(|name| name.starts_with(|c: char| c.is_ascii_alphabetic()));
    let is_path = of_serverless
        || behind.starts_with('.')
            && inner.split('.').all(|part| is_name(&part.replace(['-', '[', ']'], "_")) || part.is_empty());
    if let Some(name) = behind.strip_prefix('.').filter(|name| is_path && of == "env" && is_name(name))
        && let Found::One(value) = variables.value(name, place)
    {
        return Ok(value);
    }
    let set = if inner.contains('=') { String::new() } else { format!(", or give it by --set {}=VALUE", inner.trim()) };
    let shown = format!("${{{inner}}}");
    let said = match is_path {
        true => format!("the placeholder {shown} is not filled in: write its value into the line{set}"),
        false => format!("{shown} has its value in the shell only: write the value into the line"),
    };
    Err(Unset::of(shown, said))
}

/// The value of a variable of a shell.
fn found(name: &str, default: Option<&str>, variables: &Variables<'_>, place: Place<'_>) -> Result<String, Unset> {
    // An argument of the script may have a default too.
    if name.parse::<u8>().is_ok() {
        let value = variables.set(name).or_else(|| default.map(str::to_owned));
        return value.ok_or_else(|| refused(&format!("${name}"), name, Found::Unknown));
    }
    if !is_name(name) {
        return Err(Unset::command(OF_A_COMMAND));
    }
    match (variables.value(name, place), default) {
        (Found::One(value), Some(default)) if value.is_empty() => Ok(default.to_owned()),
        (Found::One(value), _) => Ok(value),
        (Found::None, Some(default)) => Ok(default.to_owned()),
        (other, _) => Err(refused(&format!("${name}"), name, other)),
    }
}

/// The value of `$(NAME)`, a variable of make, whose `$` was read.
fn of_make(characters: &mut Characters<'_>, variables: &Variables<'_>, place: Place<'_>) -> Result<String, Unset> {
    let inner: String = characters.by_ref().skip(1).take(LONGEST).take_while(|c| *c != ')').collect();
    if let Some(value) = variables.set(&inner) {
        return Ok(value);
    }
    if !is_name(&inner) {
        return Err(of_a_command(&inner));
    }
    match variables.value(&inner, place) {
        Found::One(value) => Ok(value),
        Found::None => Err(Unset::of(
            format!("$({inner})"),
            format!(
                "$({inner}) has its value in the shell only, or in make: write it into the line, or give it by --set {inner}=VALUE or in the environment"
            ),
        )),
        other => Err(refused(&format!("$({inner})"), &inner, other)),
    }
}

/// `$(terraform output -raw cluster)`: a plain command can be named in `--set`.
fn of_a_command(inner: &str) -> Unset {
    let is_plain = inner.chars().all(|c| c.is_ascii_alphanumeric() || " ._-/:".contains(c)) && !inner.trim().is_empty();
    match is_plain {
        true => Unset::of(
            format!("$({inner})"),
            format!(
                "$({inner}) has its value in the shell only: write it into the line, or give it by --set '{inner}=VALUE'"
            ),
        ),
        false => Unset::command(OF_A_COMMAND),
    }
}
