use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::reader::{NoLines, Patience};
use super::*;
use crate::cell::ports::*;
use crate::core::failure;
use crate::core::log::{LogConfig, LogLine};
use crate::core::notification::Notification;
use crate::core::time::Timestamp;

type Answer = Result<Option<LogEvents>, CallError>;

/// Answers in turn; the last one again and again.
#[derive(Default)]
struct Source {
    answers: Mutex<VecDeque<Answer>>,
    calls: Mutex<Vec<(LogEventsCall, Instant)>>,
}

impl Source {
    fn of(answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into_iter().collect()), calls: Mutex::default() })
    }

    fn calls(&self) -> Vec<(LogEventsCall, Instant)> {
        self.calls.lock().unwrap().clone()
    }
}

impl LogSource for Source {
    fn log_events<'a>(&'a self, call: &'a LogEventsCall) -> BoxFuture<'a, Answer> {
        self.calls.lock().unwrap().push((call.clone(), Instant::now()));
        let mut answers = self.answers.lock().unwrap();
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        match next {
            Some(answer) => async { answer }.boxed(),
            None => futures::future::pending().boxed(),
        }
    }
}

struct NoEcs;

impl Ecs for NoEcs {
    fn run_task<'a>(&'a self, _: &'a RunTaskCall) -> BoxFuture<'a, Result<RunTaskAnswer, CallError>> {
        futures::future::pending().boxed()
    }

    fn stop_task<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<(), CallError>> {
        futures::future::pending().boxed()
    }

    fn describe_tasks<'a>(&'a self, _: &'a str, _: &'a [String]) -> BoxFuture<'a, Result<Described, CallError>> {
        futures::future::pending().boxed()
    }

    fn tasks_started_by<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, CallError>> {
        futures::future::pending().boxed()
    }

    fn container_definitions<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<ContainerDefinition>, CallError>> {
        futures::future::pending().boxed()
    }
}

fn page(lines: &[&str], backward: &str, forward: &str) -> Answer {
    let line = |text: &&str| LogLine { at: Timestamp::from_millis(0), text: (*text).to_owned() };
    Ok(Some(LogEvents {
        lines: lines.iter().map(line).collect(),
        backward: Some(backward.to_owned()),
        forward: Some(forward.to_owned()),
    }))
}

fn place() -> LogPlace {
    let config =
        LogConfig { driver: "awslogs".into(), group: Some("g".into()), prefix: Some("p".into()), region: None };
    LogPlace::of("app", Some(&config), "arn:aws:ecs:r:1:task/c/1", None)
}

async fn last(source: &Arc<Source>, most: u32, seconds: u64) -> Result<Vec<String>, NoLines> {
    let reader = LogReader::new(Arc::clone(source) as _, Arc::new(NoEcs), LOG_RATE);
    let lines = reader.last(&place(), most, Patience::of(Duration::from_secs(seconds))).await;
    lines.map(|(lines, _)| lines.into_iter().map(|line| line.text).collect())
}

#[tokio::test(start_paused = true)]
async fn an_empty_page_is_not_the_end_of_a_stream() {
    let source = Source::of([page(&[], "b1", "f1"), page(&["c"], "b2", "f1"), page(&["a", "b"], "b3", "f0")]);
    assert_eq!(last(&source, 3, 10).await.unwrap(), ["a", "b", "c"]);
    let tokens: Vec<_> = source.calls().into_iter().map(|(call, _)| call.token).collect();
    assert_eq!(tokens, [None, Some("b1".into()), Some("b2".into())]);
    assert_eq!(source.calls()[0].0.region, Some("r".into()));
}

