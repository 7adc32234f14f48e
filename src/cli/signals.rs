//! SIGINT and SIGTERM.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::error::CliError;

/// What comes so soon after a signal is the same wish: timeout(1) and a terminal send theirs to the process and to its group, and
/// whoever starts it sends it on.
const SAME: Duration = Duration::from_secs(1);

/// The signals that ask a command to end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    wishes: Wishes,
}

/// Tells a new wish from an echo of the last one.
#[derive(Default)]
struct Wishes {
    last: Option<Instant>,
}

impl Wishes {
    fn is_new(&mut self, now: Instant) -> bool {
        let is_new = self.last.is_none_or(|last| now.duration_since(last) >= SAME);
        if is_new {
            self.last = Some(now);
        }
        is_new
    }
}

impl Signals {
    /// From here on they no longer end the process by themselves.
    pub(super) fn listen() -> Result<Self, CliError> {
        let listen = |kind| signal(kind).map_err(|e| CliError::other(format!("cannot listen to signals: {e}")));
        let (interrupt, terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, wishes: Wishes::default() })
    }

    /// Waits for one; answers the exit code of a process that it ended: 128 + its number.
    pub(super) async fn next(&mut self) -> u8 {
        loop {
            let code = tokio::select! {
                _ = self.interrupt.recv() => 130,
                _ = self.terminate.recv() => 143,
            };
            if self.wishes.is_new(Instant::now()) {
                return code;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_signal_within_a_second_of_another_is_the_same_wish() {
        let mut wishes = Wishes::default();
        let mut after = async |millis| {
            tokio::time::advance(Duration::from_millis(millis)).await;
            wishes.is_new(Instant::now())
        };
        assert_eq!(
            [after(0).await, after(0).await, after(999).await, after(1).await, after(999).await],
            [true, false, false, true, false]
        );
    }
}
