//! What one message and one call hold: bodies are cut to fit, calls are filled.

use super::{LinesAsked, Notification};
use crate::core::attempt::{FIRST_KEPT, LAST_KEPT};

/// PublishBatch and PutEvents take 10 (API references).
pub const MOST_A_CALL: usize = 10;
/// PublishBatch: "the total aggregate size of all messages … 256 KiB"; PutEvents allows more by now. Some room is left.
pub(super) const MOST_BYTES: usize = 250 * 1024;
/// The data type of an attribute, `String`, counts too.
const DATA_TYPE: usize = 6;

/// How much is told of a run.
pub(super) struct Fit {
    /// Attempts, the newest.
    pub(super) attempts: usize,
    /// Characters of an error's name or cause; the whole of it stays with the run.
    cause_chars: usize,
    /// Whether the request is shown.
    pub(super) run_task: bool,
}

/// What is told where there is room: nearly always.
pub(super) const FULL: Fit = Fit { attempts: FIRST_KEPT + LAST_KEPT, cause_chars: 1_500, run_task: true };
/// What is left out first, second and last.
const LESS: [Fit; 4] = [
    FULL,
    Fit { attempts: 50, cause_chars: 200, run_task: true },
    Fit { attempts: 5, cause_chars: 200, run_task: true },
    Fit { attempts: 5, cause_chars: 200, run_task: false },
];

impl Fit {
    /// A text, cut.
    pub(super) fn cut(&self, text: &str) -> String {
        match text.char_indices().nth(self.cause_chars) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        }
    }
}

/// The fullest text of at most so many bytes.
pub(super) fn first_that_fits(bytes: usize, text: impl Fn(&Fit) -> String) -> String {
    let mut last = String::new();
    for fit in &LESS {
        last = text(fit);
        if last.len() <= bytes {
            break;
        }
    }
    last
}

/// A text of at most so many characters.
pub(super) fn cut_chars(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some(_) => text.chars().take(chars.saturating_sub(1)).chain(['…']).collect(),
        None => text.to_owned(),
    }
}

/// A text of at most so many bytes.
pub(super) fn cut_bytes(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(bytes.saturating_sub('…'.len_utf8()));
    format!("{}…", &text[..end])
}

impl Notification {
    /// What counts towards the size of its call.
    pub(super) fn bytes(&self) -> usize {
        let of_type = |name: &str| self.data_types.get(name).map_or(DATA_TYPE, String::len);
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + value.len() + of_type(name));
        let resources = self.resources.iter().map(String::len);
        let lines = self.log.as_ref().map_or(0, LinesAsked::bytes);
        let parts = [self.message.len(), self.subject.len(), self.detail_type.len(), self.id.len(), lines];
        parts.into_iter().chain(attributes).chain(resources).sum()
    }
}

/// Cuts one destination's notifications into calls that it takes: ten at most, of together less than 256 KiB, and never two of
/// one run, so that the second cannot be taken when the first was not. Answers the sizes of the calls, in order.
pub fn calls<'n>(notifications: impl IntoIterator<Item = &'n Notification>) -> Vec<usize> {
    let mut calls: Vec<usize> = Vec::new();
    let (mut bytes, mut runs) = (0, Vec::new());
    for notification in notifications {
        let more = notification.bytes();
        let fits = runs.len() < MOST_A_CALL && bytes + more <= MOST_BYTES && !runs.contains(&notification.run);
        match calls.last_mut().filter(|_| fits) {
            Some(call) => *call += 1,
            None => {
                calls.push(1);
                bytes = 0;
                runs.clear();
            }
        }
        bytes += more;
        runs.push(notification.run);
    }
    calls
}
