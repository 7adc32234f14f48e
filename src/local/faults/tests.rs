use super::*;

fn script(text: &str) -> Script {
    Script::parse(text).unwrap()
}

fn error(text: &str) -> String {
    Script::parse(text).unwrap_err().to_string()
}

#[test]
fn mistakes_are_told_with_place_and_nearest_name() {
    for (text, parts) in [
        ("[[fault]]\ndo = \"imagepull\"", ["fault 1", "did you mean `image-pull`?"]),
        (
            "[[fault]]\nname = \"x\"\ndo = \"throttle\"\nprobabilty = 0.5",
            ["fault 1 (\"x\")", "did you mean `probability`?"],
        ),
        ("[[fault]]\ndo = \"throttle\"\nprobability = 2", ["`probability` is 2", "from 0 to 1"]),
        ("[[fault]]\ndo = \"throttle\"\n[fault.match]\nfamly = \"a\"", ["fault 1, match", "did you mean `family`?"]),
        (
            "[[fault]]\nstop_reason = \"CannotPullContainer\"",
            ["no known reason", "did you mean `CannotPullContainerError`?"],
        ),
        ("[[fault]]\nname = \"x\"", ["one of `do`, `stop_reason` or `error`", "x"]),
        ("[[fault]]\ndo = \"throttle\"\n[fault.match]\nattempt = 0", ["`attempt` is 0", "from 1"]),
        ("[[fault]]\ndo = \"image-pull\"\n[fault.match]\nlast_status = \"RUNNING\"", ["last_status", "events"]),
        ("[[faults]]\ndo = \"throttle\"", ["unknown key `faults`", "did you mean `fault`?"]),
        ("[fault]\ndo = \"throttle\"", ["[[fault]]", "two brackets"]),
        ("[task]\nexit_code = 300", ["[task]", "from 0 to 255"]),
        ("[[fault]]\ndo = \"drop\"\nexit_code = 1", ["`exit_code` does nothing here", "known: name, match, do"]),
        ("[[fault]]\ndo = \"latency\"\nmessage = \"x\"", ["`message` does nothing here", "seconds"]),
        ("[[fault]]\ndo = \"capacity\"\nseconds = 1", ["`seconds` does nothing here", "reason"]),
        (
            "[[fault]]\ndo = \"stuck-pending\"\nstop_cod = \"x\"",
            ["unknown key `stop_cod`", "did you mean `stop_code`?"],
        ),
        ("[[fault]]\nstop_reason = \"RESOURCE:CPU\"\nwhere = \"reason\"", ["`where` is \"reason\"", "failures.reason"]),
        ("[[fault]]\ndo = \"early-event\"\nreached = \"RUNING\"", ["`reached` is", "did you mean `RUNNING`?"]),
        ("[task]\nsecond = 1", ["[task]: unknown key `second`", "did you mean `seconds`?"]),
        ("sed = 1", ["unknown key `sed`", "did you mean `seed`?"]),
        ("seed = \"x\"", ["`seed` is \"x\"", "whole number"]),
        ("nonsense", ["fault script", ""]),
    ] {
        let told = error(text);
        for part in parts {
            assert!(told.contains(part), "{text:?} tells {told:?}, not {part:?}");
        }
    }
}

#[test]
fn every_reason_of_the_table_can_be_named() {
    for class in super::super::reasons::class_names() {
        let toml = format!("[[fault]]\nstop_reason = {class:?}");
        assert!(Script::parse(&toml).is_ok(), "{class}");
    }
    assert!(Script::parse("[[fault]]\nstop_reason = \"CannotPullContainerError\"\nvariant = 999").is_err());
    assert!(Script::parse("[[fault]]\nstop_reason = \"A text: of my own\"").is_ok());
}

fn subject<'a>(family: &'a str, attempt: u32, key: u64) -> Subject<'a> {
    Subject { operation: "RunTask", family, attempt, key, ..Subject::default() }
}

#[test]
fn rules_look_at_name_attempt_count_and_time() {
    let mut engine = Engine::new(
        script(
            "[[fault]]\ndo = \"image-pull\"\ncount = 2\nfrom_seconds = 10\n[fault.match]\nfamily = \"etl-*\"\nattempt = \"1-2\"",
        ),
        0,
    );
    let mut strikes = |family, attempt, seconds| {
        engine.for_launch(&Subject { seconds, ..subject(family, attempt, 1) }).life.is_some()
    };
    assert!(!strikes("etl-a", 1, 9.0));
    assert!(!strikes("web", 1, 10.0));
    assert!(!strikes("etl-a", 3, 10.0));
    assert!(strikes("etl-a", 2, 10.0));
    assert!(strikes("etl-b", 1, 10.0));
    assert!(!strikes("etl-c", 1, 10.0), "count = 2");
}

#[test]
fn a_launch_fits_by_the_image_of_any_container() {
    let mut engine = Engine::new(script("[[fault]]\ndo = \"image-missing\"\n[fault.match]\nimage = \"*:gone\""), 0);
    let mut strikes = |images: &[&str]| engine.for_launch(&Subject { images, ..subject("etl", 1, 1) }).life.is_some();
    assert!(strikes(&["proxy:1", "app:gone"]));
    assert!(!strikes(&["app:1"]) && !strikes(&[]));
}

