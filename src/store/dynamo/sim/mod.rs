//! The protocol in histories in which everything goes wrong, from a seed: owners that take a cell from each other while their
//! calls are delayed, lost, repeated and throttled, and they themselves stand still and are killed.
//!
//! `TASKWATCH_SIM_SEED=n` lives one seed again; `TASKWATCH_SIM_SEEDS=n` lives so many.

mod fuzzy;
mod names;
mod net;
mod ring;
mod rows;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::rules::{Rule, Rules};
use world::Lived;

/// Histories of each kind that `cargo test` lives through.
const SEEDS: u64 = 2_500;
/// Histories in which a rule that is left out must have shown.
const SEEDS_OF_A_RULE: u64 = 600;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

/// Lives histories on every core, until one is broken in some way: the sum of them, and that one.
fn live_until_broken(
    seeds: std::ops::Range<u64>,
    way: &str,
    live: impl Fn(u64) -> Lived + Sync,
) -> (Lived, Option<String>) {
    let (next, sum, broken) = (AtomicU64::new(seeds.start), Mutex::new(Lived::default()), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if !seeds.contains(&seed) || broken.lock().unwrap().is_some() {
                        return;
                    }
                    let lived = live(seed);
                    if let Some(violation) = lived.violation.as_ref().filter(|violation| violation.contains(way)) {
                        broken.lock().unwrap().get_or_insert(format!("seed {seed}: {violation}"));
                    }
                    sum.lock().unwrap().add(&lived);
                }
            });
        }
    });
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    (sum, broken.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// No history is broken.
fn holds(seeds: u64, live: impl Fn(u64, Rules) -> Lived + Sync) -> Lived {
    let seeds = match number("TASKWATCH_SIM_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("TASKWATCH_SIM_SEEDS").unwrap_or(seeds),
    };
    let (lived, broken) = live_until_broken(seeds, "", |seed| live(seed, Rules::default()));
    println!("{lived:?}");
    assert_eq!(broken, None, "TASKWATCH_SIM_SEED lives it again");
    lived
}

/// Some history is broken in this way where a rule is not kept.
fn breaks(rule: Rule, way: &str, live: impl Fn(u64, Rules) -> Lived + Sync) {
    let (lived, broken) = live_until_broken(0..SEEDS_OF_A_RULE, way, |seed| live(seed, Rules::without(rule)));
    let broken = broken.unwrap_or_else(|| panic!("without {rule:?} nothing came to {way:?}: {lived:?}"));
    println!("without {rule:?}: {broken}, after {} histories", lived.histories);
}

#[test]
fn the_ring_loses_nothing_that_was_acknowledged() {
    let lived = holds(SEEDS, ring::live);
    assert!(lived.commits > lived.histories && lived.takeovers > lived.histories, "{lived:?}");
    assert!(lived.fenced > lived.histories / 2 && lived.snapshots > lived.histories, "{lived:?}");
}

#[test]
fn a_new_owner_knows_behind_its_fence_exactly_what_the_log_says() {
    let lived = holds(SEEDS, fuzzy::live);
    assert!(lived.commits > lived.histories && lived.takeovers > lived.histories, "{lived:?}");
    assert!(lived.fenced > lived.histories / 2 && lived.snapshots > lived.histories, "{lived:?}");
}

#[test]
fn a_name_is_launched_as_one_run_by_cells_that_share_a_queue() {
    let lived = holds(SEEDS, names::live);
    assert!(lived.takeovers > lived.histories, "{lived:?}");
}

#[test]
fn a_run_that_was_begun_again_keeps_its_name() {
    let lived = holds(SEEDS, rows::live);
    assert!(lived.takeovers > lived.histories, "{lived:?}");
}

#[test]
fn the_same_seed_is_the_same_history() {
    for seed in [3, 7] {
        for live in [ring::live, fuzzy::live, names::live, rows::live] {
            let (first, again) = (live(seed, Rules::default()), live(seed, Rules::default()));
            assert_eq!(first, again, "seed {seed}");
            assert_ne!(first.hash, live(seed + 1, Rules::default()).hash);
        }
    }
}

macro_rules! each_rule_is_needed {
    ($($test:ident: $rule:ident in $histories:ident, $said:literal;)*) => {
        $(
            #[test]
            fn $test() {
                breaks(Rule::$rule, $said, $histories::live);
            }
        )*
    };
}

mod without {
    use super::*;

    each_rule_is_needed! {
        the_append_condition: AppendCondition in ring, "acknowledged and lost";
        overwriting_instead_of_deleting: OverwritesOnly in ring, "acknowledged and lost";
        the_same_bytes_again: SameBytesAgain in ring, "acknowledged and lost";
        ones_own_try_as_success: OwnTryIsSuccess in ring, "fenced itself";
        whole_groups: WholeGroups in fuzzy, "behind its fence";
        the_fence_record: FenceRecord in ring, "wrote behind a fence";
        room_for_the_fence: FenceNeedsRoom in ring, "cannot be read";
        the_chunk_condition: ChunkCondition in ring, "cannot be read";
        the_pointers_epoch: PointerEpoch in ring, "cannot be read";
        the_pointers_order: PointerForward in ring, "cannot be read";
        the_pointer_that_stood: PointerStood in fuzzy, "reading along";
        reading_again_when_lapped: LappedReadsAgain in fuzzy, "reading along";
        the_claim: NamesClaimed in names, "a name was launched twice";
        the_log_before_the_claim: LogBeforeClaim in names, "a name was lost";
        the_claim_before_the_acknowledgement: ClaimBeforeAcknowledged in names, "a name was lost";
        dropping_what_was_never_claimed: OldUnclaimedDropped in names, "a name was launched twice";
        the_revision_of_an_ended_row: EndedRevision in rows, "the name went to another run";
        the_epoch_of_a_row: RowEpoch in rows, "an ended run was forgotten";
    }
}
