//! Bounds of the API: kinds and sizes of bodies, who may ask, slow clients, and pauses.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Served, serve};
use crate::support::fakes::{World, eventually, request, settle};

/// A request as raw text; what the cell says until it hangs up.
async fn raw(served: &Served, text: &str) -> String {
    let mut stream = TcpStream::connect(served.address).await.expect("a connection");
    stream.write_all(text.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    // A connection that is cut off has said what it said.
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn only_json_is_taken() {
    let served = serve(World::new(), None).await;
    let body = request(json!({})).to_string();
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let (status, refused) = served.post("/v1/runs", kind, body.clone()).await;
        assert_eq!((status, &refused["error"]), (415, &json!("UnsupportedMediaType")), "{kind}: {refused}");
    }
    for kind in
        ["application/json", "Application/JSON; charset=utf-8", "application/cloudevents+json", "application/x-ndjson"]
    {
        assert_eq!(served.post("/v1/runs", kind, body.clone()).await.0, 202, "{kind}");
    }
    assert_eq!(served.post("/v1/runs/x/stop", "text/plain", "{}").await.0, 415);
    assert_eq!(served.post("/v1/runs/x/stop", "application/json", "x".repeat(70_000)).await.0, 413);
    assert_eq!(served.post("/v1/runs/x/stop", "application/json", "[null]").await.0, 400);
}

#[tokio::test]
async fn lines_are_answered_line_by_line_where_asked_for() {
    let served = serve(World::new(), None).await;
    let lines = format!("{}\n\nrubbish\n{}", request(json!({"name": "a"})), request(json!({"name": "b"})));
    let sent = served.client.post(served.url("/v1/runs")).header("content-type", "application/x-ndjson");
    let response = sent.header("accept", "application/x-ndjson").body(lines.clone()).send().await.expect("an answer");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (202, &"application/x-ndjson".parse().expect("a kind"))
    );
    let text = response.text().await.expect("text");
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(told.len(), 3);
    assert_eq!((&told[0]["line"], &told[0]["runs"][0]["name"]), (&json!(1), &json!("a")));
    assert_eq!(
        (&told[1]["item"], &told[1]["line"], &told[1]["error"]),
        (&json!(1), &json!(3), &json!("InvalidRequest"))
    );
    assert_eq!((&told[2]["line"], &told[2]["runs"][0]["name"]), (&json!(4), &json!("b")));
    let (_, whole) = served.post("/v1/runs", "application/x-ndjson", lines).await;
    assert_eq!(whole["refused"][0]["line"], 3, "{whole}");
}

#[tokio::test]
async fn pages_of_other_sites_and_made_up_names_are_refused() {
    let served = serve(World::new(), None).await;
    let body = request(json!({"name": "a"})).to_string();
    for (name, value) in
        [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("host", "evil.example")]
    {
        let sent =
            served.client.post(served.url("/v1/runs")).header("content-type", "application/json").header(name, value);
        let response = sent.body(body.clone()).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), 403, "{name}: {value}");
        let refused: Value = response.json().await.expect("JSON");
        assert_eq!(refused["error"], "Forbidden");
    }
    let sent = served.client.get(served.url("/v1/runs")).header("host", "evil.example").send().await;
    assert_eq!(sent.expect("an answer").status().as_u16(), 403, "a name that was made to point here");
    assert!(served.cell.runs().is_empty());
}

