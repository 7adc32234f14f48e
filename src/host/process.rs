//! One process among others: its beats, what it reads of them, and what it does about it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::cells::{AboutCell, Cells, Taken};
use super::rows::{self, Open};
use super::shares::ProcessShares;
use super::{HostConfig, HostPorts, Said, incarnation};
use crate::cell::{Cell, Clock, FleetLimits, Ids, Lease, Shared};
use crate::core::time::Timestamp;
use crate::fleet::{Act, BEAT, Member};
use crate::store::dynamo::{Beat, Directory, FORMAT, FleetRows, ProcessRow, TableError};

/// After a call that failed.
const AGAIN: Duration = Duration::from_millis(500);

/// While a cell is on its way to this process it looks more often: nobody serves the cell meanwhile.
const SOON: Duration = Duration::from_millis(300);

/// So long after it has asked for one.
const ASKED: Duration = Duration::from_secs(8);

/// One that ends stays so long for others to count the tasks of the cells that it gave back.
const LINGER: Duration = Duration::from_secs(3);

/// What comes to the process from outside its turns.
pub(super) enum News {
    /// Of one of its cells.
    Cell(AboutCell),
    /// Operators changed what holds for all cells: this is the revision.
    Limits(FleetLimits, u64),
    /// It is to end well.
    Leave(oneshot::Sender<()>),
    /// It is to end at once.
    Abandon,
}

/// The process.
pub(super) struct Process {
    config: HostConfig,
    directory: Directory,
    clock: Clock,
    ids: Ids,
    lease: Lease,
    member: Member,
    row: ProcessRow,
    has_row: bool,
    cells: Cells,
    shares: ProcessShares,
    rows: FleetRows,
    limits: (FleetLimits, u64),
    /// When it asked another process for a cell.
    asked: Option<Instant>,
    leaving: Option<oneshot::Sender<()>>,
    /// Since when it has no cell any more, while it ends.
    emptied: Option<Instant>,
    said: Arc<Mutex<Said>>,
    is_failing: bool,
}

