//! Explanations as people and programs read them.

use super::arguments::Format;
use crate::core::explain::Explanation;
use crate::terminal::output;

/// Writes them.
pub(super) fn write(tasks: &[Explanation], format: Format) {
    match format {
        Format::Json => output::json(&tasks),
        Format::Table if tasks.is_empty() => {}
        Format::Table => output::table(&["STATUS", "ERROR", "CLASS", "TASK"], tasks, row),
        Format::Text => tasks.iter().for_each(|task| output::data(&text(task))),
    }
}

fn row(task: &Explanation) -> Vec<String> {
    let id = task.task_arn.as_deref().and_then(|arn| arn.rsplit('/').next()).unwrap_or("-");
    let error = task.error.as_deref().unwrap_or("-");
    [task.status, error, task.class.map_or("-", |c| c.as_str()), id].map(str::to_owned).to_vec()
}

fn text(task: &Explanation) -> String {
    let mut lines =
        vec![format!("{:<9} {}", task.status, output::plain(task.task_arn.as_deref().unwrap_or("(no task)")))];
    if let Some(error) = &task.error {
        // A program's own end is the name of a class and of a transience both.
        let mut names = vec![error.as_str()];
        for name in [task.class.map(|c| c.as_str()), task.transience.map(|t| t.as_str())].into_iter().flatten() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let general = if names.len() > 1 { format!(" ({})", names[1..].join(", ")) } else { String::new() };
        lines.push(format!("  error   {}{general}", output::plain(error)));
    }
    // One that is to be stopped has no error yet.
    if let (None, Some(class)) = (&task.error, task.class) {
        let transience = task.transience.map(|t| format!(", {}", t.as_str())).unwrap_or_default();
        lines.push(format!("  warning {}{transience}", class.as_str()));
    }
    let rest = [("cause", &task.cause), ("do", &task.hint)];
    lines.extend(
        rest.into_iter().filter_map(|(name, text)| Some(format!("  {name:<7} {}", output::plain(text.as_ref()?)))),
    );
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::explain;

    #[test]
    fn no_name_is_said_twice() {
        let told = explain::explain_reason("Exit code 3").expect("a failure");
        let shown = text(&Explanation { error: Some("Taskwatch.Application".to_owned()), ..told });
        assert!(shown.contains("\n  error   Taskwatch.Application\n"), "{shown}");
    }
}
