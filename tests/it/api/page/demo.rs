//! The page of `taskwatch demo`: the whole program, as somebody who tries it sees it. It also makes the pictures of the docs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::*;

struct Demo(Child);

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A demo at a free port, and its address.
fn demo(runs: u32, time_scale: u32) -> (Demo, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_taskwatch"))
        .args(["demo", "--stay", "--runs", &runs.to_string(), "--time-scale", &time_scale.to_string()])
        .env_clear()
        .env("TASKWATCH_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("demo");
    let mut said = BufReader::new(child.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    let demo = Demo(child);
    let first = said.next().expect("its first line");
    let address = first.strip_prefix("watch them at ").expect("the page's address").to_owned();
    // It goes on to say how far it is: nobody may keep it from that.
    std::thread::spawn(move || said.for_each(drop));
    (demo, address)
}

/// For the pictures a fleet that is in the midst of it, else one that is soon over.
#[tokio::test(flavor = "multi_thread")]
async fn the_demo_shows_its_fleet_and_a_run_of_it() {
    let Some(mut browser) = Browser::start().await else { return };
    let pictures = std::env::var_os("TASKWATCH_SHOTS").is_some();
    let (runs, time_scale) = if pictures { (2_000, 15) } else { (60, 60) };
    let (_demo, address) = demo(runs, time_scale);
    browser.size(1280, 1020);
    browser.open(&address);
    let sum = "[...document.querySelectorAll('.statuses .number')].slice(-4)
        .reduce((sum, node) => sum + Number(node.textContent.replace(',', '')), 0)";
    let ended = |browser: &mut Browser, percents: &[u32]| {
        percents.iter().for_each(|percent| drop(browser.until(&format!("{sum} >= {}", runs * percent / 100))));
    };
    ended(&mut browser, &[5, 10, 20, 30, 40, 50, 60]);
    assert_eq!(browser.value("document.title"), "demo · taskwatch");
    assert!(browser.value("document.querySelectorAll('.part').length").as_u64() > Some(2), "failures are drawn");
    browser.shot("page-overview");
    ended(&mut browser, &[70, 80, 90, 95, 100]);
    browser.value("location.hash = '#/?status=FAILED&error=Taskwatch.Application'");
    let bad = "[...document.querySelectorAll('.runs tbody a')].find(a => a.textContent.startsWith('bad-program'))";
    browser.until(&format!("document.querySelector('.runs tbody td.what b')?.textContent && {bad}"));
    browser.value(&format!("{bad}.click()"));
    browser.sees("Attempt 3");
    assert_eq!(browser.value("document.querySelectorAll('.timeline ol li').length"), 3);
    browser.size(1280, 860);
    browser.shot("page-run");
    browser.was_quiet(&address, &[]);
}
