//! What a row and a run say: exit codes, what is waited for, what can be copied.

use super::*;

const WHAT: &str = "(row) => [...row.querySelector('.what').children].map(part => part.textContent.trim())";

fn what(name: &str) -> String {
    format!("({WHAT})({})", row(name))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exit_code_comes_first_is_never_cut_off_and_no_name_is_there_twice() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.open(&served.url("/"));
    browser.until(&format!("{NAMES} === 'runs hostile bad good'"));
    assert_eq!(browser.value(&what("bad")), json!(["exit 4 (app)", ""]));
    let cause = HOSTILE.strip_prefix("CannotPullContainerError: ").expect("ECS's name");
    assert_eq!(browser.value(&what("hostile")), json!(["CannotPullContainerError", cause]));
    assert_eq!(browser.value(&what("good")), json!(["", ""]));
    for width in [1400, 900, 390] {
        browser.size(width, 900);
        let inside = format!(
            "((head, cell) => head.width > 0 && head.right <= cell.right)(...['.what b', '.what'].map(part => {}.querySelector(part).getBoundingClientRect()))",
            row("bad")
        );
        assert_eq!(browser.value(&inside), true, "{width} px");
    }
    browser.value(&format!("{}.querySelector('a').click()", row("bad")));
    browser.sees("exit 4 (app)");
    assert_eq!(
        browser.value("[...document.querySelectorAll('.timeline .outcome')].map(node => node.textContent)"),
        json!(["exit 3 (app)", "exit 4 (app)"])
    );
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_waits_says_what_for_and_who_paused_it() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    browser.open(&served.url("/#/?status=QUEUED"));
    browser.sees("No runs match.");
    let pause = json!({"pause": [{"queue": "team-a"}], "by": "ann", "reason": "freeze"}).to_string();
    let sent = served.client.patch(served.url("/v1/limits")).header("content-type", "application/json").body(pause);
    assert_eq!(sent.send().await.expect("an answer").status(), 200);
    submit(&served, json!({"name": "held", "queue": "team-a"})).await;
    browser.until(&format!("{NAMES} === 'held'"));
    browser.until(&format!("/^queue team-a is paused by ann for \\d+ (s|ms): freeze$/.test({}[0])", what("held")));
    assert_eq!(
        browser.value(&format!("{}.querySelector('.tries').textContent", row("held"))),
        "0",
        "nothing was launched"
    );
    browser.until("document.querySelector('.pauses li').innerText.includes('by ann')");
    browser.value(&format!("{}.querySelector('a').click()", row("held")));
    browser.until(
        "document.querySelector('.waits').textContent.match(/^queue team-a is paused by ann since .* UTC: freeze$/)",
    );
    browser.until("document.querySelector('.timeline .outcome').textContent === 'waiting for a launch slot'");
    assert_eq!(browser.value("/Provisioning/.test(document.getElementById('run').innerText)"), false);
    browser.was_quiet(&served.url(""), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_names_are_copied_and_a_task_leads_to_the_console_of_its_partition() {
    let Some(mut browser) = Browser::start().await else { return };
    let served = lived_in(None).await;
    let (_, bad) = served.get("/v1/runs/bad").await;
    browser.open(&served.url(&format!("/#/runs/{}", bad["run"].as_str().expect("an id"))));
    browser.sees("Attempt 2");
    let arn = bad["attempts"][1]["taskArn"].as_str().expect("an ARN");
    for (what, text) in [("name", "bad"), ("run id", bad["run"].as_str().expect("an id")), ("task ARN", arn)] {
        let copy = format!("document.querySelector('[aria-label=\"Copy {what}\"]')");
        browser.value(&format!("(window.copied = null, navigator.clipboard.writeText = async (text) => {{ window.copied = text; }}, {copy}.click())"));
        browser.until(&format!("window.copied === {}", json!(text)));
        browser.until(&format!("{copy}.textContent === 'Copied'"));
        // Over plain HTTP elsewhere there is no clipboard.
        browser.value(&format!("(navigator.clipboard.writeText = () => Promise.reject(new Error('no')), document.addEventListener('copy', () => {{ window.old = document.activeElement.value; }}, {{once: true}}), {copy}.focus())"));
        browser.keys(&["ENTER"]);
        browser.until(&format!("window.old === {}", json!(text)));
    }
    assert_eq!(
        browser.value("document.querySelector('a[target=_blank]')"),
        Value::Null,
        "no console has the documentation's account"
    );
    let link = |arn: &str, cluster: &str| {
        format!("import('/page/aws.js').then(({{consoleLink}}) => consoleLink({}, {cluster}))", json!(arn))
    };
    for (arn, cluster, url) in [
        (
            "arn:aws:ecs:eu-west-1:111122223333:task/batch/abc",
            "null",
            json!("https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/batch/tasks/abc?region=eu-west-1"),
        ),
        (
            "arn:aws-cn:ecs:cn-north-1:111122223333:task/batch/abc",
            "null",
            json!("https://cn-north-1.console.amazonaws.cn/ecs/v2/clusters/batch/tasks/abc?region=cn-north-1"),
        ),
        (
            "arn:aws-us-gov:ecs:us-gov-west-1:111122223333:task/b/abc",
            "null",
            json!(
                "https://us-gov-west-1.console.amazonaws-us-gov.com/ecs/v2/clusters/b/tasks/abc?region=us-gov-west-1"
            ),
        ),
        (
            "arn:aws:ecs:eu-west-1:111122223333:task/abc",
            "'arn:aws:ecs:eu-west-1:111122223333:cluster/batch'",
            json!("https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/batch/tasks/abc?region=eu-west-1"),
        ),
        (
            "arn:aws:ecs:eu-west-1:111122223333:task/abc",
            "null",
            json!("https://eu-west-1.console.aws.amazon.com/ecs/v2/clusters/default/tasks/abc?region=eu-west-1"),
        ),
        ("arn:aws-iso:ecs:us-iso-east-1:111122223333:task/b/abc", "null", Value::Null),
        ("no ARN", "null", Value::Null),
    ] {
        assert_eq!(browser.value(&link(arn, cluster)), url, "{arn}");
    }
    browser.was_quiet(&served.url(""), &[]);
}
