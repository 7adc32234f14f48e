//! The report for people: text for a terminal, Markdown to paste.

use super::{Report, Row};

/// Rows of a table; what lost most comes first.
const ROWS: usize = 10;

impl Report {
    /// `N of M launches never ran a container: X %`.
    pub fn headline(&self) -> String {
        let percent = self.share * 100.0;
        format!("{} of {} launches never ran a container: {percent:.1} %", self.never_ran, self.of)
    }

    /// Lines for a terminal.
    pub fn text(&self) -> String {
        let mut lines = vec![format!("cluster {}, {} to {}", self.cluster, self.since, self.until), self.headline()];
        lines.push(String::new());
        lines.extend(self.counts().into_iter().map(|(name, count)| format!("  {name:<28}{count:>8}")));
        for (title, rows) in self.tables() {
            lines.push(format!("\n  {:<44}{:>9}{:>11}{:>8}", title.to_uppercase(), "LAUNCHES", "NEVER RAN", "FAILED"));
            for row in rows.iter().take(ROWS) {
                lines.push(format!("  {:<44}{:>9}{:>11}{:>8}", row.name, row.launches, row.never_ran, row.failed));
            }
        }
        for (number, cause) in self.worst.iter().enumerate() {
            let what = if cause.never_ran { "never ran" } else { "failed" };
            lines.push(format!(
                "\n{}. {} {what}: {} ({})",
                number + 1,
                cause.launches,
                cause.error,
                cause.class.as_str()
            ));
            lines.push(format!("   cause   {}", cause.cause));
            lines.push(format!("   do      {}", cause.hint));
            let mut of = |name: &str, list: &[String]| {
                if !list.is_empty() {
                    lines.push(format!("   {name:<8}{}", list.join(", ")));
                }
            };
            of("family", &cause.families);
            of("by", &cause.launchers);
            of("subnet", &cause.subnets);
        }
        lines.push(String::new());
        lines.extend(self.sourced());
        lines.join("\n")
    }

    /// The same in Markdown.
    pub fn markdown(&self) -> String {
        let mut lines = vec![format!("### ECS launches of cluster `{}`", cell(&self.cluster)), String::new()];
        lines.push(format!("**{}** ({} to {})", self.headline(), self.since, self.until));
        lines.push("\n| | launches |\n|---|---:|".to_owned());
        lines.extend(self.counts().into_iter().map(|(name, count)| format!("| {} | {count} |", cell(&name))));
        for (title, rows) in self.tables() {
            lines.push(format!("\n| {title} | launches | never ran | failed |\n|---|---:|---:|---:|"));
            for row in rows.iter().take(ROWS) {
                lines.push(format!("| {} | {} | {} | {} |", cell(&row.name), row.launches, row.never_ran, row.failed));
            }
        }
        if !self.worst.is_empty() {
            lines.push("\n| launches | what | cause | what to do |\n|---:|---|---|---|".to_owned());
        }
        for cause in &self.worst {
            let what = if cause.never_ran { "never ran" } else { "failed" };
            let (error, text, hint) = (cell(&cause.error), cell(&cause.cause), cell(&cause.hint));
            lines.push(format!("| {} | {what}: {error} | {text} | {hint} |", cause.launches));
        }
        lines.push(String::new());
        lines.extend(self.sourced().into_iter().map(|line| format!("- {}", cell(&line))));
        lines.join("\n")
    }

    /// What is counted, from the call to the end.
    fn counts(&self) -> Vec<(String, u64)> {
        let mut counts: Vec<(String, u64)> = Vec::new();
        let mut add = |name: &str, count: Option<u64>| counts.extend(count.map(|count| (name.to_owned(), count)));
        add("RunTask calls", self.calls);
        add("launches asked for", self.asked);
        add("throttled", self.throttled);
        add("refused", self.refused);
        for (reason, count) in &self.refusals {
            let reason: String = reason.chars().take(60).collect();
            add(&format!("  {reason}"), Some(*count));
        }
        add("accepted", self.accepted);
        add("tasks that stopped", Some(self.stopped));
        add("  succeeded", Some(self.succeeded));
        add("  never ran a container", Some(self.never_started));
        for (name, count) in &self.failures {
            add(&format!("  failed: {name}"), Some(*count));
        }
        counts
    }

    fn tables(&self) -> impl Iterator<Item = (&'static str, &[Row])> {
        let tables = [
            ("launcher", self.by_launcher.as_slice()),
            ("family", self.by_family.as_slice()),
            ("class", self.by_class.as_slice()),
            ("subnet", self.by_subnet.as_slice()),
        ];
        tables.into_iter().filter(|(_, rows)| !rows.is_empty())
    }

    fn sourced(&self) -> Vec<String> {
        let source = |source: &super::Source| {
            let note = source.note.as_ref().map(|note| format!("; {note}")).unwrap_or_default();
            format!("{}: {} records{note}", source.name, source.records)
        };
        let mut lines: Vec<String> = self.sources.iter().map(source).collect();
        if self.throttled.is_some_and(|throttled| throttled > 0) {
            lines.push(
                "throttled calls are not among the launches above: SDKs, rules and schedules make them again".into(),
            );
        }
        lines
    }
}

/// Text in a cell of a table: nothing of it ends the cell or formats.
fn cell(text: &str) -> String {
    let flat: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    flat.chars().fold(String::new(), |mut all, c| {
        if matches!(c, '|' | '*' | '_' | '`' | '<' | '[' | '\\') {
            all.push('\\');
        }
        all.push(c);
        all
    })
}