impl Process {
    pub(super) fn new(
        config: HostConfig,
        ports: HostPorts,
        (own, taken): (watch::Sender<Arc<[Cell]>>, Arc<Mutex<Taken>>),
        news: mpsc::UnboundedSender<News>,
        (said, lease): (Arc<Mutex<Said>>, Lease),
    ) -> Self {
        let HostPorts { directory, supply, clock, ids } = ports;
        let shares = ProcessShares::new(config.quotas);
        let shared =
            Shared { lease: lease.clone(), quota: Some(shares.quota()), limits: None, is_one_of_several: true };
        let (told, mut came) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(about) = came.recv().await {
                if news.send(News::Cell(about)).is_err() {
                    return;
                }
            }
        });
        let cells = Cells::new(directory.clone(), supply, shared, (own, taken), told);
        let mut process = Self {
            config,
            directory,
            clock,
            ids,
            lease,
            member: Member::new(""),
            row: ProcessRow::default(),
            has_row: false,
            cells,
            shares,
            rows: FleetRows::default(),
            limits: Default::default(),
            asked: None,
            leaving: None,
            emptied: None,
            said,
            is_failing: false,
        };
        process.begin();
        process
    }

    /// A new incarnation: without cells, and with a row that is not there yet.
    fn begin(&mut self) {
        let id = incarnation::name(&self.config.name, self.ids.next(self.clock.now()));
        self.lease.set(None);
        self.cells.begin(&id);
        self.row = ProcessRow {
            id: id.as_str().into(),
            version: env!("CARGO_PKG_VERSION").into(),
            url: self.config.url.as_str().into(),
            since: u64::try_from(self.clock.now().millis()).unwrap_or_default(),
            format: FORMAT,
            ..ProcessRow::default()
        };
        self.has_row = false;
        self.shares.begin();
        self.member = Member::new(id);
    }

    /// Instants of this process, for `fleet`: durations since 1970, by a clock that nobody sets.
    fn now(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.clock.now().millis()).unwrap_or_default())
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes part until it has left.
    pub(super) async fn run(mut self, mut news: mpsc::UnboundedReceiver<News>) {
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                came = news.recv() => match came {
                    Some(News::Cell(about)) => {
                        let now = self.now();
                        self.cells.hear(about, now, (&self.limits.0, self.leaving.is_some()));
                    }
                    Some(News::Limits(limits, revision)) => self.follow(limits, revision),
                    Some(News::Leave(done)) => {
                        self.leave(done);
                        next = Instant::now();
                    }
                    Some(News::Abandon) | None => {
                        self.lease.set(None);
                        return self.cells.abandon_all();
                    }
                },
                () = tokio::time::sleep_until(next) => {
                    let began = Instant::now();
                    next = match self.turn().await {
                        Ok(()) => began + self.pause(),
                        Err(error) => {
                            self.failed(&error);
                            Instant::now() + AGAIN
                        }
                    };
                }
            }
            if self.leaving.is_some() && self.cells.is_empty() && !self.lingers() {
                return self.end().await;
            }
        }
    }

    /// Until its next turn.
    fn pause(&self) -> Duration {
        let is_soon = self.expects_a_cell() || self.shares.is_about_to_launch() || self.leaving.is_some();
        if is_soon { SOON } else { BEAT }
    }

    /// Whether its row is needed still: who last read it before its last launches would think that there are fewer tasks.
    fn lingers(&mut self) -> bool {
        let since = *self.emptied.get_or_insert_with(Instant::now);
        let stays = |row: &ProcessRow| row.id != self.row.id && !row.is_leaving;
        self.shares.has_tasks() && since.elapsed() < LINGER && self.rows.processes.iter().any(stays)
    }

    /// Whether another process is about to give a cell back that this one may take.
    fn expects_a_cell(&self) -> bool {
        let own = &self.row.id;
        let leaves = self.rows.processes.iter().any(|row| row.is_leaving && row.id != *own);
        leaves || self.asked.is_some_and(|at| at.elapsed() < ASKED)
    }

    fn leave(&mut self, done: oneshot::Sender<()>) {
        self.leaving = Some(done);
        self.member.leave();
        self.cells.hand_all_over();
    }

    async fn end(&mut self) {
        if let Err(error) = self.directory.leave(&self.row.id).await {
            tracing::debug!(%error, "the row of this process stays until the others take it for dead");
        }
        if let Some(done) = self.leaving.take() {
            let _ = done.send(());
        }
    }

    /// A beat, and what the others say.
    async fn turn(&mut self) -> Result<(), TableError> {
        self.say();
        let turned = self.beat_and_read().await;
        self.shares.apply(self.now());
        turned
    }

    async fn beat_and_read(&mut self) -> Result<(), TableError> {
        if !self.has_row {
            self.row.beat = 1;
            self.directory.begin(&self.row).await?;
            self.has_row = true;
        }
        self.row.beat += 1;
        let sent_at = self.now();
        match self.directory.beat(&self.row).await? {
            Beat::Confirmed => self.confirmed(sent_at),
            Beat::DeclaredDead => {
                self.begin_anew();
                return Ok(());
            }
        }
        while self.read().await? {}
        Ok(())
    }

    /// What its next beat says of it.
    fn say(&mut self) {
        let open: Open = self.cells.served().map(|cell| (cell.name().to_owned(), cell.open() as u64)).collect();
        self.row.demand = self.shares.demand(self.now(), self.cells.served()).into();
        self.row.cells = serde_json::to_string(&open).unwrap_or_default().into();
        self.row.breakers = serde_json::to_string(&self.cells.open_breakers()).unwrap_or_default().into();
        self.row.is_leaving = self.leaving.is_some();
    }

    fn confirmed(&mut self, sent_at: Duration) {
        let was_suspended = !self.lease.is_held();
        let is_first = self.member.may_act_until().is_none();
        self.member.confirmed(sent_at);
        self.shares.confirmed(sent_at);
        let until = self.member.may_act_until().map(|until| Timestamp::from_millis(until.as_millis() as i64));
        self.lease.set(until);
        self.said().table = None;
        if is_first {
            tracing::info!(fleet = self.directory.fleet(), process = %self.row.id, "this process is in the fleet");
        } else if was_suspended || self.is_failing {
            tracing::info!(process = %self.row.id, "the fleet hears from this process again: its cells go on");
        }
        self.is_failing = false;
    }

    fn failed(&mut self, error: &TableError) {
        self.said().table = Some(error.to_string());
        if self.is_failing {
            tracing::debug!(%error, "the fleet's table does not answer");
            return;
        }
        self.is_failing = true;
        tracing::warn!(%error, "the fleet's table does not answer; after 5.5 s without a beat this process takes, launches and decides nothing until it does");
    }

    fn begin_anew(&mut self) {
        let before = Arc::clone(&self.row.id);
        let cells: Vec<&str> = self.cells.served().map(Cell::name).collect();
        tracing::warn!(process = %before, cells = cells.join(" "), "the fleet did not hear from this process for too long, and took its cells; it begins anew, without them");
        self.begin();
    }

    /// Reads the fleet and does what follows; whether to read again at once.
    async fn read(&mut self) -> Result<bool, TableError> {
        let read_at = self.now();
        self.rows = self.directory.read().await?;
        let seen = rows::seen(&self.rows);
        self.shares.read(read_at, &self.rows, &self.member, self.member.is_alone(&seen));
        let acts = self.member.read(read_at, &seen, self.cells.holds(read_at));
        let view = rows::view(self.directory.fleet(), &self.rows, &self.member, read_at);
        self.read_limits();
        let breakers = rows::breakers(&self.rows, &self.member, read_at);
        self.cells.pause_elsewhere(&breakers);
        let urls = rows::urls(&self.rows);
        *self.said() = Said { view, read_at, limits: self.limits.0.clone(), breakers, urls, table: None };
        let mut again = false;
        for act in acts {
            again |= self.act(act).await?;
        }
        Ok(again)
    }

    fn read_limits(&mut self) {
        let Some(note) = self.rows.note.as_ref().filter(|note| note.revision > self.limits.1).cloned() else { return };
        match FleetLimits::read(&note.text) {
            Ok(limits) => self.follow(limits, note.revision),
            Err(error) => {
                tracing::error!(
                    error,
                    text = &*note.text,
                    "the limits in the fleet's table cannot be read; those known before hold"
                );
                self.limits.1 = note.revision;
            }
        }
    }

    fn follow(&mut self, limits: FleetLimits, revision: u64) {
        if revision > self.limits.1 {
            self.cells.follow(&limits);
            self.shares.follow(&limits);
            self.limits = (limits, revision);
            self.said().limits = self.limits.0.clone();
        }
    }

    async fn act(&mut self, act: Act) -> Result<bool, TableError> {
        match act {
            Act::BeginAnew => self.begin_anew(),
            Act::Remove { process, beat } => {
                let removed = self.directory.remove(&process, beat).await?;
                if removed {
                    tracing::warn!(process, "a process of the fleet is dead: its cells are taken over");
                }
                return Ok(removed);
            }
            Act::Abandon { cell, by } => {
                let by = by.unwrap_or_else(|| "another process".to_owned());
                self.cells.lose(&cell, &format!("{by} has taken it"));
            }
            Act::HandOver { cell } => self.cells.hand_over(&cell),
            Act::GiveBack { cell, epoch } => self.cells.give_back(cell, epoch),
            Act::Take { cell, epoch } => {
                let row = self.rows.cells.iter().find(|row| *row.name == *cell && row.epoch == epoch).cloned();
                row.into_iter().for_each(|row| self.cells.take(row));
            }
            Act::Want { cell, epoch } => {
                tracing::info!(cell, "this process has fewer cells than another, and asks for this one");
                self.directory.want(&cell, epoch, &self.row.id).await?;
                self.asked = Some(Instant::now());
            }
        }
        Ok(false)
    }
}
