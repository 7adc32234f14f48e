//! What is asked of a process, answered for every run that it can know of, whichever cell has it.
//!
//! A process that serves one cell answers for that cell. A process of a fleet answers for its own cells, which come and go,
//! and by [`Elsewhere`] for the cells of the others, and for those that nobody serves.

mod changes;
mod elsewhere;
mod figures;
mod logs;
mod observed;
mod orders;
mod runs;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use crate::cell::Moved;
pub use changes::{Came, Changes};
pub use elsewhere::{Elsewhere, StopError, Unmoved};
pub use figures::Figures;
pub use logs::{LinesOf, NoLog};
pub use runs::Seen;

use crate::cell::{Cell, Clock, Hindrance, Ids, LogReader, SubmitError, Submitted};
use crate::core::request::{Acceptance, RunRequest};
use crate::core::time::Timestamp;
use crate::fleet::{FleetView, Takeovers};

/// How often, and how far apart, a run of another cell is looked for.
const LOOKS: u32 = 10;
const LOOK: Duration = Duration::from_millis(500);

/// The cells that a process serves at this moment, in the order of their names.
pub type OwnCells = Arc<[Cell]>;

/// Answers for a cell, or for a fleet. Clones are the same.
#[derive(Clone)]
pub struct Front {
    parts: Arc<Parts>,
    logs: Option<LogReader>,
}

struct Parts {
    name: String,
    began_at: Timestamp,
    own: watch::Receiver<OwnCells>,
    of: Of,
}

/// For what a process answers.
enum Of {
    Cell(Cell),
    Fleet(Fleet),
}

/// Who can do something about the runs of a cell.
enum Holder<'a> {
    /// The cell, which this process serves.
    Own(Cell),
    /// Another process, or nobody at the moment.
    Another(&'a Arc<dyn Elsewhere>),
}

/// What a process of a fleet answers with beside its cells.
pub struct Fleet {
    /// The fleet's name.
    pub name: String,
    /// The runs that the process's own cells do not have in memory.
    pub elsewhere: Arc<dyn Elsewhere>,
    /// The time.
    pub clock: Clock,
    /// Ids for requests.
    pub ids: Ids,
}

impl From<Cell> for Front {
    /// Answers for one cell, and for nothing else.
    fn from(cell: Cell) -> Self {
        let (name, began_at) = (cell.name().to_owned(), cell.began_at());
        // Its sender is gone: the cell is the only one for ever.
        let own = watch::channel(OwnCells::from([cell.clone()])).1;
        Self { parts: Arc::new(Parts { name, began_at, own, of: Of::Cell(cell) }), logs: None }
    }
}

impl Front {
    /// Answers for a fleet, of which this process serves the cells in `own`.
    pub fn of_fleet(own: watch::Receiver<OwnCells>, fleet: Fleet) -> Self {
        let (name, began_at) = (fleet.name.clone(), fleet.clock.now());
        Self { parts: Arc::new(Parts { name, began_at, own, of: Of::Fleet(fleet) }), logs: None }
    }

    /// The name of the cell, or of the fleet.
    pub fn name(&self) -> &str {
        &self.parts.name
    }

    /// When this process began to answer.
    pub fn began_at(&self) -> Timestamp {
        self.parts.began_at
    }

    /// The cells that this process serves now.
    pub fn cells(&self) -> OwnCells {
        Arc::clone(&self.parts.own.borrow())
    }

    /// Whether it answers for a fleet.
    pub fn is_fleet(&self) -> bool {
        self.fleet().is_some()
    }

    fn fleet(&self) -> Option<&Fleet> {
        match &self.parts.of {
            Of::Cell(_) => None,
            Of::Fleet(fleet) => Some(fleet),
        }
    }

    /// The fleet, as this process last read it; `None` of one that serves one cell.
    pub fn fleet_view(&self) -> Option<FleetView> {
        self.elsewhere().map(|elsewhere| elsewhere.fleet())
    }

    /// How often this process came by each cell of its fleet, in each way; `None` of one that serves one cell.
    pub fn takeovers(&self) -> Option<Takeovers> {
        self.elsewhere().map(|elsewhere| elsewhere.takeovers())
    }

    fn elsewhere(&self) -> Option<&Arc<dyn Elsewhere>> {
        self.fleet().map(|fleet| &fleet.elsewhere)
    }

    fn holder(&self, name: &str) -> Holder<'_> {
        match &self.parts.of {
            Of::Cell(cell) => Holder::Own(cell.clone()),
            Of::Fleet(fleet) => match self.cells().iter().find(|cell| cell.name() == name) {
                Some(cell) => Holder::Own(cell.clone()),
                None => Holder::Another(&fleet.elsewhere),
            },
        }
    }

    /// What a request that comes now is evaluated with: this moment, and an id of its own.
    pub fn acceptance(&self) -> Acceptance {
        match &self.parts.of {
            Of::Cell(cell) => cell.acceptance(),
            Of::Fleet(fleet) => fleet.ids.acceptance(&fleet.clock),
        }
    }

    /// Has one of the process's own cells take a request; it is durable when this answers. A name that another cell has
    /// accepted with the same request is that cell's run.
    ///
    /// # Errors
    /// As [`Cell::submit`]; [`SubmitError::NoCell`] while the process serves none.
    pub async fn submit(&self, request: RunRequest) -> Result<Submitted, SubmitError> {
        let cells = self.cells();
        // The same name goes to the same cell as long as they stay: what comes twice at once needs no other answer.
        let place = request.name.as_deref().map_or_else(rand::random, spread);
        let places = cells.len().max(1) as u64;
        let cell = usize::try_from(place % places).ok().and_then(|place| cells.get(place));
        match cell.ok_or(SubmitError::NoCell)?.submit(request).await {
            Err(SubmitError::Elsewhere { name, cell }) => self.accepted_elsewhere(name, cell).await,
            answer => answer,
        }
    }

    /// The runs of a name that another cell has accepted: what it does is known here some seconds later.
    async fn accepted_elsewhere(&self, name: String, cell: String) -> Result<Submitted, SubmitError> {
        for _ in 0..LOOKS {
            let found = self.find(&name).await.map_err(|e| SubmitError::Store(e.to_string()))?;
            if !found.is_empty() {
                return Ok(Submitted { runs: found.into_iter().map(|one| one.run).collect(), existing: true });
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(SubmitError::Elsewhere { name, cell })
    }

    /// What hinders the process's own cells, and its part in the fleet. With several cells each hindrance names its cell.
    pub fn hindrances(&self) -> Vec<Hindrance> {
        let mut all = self.elsewhere().map(|elsewhere| elsewhere.hindrances()).unwrap_or_default();
        for cell in self.cells().iter() {
            let named = |hindrance: Hindrance| match self.is_fleet() {
                true => Hindrance { what: format!("cell {}: {}", cell.name(), hindrance.what), ..hindrance },
                false => hindrance,
            };
            all.extend(cell.hindrances().into_iter().map(named));
        }
        all
    }
}

/// A number that a name always has, and others mostly have not.
fn spread(name: &str) -> u64 {
    // FNV-1a: no seed, so that two processes agree. http://www.isthe.com/chongo/tech/comp/fnv/
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
