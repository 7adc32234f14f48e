//! The cells of a process: taken and opened, served, handed over, and let go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use super::ports::Supply;
use super::rows::Breakers;
use crate::cell::{Cell, FleetLimits, Shared};
use crate::fleet::{Hold, Holds, Takeover, Takeovers};
use crate::store::StoreError;
use crate::store::dynamo::{CellRow, Directory};

/// For the calls that are out when a cell is handed over; its last commits have two seconds more.
const HAND_OVER: Duration = Duration::from_secs(1);
/// A cell that is given back is written so until it stands, or its successor has taken it anyway.
const RELEASE_TRIES: u32 = 10;
const RELEASE_AGAIN: Duration = Duration::from_millis(300);
/// A cell that could not be opened is left to others for so long at first, and at last.
const AVOID: Duration = Duration::from_secs(5);
const LONGEST_AVOID: Duration = Duration::from_secs(300);

/// What became of a cell, told by the task that had to do with it.
pub(super) enum Told {
    /// It is open and works.
    Opened { epoch: u64, cell: Cell },
    /// Another process was first.
    NotTaken,
    /// It was taken and could not be opened.
    NotOpened(String),
    /// It has ended, by itself.
    Ended { epoch: u64 },
    /// It was given back.
    HandedOver,
}

/// The tasks of cells say whose they are: those of an earlier incarnation are of no interest any more.
pub(super) struct AboutCell {
    pub(super) incarnation: Arc<str>,
    pub(super) name: String,
    pub(super) told: Told,
}

struct Served {
    epoch: u64,
    cell: Cell,
}

/// How the process came by its cells, for whoever asks.
#[derive(Default)]
pub(super) struct Taken {
    /// Of the cells that it serves.
    pub(super) now: BTreeMap<String, Takeover>,
    /// Since it began.
    pub(super) ever: Takeovers,
}

/// What a process has to do with which cell.
pub(super) struct Cells {
    directory: Directory,
    supply: Arc<dyn Supply>,
    shared: Shared,
    incarnation: Arc<str>,
    holds: Holds,
    served: BTreeMap<String, Served>,
    /// Until when cells are left to others, and for how long that was.
    avoided: BTreeMap<String, (Duration, Duration)>,
    own: watch::Sender<Arc<[Cell]>>,
    told: mpsc::UnboundedSender<AboutCell>,
    taken: Arc<Mutex<Taken>>,
    /// How each cell would be taken that was last tried.
    tried: BTreeMap<String, Takeover>,
}

impl Cells {
    pub(super) fn new(
        directory: Directory,
        supply: Arc<dyn Supply>,
        shared: Shared,
        (own, taken): (watch::Sender<Arc<[Cell]>>, Arc<Mutex<Taken>>),
        told: mpsc::UnboundedSender<AboutCell>,
    ) -> Self {
        let (incarnation, holds, served, avoided, tried) =
            ("".into(), Holds::new(), BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { directory, supply, shared, incarnation, holds, served, avoided, own, told, taken, tried }
    }

    /// Leaves all cells as they are, and goes on as another incarnation.
    pub(super) fn begin(&mut self, incarnation: &str) {
        self.abandon_all();
        self.incarnation = incarnation.into();
    }

    pub(super) fn abandon_all(&mut self) {
        std::mem::take(&mut self.served).into_values().for_each(|served| served.cell.abandon());
        self.holds.clear();
        self.publish();
    }

    /// What it is doing with which cell.
    pub(super) fn holds(&mut self, now: Duration) -> &Holds {
        let over = self.avoided.iter().filter(|(_, (until, _))| *until <= now).map(|(name, _)| name.clone());
        for name in over.collect::<Vec<_>>() {
            if self.holds.get(&name) == Some(&Hold::Avoiding) {
                self.holds.remove(&name);
            }
        }
        &self.holds
    }

    /// The cells that work.
    pub(super) fn served(&self) -> impl Iterator<Item = &Cell> {
        self.served.values().map(|served| &served.cell)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.holds.values().all(|hold| *hold == Hold::Avoiding)
    }

    fn publish(&self) {
        self.own.send_replace(self.served().cloned().collect());
    }

    fn teller(&self, name: &str) -> impl Fn(Told) + Send + 'static {
        let (told, incarnation, name) = (self.told.clone(), Arc::clone(&self.incarnation), name.to_owned());
        move |what| drop(told.send(AboutCell { incarnation: Arc::clone(&incarnation), name: name.clone(), told: what }))
    }

