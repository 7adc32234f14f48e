//! One copy of equal specs: many requests of a fleet differ in nothing but their names, and runs that were taken back from the
//! store share a RunTask call with their siblings again.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lru::LruCache;

use crate::core::request::RunSpec;

/// Specs that are remembered. A request whose spec is not among them has a copy of its own.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The specs of the latest requests, as long as a run has them.
pub(super) struct SharedSpecs(Mutex<LruCache<[u8; 32], Weak<RunSpec>>>);

impl Default for SharedSpecs {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl SharedSpecs {
    /// The spec that was shared last under this digest if it is equal, else this one, which is shared from now on.
    pub(super) fn share(&self, digest: [u8; 32], spec: Arc<RunSpec>) -> Arc<RunSpec> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let equal = |shared: &Arc<RunSpec>| Arc::ptr_eq(shared, &spec) || **shared == *spec;
        if let Some(shared) = known.get(&digest).and_then(Weak::upgrade).filter(equal) {
            return shared;
        }
        known.put(digest, Arc::downgrade(&spec));
        spec
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::run_task::RunTask;

    #[test]
    fn equal_requests_have_one_spec_while_a_run_has_it() {
        let specs = SharedSpecs::default();
        let spec = || Arc::new(RunSpec::new(RunTask::default()));
        let first = specs.share([1; 32], spec());
        assert!(Arc::ptr_eq(&first, &specs.share([1; 32], spec())));
        assert!(!Arc::ptr_eq(&first, &specs.share([2; 32], spec())));
        let other = Arc::new(RunSpec { priority: 7, ..RunSpec::new(RunTask::default()) });
        assert_eq!(specs.share([1; 32], other).priority, 7, "a digest proves nothing by itself");
        let first = specs.share([1; 32], spec());
        drop(first);
        let again = specs.share([1; 32], spec());
        assert_eq!(Arc::strong_count(&again), 1);
    }
}
