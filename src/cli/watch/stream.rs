//! Follows the cell's stream, and takes it up again whenever it breaks.

use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use super::data;
use super::state::Message;
use crate::cli::client::{Server, root};
use crate::cli::sse::{Event, Parser};

/// A summary comes every second; when nothing comes for so long the line is dead.
const SILENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// Tells what the stream tells until nobody listens.
pub(super) async fn follow(server: Server, tell: Sender<Message>) {
    let mut last = None;
    loop {
        let why = until_it_breaks(&server, &mut last, &tell).await;
        if tell.send(Message::Lost(why)).await.is_err() {
            return;
        }
        sleep(PAUSE).await;
    }
}

/// One connection; why it ended. `last` is the id of the last event seen.
async fn until_it_breaks(server: &Server, last: &mut Option<String>, tell: &Sender<Message>) -> String {
    let summaries = [("summary", "true".to_owned())];
    let response = match timeout(SILENCE, server.stream(&summaries, last.as_deref())).await {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return format!("{}: no answer", server.url()),
    };
    let _ = tell.send(Message::Open).await;
    let mut pieces = response.bytes_stream();
    let mut parser = Parser::default();
    loop {
        let piece = match timeout(SILENCE, pieces.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => {
                return format!("{}: the stream broke ({})", server.url(), root(&error.without_url()));
            }
            Ok(None) => return format!("{}: the cell ended the stream", server.url()),
            Err(_) => return format!("{}: nothing came for {} s", server.url(), SILENCE.as_secs()),
        };
        let Some(events) = parser.take(&piece) else { return format!("{}: not a cell's stream", server.url()) };
        for event in events {
            let message = message(&event);
            if event.id.is_some() {
                *last = event.id;
            }
            if let Some(message) = message
                && tell.send(message).await.is_err()
            {
                return String::new();
            }
        }
    }
}

/// What an event means; none for those that mean nothing here.
fn message(event: &Event) -> Option<Message> {
    let value = || serde_json::from_str(&event.data).ok();
    match event.name.as_str() {
        "run" => data::read(value()?).map(|row| Message::Change(Box::new(row))),
        "summary" => data::read(value()?).map(|summary| Message::Summary(Box::new(summary))),
        "resync" => Some(Message::Resync),
        _ => None,
    }
}
