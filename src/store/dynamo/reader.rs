//! What a process knows of a fleet's runs without owning their cells: the open ones, by reading along their cells' logs; the
//! ended ones of all cells, by their rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::try_join_all;
use uuid::Uuid;

use super::claims::{self, Claim};
use super::ended::{self, Of, Placed};
use super::follow::Follower;
use super::history::History;
use super::kept::{Group, Kept, Stored};
use super::link::{JournalError, Link};
use super::owned::{DynamoOptions, TRIES, Waits, said};
use super::reads::{Specs, by_index, unpack_with};
use super::replay::State;
use super::rules::Rules;
use super::table::Table;
use crate::core::name;
use crate::core::run::Run;
use crate::store::{EndedCounts, Page, Query, StoreError};

/// In seconds.
const DAY: u64 = 86_400;
/// Runs that are unpacked in one go.
const PART: usize = 4_096;
/// Names that are looked up in one look.
const NAMES: usize = 100;
/// Runs of a cell that a page looks at where few of them fit.
const LOOKED_AT: usize = 1_000;

/// What became known of a cell.
#[derive(Debug)]
pub enum News {
    /// What was known of it is void; its runs follow.
    Anew,
    /// A run is this now.
    Run(Box<Run>),
    /// A run is not among them any more: it has ended and is a row, or is forgotten.
    Gone(Uuid),
}

/// Reads a fleet.
pub struct FleetReader {
    link: Link,
    options: DynamoOptions,
    cells: Mutex<Cells>,
}

#[derive(Default)]
struct Cells {
    /// All cells of the fleet.
    all: Arc<BTreeSet<Arc<str>>>,
    followed: BTreeMap<Arc<str>, Arc<Follower<Known>>>,
}

/// The state of a cell, and what of it was told.
#[derive(Default)]
struct Known {
    kept: Kept,
    /// Its runs were told; not yet of a state that was just read from a snapshot.
    is_told: bool,
    /// Runs that changed since.
    changed: BTreeSet<Uuid>,
}

impl State for Known {
    type Group = Group;
    type Cursor = <Kept as State>::Cursor;

    fn encode(group: &Group) -> Vec<u8> {
        Kept::encode(group)
    }

    fn decode(bytes: &[u8]) -> Result<Group, String> {
        Kept::decode(bytes)
    }

    fn apply(&mut self, group: Group) {
        self.changed.extend(group.changed());
        let is_news = |name: &&Arc<str>| !self.kept.ours.contains(*name);
        let claimed: Vec<Arc<str>> = group.claimed().iter().filter(is_news).cloned().collect();
        self.kept.apply(group);
        for name in claimed {
            self.changed.extend(self.kept.of_request(&name, 0));
        }
    }

    fn chunk(&self, after: Option<Self::Cursor>) -> (Vec<u8>, Option<Self::Cursor>) {
        self.kept.chunk(after)
    }

    fn restore(&mut self, chunk: &[u8]) -> Result<(), String> {
        self.kept.restore(chunk)
    }
}

impl FleetReader {
    /// It follows no cell as yet.
    pub fn new(table: Arc<dyn Table>, options: DynamoOptions) -> Self {
        let link = Link { table, patience: Arc::new(Waits { most: TRIES }), rules: Rules::default() };
        Self { link, options, cells: Mutex::default() }
    }

    fn cells(&self) -> MutexGuard<'_, Cells> {
        self.cells.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All cells of the fleet, and those of them to be followed from now on. What was known of others is dropped.
    pub fn set(&self, all: &BTreeSet<Arc<str>>, followed: &BTreeSet<Arc<str>>) {
        let mut cells = self.cells();
        if *cells.all != *all {
            cells.all = Arc::new(all.clone());
        }
        cells.followed.retain(|cell, _| followed.contains(cell));
        for cell in followed {
            let follower = || Arc::new(Follower::new(self.link.clone(), Arc::clone(cell), Known::default));
            cells.followed.entry(Arc::clone(cell)).or_insert_with(follower);
        }
    }

    fn followed(&self) -> Vec<(Arc<str>, Arc<Follower<Known>>)> {
        self.cells().followed.iter().map(|(cell, follower)| (Arc::clone(cell), Arc::clone(follower))).collect()
    }

    /// Reads what is new of a cell that is followed, and tells it.
    ///
    /// # Errors
    /// The table cannot be read, or what it has.
    pub async fn look(&self, cell: &str, tell: &mut (dyn FnMut(News) + Send)) -> Result<(), StoreError> {
        let Some(follower) = self.cells().followed.get(cell).cloned() else { return Ok(()) };
        let looked = follower.catch_up().await;
        self.told(cell, looked).await?;
        let settled = self.settle_names(cell, &follower).await;
        self.told(cell, settled).await?;
        // A look that was broken off has told nothing of what it read.
        match follower.with(|known| known.is_told) {
            Some(true) => self.tell_changed(cell, &follower, tell).await,
            Some(false) => self.tell_all(cell, &follower, tell).await,
            None => Ok(()),
        }
    }

