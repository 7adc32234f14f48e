//! Where the ids of runs come from: chance, or a seed, so that a simulation can be had again.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};
use uuid::{Builder, Uuid};

use crate::core::time::Timestamp;

/// A source of UUIDv7s.
#[derive(Clone, Debug, Default)]
pub struct Ids(Option<Arc<Mutex<SmallRng>>>);

impl Ids {
    /// The same ids for the same seed and the same times. For tests: others can guess them.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(SmallRng::seed_from_u64(seed)))))
    }

    /// One more id.
    pub(super) fn next(&self, now: Timestamp) -> Uuid {
        let Some(dice) = &self.0 else { return Uuid::now_v7() };
        let mut chance = [0; 10];
        dice.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut chance);
        Builder::from_unix_timestamp_millis(u64::try_from(now.millis()).unwrap_or_default(), &chance).into_uuid()
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
}