    /// Takes a cell as it was seen, and opens it.
    pub(super) fn take(&mut self, row: CellRow) {
        self.holds.insert(row.name.to_string(), Hold::Opening);
        let from = match row.owner.as_deref() {
            None if row.epoch == 0 => Takeover::First,
            None => Takeover::HandedOver,
            // An earlier try came late: it is as it was then.
            Some(owner) if *owner == *self.incarnation => {
                self.tried.get(&*row.name).copied().unwrap_or(Takeover::HandedOver)
            }
            Some(_) => Takeover::Died,
        };
        self.tried.insert(row.name.to_string(), from);
        let (directory, supply, shared) = (self.directory.clone(), Arc::clone(&self.supply), self.shared.clone());
        let (incarnation, tell) = (Arc::clone(&self.incarnation), self.teller(&row.name));
        tokio::spawn(async move {
            let epoch = match directory.take(&row.name, row.epoch, &incarnation).await {
                Ok(Some(epoch)) => epoch,
                Ok(None) => return tell(Told::NotTaken),
                Err(error) => {
                    tracing::debug!(cell = %row.name, %error, "whether it was taken the next read tells");
                    return tell(Told::NotTaken);
                }
            };
            let store = match supply.open(&row, epoch, &incarnation).await {
                Ok(store) => store,
                Err(StoreError::Fenced { .. }) => return tell(Told::NotTaken),
                Err(error) => {
                    release(&directory, &row.name, epoch).await;
                    return tell(Told::NotOpened(error.to_string()));
                }
            };
            let (config, ports) = supply.equip(&row, store);
            match Cell::start_among(config, ports, shared).await {
                Ok(cell) => tell(Told::Opened { epoch, cell }),
                Err(error) => {
                    release(&directory, &row.name, epoch).await;
                    tell(Told::NotOpened(error.to_string()));
                }
            }
        });
    }

    /// Has all cells keep to what operators changed for the fleet.
    pub(super) fn follow(&mut self, limits: &FleetLimits) {
        self.shared.limits = Some(limits.clone());
        self.served().for_each(|cell| follow(cell, limits));
    }

    /// The task definitions whose circuit breakers are open, by cell.
    pub(super) fn open_breakers(&self) -> Breakers {
        let of = |cell: &Cell| cell.open_breakers().into_iter().map(|open| open.task_definition).collect();
        let all = self.served().map(|cell| (cell.name().to_owned(), of(cell)));
        all.filter(|(_, open): &(String, BTreeSet<String>)| !open.is_empty()).collect()
    }

    /// Has each cell pause what is open in another one; `others` has those of the other processes.
    pub(super) fn pause_elsewhere(&self, others: &Breakers) {
        let own = self.open_breakers();
        for cell in self.served() {
            let all = own.iter().chain(others).filter(|(name, _)| *name != cell.name());
            cell.pause_elsewhere(all.flat_map(|(_, open)| open.iter().cloned()).collect());
        }
    }

