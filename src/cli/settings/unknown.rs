//! Variables of the environment that look like settings and are none: a typo must not pass in silence.

use std::collections::BTreeSet;

use super::renamed;
use crate::core::input::nearest;

/// Known beside the settings.
const OTHERS: &[&str] = &[
    // The commands, through clap.
    "URL",
    // What `injectEnv` gives to containers; taskwatch may run in one.
    "RUN",
    "ATTEMPT",
    "ARRAY_INDEX",
    // What `taskwatch local` reads in a launch.
    "LOCAL_SECONDS",
    "LOCAL_EXIT",
    "LOCAL_WORK",
    #[cfg(debug_assertions)]
    "KILL_AT",
    #[cfg(debug_assertions)]
    "SICK_DISK",
];

/// A line for each variable of the environment that has another name now, or that nothing reads. Another program may have set it, so none is refused.
pub(super) fn unknown(settings: &BTreeSet<String>) -> Vec<String> {
    let set = std::env::vars_os().filter(|(_, value)| !value.is_empty());
    warnings(settings, set.filter_map(|(name, _)| name.into_string().ok()))
}

fn warnings(settings: &BTreeSet<String>, names: impl Iterator<Item = String>) -> Vec<String> {
    let known: Vec<&str> = settings.iter().map(String::as_str).chain(OTHERS.iter().copied()).collect();
    let warning = |name: String| {
        let own = name.strip_prefix("TASKWATCH_").filter(|own| !known.contains(own))?;
        if let Some(line) = renamed::of_variable(own) {
            return Some(line);
        }
        let near = nearest(own, &known);
        Some(format!("{name} is set, but no setting of taskwatch: it does nothing; did you mean TASKWATCH_{near}?"))
    };
    let mut lines: Vec<String> = names.filter_map(warning).collect();
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::Settings;

    #[test]
    fn a_variable_that_nothing_reads_gives_a_warning_with_the_nearest_that_is_read() {
        let names =
            ["PATH", "TASKWATCH_URL", "TASKWATCH_STORE", "TASKWATCH_RUN", "TASKWATCH_RUN_TASK_RATES", "TASKWATCH_CEL"];
        let lines = warnings(&Settings::variables(), names.iter().map(|name| (*name).to_owned()));
        assert_eq!(lines.len(), 2, "{lines:?}");
        for (line, name, near) in [
            (&lines[0], "TASKWATCH_CEL is set", "did you mean TASKWATCH_CELL?"),
            (&lines[1], "TASKWATCH_RUN_TASK_RATES is set", "did you mean TASKWATCH_RUN_TASK_RATE?"),
        ] {
            assert!(line.starts_with(name) && line.ends_with(near), "{line}");
        }
    }

    #[test]
    fn every_variable_that_a_page_names_is_known() {
        let pages = [include_str!("../../../docs/settings.md"), include_str!("../../../docs/local.md")].concat();
        let word = |rest: &str| rest.chars().take_while(|c| c.is_ascii_uppercase() || *c == '_').collect::<String>();
        let named =
            pages.match_indices("TASKWATCH_").map(|(at, _)| word(&pages[at..])).filter(|name| !name.ends_with('_'));
        let unknown = warnings(&Settings::variables(), named);
        assert!(unknown.is_empty(), "{unknown:?}");
    }
}
