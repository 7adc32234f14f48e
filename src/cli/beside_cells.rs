//! What a process of a fleet answers with beside its own cells.

use std::collections::BTreeMap;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::cell::{CellConfig, Clock, FleetLimits, Hindrance, Limits, LimitsChange, LimitsError, RunCounts};
use crate::core::order::Order;
use crate::fleet::FleetView;
use crate::front::{Came, Elsewhere, Seen, Unmoved};
use crate::host::Host;
use crate::store::dynamo::Directory;
use crate::store::{Page, Query, StoreError};

/// Tries of a change of the limits that another one overtakes.
const TRIES: u32 = 5;

/// The fleet, and its limits. Runs of the other processes it does not know.
pub(super) struct Beside {
    host: Host,
    directory: Directory,
    config: CellConfig,
    clock: Clock,
    /// Nothing comes of it.
    changes: broadcast::Sender<Came>,
}

impl Beside {
    pub(super) fn new(host: Host, directory: Directory, config: CellConfig, clock: Clock) -> Self {
        Self { host, directory, config, clock, changes: broadcast::channel(1).0 }
    }

    async fn change(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        for _ in 0..TRIES {
            let Ok(note) = self.directory.note().await else { continue };
            let known = if note.text.is_empty() { FleetLimits::default() } else { read(&note.text)? };
            let next = known.changed(change.clone(), self.clock.now())?;
            if self.directory.change_note(note.revision, &next.text()).await == Ok(true) {
                self.host.follow(next.clone(), note.revision + 1);
                return Ok(next.in_force(&self.config));
            }
        }
        Err(LimitsError::Wrong("the fleet's table does not take the change; send it again".to_owned()))
    }
}

fn read(text: &str) -> Result<FleetLimits, LimitsError> {
    FleetLimits::read(text)
        .map_err(|e| LimitsError::Wrong(format!("the limits in the fleet's table cannot be read: {e}")))
}

impl Elsewhere for Beside {
    fn fleet(&self) -> FleetView {
        self.host.view()
    }

    fn hindrances(&self) -> Vec<Hindrance> {
        self.host.hindrances()
    }

    fn list(&self, _: Query) -> BoxFuture<'_, Result<Page<Seen, Uuid>, StoreError>> {
        async { Ok(Page { items: Vec::new(), next: None }) }.boxed()
    }

    fn find<'a>(&'a self, _: &'a str, _: u32, _: usize) -> BoxFuture<'a, Result<Page<Seen, u32>, StoreError>> {
        async { Ok(Page { items: Vec::new(), next: None }) }.boxed()
    }

    fn counts(&self) -> BoxFuture<'_, RunCounts> {
        async { RunCounts::default() }.boxed()
    }

    fn waiting(&self) -> BTreeMap<String, usize> {
        BTreeMap::new()
    }

    fn in_flight(&self) -> usize {
        0
    }

    fn changes(&self) -> broadcast::Receiver<Came> {
        self.changes.subscribe()
    }

    fn limits(&self) -> Limits {
        self.host.limits().in_force(&self.config)
    }

    fn change_limits(&self, change: LimitsChange) -> BoxFuture<'_, Result<Limits, LimitsError>> {
        self.change(change).boxed()
    }

    fn order<'a>(&'a self, cell: &'a str, _: Order) -> BoxFuture<'a, Result<(), Unmoved>> {
        let why = "another process serves it; ask that one".to_owned();
        async move { Err(Unmoved { cell: cell.to_owned(), why }) }.boxed()
    }
}
