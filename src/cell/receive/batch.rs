//! The messages of one receive, from hand to deletion.

use std::time::Duration;

use futures::StreamExt as _;
use futures::future::FutureExt as _;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

use super::super::ports::Message;
use super::{Fate, Receiving};

/// So long a message may be in hand while others go through: less than the shortest visibility timeout that `doctor` is content
/// with, 30 s.
const IN_HAND: Duration = Duration::from_secs(25);
/// Between two checks whether others go through.
const CHECK: Duration = Duration::from_secs(5);

/// Receipts by what is to become of their messages.
struct Receipts(Vec<Option<String>>);

impl Receipts {
    /// Takes them out of the messages, whose handling does not need them.
    fn of(messages: &mut [Message]) -> Self {
        Self(messages.iter_mut().map(|message| Some(std::mem::take(&mut message.receipt))).collect())
    }

    /// Those of these fates that are this one.
    fn with(&mut self, wanted: Fate, fates: &[(usize, Fate)]) -> Vec<String> {
        let these = fates.iter().filter(|(_, fate)| *fate == wanted);
        these.filter_map(|(n, _)| self.0.get_mut(*n)?.take()).collect()
    }

    fn rest(&mut self) -> Vec<String> {
        self.0.iter_mut().filter_map(Option::take).collect()
    }
}

impl Receiving {
    /// Resolves when each message of a receive is done, released, or left to come again.
    pub(super) async fn take(&self, mut messages: Vec<Message>) {
        let mut receipts = Receipts::of(&mut messages);
        let handle = |(n, message)| self.handler.handle(message).map(move |fate| (n, fate));
        let handled: FuturesUnordered<_> = messages.iter().enumerate().map(handle).collect();
        let mut handled = handled.ready_chunks(messages.len());
        // What they cause at once becomes durable in one commit.
        let deciding = self.gathering.begin();
        let at_once = handled.next().now_or_never().flatten();
        drop(deciding);
        if let Some(fates) = at_once {
            self.settle(&mut receipts, &fates).await;
        }
        let mut cut_off = std::pin::pin!(self.lifecycle.cut_off());
        let mut late = std::pin::pin!(tokio::time::sleep(IN_HAND));
        loop {
            tokio::select! {
                biased;
                fates = handled.next() => match fates {
                    Some(fates) => self.settle(&mut receipts, &fates).await,
                    None => return,
                },
                () = &mut cut_off => return self.release(receipts.rest()).await,
                () = &mut late => {
                    if self.flow.goes_on(CHECK) {
                        return self.give_up(receipts.rest().len());
                    }
                    // Nothing goes through: that is not this message's fault, and receiving it again would help nobody.
                    late.as_mut().reset(Instant::now() + CHECK);
                }
            }
        }
    }

    async fn settle(&self, receipts: &mut Receipts, fates: &[(usize, Fate)]) {
        let (done, released) = (receipts.with(Fate::Done, fates), receipts.with(Fate::Release, fates));
        let left = receipts.with(Fate::Leave, fates).len();
        if !done.is_empty() {
            self.deletes.push(done);
        }
        self.flow.put_down(left);
        self.release(released).await;
    }

    pub(super) async fn release(&self, receipts: Vec<String>) {
        if receipts.is_empty() {
            return;
        }
        let count = receipts.len();
        if let Err(error) = self.queue.release(receipts).await {
            tracing::debug!(%error, "messages were not released; they come again after their visibility timeout");
        }
        self.flow.put_down(count);
    }

    fn give_up(&self, count: usize) {
        tracing::warn!(
            count,
            "messages of {} were not done with within {} s while others were; they come again",
            self.kind.queue(),
            IN_HAND.as_secs()
        );
        self.flow.put_down(count);
    }
}
