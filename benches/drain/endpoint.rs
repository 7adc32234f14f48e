//! As much of SQS and ECS as a draining cell calls, over HTTP/1.1, every answer so many milliseconds late.
//!
//! It is to take as little of the machine as can be, for the cell that is measured has the same cores.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::Result;
use super::backlog::Backlog;

/// Messages of a receive.
const MOST: usize = 10;
const EVENTS: &str = "/123456789012/drain-events";
const DEFINITION: &str = r#"{"taskDefinition":{"containerDefinitions":[{"name":"voterintake","essential":true}]}}"#;

pub(crate) struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    backlog: Arc<Backlog>,
    away: Duration,
    open: AtomicBool,
    next: AtomicUsize,
    gone: Vec<AtomicBool>,
    deleted: AtomicUsize,
    receives: AtomicUsize,
    deletes: AtomicUsize,
    polls: AtomicUsize,
    most_polls: AtomicUsize,
}

impl Endpoint {
    pub(crate) async fn start(backlog: Arc<Backlog>, away: Duration) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let gone = (0..backlog.len()).map(|_| AtomicBool::new(false)).collect();
        let none = AtomicUsize::default;
        let shared = Shared {
            backlog,
            away,
            open: AtomicBool::new(false),
            next: none(),
            gone,
            deleted: none(),
            receives: none(),
            deletes: none(),
            polls: none(),
            most_polls: none(),
        };
        let shared = Arc::new(shared);
        tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self { address, shared })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From here on there are messages.
    pub(crate) fn open(&self) {
        self.shared.open.store(true, Ordering::Release);
    }

    /// Messages deleted, each counted once.
    pub(crate) fn deleted(&self) -> usize {
        self.shared.deleted.load(Ordering::Acquire)
    }

    pub(crate) fn receives(&self) -> usize {
        self.shared.receives.load(Ordering::Relaxed)
    }

    pub(crate) fn deletes(&self) -> usize {
        self.shared.deletes.load(Ordering::Relaxed)
    }

    /// Most receives that were out at once.
    pub(crate) fn most_polls(&self) -> usize {
        self.shared.most_polls.load(Ordering::Relaxed)
    }
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let _ = serve(stream, &shared).await;
        });
    }
}

async fn serve(stream: TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::with_capacity(16 * 1024, stream);
    let (mut line, mut body) = (String::new(), Vec::new());
    loop {
        let (mut length, mut operation) = (0, String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                if line == "\r\n" {
                    break;
                }
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse().unwrap_or(0);
            } else if name.eq_ignore_ascii_case("x-amz-target") {
                operation = value.split('.').next_back().unwrap_or_default().to_owned();
            }
        }
        body.resize(length, 0);
        stream.read_exact(&mut body).await?;
        let came = Instant::now();
        let text = String::from_utf8_lossy(&body);
        let polls = operation == "ReceiveMessage" && text.contains(EVENTS);
        if polls {
            let polls = shared.polls.fetch_add(1, Ordering::Relaxed) + 1;
            shared.most_polls.fetch_max(polls, Ordering::Relaxed);
        }
        let (status, answer) = shared.answer(&operation, &text).await;
        tokio::time::sleep_until(came + shared.away).await;
        if polls {
            shared.polls.fetch_sub(1, Ordering::Relaxed);
        }
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\nx-amzn-requestid: {}\r\ncontent-length: {}\r\n\r\n",
            "00000000-0000-0000-0000-000000000000",
            answer.len()
        );
        stream.get_mut().write_all(&[head.as_bytes(), answer.as_bytes()].concat()).await?;
    }
}

impl Shared {
    async fn answer(&self, operation: &str, body: &str) -> (&'static str, String) {
        let answer = match operation {
            "ReceiveMessage" => self.receive(body).await,
            "DeleteMessageBatch" => self.delete(body),
            "DescribeTaskDefinition" => DEFINITION.to_owned(),
            "DescribeTasks" => r#"{"tasks":[],"failures":[]}"#.to_owned(),
            _ => return ("400 Bad Request", r#"{"__type":"InvalidAction","message":"not here"}"#.to_owned()),
        };
        ("200 OK", answer)
    }

    async fn receive(&self, body: &str) -> String {
        let is_events = body.contains(EVENTS);
        let seconds = body.split("\"WaitTimeSeconds\":").nth(1).and_then(|rest| rest.split([',', '}']).next());
        let seconds = seconds.and_then(|text| text.parse().ok()).unwrap_or(0);
        let until = Instant::now() + Duration::from_secs(seconds);
        let taken = loop {
            if is_events && self.open.load(Ordering::Acquire) {
                let from = self.next.fetch_add(MOST, Ordering::Relaxed);
                break (from..from + MOST).filter_map(|n| self.backlog.message(n)).collect();
            }
            if Instant::now() >= until {
                break Vec::new();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        if is_events {
            self.receives.fetch_add(1, Ordering::Relaxed);
        }
        if taken.is_empty() { "{}".to_owned() } else { format!("{{\"Messages\":[{}]}}", taken.join(",")) }
    }

    fn delete(&self, body: &str) -> String {
        let mut done = Vec::with_capacity(MOST);
        for (n, entry) in body.split("\"ReceiptHandle\":\"").skip(1).enumerate() {
            let number = entry.get(..8).and_then(|hex| usize::from_str_radix(hex, 16).ok());
            if let Some(gone) = number.and_then(|number| self.gone.get(number))
                && !gone.swap(true, Ordering::AcqRel)
            {
                self.deleted.fetch_add(1, Ordering::AcqRel);
            }
            done.push(format!("{{\"Id\":\"{n}\"}}"));
        }
        self.deletes.fetch_add(1, Ordering::Relaxed);
        format!("{{\"Successful\":[{}]}}", done.join(","))
    }
}