    /// Names that the cell claimed and has not written yet that it did: their rows say whose they are.
    async fn settle_names(&self, cell: &str, follower: &Follower<Known>) -> Result<(), JournalError> {
        let open = follower.with(|known| known.kept.unsettled(NAMES)).unwrap_or_default();
        let settle = |claim: Claim| async move {
            let is_claimed = claims::is_claimed(&self.link, cell, &claim).await?;
            Ok::<_, JournalError>(is_claimed.then_some(claim.name))
        };
        for name in try_join_all(open.into_iter().map(settle)).await?.into_iter().flatten() {
            follower.with(|known| {
                known.changed.extend(known.kept.of_request(&name, 0));
                known.kept.ours.insert(name);
            });
        }
        Ok(())
    }

    async fn tell_all(
        &self,
        cell: &str,
        follower: &Follower<Known>,
        tell: &mut (dyn FnMut(News) + Send),
    ) -> Result<(), StoreError> {
        tell(News::Anew);
        // All of the log that its snapshot may have was read.
        follower.with(|known| {
            known.kept.whole();
            known.changed.clear();
        });
        let (mut after, mut specs) = (None, Specs::new());
        loop {
            let part = follower.with(|known| {
                let ids = known.kept.after(after, PART);
                after = ids.last().copied();
                ids.into_iter().filter_map(|id| known.kept.shown(id)).collect::<Vec<_>>()
            });
            let Some(part) = part.filter(|_| after.is_some()) else { break };
            specs = self.unpack(cell, part, specs, tell).await?;
        }
        follower.with(|known| known.is_told = true);
        Ok(())
    }

    async fn tell_changed(
        &self,
        cell: &str,
        follower: &Follower<Known>,
        tell: &mut (dyn FnMut(News) + Send),
    ) -> Result<(), StoreError> {
        let changed = follower.with(|known| std::mem::take(&mut known.changed)).unwrap_or_default();
        if changed.is_empty() {
            return Ok(());
        }
        let (mut now, mut gone) = (Vec::new(), Vec::new());
        follower.with(|known| {
            for id in &changed {
                match known.kept.run(*id) {
                    // One whose name may be another's is told of once that is known.
                    Some(_) => now.extend(known.kept.shown(*id)),
                    None => gone.push(*id),
                }
            }
        });
        gone.into_iter().for_each(|id| tell(News::Gone(id)));
        self.unpack(cell, now, Specs::new(), tell).await.map(drop)
    }

    async fn unpack(
        &self,
        cell: &str,
        part: Vec<Stored>,
        specs: Specs,
        tell: &mut (dyn FnMut(News) + Send),
    ) -> Result<Specs, StoreError> {
        let (runs, specs) = self.runs_with(cell, part, specs).await?;
        runs.into_iter().for_each(|run| tell(News::Run(Box::new(run))));
        Ok(specs)
    }

    /// At most `query.limit` of the runs of followed cells, and of the ended ones of all cells, newest first. The next page is
    /// of those before [`Page::next`].
    ///
    /// # Errors
    /// The table cannot be read, or what it has.
    pub async fn list(&self, query: Query) -> Result<Page<Placed, Uuid>, StoreError> {
        let mut found: BTreeMap<Uuid, Placed> = BTreeMap::new();
        let mut ends_at: Option<Uuid> = None;
        for (cell, follower) in self.followed() {
            let part = follower.with(|known| {
                let ids: Vec<Uuid> = known.kept.newest_before(query.before).take(LOOKED_AT).collect();
                let last = ids.last().copied().filter(|_| ids.len() == LOOKED_AT);
                (ids.into_iter().filter_map(|id| known.kept.shown(id)).collect::<Vec<_>>(), last)
            });
            let Some((part, last)) = part else { continue };
            ends_at = ends_at.max(last);
            let runs = self.runs(&cell, part).await?;
            let fitting = runs.into_iter().filter(|run| query.fits(run));
            found.extend(fitting.map(|run| (run.id, Placed { cell: Arc::clone(&cell), run })));
        }
        if !query.finals().is_empty() {
            let all = Arc::clone(&self.cells().all);
            let history = self.history(&all);
            let now = (self.options.now)();
            let first_day = ended::seconds(now.minus(self.options.keep)) / DAY;
            let listed = history.list(&query, Some(first_day), |_| false).await;
            let (rows, to) = self.told("of the fleet", listed).await?;
            ends_at = ends_at.max(to);
            for row in rows {
                // What a log says is newer than its row.
                found.entry(row.run.id).or_insert(row);
            }
        }
        Ok(Page::newest(found.into_values().rev(), |one| one.run.id, query.limit, ends_at))
    }

