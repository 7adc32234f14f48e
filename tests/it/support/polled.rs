//! Waiting for what gives no signal: another process, or a counter. The one place in which tests look again and again.

use std::time::{Duration, Instant};

use super::whole::HANGS;

const LOOK: Duration = Duration::from_millis(20);

/// Waits until it is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !is_so().await {
            tokio::time::sleep(LOOK).await;
        }
    };
    assert!(tokio::time::timeout(HANGS, waited).await.is_ok(), "it never came to this: {what}");
}

/// The same where nothing else is to go on meanwhile; `what` is asked for when it never came to that.
pub(crate) fn until(what: impl Fn() -> String, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < HANGS, "it never came to this: {}", what());
        std::thread::sleep(LOOK);
    }
}
