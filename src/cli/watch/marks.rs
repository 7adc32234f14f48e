//! The runs that the reader has marked, to do something with all of them.

use std::collections::BTreeMap;

use super::data::Row;

/// Marked runs as they are now, by their ids.
#[derive(Debug, Default)]
pub(super) struct Marks {
    rows: BTreeMap<String, Row>,
    /// The run that was marked last: a range begins there.
    last: Option<String>,
}

impl Marks {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn has(&self, run: &str) -> bool {
        self.rows.contains_key(run)
    }

    /// The marked runs, newest first.
    pub(super) fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.values().rev()
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Marks a run, or takes its mark away.
    pub(super) fn toggle(&mut self, row: &Row) {
        if self.rows.remove(&row.run).is_none() {
            self.rows.insert(row.run.clone(), row.clone());
        }
        self.last = Some(row.run.clone());
    }

    /// Marks all from the run that was marked last to this one.
    pub(super) fn range(&mut self, rows: &[Row], to: usize) {
        let last = self.last.as_ref().and_then(|last| rows.iter().position(|row| row.run == *last)).unwrap_or(to);
        self.add(rows.get(last.min(to)..=last.max(to)).unwrap_or_default());
        self.last = rows.get(to).map(|row| row.run.clone());
    }

    /// Marks all of these; where all of them are marked, none any longer.
    pub(super) fn toggle_all(&mut self, rows: &[Row]) {
        if rows.iter().all(|row| self.has(&row.run)) {
            self.clear();
        } else {
            self.add(rows);
        }
    }

    fn add(&mut self, rows: &[Row]) {
        self.rows.extend(rows.iter().map(|row| (row.run.clone(), row.clone())));
    }

    /// A run is now so.
    pub(super) fn change(&mut self, row: &Row) {
        if let Some(known) = self.rows.get_mut(&row.run) {
            known.clone_from(row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_marked_singly_from_one_to_another_and_all_at_once() {
        let rows: Vec<Row> =
            ["5", "4", "3", "2"].map(|run| Row { run: run.into(), ..Row::default() }).into_iter().collect();
        let mut marks = Marks::default();
        let shown = |marks: &Marks| marks.rows().map(|row| row.run.as_str()).collect::<String>();
        marks.toggle(&rows[0]);
        marks.toggle(&rows[1]);
        marks.toggle(&rows[1]);
        assert_eq!(shown(&marks), "5");
        marks.range(&rows, 3);
        assert_eq!(shown(&marks), "5432", "from the one that was toggled last");
        marks.clear();
        marks.range(&rows, 2);
        assert_eq!(shown(&marks), "3", "no other was marked");
        marks.toggle_all(&rows);
        assert_eq!(marks.len(), 4);
        marks.toggle_all(&rows);
        assert_eq!(marks.len(), 0);
    }

    #[test]
    fn a_marked_run_is_known_as_it_is_now() {
        let mut marks = Marks::default();
        let row = |status: &str| Row { run: "1".into(), status: status.into(), ..Row::default() };
        marks.toggle(&row("RUNNING"));
        marks.change(&row("FAILED"));
        marks.change(&Row { run: "2".into(), ..Row::default() });
        assert_eq!(marks.rows().map(|row| row.status.as_str()).collect::<Vec<_>>(), ["FAILED"]);
    }
}