#[tokio::test]
async fn every_answer_is_closed_to_browsers_and_none_is_html() {
    let served = serve(World::new(), None).await;
    for path in
        ["/v1/runs", "/v1/runs/..%2F..%2Fetc%2Fpasswd", "/../etc/passwd", "/v1/runs/%FF", "/x", "/healthz", "/metrics"]
    {
        let response = served.client.get(served.url(path)).send().await.expect("an answer");
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert!(headers["content-security-policy"].to_str().is_ok_and(|policy| policy.contains("default-src 'none'")));
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert!(!headers["content-type"].to_str().expect("text").contains("html"), "{path}");
    }
    let (status, refused) = served.post("/healthz", "application/json", "").await;
    assert_eq!((status, &refused["error"]), (405, &json!("MethodNotAllowed")));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_says_nothing_or_little_is_let_go() {
    let served = serve(World::new(), None).await;
    // On paused time: the timers of the cell fire as soon as nothing else can happen.
    assert_eq!(raw(&served, "").await, "", "no head");
    assert_eq!(raw(&served, "POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow").await, "", "half a head");
    let body =
        "POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = raw(&served, body).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("RequestTimeout"), "{answer}");
    let lines = body.replace("application/json", "application/x-ndjson");
    let answer = raw(&served, &lines).await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("RequestTimeout"), "{answer}");
    let long = format!("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    assert!(raw(&served, &long).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_body_trickles_is_let_go() {
    let served = serve(World::new(), None).await;
    for kind in ["application/json", "application/x-ndjson"] {
        let mut stream = TcpStream::connect(served.address).await.expect("a connection");
        let head = format!(
            "POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let (mut said, mut answer) = (0, String::new());
        // Until it is hung up on: it would have an hour and a half.
        while said < 300 && stream.write_all(b" ").await.is_ok() {
            said += 1;
            let heard = tokio::time::timeout(std::time::Duration::from_secs(19), stream.read_to_string(&mut answer));
            if heard.await.is_ok() {
                break;
            }
        }
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("RequestTimeout"), "{kind}, {said}: {answer}");
        assert!(answer.contains("500 bytes a second"), "{answer}");
    }
}

#[tokio::test]
async fn a_crowd_is_answered_or_told_to_come_again() {
    let served = serve(World::new(), None).await;
    // Half-sent bodies: as many as may submit, and then as many as may be worked on.
    let half = async |path: &str, many: usize| {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        );
        let mut crowd = Vec::new();
        for _ in 0..many {
            let mut stream = TcpStream::connect(served.address).await.expect("a connection");
            stream.write_all(head.as_bytes()).await.expect("sent");
            crowd.push(stream);
        }
        crowd
    };
    let submitting = half("/v1/runs", 192).await;
    let mut answer = (0, Value::Null);
    while answer.0 != 503 {
        answer = served.post("/v1/runs", "application/json", "{}").await;
    }
    assert_eq!(answer.1["error"], "Busy");
    assert_eq!(served.get("/v1/runs").await.0, 200, "slow submitters keep nobody from looking");
    assert_eq!(served.post("/v1/runs/none/stop", "application/json", "{}").await.0, 404, "nor from stopping");
    let stopping = half("/v1/runs/none/stop", 64).await;
    loop {
        answer = served.get("/v1/runs").await;
        if answer.0 == 503 {
            break;
        }
    }
    assert_eq!(answer.1["error"], "Busy");
    assert_eq!(served.get("/healthz").await.0, 200, "its health is not crowded out");
    drop((submitting, stopping));
    while served.get("/v1/runs").await.0 != 200 {}
}

/// The head of an answer whose body goes on, and the connection that it goes on in.
async fn open(served: &Served, head: &str) -> (String, TcpStream) {
    let mut stream = TcpStream::connect(served.address).await.expect("a connection");
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    (String::from_utf8(answer).expect("text"), stream)
}

#[tokio::test]
async fn an_answer_line_by_line_holds_its_places_until_it_has_ended() {
    let served = serve(World::new(), None).await;
    let lines = "POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/x-ndjson\r\n\
                 Accept: application/x-ndjson\r\nContent-Length: 100\r\n\r\n";
    let events = "GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
    let mut lasting = Vec::new();
    for n in 0..64 {
        let (head, stream) = open(&served, if n % 2 == 0 { lines } else { events }).await;
        assert!(head.starts_with(if n % 2 == 0 { "HTTP/1.1 202 " } else { "HTTP/1.1 200 " }), "{n}: {head}");
        lasting.push(stream);
    }
    for head in [lines, events] {
        let (head, _) = open(&served, head).await;
        assert!(head.starts_with("HTTP/1.1 429 ") && head.contains("retry-after"), "both keep to one bound: {head}");
    }
    // 32 that submit have their answer's head, and are not done: they count among the 192 all the same.
    let half = "POST /v1/runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n\
                Content-Length: 100\r\n\r\n";
    let mut submitting = Vec::new();
    for _ in 0..192 - 32 {
        // The cell asks for the body once it works on the request.
        let (head, stream) = open(&served, half).await;
        assert!(head.starts_with("HTTP/1.1 100 "), "{head}");
        submitting.push(stream);
    }
    let (status, refused) = served.post("/v1/runs", "application/json", "{}").await;
    assert_eq!((status, &refused["error"]), (503, &json!("Busy")), "{refused}");
    assert_eq!(served.get("/v1/runs").await.0, 200);
    // One that comes to its end, and one whose client leaves, make room.
    let mut ending = lasting.remove(0);
    ending.write_all(&[b' '; 100]).await.expect("sent");
    let mut rest = String::new();
    ending.read_to_string(&mut rest).await.ok();
    lasting.remove(0);
    while served.post("/v1/runs", "application/json", "{}").await.0 == 503 {}
    let mut again = Vec::new();
    while again.len() < 2 {
        let (head, stream) = open(&served, events).await;
        again.extend(head.starts_with("HTTP/1.1 200 ").then_some(stream));
    }
}

