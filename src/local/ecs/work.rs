//! What a container's environment and command tell of its work.
//!
//! `TASKWATCH_LOCAL_SECONDS` and `TASKWATCH_LOCAL_EXIT` say it outright. Else a command that a shell would end by itself is taken at
//! its word: `sleep 5`, `exit 3`, `false`, `sh -c "sleep 1; exit 2"`.

/// Seconds of work and exit code, where they are told.
pub(super) fn told(environment: &[(String, String)], command: &[String]) -> (Option<f64>, Option<i64>) {
    let (mut seconds, mut exit) = spoken(command);
    for (name, value) in environment {
        match name.as_str() {
            "TASKWATCH_LOCAL_SECONDS" => seconds = value.trim().parse().ok().filter(|s| plausible(*s)).or(seconds),
            "TASKWATCH_LOCAL_EXIT" => exit = value.trim().parse().ok().filter(|c| (0..=255).contains(c)).or(exit),
            _ => {}
        }
    }
    (seconds, exit)
}

fn plausible(seconds: f64) -> bool {
    (0.0..=1e9).contains(&seconds)
}

fn spoken(command: &[String]) -> (Option<f64>, Option<i64>) {
    let text = command.join(" ");
    let words: Vec<&str> =
        text.split(|c: char| c.is_whitespace() || ";&|()'\"".contains(c)).filter(|w| !w.is_empty()).collect();
    let (mut seconds, mut exit) = (None, None);
    for (index, word) in words.iter().enumerate() {
        let next = words.get(index + 1);
        match *word {
            "sleep" => {
                let told = next.and_then(|w| w.trim_end_matches('s').parse::<f64>().ok()).filter(|s| plausible(*s));
                seconds = told.map(|s| s + seconds.unwrap_or(0.0)).or(seconds);
            }
            "exit" => exit = next.and_then(|w| w.parse().ok()).filter(|c| (0..=255).contains(c)).or(exit),
            "false" if words.len() == index + 1 => exit = Some(1),
            "true" if words.len() == index + 1 => exit = Some(0),
            _ => {}
        }
    }
    (seconds, exit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(env: &[(&str, &str)], command: &[&str]) -> (Option<f64>, Option<i64>) {
        let env: Vec<_> = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        told(&env, &command.iter().map(|&c| c.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn commands_and_environment() {
        assert_eq!(of(&[], &["sh", "-c", "exit 3"]), (None, Some(3)));
        assert_eq!(of(&[], &["sh", "-c", "sleep 5; exit 4"]), (Some(5.0), Some(4)));
        assert_eq!(of(&[], &["sleep", "2"]), (Some(2.0), None));
        assert_eq!(of(&[], &["false"]), (None, Some(1)));
        assert_eq!(of(&[], &["python", "job.py"]), (None, None));
        assert_eq!(
            of(&[("TASKWATCH_LOCAL_EXIT", "7"), ("TASKWATCH_LOCAL_SECONDS", "1.5")], &["sleep", "2"]),
            (Some(1.5), Some(7))
        );
        assert_eq!(of(&[("TASKWATCH_LOCAL_EXIT", "many")], &[]), (None, None));
        assert_eq!(of(&[], &["exit", "-9999999999999999999"]), (None, None));
    }
}
