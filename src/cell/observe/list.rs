//! The newest failures, for people. The newest of them outlive the process and are read by the other processes of a fleet: they are
//! notes of the store, a ring of them, each with so few failures that writing it again is cheap.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::core::filter::is_named;
use crate::core::launcher::LauncherKind;
use crate::core::notification::ObservedOutcome;
use crate::core::observe::{FailureKind, ObservedFailure};
use crate::core::pattern;
use crate::core::time::Timestamp;
use crate::store::{Change, Page};

/// Failures in memory.
const MOST: usize = 10_000;
/// Failures of one note.
const A_NOTE: u64 = 16;
/// Characters of a cause in a note: the notification has all of it.
const CAUSE_CHARS: usize = 600;
/// The notes of the ring.
static NOTES: LazyLock<Vec<&'static str>> = LazyLock::new(|| super::note_names("observed-list-", 32));

/// A failure, and what was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedItem {
    /// Later ones have higher numbers, also over a restart.
    pub number: u64,
    /// What failed.
    pub failed: ObservedFailure,
    /// What was done.
    pub outcome: ObservedOutcome,
}

/// Which failures are meant. Absent: any.
#[derive(Clone, Debug, Default)]
pub struct ObservedFilter {
    /// What failed.
    pub kind: Option<FailureKind>,
    /// Launchers of one of these kinds.
    pub launchers: Vec<LauncherKind>,
    /// The launcher's name; `*` and `?` are taken.
    pub name: Option<String>,
    /// The family of the task definition; `*` and `?` are taken.
    pub family: Option<String>,
    /// The cluster's name; `*` and `?` are taken.
    pub cluster: Option<String>,
    /// A name or class of the failure.
    pub error: Option<String>,
    /// Whether a container ran.
    pub ran: Option<bool>,
    /// At this instant or later.
    pub since: Option<Timestamp>,
}

/// The newest failures.
pub(super) struct List(Mutex<Kept>);

struct Kept {
    /// The newest last.
    items: VecDeque<ObservedItem>,
    next: u64,
}

impl List {
    /// As an earlier process left it. Numbers go on where they ended, else from the time: none comes twice.
    pub(super) fn read(notes: &BTreeMap<String, String>, now: Timestamp) -> Self {
        let items: VecDeque<ObservedItem> = observed_in(notes).into();
        let first = u64::try_from(now.millis()).unwrap_or_default().saturating_mul(1_000);
        let next = items.back().map_or(first, |last| last.number.saturating_add(1));
        Self(Mutex::new(Kept { items, next }))
    }

    /// Adds one; the note of the store that has it.
    pub(super) fn push(&self, failed: &ObservedFailure, outcome: &ObservedOutcome) -> Change {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.next;
        kept.next += 1;
        if kept.items.len() >= MOST {
            kept.items.pop_front();
        }
        let mut failed = failed.clone();
        if let Some((end, _)) = failed.failure.cause.char_indices().nth(CAUSE_CHARS) {
            failed.failure.cause.truncate(end);
            failed.failure.cause.push('…');
        }
        kept.items.push_back(ObservedItem { number, failed, outcome: outcome.clone() });
        let of_note: Vec<&ObservedItem> =
            kept.items.iter().rev().take_while(|item| item.number / A_NOTE == number / A_NOTE).collect();
        // Plain data: it cannot fail.
        let text = serde_json::to_string(&of_note).unwrap_or_else(|_| "[]".into());
        let place = usize::try_from(number / A_NOTE % NOTES.len() as u64).unwrap_or_default();
        Change::Note { name: NOTES[place].into(), text }
    }

    /// At most `limit` of those before a number.
    pub(super) fn page(&self, filter: &ObservedFilter, before: Option<u64>, limit: usize) -> Page<ObservedItem, u64> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let older = kept.items.iter().rev().filter(|item| before.is_none_or(|before| item.number < before));
        let mut items: Vec<ObservedItem> =
            older.filter(|item| filter.fits(&item.failed)).take(limit.saturating_add(1)).cloned().collect();
        let is_cut = items.len() > limit;
        items.truncate(limit);
        Page { next: items.last().filter(|_| is_cut).map(|item| item.number), items }
    }
}

