//! What changes shows by itself, also over a restart of the cell.

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;

/// How far what is seen moved while the page was loaded: <https://web.dev/articles/cls>; up to 0.1 is good.
const SHIFTS: &str = "(window.shifts = 0, new PerformanceObserver((list) => list.getEntries().forEach((shift) => (window.shifts += shift.value)))
    .observe({ type: 'layout-shift', buffered: true }))";

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_shows_without_a_reload() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.open(&served.url("/"));
    browser.until("document.getElementById('link').textContent === 'Live'");
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    assert_eq!(browser.value("document.title"), "c · taskwatch");
    assert_eq!(browser.value("document.getElementById('ready').textContent"), "Ready");
    assert!(browser.value("document.getElementById('tiles').innerText").to_string().contains("quota 1,000 a second"));
    browser.until("document.querySelector('.statuses [data-status=FAILED] .number').textContent === '2'");
    browser.until("document.querySelector('.plot .part[data-class=Application]') !== null");
    browser.until("document.querySelector('#phases tbody tr').children[4].textContent !== '0'");
    browser.value(SHIFTS);
    browser.until("(window.looks = (window.looks ?? 0) + 1) > 10");
    let shifts = browser.value("window.shifts").as_f64().expect("a number");
    assert!(shifts < 0.1, "what is seen jumped by {shifts}");
    browser.value("window.same = true");

    submit(&served, json!({"name": "fresh"})).await;
    browser.until(&format!("{NAMES} === 'fresh runs hostile bad good'"));
    end_newest(&served, 6, 0).await;
    browser.until(&format!("{}.querySelector('.state').textContent === 'SUCCEEDED'", row("fresh")));
    browser.until("document.querySelector('.statuses [data-status=SUCCEEDED] .number').textContent === '2'");
    assert_eq!(browser.value("window.same"), true, "it was not loaded again");
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_the_cell_is_said_and_got_over() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = serve(World::new(), None).await;
    submit(&served, json!({"name": "before"})).await;
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES} === 'before'"));
    browser.value("window.same = true");
    let Served { world, cell, address, shutdown, .. } = served;
    shutdown.cancel();
    cell.drain(std::time::Duration::from_secs(1)).await;
    browser.sees("The connection to the cell is lost");
    browser.until("!document.getElementById('again').hidden");
    browser.shot("disconnected");
    // Meanwhile something happens that no stream tells.
    let cell = world.start().await;
    crate::support::fakes::submit(&cell, json!({"name": "between"})).await;
    let listener = loop {
        // The old one's last connections may still be closing.
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    tokio::spawn(taskwatch::http::serve(listener, cell, None, CancellationToken::new()));
    browser.until("document.getElementById('link').textContent.startsWith('Live')");
    browser.until(&format!("{NAMES} === 'between before'"));
    browser.until("document.getElementById('trouble').hidden");
    assert_eq!(browser.value("window.same"), true, "it was not loaded again");
    browser.was_quiet(&format!("http://{address}"), &["net::ERR_"]);
}