#[tokio::test(start_paused = true)]
async fn three_pages_are_looked_at_and_the_same_token_again_is_the_end() {
    let endless = Source::of([
        page(&["x"], "b1", "f"),
        page(&["x"], "b2", "f"),
        page(&["x"], "b3", "f"),
        page(&["x"], "b4", "f"),
    ]);
    assert_eq!(last(&endless, 50, 10).await.unwrap().len(), 3);
    let ended = Source::of([page(&["x"], "b1", "f"), page(&["y"], "b1", "f")]);
    assert_eq!(last(&ended, 50, 10).await.unwrap(), ["y", "x"]);
    assert_eq!(ended.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_not_there_or_empty_is_asked_for_once_more_after_two_seconds() {
    for nothing in [Ok(None), page(&[], "b", "f")] {
        let source = Source::of([nothing.clone(), nothing.clone(), nothing, page(&["late"], "b", "f")]);
        let empty_pages = source.calls().len();
        let began = Instant::now();
        let lines = last(&source, 10, 10).await;
        // An empty stream's first page says so twice: its token repeats.
        assert!(lines.is_ok() || source.calls().len() > empty_pages, "{lines:?}");
        assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
    }
    let source = Source::of([Ok(None)]);
    assert_eq!(last(&source, 10, 3).await, Err(NoLines::Missing));
    assert_eq!(source.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_takes_too_long_or_is_refused_is_said_and_costs_no_more_than_the_patience() {
    let began = Instant::now();
    assert!(matches!(last(&Source::of([]), 10, 3).await, Err(NoLines::NoAnswer(_))));
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(last(&Source::of([Err(CallError::Throttled("x".into()))]), 10, 3).await, Err(NoLines::Throttled));
    let denied = failure::from_exception("AccessDeniedException", "not authorized to perform: logs:GetLogEvents");
    let why = last(&Source::of([Err(CallError::Refused(Box::new(denied)))]), 10, 3).await.unwrap_err();
    assert!(why.to_string().contains("logs:GetLogEvents"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn many_at_once_keep_to_the_rate_and_some_go_without() {
    let source = Source::of([page(&["x"], "b", "f")]);
    let reader = LogReader::new(Arc::clone(&source) as _, Arc::new(NoEcs), 2.0);
    let place = place();
    let patience = Patience::of(Duration::from_secs(3));
    let all = futures::future::join_all((0..20).map(|_| reader.last(&place, 1, patience))).await;
    let without = all.iter().filter(|lines| **lines == Err(NoLines::Budget)).count();
    assert_eq!((source.calls().len(), without), (8, 12), "2 at once, and 2 a second for 3 s");
}

/// Takes everything, and notes when.
#[derive(Default)]
struct Told(Mutex<Vec<(Notification, Instant)>>);

impl Notifier for Told {
    fn publish<'a>(&'a self, notifications: &'a [Notification]) -> BoxFuture<'a, Vec<Result<(), CallError>>> {
        self.0.lock().unwrap().extend(notifications.iter().map(|one| (one.clone(), Instant::now())));
        async { notifications.iter().map(|_| Ok(())).collect() }.boxed()
    }
}

/// A notification of a failed run, which asks for lines.
fn asking(lines: u32) -> Notification {
    let message = json!({"detail": {"attempts": [{"log": {}}]}}).to_string();
    let log = json!({"lines": lines, "place": place(), "format": "json", "room": 9_000});
    let notification = json!({"id": "n", "run": Uuid::nil(), "outlet": {"Topic": "arn:aws:sns:r:1:t"},
        "at": "2027-01-15T08:00:00Z", "subject": "s", "message": message, "attributes": [], "detail_type": "d",
        "resources": [], "log": log});
    serde_json::from_value(notification).unwrap()
}

/// What stands beside the lines of a notification that was sent.
fn log_in(told: &Notification) -> Value {
    serde_json::from_str::<Value>(&told.message).unwrap()["detail"]["attempts"][0]["log"].take()
}

async fn published(source: &Arc<Source>, notifications: &[Notification]) -> (Vec<(Notification, Instant)>, Duration) {
    let (told, began) = (Arc::new(Told::default()), Instant::now());
    let reader = LogReader::new(Arc::clone(source) as _, Arc::new(NoEcs), LOG_RATE);
    let answers = WithLines::new(Arc::clone(&told) as _, reader).publish(notifications).await;
    assert!(answers.len() == notifications.len() && answers.iter().all(Result::is_ok));
    let told = std::mem::take(&mut *told.0.lock().unwrap());
    (told, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_notification_waits_three_seconds_for_its_lines_and_then_goes_without_them() {
    let (told, took) = published(&Source::of([]), &[asking(5), Notification { log: None, ..asking(5) }]).await;
    assert_eq!((told.len(), took), (2, Duration::from_secs(3)));
    let log = log_in(&told[0].0);
    assert!(log["lines"].is_null() && log["why"].as_str().is_some_and(|why| why.contains("no answer")), "{log}");
    // What comes late, after an empty stream, comes in time.
    let late = Source::of([page(&[], "b", "f"), page(&[], "b", "f"), page(&["last words"], "b", "f")]);
    let (told, took) = published(&late, &[asking(1)]).await;
    assert_eq!((log_in(&told[0].0)["lines"].clone(), took), (json!(["last words"]), Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn of_many_notifications_at_once_those_go_without_lines_for_which_no_call_is_free() {
    let many: Vec<Notification> = (0..10).map(|_| asking(1)).collect();
    let source = Source::of([page(&["x"], "b", "f")]);
    let (told, took) = published(&source, &many).await;
    assert_eq!((told.len(), source.calls().len()), (10, 8), "2 at once, and 2 a second for 3 s");
    assert!(took <= Duration::from_secs(3), "{took:?}");
    let without = told.iter().filter(|(one, _)| log_in(one)["lines"].is_null()).count();
    assert_eq!(without, 2);
}

/// Where a test's log goes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_said_once_a_group() {
    let lines = Lines::default();
    let writer = lines.clone();
    let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(log);
    let denied = || {
        let denied = failure::from_exception("AccessDeniedException", "not authorized to perform: logs:GetLogEvents");
        let source = Source::of([Err(CallError::Refused(Box::new(denied)))]);
        LogReader::new(source as _, Arc::new(NoEcs), LOG_RATE)
    };
    let refused =
        async |reader: &LogReader| reader.last(&place(), 5, Patience::of(Duration::from_secs(10))).await.is_err();
    // A test beside this one may have come to the line first, with nobody to listen: from here on somebody does.
    assert!(refused(&denied()).await);
    tracing::callsite::rebuild_interest_cache();
    lines.0.lock().unwrap().clear();
    let reader = denied();
    for _ in 0..5 {
        assert!(refused(&reader).await);
    }
    let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(said.matches("log lines cannot be read").count(), 1, "{said}");
}
