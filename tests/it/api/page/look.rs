//! How it looks, and what can be reached: contrast, narrow screens, keyboard.

use super::*;

/// Texts whose colour is too near to what is behind them: WCAG 2.2, 1.4.3.
pub(super) const FAINT: &str = "(() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = (colour) => {
        const [r, g, b] = parts(colour).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (node) => {
        for (; node; node = node.parentElement) {
            const ground = getComputedStyle(node).backgroundColor;
            if ((parts(ground)[3] ?? 1) > 0) return ground;
        }
        return 'rgb(255, 255, 255)';
    };
    const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = [];
    let seen = 0;
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
        seen += 1;
        const style = getComputedStyle(node);
        const colour = node instanceof SVGElement ? style.fill : style.color;
        const found = ratio(colour, behind(node));
        if (found < 4.5) faint.push(`${walker.currentNode.data.trim()}: ${colour} on ${behind(node)}: ${found.toFixed(2)}`);
    }
    return seen > 30 ? faint : [`only ${seen} texts were seen`];
})()";

/// What reaches beyond the right edge.
pub(super) const WIDE: &str = "[...document.querySelectorAll('body *')].filter((node) => node.checkVisibility() && !node.closest('.unseen, .scroll, thead, .skip, td > *')
    && node.getBoundingClientRect().right > innerWidth + 0.5).map((node) => node.outerHTML.slice(0, 120))
    .concat(document.documentElement.scrollWidth > innerWidth ? ['it scrolls sideways'] : [])";

#[tokio::test(flavor = "multi_thread")]
async fn every_text_stands_out_in_both_themes_and_fits_a_phone() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    let pause = json!({"pause": [{"queue": "team-a"}]}).to_string();
    let sent = served.client.patch(served.url("/v1/limits")).header("content-type", "application/json").body(pause);
    assert_eq!(sent.send().await.expect("an answer").status(), 200);
    submit(&served, json!({"name": "held", "queue": "team-a"})).await;
    let (_, bad) = served.get("/v1/runs/bad").await;
    let run = format!("/#/runs/{}", bad["run"].as_str().expect("an id"));
    for (path, shown) in [("/", "hostile"), (run.as_str(), "What to do")] {
        browser.open(&served.url(path));
        browser.sees(shown);
        browser.sees("Ready");
        let name = if path == "/" { "overview" } else { "run" };
        for dark in [false, true] {
            browser.dark(dark);
            browser.size(1280, 1000);
            assert_eq!(browser.value(FAINT), json!([]), "{path} dark: {dark}");
            assert_eq!(browser.value(WIDE), json!([]), "{path} on a desk");
            browser.shot(&format!("{name}-{}", if dark { "dark" } else { "light" }));
            for width in [390, 700] {
                browser.size(width, 1400);
                assert_eq!(browser.value(WIDE), json!([]), "{path} at {width} px");
                assert_eq!(browser.value(FAINT), json!([]), "{path} at {width} px, dark: {dark}");
                browser.shot(&format!("{name}-{width}-{}", if dark { "dark" } else { "light" }));
            }
        }
    }
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_cell_says_how_runs_come() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = serve(World::new(), None).await;
    browser.open(&served.url("/"));
    browser.sees("There is no run yet.");
    browser.sees("No attempt has failed in the last hour.");
    for width in [1280, 390] {
        browser.size(width, 1300);
        assert_eq!((browser.value(FAINT), browser.value(WIDE)), (json!([]), json!([])), "{width} px");
        browser.shot(&format!("empty-{width}"));
    }
    assert_eq!(browser.value("/NaN|undefined|null|Infinity/.test(document.body.innerText)"), false);
    browser.value("location.hash = '#/?status=FAILED'");
    browser.sees("No runs match.");
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keyboard_alone_leads_from_the_filter_to_a_run_and_back() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    // The first stop of Tab leads past everything to the runs, the next ones through the filter.
    browser.keys(&["TAB"]);
    assert_eq!(browser.value("document.activeElement.id"), "skip");
    browser.keys(&["ENTER"]);
    assert_eq!(browser.value("document.activeElement.id"), "runs-title");
    for status in ["QUEUED", "STARTING", "RUNNING", "PENDING_RETRY", "SUCCEEDED", "FAILED"] {
        browser.keys(&["TAB"]);
        assert_eq!(browser.value("document.activeElement.value"), status);
        let outline = "getComputedStyle(document.activeElement.closest('.chip')).outlineStyle";
        assert_eq!(browser.value(outline), "solid", "focus is seen");
    }
    browser.keys(&["SPACE"]);
    browser.until(&format!("{NAMES} === 'hostile bad'"));
    assert_eq!(browser.value("location.hash"), "#/?status=FAILED");
    browser.keys(&["TAB", "TAB", "TAB"]);
    assert_eq!(browser.value("document.activeElement.id"), "by-name");
    browser.keys(&["ENTER"]);
    browser.until("document.activeElement.textContent === 'hostile'");
    browser.keys(&["ARROW_DOWN"]);
    assert_eq!(browser.value("document.activeElement.textContent"), "bad");
    browser.keys(&["ENTER"]);
    browser.sees("Attempt 2");
    assert_eq!(browser.value("document.activeElement.textContent"), "bad", "its title has the focus");
    assert_eq!(browser.value("document.activeElement.tagName"), "H1");
    browser.keys(&["ESCAPE"]);
    browser.until("!document.getElementById('overview').hidden && document.activeElement.textContent === 'bad'");
    assert_eq!(browser.value("location.hash"), "#/?status=FAILED", "the filter is as it was");
    browser.was_quiet(&served.url(""), &[]);
}
