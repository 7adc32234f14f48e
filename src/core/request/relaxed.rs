//! JSON as people keep it in templates: with comments, and with placeholders that stand in the place of a value (`"Subnets": ${subnets}`).

/// The text as JSON: comments are left out, and a bare placeholder is a text. None where it has neither.
pub(super) fn strict(text: &str) -> Option<String> {
    let (mut done, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '"' => quoted(rest),
            '/' if rest.starts_with("//") => {
                changed = true;
                rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
                continue;
            }
            '/' if rest.starts_with("/*") => {
                changed = true;
                rest = rest.find("*/").map_or("", |end| &rest[end + 2..]);
                continue;
            }
            '$' if rest.starts_with("${") => {
                changed = true;
                let end = rest.find('}')? + 1;
                done += &serde_json::Value::from(&rest[..end]).to_string();
                rest = &rest[end..];
                continue;
            }
            c => c.len_utf8(),
        };
        done += &rest[..length];
        rest = &rest[length..];
    }
    changed.then_some(done)
}

/// How long the string is that begins here.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::strict;

    #[test]
    fn comments_go_and_bare_placeholders_are_texts() {
        for (text, expected) in [
            ("{\"a\": 1}", None),
            ("{\"a\": \"${b} // c\"}", None),
            ("{ // x\n\"a\": ${b}}", Some("{ \n\"a\": \"${b}\"}")),
            ("{\"a\\\"//\": 1, /* y */ \"b\": [${c}, ${d}]}", Some("{\"a\\\"//\": 1,  \"b\": [\"${c}\", \"${d}\"]}")),
            ("{\"a\": ${b", None),
            ("{\"a\": \"b", None),
            ("/* a", Some("")),
        ] {
            assert_eq!(strict(text).as_deref(), expected, "{text}");
        }
    }
}
