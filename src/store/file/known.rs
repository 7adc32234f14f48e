//! What the writer remembers between commits.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use rusqlite::{Connection, OptionalExtension as _, params};

use super::columns::unwritable;
use crate::core::request::RunSpec;
use crate::core::run::Run;
use crate::store::codec;

/// Rows of specs remembered by address before those that nobody uses are dropped.
const SPECS: usize = 10_000;

/// Rows that need not be looked up again.
#[derive(Default)]
pub(super) struct Known {
    /// Rows of specs by the address they are shared at; the weak reference tells whether it is still the same one.
    specs: HashMap<usize, (Weak<RunSpec>, [u8; 32], i64)>,
    /// Rows of the names of errors.
    errors: HashMap<String, i64>,
    /// Whether runs of the format before are left.
    pub(super) legacy: bool,
}

impl Known {
    pub(super) fn new(legacy: bool) -> Self {
        Self { legacy, ..Self::default() }
    }

    /// A transaction that was taken back may have taken rows with it.
    pub(super) fn forget(&mut self) {
        self.specs.clear();
        self.errors.clear();
    }

    /// The row of a run's spec, if it is remembered.
    pub(super) fn remembered(&self, run: &Run) -> Option<i64> {
        let is_it = |known: &Weak<RunSpec>| known.upgrade().is_some_and(|known| Arc::ptr_eq(&known, &run.spec));
        let (weak, digest, row) = self.specs.get(&address(&run.spec))?;
        (*digest == run.digest && is_it(weak)).then_some(*row)
    }

    /// The row of a run's spec, which is made if there is none; runs of one request share it.
    pub(super) fn spec(&mut self, to: &Connection, run: &Run) -> rusqlite::Result<i64> {
        if let Some(row) = self.remembered(run) {
            return Ok(row);
        }
        let spec = &run.spec;
        let (body, id) = codec::encode_shared(spec, &run.digest).map_err(unwritable)?;
        let find = |to: &Connection| {
            let mut found = to.prepare_cached("SELECT id FROM specs WHERE digest = ?1")?;
            found.query_row([id], |row| row.get(0)).optional()
        };
        let row = match find(to)? {
            Some(row) => row,
            None => {
                let sql = "INSERT INTO specs (digest, body, task_definition, cluster) VALUES (?1, ?2, ?3, ?4)";
                let task = &spec.run_task;
                to.prepare_cached(sql)?.execute(params![id, body, task.task_definition_name(), task.cluster_name()])?;
                to.last_insert_rowid()
            }
        };
        if self.specs.len() >= SPECS {
            self.specs.retain(|_, (weak, _, _)| weak.strong_count() > 0);
        }
        if self.specs.len() < SPECS {
            self.specs.insert(address(spec), (Arc::downgrade(spec), run.digest, row));
        }
        Ok(row)
    }

    /// The row of an error's name. Names are AWS's and ours: there are some hundreds, and they stay.
    pub(super) fn error(&mut self, to: &Connection, name: &str) -> rusqlite::Result<i64> {
        if let Some(row) = self.errors.get(name) {
            return Ok(*row);
        }
        to.prepare_cached("INSERT INTO errors (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([name])?;
        let row = to.prepare_cached("SELECT id FROM errors WHERE name = ?1")?.query_row([name], |row| row.get(0))?;
        if self.errors.len() < SPECS {
            self.errors.insert(name.to_owned(), row);
        }
        Ok(row)
    }
}

/// What a spec is remembered by while it is shared.
fn address(spec: &Arc<RunSpec>) -> usize {
    Arc::as_ptr(spec) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::store::conformance::runs;

    #[test]
    fn specs_that_nobody_uses_make_room_and_those_in_use_stay() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE specs (id INTEGER PRIMARY KEY, digest BLOB UNIQUE, body BLOB, task_definition TEXT, cluster TEXT)").unwrap();
        let mut known = Known::default();
        let [used, new] = [runs(1).remove(0), runs(1).remove(0)];
        assert!(!Arc::ptr_eq(&used.spec, &new.spec));
        let row = known.spec(&connection, &used).unwrap();
        // As if as many as may be remembered were none's any more.
        for address in 0..SPECS - 1 {
            known.specs.insert(address, (Weak::new(), [0; 32], 0));
        }
        assert_eq!(known.spec(&connection, &new).unwrap(), row, "of equal specs there is one row");
        let remembered: BTreeSet<usize> = known.specs.keys().copied().collect();
        assert_eq!(remembered, BTreeSet::from([&used, &new].map(|run| Arc::as_ptr(&run.spec) as usize)));
    }
}
