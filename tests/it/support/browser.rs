//! A real headless Chromium, driven by selenium (`tests/python/browser.py`). One at a time: each is hungry.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::Once;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::python;

/// The driver fails by itself before that, and says what the page looked like.
const ANSWER: Duration = Duration::from_secs(150);
/// For the browser to close.
const CLOSING: Duration = Duration::from_secs(20);

static ONE_AT_A_TIME: Semaphore = Semaphore::const_new(1);

/// A browser with an empty profile. Its methods block: the cell it looks at runs on the runtime's other threads.
pub(crate) struct Browser {
    child: Child,
    stdin: Option<ChildStdin>,
    /// The lines of its stdout.
    answers: Receiver<String>,
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    /// `None` where there is no Chromium, unless `TASKWATCH_BROWSER=required`.
    pub(crate) async fn start() -> Option<Self> {
        let (Some(chromium), Some(driver)) = (found(&["chromium", "chromium-browser"]), found(&["chromedriver"]))
        else {
            skipped();
            return None;
        };
        let turn = ONE_AT_A_TIME.acquire().await.expect("a turn");
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/browser.py");
        let mut command = tokio::task::spawn_blocking(python::command).await.expect("an environment");
        command.arg(script).arg(chromium).arg(driver).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the browser's driver");
        let stdin = child.stdin.take();
        let stdout = BufReader::new(child.stdout.take().expect("stdout"));
        let (says, answers) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| says.send(line)));
        let mut browser = Self { child, stdin, answers, _turn: turn };
        let ready = browser.answer();
        assert!(ready["ready"].is_string(), "the browser did not start: {ready}");
        browser.command(json!({"do": "dark", "is": false}));
        browser.size(1280, 900);
        Some(browser)
    }

    fn answer(&mut self) -> Value {
        match self.answers.recv_timeout(ANSWER) {
            Ok(line) => serde_json::from_str(&line).unwrap_or_else(|_| panic!("no answer of the driver's: {line:?}")),
            Err(RecvTimeoutError::Disconnected) => panic!("the browser's driver ended"),
            Err(RecvTimeoutError::Timeout) => panic!("the browser's driver did not answer for {ANSWER:?}"),
        }
    }

    fn command(&mut self, command: Value) -> Value {
        let stdin = self.stdin.as_mut().expect("stdin");
        writeln!(stdin, "{command}").expect("a command");
        let mut answer = self.answer();
        if let Some(error) = answer["error"].as_str() {
            panic!("{command}: {error}");
        }
        answer["value"].take()
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.command(json!({"do": "open", "url": url}));
    }

    /// The value of a JavaScript expression.
    pub(crate) fn value(&mut self, code: &str) -> Value {
        self.command(json!({"do": "script", "code": code}))
    }

    /// Waits until an expression is true; its value.
    pub(crate) fn until(&mut self, code: &str) -> Value {
        self.command(json!({"do": "until", "code": code}))
    }

    /// Waits until the page shows a text.
    pub(crate) fn sees(&mut self, text: &str) {
        self.until(&format!("document.body.innerText.includes({})", json!(text)));
    }

    /// Presses keys as a person does: selenium's names of keys, or texts.
    pub(crate) fn keys(&mut self, keys: &[&str]) {
        self.command(json!({"do": "keys", "keys": keys}));
    }

    pub(crate) fn size(&mut self, width: u32, height: u32) {
        self.command(json!({"do": "size", "width": width, "height": height}));
    }

    pub(crate) fn dark(&mut self, is: bool) {
        self.command(json!({"do": "dark", "is": is}));
    }

    /// The zone of the browser's clock, by its IANA name.
    pub(crate) fn zone(&mut self, name: &str) {
        self.command(json!({"do": "zone", "name": name}));
    }

    /// A picture, where `TASKWATCH_SHOTS` names a folder for them.
    pub(crate) fn shot(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("TASKWATCH_SHOTS") {
            let path = PathBuf::from(folder).join(format!("{name}.png"));
            self.command(json!({"do": "shot", "path": path}));
        }
    }

    /// Nothing was asked of another host than `url`'s, and the console is empty but for lines that have one of these parts.
    pub(crate) fn was_quiet(&mut self, url: &str, but_for: &[&str]) {
        let log = self.command(json!({"do": "log"}));
        let lines = |name: &str| log[name].as_array().cloned().unwrap_or_default();
        let asked = lines("asked");
        assert!(asked.len() > 10, "what the page asked for was not seen: {log}");
        let elsewhere: Vec<_> =
            asked.iter().filter(|asked| !asked.as_str().is_some_and(|a| a.starts_with(url))).collect();
        assert!(elsewhere.is_empty(), "asked of others: {elsewhere:?}");
        let console: Vec<Value> = lines("console");
        let said: Vec<_> =
            console.iter().filter(|line| !but_for.iter().any(|part| line.to_string().contains(part))).collect();
        assert!(said.is_empty(), "on the console: {said:?}");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The end of its input is its sign to close the browser.
        drop(self.stdin.take());
        let until = Instant::now() + CLOSING;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The first of these programs on the path.
fn found(names: &[&str]) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|dir| names.iter().map(move |name| dir.join(name)))
        .find(|file| file.is_file())
}

fn skipped() {
    let why = "there is no chromium with its chromedriver on PATH (Debian: chromium, chromium-driver)";
    assert!(std::env::var("TASKWATCH_BROWSER").as_deref() != Ok("required"), "TASKWATCH_BROWSER=required, but {why}");
    static SAID: Once = Once::new();
    // Past the test harness, which would keep it to itself.
    SAID.call_once(|| drop(writeln!(std::io::stderr(), "\nSKIPPED: the browser tests of the page: {why}\n")));
}
