//! Filter patterns of CloudWatch Logs, as far as they are words, or comparisons of members of JSON with `=` and `!=`
//! (user guide, "Filter pattern syntax"). Others are refused, not misread.

use serde_json::Value;

/// A pattern.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// All of these words.
    Words(Vec<String>),
    /// All of these comparisons: path, whether it is to be equal, value.
    Members(Vec<(Vec<String>, bool, String)>),
}

impl Filter {
    /// Reads a pattern; `None` of one that is not known here.
    pub(super) fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some(inner) = text.strip_prefix('{') else {
            let is_plain = |word: &&str| !word.starts_with(['?', '-', '[', '%']);
            let words: Option<Vec<String>> = text
                .split_whitespace()
                .map(|word| Some(word).filter(is_plain).map(|word| word.trim_matches('"').to_owned()))
                .collect();
            return words.map(Self::Words);
        };
        let comparison = |part: &str| {
            let (path, equal, value) = match part.split_once("!=") {
                Some((path, value)) => (path, false, value),
                None => part.split_once('=').map(|(path, value)| (path, true, value))?,
            };
            let path = path.trim().strip_prefix("$.")?.split('.').map(str::to_owned).collect();
            let value = value.trim();
            let value = value.strip_prefix('"').map_or(Some(value), |rest| rest.strip_suffix('"'))?;
            (!value.contains(['*', '"', '(', '|'])).then(|| (path, equal, value.to_owned()))
        };
        inner.strip_suffix('}')?.split("&&").map(comparison).collect::<Option<_>>().map(Self::Members)
    }

    /// Whether a message fits.
    pub(super) fn fits(&self, message: &str) -> bool {
        match self {
            Self::Words(words) => words.iter().all(|word| message.contains(word.as_str())),
            Self::Members(all) => {
                let Ok(message) = serde_json::from_str::<Value>(message) else { return false };
                all.iter().all(|(path, equal, wanted)| {
                    let found = path.iter().try_fold(&message, |at, name| at.get(name));
                    let is = found.is_some_and(|found| {
                        found.as_str().map_or_else(|| found.to_string(), str::to_owned) == *wanted
                    });
                    found.is_some() && is == *equal
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_compared_words_are_looked_for_and_other_patterns_are_refused() {
        let message = r#"{"detail": {"lastStatus": "STOPPED", "version": 3}}"#;
        for (pattern, fits) in [
            (r#"{ $.detail.lastStatus = "STOPPED" }"#, true),
            (r#"{ $.detail.lastStatus = "RUNNING" }"#, false),
            (r#"{ $.detail.lastStatus != "RUNNING" && $.detail.version = 3 }"#, true),
            (r#"{ $.detail.none = "x" }"#, false),
            ("STOPPED", true),
            ("STOPPED RUNNING", false),
            ("", true),
        ] {
            assert_eq!(Filter::of(pattern).unwrap().fits(message), fits, "{pattern}");
        }
        for other in ["{ $.a = 1 || $.b = 2 }", "{ $.a = \"x*\" }", "?a ?b", "[a, b]", "{ a = 1 }", "{ $.a"] {
            assert_eq!(Filter::of(other), None, "{other}");
        }
    }
}
