//! Patterns of texts: `*` stands for any characters, `?` for one.

/// Longer patterns are cut: what they begin with tells one cause from another.
const LONGEST: usize = 300;

/// Whether a text is a pattern.
pub fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a pattern fits all of a text.
pub fn fits(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes(), |one, other| one == other)
}

/// Whether a text is looked for: in capitals or not, by a part of it, or by a pattern for all of it.
pub fn finds(wanted: &str, text: &str) -> bool {
    if is_pattern(wanted) {
        return matches(wanted.as_bytes(), text.as_bytes(), |one, other| one.eq_ignore_ascii_case(other));
    }
    let (wanted, text) = (wanted.as_bytes(), text.as_bytes());
    wanted.is_empty() || text.windows(wanted.len()).any(|part| part.eq_ignore_ascii_case(wanted))
}

/// The pattern of all texts that say the same of different tasks: each word with a digit in it (an id, an ARN, an address, a
/// time, a count) is `*`.
pub fn alike(text: &str) -> String {
    let word = |word: &str| if word.contains(|c: char| c.is_ascii_digit()) { "*".to_owned() } else { word.to_owned() };
    let mut words: Vec<String> = text.split(' ').map(word).collect();
    words.dedup_by(|one, before| one == "*" && before == "*");
    let pattern = words.join(" ");
    match pattern.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}*", &pattern[..end]),
        None => pattern,
    }
}

/// Each `*` takes as little as it can, and more where the rest does not fit: what an earlier one took needs no second look.
fn matches(pattern: &[u8], text: &[u8], same: impl Fn(&u8, &u8) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(one) if *one == b'?' || same(one, &text[t]) => (p, t) = (p + 1, t + 1),
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|rest| *rest == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_all_of_a_text() {
        for (pattern, text, expected) in [
            ("*a*b*c", "xaxbxbxc", true),
            ("*ab", "aab", true),
            ("*a*b*c", "xaxbxbx", false),
            ("*", "", true),
            ("?", "", false),
            ("**", "x", true),
            ("night*", "Nightly", false),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
        let (pattern, text) = ("*a".repeat(50), "a".repeat(5_000) + "b");
        assert!(!fits(&pattern, &text), "and in no more time than their lengths multiplied");
    }

    #[test]
    fn a_text_is_found_by_a_part_of_it_or_by_a_pattern_in_any_case() {
        for (wanted, text, expected) in [
            ("NO SPACE", "write /tmp/x: no space left on device", true),
            ("no space*", "write /tmp/x: no space left on device", false),
            ("*No Space*", "write /tmp/x: no space left on device", true),
            ("", "anything", true),
            ("longer than it", "short", false),
            ("überall", "ÜBERALL", false),
        ] {
            assert_eq!(finds(wanted, text), expected, "{wanted} {text}");
        }
    }

    #[test]
    fn texts_that_differ_in_ids_and_counts_have_one_pattern_and_it_fits_them_all() {
        let cause = |n: u32, id: &str| {
            format!("pull has been retried {n} time(s): arn:aws:ecr:x:{id}/a 10.0.{n}.1 is away\nsee  the log, 7 8 9")
        };
        let pattern = alike(&cause(1, "0a1b"));
        assert_eq!(pattern, "pull has been retried * time(s): * is away\nsee  the log, *");
        for text in [cause(1, "0a1b"), cause(20, "ffff0")] {
            assert_eq!(alike(&text), pattern);
            assert!(finds(&pattern, &text), "{text}");
        }
        let long = alike(&"word ".repeat(200));
        assert!(long.chars().count() == LONGEST + 1 && finds(&long, &"word ".repeat(200)), "{long}");
        assert_eq!((alike(""), alike("a"), alike("7 ")), (String::new(), "a".into(), "* ".into()));
    }
}