#[tokio::test]
async fn what_aws_said_is_told_to_those_who_may_ask() {
    let arn = "NonExistentQueue";
    for token in [None, Some("s3cret")] {
        let served = serve(World::new(), token).await;
        served.world.events.refuses.store(true, std::sync::atomic::Ordering::Relaxed);
        served.world.requests.refuses.store(true, std::sync::atomic::Ordering::Relaxed);
        // A receive that is out already is answered first.
        served.world.events.put("{}");
        served.world.requests.put("{}");
        eventually("trouble", || served.cell.not_ready().iter().filter(|why| why.contains(arn)).count() == 2).await;
        let ask = async |header: &'static str, value: &'static str| {
            let sent = served.client.get(served.url("/readyz")).header(header, value).send().await;
            super::answer(sent.expect("an answer")).await
        };
        for (header, value, may) in [
            ("x-none", "", token.is_none()),
            ("authorization", "Bearer s3cret", true),
            ("authorization", "Bearer s3cre", token.is_none()),
            ("host", "evil.example", false),
        ] {
            let (status, told) = ask(header, value).await;
            assert_eq!((status, &told["error"]), (503, &json!("NotReady")));
            let message = told["message"].as_str().expect("text");
            assert!(message.contains("from the events queue (TASKWATCH_EVENTS_QUEUE_URL)"), "{message}");
            assert!(message.contains("from the requests queue (TASKWATCH_REQUESTS_QUEUE_URL)"), "{message}");
            assert_eq!(message.contains(arn), may, "{token:?} {header}: {value}: {message}");
        }
    }
}

#[tokio::test]
async fn pauses_and_limits_by_api_and_command_line() {
    let served = serve(World::new(), None).await;
    let pause =
        ["pause", "--queue", "team-a", "--task-definition", "etl:7", "--by", "ops@host", "--reason", "migration"];
    let output = served.command(&pause, "").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("team-a"), "{output:?}");
    let (status, limits) = served.get("/v1/limits").await;
    let since = limits["pauses"][0]["since"].clone();
    assert!(since.is_string(), "{limits}");
    let expected = json!([
        {"queue": "team-a", "since": since, "by": "ops@host", "reason": "migration"},
        {"taskDefinition": "etl:7", "since": since, "by": "ops@host", "reason": "migration"}
    ]);
    assert_eq!((status, &limits["pauses"]), (200, &expected), "{limits}");
    served.post("/v1/runs", "application/json", request(json!({"name": "held", "queue": "team-a"})).to_string()).await;
    served.post("/v1/runs", "application/json", request(json!({"name": "free"})).to_string()).await;
    eventually("the free one's task", || served.world.ecs.tasks().len() == 1).await;
    settle().await;
    let (_, held) = served.get("/v1/runs/held").await;
    assert_eq!((&held["status"], &held["attempts"][0]["stage"]), (&json!("QUEUED"), &json!("Waiting")), "{held}");
    let waiting = json!({"reason": "QUEUE_PAUSED", "since": since, "by": "ops@host", "until": null,
        "text": format!("queue team-a is paused by ops@host since {}: migration", since.as_str().unwrap_or_default())});
    assert_eq!(held["waitingFor"], waiting);
    let (_, listed) = served.get("/v1/runs?queue=team-a").await;
    assert_eq!((&listed["runs"][0]["waitingFor"], &listed["runs"][0]["attempts"]), (&waiting, &json!(0)), "{listed}");
    let output = served.command(&["resume", "--queue", "team-a", "--output", "json"], "").await;
    let limits: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&limits["pauses"][0]["taskDefinition"], &limits["pauses"][1]), (&json!("etl:7"), &json!(null)));
    eventually("the held one's task", || served.world.ecs.tasks().len() == 2).await;
    let patch = async |body: &str| {
        let sent = served.client.patch(served.url("/v1/limits")).header("content-type", "application/json");
        super::answer(sent.body(body.to_owned()).send().await.expect("an answer")).await
    };
    let (status, limits) = patch("{\"runTaskRate\": 7.5}").await;
    assert_eq!((status, &limits["runTaskRate"]), (200, &json!(7.5)));
    for wrong in ["{\"runTaskRate\": 0}", "{\"rate\": 1}", "", "[]", "null", "{"] {
        let (status, refused) = patch(wrong).await;
        assert_eq!((status, &refused["error"]), (400, &json!("InvalidRequest")), "{wrong}: {refused}");
    }
    let output = served.command(&["pause"], "").await;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}
