//! Whether RunTask can be called at all: for those who wait for a task and could not be helped by waiting.

use tokio::sync::watch;

/// What is known of it.
#[derive(Debug, Default)]
enum Known {
    /// No call has ended yet.
    #[default]
    Nothing,
    /// AWS has answered a call: what fails from now on may go well later.
    Reached,
    /// No call has got there, and why.
    Unreached(String),
}

/// Whether any RunTask call has reached AWS.
#[derive(Debug, Default)]
pub(in crate::cell) struct Reach(watch::Sender<Known>);

impl Reach {
    /// AWS answered a call.
    pub(super) fn reached(&self) {
        self.0.send_if_modified(|known| {
            let is_new = !matches!(known, Known::Reached);
            *known = Known::Reached;
            is_new
        });
    }

    /// A call did not get there; whether somebody waits who is told of it.
    pub(super) fn unreached(&self, why: &str) -> bool {
        // Before they are told: they may be gone as soon as they are.
        let waits = self.0.receiver_count() > 0;
        let is_first = self.0.send_if_modified(|known| {
            let is_new = !matches!(known, Known::Reached);
            if is_new {
                *known = Known::Unreached(why.to_owned());
            }
            is_new
        });
        is_first && waits
    }

    /// Resolves when a call did not get there and none had before; why. It waits from the moment it is made.
    pub(in crate::cell) fn unreachable(&self) -> impl Future<Output = String> + use<> {
        let mut known = self.0.subscribe();
        async move {
            let failed = known.wait_for(|known| matches!(known, Known::Unreached(_))).await;
            match failed.as_deref() {
                Ok(Known::Unreached(why)) => why.clone(),
                // The cell has ended, and its calls with it.
                _ => std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[test]
    fn only_a_first_call_that_does_not_get_there_is_told() {
        let reach = Reach::default();
        assert_eq!(reach.unreachable().now_or_never(), None);
        assert!(!reach.unreached("no credentials were found"), "nobody waits");
        assert_eq!(reach.unreachable().now_or_never().as_deref(), Some("no credentials were found"));

        let reach = Reach::default();
        reach.reached();
        let waits = reach.unreachable();
        assert!(!reach.unreached("connection refused"));
        assert_eq!(waits.now_or_never(), None, "it may get there again");

        let reach = Reach::default();
        let waits = reach.unreachable();
        assert!(reach.unreached("connection refused"), "the one who waits says it");
        assert_eq!(waits.now_or_never().as_deref(), Some("connection refused"));
    }
}
