//! What settings may be, and that their page says the same.

use super::*;

fn with(name: &str, value: &str) -> Result<Settings, String> {
    let mut settings = Settings::default();
    settings.overlay(&|n| (n == name).then(|| value.into())).map_err(|e| e.to_string())?;
    Ok(settings)
}

#[test]
fn a_wrong_setting_is_named_with_its_value_and_what_is_allowed() {
    for (name, value, part) in [
        ("RUN_TASK_RATE", "fast", "TASKWATCH_RUN_TASK_RATE is \"fast\": expected a number"),
        ("MAX_IN_FLIGHT", "many", "expected a whole number"),
        ("RECONCILE_AFTER_SECONDS", "5m", "expected a whole number of seconds"),
        ("CIRCUIT_BREAKER_FAILURES", "-1", "0: launches are never paused"),
        ("CIRCUIT_BREAKER_PROBE_SECONDS", "1m", "expected a whole number of seconds"),
        ("CELL", "a b", "TASKWATCH_CELL is \"a b\""),
        ("EVENTS_QUEUE_URL", "blue-events", "TASKWATCH_EVENTS_QUEUE_URL is \"blue-events\": the URL of an SQS queue"),
        ("REQUESTS_DLQ_URL", "arn:aws:sqs:eu-west-1:123456789012:q", "the URL of an SQS queue"),
        ("TOPIC_ARN", "runs", "TASKWATCH_TOPIC_ARN is \"runs\": the ARN of an SNS topic"),
        ("EVENT_BUS", "a b", "the name or ARN of an EventBridge bus"),
        ("LISTEN", "here", "such as 127.0.0.1:7717"),
        ("LISTEN", "0.0.0.0:80", "TASKWATCH_API_TOKEN is required"),
        ("STORE", "dynamodb:t", "the name of a table"),
        ("STORE", "dynamodb:a table", "the name of a table"),
        ("STORE", "disk", "expected file:DIR, dynamodb:TABLE or memory:"),
        ("STORE", "file:", "expected file:DIR"),
        ("STORE", "file: ", "expected file:DIR"),
        ("KEEP", "a week", "TASKWATCH_KEEP is \"a week\": expected a duration from 1m to 87600h"),
        ("TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:runs\n", "the ARN of an SNS topic"),
        ("EVENTS_QUEUE_URL", "https://sqs.x/1/q https://sqs.x/1/r", "the URL of an SQS queue"),
        ("LOG_FORMAT", "xml", "text or json"),
        ("METRICS", "statsd", "TASKWATCH_METRICS is \"statsd\": prometheus"),
    ] {
        let error = with(name, value).unwrap_err();
        assert!(error.contains(part), "{name}={value}: {error}");
    }
    let breaker = |name, value| with(name, value).unwrap().cell_config("c").breaker;
    assert_eq!(breaker("CIRCUIT_BREAKER_FAILURES", "0").failures, 0);
    assert_eq!(breaker("CIRCUIT_BREAKER_WINDOW_SECONDS", "5").window, Duration::from_secs(5));
    assert_eq!(breaker("CIRCUIT_BREAKER_PROBE_SECONDS", "7").probe, Duration::from_secs(7));
    assert_eq!(with("RUN_TASK_RATE", "2.5").unwrap().run_task_rate, Some(2.5));
    let rates = |name, rate| with(name, rate).unwrap().cell_config("c").call_rates;
    let raised = |task_rate: f64| [CallRates::USUAL.fargate(task_rate), CallRates::USUAL.modify(task_rate)];
    assert_eq!([raised(100.0), raised(5.0)], [[100.0, 200.0], [20.0, 40.0]], "with the tasks, and not down");
    assert_eq!(rates("FARGATE_CALL_RATE", "7.5").fargate(100.0), 7.5);
    assert_eq!(rates("MODIFY_CALL_RATE", "30").modify(100.0), 30.0);
    assert_eq!(rates("READ_CALL_RATE", "60").read(), 60.0);
}

