//! Reads the rows of ended runs: by id, by name, and newest first.
//!
//! What a listing finds in the index is read again from the table, so that an index that lags shows no run as what it is not.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use futures::future::try_join_all;
use uuid::Uuid;

use super::ended::{Of, Placed, Read};
use super::keys;
use super::link::{JournalError, Link};
use super::table::{Batch, Item, Items, Key, Query, Value};
use crate::store;

/// Rows that are read at once: `BatchGetItem` takes 100.
const PART: usize = 100;
/// Of each partition of the index at a time.
const OF_SHARD: u32 = 25;
/// Rows that a page looks at where few of them fit.
const LOOKED_AT: usize = 500;
/// Ids rise with the times of submission, as far as clocks do.
const CLOCKS_DIFFER: std::time::Duration = std::time::Duration::from_secs(3_600);

/// The rows of ended runs.
pub(super) struct History<'a> {
    pub(super) link: &'a Link,
    pub(super) of: Of<'a>,
    /// In seconds since 1970: what is to be forgotten by then is not there.
    pub(super) now: u64,
}

/// Runs that fit, newest first, and down to which one all were looked at; `None`: there are no more.
pub(super) type Listed = (Vec<Placed>, Option<Uuid>);

impl History<'_> {
    fn shown<'i>(&self, item: &'i Item) -> Option<Read<'i>> {
        Some(Read(item)).filter(|row| row.is_shown(self.of, self.now))
    }

    /// The run of an id.
    pub(super) async fn by_id(&self, id: Uuid) -> Result<Option<Placed>, JournalError> {
        // Behind the id and before the next one.
        let below = Some(format!("{id}~").into());
        let query = Query::Ended { on: keys::ended_of(id), below, limit: 1 };
        let found = self.link.again(|| self.link.table.query(query.clone())).await?;
        let Some(entry) = found.items.into_iter().find(|item| Read(item).id() == Some(id)) else { return Ok(None) };
        let row = self.link.again(|| self.link.table.get(entry.key.clone())).await?;
        let run = row.as_ref().and_then(|row| self.shown(row)).filter(|row| row.id() == Some(id));
        run.map(|row| row.placed()).transpose()
    }

    /// Runs of a request's name from an index on, in its order, and from which index on there may be more.
    pub(super) async fn of_request(
        &self,
        name: &str,
        from: u32,
        limit: usize,
    ) -> Result<(Vec<Placed>, Option<u32>), JournalError> {
        let (mut runs, mut place) = (Vec::new(), if from == 0 { 0 } else { 1 + u64::from(from) });
        loop {
            let query = Query::Items { pk: keys::name(name), from: place, to: u64::MAX };
            let Items { items, more } = self.link.again(|| self.link.table.query(query.clone())).await?;
            place = items.last().map_or(place, |item| item.key.sk + 1);
            for row in items.iter().filter_map(|item| self.shown(item)) {
                runs.push(row.placed()?);
            }
            if !more {
                return Ok((runs, None));
            }
            if runs.len() > limit {
                return Ok((runs, u32::try_from(place.saturating_sub(1)).ok()));
            }
        }
    }

    /// The newest runs that fit, down from one, of those that were submitted on a day or later.
    pub(super) async fn list(
        &self,
        query: &store::Query,
        first_day: Option<u64>,
        is_elsewhere: impl Fn(Uuid) -> bool,
    ) -> Result<Listed, JournalError> {
        let fits = |one: &Placed| !is_elsewhere(one.run.id) && query.fits(&one.run);
        if let Some(name) = query.filter.exact_name() {
            // A request has 10,000 runs at most.
            let (mut runs, _) = self.of_request(crate::core::name::request_of(name), 0, usize::MAX).await?;
            runs.retain(fits);
            runs.sort_unstable_by_key(|one| std::cmp::Reverse(one.run.id));
            return Ok((runs, None));
        }
        let Some(first_day) = first_day else { return Ok((Vec::new(), None)) };
        let since = query.filter.since.map(|since| since.minus(CLOCKS_DIFFER).millis());
        let since =
            since.and_then(|since| u128::try_from(since).ok()).map_or(Uuid::nil(), |at| Uuid::from_u128(at << 80));
        let first = keys::first_of(first_day).max(since);
        let (mut runs, mut looked, mut walk) = (Vec::new(), 0, Walk::down(query.before, first, self.now));
        loop {
            let part = walk.next(self.link).await?;
            let Some(last) = part.last().map(|(id, _)| *id) else { return Ok((runs, None)) };
            looked += part.len();
            for run in self.read(part, &query.filter).await? {
                runs.extend(Some(run).filter(fits));
            }
            if runs.len() > query.limit || looked >= LOOKED_AT {
                return Ok((runs, Some(last)));
            }
        }
    }

    /// The runs of some entries of the index, in their order; those whose entry says already that they do not fit are left out.
    async fn read(
        &self,
        part: Vec<(Uuid, Item)>,
        filter: &crate::core::filter::RunFilter,
    ) -> Result<Vec<Placed>, JournalError> {
        let says = |entry: &Item, name: &str, fits: &dyn Fn(&str) -> bool| match entry.attributes.get(name) {
            Some(Value::S(text)) => fits(text),
            _ => true,
        };
        let may_fit = |(_, entry): &(Uuid, Item)| {
            let status = |text: &str| {
                filter.statuses.as_ref().is_none_or(|wanted| text.parse().is_ok_and(|status| wanted.contains(&status)))
            };
            let queue = |text: &str| filter.queue.as_ref().is_none_or(|wanted| wanted == text);
            says(entry, "status", &status) && says(entry, "queue", &queue)
        };
        let wanted: Vec<(Uuid, Key)> = part.into_iter().filter(may_fit).map(|(id, entry)| (id, entry.key)).collect();
        let mut rows = HashMap::new();
        let mut unread: Vec<Key> = wanted.iter().map(|(_, key)| key.clone()).collect();
        while !unread.is_empty() {
            let Batch { items, unprocessed } = self.link.again(|| self.link.table.batch_get(unread.clone())).await?;
            rows.extend(items.into_iter().map(|item| (item.key.clone(), item)));
            unread = unprocessed;
        }
        let mut runs = Vec::new();
        for (id, key) in wanted {
            let row = rows.get(&key).and_then(|row| self.shown(row)).filter(|row| row.id() == Some(id));
            if let Some(row) = row {
                runs.push(row.placed()?);
            }
        }
        Ok(runs)
    }
}

