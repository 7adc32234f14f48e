use super::*;
use crate::store::conformance::{NOW, of_request, puts, runs};
use crate::store::dynamo::fake::FakeTable;
use crate::store::dynamo::{Directory, NewCell};

struct Fleet {
    table: Arc<FakeTable>,
    directory: Directory,
}

impl Fleet {
    async fn new() -> Self {
        let table = Arc::<FakeTable>::default();
        let directory = Directory::new(Arc::clone(&table) as _, "blue");
        let cell = NewCell { name: "blue-0".into(), events: "https://sqs/events".into() };
        directory.add_cells(&[cell]).await.unwrap();
        Self { table, directory }
    }

    async fn open(&self, epoch: u64, incarnation: &str) -> Result<DynamoStore, StoreError> {
        let options =
            DynamoOptions { place: "dynamodb:runs".into(), keep: Duration::from_secs(60), now: Arc::new(|| NOW) };
        let table = Arc::clone(&self.table) as _;
        DynamoStore::open_taken(table, ("blue-0", epoch), incarnation.into(), options).await
    }

    /// How often the cell was taken, by its item.
    async fn epoch(&self) -> u64 {
        self.directory.read().await.unwrap().cells[0].epoch
    }
}

#[tokio::test]
async fn a_takeover_is_one_epoch() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.directory.take("blue-0", 0, "one").await, Ok(Some(1)));
    let first = fleet.open(1, "one").await.unwrap();
    assert_eq!((first.epoch(), fleet.epoch().await), (1, 1));
    let accepted = runs(3);
    first.commit(puts(&accepted).into()).await.unwrap();
    assert_eq!(fleet.directory.take("blue-0", 1, "two").await, Ok(Some(2)));
    let second = fleet.open(2, "two").await.unwrap();
    assert_eq!((second.epoch(), fleet.epoch().await, second.load().await.unwrap().open), (2, 2, 3));
    let late = first.commit(puts(&of_request("late", 1)).into()).await;
    assert!(matches!(late, Err(StoreError::Fenced { by }) if by == "two"));
    second.commit(puts(&of_request("more", 1)).into()).await.unwrap();
}

#[tokio::test]
async fn who_was_replaced_before_it_opened_its_cell_does_not_open_it() {
    let fleet = Fleet::new().await;
    assert_eq!(fleet.directory.take("blue-0", 0, "one").await, Ok(Some(1)));
    assert_eq!(fleet.directory.take("blue-0", 1, "two").await, Ok(Some(2)));
    let late = fleet.open(1, "one").await;
    assert!(matches!(late, Err(StoreError::Fenced { by }) if by == "two"));
    let second = fleet.open(2, "two").await.unwrap();
    second.commit(puts(&of_request("more", 1)).into()).await.unwrap();
    assert_eq!(fleet.directory.take("blue-0", 2, "three").await, Ok(Some(3)));
    assert_eq!(fleet.open(3, "three").await.unwrap().load().await.unwrap().open, 1);
    let gone = fleet.open(2, "two").await;
    assert!(matches!(gone, Err(StoreError::Fenced { .. })));
}
