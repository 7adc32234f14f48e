//! The changes of runs as server-sent events. Nothing is held for a slow client: it learns that it missed some.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior};
use utoipa::IntoParams;

use super::error::{ApiError, ErrorBody};
use super::extract::Params;
use super::filter::statuses;
use super::view::Brief;
use super::{Api, guard};
use crate::cell::RunChange;
use crate::core::filter::RunFilter;
use crate::core::run::Status;
use crate::front::{Came, Changes, Front};

/// A comment when nothing happened, so that proxies and clients know that the line lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a summary is sent to those who asked for it.
const SUMMARY: Duration = Duration::from_secs(1);

/// What is to be streamed.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// Only runs that are now in this status, or in one of several, with commas between them.
    #[param(
        nullable = false,
        pattern = "^(QUEUED|STARTING|RUNNING|PENDING_RETRY|SUCCEEDED|FAILED|TIMED_OUT|ABORTED)$"
    )]
    status: Option<String>,
    /// Only runs of this queue.
    #[param(nullable = false)]
    queue: Option<String>,
    /// Only the run of this name; of an array request, all its runs.
    #[param(nullable = false)]
    name: Option<String>,
    /// A `summary` event every second.
    #[param(default = false)]
    summary: bool,
}

/// The id of change `number` of this life of the process.
pub(super) fn event_id(front: &Front, number: u64) -> String {
    format!("{}-{number}", front.began_at().millis())
}

/// The number in an id, if it is of this life.
fn number(front: &Front, id: &str) -> Option<u64> {
    let (life, number) = id.split_once('-')?;
    if life.parse() == Ok(front.began_at().millis()) { number.parse().ok() } else { None }
}

/// Streams every change of every run as server-sent events (`text/event-stream`).
///
/// Events: `hello` first, with the id to go on from; `run`, a RunSummary, with an id; `resync`, when changes were missed: list the
/// runs again and go on; `summary`, where asked for. A comment every 15 s keeps the line alive. `Last-Event-ID` goes on behind that
/// change if it is still kept (the last 4,096 are), else the first event is a `resync`.
#[utoipa::path(get, path = "/v1/stream", tag = "runs", operation_id = "stream",
    params(Wanted, ("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was seen", nullable = false)),
    responses(
        (status = 200, description = "Events until either side ends", body = String, content_type = "text/event-stream"),
        (status = 429, description = "TooManyStreams", body = ErrorBody,
            headers(("Retry-After" = u32, description = "Seconds"))),
    ))]
pub(super) async fn stream(
    State(api): State<Api>,
    Params(wanted): Params<Wanted>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let statuses = wanted.status.as_deref().map(statuses).transpose()?;
    let place = guard::stream_place(&api)?;
    let last = headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default());
    let events = Watching::begin(api, wanted, statuses, last);
    let sse = Sse::new(events.stream()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    Ok(guard::holding(sse.into_response(), place))
}

/// One client's stream.
struct Watching {
    api: Api,
    filter: RunFilter,
    /// What is to be sent before anything that comes.
    first: VecDeque<Outgoing>,
    coming: Changes,
    summaries: Option<Interval>,
}

/// One event.
enum Outgoing {
    Hello(u64),
    Change(Option<u64>, Arc<RunChange>),
    Resync { missed: Option<u64> },
    Summary,
}

impl Watching {
    fn begin(api: Api, wanted: Wanted, statuses: Option<Vec<Status>>, last: Option<&str>) -> Self {
        let mut first = VecDeque::new();
        let front = &api.front;
        let kept = last.and_then(|id| number(front, id)).and_then(|seen| front.changes_after(seen));
        let coming = match kept {
            Some((missed, coming)) => {
                first.extend(missed.into_iter().map(|one| Outgoing::Change(Some(one.number), one.change)));
                coming
            }
            None => {
                let coming = front.changes();
                first.push_back(Outgoing::Hello(front.last_change()));
                if last.is_some() {
                    first.push_back(Outgoing::Resync { missed: None });
                }
                coming
            }
        };
        let summaries = wanted.summary.then(|| {
            let mut ticks = tokio::time::interval(SUMMARY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let filter = RunFilter { statuses, queue: wanted.queue, name: wanted.name, ..RunFilter::default() };
        Self { api, filter, first, coming, summaries }
    }

    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut watching| async {
            let next = watching.next().await?;
            Some((Ok(event(&watching.api, &next).await), watching))
        })
    }

    /// The next event; `None` once the cell shuts down.
    async fn next(&mut self) -> Option<Outgoing> {
        loop {
            if let Some(first) = self.first.pop_front() {
                match first {
                    Outgoing::Change(_, change) if !self.filter.fits(change.as_ref()) => continue,
                    first => return Some(first),
                }
            }
            let tick = async {
                match &mut self.summaries {
                    Some(ticks) => drop(ticks.tick().await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.api.shutdown.cancelled() => return None,
                () = tick => return Some(Outgoing::Summary),
                came = self.coming.next() => match came? {
                    Came::Change(number, change) if self.filter.fits(change.as_ref()) => {
                        return Some(Outgoing::Change(number, change));
                    }
                    Came::Change(..) => {}
                    Came::Missed(missed) => return Some(Outgoing::Resync { missed }),
                },
            }
        }
    }
}

async fn event(api: &Api, outgoing: &Outgoing) -> Event {
    let front = &api.front;
    match outgoing {
        Outgoing::Hello(number) => {
            let id = event_id(front, *number);
            of("hello", &json!({"cell": front.name(), "at": id})).id(id)
        }
        Outgoing::Change(number, change) => {
            let event = of("run", &Brief::from(change.as_ref()));
            match number {
                Some(number) => event.id(event_id(front, *number)),
                None => event,
            }
        }
        Outgoing::Resync { missed } => of("resync", &json!({"missed": missed})),
        Outgoing::Summary => of("summary", &api.latest.get(front).await),
    }
}

fn of(name: &str, data: &impl Serialize) -> Event {
    // One line: JSON has no raw line breaks.
    Event::default().event(name).data(serde_json::to_string(data).unwrap_or_default())
}