#[test]
fn no_number_is_nonsense() {
    let nonsense =
        ["-1", "NaN", "nan", "inf", "-inf", "1e300", "18446744073709551615", "99999999999999999999999", " ", "1 2"];
    let numbers = [
        ("RUN_TASK_RATE", "0.001", "100000", "0.0001"),
        ("RUN_TASK_BURST", "1", "100000", "0"),
        ("MAX_IN_FLIGHT", "1", "100000000", "0"),
        ("MAX_PROVISIONING", "1", "1000000", "0"),
        ("DESCRIBE_SHARE", "0.001", "1", "0"),
        ("RECONCILE_AFTER_SECONDS", "1", "86400", "0"),
        ("CIRCUIT_BREAKER_FAILURES", "0", "100000", "-0"),
        ("CIRCUIT_BREAKER_WINDOW_SECONDS", "1", "86400", "0"),
        ("CIRCUIT_BREAKER_PROBE_SECONDS", "1", "86400", "0"),
    ];
    let page = include_str!("../../../docs/settings.md");
    for (name, least, most, too_little) in numbers {
        let beyond = (most.parse::<u64>().unwrap() + 1).to_string();
        for value in nonsense.into_iter().chain([too_little, &beyond]) {
            let error = with(name, value).unwrap_err();
            let allowed = format!("TASKWATCH_{name} is ");
            assert!(
                error.starts_with(&allowed) && error.contains(&format!("from {least} to {most}")),
                "{value}: {error}"
            );
        }
        for value in [least, most, "", " 1\n"] {
            with(name, value).unwrap();
        }
        let row = page.lines().find(|line| line.starts_with(&format!("| `TASKWATCH_{name}`"))).unwrap();
        assert!(row.contains(&format!(" {least} to {most}")), "docs/settings.md says otherwise: {row}");
    }
    for value in ["0", "59", "-1h", "18446744073709551615", "315360001", " ", "nan"] {
        assert!(with("KEEP", value).unwrap_err().starts_with("TASKWATCH_KEEP is "), "{value}");
    }
    with("KEEP", "60").and_then(|_| with("KEEP", "87600h")).unwrap();
    for line in ["run_task_rate = nan", "run_task_rate = inf", "describe_share = -0.5", "reconcile_after_seconds = 0"] {
        let settings: Settings = toml::from_str(line).unwrap();
        assert!(settings.check().unwrap_err().to_string().contains(" from "), "{line}");
    }
}

#[test]
fn a_token_that_no_header_can_carry_is_refused_and_not_shown() {
    for token in [" ", "secret\n", " secret", "se\tcret", "sécret"] {
        let error = with("API_TOKEN", token).unwrap_err();
        assert!(error.starts_with("TASKWATCH_API_TOKEN is ") && !error.contains("cret"), "{error}");
    }
    let empty: Settings = toml::from_str("api_token = ''\nlisten = '0.0.0.0:80'").unwrap();
    assert!(empty.check().unwrap_err().to_string().contains("TASKWATCH_API_TOKEN is empty"));
    with("API_TOKEN", "a b~!").unwrap();
}

#[test]
#[cfg(unix)]
fn a_variable_that_is_no_text_is_not_passed_over() {
    let raw = std::os::unix::ffi::OsStringExt::from_vec(b"bl\xffe".to_vec());
    let env = |name: &str| (name == "CELL").then(|| std::ffi::OsString::clone(&raw));
    let error = Settings::default().overlay(&env).unwrap_err().to_string();
    assert!(error.contains("TASKWATCH_CELL is ") && error.contains("UTF-8"), "{error}");
}

/// Tables, which the file alone has.
const TABLES: [&str; 1] = ["observe"];

