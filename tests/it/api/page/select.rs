//! Several runs are selected, by the pointer and by the keyboard, and stopped or redriven together.

use super::*;

const SELECTED: &str = "document.querySelector('.selection b').textContent";

fn pick(name: &str, more: &str) -> String {
    format!(
        "{}.querySelector('.pick input').dispatchEvent(new MouseEvent('click', {{bubbles: true{more}}}))",
        row(name)
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn selected_runs_are_stopped_and_redriven_together_after_a_question_with_their_number() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    submit(&served, json!({"name": "more"})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 6).await;
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES} === 'more runs hostile bad good'"));
    browser.value(&pick("more", ""));
    browser.until(&format!("{SELECTED} === '1 selected'"));
    browser.value(&pick("bad", ", shiftKey: true"));
    browser.until(&format!("{SELECTED} === '4 selected'"));
    assert_eq!(browser.value("document.querySelector('thead .pick input').indeterminate"), true);
    browser.value(&format!("{}.click()", button("Stop 2…")));
    browser.sees("Stop 2 runs?");
    browser.sees("more, runs. ECS is asked to stop their tasks.");
    browser.sees("2 of the selected have ended and stay as they are.");
    browser.keys(&["ESCAPE"]);
    browser.until("document.querySelector('dialog') === null");
    assert!(served.world.journal.of("StopTask").is_empty(), "it was not confirmed");
    browser.value(&format!("{}.click()", button("Stop 2…")));
    browser.keys(&["wrong day", "ENTER"]);
    eventually("StopTask", || served.world.journal.of("StopTask").len() == 2).await;
    browser.sees("2 runs asked to stop.");
    assert_eq!(served.get("/v1/runs/more").await.1["stopReason"], "wrong day");

    // The same by the keyboard: the space bar selects the run that has the focus.
    browser.value(&format!("{}.querySelector('a').focus()", row("hostile")));
    browser.keys(&["SPACE", "ARROW_DOWN", "SPACE"]);
    browser.until(&format!("{SELECTED} === '2 selected'"));
    assert_eq!(browser.value("document.activeElement.textContent"), "bad", "the focus stays where it is");
    browser.value(&format!("{}.click()", button("Redrive 2…")));
    browser.value(&format!("{}.click()", button("Redrive 2 runs")));
    browser.sees("2 runs redriven.");
    eventually("their tasks", || served.world.ecs.tasks().len() == 8).await;
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_match_are_selected_also_those_on_other_pages() {
    let Some(mut browser) = Browser::start().await else { return };
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    let served = serve(world, None).await;
    let lines: String = (0..120).map(|n| format!("{}\n", request(json!({"name": format!("n-{n}")})))).collect();
    assert_eq!(served.post("/v1/runs", "application/x-ndjson", lines).await.0, 202);
    submit(&served, json!({"name": "other"})).await;
    browser.open(&served.url("/#/?name=n-*"));
    browser.until("document.querySelectorAll('.runs tbody tr').length === 50");
    browser.value("document.querySelector('thead .pick input').click()");
    browser.until(&format!("{SELECTED} === '50 selected'"));
    browser.value(&format!("{}.click()", button("Select all that match")));
    browser.until(&format!("{SELECTED} === '120 selected'"));
    let open = served.cell.runs().iter().filter(|run| !run.status.is_final()).count();
    assert_eq!(open, 121);
    browser.value(&format!("{}.click()", button("Stop 120…")));
    browser.sees("and 115 more");
    browser.value(&format!("{}.click()", button("Stop 120 runs")));
    browser.sees("120 runs asked to stop.");
    let waiting = |run: &taskwatch::core::run::Run| run.stop_asked.is_none() && !run.status.is_final();
    let left: Vec<String> = served.cell.runs().into_iter().filter(waiting).map(|run| run.name).collect();
    assert_eq!(left, ["other"]);
    browser.was_quiet(&served.url(""), &[]);
}
