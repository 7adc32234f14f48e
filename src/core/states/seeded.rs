//! Random numbers from a seed: those of `java.util.Random`, whose documentation has the algorithm (a linear congruential generator
//! of 48 bits).
//!
//! AWS publishes no algorithm. For JSONata's `$random(42)` people saw Step Functions answer 0.7275636800328681, which is
//! `nextDouble` of that class. For `States.MathRandom` with a seed no answer is known: `nextInt` of the same class is a guess, and
//! docs/migrate.md says so.

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

/// The numbers of one seed.
pub(in crate::core::states) struct Seeded(u64);

impl Seeded {
    pub(in crate::core::states) fn new(seed: i64) -> Self {
        Self((seed.cast_unsigned() ^ MULTIPLIER) & MASK)
    }

    /// The next `bits`, at most 32 of them.
    fn next(&mut self, bits: u32) -> u64 {
        self.0 = self.0.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
        self.0 >> (48 - bits)
    }

    /// A number from 0 to 1, which is not one of them (`nextDouble`).
    pub(in crate::core::states) fn float(&mut self) -> f64 {
        let drawn = (self.next(26) << 27) + self.next(27);
        #[allow(clippy::cast_precision_loss, reason = "53 bits fit a float")]
        let drawn = drawn as f64;
        drawn / 9_007_199_254_740_992.0
    }

    /// A whole number from 0 to `bound`, which is not one of them (`nextInt` for a bound of 31 bits).
    pub(in crate::core::states) fn below(&mut self, bound: u64) -> u64 {
        if bound > 1 << 31 {
            return ((self.next(32) << 32) + self.next(32)) % bound;
        }
        if bound.is_power_of_two() {
            return (bound * self.next(31)) >> 31;
        }
        loop {
            let drawn = self.next(31);
            let below = drawn % bound;
            // Draws above the last whole multiple of the bound would favour small numbers.
            if drawn - below + (bound - 1) < 1 << 31 {
                return below;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seeded;

    #[test]
    fn the_numbers_of_a_seed_are_those_of_java() {
        for (seed, first) in [(42, 0.727_563_680_032_868_1), (0, 0.730_967_787_376_657), (7, 0.730_699_042_060_042_1)] {
            assert_eq!(Seeded::new(seed).float(), first, "{seed}");
        }
        let mut of_42 = Seeded::new(42);
        assert_eq!([10, 10, 10].map(|bound| of_42.below(bound)), [0, 3, 8]);
    }
}
