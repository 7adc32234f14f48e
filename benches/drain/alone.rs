//! What the calls alone cost, without a cell: a process that receives and deletes until it is stopped.

use std::sync::Arc;
use std::time::Duration;

use taskwatch::aws::{Clients, Target};
use taskwatch::cell::ports::Queue;

use super::Result;

/// Pairs of calls that are out at once.
const AT_ONCE: usize = 24;

/// Never ends by itself.
pub(crate) fn run(endpoint: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let target = Target {
            region: Some("us-east-1".into()),
            endpoint_url: Some(endpoint.to_owned()),
            test_credentials: true,
            ..Target::default()
        };
        let queue = Clients::load(&target).await?.queue(format!("{endpoint}/123456789012/drain-events"));
        let queue = Arc::new(queue) as Arc<dyn Queue>;
        let loops = (0..AT_ONCE).map(|_| tokio::spawn(drain(Arc::clone(&queue))));
        for ended in loops.collect::<Vec<_>>() {
            ended.await?;
        }
        Ok(())
    })
}

async fn drain(queue: Arc<dyn Queue>) {
    loop {
        let messages = queue.receive(Duration::from_secs(1)).await.unwrap_or_default();
        let receipts: Vec<String> = messages.into_iter().map(|message| message.receipt).collect();
        if !receipts.is_empty() {
            let _ = queue.delete(receipts).await;
        }
    }
}
