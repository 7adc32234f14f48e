//! Failures of what others launch.

use super::Front;
use crate::cell::{ObservedFilter, ObservedItem};
use crate::store::Page;

impl Front {
    /// Those that fit, newest first, a page at a time: of the cells that this process serves, and of those of its fleet's other
    /// processes the newest.
    pub fn observed(&self, filter: &ObservedFilter, before: Option<u64>, limit: usize) -> Page<ObservedItem, u64> {
        let pages = self.cells().iter().map(|cell| cell.observed(filter, before, limit)).collect::<Vec<_>>();
        let is_more = pages.iter().any(|page| page.next.is_some());
        let mut items: Vec<ObservedItem> = pages.into_iter().flat_map(|page| page.items).collect();
        let others = self.elsewhere().map(|elsewhere| elsewhere.observed()).unwrap_or_default();
        let is_meant =
            |item: &ObservedItem| before.is_none_or(|before| item.number < before) && filter.fits(&item.failed);
        items.extend(others.into_iter().filter(is_meant));
        items.sort_by_key(|item| std::cmp::Reverse(item.number));
        // A cell that has just moved may be known twice.
        items.dedup_by_key(|item| item.number);
        let is_cut = items.len() > limit || is_more;
        items.truncate(limit);
        Page { next: items.last().filter(|_| is_cut).map(|item| item.number), items }
    }
}
