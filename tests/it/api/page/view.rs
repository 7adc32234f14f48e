//! A filter that is chosen anywhere on the page brings its runs into view, and can be sent to somebody as an address.

use super::*;

/// How far below the top of the window the list's title is, in pixels.
const TOP: &str = "document.getElementById('runs-title').getBoundingClientRect().top";
/// The title and the first run are in the window.
const IN_VIEW: &str = "document.getElementById('runs-title').getBoundingClientRect().top >= 0
    && document.querySelector('.runs tbody tr')?.getBoundingClientRect().bottom <= innerHeight";

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_is_chosen_above_brings_its_runs_into_view() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.size(1400, 900);
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    browser.until("document.querySelector('.plot .part[data-class=Application]') !== null");
    for (what, runs) in [
        ("a.status-link[href*='status=FAILED']", "hostile bad"),
        (".legend a[href*=Application]", "bad"),
        (".plot a[href*=Image]", "hostile"),
        (".tile a[href*=RUNNING]", "runs"),
    ] {
        browser.value("scrollTo(0, 0)");
        assert!(browser.value(TOP).as_f64() > Some(600.0), "the list is below the fold");
        browser.value(&format!("document.querySelector(\"{what}\").dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))"));
        browser.until(&format!("{NAMES} === '{runs}'"));
        browser.until(IN_VIEW);
        assert_eq!(browser.value("document.activeElement.id"), "runs-title", "{what}: the keyboard goes on from there");
        // The same once more, though the address does not change.
        browser.value("scrollTo(0, 0)");
        browser.value(&format!("document.querySelector(\"{what}\").dispatchEvent(new MouseEvent('click', {{bubbles: true, cancelable: true}}))"));
        browser.until(IN_VIEW);
    }
    browser.value("document.querySelector(\"a.status-link[href*='status=SUCCEEDED']\").focus()");
    browser.keys(&["ENTER"]);
    browser.until(&format!("{NAMES} === 'good'"));
    browser.until(IN_VIEW);
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_the_filter_the_order_and_the_run() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.size(1400, 900);
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    // A part of a name is found.
    browser.value("document.getElementById('by-name').focus()");
    browser.keys(&["oo"]);
    browser.until(&format!("{NAMES} === 'good'"));
    assert_eq!(browser.value("location.hash"), "#/?name=*oo*");
    browser.value(&format!("{}.click()", button("Clear")));
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    // Each column sorts, and once more the other way round.
    let head = |column: &str| format!("document.querySelector('[data-column={column}] button').click()");
    browser.value(&head("name"));
    browser.until(&format!("{NAMES} === 'bad good hostile runs'"));
    browser.value(&head("name"));
    browser.until(&format!("{NAMES} === 'runs hostile good bad'"));
    assert_eq!(browser.value("document.querySelector('[data-column=name]').ariaSort"), "descending");
    browser.value(&head("attempts"));
    browser.until(&format!("{NAMES} === 'bad runs hostile good'"));
    assert_eq!(browser.value("location.hash"), "#/?sort=-attempts");

    let link = served.url("/#/?status=FAILED%2CRUNNING&sort=name");
    browser.open(&link);
    browser.until(&format!("{NAMES} === 'bad hostile runs'"));
    browser.until(IN_VIEW);
    browser.value(&format!("{}.querySelector('a').click()", row("bad")));
    browser.sees("Attempt 2");
    let address = browser.value("location.href");
    assert!(address.as_str().is_some_and(|a| a.ends_with("?status=FAILED%2CRUNNING&sort=name")), "{address}");
    browser.open("about:blank");
    browser.open(address.as_str().expect("an address"));
    browser.sees("Attempt 2");
    browser.keys(&["ESCAPE"]);
    browser.until(&format!("{NAMES} === 'bad hostile runs'"));
    assert_eq!(browser.value("document.activeElement.textContent"), "bad");
    browser.was_quiet(&served.url(""), &[]);
}
