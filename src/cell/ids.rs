//! Where the ids of runs come from: chance, or a seed, so that a simulation can be had again.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use uuid::{Builder, Uuid};

use super::clock::Clock;
use crate::core::request::Acceptance;
use crate::core::time::Timestamp;

/// A source of UUIDv7s.
#[derive(Clone, Debug, Default)]
pub struct Ids(Option<Arc<Mutex<Seeded>>>);

#[derive(Debug)]
struct Seeded {
    dice: SmallRng,
    /// Ids of one millisecond rise, as those by chance do: so many were given in the last one.
    last: (u64, u32),
}

impl Seeded {
    fn next(&mut self, millis: u64) -> Uuid {
        let count = if self.last.0 == millis { self.last.1 + 1 } else { 0 };
        self.last = (millis, count);
        let mut bytes = [0; 10];
        self.dice.fill_bytes(&mut bytes);
        // The bits that neither version nor variant takes (RFC 9562, section 6.2, method 1): 12, then 14 more.
        let [_, _, high, low] = (count >> 14).to_be_bytes();
        (bytes[0], bytes[1]) = (high & 0x0f, low);
        let [_, _, high, low] = (count & 0x3fff).to_be_bytes();
        (bytes[2], bytes[3]) = (high, low);
        Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

impl Ids {
    /// The same ids for the same seed and the same times. For tests: others can guess them.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(Seeded { dice: SmallRng::seed_from_u64(seed), last: (0, 0) }))))
    }

    /// What a request that comes now is evaluated with: this moment, and an id of its own.
    pub fn acceptance(&self, clock: &Clock) -> Acceptance {
        let now = clock.now();
        Acceptance::new(now, self.next(now))
    }

    /// One more id.
    pub(crate) fn next(&self, now: Timestamp) -> Uuid {
        let Some(seeded) = &self.0 else { return Uuid::now_v7() };
        let millis = u64::try_from(now.millis()).unwrap_or_default();
        seeded.lock().unwrap_or_else(PoisonError::into_inner).next(millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_ids_again_and_chance_gives_others() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let of = |ids: &Ids| [ids.next(now), ids.next(now)];
        assert_eq!(of(&Ids::seeded(1)), of(&Ids::seeded(1)));
        assert_ne!(of(&Ids::seeded(1)), of(&Ids::seeded(2)));
        let [first, second] = of(&Ids::default());
        assert_ne!(first, second);
        assert!([first, Ids::seeded(1).next(now)].iter().all(|id| id.get_version_num() == 7));
    }

    #[test]
    fn ids_of_one_millisecond_rise() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        for ids in [Ids::seeded(1), Ids::default()] {
            let given: Vec<Uuid> = (0..20_000).map(|_| ids.next(now)).collect();
            assert!(given.is_sorted(), "{ids:?}");
        }
    }
}
