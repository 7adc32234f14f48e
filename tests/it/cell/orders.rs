//! Orders of other processes, which come with the events.

use serde_json::json;
use taskwatch::core::order::{Order, Target};
use taskwatch::core::run::Status;

use crate::support::fakes::{World, eventually, settle, status, submit};

#[tokio::test(start_paused = true)]
async fn an_order_stops_the_run_of_the_life_in_which_it_was_seen() {
    let world = World::new();
    let cell = world.start().await;
    let run = submit(&cell, json!({"name": "a"})).await.remove(0);
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    let (this, earlier) = (Target::from(&run), Target { redrives: 7, ..Target::from(&run) });
    world.events.put(&Order::Stop { runs: vec![earlier], reason: "stale".into() }.message());
    eventually("the order to be done with", || world.journal.of("Delete").len() == 1).await;
    assert_eq!(cell.run(run.id).and_then(|run| run.stop_asked), None, "it was begun again since");
    world.events.put(&Order::Stop { runs: vec![this], reason: "late".into() }.message());
    eventually("a stop", || cell.run(run.id).is_some_and(|run| run.stop_asked.as_deref() == Some("late"))).await;
}

#[tokio::test(start_paused = true)]
async fn an_order_that_comes_twice_begins_a_run_again_once() {
    let world = World::new();
    let cell = world.start().await;
    let run = submit(&cell, json!({"name": "a", "retry": []})).await.remove(0);
    let end = async |tasks: usize| {
        eventually("a task", || world.ecs.tasks().len() == tasks).await;
        world.ended(&world.ecs.tasks()[tasks - 1], 3);
        eventually("an end", || status(&cell, &run) == Status::Failed).await;
    };
    end(1).await;
    let order = Order::Redrive { runs: vec![Target::from(&run)] }.message();
    world.events.put(&order);
    end(2).await;
    world.events.put(&order);
    settle().await;
    assert_eq!((status(&cell, &run), world.ecs.tasks().len()), (Status::Failed, 2));
    assert_eq!(cell.run(run.id).map(|run| run.redrives), Some(1));
}

#[tokio::test(start_paused = true)]
async fn an_order_that_cannot_be_carried_out_now_comes_again_and_one_that_cannot_be_read_does_not() {
    let mut world = World::new();
    world.config.max_queued = 1;
    world.config.max_in_flight = 1;
    let cell = world.start().await;
    let failed = submit(&cell, json!({"name": "a", "retry": []})).await.remove(0);
    eventually("a task", || world.ecs.tasks().len() == 1).await;
    world.ended(&world.ecs.tasks()[0], 3);
    eventually("an end", || status(&cell, &failed) == Status::Failed).await;
    submit(&cell, json!({"name": "b"})).await;
    eventually("the next task", || world.ecs.tasks().len() == 2).await;
    submit(&cell, json!({"name": "c"})).await;
    // The event of the end is deleted with others, a moment later.
    settle().await;
    let deleted = || world.journal.of("Delete").len();
    let before = deleted();
    world.events.put(&Order::Redrive { runs: vec![Target::from(&failed)] }.message());
    settle().await;
    assert_eq!((deleted(), status(&cell, &failed)), (before, Status::Failed), "as many wait as may");
    world.events.put(
        &json!({"source": "taskwatch", "detail-type": "Taskwatch Order", "detail": {"order": "dance"}}).to_string(),
    );
    eventually("the other to be dropped", || deleted() == before + 1).await;
    assert_eq!(cell.counters().malformed.get(), 1);
}
