//! Which quotes and commands of a line are open at a place, and where its last command begins.

/// What is open at the end of a part of one line: quotes, and `$(` commands, which have quotes of their own.
#[derive(Default)]
pub(super) struct Open {
    stack: Vec<char>,
    /// Where the command begins in which the part ends.
    pub(super) command: usize,
    /// Whether the part ends in a comment.
    pub(super) in_comment: bool,
}

impl Open {
    /// The quote in which the part ends.
    pub(super) fn quote(&self) -> Option<char> {
        self.stack.last().copied().filter(|open| *open != '(')
    }

    /// Reads a part of a line from its beginning.
    pub(super) fn at_end_of(part: &str) -> Self {
        let mut open = Self::default();
        let (mut before, mut characters) = (' ', part.char_indices().peekable());
        while let Some((at, c)) = characters.next() {
            let next = characters.peek().map(|(_, c)| *c);
            match (c, open.stack.last()) {
                ('\\', top) if top != Some(&'\'') => drop(characters.next()),
                ('\'', Some('\'')) | ('"', Some('"')) | (')', Some('(')) => drop(open.stack.pop()),
                (_, Some('\'')) => {}
                // The apostrophe of a word is no quote: `don't`.
                ('\'', top) if top != Some(&'"') && !is_apostrophe(before, next) => open.stack.push(c),
                ('"', _) => open.stack.push(c),
                ('$', _) if next == Some('(') => {
                    characters.next();
                    open.stack.push('(');
                    open.command = at + 2;
                }
                ('#', None | Some('(')) if before.is_whitespace() => {
                    open.in_comment = true;
                    return open;
                }
                ('/', None) if before.is_whitespace() && next == Some('/') => {
                    open.in_comment = true;
                    return open;
                }
                (';' | '&' | '|', None | Some('(')) => open.command = at + 1,
                _ => {}
            }
            before = c;
        }
        open
    }
}

/// Whether a quote between these two is the apostrophe of a word.
pub(super) fn is_apostrophe(before: char, next: Option<char>) -> bool {
    before.is_alphanumeric() && next.is_some_and(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::Open;

    #[test]
    fn quotes_commands_and_comments_are_seen() {
        for (part, quote, command, in_comment) in [
            ("bash -c 'set -e; ", Some('\''), 0, false),
            ("X=\"$(Y=\"\" ", None, 5, false),
            ("echo \"a; b\"; ", None, 12, false),
            ("echo don't && ", None, 13, false),
            ("make x # ", None, 0, true),
            ("os.system(\"", Some('"'), 0, false),
        ] {
            let open = Open::at_end_of(part);
            assert_eq!((open.quote(), open.command, open.in_comment), (quote, command, in_comment), "{part}");
        }
    }
}
