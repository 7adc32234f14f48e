//! What a process of a fleet answers with beside its own cells.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::cell::ports::Queue;
use crate::cell::{
    CellConfig, Clock, Hindrance, Limits, LimitsChange, LimitsError, ObservedItem, RunCounts, has_observed, observed_in,
};
use crate::core::order::Order;
use crate::core::run::Status;
use crate::fleet::{FleetView, Takeovers};
use crate::front::{Elsewhere, Moved, Seen, Unmoved};
use crate::host::{Host, Others, change_limits};
use crate::store::dynamo::{Directory, FleetReader, Placed};
use crate::store::{EndedCounts, Page, Query, StoreError};

/// The queue at a URL.
pub(super) type QueueAt = Box<dyn Fn(&str) -> Arc<dyn Queue> + Send + Sync>;

/// The fleet: its limits, and the runs of the cells that this process does not serve.
pub(super) struct Beside {
    host: Host,
    others: Others,
    directory: Directory,
    queue: QueueAt,
    config: CellConfig,
    clock: Clock,
}

impl Beside {
    pub(super) fn new(
        (host, reader): (Host, FleetReader),
        directory: Directory,
        queue: QueueAt,
        config: CellConfig,
        clock: Clock,
    ) -> Self {
        let others = Others::follow(host.clone(), reader);
        Self { host, others, directory, queue, config, clock }
    }

    /// Puts an order into the events queue of a cell, whoever receives from it, or will.
    async fn pass(&self, cell: &str, order: &Order) -> Result<(), String> {
        let rows = self.directory.read().await.map_err(|e| e.to_string())?;
        let row = rows.cells.iter().find(|row| *row.name == *cell);
        let events = row.map(|row| &row.events).ok_or("the fleet's table does not have it")?;
        for part in order.parts() {
            (self.queue)(events).send(&part.message(), &[]).await.map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    fn seen(&self, placed: Vec<Placed>) -> Vec<Seen> {
        let runs = placed.iter().map(|one| (&*one.cell, &one.run));
        let waiting = self.host.waiting_elsewhere(runs, &self.config);
        let seen = |(Placed { cell, run }, waiting_for)| Seen { cell, run, waiting_for };
        placed.into_iter().zip(waiting).map(seen).collect()
    }

    async fn change(&self, change: LimitsChange) -> Result<Limits, LimitsError> {
        let (limits, revision) = change_limits(&self.directory, &change, self.clock.now()).await?;
        self.host.follow(limits.clone(), revision);
        Ok(limits.in_force(&self.config))
    }
}

impl Elsewhere for Beside {
    fn fleet(&self) -> FleetView {
        self.host.view()
    }

    fn is_suspended(&self) -> bool {
        self.host.is_suspended()
    }

    fn hindrances(&self) -> Vec<Hindrance> {
        self.host.hindrances()
    }

    fn takeovers(&self) -> Takeovers {
        self.host.takeovers()
    }

    fn list(&self, query: Query) -> BoxFuture<'_, Result<Page<Seen, Uuid>, StoreError>> {
        async move {
            let Page { items, next } = self.others.reader().list(query).await?;
            Ok(Page { items: self.seen(items), next })
        }
        .boxed()
    }

    fn find<'a>(
        &'a self,
        name: &'a str,
        from: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page<Seen, u32>, StoreError>> {
        async move {
            let Page { items, next } = self.others.reader().find(name, from, limit).await?;
            Ok(Page { items: self.seen(items), next })
        }
        .boxed()
    }

    fn counts(&self) -> BoxFuture<'_, RunCounts> {
        let EndedCounts { statuses, classes } = self.others.reader().ended();
        let mut counts = RunCounts { statuses: self.others.open(), failed: classes };
        for (status, ended) in statuses {
            *counts.statuses.entry(status).or_default() += ended;
        }
        async { counts }.boxed()
    }

    fn waiting(&self) -> BTreeMap<String, usize> {
        self.others.waiting()
    }

    fn in_flight(&self) -> usize {
        let open = self.others.open();
        let live = [Status::Starting, Status::Running].iter().filter_map(|status| open.get(status)).sum::<u64>();
        usize::try_from(live).unwrap_or(usize::MAX)
    }

    fn observed(&self) -> Vec<ObservedItem> {
        self.others.reader().notes(has_observed).iter().flat_map(observed_in).collect()
    }

    fn changes(&self) -> broadcast::Receiver<Moved> {
        self.others.changes()
    }

    fn limits(&self) -> Limits {
        self.host.limits().in_force(&self.config)
    }

    fn change_limits(&self, change: LimitsChange) -> BoxFuture<'_, Result<Limits, LimitsError>> {
        self.change(change).boxed()
    }

    fn order<'a>(&'a self, cell: &'a str, order: Order) -> BoxFuture<'a, Result<(), Unmoved>> {
        async move { self.pass(cell, &order).await.map_err(|why| Unmoved { cell: cell.to_owned(), why }) }.boxed()
    }
}
