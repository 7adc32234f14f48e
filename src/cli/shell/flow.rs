//! What a script assigns, and in which branches, loops, functions and processes: enough of a shell's grammar to know which assignments
//! reach a command. Of other languages the same marks are read; what they mean there is for `variables.rs`.

mod blocks;
mod heads;

use super::quotes::is_apostrophe;
use blocks::Opener;
pub(super) use blocks::{Block, Blocks, Kind};

/// One assignment of a text.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) name: String,
    /// From where on it holds.
    pub(super) at: usize,
    pub(super) path: Vec<Block>,
    pub(super) style: Style,
    /// Whether it ends with its function.
    pub(super) is_local: bool,
    pub(super) value: Given,
}

/// In whose way it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `NAME=value`: one word.
    Shell,
    /// `NAME = value`, `NAME := value`: make, and most programs.
    Make,
    /// `set NAME=value` of cmd.exe.
    Cmd,
    /// `$Name = value`.
    PowerShell,
}

/// What is assigned.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given {
    /// The text that begins here, up to the end of the word or line.
    Text(usize),
    /// The same, where the variable has no value yet.
    Default(usize),
    /// The same, behind the value that the variable has.
    Append(usize),
    /// One after the other: a loop's variable.
    Several(Vec<String>),
    /// What only the running script knows.
    Unknown,
}

/// The name of all variables: of a script that is read in by another, each may be assigned.
pub(super) const ANY: &str = "*";

/// What a text assigns, and the blocks in which the places are that were asked for.
#[derive(Default)]
pub(super) struct Flow {
    pub(super) assignments: Vec<Assignment>,
    pub(super) paths: Vec<Vec<Block>>,
}

/// A longer name or expression is none.
const LONGEST: usize = 1000;

/// Reads a text for places in it, in order.
pub(super) fn flow(text: &str, wanted: &[usize]) -> Flow {
    let mut scanner = Scanner {
        text,
        at: 0,
        limit: text.len(),
        blocks: Blocks::default(),
        pending: None,
        heredocs: Vec::new(),
        cut: None,
        has_jobs: text.lines().any(|line| line.trim() == "script:"),
        wanted,
        flow: Flow::default(),
    };
    scanner.line_begins();
    while scanner.at < text.len() {
        scanner.statement();
    }
    scanner.reach(text.len() + 1);
    scanner.flow
}

struct Scanner<'t, 'w> {
    text: &'t str,
    at: usize,
    /// No quote reaches further: the end of the here-document.
    limit: usize,
    blocks: Blocks,
    /// What the next brace opens.
    pending: Option<Kind>,
    /// The words that end the here-documents of this line.
    heredocs: Vec<String>,
    /// A `$(command)` begins here; whether it stands in quotes.
    cut: Option<bool>,
    /// Whether it is a CI file of jobs.
    has_jobs: bool,
    wanted: &'w [usize],
    flow: Flow,
}

