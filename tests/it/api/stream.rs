//! Server-sent events: what changes, for whom, and what a client that was away gets.

use std::time::Duration;

use futures::StreamExt as _;
use serde_json::{Value, json};

use super::{Served, serve};
use crate::support::fakes::{World, eventually, request};

/// One event as a browser would see it.
#[derive(Debug)]
pub(super) struct Event {
    pub(super) name: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

/// A stream, read event by event.
pub(super) struct Events {
    bytes: futures::stream::BoxStream<'static, Vec<u8>>,
    text: String,
    /// So far it has been read: who took off what is read after each event would copy megabytes for each.
    read: usize,
}

impl Events {
    pub(super) async fn open(served: &Served, query: &str, last: Option<&str>) -> Self {
        let mut request = served.client.get(served.url(&format!("/v1/stream{query}")));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let bytes = response.bytes_stream().take_while(|chunk| std::future::ready(chunk.is_ok()));
        Self {
            bytes: bytes.map(|chunk| chunk.map(|c| c.to_vec()).unwrap_or_default()).boxed(),
            text: String::new(),
            read: 0,
        }
    }

    /// The next event; `None` when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, _)) = self.text[self.read..].split_once("\n\n") {
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
                let event = field("event").map(|event| Event {
                    name: event.to_owned(),
                    id: field("id").map(str::to_owned),
                    data: serde_json::from_str(field("data").unwrap_or_default()).expect("JSON"),
                });
                self.read += block.len() + 2;
                match event {
                    Some(event) => return Some(event),
                    None => continue,
                }
            }
            self.receive().await?;
        }
    }

    /// Takes what has come, or comes next, off the line; how many bytes.
    async fn receive(&mut self) -> Option<usize> {
        let more = tokio::time::timeout(Duration::from_secs(60), self.bytes.next()).await.expect("an event");
        self.text.drain(..std::mem::take(&mut self.read));
        let more = more?;
        self.text.push_str(std::str::from_utf8(&more).expect("text"));
        Some(more.len())
    }

    pub(super) async fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("an event");
            if event.name == name {
                return event;
            }
        }
    }
}

async fn submit(served: &Served, more: Value) -> Value {
    let (status, taken) = served.post("/v1/runs", "application/json", request(more).to_string()).await;
    assert_eq!(status, 202, "{taken}");
    taken
}

#[tokio::test]
async fn every_change_comes_with_an_id_that_can_be_gone_on_from() {
    let served = serve(World::new(), None).await;
    let mut events = Events::open(&served, "", None).await;
    let hello = events.next().await.expect("an event");
    assert_eq!((hello.name.as_str(), &hello.data["cell"]), ("hello", &json!("c")));
    submit(&served, json!({"name": "a", "retry": []})).await;
    eventually("a task", || served.world.ecs.tasks().len() == 1).await;
    served.world.ended(&served.world.ecs.tasks()[0], 3);
    let mut seen = Vec::new();
    while seen.last().is_none_or(|event: &Event| event.data["final"] != true) {
        seen.push(events.named("run").await);
    }
    let statuses: Vec<&str> = seen.iter().filter_map(|event| event.data["status"].as_str()).collect();
    assert_eq!((statuses[0], statuses[statuses.len() - 1]), ("QUEUED", "FAILED"), "{statuses:?}");
    let last = &seen[seen.len() - 1].data;
    assert_eq!((&last["exitCode"], &last["class"]), (&json!(3), &json!("Taskwatch.Application")), "{last}");
    // Away since the first change: the others come again, and nothing else before them.
    let mut again = Events::open(&served, "", seen[0].id.as_deref()).await;
    for known in &seen[1..] {
        let event = again.next().await.expect("an event");
        assert_eq!((event.id, event.data), (known.id.clone(), known.data.clone()));
    }
    // Behind the greeting nothing was missed.
    let mut from_hello = Events::open(&served, "", hello.id.as_deref()).await;
    assert_eq!(from_hello.next().await.map(|event| event.id), Some(seen[0].id.clone()));
}

