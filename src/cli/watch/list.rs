//! The list of runs: the newest that match, kept up to date by the stream. However many runs there are, only these are here.

use super::data::{Page, Row};
use super::filter::Filter;
use super::marks::Marks;
use super::sort::Sort;
use crate::core::time::Timestamp;

/// Runs asked for at first, and more each time the end is reached.
const STEP: usize = 200;
/// Most in one answer of a cell: older ones are found by a filter.
pub(super) const MOST: usize = 1000;
/// Changes kept for an answer that is under way.
const MOST_CAME: usize = 5_000;

/// The runs that are listed, and which of them is selected.
#[derive(Debug)]
pub(super) struct List {
    pub(super) filter: Filter,
    pub(super) sort: Sort,
    /// In this order, as far as nothing has changed since [`List::arrange`].
    pub(super) rows: Vec<Row>,
    pub(super) marks: Marks,
    /// There are older ones that fit.
    pub(super) more: bool,
    /// The selected run; without one it is the first, whichever that is.
    selected: Option<String>,
    want: usize,
    /// The cell is to be asked again.
    stale: bool,
    /// The number of the question that is under way.
    asked: Option<u64>,
    questions: u64,
    /// What the stream told since it was asked.
    came: Vec<Row>,
    /// An answer came for this filter.
    pub(super) loaded: bool,
    /// The last answer was none.
    failed: bool,
}

/// A question to the cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) number: u64,
    pub(super) filter: Filter,
    pub(super) limit: usize,
}