/// A way through the index, from the newest run down.
struct Walk {
    /// Below this one.
    below: Option<Uuid>,
    /// Not below this one.
    first: Uuid,
    day: u64,
    shards: Vec<Shard>,
}

/// A partition of a day.
struct Shard {
    on: Arc<str>,
    below: Option<Arc<str>>,
    ready: VecDeque<(Uuid, Item)>,
    is_empty: bool,
}

impl Walk {
    fn down(below: Option<Uuid>, first: Uuid, now: u64) -> Self {
        // The clocks of those who submitted may be ahead.
        let today = now / 86_400 + 1;
        let day = below.map_or(today, |below| keys::day_of(below).min(today));
        Self { below, first, day, shards: shards(day, below) }
    }

    /// The next entries; none: there are no more.
    async fn next(&mut self, link: &Link) -> Result<Vec<(Uuid, Item)>, JournalError> {
        let mut part = Vec::with_capacity(PART);
        loop {
            try_join_all(self.shards.iter_mut().map(|shard| shard.fill(link))).await?;
            let newest = self.shards.iter_mut().max_by_key(|shard| shard.ready.front().map(|(id, _)| *id));
            match newest.and_then(|shard| shard.ready.pop_front()) {
                Some((id, _)) if id < self.first => return Ok(part),
                Some(entry) => part.push(entry),
                None if self.day <= keys::day_of(self.first) => return Ok(part),
                None => {
                    self.day -= 1;
                    self.shards = shards(self.day, self.below);
                }
            }
            if part.len() >= PART {
                return Ok(part);
            }
        }
    }
}

fn shards(day: u64, below: Option<Uuid>) -> Vec<Shard> {
    let below: Option<Arc<str>> = below.map(|below| below.to_string().into());
    let shard = |n| Shard { on: keys::ended(day, n), below: below.clone(), ready: VecDeque::new(), is_empty: false };
    (0..keys::SHARDS).map(shard).collect()
}

impl Shard {
    /// Reads on, if nothing of it is ready.
    async fn fill(&mut self, link: &Link) -> Result<(), JournalError> {
        while self.ready.is_empty() && !self.is_empty {
            let query = Query::Ended { on: Arc::clone(&self.on), below: self.below.clone(), limit: OF_SHARD };
            let Items { items, more } = link.again(|| link.table.query(query.clone())).await?;
            self.is_empty = !more;
            if let Some(last) = items.last() {
                self.below = Some(Arc::clone(last.text("id")?));
            }
            self.ready.extend(items.into_iter().filter_map(|item| Some((Read(&item).id()?, item))));
        }
        Ok(())
    }
}
