//! A cell's store in a table of this process's memory.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use taskwatch::core::time::Timestamp;
use taskwatch::store::dynamo::fake::{Call, FakeTable, Fate};
use taskwatch::store::dynamo::{DynamoOptions, DynamoStore};

/// Opens the cell's store as this incarnation of a process.
pub(crate) async fn open(table: &Arc<FakeTable>, incarnation: &str) -> Result<DynamoStore, Box<dyn Error>> {
    let options = DynamoOptions {
        place: "the table".into(),
        keep: Duration::from_secs(86_400),
        now: Arc::new(|| Timestamp::from_millis(jiff::Timestamp::now().as_millisecond())),
    };
    Ok(DynamoStore::open(Arc::clone(table) as _, "blue-0", incarnation.into(), options).await?)
}

/// From now on a query takes so long, and each other call as long as a put.
pub(crate) fn delay(table: &FakeTable, put: Duration, query: Duration) {
    table.decide(move |call| {
        let both = if matches!(call, Call::Query(_)) { query } else { put };
        Fate { there: both / 2, back: both / 2, fault: None }
    });
}
