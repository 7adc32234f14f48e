//! Times name their zone, and are told as an instant and as how long ago it was.

use super::*;

/// When the page shows that a run was submitted, once the pointer or the focus asks for it.
const SUBMITTED: &str = "document.querySelector('.runs td.age time').dataset.at";
const SHOWN: &str = "getComputedStyle(document.querySelector('.runs td.age time'), '::after').content";

#[tokio::test(flavor = "multi_thread")]
async fn times_are_utc_as_on_the_command_line_or_local_and_name_their_zone() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.zone("Asia/Kolkata");
    browser.open(&served.url("/#/?name=good"));
    browser.until(&format!("{NAMES} === 'good'"));
    let (_, run) = served.get("/v1/runs/good").await;
    let at = run["submittedAt"].as_str().expect("an instant");
    let utc = format!("{} UTC", at[..19].replace('T', " "));
    assert_eq!(browser.value(SUBMITTED), utc);
    assert_eq!(browser.value("document.querySelector('.runs td.age time').dateTime"), at);
    assert_eq!(
        browser.value("/^(now|\\d+ (s|min) ago)$/.test(document.querySelector('.runs td.age time').textContent)"),
        true
    );
    assert_eq!(browser.value(SHOWN), "none", "as long as nobody asks");
    browser.value("document.querySelector('.runs tbody a').focus()");
    assert_eq!(browser.value(SHOWN), format!("\"{utc}\""), "the focus on its row asks");
    assert_eq!(browser.value("document.getElementById('plot-zone').textContent"), "UTC");
    assert!(
        browser
            .value("document.getElementById('since').textContent")
            .as_str()
            .is_some_and(|text| text.ends_with(" UTC"))
    );

    browser.value(&format!("{}.click()", button("Local +05:30")));
    browser.until(&format!("{SUBMITTED}.endsWith(' +05:30')"));
    let day = "new Date(document.querySelector('.runs td.age time').dateTime).getDate() === Number(document.querySelector('.runs td.age time').dataset.at.slice(8, 10))";
    assert_eq!(browser.value(day), true);
    browser.until("document.getElementById('plot-zone').textContent === '+05:30'");
    browser.value(&format!("{}.querySelector('a').click()", row("good")));
    browser.sees("+05:30 (");
    assert_eq!(browser.value("/UTC/.test(document.getElementById('run').innerText)"), false);
    // This browser remembers it.
    browser.open("about:blank");
    browser.open(&served.url("/#/?name=good"));
    browser.until(&format!("{SUBMITTED}?.endsWith(' +05:30')"));
    browser.value(&format!("{}.click()", button("UTC")));
    browser.until(&format!("{SUBMITTED} === '{utc}'"));
    assert_eq!(browser.value("Object.keys(localStorage).length"), 0);
    browser.was_quiet(&served.url(""), &[]);
}
