//! How many tasks a fleet may have at once: all of them are used, each cell and process gets its part, and there are never more.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use super::fleet::{Fleet, Process, cells_of};
use super::pass;
use crate::support::fakes::{eventually, submit};

/// The tasks of a fleet whose number is limited.
struct Tasks {
    fleet: Fleet,
    most: usize,
    /// Tasks that have stopped, by cell.
    stopped: BTreeMap<&'static str, usize>,
}

impl Tasks {
    async fn of(cells: usize, most: usize) -> Self {
        let mut fleet = Fleet::of(cells).await;
        fleet.quotas.max_in_flight = most;
        Self { fleet, most, stopped: BTreeMap::new() }
    }

    /// Those that have not stopped.
    fn alive(&self, cell: &str) -> usize {
        self.fleet.world(cell).ecs.tasks().len() - self.stopped.get(cell).copied().unwrap_or(0)
    }

    fn all(&self) -> usize {
        ["blue-0", "blue-1"].iter().map(|cell| self.alive(cell)).sum()
    }

    /// The oldest task of a cell stops, if it has any.
    fn stop_one(&mut self, cell: &'static str) {
        if self.alive(cell) > 0 {
            let stopped = self.stopped.entry(cell).or_default();
            let world = self.fleet.world(cell);
            world.ended(&world.ecs.tasks()[*stopped], 0);
            *stopped += 1;
        }
    }

    /// Lets time pass, in which there are never more than may be.
    async fn watch(&self, seconds: u64) {
        for _ in 0..seconds * 20 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert!(self.all() <= self.most, "{} and {}", self.alive("blue-0"), self.alive("blue-1"));
        }
    }

    async fn process_with_all(&self, cells: usize) -> Process {
        let one = self.fleet.process("one");
        eventually("it has all", || cells_of(&one.host).len() == cells).await;
        one
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_may_have_one_task_launches_it_beside_a_standby() {
    let mut fleet = Fleet::of(1).await;
    fleet.quotas.max_in_flight = 1;
    let one = fleet.process("one");
    eventually("it has the cell", || cells_of(&one.host).len() == 1).await;
    let _standby = fleet.process("other");
    pass(60).await;
    let world = fleet.world("blue-0");
    for n in 1..=3 {
        submit(&one.cell("blue-0"), json!({"count": 2})).await;
        pass(15).await;
        assert_eq!(world.ecs.tasks().len(), 2 * n - 1, "one at a time");
        for task in 2 * n - 2..2 * n {
            world.ended(&world.ecs.tasks()[task], 0);
            pass(5).await;
        }
        pass(60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_comes_later_gets_its_part_of_the_tasks_and_there_are_never_more() {
    let mut tasks = Tasks::of(2, 10).await;
    let one = tasks.process_with_all(2).await;
    submit(&one.cell("blue-0"), json!({"count": 1_000, "queue": "q"})).await;
    tasks.watch(10).await;
    assert_eq!(tasks.alive("blue-0"), 10);
    let other = tasks.fleet.process("other");
    eventually("it has a cell", || cells_of(&other.host) == ["blue-1"]).await;
    submit(&other.cell("blue-1"), json!({"count": 1_000, "queue": "r"})).await;
    for _ in 0..30 {
        tasks.stop_one("blue-0");
        tasks.stop_one("blue-1");
        tasks.watch(2).await;
    }
    let parts = (tasks.alive("blue-0"), tasks.alive("blue-1"));
    assert!((4..=6).contains(&parts.0) && (4..=6).contains(&parts.1), "after a minute: {parts:?}");
    assert!(tasks.all() >= 9, "and what there may be is used: {parts:?}");
}

#[tokio::test(start_paused = true)]
async fn the_tasks_of_a_cell_that_is_handed_over_are_counted_all_the_time() {
    let mut tasks = Tasks::of(2, 10).await;
    let one = tasks.process_with_all(2).await;
    submit(&one.cell("blue-1"), json!({"count": 10, "queue": "r"})).await;
    tasks.watch(10).await;
    submit(&one.cell("blue-0"), json!({"count": 50, "queue": "q"})).await;
    let other = tasks.fleet.process("other");
    while cells_of(&other.host) != ["blue-1"] {
        tasks.watch(1).await;
    }
    tasks.watch(60).await;
    assert_eq!(tasks.alive("blue-1"), 10);
    for _ in 0..10 {
        tasks.stop_one("blue-1");
        tasks.watch(5).await;
    }
    tasks.watch(20).await;
    assert!(tasks.alive("blue-0") >= 9, "whoever has runs that wait has what is free, but one place");
}
