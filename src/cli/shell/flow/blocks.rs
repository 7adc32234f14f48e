//! The blocks that are open at a place of a script.

/// What a block means for an assignment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    /// It may be passed over.
    Branch,
    /// It may be passed over, and comes again.
    Loop,
    /// It runs when it is called.
    Function,
    /// A process of its own: what it assigns is gone with it.
    Subshell,
    /// It always runs.
    Group,
}

/// A block, by its number in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) struct Block {
    pub(in super::super) id: usize,
    pub(in super::super) kind: Kind,
}

/// What has opened a block, and closes it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Opener {
    Brace,
    /// `then`, `do`.
    Keyword,
    /// An arm of `case`.
    Arm,
    Paren {
        /// Whether it stands in a quoted word.
        quoted: bool,
    },
    /// `&&` or `||`; whether each before it was `&&`.
    Chain(bool),
    /// A here-document, up to this word.
    Document(String),
    /// A step of a CI file.
    Step,
}

/// Deeper is no script that people write.
const MOST_LEVELS: usize = 64;

#[derive(Default)]
pub(in super::super) struct Blocks {
    open: Vec<(Block, Opener)>,
    last: usize,
}

impl Blocks {
    /// The blocks around a place, without those that always run.
    pub(super) fn path(&self) -> Vec<Block> {
        self.open.iter().map(|(block, _)| *block).filter(|block| block.kind != Kind::Group).collect()
    }

    /// The same without parentheses.
    pub(super) fn path_of_braces(&self) -> Vec<Block> {
        let braces = self.open.iter().filter(|(_, opener)| !matches!(opener, Opener::Paren { .. }));
        braces.map(|(block, _)| *block).filter(|block| block.kind != Kind::Group).collect()
    }

    pub(super) fn push(&mut self, kind: Kind, opener: Opener) {
        self.last += 1;
        if self.open.len() < MOST_LEVELS {
            self.open.push((Block { id: self.last, kind }, opener));
        }
    }

    /// A block that nothing else is in.
    pub(super) fn aside(&mut self) -> Block {
        self.last += 1;
        Block { id: self.last, kind: Kind::Branch }
    }

    pub(super) fn is_in(&self, kind: Kind) -> bool {
        self.open.iter().any(|(block, _)| block.kind == kind)
    }

    /// Closes the innermost block of this opener, with what is open in it.
    pub(super) fn close(&mut self, is_opener: impl Fn(&Opener) -> bool) -> Option<Opener> {
        let at = self.open.iter().rposition(|(_, opener)| is_opener(opener))?;
        let (_, opener) = self.open.swap_remove(at);
        self.open.truncate(at);
        Some(opener)
    }

    /// `then` behind `if` is a block of its own, and so is each `else`.
    pub(super) fn keyword(&mut self, kind: Kind) {
        self.push(kind, Opener::Keyword);
    }

    pub(super) fn close_keyword(&mut self) {
        self.close(|opener| *opener == Opener::Keyword);
    }

    pub(super) fn arm(&mut self) {
        self.push(Kind::Branch, Opener::Arm);
    }

    pub(super) fn close_arm(&mut self) {
        self.close(|opener| *opener == Opener::Arm);
    }

    pub(super) fn next_arm(&mut self) {
        if self.close(|opener| *opener == Opener::Arm).is_some() {
            self.arm();
        }
    }

    /// A parenthesis closes; whether the word goes on in quotes. Behind the pattern of an arm it closes nothing.
    pub(super) fn close_paren(&mut self) -> bool {
        let inner = self.open.iter().rfind(|(_, opener)| !matches!(opener, Opener::Chain(_)));
        if inner.is_some_and(|(_, opener)| *opener == Opener::Arm) {
            return false;
        }
        self.close(|opener| matches!(opener, Opener::Paren { .. })) == Some(Opener::Paren { quoted: true })
    }

    /// What stands behind `&&` or `||` may be passed over. In `a && b && c` each runs only if those before it did.
    pub(super) fn chain(&mut self, and: bool) {
        let only_and = !matches!(self.open.last(), Some((_, Opener::Chain(false))));
        if !(and && only_and) {
            self.end_list();
        }
        self.push(Kind::Branch, Opener::Chain(and && only_and));
    }

    /// The end of a list of commands.
    pub(super) fn end_list(&mut self) {
        while matches!(self.open.last(), Some((_, Opener::Chain(_)))) {
            self.open.pop();
        }
    }

    /// Whether a line ends the here-document.
    pub(super) fn ends_document(&mut self, line: &str) -> bool {
        !line.is_empty() && self.close(|opener| matches!(opener, Opener::Document(word) if word == line)).is_some()
    }

    /// The next step of a CI file begins.
    pub(super) fn step(&mut self) {
        self.close(|opener| *opener == Opener::Step);
        self.push(Kind::Subshell, Opener::Step);
    }
}
