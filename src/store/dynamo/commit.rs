//! A commit: its group becomes durable, its names are claimed, and only then it is answered.

use std::collections::HashMap;
use std::sync::Arc;

use futures::future::try_join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::claims::{self, Answer, Claim, Verdict};
use super::ended::{self, Of, Placed, Read};
use super::history::History;
use super::kept::{Facts, Group, Kept, RowFact, make};
use super::keys;
use super::link::JournalError;
use super::owned::{CONFIRMED_AFTER, Owned, Refusal};
use super::rows::{self, NameRow};
use super::table::{Item, TableError};
use crate::core::run::Run;
use crate::store::{Change, StoreError};

/// Rows that are read at once.
const AT_ONCE: usize = 30;

/// Why a commit is not done.
pub(super) enum Failed {
    Journal(JournalError),
    Store(StoreError),
}

impl From<JournalError> for Failed {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

impl From<TableError> for Failed {
    fn from(error: TableError) -> Self {
        Self::Journal(error.into())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Owned {
    /// One try. What was given first stands until it is durable, or the cell is another's.
    pub(super) async fn commit(&self, changes: &[Change]) -> Result<(), StoreError> {
        let _one = self.committing.lock().await;
        let began = Instant::now();
        match self.try_commit(changes).await {
            Ok(()) => {
                self.note_owned(began);
                self.wake_snapshots();
                Ok(())
            }
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Journal(error)) => {
                if let JournalError::Full(_) = error {
                    self.need_snapshot();
                }
                Err(self.said(error).await)
            }
        }
    }

    async fn try_commit(&self, changes: &[Change]) -> Result<(), Failed> {
        if self.journal.is_pending() {
            self.journal.commit(|_| Group::default()).await?;
            self.forget_known();
        }
        self.drop_refused(changes).await?;
        self.check_names(changes)?;
        let encoded = self.encoder.encode(changes, |spec| self.journal.read(|kept| kept.has_spec(spec)))?;
        let mut rows = self.rows_of(changes).await?;
        let names = self.reopen_rows(changes, &rows).await?;
        let forgotten = self.forgotten(changes, &mut rows).await?;
        let facts = self.facts(rows);
        let group = self.journal.read(|kept| make(kept, changes, &encoded, &facts));
        let answers = self.accept(group).await?;
        drop(names);
        self.forget_known();
        self.take_verdicts(answers).await?;
        self.give_up(forgotten).await?;
        self.check_names(changes)
    }

    /// The group becomes durable, and all names that it may need are claimed.
    async fn accept(&self, group: Group) -> Result<Vec<Answer>, Failed> {
        let now = self.now();
        let open = |kept: &Kept| -> Vec<Claim> {
            let known = self.known();
            let is_open = |claim: &&Claim| !kept.ours.contains(&claim.name) && !known.refused.contains_key(&claim.name);
            kept.claiming.values().filter(is_open).cloned().collect()
        };
        let answers = if group.is_empty() {
            claims::claim_all(&self.reading, &self.cell, self.journal.read(open), now).await
        } else {
            claims::accept(&self.reading, &self.cell, &self.journal, |_| group, open, now).await
        };
        Ok(answers?)
    }

    /// What is known, and goes with the next group.
    fn facts(&self, rows: HashMap<Uuid, RowFact>) -> Facts {
        let now = self.now();
        self.journal.read(|kept| {
            let known = self.known();
            let is_old = |at: &Instant| at.elapsed() >= CONFIRMED_AFTER;
            // A run that is not kept any more says nothing of its array's name.
            let is_closed = |id: &Uuid| kept.run(*id).is_none_or(|run| !known.unclosed.contains(&run.request));
            let written = known.written.iter().filter(|(id, (_, at))| is_old(at) && is_closed(id));
            Facts {
                rows,
                refused: known.refused.keys().cloned().collect(),
                stale: known.stale.clone(),
                written: written.map(|(_, (written, _))| *written).collect(),
                now,
            }
        })
    }

    /// What was known and is durable now is known no more.
    pub(super) fn forget_known(&self) {
        self.journal.read(|kept| {
            let mut known = self.known();
            known.refused.retain(|name, _| kept.claiming.contains_key(name));
            known.stale.retain(|id| kept.run(*id).is_some());
            known.written.retain(|id, (written, _)| kept.run(*id).is_some_and(|run| run.revision == written.revision));
        });
    }

    /// Notes whose names are. What an earlier owner accepted is dropped if it is nobody's now.
    pub(super) async fn take_verdicts(&self, answers: Vec<Answer>) -> Result<(), Failed> {
        for (claim, verdict, row) in answers {
            let holder = match verdict {
                Verdict::Ours => {
                    // Ended and forgotten here, and given once more.
                    let stale = match row.filter(|row| row.attributes.contains_key("r")) {
                        Some(_) => self.stale(&claim.name).await?,
                        None => Vec::new(),
                    };
                    self.known().stale.extend(stale);
                    self.journal.alter(|kept| kept.ours.extend([claim.name]));
                    continue;
                }
                Verdict::Theirs(holder) => Some(holder),
                Verdict::TooLate => None,
            };
            self.known().refused.insert(claim.name, Refusal { holder, digest: claim.digest });
        }
        Ok(())
    }

    /// The runs of a name that have a row of a revision as high as theirs.
    async fn stale(&self, name: &Arc<str>) -> Result<Vec<Uuid>, Failed> {
        let ids: Vec<Uuid> = self.journal.read(|kept| kept.of_request(name, 0).collect());
        let mut stale = Vec::new();
        let history = History { link: &self.reading, of: Of::Cell(&self.cell), now: self.now() };
        for Placed { run, .. } in history.of_request(name, 0, usize::MAX).await?.0 {
            let is_old = |kept: &Kept| kept.run(run.id).is_some_and(|kept| kept.revision <= run.revision);
            stale.extend(Some(run.id).filter(|id| ids.contains(id) && self.journal.read(is_old)));
        }
        Ok(stale)
    }

    /// Before a name is given anew that was refused: the run that was refused goes first.
    async fn drop_refused(&self, changes: &[Change]) -> Result<(), Failed> {
        let is_anew = |kept: &Kept| {
            let known = self.known();
            puts(changes).any(|(_, run)| known.refused.contains_key(run.request_name()) && kept.run(run.id).is_none())
        };
        if self.journal.read(is_anew) {
            let facts = self.facts(HashMap::new());
            let group = self.journal.read(|kept| make(kept, &[], &Default::default(), &facts));
            self.journal.commit(|_| group).await?;
            self.forget_known();
        }
        Ok(())
    }

    /// Whether no name of the commit is another run's, as far as is known.
    fn check_names(&self, changes: &[Change]) -> Result<(), Failed> {
        for (place, run) in puts(changes) {
            let request = run.request_name();
            if let Some(Refusal { holder, digest }) = self.known().refused.get(request) {
                let cell = holder.as_ref().map_or("another", |holder| &*holder.cell);
                let is_same = holder.as_ref().is_none_or(|holder| holder.digest == *digest);
                return Err(taken(place, run, cell, is_same).into());
            }
            let of_place = |kept: &Kept| {
                let other = kept.of_request(request, run.index).next().filter(|other| *other != run.id);
                other.and_then(|other| kept.stored(other)).filter(|other| other.run.index == run.index)
            };
            if let Some(other) = self.journal.read(of_place) {
                let other = other.unpack(&mut Default::default());
                let is_same = other.is_ok_and(|other| other.digest == run.digest);
                return Err(taken(place, run, &self.cell, is_same).into());
            }
        }
        Ok(())
    }

    /// The rows of runs that are not kept and may have one. A run that was just accepted has none, whatever its name.
    async fn rows_of(&self, changes: &[Change]) -> Result<HashMap<Uuid, RowFact>, Failed> {
        let mut wanted = Vec::new();
        self.journal.read(|kept| {
            for (_, run) in puts(changes).filter(|(_, run)| kept.run(run.id).is_none()) {
                if run.revision > 1 || kept.has_name(run.request_name()) {
                    wanted.push((run.id, self.row_of(run)));
                }
            }
        });
        let mut rows = HashMap::new();
        for some in wanted.chunks(AT_ONCE) {
            let read = some.iter().map(|(id, row)| async move {
                let item = self.reading.table.get(keys::row(&row.request, row.index)).await?;
                Ok::<_, TableError>((*id, item))
            });
            let now = self.now();
            let is_its = |id: Uuid, item: &Item| Read(item).id() == Some(id) && Read(item).is_kept(now);
            for (id, item) in try_join_all(read).await? {
                let Some(item) = item.filter(|item| is_its(id, item)) else { continue };
                rows.extend(Read(&item).fact()?.map(|fact| (id, fact)));
            }
        }
        Ok(rows)
    }

    /// The next number of a write of an array's name: of a later owner they are higher.
    pub(super) fn number(&self, count: &mut u64) -> u64 {
        *count += 1;
        self.journal.epoch() << 32 | *count
    }

    /// The runs that are to be forgotten now, not when their time is over; and their rows.
    async fn forgotten(&self, changes: &[Change], rows: &mut HashMap<Uuid, RowFact>) -> Result<Vec<Run>, Failed> {
        let history = History { link: &self.reading, of: Of::Cell(&self.cell), now: self.now() };
        let mut runs = Vec::new();
        for change in changes {
            let Change::Forget(id) = change else { continue };
            if let Some(stored) = self.journal.read(|kept| kept.stored(*id)) {
                runs.extend(stored.unpack(&mut Default::default()).ok());
            } else if let Some(Placed { run, .. }) = history.by_id(*id).await? {
                let row = self.row_of(&run);
                if let Some(item) = self.reading.table.get(keys::row(&row.request, row.index)).await? {
                    rows.extend(Read(&item).fact()?.map(|fact| (*id, fact)));
                }
                runs.push(run);
            }
        }
        Ok(runs)
    }

    /// Gives the rows and the names of forgotten runs up.
    async fn give_up(&self, runs: Vec<Run>) -> Result<(), Failed> {
        for run in runs {
            let row = self.row_of(&run);
            rows::give_up(&self.reading, &row).await?;
            let is_over = !self.journal.read(|kept| kept.has_name(&row.request));
            if row.index.is_some() && is_over {
                let number = self.number(&mut *self.names.lock().await);
                let name = NameRow { request: row.request, cell: Arc::clone(&self.cell), number };
                rows::close_name(&self.reading, &name, 1).await?;
            }
        }
        Ok(())
    }

    /// At a start: what an earlier owner accepted, and may not have claimed, is claimed again, before anything is done.
    pub(super) async fn claim_again(&self) -> Result<(), StoreError> {
        match self.try_claim_again().await {
            Ok(()) => Ok(()),
            Err(Failed::Store(error)) => Err(error),
            Err(Failed::Journal(error)) => Err(self.said(error).await),
        }
    }

    async fn try_claim_again(&self) -> Result<(), Failed> {
        let now = ended::seconds((self.options.now)());
        for claim in self.journal.read(|kept| kept.claiming.values().cloned().collect::<Vec<_>>()) {
            let verdict = self.insist(|| claims::claim_again(&self.reading, &self.cell, &claim, now)).await?;
            self.take_verdicts(vec![(claim, verdict, None)]).await?;
        }
        let facts = self.facts(HashMap::new());
        let group = self.journal.read(|kept| make(kept, &[], &Default::default(), &facts));
        if !group.is_empty() {
            self.insist(|| self.journal.commit(|_| group.clone())).await?;
        }
        self.forget_known();
        Ok(())
    }

    /// The same call, until it is answered or there were too many.
    async fn insist<T, Answer>(&self, mut call: impl FnMut() -> Answer) -> Result<T, JournalError>
    where
        Answer: Future<Output = Result<T, JournalError>>,
    {
        let mut tries = 0;
        loop {
            match call().await {
                Err(JournalError::Table(error)) if !matches!(error, TableError::Refused(_)) => {
                    tries += 1;
                    if !self.reading.patience.wait(tries).await {
                        return Err(error.into());
                    }
                }
                answer => return answer,
            }
        }
    }
}

pub(super) fn puts(changes: &[Change]) -> impl Iterator<Item = (usize, &Arc<Run>)> {
    changes.iter().enumerate().filter_map(|(place, change)| match change {
        Change::Put(run) => Some((place, run)),
        _ => None,
    })
}

pub(super) fn taken(change: usize, run: &Run, cell: &str, same: bool) -> StoreError {
    StoreError::NameTaken { change, name: run.request_name().to_owned(), cell: cell.to_owned(), same }
}