/// The failures in the notes of a store, oldest first. A note that cannot be read is as none.
pub fn observed_in(notes: &BTreeMap<String, String>) -> Vec<ObservedItem> {
    let read = |name: &&str| serde_json::from_str::<Vec<ObservedItem>>(notes.get(*name)?).ok();
    let mut items: Vec<ObservedItem> = NOTES.iter().filter_map(read).flatten().collect();
    items.sort_by_key(|item| item.number);
    items
}

/// Whether a note of a store has observed failures.
pub fn has_observed(note: &str) -> bool {
    NOTES.contains(&note)
}

impl ObservedFilter {
    /// Whether a failure is meant.
    pub fn fits(&self, failed: &ObservedFailure) -> bool {
        let fits = |wanted: &Option<String>, text: &str| wanted.as_deref().is_none_or(|w| pattern::fits(w, text));
        self.kind.is_none_or(|kind| kind == failed.kind)
            && (self.launchers.is_empty() || self.launchers.contains(&failed.launcher.kind))
            && fits(&self.name, failed.launcher.name.as_deref().unwrap_or_default())
            && fits(&self.family, failed.family())
            && fits(&self.cluster, &failed.cluster)
            && self.error.as_deref().is_none_or(|error| has_name(failed, error))
            && self.ran.is_none_or(|ran| ran == failed.ran)
            && self.since.is_none_or(|since| failed.at >= since)
    }
}

fn has_name(failed: &ObservedFailure, wanted: &str) -> bool {
    failed.failure.names.iter().any(|name| is_named(wanted, name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::core::notification::ObservedAction;
    use crate::core::task::parse_task;
    use crate::core::verdict::Deciders;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn failed(n: usize, cause: &str) -> ObservedFailure {
        let task = json!({"taskArn": format!("arn:{n}"), "lastStatus": "STOPPED", "stopCode": "TaskFailedToStart",
            "stoppedReason": cause, "taskDefinitionArn": "etl:7"});
        ObservedFailure::of_task(&parse_task(&task), Deciders::Unknown, NOW).expect("a failure")
    }

    fn outcome() -> ObservedOutcome {
        ObservedOutcome { action: ObservedAction::Notify, policy: None, run: None, why: "no policy".into() }
    }

    fn push(list: &List, notes: &mut BTreeMap<String, String>, failed: &ObservedFailure) {
        let Change::Note { name, text } = list.push(failed, &outcome()) else { panic!("a note") };
        assert!(has_observed(&name) && text.len() < 40_000, "{}", text.len());
        notes.insert(name.into_owned(), text);
    }

    #[test]
    fn the_newest_are_there_after_a_restart_and_later_ones_have_higher_numbers() {
        let mut notes = BTreeMap::from([("limits".to_owned(), "{}".to_owned())]);
        let mut list = List::read(&notes, NOW);
        for n in 0..2_000 {
            if n % 700 == 699 {
                list = List::read(&notes, NOW.plus(Duration::from_secs(5)));
            }
            push(&list, &mut notes, &failed(n, "CannotPullContainerError: gone"));
            let page = list.page(&ObservedFilter::default(), None, 2).items;
            assert_eq!(page[0].failed.task_arn, Some(format!("arn:{n}")));
            assert!(page.get(1).is_none_or(|before| before.number < page[0].number));
        }
        assert_eq!(notes.len(), 1 + NOTES.len());
        let kept = observed_in(&notes);
        assert!((497..=512).contains(&kept.len()), "{}", kept.len());
        let arns: Vec<_> = kept.iter().filter_map(|item| item.failed.task_arn.clone()).collect();
        assert_eq!(arns, (2_000 - kept.len()..2_000).map(|n| format!("arn:{n}")).collect::<Vec<_>>());
        notes.insert(NOTES[3].to_owned(), "{".to_owned());
        assert!(observed_in(&notes).len() >= kept.len() - 16, "a note that cannot be read is as none");
    }

    #[test]
    fn a_long_cause_is_cut_where_it_is_kept() {
        let (mut notes, list) = (BTreeMap::new(), List::read(&BTreeMap::new(), NOW));
        (0..16).for_each(|n| push(&list, &mut notes, &failed(n, &"ü".repeat(5_000))));
        assert!(observed_in(&notes).iter().all(|item| item.failed.failure.cause.chars().count() <= 601));
    }
}