/// The names of all settings: what the file takes, by its own word. Old names are not among them, nor are tables.
fn keys() -> BTreeSet<String> {
    let error = toml::from_str::<Settings>("zzz = 1").unwrap_err().message().to_owned();
    let names = error.split('`').skip(3).step_by(2);
    let is_setting = |name: &&str| renamed::of_variable(&name.to_uppercase()).is_none() && !TABLES.contains(name);
    names.filter(is_setting).map(str::to_owned).collect()
}

#[test]
fn every_key_of_the_file_has_its_variable_and_the_other_way_about() {
    let variables: BTreeSet<String> = Settings::variables().iter().map(|name| name.to_lowercase()).collect();
    assert!(keys().len() > 20, "{:?}", keys());
    assert_eq!(keys(), variables);
}

#[test]
fn settings_md_has_every_setting_with_its_default() {
    let page = include_str!("../../../docs/settings.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `TASKWATCH_"))
        .map(|line| line.split(" | ").map(|cell| cell.trim_matches(['|', ' ', '`'])).collect())
        .collect();
    let documented: BTreeSet<String> = rows.iter().map(|row| row[1].to_owned()).filter(|key| key != "–").collect();
    assert_eq!(documented, keys(), "docs/settings.md and the settings differ");
    assert!(
        rows.iter()
            .all(|row| row.len() == 5 && (row[1] == "–" || row[0] == format!("TASKWATCH_{}", row[1].to_uppercase())))
    );
    let config = Settings::default().cell_config("c");
    for (key, default) in [
        ("store", USUAL_STORE.to_owned()),
        ("keep", format!("{} days", config.keep.as_secs() / 86_400)),
        ("listen", Settings::default().listen().unwrap().to_string()),
        ("run_task_rate", config.run_task_rate.to_string()),
        ("run_task_burst", config.run_task_burst.to_string()),
        ("fargate_call_rate", config.call_rates.fargate(config.run_task_rate).to_string()),
        ("modify_call_rate", config.call_rates.modify(config.run_task_rate).to_string()),
        ("read_call_rate", config.call_rates.read().to_string()),
        ("max_in_flight", config.max_in_flight.to_string()),
        ("max_provisioning", config.max_provisioning.to_string()),
        ("describe_share", config.describe_share.to_string()),
        ("reconcile_after_seconds", config.reconcile_after.as_secs().to_string()),
        ("circuit_breaker_failures", config.breaker.failures.to_string()),
        ("circuit_breaker_window_seconds", config.breaker.window.as_secs().to_string()),
        ("circuit_breaker_probe_seconds", config.breaker.probe.as_secs().to_string()),
    ] {
        let row = rows.iter().find(|row| row[1] == key).unwrap();
        assert_eq!(row[2], default, "docs/settings.md: the default of {key}");
    }
}

#[test]
fn the_policies_of_the_documents_are_taken_and_wrong_ones_named_with_their_line() {
    let pages = [include_str!("../../../docs/settings.md"), include_str!("../../../docs/observe.md")];
    let blocks =
        pages.iter().flat_map(|page| page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()));
    let mut policies = 0;
    for block in blocks {
        let settings: Settings = toml::from_str(block).unwrap();
        settings.check().unwrap();
        policies += settings.cell_config("c").observe.len();
    }
    assert!(policies >= 3, "{policies}");
    let read = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        super::file::read(file.path()).and_then(|settings| settings.check()).unwrap_err().to_string()
    };
    let unknown = read("cell = \"blue\"\n[[observe.policy]]\nactoin = \"ignore\"\n");
    assert!(unknown.contains("line 3") && unknown.contains("actoin"), "{unknown}");
    let wrong = read("[[observe.policy]]\nname = \"x\"\naction = \"tell\"\n");
    assert!(wrong.contains("observe.policy 1 (\"x\"): action is \"tell\": expected notify, retry, ignore"), "{wrong}");
}

#[test]
fn the_file_in_settings_md_is_taken() {
    let page = include_str!("../../../docs/settings.md");
    let text = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let settings: Settings = toml::from_str(text).unwrap();
    settings.check().unwrap();
    assert_eq!(settings.run_task_rate, Some(20.0));
}
