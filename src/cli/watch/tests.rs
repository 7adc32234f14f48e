//! The state by plain values: what it asks for, what it says, what the keys do.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};

use super::data::{Counted, Full, Page, Row, Summary, read};
use super::filter::Filter;
use super::keys;
use super::order::{self, Order, Subject};
use super::state::{Effect, Line, Message, Prompt, State};
use crate::core::time::Timestamp;

const BEGAN: &str = "2026-11-26T02:00:00Z";

pub(super) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_795_658_400_000 + seconds * 1000)
}

pub(super) fn summary(more: Value) -> Summary {
    let mut summary = json!({"cell": "blue", "version": "0.1.0", "beganAt": BEGAN, "at": at(0).to_string()});
    if let (Some(members), Value::Object(more)) = (summary.as_object_mut(), more) {
        members.extend(more);
    }
    read(summary).expect("a summary")
}

pub(super) fn row(run: &str, status: &str) -> Row {
    let ended = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"].contains(&status);
    let value = json!({"run": run, "name": format!("nightly-{run}"), "status": status, "final": ended, "queue": "team-a",
        "taskDefinition": "etl:7", "attempts": 1, "submittedAt": at(-90).to_string()});
    read(value).expect("a row")
}

/// A state that shows these runs.
pub(super) fn showing(rows: Vec<Row>, more: Value) -> State {
    let mut state = State::new("http://cell:7717", Filter::default(), summary(more), at(0));
    let effects = state.wants();
    let [Effect::List(question)] = effects.as_slice() else { panic!("{effects:?}") };
    state.apply(Message::Listed(question.number, Ok(Page { runs: rows, next_token: None })));
    state
}

pub(super) fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    keys::press(state, KeyEvent::new(code, KeyModifiers::NONE))
}

pub(super) fn typed(state: &mut State, text: &str) -> Vec<Effect> {
    text.chars().flat_map(|c| press(state, KeyCode::Char(c))).collect()
}

fn said(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| &notice.text)
}

#[test]
fn a_lost_connection_is_said_and_what_was_under_way_is_asked_again() {
    let mut state = showing(vec![row("1", "RUNNING")], json!({}));
    state.apply(Message::Tick(at(5)));
    assert_eq!(state.apply(Message::Lost("gone".into())), [], "nobody is there to be asked");
    state.apply(Message::Tick(at(8)));
    state.apply(Message::Lost("still gone".into()));
    assert_eq!(state.line, Line::Lost(at(5), "still gone".into()));
    let effects = state.apply(Message::Open);
    assert!(matches!(effects.as_slice(), [Effect::List(_)]), "{effects:?}");
    assert_eq!((&state.line, said(&state)), (&Line::Live, "connected again"));
    state.apply(Message::Tick(at(60)));
    assert_eq!(said(&state), "", "it has been read");
}

#[test]
fn a_restart_of_the_cell_is_said() {
    let mut state = showing(vec![], json!({}));
    state.apply(Message::Summary(Box::new(summary(json!({"launchesPerSecond": 2.0})))));
    assert_eq!((said(&state), state.rates.len()), ("", 2));
    state.apply(Message::Summary(Box::new(summary(json!({"beganAt": "2026-11-26T03:04:05Z"})))));
    assert_eq!((said(&state), state.rates.len()), ("the cell restarted at 03:04:05 UTC: connected again", 1));
}

#[test]
fn the_cell_is_asked_for_the_list_at_most_once_a_second() {
    let mut state = showing(vec![row("1", "RUNNING")], json!({}));
    state.apply(Message::Tick(at(1)));
    let asked: Vec<Effect> =
        (0..100).flat_map(|n| state.apply(Message::Change(Box::new(row(&format!("2{n}"), "QUEUED"))))).collect();
    let [Effect::List(question)] = asked.as_slice() else { panic!("{asked:?}") };
    state.apply(Message::Listed(question.number, Ok(Page::default())));
    state.apply(Message::Change(Box::new(row("3", "QUEUED"))));
    assert_eq!(state.apply(Message::Tick(at(1))), []);
    assert!(matches!(state.apply(Message::Tick(at(2))).as_slice(), [Effect::List(_)]));
}