    /// Takes in what a cell's task tells. `leaving`: the process is to keep none.
    pub(super) fn hear(&mut self, about: AboutCell, now: Duration, (limits, leaving): (&FleetLimits, bool)) {
        let AboutCell { incarnation, name, told } = about;
        if incarnation != self.incarnation {
            if let Told::Opened { cell, .. } = told {
                cell.abandon();
            }
            return;
        }
        match told {
            Told::Opened { epoch, cell } => {
                self.avoided.remove(&name);
                follow(&cell, limits);
                self.serve(name.clone(), epoch, cell);
                if leaving {
                    self.hand_over(&name);
                }
            }
            Told::NotTaken => drop(self.holds.remove(&name)),
            Told::NotOpened(why) => self.avoid(name, &why, now),
            Told::Ended { epoch } => {
                if self.served.get(&name).is_some_and(|served| served.epoch == epoch) {
                    let why = self.served.get(&name).and_then(|served| served.cell.lost()).unwrap_or_default();
                    self.lose(&name, &why);
                }
            }
            Told::HandedOver => {
                self.holds.remove(&name);
                tracing::info!(cell = name, "the cell is given back");
            }
        }
    }

    fn serve(&mut self, name: String, epoch: u64, cell: Cell) {
        let (open, tell, ended) = (cell.open(), self.teller(&name), cell.clone());
        tokio::spawn(async move {
            ended.ended().await;
            tell(Told::Ended { epoch });
        });
        let taken = self.tried.get(&name).copied().unwrap_or(Takeover::HandedOver);
        tracing::info!(cell = name, epoch, open, taken = taken.as_str(), "the cell is served here");
        {
            let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            all.now.insert(name.clone(), taken);
            *all.ever.entry(name.clone()).or_default().entry(taken).or_default() += 1;
        }
        self.holds.insert(name.clone(), Hold::Serving(epoch));
        self.served.insert(name, Served { epoch, cell });
        self.publish();
    }

    fn avoid(&mut self, name: String, why: &str, now: Duration) {
        let wait = self.avoided.get(&name).map_or(AVOID, |(_, wait)| (*wait * 2).min(LONGEST_AVOID));
        tracing::error!(
            cell = name,
            error = why,
            "the cell cannot be opened here; it is left to others for {} s",
            wait.as_secs()
        );
        self.avoided.insert(name.clone(), (now + wait, wait));
        self.holds.insert(name, Hold::Avoiding);
    }

    /// A cell is another process's now.
    pub(super) fn lose(&mut self, name: &str, why: &str) {
        self.holds.remove(name);
        let Some(served) = self.served.remove(name) else { return };
        served.cell.abandon();
        tracing::warn!(cell = name, epoch = served.epoch, "the cell is not served here any more: {why}");
        self.publish();
    }

    /// Gives a cell back: what it has in hand comes to its next owner.
    pub(super) fn hand_over(&mut self, name: &str) {
        let Some(Served { epoch, cell }) = self.served.remove(name) else { return };
        self.holds.insert(name.to_owned(), Hold::Leaving);
        self.publish();
        let (directory, tell, name) = (self.directory.clone(), self.teller(name), name.to_owned());
        tokio::spawn(async move {
            cell.hand_over(HAND_OVER).await;
            release(&directory, &name, epoch).await;
            tell(Told::HandedOver);
        });
    }

    pub(super) fn hand_all_over(&mut self) {
        for name in self.served.keys().cloned().collect::<Vec<_>>() {
            self.hand_over(&name);
        }
    }

    /// Gives a cell back that is its own by the table alone.
    pub(super) fn give_back(&self, name: String, epoch: u64) {
        let directory = self.directory.clone();
        tokio::spawn(async move { release(&directory, &name, epoch).await });
    }
}

/// In force soon; a cell that ends meanwhile needs it no more.
fn follow(cell: &Cell, limits: &FleetLimits) {
    let (cell, limits) = (cell.clone(), limits.clone());
    tokio::spawn(async move { cell.follow_limits(&limits).await });
}

async fn release(directory: &Directory, cell: &str, epoch: u64) {
    for _ in 0..RELEASE_TRIES {
        match directory.release(cell, epoch).await {
            Ok(_) => return,
            Err(error) => tracing::debug!(cell, %error, "that the cell has no owner is not written yet"),
        }
        tokio::time::sleep(RELEASE_AGAIN).await;
    }
}
