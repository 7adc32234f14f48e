//! Lists and finds runs, whichever cell has them.

use std::collections::BTreeMap;
use std::sync::Arc;

use uuid::Uuid;

use super::{Front, Holder, Of};
use crate::cell::{Cell, WaitingFor};
use crate::core::run::Run;
use crate::store::{Page, Query, StoreError};

/// Runs of a name that are read at once where all of them are wanted.
const AT_ONCE: usize = 1_000;

/// A run as it is shown.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The cell that has it.
    pub cell: Arc<str>,
    /// The run.
    pub run: Run,
    /// Why it has no task yet, where that is known.
    pub waiting_for: Option<WaitingFor>,
}

/// Runs of one cell as they are shown.
pub(super) fn seen(cell: &Cell, runs: Vec<Run>) -> Vec<Seen> {
    let name: Arc<str> = cell.name().into();
    let waiting = cell.waiting_for(&runs);
    runs.into_iter().zip(waiting).map(|(run, waiting_for)| Seen { cell: Arc::clone(&name), run, waiting_for }).collect()
}

impl Front {
    /// The runs that fit, newest first, a page at a time.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn list(&self, query: Query) -> Result<Page<Seen, Uuid>, StoreError> {
        let cells = self.cells();
        let limit = query.limit;
        let mut pages = Vec::with_capacity(cells.len() + 1);
        for cell in cells.iter() {
            let page = match self.is_fleet() {
                // The ended ones of all cells are read together.
                true => cell.list_in_memory(query.clone()).await?,
                false => cell.list(query.clone()).await?,
            };
            pages.push(Page { items: seen(cell, page.items), next: page.next });
        }
        if let Some(elsewhere) = self.elsewhere() {
            pages.push(elsewhere.list(query).await?);
        }
        Ok(joined(pages, limit))
    }

    /// At most `limit` of the runs that an id, a name, or the name of an array stands for, in the order of their index, from
    /// index `from` on.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn find_page(&self, name: &str, from: u32, limit: usize) -> Result<Page<Seen, u32>, StoreError> {
        let cell = match &self.parts.of {
            Of::Cell(cell) => cell.clone(),
            // All runs of a request are of one cell.
            Of::Fleet(fleet) => match self.cells().iter().find(|cell| cell.knows(name)) {
                Some(cell) => cell.clone(),
                None => return fleet.elsewhere.find(name, from, limit).await,
            },
        };
        let page = cell.find_page(name, from, limit).await?;
        Ok(Page { items: seen(&cell, page.items), next: page.next })
    }

    /// All runs that an id, a name, or the name of an array stands for, in the order of their index.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn find(&self, name: &str) -> Result<Vec<Seen>, StoreError> {
        let (mut found, mut from) = (Vec::new(), 0);
        loop {
            let page = self.find_page(name, from, AT_ONCE).await?;
            found.extend(page.items);
            match page.next {
                Some(next) => from = next,
                None => return Ok(found),
            }
        }
    }

    /// A run of one of the process's own cells, as it is now.
    pub(super) fn now(&self, seen: Seen) -> Seen {
        let Holder::Own(cell) = self.holder(&seen.cell) else { return seen };
        let Some(run) = cell.run(seen.run.id) else { return seen };
        let waiting_for = cell.waiting_for(std::slice::from_ref(&run)).pop().flatten();
        Seen { run, waiting_for, ..seen }
    }
}

/// Pages of several lists, each newest first, as one page. A run that several have is taken from the first.
fn joined(pages: Vec<Page<Seen, Uuid>>, limit: usize) -> Page<Seen, Uuid> {
    // Below where a page ends its list is not known.
    let ends_at = pages.iter().filter_map(|page| page.next).max();
    let mut newest: BTreeMap<Uuid, Seen> = BTreeMap::new();
    for one in pages.into_iter().flat_map(|page| page.items) {
        newest.entry(one.run.id).or_insert(one);
    }
    Page::newest(newest.into_values().rev(), |one| one.run.id, limit, ends_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::request::RunSpec;
    use crate::core::run_task::RunTask;
    use crate::core::time::Timestamp;

    fn page(cell: &str, ids: &[u128], next: Option<u128>) -> Page<Seen, Uuid> {
        let one = |id: &u128| {
            let spec = Arc::new(RunSpec::new(RunTask::default()));
            let run = Run::new(Uuid::from_u128(*id), "r".into(), 0, spec, Timestamp::from_millis(0));
            Seen { cell: cell.into(), run, waiting_for: None }
        };
        Page { items: ids.iter().map(one).collect(), next: next.map(Uuid::from_u128) }
    }

    fn told(page: &Page<Seen, Uuid>) -> (Vec<u128>, Option<u128>) {
        (page.items.iter().map(|one| one.run.id.as_u128()).collect(), page.next.map(|next| next.as_u128()))
    }

    #[test]
    fn pages_of_cells_are_one_page_that_neither_repeats_nor_leaves_out() {
        let both = |limit| joined(vec![page("a", &[9, 5], None), page("b", &[8, 7, 6], Some(6))], limit);
        assert_eq!(told(&both(3)), (vec![9, 8, 7], Some(7)), "cut: the next page is of those before the last");
        assert_eq!(told(&both(9)), (vec![9, 8, 7, 6], Some(6)), "b may have more between 6 and 5");
        let last = joined(vec![page("a", &[5], None), page("b", &[], None)], 3);
        assert_eq!(told(&last), (vec![5], None));
        let none_found = joined(vec![page("a", &[], Some(4)), page("b", &[3], None)], 3);
        assert_eq!(told(&none_found), (vec![], Some(4)), "a looked for long, and has not come to 3");
        let twice = joined(vec![page("a", &[5], None), page("b", &[5], None)], 3);
        assert_eq!((told(&twice), &*twice.items[0].cell), ((vec![5], None), "a"));
    }
}