#[tokio::test]
async fn who_was_away_for_too_long_is_told_to_look_again() {
    let served = serve(World::new(), None).await;
    for last in ["1-7", "rubbish", ""] {
        let mut events = Events::open(&served, "", Some(last)).await;
        assert_eq!(events.next().await.expect("an event").name, "hello", "{last}");
        assert_eq!(events.next().await.expect("an event").name, "resync", "{last}");
    }
}

#[tokio::test]
async fn a_stream_is_narrowed_and_has_summaries_where_asked_for() {
    let served = serve(World::new(), None).await;
    let mut narrow = Events::open(&served, "?queue=b&status=QUEUED&name=n2&summary=true", None).await;
    for (name, queue) in [("n1", "b"), ("n2", "a"), ("n2x", "b")] {
        submit(&served, json!({"name": name, "queue": queue})).await;
    }
    submit(&served, json!({"name": "other", "queue": "b"})).await;
    let summary = narrow.named("summary").await;
    assert!(summary.data["statuses"]["QUEUED"].is_u64() && summary.id.is_none(), "{summary:?}");
    let mut wide = Events::open(&served, "?queue=b&status=QUEUED&name=late", None).await;
    submit(&served, json!({"name": "late", "queue": "b", "count": 2})).await;
    let names = [wide.named("run").await.data["name"].clone(), wide.named("run").await.data["name"].clone()];
    assert_eq!(names, [json!("late/0"), json!("late/1")]);
    for wrong in ["status=LOST", "summary=perhaps", "since=1"] {
        assert_eq!(served.get(&format!("/v1/stream?{wrong}")).await.0, 400, "{wrong}");
    }
}

#[tokio::test]
async fn streams_are_as_many_as_may_be_and_end_with_the_cell() {
    let served = serve(World::new(), None).await;
    let mut open = Vec::new();
    for _ in 0..64 {
        open.push(Events::open(&served, "", None).await);
    }
    let (status, refused) = served.get("/v1/stream").await;
    assert_eq!((status, &refused["error"]), (429, &json!("TooManyStreams")));
    // The other doors are not held up by them.
    assert_eq!(served.get("/v1/summary").await.0, 200);
    served.shutdown.cancel();
    for mut events in open {
        while events.next().await.is_some() {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_keep_up_is_told_that_it_missed_some() {
    let mut world = World::new();
    world.config.run_task_rate = 0.01;
    let served = serve(world, None).await;
    let mut events = Events::open(&served, "", None).await;
    // Long events: more than the connection's buffers and the feed hold together.
    let name = |n: usize| format!("{n:0>100}");
    let runs = 40_000;
    let line =
        move |n| format!("{}\n", request(json!({"name": name(n), "queue": "q".repeat(128), "until": "stopped"})));
    let lines = futures::stream::iter((0..runs).map(move |n| Ok::<_, std::io::Error>(line(n))));
    let post = served.post("/v1/runs", "application/x-ndjson", reqwest::Body::wrap_stream(lines));
    // Who takes nothing for half a minute is cut off, and a sender learns of room only when a third of its buffer is free: so it
    // takes its share as the runs come, however long the machine needs for them.
    let slowly = async {
        let mut taken = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let runs: usize = served.cell.vitals().waiting.values().sum();
            while taken < runs * 200 {
                taken += events.receive().await.expect("the stream goes on");
            }
        }
    };
    let (status, taken) = tokio::select! { answer = post => answer, never = slowly => never };
    assert_eq!((status, taken["runs"].as_array().map(Vec::len)), (202, Some(runs)));
    let (mut told, mut missed) = (0, 0);
    let mut newest = String::new();
    while told + missed < runs {
        let event = events.next().await.expect("an event");
        match event.name.as_str() {
            "run" => {
                told += 1;
                newest = event.id.expect("an id");
            }
            "resync" => {
                missed += event.data["missed"].as_u64().and_then(|n| usize::try_from(n).ok()).expect("how many")
            }
            _ => {}
        }
    }
    assert!(missed > 0, "all {told} events were held for it");
    // What came after the gap is the newest there was: it is on the line again.
    let last: u64 = newest.rsplit('-').next().and_then(|n| n.parse().ok()).expect("a number");
    assert!(last >= runs as u64, "{newest}");
}
