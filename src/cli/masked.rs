//! URLs as they may be shown and logged: endpoints may have a password or a key in them.

/// A URL with `***` for its user, its password and the values of its query. What cannot be read as a URL loses all that may be such.
pub(super) fn url(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let is_url = !scheme.is_empty() && reqwest::Url::parse(text).is_ok();
    // `http:///user@host` is read as `http://user@host` (WHATWG URL, "special authority ignore slashes state").
    let begin = rest.len() - rest.trim_start_matches(['/', '\\']).len();
    let ends = |c| matches!(c, '/' | '\\' | '?' | '#');
    let end = rest[begin..].find(ends).filter(|_| is_url).map_or(rest.len(), |end| begin + end);
    let shown = match rest[..end].rfind('@') {
        Some(at) => format!("***{}", &rest[at..]),
        None => rest.to_owned(),
    };
    let (place, more) = shown.split_at(shown.find(['?', '#']).unwrap_or(shown.len()));
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{place}{}", query(more))
}

/// `?a=1&b#c` as `?a=***&***#***`.
fn query(text: &str) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(['?', '&', '#']) {
        let (value, end) = match part.strip_suffix(['?', '&', '#']) {
            Some(value) => (value, &part[value.len()..]),
            None => (part, ""),
        };
        match value.split_once('=') {
            Some((name, value)) => shown.extend([name, "=", if value.is_empty() { "" } else { "***" }]),
            None => shown.push_str(if value.is_empty() { "" } else { "***" }),
        }
        shown.push_str(end);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn what_is_secret_in_a_url_is_not_shown() {
        for (text, shown) in [
            ("http://127.0.0.1:7717", "http://127.0.0.1:7717"),
            ("https://t.example/x/@y", "https://t.example/x/@y"),
            (
                "https://sqs.eu-west-1.amazonaws.com/123456789012/q",
                "https://sqs.eu-west-1.amazonaws.com/123456789012/q",
            ),
            ("http://u:s3cret@c:4318/v1", "http://***@c:4318/v1"),
            ("http://s3cret@c", "http://***@c"),
            ("http:///u:s3cret@c", "http://***@c"),
            ("http://u:s3@cret@c/p?api-key=s3cret&s3cret", "http://***@c/p?api-key=***&***"),
            ("https://c/p?token=s3cret=&x=#s3cret", "https://c/p?token=***&x=#***"),
            ("u:s3cret@c:4318", "***@c:4318"),
            ("http://u:s3?cret@c", "http://***@c"),
            ("http://u:s3/cret@c x/?k=s3cret", "http://***@c x/?k=***"),
            ("ftp://u:s3cret@c", "ftp://***@c"),
            ("c:4318", "c:4318"),
            ("", ""),
        ] {
            let masked = url(text);
            assert!(!masked.contains("cret"), "{text}: {masked}");
            assert_eq!(masked, shown, "{text}");
        }
    }
}
