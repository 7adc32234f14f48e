//! What those who ask are shown: changes, counts, durations, pages of runs, health.

mod change;
mod counters;
mod counts;
mod feed;
mod list;
mod lookup;
mod stats;
mod times;
mod vitals;

pub use change::{Moved, RunChange};
pub use counters::{Count, Counters};
pub(super) use counts::Counting;
pub use counts::RunCounts;
pub(super) use feed::Feed;
pub use feed::Numbered;
pub(super) use lookup::Lookup;
pub(super) use stats::Stats;
pub use stats::{BUCKET, BUCKETS, Bucket, Phases, Totals};
pub use times::{Quantiles, STEPS, Steps, Times};
pub use vitals::Vitals;
pub(super) use vitals::sample_counters;