impl List {
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            filter,
            sort: Sort::default(),
            rows: Vec::new(),
            marks: Marks::default(),
            more: false,
            selected: None,
            want: STEP,
            stale: true,
            asked: None,
            questions: 0,
            came: Vec::new(),
            loaded: false,
            failed: false,
        }
    }

    /// Lists other runs, in the same order. An answer to an earlier question no longer counts.
    pub(super) fn narrow(&mut self, filter: Filter) {
        let sort = self.sort;
        *self = Self { questions: self.questions, sort, ..Self::new(filter) };
        self.want_for(sort);
    }

    /// Lists the same runs in another order; the first one is selected.
    pub(super) fn order(&mut self, sort: Sort, now: Timestamp) {
        self.sort = sort;
        self.selected = None;
        self.want_for(sort);
        self.arrange(now);
    }

    /// In any order but the cell's own the first runs may be old ones: as many as can be are asked for.
    fn want_for(&mut self, sort: Sort) {
        if sort != Sort::default() && self.want < MOST {
            self.want = MOST;
            self.stale |= self.more || !self.loaded;
        }
    }

    /// Puts the runs into their order.
    pub(super) fn arrange(&mut self, now: Timestamp) {
        self.sort.arrange(&mut self.rows, now);
    }

    /// Nobody has asked for these runs yet.
    pub(super) fn is_new(&self) -> bool {
        !self.loaded && !self.failed
    }

    /// The cell may know more than the list.
    pub(super) fn doubt(&mut self) {
        self.stale = true;
    }

    /// The connection is gone, and with it the answer.
    pub(super) fn forget_question(&mut self) {
        self.asked = None;
        self.stale = true;
    }

    /// What is to be asked now, if anything is.
    pub(super) fn question(&mut self) -> Option<Question> {
        if !self.stale || self.asked.is_some() {
            return None;
        }
        self.stale = false;
        self.questions += 1;
        self.asked = Some(self.questions);
        self.came.clear();
        Some(Question { number: self.questions, filter: self.filter.clone(), limit: self.want })
    }

    /// An answer to a question, unless something else was asked since.
    pub(super) fn answered(&mut self, number: u64, page: Option<Page>) {
        if self.asked != Some(number) {
            return;
        }
        self.asked = None;
        self.failed = page.is_none();
        let Some(page) = page else { return self.doubt() };
        (self.rows, self.more, self.loaded) = (page.runs, page.next_token.is_some(), true);
        self.rows.iter().for_each(|row| self.marks.change(row));
        // What was told meanwhile may be newer than the answer.
        for row in std::mem::take(&mut self.came) {
            self.change(row);
        }
    }

    /// A run is now as the stream says.
    pub(super) fn change(&mut self, row: Row) {
        if self.asked.is_some() {
            if self.came.len() < MOST_CAME { self.came.push(row.clone()) } else { self.stale = true }
        }
        self.marks.change(&row);
        let fits = self.filter.fits(&row);
        let oldest = || self.rows.iter().map(|known| &known.run).min();
        match self.rows.iter().position(|known| known.run == row.run) {
            Some(at) if fits => self.rows[at] = row,
            Some(at) => {
                self.leave(at);
                self.stale |= self.more;
            }
            // Ids are UUIDv7: newer ones are greater. What is older than the list's end is not in it.
            None if fits && (!self.more || oldest().is_none_or(|oldest| row.run > *oldest)) => self.stale = true,
            None => {}
        }
    }

    /// A run no longer fits. If it was selected, the one in its place is.
    fn leave(&mut self, at: usize) {
        let gone = self.rows.remove(at);
        if self.selected.as_ref() == Some(&gone.run) {
            let next = self.rows.get(at).or_else(|| self.rows.last());
            self.selected = next.map(|row| row.run.clone());
        }
    }

    /// The selected run's place.
    pub(super) fn at(&self) -> usize {
        let selected = self.selected.as_ref();
        selected.and_then(|id| self.rows.iter().position(|row| row.run == *id)).unwrap_or(0)
    }

    pub(super) fn selected(&self) -> Option<&Row> {
        self.rows.get(self.at())
    }

    /// Moves by so many rows. The first row is whichever comes first.
    pub(super) fn step(&mut self, by: isize) {
        let last = self.rows.len().saturating_sub(1);
        let at = self.at().saturating_add_signed(by).min(last);
        self.selected = if at == 0 { None } else { self.rows.get(at).map(|row| row.run.clone()) };
        if at == last && by > 0 && self.more && self.want < MOST {
            self.want = (self.want + STEP).min(MOST);
            self.stale = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(run: &str, status: &str) -> Row {
        Row { run: run.into(), name: run.into(), status: status.into(), ..Row::default() }
    }

    fn page(runs: &[&str], more: bool) -> Option<Page> {
        let runs = runs.iter().map(|run| row(run, "RUNNING")).collect();
        Some(Page { runs, next_token: more.then(|| "t".to_owned()) })
    }

    fn loaded(filter: &str, runs: &[&str], more: bool) -> List {
        let mut list = List::new(Filter::parse(filter, Timestamp::default()).expect("a filter"));
        let question = list.question().expect("a question");
        list.answered(question.number, page(runs, more));
        assert_eq!(list.question(), None, "nothing is in doubt");
        list
    }

    fn names(list: &List) -> Vec<&str> {
        list.rows.iter().map(|row| row.run.as_str()).collect()
    }

    #[test]
    fn a_change_is_seen_at_once_and_a_new_run_is_asked_for() {
        let mut list = loaded("", &["5", "4"], true);
        list.change(row("4", "FAILED"));
        assert_eq!(list.rows[1].status, "FAILED");
        assert_eq!(list.question(), None, "it is known");
        list.change(row("3", "FAILED"));
        assert_eq!(list.question(), None, "older than the end of the list");
        list.change(row("6", "QUEUED"));
        assert!(list.question().is_some());
    }

    #[test]
    fn a_change_that_overtakes_the_answer_is_not_lost() {
        let mut list = loaded("", &["5"], false);
        list.doubt();
        let number = list.question().expect("a question").number;
        list.change(row("5", "SUCCEEDED"));
        list.answered(number, page(&["6", "5"], false));
        assert_eq!(list.rows[1].status, "SUCCEEDED");
    }

    #[test]
    fn an_answer_to_an_earlier_filter_is_none() {
        let mut list = List::new(Filter::default());
        let number = list.question().expect("a question").number;
        list.narrow(Filter::parse("queue=a", Timestamp::default()).expect("a filter"));
        list.answered(number, page(&["1"], false));
        assert!(list.rows.is_empty() && !list.loaded);
        assert!(list.question().is_some_and(|question| question.number > number));
    }

    #[test]
    fn the_selected_run_stays_selected_and_the_first_is_whichever_is_newest() {
        let mut list = loaded("status=RUNNING", &["5", "4", "3"], false);
        list.step(1);
        list.doubt();
        let number = list.question().expect("a question").number;
        list.answered(number, page(&["6", "5", "4", "3"], false));
        assert_eq!(list.selected().map(|row| row.run.as_str()), Some("4"));
        list.change(row("4", "FAILED"));
        assert_eq!(list.selected().map(|row| row.run.as_str()), Some("3"), "the next one, for it no longer fits");
        list.step(-10);
        list.doubt();
        let number = list.question().expect("a question").number;
        list.answered(number, page(&["7", "6"], false));
        assert_eq!((list.selected().map(|row| row.run.as_str()), names(&list)), (Some("7"), vec!["7", "6"]));
    }

    #[test]
    fn the_end_brings_more_until_it_is_enough() {
        let mut list = loaded("", &["2", "1"], true);
        let mut limits = Vec::new();
        for _ in 0..10 {
            list.step(5);
            limits.extend(list.question().map(|question| {
                list.answered(question.number, page(&["2", "1"], true));
                question.limit
            }));
        }
        assert_eq!(limits, [400, 600, 800, 1000]);
    }
}
