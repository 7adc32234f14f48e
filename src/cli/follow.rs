//! Follows the changes of runs by a cell's stream, and takes it up again whenever it breaks.

use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::time::{sleep, timeout};
use tokio_util::bytes::Bytes;

use super::client::{Server, root};
use super::error::CliError;
use super::output;
use super::sse::{Event, Parser};

/// A comment comes every 15 s; when nothing comes for so long the line is dead.
const SILENCE: Duration = Duration::from_secs(40);
/// Between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What the stream tells.
#[derive(Debug)]
pub(super) enum News {
    /// A run is now this.
    Run(Value),
    /// Changes may have been missed: look at the runs again.
    Missed,
}

/// The changes of some runs, from the moment that this was opened.
pub(super) struct Changes {
    server: Server,
    query: Vec<(&'static str, String)>,
    /// The id of the last event seen.
    last: Option<String>,
    line: Option<Line>,
    told: VecDeque<News>,
}

/// One connection.
struct Line {
    pieces: BoxStream<'static, reqwest::Result<Bytes>>,
    parser: Parser,
}

impl Changes {
    /// Begins to follow: whatever changes once this has answered is told.
    pub(super) async fn open(server: &Server, query: Vec<(&'static str, String)>) -> Result<Self, CliError> {
        let mut changes = Self { server: server.clone(), query, last: None, line: None, told: VecDeque::new() };
        changes.connect().await?;
        Ok(changes)
    }

    async fn connect(&mut self) -> Result<(), CliError> {
        let response = self.server.stream(&self.query, self.last.as_deref()).await?;
        self.line = Some(Line { pieces: response.bytes_stream().boxed(), parser: Parser::default() });
        Ok(())
    }

    /// The next thing that the stream tells. While the cell is away it waits for it, and says so once.
    pub(super) async fn next(&mut self) -> News {
        let mut said = false;
        loop {
            if let Some(news) = self.told.pop_front() {
                return news;
            }
            let Err(why) = self.read().await else { continue };
            self.line = None;
            if !std::mem::replace(&mut said, true) {
                output::problem(&format!("{why}; trying again until it is back"));
            }
            sleep(PAUSE).await;
            if self.connect().await.is_ok() && self.last.is_none() {
                // Nothing tells what went by meanwhile.
                self.told.push_back(News::Missed);
            }
        }
    }

    /// Reads what came; an error when the line is down.
    async fn read(&mut self) -> Result<(), String> {
        let url = self.server.url().to_owned();
        let down = |why: &str| format!("{url}: {why}");
        let line = self.line.as_mut().ok_or_else(|| down("no answer"))?;
        let piece = match timeout(SILENCE, line.pieces.next()).await {
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(error))) => return Err(down(&format!("the stream broke ({})", root(&error.without_url())))),
            Ok(None) => return Err(down("the cell ended the stream")),
            Err(_) => return Err(down(&format!("nothing came for {} s", SILENCE.as_secs()))),
        };
        let events = line.parser.take(&piece).ok_or_else(|| down("this is no stream of a cell"))?;
        for event in events {
            self.told.extend(news(&event));
            self.last = event.id.or(self.last.take());
        }
        Ok(())
    }
}

fn news(event: &Event) -> Option<News> {
    match event.name.as_str() {
        "run" => serde_json::from_str(&event.data).ok().map(News::Run),
        "resync" => Some(News::Missed),
        _ => None,
    }
}
