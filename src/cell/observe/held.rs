//! Launches that wait to be made once more, also over a restart: notes of the store, each with those whose ids fall to it, so that
//! writing one again is cheap when many wait.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use uuid::Uuid;

use crate::core::observe::Repeat;
use crate::core::time::Timestamp;
use crate::store::Change;

/// What the names of the notes begin with.
const NOTE: &str = "observed-repeats-";
/// How many notes there are.
const NOTES: u128 = 64;
/// Bytes of a note, at most: a store takes no large ones.
const MOST_BYTES: usize = 100_000;

/// The notes' names.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| super::note_names(NOTE, NOTES));

/// Launches that wait, by the failure.
#[derive(Default)]
pub(super) struct Held(BTreeMap<Uuid, Repeat>);

impl Held {
    /// As an earlier process left them.
    pub(super) fn read(notes: &BTreeMap<String, String>) -> Self {
        let ours = notes.iter().filter(|(name, _)| name.starts_with(NOTE));
        let all = ours.flat_map(|(name, text)| super::kept::<Repeat>(name, Some(text)));
        Self(all.map(|repeat| (repeat.failed.id, repeat)).collect())
    }

    /// Adds one; the note that has it. None where there is no room.
    pub(super) fn add(&mut self, repeat: Repeat) -> Option<Change> {
        let id = repeat.failed.id;
        self.0.insert(id, repeat);
        let (name, text) = self.note(id);
        if text.len() > MOST_BYTES {
            self.0.remove(&id);
            return None;
        }
        Some(Change::Note { name: name.into(), text })
    }

    /// Takes one out; the note that had it.
    pub(super) fn remove(&mut self, id: Uuid) -> Change {
        self.0.remove(&id);
        let (name, text) = self.note(id);
        Change::Note { name: name.into(), text }
    }

    /// Those that are to be decided, the first first.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Repeat> {
        let mut due: Vec<Repeat> = self.0.values().filter(|repeat| repeat.due <= now).cloned().collect();
        due.sort_by_key(|repeat| (repeat.due, repeat.failed.id));
        due
    }

    fn note(&self, id: Uuid) -> (&'static str, String) {
        let number = id.as_u128() % NOTES;
        let its: Vec<&Repeat> = self.0.values().filter(|repeat| repeat.failed.id.as_u128() % NOTES == number).collect();
        let name = usize::try_from(number).ok().and_then(|number| NAMES.get(number)).copied().unwrap_or(NOTE);
        // Plain data: it cannot fail.
        (name, serde_json::to_string(&its).unwrap_or_else(|_| "[]".into()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::core::observe::{ObservedFailure, RetryRules};
    use crate::core::task::parse_task;
    use crate::core::verdict::Deciders;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn repeat(n: usize) -> Repeat {
        let task = json!({"taskArn": format!("arn:{n}"), "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
            "stoppedReason": "Timeout waiting for network interface provisioning to complete.", "taskDefinitionArn": "etl:7",
            "startedBy": "events-rule/nightly", "createdAt": "2027-01-15T08:00:00Z"});
        let task = parse_task(&task);
        let failed = ObservedFailure::of_task(&task, Deciders::Unknown, NOW).expect("a failure");
        let rules = RetryRules {
            retry: None,
            within: Duration::from_secs(1_800),
            settle: Duration::from_secs(60),
            skip_when_newer: true,
        };
        Repeat::of_task((&failed, &task, &json!({})), ("p", &rules), NOW).expect("a repeat")
    }

    /// A rule that launches 16 tasks a second, as one did of which its owner wrote, and every one is refused for a minute.
    #[test]
    fn a_thousand_wait_at_once_and_are_there_after_a_restart() {
        let (mut held, mut notes) = (Held::default(), BTreeMap::new());
        for n in 0..1_000 {
            let Some(Change::Note { name, text }) = held.add(repeat(n)) else { panic!("no room for {n}") };
            notes.insert(name.into_owned(), text);
        }
        let mut held = Held::read(&notes);
        assert_eq!((held.due(NOW).len(), held.due(NOW.plus(Duration::from_secs(60))).len()), (0, 1_000));
        for n in 0..1_000 {
            let Change::Note { name, text } = held.remove(repeat(n).failed.id) else { panic!("a note") };
            notes.insert(name.into_owned(), text);
        }
        assert!(notes.len() == 64 && notes.values().all(|text| text == "[]"));
    }

    #[test]
    fn there_is_no_room_for_more_than_a_store_takes() {
        let mut held = Held::default();
        let taken = (0..100_000).map(repeat).take_while(|repeat| held.add(repeat.clone()).is_some()).count();
        assert!((3_000..100_000).contains(&taken), "{taken}");
        assert!(held.0.len() == taken && (0..NOTES).all(|n| held.note(Uuid::from_u128(n)).1.len() <= MOST_BYTES));
    }
}