    /// At most `limit` of the runs that an id, a name, or the name of an array stands for, by their index, from `from` on.
    ///
    /// # Errors
    /// The table cannot be read, or what it has.
    pub async fn find(&self, wanted: &str, from: u32, limit: usize) -> Result<Page<Placed, u32>, StoreError> {
        let all = Arc::clone(&self.cells().all);
        let history = self.history(&all);
        if let Ok(id) = Uuid::parse_str(wanted)
            && let Some(placed) = self.by_id(id, &history).await?
        {
            let items = Vec::from_iter((placed.run.index >= from).then_some(placed));
            return Ok(Page { items, next: None });
        }
        let request = name::request_of(wanted);
        let from = name::index_in(wanted).map_or(from, |index| index.max(from));
        let (mut holder, mut kept) = (None, Vec::new());
        for (cell, follower) in self.followed() {
            let part = follower.with(|known| {
                let ids = known.kept.of_request(request, from).take(limit.saturating_add(1));
                ids.filter_map(|id| known.kept.shown(id)).collect::<Vec<_>>()
            });
            // A cell whose log does not say yet that the name is another's has it too, and shows no run of it.
            if let Some(part) = part.filter(|part| !part.is_empty()) {
                kept = self.runs(&cell, part).await?;
                holder = Some(cell);
                break;
            }
        }
        let rows = history.of_request(request, from, limit).await;
        let (rows, complete_to) = self.told("of the fleet", rows).await?;
        let mut cells: BTreeMap<u32, Arc<str>> =
            rows.iter().map(|row| (row.run.index, Arc::clone(&row.cell))).collect();
        cells.extend(holder.iter().flat_map(|cell| kept.iter().map(|run| (run.index, Arc::clone(cell)))));
        let Page { items, next } = by_index(kept, rows, complete_to, limit);
        let meant = items.into_iter().filter(|run| name::stands_for(wanted, &run.name));
        let placed = |run: Run| Some(Placed { cell: Arc::clone(cells.get(&run.index)?), run });
        Ok(Page { items: meant.filter_map(placed).collect(), next })
    }

    async fn by_id(&self, id: Uuid, history: &History<'_>) -> Result<Option<Placed>, StoreError> {
        for (cell, follower) in self.followed() {
            if let Some(stored) = follower.with(|known| known.kept.shown(id)).flatten() {
                let run = self.runs(&cell, vec![stored]).await?.pop();
                return Ok(run.map(|run| Placed { cell, run }));
            }
        }
        self.told("of the fleet", history.by_id(id).await).await
    }

    /// The ended runs of the followed cells, counted.
    pub fn ended(&self) -> EndedCounts {
        let now = ended::seconds((self.options.now)());
        let mut counts = EndedCounts::default();
        for (_, follower) in self.followed() {
            follower.with(|known| counts.add_all(&known.kept.counts(now)));
        }
        counts
    }

    /// Those notes of the followed cells whose names are wanted, by cell.
    pub fn notes(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<BTreeMap<String, String>> {
        let wanted = |known: &mut Known| {
            let notes = known.kept.notes.iter().filter(|(name, _)| is_wanted(name));
            notes.map(|(name, text)| (name.clone(), text.clone())).collect()
        };
        self.followed().into_iter().filter_map(|(_, follower)| follower.with(wanted)).collect()
    }

    fn history<'a>(&'a self, all: &'a BTreeSet<Arc<str>>) -> History<'a> {
        History { link: &self.link, of: Of::Cells(all), now: ended::seconds((self.options.now)()) }
    }

    async fn runs(&self, cell: &str, part: Vec<Stored>) -> Result<Vec<Run>, StoreError> {
        self.runs_with(cell, part, Specs::new()).await.map(|(runs, _)| runs)
    }

    async fn runs_with(&self, cell: &str, part: Vec<Stored>, specs: Specs) -> Result<(Vec<Run>, Specs), StoreError> {
        let unpacked = unpack_with(part, specs).await;
        unpacked.map_err(|e| StoreError::Corrupt(format!("{}: a record of cell {cell} is {e}", self.options.place)))
    }

    async fn told<T>(&self, cell: &str, read: Result<T, JournalError>) -> Result<T, StoreError> {
        match read {
            Ok(read) => Ok(read),
            // The snapshot moved while it was read: the next look reads it again.
            Err(JournalError::Fenced { .. }) => {
                Err(StoreError::Unavailable(format!("{}: cell {cell} was written anew meanwhile", self.options.place)))
            }
            Err(error) => Err(said(&self.options.place, &self.link, cell, 0, error).await),
        }
    }
}

#[cfg(test)]
mod tests;