#[test]
fn a_list_that_did_not_come_is_asked_for_again_a_second_later() {
    let mut state = State::new("u", Filter::default(), summary(json!({})), at(0));
    let effects = state.wants();
    let [Effect::List(question)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(state.apply(Message::Listed(question.number, Err("no answer".into()))), []);
    assert_eq!(said(&state), "no answer");
    assert!(matches!(state.apply(Message::Tick(at(1))).as_slice(), [Effect::List(_)]));
}

#[test]
fn the_run_that_is_looked_at_is_asked_for_again_when_it_changes() {
    let mut state = showing(vec![row("2", "RUNNING"), row("1", "RUNNING")], json!({}));
    press(&mut state, KeyCode::Down);
    assert_eq!(press(&mut state, KeyCode::Enter), [Effect::Show("1".into())]);
    let full = || Ok(Box::new(Full { run: "1".into(), ..Full::default() }));
    assert_eq!(state.apply(Message::Change(Box::new(row("1", "FAILED")))), [], "one question at a time");
    assert_eq!(state.apply(Message::Shown("1".into(), full())), [Effect::Show("1".into())]);
    assert_eq!(state.apply(Message::Shown("1".into(), full())), []);
    assert_eq!(state.apply(Message::Change(Box::new(row("2", "FAILED")))), []);
    state.apply(Message::Shown("9".into(), Err("of another run".into())));
    assert_eq!(state.looked.as_ref().and_then(|looked| looked.problem.clone()), None);
    press(&mut state, KeyCode::Esc);
    assert!(state.looked.is_none());
}

#[test]
fn stop_and_redrive_ask_first_and_only_y_is_yes() {
    let mut state = showing(vec![row("2", "RUNNING"), row("1", "FAILED")], json!({}));
    assert_eq!(typed(&mut state, "s"), []);
    let Prompt::Confirm(stop) = &state.prompt else { panic!("{:?}", state.prompt) };
    let stop = stop.clone();
    assert_eq!(
        (stop.question().as_str(), &stop),
        ("Stop nightly-2?", &order::stop([subject("2")].into_iter()).expect("one"))
    );
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert_eq!(typed(&mut state, "n"), []);
    assert_eq!(state.prompt, Prompt::None);
    assert_eq!(typed(&mut state, "sy"), [Effect::Do(stop.clone())]);
    state.apply(Message::Obeyed(stop, Err("NotFound: no such run".into())));
    assert_eq!(said(&state), "NotFound: no such run");
    assert_eq!(typed(&mut state, "ry"), [], "it runs");
    assert!(said(&state).contains("nightly-2 is RUNNING: only a run that failed"), "{}", said(&state));
    assert_eq!(typed(&mut state, "js"), [], "it has ended");
    let effects = typed(&mut state, "ry");
    let [Effect::Do(order)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(order.question(), "Redrive nightly-1?");
}

fn subject(run: &'static str) -> Subject<'static> {
    let names = ["nightly-0", "nightly-1", "nightly-2"];
    Subject { id: run, name: names[run.parse::<usize>().expect("a number")], status: "RUNNING" }
}

#[test]
fn marked_runs_are_stopped_together_and_the_question_says_how_many() {
    let statuses = ["RUNNING", "FAILED", "QUEUED", "RUNNING", "SUCCEEDED"];
    let rows = statuses.iter().zip(["5", "4", "3", "2", "1"]).map(|(status, run)| row(run, status)).collect();
    let mut state = showing(rows, json!({}));
    typed(&mut state, " jj");
    keys::press(&mut state, KeyEvent::new(KeyCode::Char(' '), KeyModifiers::CONTROL));
    assert_eq!(state.list.marks.len(), 3, "from the mark to here");
    // The selected run is none of the marked ones: it is not meant.
    typed(&mut state, "js");
    let Prompt::Confirm(order) = &state.prompt else { panic!("{:?}", state.prompt) };
    let order = order.clone();
    assert_eq!(order.question(), "Stop 2 runs?");
    assert!(
        order.meaning().ends_with("They are nightly-5, nightly-3. 1 other marked run stays as it is."),
        "{}",
        order.meaning()
    );
    assert_eq!(typed(&mut state, "y"), [Effect::Do(order.clone())]);
    state.apply(Message::Obeyed(order, Ok(())));
    assert_eq!((said(&state), state.list.marks.len()), ("stop requested: 2 runs", 0));
    typed(&mut state, "*");
    assert_eq!(state.list.marks.len(), 5);
    press(&mut state, KeyCode::Esc);
    assert_eq!(state.list.marks.len(), 0, "the first Esc takes the marks away");
}

#[test]
fn the_list_is_sorted_by_a_key_and_asks_for_as_many_runs_as_it_can() {
    let tries = |run: &str, attempts| Row { attempts, ..row(run, "FAILED") };
    let mut state = State::new("u", Filter::default(), summary(json!({})), at(0));
    let asked = |effects: &[Effect]| match effects {
        [Effect::List(question)] => (question.number, question.limit),
        other => panic!("{other:?}"),
    };
    let (number, _) = asked(&state.wants());
    let page = |more: bool| Page {
        runs: vec![tries("3", 1), tries("2", 4), tries("1", 2)],
        next_token: more.then(String::new),
    };
    state.apply(Message::Listed(number, Ok(page(true))));
    state.apply(Message::Tick(at(2)));
    let (number, limit) = asked(&typed(&mut state, "T"));
    assert_eq!(limit, 1000);
    state.apply(Message::Listed(number, Ok(page(false))));
    let order = |state: &State| state.list.rows.iter().map(|row| row.run.as_str()).collect::<String>();
    state.apply(Message::Tick(at(2)));
    assert_eq!(order(&state), "213");
    state.apply(Message::Change(Box::new(tries("3", 9))));
    state.apply(Message::Tick(at(2)));
    assert_eq!(order(&state), "321", "a change is put where it belongs");
    typed(&mut state, "T");
    assert_eq!(order(&state), "123");
    typed(&mut state, "A");
    assert_eq!(order(&state), "321");
}

#[test]
fn what_is_paused_and_resumed_is_chosen() {
    let mut state = showing(vec![row("1", "QUEUED")], json!({"limits": {"pauses": [{"queue": "team-a"}]}}));
    typed(&mut state, "p");
    let Prompt::Choose(orders, 0) = &state.prompt else { panic!("{:?}", state.prompt) };
    let questions: Vec<String> = orders.iter().map(Order::question).collect();
    assert_eq!(questions, ["Pause task definition etl:7?", "Resume queue team-a?"]);
    typed(&mut state, "jjj");
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::Do(order)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(order.question(), "Resume queue team-a?");
}

#[test]
fn a_filter_is_typed_mended_and_put_away() {
    let mut state = showing(vec![row("1", "QUEUED")], json!({}));
    typed(&mut state, "/kind=q");
    assert_eq!(press(&mut state, KeyCode::Enter), []);
    assert!(matches!(&state.prompt, Prompt::Filter(text, Some(_)) if text == "kind=q"), "{:?}", state.prompt);
    keys::press(&mut state, KeyEvent::new(KeyCode::Char('u'), KeyModifiers::CONTROL));
    typed(&mut state, "failed queue=qs");
    press(&mut state, KeyCode::Backspace);
    let effects = press(&mut state, KeyCode::Enter);
    let [Effect::List(question)] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(question.filter.text(), "status=FAILED queue=q");
    assert!(matches!(press(&mut state, KeyCode::Esc).as_slice(), [] | [Effect::List(_)]));
    assert_eq!(state.list.filter, Filter::default());
}

#[test]
fn q_quits_but_not_where_it_is_typed_and_control_c_always() {
    let mut state = showing(vec![], json!({}));
    assert_eq!(typed(&mut state, "/q"), []);
    let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(keys::press(&mut state, control_c), [Effect::Quit(130)]);
    press(&mut state, KeyCode::Esc);
    assert_eq!(typed(&mut state, "q"), [Effect::Quit(0)]);
}

#[test]
fn ages_are_told_by_the_cells_clock() {
    let mut state = State::new("u", Filter::default(), summary(json!({})), at(-3600));
    assert_eq!(state.now(), at(0));
    state.apply(Message::Tick(at(-3590)));
    assert_eq!(state.now(), at(10));
}

fn counted() -> Counted {
    read(json!({
        "runs": 12, "complete": true, "statuses": {"FAILED": 9, "QUEUED": 2, "SUCCEEDED": 1},
        "causes": [
            {"runs": 6, "status": "FAILED", "exitCode": 3, "error": "EssentialContainerExited", "hint": "see its log",
                "cause": "container \"etl\" exited with 3", "causePattern": "container \"etl\" exited with *",
                "examples": ["fleet/0", "fleet/1", "fleet/2"]},
            {"runs": 3, "status": "FAILED", "error": "AGENT", "cause": "no agent", "causePattern": "no agent",
                "examples": ["fleet/9"]},
        ],
        "waits": [{"runs": 2, "status": "QUEUED", "text": "queue a is paused by ann", "examples": ["fleet/10", "fleet/11"]}],
    }))
    .expect("numbers")
}

/// A state whose listed runs are counted.
pub(super) fn counting() -> State {
    let mut state = showing(vec![row("1", "FAILED")], json!({}));
    let effects = typed(&mut state, "c");
    let [Effect::Count(filter)] = effects.as_slice() else { panic!("{effects:?}") };
    state.apply(Message::Counted(filter.clone(), Ok(Box::new(counted()))));
    state
}

#[test]
fn runs_are_counted_and_a_group_leads_to_its_runs() {
    let mut state = counting();
    let causes = state.causes.as_ref().expect("numbers");
    assert_eq!((causes.groups().count(), causes.at()), (3, 0));
    typed(&mut state, "sr");
    assert_eq!(state.prompt, Prompt::None, "no run is selected here");
    let list = |state: &mut State| {
        press(state, KeyCode::Enter);
        assert!(state.causes.is_none());
        state.list.filter.text()
    };
    let text = list(&mut state);
    assert_eq!(text, r#"status=FAILED error=EssentialContainerExited exit=3 cause="container \"etl\" exited with *""#);
    let mut state = counting();
    typed(&mut state, "jjjj");
    assert_eq!(list(&mut state), "status=QUEUED");
    let mut state = counting();
    press(&mut state, KeyCode::Esc);
    assert!(state.causes.is_none() && state.list.filter == Filter::default());
}

#[test]
fn numbers_are_asked_for_again_at_most_every_other_second_and_only_where_they_are_seen() {
    let mut state = counting();
    let changed = |state: &mut State| state.apply(Message::Change(Box::new(row("1", "QUEUED"))));
    let counts = |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Count(_))).count();
    assert_eq!(counts(&changed(&mut state)), 0, "they were asked for just now");
    assert_eq!(counts(&state.apply(Message::Tick(at(1)))), 0);
    assert_eq!(counts(&state.apply(Message::Tick(at(2)))), 1);
    assert_eq!(counts(&state.apply(Message::Tick(at(9)))), 0, "one question at a time");
    state.apply(Message::Counted(Filter::default(), Err("no answer".into())));
    let causes = state.causes.as_ref().expect("numbers");
    assert_eq!((causes.problem.as_deref(), causes.counted.is_some()), (Some("no answer"), true));
    state.apply(Message::Counted(Filter::of_request("other"), Err("of other runs".into())));
    assert_eq!(state.causes.as_ref().and_then(|causes| causes.problem.as_deref()), Some("no answer"));
    state.apply(Message::Lost("gone".into()));
    assert_eq!(counts(&state.apply(Message::Tick(at(20)))), 0, "nobody is there to be asked");
    assert_eq!(counts(&state.apply(Message::Open)), 1);
    press(&mut state, KeyCode::Esc);
    changed(&mut state);
    assert_eq!(counts(&state.apply(Message::Tick(at(90)))), 0);
}

#[test]
fn a_run_of_an_array_request_leads_to_all_of_it() {
    let of_array = Row { name: "fleet/3".into(), ..row("1", "FAILED") };
    let mut state = showing(vec![of_array, row("2", "FAILED")], json!({}));
    typed(&mut state, "ja");
    assert_eq!((said(&state), state.causes.is_some()), ("nightly-2 does not belong to an array request", false));
    let effects = typed(&mut state, "ka");
    assert!(effects.contains(&Effect::Count(Filter::of_request("fleet"))), "{effects:?}");
    assert_eq!(state.list.filter.text(), "name=fleet");
}
