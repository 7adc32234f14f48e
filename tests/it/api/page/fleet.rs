//! The panel of a fleet.

use super::super::fleet::of_two_processes;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_panel_of_a_fleet_shows_who_serves_which_cell_and_which_nobody_does() {
    let Some(mut browser) = Browser::start().await else { return };
    let fleet = of_two_processes().await;
    let served = &fleet.served;
    browser.open(&served.url("/"));
    browser.until("document.getElementById('what').textContent === 'fleet'");
    let title = "document.getElementById('fleet-title').textContent";
    browser.until(&format!("{title} === 'Fleet: 2 processes, 3 cells, 1 not served'"));
    let rows = |n: usize| {
        format!(
            "[...document.querySelectorAll('#fleet table')][{n}].querySelectorAll('tbody tr').values().map(row => [...row.children].map(cell => cell.textContent)).toArray()"
        )
    };
    assert_eq!(
        browser.value(&rows(0)),
        json!([["blue-0", "one", "2", "7"], ["blue-1", "two", "1", "0"], ["blue-2", "nobody", "3", "unknown"]])
    );
    let processes = browser.value(&rows(1));
    assert_eq!(
        (&processes[0][0], &processes[0][3], &processes[1][4]),
        (&json!("one"), &json!("0.5 s ago"), &json!("blue-1"))
    );
    browser.was_quiet(&served.url(""), &[]);
}
