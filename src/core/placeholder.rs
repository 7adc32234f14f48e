//! Placeholders that other tools fill in before a request is sent: a value that still has one was not meant for ECS.

/// A placeholder in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// As it stands there.
    pub shown: &'t str,
    /// By what name `--set` fills it in.
    pub name: &'t str,
}

/// The marks around a name that is a placeholder wherever it stands.
pub const MARKS: [(&str, &str); 4] = [("${", "}"), ("{{", "}}"), ("<<", ">>"), ("%", "%")];

impl<'t> Placeholder<'t> {
    /// The first in a name of ECS: no cluster, task definition or subnet has any of these signs.
    pub fn in_name(text: &'t str) -> Option<Self> {
        let marked = MARKS
            .iter()
            .rev()
            .chain(&[("{", "}"), ("<", ">"), ("@", "@"), ("!", "!")])
            .find_map(|(open, close)| Self::between(text, open, close));
        marked.or_else(|| {
            // What is left of a format: `%s`, `%1`.
            let begin = text.find('%')?;
            let end = text[begin + 1..].find(|c: char| !c.is_ascii_alphanumeric() && !"%~".contains(c));
            let shown = &text[begin..end.map_or(text.len(), |end| begin + 1 + end)];
            Some(Self { shown, name: shown })
        })
    }

    /// The first between these marks.
    pub fn between(text: &'t str, open: &str, close: &str) -> Option<Self> {
        let begin = text.find(open)?;
        let inner = text[begin + open.len()..].split_once(close)?.0;
        let shown = &text[begin..begin + open.len() + inner.len() + close.len()];
        let name = inner.trim();
        match open {
            "%" if inner.is_empty() || !inner.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => None,
            // Signs that texts have too: only around a name they are a placeholder.
            "{" | "<" | "@" | "!" if !name.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c)) => None,
            "<" | "@" | "!" if name.is_empty() => None,
            // `{}` of xargs has no other name.
            _ if name.is_empty() => Some(Self { shown, name: shown }),
            _ => Some(Self { shown, name }),
        }
    }

    /// What gives it its value.
    pub fn set_by(self) -> String {
        let is_word = self.name.chars().all(|c| c.is_ascii_alphanumeric() || "._-:/".contains(c));
        let name = if is_word { self.name.to_owned() } else { format!("'{}'", self.name) };
        let how = ": write its value in";
        let value = if self.name.starts_with("Condition.") { "true or =false" } else { "VALUE" };
        // A name with the sign in it cannot be given so.
        if self.name.contains('=') {
            how.to_owned()
        } else {
            format!("{how}, or give it on the command line by --set {name}={value}")
        }
    }
}

/// Which others what is said of the first one is said of too, each once; nothing where there are none.
pub fn the_same_goes_for<'t>(first: &str, all: impl IntoIterator<Item = &'t str>) -> String {
    let mut others: Vec<&str> = Vec::new();
    for shown in all {
        if shown != first && !others.contains(&shown) {
            others.push(shown);
        }
    }
    if others.is_empty() { String::new() } else { format!("; the same goes for {}", others.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::Placeholder;

    #[test]
    fn placeholders_of_all_tools_are_found_in_names() {
        for (text, found) in [
            ("a-${Cluster}", Some(("${Cluster}", "Cluster"))),
            ("%CLUSTER%", Some(("%CLUSTER%", "CLUSTER"))),
            ("{{ params.cluster }}-x", Some(("{{ params.cluster }}", "params.cluster"))),
            ("<< parameters.cluster >>", Some(("<< parameters.cluster >>", "parameters.cluster"))),
            ("<cluster>", Some(("<cluster>", "cluster"))),
            ("etl:{rev}", Some(("{rev}", "rev"))),
            ("@CLUSTER@", Some(("@CLUSTER@", "CLUSTER"))),
            ("!CLUSTER!", Some(("!CLUSTER!", "CLUSTER"))),
            ("{}", Some(("{}", "{}"))),
            ("%1", Some(("%1", "%1"))),
            ("etl-%s:7", Some(("%s", "%s"))),
            ("arn:aws:ecs:us-east-1:123456789012:cluster/batch_1", None),
            ("{\"a\": 1}", None),
            ("", None),
        ] {
            let placeholder = Placeholder::in_name(text).map(|one| (one.shown, one.name));
            assert_eq!(placeholder, found, "{text}");
        }
    }
}
