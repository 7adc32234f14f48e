//! The name of a start of a process.

use uuid::Uuid;

/// A name that no other start of a process has, in which people know the process.
pub(super) fn name(process: &str, unique: Uuid) -> String {
    let random = unique.simple().to_string();
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let process: String = process.chars().filter(|c| known(*c)).take(40).collect();
    let process = if process.is_empty() { "process" } else { &process };
    // Of a UUIDv7 what is behind its time and its counter.
    format!("{process}-{}", &random[20..])
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    fn name(process: &str) -> String {
        super::name(process, Uuid::now_v7())
    }

    #[test]
    fn no_two_starts_have_one_name_and_it_is_short_and_plain() {
        let (one, other) = (name("ip-10-0-0-1"), name("ip-10-0-0-1"));
        assert!(one != other && one.starts_with("ip-10-0-0-1-"), "{one}, {other}");
        let odd = name(&format!("\u{1b}[31m {}", "x".repeat(99)));
        assert!(odd.len() < 60 && odd.starts_with("31mxxx"), "{odd}");
        assert!(name("").starts_with("process-"));
    }
}
