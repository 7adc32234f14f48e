//! One copy of equal specs: many requests of a fleet differ in nothing but their names.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use lru::LruCache;

use crate::core::request::RunSpec;

/// Specs that are remembered. A request whose spec is not among them has a copy of its own.
const MOST: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The specs of the latest requests, as long as a run has them.
pub(in crate::cell) struct SharedSpecs(Mutex<LruCache<[u8; 32], Weak<RunSpec>>>);

impl Default for SharedSpecs {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST)))
    }
}

impl SharedSpecs {
    /// The spec of a request with this digest, which decides all of it.
    pub(super) fn share(&self, digest: [u8; 32], spec: RunSpec) -> Arc<RunSpec> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = known.get(&digest).and_then(Weak::upgrade) {
            return shared;
        }
        let shared = Arc::new(spec);
        known.put(digest, Arc::downgrade(&shared));
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::run_task::RunTask;

    #[test]
    fn equal_requests_have_one_spec_while_a_run_has_it() {
        let specs = SharedSpecs::default();
        let spec = || RunSpec::new(RunTask::default());
        let first = specs.share([1; 32], spec());
        assert!(Arc::ptr_eq(&first, &specs.share([1; 32], spec())));
        assert!(!Arc::ptr_eq(&first, &specs.share([2; 32], spec())));
        drop(first);
        let again = specs.share([1; 32], spec());
        assert_eq!(Arc::strong_count(&again), 1);
    }
}
