//! Settings that had another name: the old one still works, and a warning names the new one.

use std::ffi::OsString;

use super::Environment;

/// Old and new, as variables without their prefix. In the file they are in lower case.
const RENAMED: &[(&str, &str)] = &[
    ("STORM_FAILURES", "CIRCUIT_BREAKER_FAILURES"),
    ("STORM_WINDOW_SECONDS", "CIRCUIT_BREAKER_WINDOW_SECONDS"),
    ("STORM_PROBE_SECONDS", "CIRCUIT_BREAKER_PROBE_SECONDS"),
];

/// The environment, in which a setting also has its old name. The new one goes before.
pub(super) fn also_by_old_name<'e>(env: Environment<'e>) -> impl Fn(&str) -> Option<OsString> + 'e {
    move |name| {
        let old = || RENAMED.iter().find(|(_, new)| *new == name).and_then(|(old, _)| env(old));
        env(name).filter(|value| !value.is_empty()).or_else(old)
    }
}

/// The warning for a variable, if it is an old name.
pub(super) fn of_variable(name: &str) -> Option<String> {
    let (old, new) = RENAMED.iter().find(|(old, _)| *old == name)?;
    Some(format!("TASKWATCH_{old} is now TASKWATCH_{new}: use the new name, the old one will not work for ever"))
}

/// The warnings for a settings file.
pub(super) fn of_file(text: &str) -> Vec<String> {
    let table: toml::Table = toml::from_str(text).unwrap_or_default();
    let old = RENAMED.iter().map(|(old, new)| (old.to_lowercase(), new.to_lowercase()));
    old.filter(|(old, _)| table.contains_key(old))
        .map(|(old, new)| {
            format!("{old} in the settings file is now {new}: use the new name, the old one will not work for ever")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings::Settings;

    #[test]
    fn a_renamed_setting_works_by_its_old_name_and_the_new_one_goes_before() {
        let set = |values: &'static [(&str, &str)]| {
            let env = |name: &str| values.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
            let mut settings = Settings::default();
            settings.overlay(&also_by_old_name(&env)).unwrap();
            settings.cell_config("c").breaker.failures
        };
        assert_eq!(set(&[("STORM_FAILURES", "7")]), 7);
        assert_eq!(set(&[("STORM_FAILURES", "7"), ("CIRCUIT_BREAKER_FAILURES", "8")]), 8);
        let file = "storm_failures = 7\nstorm_probe_seconds = 9\n";
        let settings: Settings = toml::from_str(file).unwrap();
        assert_eq!(settings.cell_config("c").breaker.failures, 7);
        let warnings = of_file(file);
        assert!(warnings[0].starts_with("storm_failures in the settings file is now circuit_breaker_failures"));
        assert_eq!(warnings.len(), 2);
        assert!(of_variable("STORM_FAILURES").unwrap().contains("is now TASKWATCH_CIRCUIT_BREAKER_FAILURES"));
    }
}
