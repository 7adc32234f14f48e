//! How many messages a second `taskwatch local` carries over HTTP: sent, received and deleted ten a call.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::future::join_all;
use serde_json::{Value, json};
use taskwatch::local::ecs::EcsOptions;
use taskwatch::local::{LocalOptions, Options, RunningLocal, start};

/// Messages of one round; each of 16 connections carries a share, as a fleet of senders and a cell's receivers do.
const MESSAGES: usize = 16_000;
const CONNECTIONS: usize = 16;
/// As long as a Fargate task's event.
const BODY: usize = 2_300;

struct Bench {
    client: reqwest::Client,
    url: String,
    queue: String,
}

impl Bench {
    async fn call(&self, operation: &str, body: &Value) -> Value {
        let target = format!("AmazonSQS.{operation}");
        let sent = self.client.post(&self.url).header("x-amz-target", target).body(body.to_string()).send().await;
        let text = match sent {
            Ok(answer) => answer.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        serde_json::from_str(&text).unwrap_or_default()
    }

    async fn send(&self, messages: usize) {
        let body = "x".repeat(BODY);
        let entries: Vec<Value> = (0..10).map(|n| json!({"Id": n.to_string(), "MessageBody": body})).collect();
        let batch = json!({"QueueUrl": self.queue, "Entries": entries});
        for _ in 0..messages / 10 {
            self.call("SendMessageBatch", &batch).await;
        }
    }

    /// Receives and deletes until `messages` have come; how many did.
    async fn drain(&self, messages: usize) -> usize {
        let receive = json!({"QueueUrl": self.queue, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 1});
        let mut drained = 0;
        while drained < messages {
            let received = self.call("ReceiveMessage", &receive).await;
            let all = received["Messages"].as_array().map(Vec::as_slice).unwrap_or_default();
            if all.is_empty() {
                break;
            }
            let entry = |(n, m): (usize, &Value)| json!({"Id": n.to_string(), "ReceiptHandle": m["ReceiptHandle"]});
            let entries: Vec<Value> = all.iter().enumerate().map(entry).collect();
            self.call("DeleteMessageBatch", &json!({"QueueUrl": self.queue, "Entries": entries})).await;
            drained += all.len();
        }
        drained
    }
}

async fn bench() -> std::io::Result<(RunningLocal, Bench)> {
    let listen = ([127, 0, 0, 1], 0).into();
    let local = start(LocalOptions { listen, identity: Options::default(), ecs: EcsOptions::default() }).await?;
    let mut bench = Bench { client: reqwest::Client::new(), url: local.url(), queue: String::new() };
    let made = bench.call("CreateQueue", &json!({"QueueName": "q"})).await;
    bench.queue = made["QueueUrl"].as_str().unwrap_or_default().to_owned();
    Ok((local, bench))
}

async fn rounds(bench: &Bench, rounds: u64) -> Duration {
    let begun = Instant::now();
    for _ in 0..rounds {
        join_all((0..CONNECTIONS).map(|_| bench.send(MESSAGES / CONNECTIONS))).await;
        let drained: usize = join_all((0..CONNECTIONS).map(|_| bench.drain(MESSAGES / CONNECTIONS))).await.iter().sum();
        assert!(drained >= MESSAGES, "{drained} of {MESSAGES} messages came back");
    }
    begun.elapsed()
}

fn messages(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().enable_all().build() else { return };
    let Ok((_local, bench)) = runtime.block_on(bench()) else { return };
    let mut group = criterion.benchmark_group("local");
    group.throughput(Throughput::Elements(MESSAGES as u64)).sample_size(10);
    group.bench_function("send, receive and delete", |b| b.iter_custom(|n| runtime.block_on(rounds(&bench, n))));
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
