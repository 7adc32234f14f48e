//! What an operator is to look after, at the head of the page.

use super::*;
use crate::api::breakers::{INACTIVE, with_open_breaker};

#[tokio::test(flavor = "multi_thread")]
async fn an_open_breaker_says_why_what_to_do_and_what_comes_next_and_is_resumed() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = with_open_breaker().await;
    browser.open(&served.url("/"));
    browser.sees("Paused: etl:7");
    let text = browser.value("document.getElementById('attention').innerText");
    let text = text.as_str().expect("text");
    for part in
        ["3 attempts failed since", INACTIVE, "What to do", "The next probe, one run, is launched", "SNS:Publish"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert_eq!(browser.value("document.querySelectorAll('#attention script').length"), 0);
    for dark in [false, true] {
        browser.dark(dark);
        for width in [1280, 390] {
            browser.size(width, 1400);
            assert_eq!((browser.value(FAINT), browser.value(WIDE)), (json!([]), json!([])), "{width} px, dark: {dark}");
            browser.shot(&format!("attention-{width}-{}", if dark { "dark" } else { "light" }));
        }
    }
    let named = |label: &str| {
        format!("[...document.querySelectorAll('button')].find(b => [b.ariaLabel, b.textContent].includes('{label}'))")
    };
    browser.value(&format!("{}.click()", named("Resume etl:7")));
    browser.sees("Resume etl:7?");
    assert_eq!(served.cell.open_breakers().len(), 1, "it asks first");
    browser.value(&format!("{}.click()", named("Resume it")));
    browser.until("document.querySelector('.breaker') === null");
    eventually("the run that waited", || served.world.ecs.tasks().len() == 1).await;
    browser.was_quiet(&served.url(""), &[]);
}
