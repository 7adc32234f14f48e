//! A machine's clock that was set while the cell was away. While it works it reads no clock but its own.

use std::time::Duration;

use serde_json::json;
use taskwatch::cell::Clock;
use taskwatch::core::run::Status;
use tokio::time::Instant;

use crate::support::fakes::{World, eventually, settle, status, submit};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_clock_set_back_an_hour_neither_hurries_deadlines_nor_puts_them_off() {
    let mut world = World::new();
    let first = world.start().await;
    let retry = json!([{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 600, "MaxAttempts": 1}]);
    let failing = &submit(&first, json!({"retry": retry})).await[0];
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    world.ended(&world.ecs.tasks()[0], 1);
    eventually("it waits", || status(&first, failing) == Status::PendingRetry).await;
    let placed = &submit(&first, json!({"retry": [], "startTimeoutSeconds": 900})).await[0];
    eventually("the other one's task", || status(&first, placed) == Status::Starting).await;
    first.drain(Duration::from_secs(1)).await;

    world.clock = Clock::starting_at(world.clock.now().minus(HOUR));
    let began = Instant::now();
    let second = world.start().await;
    settle().await;
    assert_eq!(status(&second, failing), Status::PendingRetry, "its wait was cut short");
    assert_eq!(world.journal.of("StopTask"), Vec::<String>::new(), "its time was cut short");
    eventually("the retry is launched", || status(&second, failing) == Status::Starting).await;
    let waited = began.elapsed().as_secs();
    assert!((595..=605).contains(&waited), "the retry waited {waited} s of 600");
    eventually("the silent one is stopped", || !world.journal.of("StopTask").is_empty()).await;
    let waited = began.elapsed().as_secs();
    assert!((895..=905).contains(&waited), "the start timeout was over after {waited} s of 900");
    assert_eq!(world.ecs.tasks().len(), 3);
}