#[test]
fn a_task_definition_is_a_revision_or_a_family() {
    let toml = "[[fault]]\ndo = \"image-missing\"\n[fault.match]\ntask_definition = ";
    let strikes = |pattern: &str| {
        let mut engine = Engine::new(script(&format!("{toml}{pattern:?}")), 0);
        engine.for_launch(&Subject { task_definition: "etl:7", ..subject("etl", 1, 1) }).life.is_some()
    };
    assert!(strikes("etl:7") && strikes("etl") && strikes("etl:*"));
    assert!(!strikes("etl:8") && !strikes("et"));
}

#[test]
fn chances_are_the_same_whatever_the_order() {
    let text = "[[fault]]\ndo = \"capacity\"\nprobability = 0.3";
    let struck = |keys: &mut dyn Iterator<Item = u64>| {
        let mut engine = Engine::new(script(text), 7);
        let mut hit: Vec<u64> = keys.filter(|k| engine.for_launch(&subject("f", 1, *k)).refuse.is_some()).collect();
        hit.sort_unstable();
        hit
    };
    let forwards = struck(&mut (0..1000));
    assert_eq!(forwards, struck(&mut (0..1000).rev()));
    assert!((200..400).contains(&forwards.len()), "{}", forwards.len());
    let mut other = Engine::new(script(text), 8);
    let others: Vec<u64> = (0..1000).filter(|k| other.for_launch(&subject("f", 1, *k)).refuse.is_some()).collect();
    assert_ne!(forwards, others, "another seed, other fates");
}

#[test]
fn calls_and_events_have_their_own_faults() {
    let mut engine = Engine::new(
        script(
            "[[fault]]\ndo = \"throttle\"\n[fault.match]\nattempt = 1\n[[fault]]\ndo = \"duplicate\"\ncopies = 3\n[[fault]]\ndo = \"drop\"\n[fault.match]\nlast_status = \"STOPPED\"",
        ),
        0,
    );
    assert_eq!(engine.for_call(&subject("f", 1, 0)).unwrap().error.unwrap().1, "ThrottlingException");
    assert!(engine.for_call(&subject("f", 2, 0)).is_none());
    assert!(
        engine.for_call(&Subject { operation: "StopTask", ..subject("f", 1, 0) }).is_none(),
        "RunTask unless it says so"
    );
    let running = engine.for_event(&Subject { last_status: "RUNNING", ..subject("f", 1, 0) });
    assert!((running.copies, running.drop) == (3, false));
    assert!(engine.for_event(&Subject { last_status: "STOPPED", ..subject("f", 1, 0) }).drop);
    assert_eq!(engine.hits()["fault 2"], 2);
}

#[test]
fn the_documentation_names_every_fault_and_its_example_is_a_script() {
    let page = include_str!("../../../docs/local.md");
    for name in Script::preset_names() {
        assert!(page.contains(&format!("`{name}`")), "docs/local.md does not name {name}");
    }
    script(include_str!("../../../examples/faults.toml"));
}

#[test]
fn containers_takes_none_and_nothing_else() {
    let error = Script::parse("[[fault]]\ndo = \"image-pull\"\ncontainers = \"some\"\n").unwrap_err().to_string();
    assert!(error.contains("`containers` is \"some\""), "{error}");
}

/// Every word that the parser takes, read from what it says to a word that it does not: the script's own, a fault's, and its match's.
fn words() -> [std::collections::BTreeSet<String>; 3] {
    let known = |text: &str| -> Vec<String> {
        let told = error(text);
        let list = told.split_once("; known: ").unwrap_or_else(|| panic!("{told}")).1.to_owned();
        list.split(", ").map(str::to_owned).collect()
    };
    let presets = Script::preset_names().into_iter().map(|name| format!("do = {name:?}"));
    let mut heads: Vec<String> = presets.collect();
    heads.extend(["stop_reason = \"CannotPullContainerError\"", "error = \"BlockedException\""].map(str::to_owned));
    let faults = heads.iter().flat_map(|head| known(&format!("[[fault]]\n{head}\n0 = 0"))).collect();
    let matches = known("[[fault]]\ndo = \"drop\"\nmatch = { 0 = 0 }").into_iter().collect();
    [known("0 = 0").into_iter().collect(), faults, matches]
}

#[test]
fn every_word_of_a_script_is_documented_with_an_example_that_is_a_script() {
    let page = include_str!("../../../docs/local.md");
    let [top, faults, matches] = words();
    assert!(top.len() == 3 && faults.len() > 18 && matches.len() > 10, "{top:?} {faults:?} {matches:?}");
    let script_at = page.find("## The script").unwrap();
    let match_at = page.find("| word of `match` |").unwrap();
    let end = page.find("### Lives that go wrong").unwrap();
    for (words, section, of_fault) in [
        (top, &page[script_at..match_at], false),
        (faults, &page[script_at..match_at], true),
        (matches, &page[match_at..end], true),
    ] {
        for word in words {
            let row = section.lines().find(|line| line.starts_with(&format!("| `{word}` |")));
            let row = row.unwrap_or_else(|| panic!("docs/local.md does not explain `{word}`"));
            let example = row.rsplit('`').nth(1).unwrap();
            assert!(example.contains(&format!("{word} =")), "`{word}`: {example}");
            let text = if of_fault { format!("fault = [{example}]") } else { example.to_owned() };
            assert!(Script::parse(&text).is_ok(), "`{word}`: {}", error(&text));
        }
    }
}

#[test]
fn words_that_do_nothing_are_those_that_some_fault_takes() {
    let taken = words()[1].clone();
    let listed = super::super::rule::WORDS.iter().map(|&word| word.to_owned()).collect();
    assert_eq!(taken, listed);
}
