//! Filter, a run's page, and what an operator can do there.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_shows_its_attempts_causes_and_hints_and_no_text_becomes_code() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.open(&served.url("/#/?error=Taskwatch.Application"));
    browser.until(&format!("{NAMES} === 'bad'"));
    browser.value("document.querySelector('.runs tbody a').click()");
    browser.sees("Attempt 2");
    let text = browser.value("document.getElementById('run').innerText");
    let text = text.as_str().expect("text");
    for part in ["FAILED", "What to do", "Exit code\n4", "Exit code\n3", "team-b", "Essential container in task exited"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(browser.value("document.querySelectorAll('.timeline ol li').length"), 2);
    let bars =
        "[...document.querySelectorAll('.timeline ol li')].every(row => row.querySelectorAll('rect').length > 0)";
    assert_eq!(browser.value(bars), true);

    browser.value("history.back()");
    browser.until(&format!("{NAMES} === 'bad'"));
    browser.value("location.hash = '#/'");
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    assert_eq!(browser.value(&format!("{}.innerText.includes('<script>')", row("hostile"))), true);
    browser.value(&format!("{}.querySelector('a').click()", row("hostile")));
    browser.sees(HOSTILE);
    assert_eq!(browser.value("document.title"), "c · taskwatch");
    assert_eq!(browser.value("document.querySelectorAll('#run script, #run img, #list script, #list img').length"), 0);

    browser.value("location.hash = '#/runs/nobody'");
    browser.sees("NotFound");
    let seen = "[...document.querySelectorAll('#run :is(.panel, dl, pre, .timeline, button)')].filter(node => node.checkVisibility()).length";
    assert_eq!(browser.value(seen), 0, "an unknown run is an error and nothing else");
    browser.was_quiet(&served.url(""), &["404"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_redrive_pause_and_resume_ask_first() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.open(&served.url("/"));
    browser.until(&row("runs"));
    browser.value(&format!("{}.querySelector('a').click()", row("runs")));
    browser.until(&button("Stop…"));
    browser.value(&format!("{}.click()", button("Stop…")));
    browser.sees("Stop runs?");
    browser.keys(&["ESCAPE"]);
    browser.until("document.querySelector('dialog') === null");
    assert_eq!(browser.value("location.hash.startsWith('#/runs/')"), true, "Escape closed the question, not the run");
    assert!(served.world.journal.of("StopTask").is_empty(), "it was not confirmed");
    browser.value(&format!("{}.click()", button("Stop…")));
    browser.keys(&["enough of it", "ENTER"]);
    eventually("StopTask", || !served.world.journal.of("StopTask").is_empty()).await;
    browser.sees("enough of it");
    served.world.ended(&served.world.ecs.tasks()[4], 137);
    browser.sees("ABORTED");
    browser.until(&button("Redrive…"));
    browser.value(&format!("{}.click()", button("Redrive…")));
    browser.value(&format!("{}.click()", button("Redrive it")));
    eventually("its next task", || served.world.ecs.tasks().len() == 6).await;
    browser.sees("1 ×");

    browser.value("location.hash = '#/'");
    browser.until("document.getElementById('pause-name')?.checkVisibility()");
    browser.value("document.getElementById('pause-name').focus()");
    browser.keys(&["team-a", "ENTER"]);
    browser.sees("Pause queue team-a?");
    browser.value(&format!("{}.click()", button("Pause")));
    browser.sees("Paused: queue team-a");
    assert_eq!(served.get("/v1/limits").await.1["pauses"][0]["queue"], "team-a");
    browser.value(&format!("{}.click()", button("Resume")));
    browser.sees("Nothing is paused by an operator.");
    assert_eq!(served.get("/v1/limits").await.1["pauses"], json!([]));
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_kept_in_the_tab() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(Some("s3cret")).await;
    browser.open(&served.url("/"));
    browser.sees("This cell needs its token");
    assert_eq!(browser.value("document.activeElement.id"), "token-value");
    browser.keys(&["wrong", "ENTER"]);
    browser.sees("The cell refused this token.");
    browser.keys(&["s3cret", "ENTER"]);
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    browser.sees("Live");
    browser.open(&served.url("/#/?status=RUNNING"));
    browser.until(&format!("{NAMES} === 'runs'"));
    assert_eq!(browser.value("[Object.keys(localStorage).length, document.cookie]"), json!([0, ""]));
    browser.was_quiet(&served.url(""), &["401"]);
}
