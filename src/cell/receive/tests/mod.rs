//! On paused time: a pipeline between a queue that is far away and a store that takes its time.

mod fakes;

use std::sync::atomic::Ordering;
use std::time::Duration;

use fakes::World;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn away(millis: u64) -> World {
    World::new((ms(millis), Duration::ZERO))
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_queue_has_one_long_receive_out() {
    let world = away(10).start();
    pass(1200).await;
    let seen = world.queue.seen();
    assert_eq!((seen.most_polls, seen.polls), (1, 1));
    assert!(seen.receives <= 62, "{} receives in 20 minutes", seen.receives);
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_drained_by_overlapping_calls_and_then_one_receive_is_out_again() {
    let world = away(10).start();
    world.queue.put(0, 10_000);
    let took = world.until_deleted(10_000).await;
    // One after the other: a thousand times 10 ms for the receive, 20 for the commit, 10 for the delete.
    assert!(took < ms(2500), "{took:?}");
    assert_eq!(world.queue.seen().deletes.iter().filter(|batch| batch.len() < 10).count(), 0);
    pass(3).await;
    let before = world.queue.seen().receives;
    pass(100).await;
    let seen = world.queue.seen();
    assert_eq!(seen.polls, 1);
    assert!(seen.receives - before <= 7, "{} receives in 100 s", seen.receives - before);
}

#[tokio::test(start_paused = true)]
async fn the_farther_the_queue_the_more_receives_are_out() {
    let mut most = Vec::new();
    for latency in [1, 10, 100] {
        let world = away(latency).start();
        // 1,000 a second.
        for n in 0..10_000 {
            world.queue.put(n, n + 1);
            tokio::time::sleep(ms(1)).await;
        }
        let took = world.until_deleted(10_000).await;
        assert!(took < ms(1000), "{took:?} after the last had come, {latency} ms away");
        most.push(world.queue.seen().most_polls);
    }
    assert!(most[0] <= 2 && most[1] <= 8 && most[2] >= 10 && most[2] <= 40, "{most:?}");
}

/// A machine that is busy makes every receive slower by as many as are out.
#[tokio::test(start_paused = true)]
async fn receives_that_only_slow_each_other_down_are_not_added() {
    let world = World::new((ms(1), ms(2))).start();
    world.queue.put(0, 20_000);
    world.until_deleted(20_000).await;
    assert!(world.queue.seen().most_polls <= 20, "{}", world.queue.seen().most_polls);
}

#[tokio::test(start_paused = true)]
async fn no_more_are_in_hand_than_may_be() {
    let world = away(10);
    world.handler.commit.send_replace(None);
    let world = world.start();
    world.queue.put(0, 5000);
    pass(60).await;
    let taken = world.queue.seen().most_taken;
    assert_eq!((taken, world.deleted()), (40, 0), "before anything went through");
    world.handler.commit.send_replace(Some(ms(20)));
    world.until_deleted(2500).await;
    world.handler.commit.send_replace(None);
    pass(60).await;
    assert_eq!(world.queue.seen().most_taken, 500);
    world.handler.commit.send_replace(Some(ms(20)));
    world.until_deleted(5000).await;
    assert_eq!(world.queue.seen().most_taken, 500);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_before_it_is_durable() {
    let world = away(3).start();
    world.queue.put(0, 3000);
    while world.deleted() < 3000 {
        tokio::time::sleep(ms(1)).await;
        let (seen, durable) = (world.queue.seen(), world.handler.durable.lock().unwrap());
        assert!(seen.deleted.is_subset(&durable));
    }
}

#[tokio::test(start_paused = true)]
async fn messages_of_several_receives_share_a_delete_and_the_last_waits_for_nobody() {
    let world = away(5).start();
    for n in 0..200 {
        world.queue.put(n, n + 1);
        tokio::time::sleep(ms(7)).await;
    }
    let took = world.until_deleted(200).await;
    assert!(took < ms(100), "{took:?}");
    let seen = world.queue.seen();
    assert!(
        seen.receives >= 100 && seen.deletes.len() <= 40,
        "{} receives, {} deletes",
        seen.receives,
        seen.deletes.len()
    );
}

#[tokio::test(start_paused = true)]
async fn messages_come_while_there_is_room() {
    let world = away(10);
    world.handler.room.store(false, Ordering::Relaxed);
    let world = world.start();
    world.queue.put(0, 100);
    pass(60).await;
    assert_eq!(world.queue.seen().receives, 0);
    world.handler.room.store(true, Ordering::Relaxed);
    assert!(world.until_deleted(100).await < ms(1000));
}

#[tokio::test(start_paused = true)]
async fn at_the_end_what_is_durable_is_deleted_and_the_rest_given_back() {
    let world = away(10).start();
    world.queue.put(0, 1000);
    world.until_deleted(500).await;
    world.handler.stuck.lock().unwrap().extend((0..1000).map(|n| n.to_string()));
    tokio::time::sleep(ms(30)).await;
    world.lifecycle.drain(tokio::time::Instant::now() + ms(6000)).await;
    assert!(world.handed() > 0, "some are stuck");
    let receives = world.queue.seen().receives;
    world.lifecycle.end().await;
    assert_eq!(world.handed(), 0);
    let (seen, durable) = (world.queue.seen(), world.handler.durable.lock().unwrap());
    assert_eq!(seen.deleted, *durable);
    assert!(!seen.released.is_empty() && seen.released.is_disjoint(&seen.deleted));
    assert_eq!((seen.receives, seen.polls), (receives, 0), "it received on");
    // What a receive brought before the end is here or there.
    let unseen = 1000 - seen.deleted.len() - seen.released.len();
    assert_eq!(unseen, world.queue.left(), "messages in nobody's hands");
}

/// The only poll of an idle queue is a long one; what it brings as the cell drains is not left hidden.
#[tokio::test(start_paused = true)]
async fn a_long_receive_that_has_just_begun_is_waited_for_at_the_end() {
    let world = away(10).start();
    world.queue.put(0, 1);
    world.until_deleted(1).await;
    pass(2).await;
    world.queue.put(1, 3);
    tokio::time::sleep(ms(5)).await;
    // The next long receive is out and has not reached the queue.
    world.queue.put(3, 5);
    world.lifecycle.drain(tokio::time::Instant::now() + ms(6000)).await;
    world.lifecycle.end().await;
    let seen = world.queue.seen();
    assert_eq!((seen.deleted.len(), seen.polls), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_errs_is_asked_less_and_less_and_heard_again() {
    let world = away(10).start();
    world.queue.put(0, 2000);
    world.until_deleted(1000).await;
    assert!(world.queue.seen().polls > 4);
    world.queue.refuses.store(true, Ordering::Relaxed);
    pass(1).await;
    let before = world.queue.seen().receives;
    pass(600).await;
    let tried = world.queue.seen().receives - before;
    assert!((20..=30).contains(&tried), "{tried} receives in ten minutes");
    world.queue.refuses.store(false, Ordering::Relaxed);
    world.queue.put(2000, 2100);
    let took = world.until_deleted(2100).await;
    assert!(took < ms(32_000), "{took:?}");
    let breaks = world.handler.breaks.lock().unwrap();
    assert!(breaks.len() == 1 && breaks[0] > ms(590_000), "{breaks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hangs_is_given_up_while_others_go_through() {
    let world = away(10);
    world.handler.stuck.lock().unwrap().insert("3".into());
    let world = world.start();
    for second in 0..40 {
        world.queue.put(second * 10, second * 10 + 10);
        pass(1).await;
        let given_up = world.handed() == 0;
        assert_eq!(given_up, second >= 25, "second {second}");
    }
    assert_eq!(world.deleted(), 399);
}

/// A store that hangs for half an hour: receiving the same again and again would bring it into the dead-letter queue.
#[tokio::test(start_paused = true)]
async fn while_nothing_goes_through_nothing_is_given_up() {
    let world = away(10);
    world.handler.commit.send_replace(None);
    let world = world.start();
    world.queue.put(0, 30);
    pass(1800).await;
    world.handler.commit.send_replace(Some(ms(20)));
    assert!(world.until_deleted(30).await < ms(200));
    assert!(world.queue.seen().receives <= 95, "{}", world.queue.seen().receives);
}

#[tokio::test(start_paused = true)]
async fn deletes_that_fail_hold_up_nothing() {
    let world = away(10).start();
    world.queue.keeps.store(true, Ordering::Relaxed);
    world.queue.put(0, 2000);
    pass(5).await;
    assert_eq!((world.handler.durable.lock().unwrap().len(), world.deleted(), world.handed()), (2000, 0, 0));
    assert_eq!(world.handler.undeleted.load(Ordering::Relaxed), 2000);
    world.queue.keeps.store(false, Ordering::Relaxed);
    // As SQS has it after their visibility timeout.
    world.queue.put(0, 2000);
    world.until_deleted(2000).await;
}
