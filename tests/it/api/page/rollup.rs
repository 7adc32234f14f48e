//! An array request in numbers: its runs by status, and its failures grouped by cause.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn an_array_request_is_counted_and_its_failures_are_grouped_by_cause() {
    let Some(mut browser) = Browser::start().await else { return };
    let mut world = World::new();
    world.config.run_task_rate = 1_000.0;
    let served = serve(world, None).await;
    submit(&served, json!({"name": "fleet", "count": 9, "retry": []})).await;
    eventually("their tasks", || served.world.ecs.tasks().len() == 9).await;
    let tasks = served.world.ecs.tasks();
    for task in &tasks[..3] {
        served.world.ended(task, 3);
    }
    for (n, task) in tasks[3..5].iter().enumerate() {
        let reason = format!("CannotPullContainerError: pull access denied for repository 01234567{n}/etl");
        served.world.event(task, 9, "STOPPED", json!({"stopCode": "TaskFailedToStart", "stoppedReason": reason}));
    }
    served.world.ended(&tasks[5], 0);
    served.world.ended(&tasks[8], 4);
    eventually("their ends", || served.cell.runs().iter().filter(|run| run.status.is_final()).count() == 7).await;
    browser.open(&served.url("/#/runs/fleet"));
    browser.until("location.hash === '#/?name=fleet'");
    let counts = "[...document.querySelectorAll('.counts li')].map(item => item.textContent).join(', ')";
    browser.until(&format!("{counts} === 'STARTING 2, SUCCEEDED 1, FAILED 6'"));
    assert_eq!(browser.value("document.querySelector('.rollup h3').textContent"), "9 runs");
    let causes = "[...document.querySelectorAll('.causes tbody tr')].map(row => [...row.children].slice(0, 2).map(cell => cell.textContent))";
    assert_eq!(
        browser.value(causes),
        json!([["3", "exit 3 (app)"], ["2", "CannotPullContainerError"], ["1", "exit 4 (app)"]])
    );
    // It goes on while they do.
    served.world.ended(&tasks[6], 0);
    browser.until(&format!("{counts} === 'STARTING 1, SUCCEEDED 2, FAILED 6'"));
    // Each number leads to its runs and no others, and the whole stays in sight.
    for (row, runs) in [(2, 2), (1, 3), (3, 1)] {
        browser.value(&format!("document.querySelector('.causes tbody tr:nth-child({row}) a').click()"));
        browser.until(&format!("{NAMES}.split(' ').filter(Boolean).length === {runs}"));
        browser.until(&format!("{counts} === 'STARTING 1, SUCCEEDED 2, FAILED 6'"));
    }
    let field = "document.getElementById('by-exitCode').value";
    assert_eq!(browser.value(field), "4");
    browser.value("location.hash = '#/'");
    browser.until("document.querySelector('.rollup').hidden");
    // Any other runs are grouped on demand.
    browser.value(&format!("{}.click()", button("Group failures by cause")));
    browser.until("document.querySelectorAll('.causes tbody tr').length === 3");
    browser.was_quiet(&served.url(""), &[]);
}