impl<'t> Scanner<'t, '_> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    /// The places before this one are in the blocks that are open.
    fn reach(&mut self, at: usize) {
        while self.wanted.get(self.flow.paths.len()).is_some_and(|wanted| *wanted < at) {
            self.flow.paths.push(self.blocks.path());
        }
    }

    fn blanks(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start_matches([' ', '\t', '\r']);
            self.at += rest.len() - trimmed.len();
            match ["\\\n", "\\\r\n", "`\n", "`\r\n", "^\n", "^\r\n"].iter().find(|sign| trimmed.starts_with(**sign)) {
                Some(sign) => self.at += sign.len(),
                None => return,
            }
        }
    }

    fn eat(&mut self, sign: &str) -> bool {
        let eaten = self.rest().starts_with(sign);
        self.at += if eaten { sign.len() } else { 0 };
        eaten
    }

    /// A sign between commands, or a command.
    fn statement(&mut self) {
        self.blanks();
        self.reach(self.at);
        if self.eat("\n") {
            self.blocks.end_list();
            self.line_begins();
        } else if self.eat(";;") || self.eat(";&") {
            while self.eat(";") || self.eat("&") {}
            self.blocks.next_arm();
        } else if self.eat("&&") {
            self.blocks.chain(true);
        } else if self.eat("||") {
            self.blocks.chain(false);
        } else if self.eat(";") || self.eat("&") {
            self.blocks.end_list();
        } else if self.eat("|") {
        } else if self.eat("(") {
            self.blocks.push(Kind::Subshell, Opener::Paren { quoted: false });
        } else if self.eat(")") {
            if self.blocks.close_paren() {
                // The rest of the quoted word in which the command stood.
                self.double_quoted();
                self.enter();
            }
        } else if self.rest().starts_with('#') {
            self.at += self.rest().find('\n').unwrap_or(self.rest().len());
        } else if self.rest().starts_with(['<', '>']) {
            self.redirection();
        } else if !self.rest().is_empty() {
            self.command();
        }
    }

    /// A here-document begins or ends with a line, and so does a step of a CI file, which is a process of its own.
    fn line_begins(&mut self) {
        let line = self.rest().lines().next().unwrap_or_default();
        if self.blocks.ends_document(line.trim()) {
            self.at += line.len();
            self.limit = self.text.len();
        }
        if !self.heredocs.is_empty() {
            let word = self.heredocs.remove(0);
            let mut end = self.at;
            for line in self.rest().split_inclusive('\n') {
                if line.trim() == word {
                    self.limit = end;
                    self.blocks.push(Kind::Subshell, Opener::Document(word));
                    break;
                }
                end += line.len();
            }
        }
        let step = line.trim_start();
        let is_step = ["run:", "bash:", "pwsh:", "powershell:", "- script:"].iter().any(|begin| {
            step.starts_with(begin) || step.strip_prefix("- ").is_some_and(|step| step.starts_with(begin))
        });
        // A job of GitLab has a process for all of its commands.
        let is_job = self.has_jobs
            && line.trim_end().ends_with(':')
            && line.starts_with(|c: char| !c.is_whitespace() && c != '-');
        if is_step || is_job {
            self.blocks.step();
        }
    }

    /// `> file`, `<<EOF`.
    fn redirection(&mut self) {
        let is_document = self.rest().starts_with("<<") && !self.rest().starts_with("<<<");
        self.at += self.rest().len() - self.rest().trim_start_matches(['<', '>', '&']).len();
        if !is_document {
            return;
        }
        let rest = self.rest().trim_start_matches(['-', '~', ' ', '\\', '"', '\'']);
        let word: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !word.is_empty() {
            self.at = self.text.len() - rest.len() + word.len();
            self.heredocs.push(word);
            while self.eat("'") || self.eat("\"") {}
        }
    }

    /// The next word of a command, as far as the `$(command)` that begins in it; none at the command's end.
    fn word(&mut self) -> Option<&'t str> {
        if self.cut.is_some() {
            return None;
        }
        self.blanks();
        let begin = self.at;
        let mut before = ' ';
        while let Some(c) = self.rest().chars().next() {
            match c {
                c if c.is_whitespace() || ";&|()<>".contains(c) => break,
                '#' if self.at == begin => break,
                // The sign behind it is passed over too.
                '\\' if self.rest().len() > 1 => self.at += 1,
                '\'' if !is_apostrophe(before, self.rest().chars().nth(1)) => self.skip_to('\''),
                '`' => self.skip_to('`'),
                '"' => {
                    self.at += 1;
                    if !self.double_quoted() {
                        break;
                    }
                    before = '"';
                    continue;
                }
                '$' if self.opens_command(false) => break,
                '$' if self.rest().starts_with("${") => {
                    self.at +=
                        self.rest().char_indices().take(LONGEST).find(|(_, c)| *c == '}').map_or(0, |(at, _)| at);
                }
                _ => {}
            }
            before = c;
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
        (self.at > begin).then(|| &self.text[begin..self.at])
    }

    /// Goes to the quote that closes this one; where none does, it is a sign like others.
    fn skip_to(&mut self, quote: char) {
        let end = self.limit.max(self.at + 1);
        self.at += self.text[self.at + 1..end].find(quote).map_or(0, |at| at + 1);
    }

    /// Goes behind the closing quote; false where a `$(command)` begins before it.
    fn double_quoted(&mut self) -> bool {
        let begin = self.at;
        while let Some(c) = self.rest().chars().next().filter(|_| self.at < self.limit) {
            match c {
                '"' => {
                    self.at += 1;
                    return true;
                }
                '\\' if self.rest().len() > 1 => self.at += 1,
                '$' if self.opens_command(true) => return false,
                _ => {}
            }
            self.at += self.rest().chars().next().map_or(0, char::len_utf8);
        }
        self.at = begin;
        true
    }

    /// Goes into a `$(command)`; what is computed, `$((1 + 1))`, is none, and `$(NAME)` of make is none.
    fn opens_command(&mut self, quoted: bool) -> bool {
        let Some(inner) = self.rest().strip_prefix("$(").filter(|inner| !inner.starts_with('(')) else { return false };
        let name: String = inner.chars().take(LONGEST).take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if super::is_name(&name) && inner[name.len()..].starts_with(')') {
            return false;
        }
        self.at += 2;
        self.cut = Some(quoted);
        true
    }

    /// Goes on in the `$(command)` that was found.
    fn enter(&mut self) {
        if let Some(quoted) = self.cut.take() {
            self.reach(self.at);
            self.blocks.push(Kind::Subshell, Opener::Paren { quoted });
        }
    }
}
