//! A door to an endpoint that can be shut in several ways while a client uses it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the door is. Changing it breaks every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// To the endpoint.
    Open,
    /// Connections are taken and nothing is ever answered.
    Hung,
    /// Calls reach the endpoint, and no answer comes back.
    Mute,
    /// Nobody listens.
    Shut,
    /// Every call is answered as AWS answers credentials that have run out.
    Expired,
    /// Every call is answered as DynamoDB answers what comes too fast.
    Throttled,
}

pub(crate) struct Proxy {
    address: SocketAddr,
    door: watch::Sender<Door>,
    hung: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) async fn to(endpoint: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("its address");
        let door = watch::Sender::new(Door::Open);
        let hung = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(listener, endpoint, door.subscribe(), Arc::clone(&hung)));
        Self { address, door, hung }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, door: Door) {
        self.door.send_replace(door);
    }

    /// Connections that hung so far.
    pub(crate) fn hung(&self) -> usize {
        self.hung.load(Ordering::Relaxed)
    }
}

async fn serve(listener: TcpListener, endpoint: SocketAddr, mut doors: watch::Receiver<Door>, hung: Arc<AtomicUsize>) {
    let address = listener.local_addr().expect("its address");
    let mut listener = Some(listener);
    loop {
        let door = *doors.borrow_and_update();
        if door == Door::Shut {
            listener = None;
            if doors.changed().await.is_err() {
                return;
            }
            continue;
        }
        let open = match listener.take() {
            Some(open) => open,
            None => TcpListener::bind(address).await.expect("its port again"),
        };
        // Dropped with the round, and every connection with it.
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                changed = doors.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                accepted = open.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    hung.fetch_add(usize::from(door == Door::Hung), Ordering::Relaxed);
                    connections.spawn(pass(stream, endpoint, door));
                }
            }
        }
        listener = Some(open);
    }
}

async fn pass(mut stream: TcpStream, endpoint: SocketAddr, door: Door) {
    match door {
        Door::Open => {
            if let Ok(mut to) = TcpStream::connect(endpoint).await {
                let _ = copy_bidirectional(&mut stream, &mut to).await;
            }
        }
        Door::Mute => {
            if let Ok(mut to) = TcpStream::connect(endpoint).await {
                let (mut from, _kept_open) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            }
        }
        Door::Expired => {
            let _ = answer_all(stream, expired).await;
        }
        Door::Throttled => {
            let _ = answer_all(stream, |_| throttled()).await;
        }
        Door::Hung | Door::Shut => std::future::pending().await,
    }
}

/// A status, a content type, and a body.
type Answer = (&'static str, &'static str, String);

/// By the service's protocol (common errors of the AWS APIs: `ExpiredTokenException`, `ExpiredToken`).
fn expired(is_json: bool) -> Answer {
    let message = "The security token included in the request is expired";
    if is_json {
        let body = format!("{{\"__type\":\"ExpiredTokenException\",\"message\":\"{message}\"}}");
        return ("400 Bad Request", "application/x-amz-json-1.1", body);
    }
    let error = format!("<Error><Type>Sender</Type><Code>ExpiredToken</Code><Message>{message}</Message></Error>");
    ("403 Forbidden", "text/xml", format!("<ErrorResponse>{error}</ErrorResponse>"))
}

/// DynamoDB's (developer guide, "Error handling with DynamoDB": `ThrottlingException`, 400).
fn throttled() -> Answer {
    let message = "Rate of requests exceeds the allowed throughput.";
    let kind = "com.amazonaws.dynamodb.v20120810#ThrottlingException";
    let body = format!("{{\"__type\":\"{kind}\",\"message\":\"{message}\"}}");
    ("400 Bad Request", "application/x-amz-json-1.0", body)
}

/// Answers every call alike; whether it is one in JSON its headers say.
async fn answer_all(stream: TcpStream, answer: impl Fn(bool) -> Answer) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut length, mut json) = (0, false);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            json |= line.starts_with("x-amz-target:");
            if let Some(bytes) = line.strip_prefix("content-length:") {
                length = bytes.trim().parse().unwrap_or(0);
            }
        }
        stream.read_exact(&mut vec![0; length]).await?;
        let (status, kind, body) = answer(json);
        let length = body.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}
