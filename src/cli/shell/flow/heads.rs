//! What a command begins with: keywords, assignments, and the commands that assign.

use super::super::is_name;
use super::blocks::Opener;
use super::{ANY, Assignment, Given, Kind, Scanner, Style};

/// What the words that were read make of the next one.
enum Head {
    /// The command's name, or an assignment.
    Start,
    /// An assignment: `export NAME=value`.
    Declares { local: bool },
    /// An argument of a command.
    Argument,
    /// A variable that the command assigns: `read NAME`.
    Assigned,
}

impl<'t> Scanner<'t, '_> {
    /// Reads a command up to the sign behind it.
    pub(super) fn command(&mut self) {
        let (mut head, begin) = (Head::Start, self.at);
        // They are the command's own where one follows: `NAME=value command`.
        let mut assigned = Vec::new();
        loop {
            self.blanks();
            let at = self.at;
            let Some(word) = self.word() else { break };
            head = match head {
                Head::Start => match self.keyword(word) {
                    Some(head) => {
                        self.reach(self.at);
                        head
                    }
                    None => self.assignment(word, at, false, &mut assigned).unwrap_or_else(|| {
                        assigned.clear();
                        self.runs(word)
                    }),
                },
                Head::Declares { local } => {
                    let local = local && word != "-g";
                    self.assignment(word, at, local, &mut assigned);
                    Head::Declares { local }
                }
                Head::Assigned => {
                    if is_name(word) {
                        assigned.push(self.assigned(word, Style::Shell, Given::Unknown));
                    }
                    Head::Assigned
                }
                // A block of one line: `{ $Name = 'value' }`.
                Head::Argument if word == "}" => {
                    self.blocks.close(|opener| *opener == Opener::Brace);
                    self.reach(self.at);
                    Head::Start
                }
                Head::Argument if word == "{" => {
                    self.open_brace();
                    Head::Start
                }
                Head::Argument => {
                    self.argument(word);
                    Head::Argument
                }
            };
        }
        if self.at == begin && self.cut.is_none() {
            // No word begins here.
            self.at += self.rest().chars().next().filter(|c| !";&|()<>\n".contains(*c)).map_or(0, char::len_utf8);
        }
        for mut assignment in assigned {
            assignment.at = self.at;
            self.flow.assignments.push(assignment);
        }
        self.enter();
    }

    /// An argument may open a block, and cmd.exe has `if … set NAME=value` in one line.
    fn argument(&mut self, word: &str) {
        let ends_line = self.rest().trim_start_matches([' ', '\r']).starts_with('\n');
        if ends_line && word.ends_with('{') && !word.contains('}') {
            self.open_brace();
        }
        if word.eq_ignore_ascii_case("set") {
            let known = self.flow.assignments.len();
            self.set(self.rest().lines().next().unwrap_or_default());
            let path = vec![self.blocks.aside()];
            self.flow.assignments[known..].iter_mut().for_each(|one| one.path.clone_from(&path));
        }
    }

    /// A block that always runs, unless its head says otherwise.
    fn open_brace(&mut self) {
        let kind = self.pending.take().unwrap_or(Kind::Group);
        self.blocks.push(kind, Opener::Brace);
    }

    fn assigned(&mut self, name: &str, style: Style, value: Given) -> Assignment {
        let path = self.blocks.path();
        Assignment { name: name.to_owned(), at: self.at, path, style, is_local: false, value }
    }

    /// A word by which blocks begin and end; what may follow it.
    fn keyword(&mut self, word: &str) -> Option<Head> {
        let brace = |scanner: &Self| scanner.rest().trim_start().starts_with('{');
        match word {
            "-" | "!" | "time" | "@" => {}
            "if" | "elseif" | "while" | "until" | "foreach" | "switch" | "try" => self.pending = Some(Kind::Branch),
            "ifeq" | "ifneq" | "ifdef" | "ifndef" => {
                self.blocks.keyword(Kind::Branch);
                return Some(Head::Argument);
            }
            "then" | "do" => {
                self.pending = None;
                self.blocks.keyword(if word == "do" { Kind::Loop } else { Kind::Branch });
            }
            "else" | "elif" | "catch" | "finally" if brace(self) => self.pending = Some(Kind::Branch),
            "else" | "elif" => {
                self.blocks.close_keyword();
                // What follows `elif` is a condition, up to its `then`.
                if word == "else" {
                    self.blocks.keyword(Kind::Branch);
                }
            }
            "fi" | "done" | "endif" => self.blocks.close_keyword(),
            "esac" => self.blocks.close_arm(),
            "case" => {
                while self.word().is_some_and(|word| word != "in") {}
                self.blocks.arm();
            }
            "{" => self.open_brace(),
            "}" => drop(self.blocks.close(|opener| *opener == Opener::Brace)),
            "for" | "select" => {
                self.loop_variable();
                self.pending = Some(Kind::Loop);
                return Some(Head::Argument);
            }
            "function" => {
                self.word();
                self.eat("()");
                self.pending = Some(Kind::Function);
                return Some(Head::Argument);
            }
            // `key: ` of YAML, `target: ` of make.
            key if key.len() > 1 && key.ends_with(':') => {}
            name if self.rest().starts_with("()") && is_name(&name.replace('-', "_")) => {
                self.at += 2;
                self.pending = Some(Kind::Function);
            }
            _ => return None,
        }
        Some(Head::Start)
    }

    /// `for NAME in words`.
    fn loop_variable(&mut self) {
        let Some(name) = self.word().filter(|name| is_name(name)) else { return };
        let listed = self.word() == Some("in");
        let mut values = Vec::new();
        while listed && let Some(word) = self.word() {
            values.push(word.trim_matches(['"', '\'']).to_owned());
        }
        let is_plain = !values.is_empty() && !values.iter().any(|value| value.contains(['$', '*', '?', '{', '`', '[']));
        let value = if is_plain && !self.rest().starts_with('(') { Given::Several(values) } else { Given::Unknown };
        let assignment = self.assigned(name, Style::Shell, value);
        self.flow.assignments.push(assignment);
    }

    /// An assignment in one of the languages; none where the word is none.
    fn assignment(&mut self, word: &'t str, at: usize, local: bool, assigned: &mut Vec<Assignment>) -> Option<Head> {
        if let Some(head) = self.powershell(word) {
            return Some(head);
        }
        let word = word.trim_start_matches('@');
        let at = at + usize::from(self.text[at..].starts_with('@'));
        let head = if local { Head::Declares { local } } else { Head::Start };
        let Some((name, _)) = word.split_once('=') else { return self.of_make(word) };
        let value = at + name.len() + 1;
        let (name, style, value) = match (name.strip_suffix('+'), name.strip_suffix('?'), name.trim_end_matches(':')) {
            (Some(name), ..) => (name, Style::Shell, Given::Append(value)),
            (_, Some(name), _) => (name, Style::Make, Given::Default(value)),
            (.., of_make) if of_make.len() < name.len() => (of_make, Style::Make, Given::Text(value)),
            _ => (name, Style::Shell, Given::Text(value)),
        };
        let name = name.strip_suffix(']').and_then(|item| Some(item.split_once('[')?.0)).unwrap_or(name);
        if !is_name(name) {
            return None;
        }
        let is_list = self.rest().starts_with('(') && word.ends_with('=');
        let mut one = self.assigned(name, style, if is_list { Given::Unknown } else { value });
        one.is_local = local;
        assigned.push(one);
        if is_list {
            self.at += self.rest().find(')').map_or(1, |end| end + 1);
        }
        if style == Style::Make {
            self.skip_line();
        }
        Some(head)
    }

    /// `NAME = value`.
    fn of_make(&mut self, word: &str) -> Option<Head> {
        let name = word.strip_suffix(':').unwrap_or(word);
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let sign = ["=", ":=", "::=", "?=", "+=", "!="].iter().find(|sign| {
            rest.strip_prefix(**sign)
                .is_some_and(|behind| behind.starts_with([' ', '\t', '\n', '\r', '"', '\'']) || behind.is_empty())
        })?;
        if !is_name(name) || self.rest().starts_with('=') {
            return None;
        }
        let value = self.text.len() - rest.len() + sign.len();
        let value = match *sign {
            "?=" => Given::Default(value),
            "+=" => Given::Append(value),
            "!=" => Given::Unknown,
            _ => Given::Text(value),
        };
        let one = self.assigned(name, Style::Make, value);
        self.flow.assignments.push(one);
        self.skip_line();
        Some(Head::Argument)
    }

    /// `$Name = value`, `[string]$Name = value`, `$env:NAME = value`.
    fn powershell(&mut self, word: &str) -> Option<Head> {
        let name = word.rsplit(']').next()?.strip_prefix('$')?;
        let (name, joined) = name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value.len())));
        let rest = self.rest().trim_start_matches([' ', '\t']);
        let sign = joined.map(|_| "=").or_else(|| ["=", "+="].into_iter().find(|sign| rest.starts_with(*sign)));
        let name = name.to_ascii_lowercase();
        let bare = ["script:", "global:", "local:", "private:"].iter().find_map(|scope| name.strip_prefix(scope));
        let name = bare.unwrap_or(&name).to_owned();
        if !is_name(name.strip_prefix("env:").unwrap_or(&name)) {
            return None;
        }
        let begin = joined.map_or_else(|| self.text.len() - rest.len() + 1, |length| self.at - length);
        let value = if sign? == "=" { Given::Text(begin) } else { Given::Unknown };
        let mut one = self.assigned(&name, Style::PowerShell, value);
        // Parentheses, such as those of `param(…)`, are no process there.
        one.path = self.blocks.path_of_braces();
        self.flow.assignments.push(one);
        self.at = self.at.max(begin);
        Some(Head::Argument)
    }

    fn skip_line(&mut self) {
        self.at += self.rest().find('\n').unwrap_or(self.rest().len());
    }

    /// The commands that assign variables.
    fn runs(&mut self, word: &str) -> Head {
        let line = self.rest().lines().next().unwrap_or_default();
        match word.trim_start_matches('@') {
            "export" | "readonly" | "override" | "ENV" | "ARG" | "const" | "let" | "var" | "final" => {
                // `export $(cat .env)`.
                if line.trim_start().starts_with(['$', '"', '`']) {
                    self.all();
                }
                return Head::Declares { local: false };
            }
            "local" | "declare" | "typeset" => return Head::Declares { local: self.blocks.is_in(Kind::Function) },
            "read" | "mapfile" | "readarray" | "unset" | "getopts" => return Head::Assigned,
            "printf" if line.trim_start().starts_with("-v ") => {
                self.word();
                if let Some(name) = self.word().filter(|name| is_name(name)) {
                    let one = self.assigned(name, Style::Shell, Given::Unknown);
                    self.flow.assignments.push(one);
                }
            }
            "echo" | "printf" if ["GITHUB_ENV", "BASH_ENV"].iter().any(|file| line.contains(file)) => {
                let name = line.trim_start().trim_start_matches(['"', '\'']).split_once('=').map(|(name, _)| name);
                if let Some(name) = name.filter(|name| is_name(name)) {
                    let mut one = self.assigned(name, Style::Shell, Given::Unknown);
                    // It is for the steps behind this one.
                    one.path = vec![self.blocks.aside()];
                    self.flow.assignments.push(one);
                }
            }
            ":" => self.defaults(line),
            "source" | "." => self.all(),
            "eval" if line.contains(['$', '`']) => self.all(),
            "set" | "SET" | "Set" => self.set(line),
            _ => {}
        }
        Head::Argument
    }

    /// `: "${NAME:=value}"`.
    fn defaults(&mut self, line: &str) {
        for (at, _) in line.match_indices("${") {
            let end = line[at + 2..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or_default();
            let (name, behind) = line[at + 2..].split_at(end);
            if is_name(name) && (behind.starts_with(":=") || behind.starts_with('=')) {
                let quoted = usize::from(line[..at].ends_with('"'));
                let one = self.assigned(name, Style::Shell, Given::Text(self.at + at - quoted));
                self.flow.assignments.push(one);
            }
        }
    }

    /// What is read in may assign all variables.
    fn all(&mut self) {
        let one = self.assigned(ANY, Style::Shell, Given::Unknown);
        self.flow.assignments.push(one);
    }

    /// `set NAME=value` of cmd.exe, `set NAME value` of fish.
    fn set(&mut self, line: &str) {
        let rest = line.trim_start();
        let begin = self.at + line.len() - rest.len();
        let (rest, begin) = rest.strip_prefix('"').map_or((rest, begin), |rest| (rest, begin + 1));
        let asked = ["/p", "/P", "/a", "/A"].iter().find_map(|flag| rest.strip_prefix(*flag)).map(str::trim_start);
        if let Some((name, _)) =
            asked.unwrap_or(rest).split_once('=').filter(|(name, _)| is_name(name.trim_matches('"')))
        {
            let value = if asked.is_some() { Given::Unknown } else { Given::Text(begin + name.len() + 1) };
            let one = self.assigned(&name.trim_matches('"').to_ascii_lowercase(), Style::Cmd, value);
            self.flow.assignments.push(one);
            self.at += line.len();
            return;
        }
        let mut words = rest.split_whitespace().skip_while(|word| word.starts_with('-'));
        if let (Some(name), Some(value), true) =
            (words.next().filter(|name| is_name(name)), words.next(), !rest.starts_with("--"))
        {
            let value = match words.next() {
                None => Given::Text(self.at + line.rfind(value).unwrap_or_default()),
                Some(_) => Given::Unknown,
            };
            let one = self.assigned(name, Style::Shell, value);
            self.flow.assignments.push(one);
        }
    }
}
