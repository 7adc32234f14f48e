//! Changes what operators set for a whole fleet, in its table.

use crate::cell::{FleetLimits, LimitsChange, LimitsError};
use crate::core::time::Timestamp;
use crate::store::dynamo::Directory;

/// Tries of a change that another one overtakes.
const TRIES: u32 = 5;

/// Writes a change of this instant to the fleet's limits; what they are then, and how often they were changed.
///
/// # Errors
/// [`LimitsError::Wrong`] names the value that cannot be; [`LimitsError::Table`]: the table does not take the change, or what is
/// there cannot be read.
pub async fn change_limits(
    directory: &Directory,
    change: &LimitsChange,
    now: Timestamp,
) -> Result<(FleetLimits, u64), LimitsError> {
    let table = |why: &dyn std::fmt::Display| LimitsError::Table(why.to_string());
    for _ in 0..TRIES {
        let note = directory.note().await.map_err(|e| table(&e))?;
        let known = match &*note.text {
            "" => FleetLimits::default(),
            text => {
                FleetLimits::read(text).map_err(|e| table(&format_args!("those in the table cannot be read: {e}")))?
            }
        };
        let next = known.changed(change.clone(), now)?;
        if directory.change_note(note.revision, &next.text()).await.map_err(|e| table(&e))? {
            return Ok((next, note.revision + 1));
        }
    }
    Err(table(&"others change them at the same time"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cell::CellConfig;
    use crate::store::dynamo::fake::{Call, FakeTable, Fate, Fault};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn at_most(runs: usize) -> LimitsChange {
        LimitsChange { max_in_flight: Some(runs), ..LimitsChange::default() }
    }

    #[tokio::test]
    async fn a_change_goes_on_from_the_last_one_and_what_the_table_refuses_is_no_wrong_value() {
        let table = Arc::<FakeTable>::default();
        let directory = Directory::new(Arc::clone(&table) as _, "blue");
        let (_, first) = change_limits(&directory, &at_most(7), NOW).await.unwrap();
        let slower = LimitsChange { run_task_rate: Some(2.0), ..LimitsChange::default() };
        let (limits, second) = change_limits(&directory, &slower, NOW).await.unwrap();
        let limits = limits.in_force(&CellConfig::new("any"));
        assert_eq!((first, second, limits.max_in_flight, limits.run_task_rate), (1, 2, 7, 2.0));
        assert!(matches!(change_limits(&directory, &at_most(0), NOW).await, Err(LimitsError::Wrong(_))));
        for is_write in [true, false] {
            let fault = move |call: &Call| Some(Fault::Throttled).filter(|_| call.is_write() == is_write);
            table.decide(move |call| Fate { fault: fault(call), ..Fate::default() });
            assert!(matches!(change_limits(&directory, &at_most(9), NOW).await, Err(LimitsError::Table(_))));
        }
        table.be_well();
        assert!(directory.change_note(2, "{\"limits\": 3}").await.unwrap());
        let unreadable = change_limits(&directory, &at_most(9), NOW).await;
        assert!(matches!(unreadable, Err(LimitsError::Table(why)) if why.starts_with("those in the table")));
    }
}
