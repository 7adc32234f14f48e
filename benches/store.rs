//! The durable store: commits of many transitions, and opening with many open runs.

use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use taskwatch::core::ids::Token;
use taskwatch::core::machine::{Input, apply};
use taskwatch::core::request::RunRequest;
use taskwatch::core::run::Run;
use taskwatch::core::time::Timestamp;
use taskwatch::store::{Change, FileStore, Store};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// Transitions in a commit: what gathers during one fsync at full load.
const BATCH: usize = 256;
const OPEN: usize = 1_000_000;

fn runs(count: usize) -> Vec<Run> {
    let request = r#"{"runTask": {"taskDefinition": "etl:7", "launchType": "FARGATE", "networkConfiguration":
        {"awsvpcConfiguration": {"subnets": ["subnet-0a", "subnet-0b"]}}}, "until": "stopped"}"#;
    let Ok(request) = RunRequest::parse(request) else { return Vec::new() };
    let spec = Arc::new(request.spec);
    let placed = |n: usize| {
        let index = u32::try_from(n).unwrap_or_default();
        let mut run = Run::new(uuid::Uuid::now_v7(), format!("fleet/{n}"), index, Arc::clone(&spec), NOW);
        apply(&mut run, &Input::Submitted, NOW);
        apply(&mut run, &Input::Launching { token: Token::of([format!("{n:040}")]), group_size: 1 }, NOW);
        let task_arn = format!("arn:aws:ecs:eu-west-1:123456789012:task/batch/{n:032x}");
        apply(&mut run, &Input::Placed { task_arn: task_arn.into(), created_at: Some(NOW) }, NOW);
        run
    };
    (0..count).map(placed).collect()
}

fn puts(runs: &[Run]) -> Arc<[Change]> {
    runs.iter().map(|run| Change::Put(Arc::new(run.clone()))).collect()
}

fn commits(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().build() else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    let Ok(store) = FileStore::open(dir.path()) else { return };
    let mut batch = runs(BATCH);
    // Each commit is a transition further.
    let mut next = || {
        batch.iter_mut().for_each(|run| run.revision += 1);
        puts(&batch)
    };
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH as u64)).sample_size(20);
    group.bench_function("commit 256 transitions of runs", |b| {
        b.iter_batched(&mut next, |batch| runtime.block_on(store.commit(batch)), BatchSize::LargeInput);
    });
    group.finish();
}

fn opening(criterion: &mut Criterion) {
    let Ok(runtime) = tokio::runtime::Builder::new_multi_thread().build() else { return };
    let Ok(dir) = tempfile::tempdir() else { return };
    {
        let Ok(store) = FileStore::open(dir.path()) else { return };
        for chunk in runs(OPEN).chunks(10_000) {
            let _ = runtime.block_on(store.commit(puts(chunk)));
        }
    }
    let mut group = criterion.benchmark_group("store");
    group.sample_size(10);
    group.bench_function("open with 1,000,000 open runs", |b| {
        b.iter(|| {
            let store = FileStore::open(dir.path());
            let load = async |store: FileStore| store.load().await?.runs.all().await.map(|runs| runs.len());
            let loaded = store.map(|store| runtime.block_on(load(store)));
            assert!(matches!(loaded, Ok(Ok(OPEN))), "not every run was there");
        });
    });
    group.finish();
}

criterion_group!(benches, commits, opening);
criterion_main!(benches);
