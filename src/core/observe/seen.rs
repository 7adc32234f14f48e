//! Which failures were dealt with: the newest 10,000 or so, also over a restart. Tasks change state twice at their end, and
//! queues deliver twice.
//!
//! They are kept as notes of the store: a ring of them, each with so many keys that writing it again is cheap. Of a failure's id
//! 64 bits are kept.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The notes of the ring.
pub const NOTES: [&str; 32] = [
    "observed-00",
    "observed-01",
    "observed-02",
    "observed-03",
    "observed-04",
    "observed-05",
    "observed-06",
    "observed-07",
    "observed-08",
    "observed-09",
    "observed-10",
    "observed-11",
    "observed-12",
    "observed-13",
    "observed-14",
    "observed-15",
    "observed-16",
    "observed-17",
    "observed-18",
    "observed-19",
    "observed-20",
    "observed-21",
    "observed-22",
    "observed-23",
    "observed-24",
    "observed-25",
    "observed-26",
    "observed-27",
    "observed-28",
    "observed-29",
    "observed-30",
    "observed-31",
];
/// Keys of one note.
const A_NOTE: usize = 320;
const KEY_CHARS: usize = 16;

/// A note's text.
#[derive(Serialize, Deserialize)]
struct Note {
    /// The how-manieth note it is since the first: its place in the ring is the rest by the ring's length.
    number: u64,
    keys: String,
}

/// The failures that were dealt with.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    keys: HashSet<u64>,
    /// Keys by the number of their note.
    notes: BTreeMap<u64, Vec<u64>>,
}

impl Seen {
    /// As an earlier process left it. A note that cannot be read is as none.
    pub fn read<'n>(note: impl Fn(&str) -> Option<&'n str>) -> Self {
        let mut seen = Self::default();
        for note in NOTES.iter().filter_map(|name| serde_json::from_str::<Note>(note(name)?).ok()) {
            let keys: Vec<u64> = (0..note.keys.len() / KEY_CHARS)
                .filter_map(|at| note.keys.get(at * KEY_CHARS..(at + 1) * KEY_CHARS))
                .filter_map(|hex| u64::from_str_radix(hex, 16).ok())
                .collect();
            seen.keys.extend(&keys);
            seen.notes.insert(note.number, keys);
        }
        seen
    }

    /// Whether this failure was dealt with.
    pub fn contains(&self, id: Uuid) -> bool {
        self.keys.contains(&key(id))
    }

    /// Notes one; the note of the store that has it now, by name and text.
    pub fn insert(&mut self, id: Uuid) -> (&'static str, String) {
        let mut number = self.notes.last_key_value().map_or(0, |(number, _)| *number);
        if self.notes.get(&number).is_some_and(|keys| keys.len() >= A_NOTE) {
            number += 1;
            while self.notes.len() >= NOTES.len() {
                let Some((_, oldest)) = self.notes.pop_first() else { break };
                for key in &oldest {
                    self.keys.remove(key);
                }
            }
        }
        let keys = self.notes.entry(number).or_default();
        keys.push(key(id));
        self.keys.insert(key(id));
        let mut hex = String::with_capacity(keys.len() * KEY_CHARS);
        for key in &*keys {
            // Writing into a text cannot fail.
            let _ = write!(hex, "{key:016x}");
        }
        let place = usize::try_from(number % NOTES.len() as u64).unwrap_or_default();
        let text = serde_json::to_string(&Note { number, keys: hex }).unwrap_or_default();
        (NOTES[place], text)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

fn key(id: Uuid) -> u64 {
    id.as_u64_pair().0
}
