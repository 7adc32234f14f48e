//! In which order the listed runs are.

use std::cmp::{Ordering, Reverse};

use super::data::Row;
use super::filter::{ENDED, OPEN};
use crate::core::time::Timestamp;

/// What runs can be ordered by. Runs that are equal in it stay newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Age,
    Name,
    Status,
    Tries,
    Took,
}

/// Each column, its key (with Shift, as in k9s) and what it is called.
pub(super) const COLUMNS: [(Column, char, &str); 5] = [
    (Column::Age, 'A', "age"),
    (Column::Name, 'N', "name"),
    (Column::Status, 'S', "status"),
    (Column::Tries, 'T', "tries"),
    (Column::Took, 'D', "duration"),
];

/// An order of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub(super) column: Column,
    pub(super) reversed: bool,
}

impl Default for Sort {
    /// The cell's own: newest first.
    fn default() -> Self {
        Self { column: Column::Age, reversed: false }
    }
}

impl Sort {
    /// The order that a key asks for: by its column, and the other way round if it is that already.
    pub(super) fn pressed(self, key: char) -> Option<Self> {
        let (column, ..) = *COLUMNS.iter().find(|(_, known, _)| *known == key)?;
        Some(Self { column, reversed: column == self.column && !self.reversed })
    }

    /// How it is told: `by tries ↓`.
    pub(super) fn text(self) -> String {
        let name = COLUMNS.iter().find(|(column, ..)| *column == self.column).map_or("", |(.., name)| name);
        format!("by {name} {}", self.arrow())
    }

    /// Whether the values rise or fall down the list. Tries and durations begin with the greatest.
    pub(super) fn arrow(self) -> char {
        let falls = matches!(self.column, Column::Tries | Column::Took);
        if falls != self.reversed { '↓' } else { '↑' }
    }

    /// Puts runs into this order.
    pub(super) fn arrange(self, rows: &mut [Row], now: Timestamp) {
        rows.sort_by(|a, b| {
            let by_column = self.compare(a, b, now);
            let by_column = if self.reversed { by_column.reverse() } else { by_column };
            // Ids are UUIDv7: newer ones are greater.
            by_column.then_with(|| b.run.cmp(&a.run))
        });
    }

    fn compare(self, a: &Row, b: &Row, now: Timestamp) -> Ordering {
        let took = |row: &Row| row.finished_at.unwrap_or(now).since(row.began_at());
        match self.column {
            Column::Age => b.run.cmp(&a.run),
            Column::Name => natural(&a.name, &b.name),
            Column::Status => rank(a).cmp(&rank(b)),
            Column::Tries => Reverse(a.attempts).cmp(&Reverse(b.attempts)),
            Column::Took => took(b).cmp(&took(a)),
        }
    }
}

fn rank(row: &Row) -> usize {
    OPEN.iter().chain(&ENDED).position(|status| *status == row.status).unwrap_or(usize::MAX)
}

/// By characters, but numbers by their value: `fleet/9` before `fleet/10`.
fn natural(a: &str, b: &str) -> Ordering {
    let number = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (mut a, mut b) = (a, b);
    while let (Some(one), Some(other)) = (a.chars().next(), b.chars().next()) {
        let (long, longer) = (number(a), number(b));
        let (ordering, taken, also) = if long > 0 && longer > 0 {
            let (x, y) = (a[..long].trim_start_matches('0'), b[..longer].trim_start_matches('0'));
            (x.len().cmp(&y.len()).then_with(|| x.cmp(y)), long, longer)
        } else {
            (one.cmp(&other), one.len_utf8(), other.len_utf8())
        };
        if ordering != Ordering::Equal {
            return ordering;
        }
        (a, b) = (&a[taken..], &b[also..]);
    }
    a.len().cmp(&b.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let row = |run: &str, name: &str, status: &str, attempts, ended: Option<i64>| Row {
            run: run.into(),
            name: name.into(),
            status: status.into(),
            attempts,
            submitted_at: Timestamp::from_millis(1_000),
            finished_at: ended.map(Timestamp::from_millis),
            ..Row::default()
        };
        vec![
            row("4", "fleet/10", "FAILED", 1, Some(3_000)),
            row("3", "fleet/9", "QUEUED", 3, None),
            row("2", "etl", "SUCCEEDED", 1, Some(2_000)),
            row("1", "fleet/9b", "FAILED", 2, Some(9_000)),
        ]
    }

    fn order(sort: Sort) -> String {
        let mut rows = rows();
        sort.arrange(&mut rows, Timestamp::from_millis(5_000));
        rows.iter().map(|row| row.run.as_str()).collect()
    }

    #[test]
    fn each_key_orders_by_its_column_and_once_more_the_other_way_round() {
        for (key, first, again) in
            [('N', "2314", "4132"), ('S', "3241", "4123"), ('T', "3142", "4213"), ('D', "1342", "2431")]
        {
            let sort = Sort::default().pressed(key).expect("an order");
            assert_eq!((order(sort).as_str(), key), (first, key));
            assert_eq!(order(sort.pressed(key).expect("an order")), again, "{key}");
        }
        assert_eq!(order(Sort::default()), "4321");
        assert_eq!(order(Sort::default().pressed('A').expect("an order")), "1234");
        assert_eq!(Sort::default().pressed('x'), None);
    }

    #[test]
    fn an_order_says_its_column_and_its_direction() {
        let tries = Sort::default().pressed('T').expect("an order");
        assert_eq!(
            (tries.text(), tries.pressed('T').map(Sort::text)),
            ("by tries ↓".into(), Some("by tries ↑".into()))
        );
    }
}
