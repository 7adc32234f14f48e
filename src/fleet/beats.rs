//! Who is alive: each process counts up its beat, and each watches the beats of all.

use std::collections::BTreeMap;
use std::time::Duration;

/// A process beats, and reads the beats of all, so often.
pub const BEAT: Duration = Duration::from_millis(1_500);
/// A process that last sent a beat that was confirmed longer ago than this does nothing that another could do.
pub const SUSPENDED: Duration = Duration::from_millis(5_500);
/// A process whose beat has not changed for so long is dead, to whoever watched.
pub const DEAD: Duration = Duration::from_millis(7_500);
/// Reads in which a beat must have been the same. While the table cannot be read nobody dies.
const READS: u32 = 4;

/// The beats of a fleet as one process saw them change. No time of another machine is compared with its own.
///
/// Instants are durations since any fixed moment, by a clock that goes on while the machine sleeps.
#[derive(Clone, Debug, Default)]
pub struct Beats {
    seen: BTreeMap<String, Seen>,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    beat: u64,
    since: Duration,
    reads: u32,
}

impl Beats {
    /// Takes in what was read: every process that has a row, and its beat. The others have none any more.
    pub fn read<'a>(&mut self, now: Duration, beats: impl IntoIterator<Item = (&'a str, u64)>) {
        let mut before = std::mem::take(&mut self.seen);
        for (process, beat) in beats {
            let (name, seen) = match before.remove_entry(process) {
                Some((name, seen)) if seen.beat == beat => (name, Seen { reads: seen.reads + 1, ..seen }),
                _ => (process.to_owned(), Seen { beat, since: now, reads: 1 }),
            };
            self.seen.insert(name, seen);
        }
    }

    /// Whether a process has a row, and its beat has changed lately.
    pub fn is_alive(&self, process: &str, now: Duration) -> bool {
        self.seen.get(process).is_some_and(|seen| !seen.is_dead(now))
    }

    /// For how long a process's beat has been as it is.
    pub fn unchanged_for(&self, process: &str, now: Duration) -> Option<Duration> {
        self.seen.get(process).map(|seen| now.saturating_sub(seen.since))
    }

    /// Those that have a row, and are dead: each with the beat at which it stood still.
    pub fn dead(&self, now: Duration) -> impl Iterator<Item = (&str, u64)> {
        self.seen.iter().filter(move |(_, seen)| seen.is_dead(now)).map(|(process, seen)| (process.as_str(), seen.beat))
    }
}

impl Seen {
    fn is_dead(&self, now: Duration) -> bool {
        self.reads >= READS && now.saturating_sub(self.since) >= DEAD
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_process_is_dead_once_its_beat_stood_still_for_long_enough_and_in_enough_reads() {
        let mut beats = Beats::default();
        for n in 0..6_u64 {
            beats.read(seconds(1.5 * n as f64), [("a", n), ("b", 7)]);
        }
        assert!(beats.is_alive("a", seconds(7.5)) && !beats.is_alive("b", seconds(7.5)));
        assert_eq!(beats.dead(seconds(7.5)).collect::<Vec<_>>(), [("b", 7)]);
        assert!(!beats.is_alive("c", seconds(7.5)), "it has no row");
        beats.read(seconds(9.0), [("a", 6), ("b", 8)]);
        assert!(beats.is_alive("b", seconds(9.0)), "it beats again");
        beats.read(seconds(10.0), [("a", 7)]);
        assert_eq!(beats.dead(seconds(99.0)).count(), 0, "its row is gone");
    }

    #[test]
    fn while_the_table_cannot_be_read_nobody_dies() {
        let mut beats = Beats::default();
        beats.read(seconds(0.0), [("a", 1)]);
        for (n, at) in [60.0, 60.1].into_iter().enumerate() {
            beats.read(seconds(at), [("a", 1)]);
            assert!(beats.is_alive("a", seconds(at)), "{n}");
        }
        beats.read(seconds(60.2), [("a", 1)]);
        assert!(!beats.is_alive("a", seconds(60.2)));
    }
}
