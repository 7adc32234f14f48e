//! Changes as records.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::kept::{Encoded, SpecId};
use crate::core::request::RunSpec;
use crate::core::run::Run;
use crate::store::codec::{self, CodecError};
use crate::store::{Change, StoreError};

/// Specs that are remembered by address before those that nobody uses are dropped.
const SPECS: usize = 10_000;
/// A run and what it shares are one row, with its other attributes, and an item has at most 400 KB (DynamoDB's quotas).
const MOST: usize = 190_000;

/// The ids of specs by the address they are shared at; the weak reference tells whether it is still the same one.
type Ids = HashMap<usize, (Weak<RunSpec>, [u8; 32], SpecId)>;

/// Packs changes.
pub(super) struct Encoder {
    ids: Mutex<Ids>,
    most: AtomicUsize,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { ids: Mutex::default(), most: AtomicUsize::new(MOST) }
    }
}

impl Encoder {
    /// The largest record that is taken, from now on.
    #[cfg(test)]
    pub(super) fn take_at_most(&self, bytes: Option<usize>) {
        self.most.store(bytes.unwrap_or(MOST), Ordering::Relaxed);
    }

    /// The records of a commit's changes. `is_kept` tells of what runs share whether it is there already.
    pub(super) fn encode(&self, changes: &[Change], is_kept: impl Fn(&SpecId) -> bool) -> Result<Encoded, StoreError> {
        let mut encoded = Encoded::default();
        for (place, change) in changes.iter().enumerate() {
            let too_large = |bytes| self.too_large(place, change, bytes);
            let wrong = |e: CodecError| StoreError::Corrupt(format!("a change cannot be written: {e}"));
            match change {
                Change::Put(run) => {
                    let body = codec::encode_run(run).map_err(wrong)?;
                    let spec = self.spec(run, &mut encoded.specs, &is_kept).map_err(wrong)?;
                    let shared = encoded.specs.get(&spec).map_or(0, |shared| shared.len());
                    too_large(body.len().max(shared))?;
                    encoded.runs.insert(place, (spec, body.into()));
                }
                Change::Post(told) => {
                    let body = codec::encode_notification(told).map_err(wrong)?;
                    too_large(body.len())?;
                    encoded.posts.insert(place, body.into());
                }
                Change::Note { text, .. } => too_large(text.len())?,
                Change::Forget(_) | Change::Delivered(_) => {}
            }
        }
        Ok(encoded)
    }

    /// The id of what a run shares; what it is too, unless that is kept.
    fn spec(
        &self,
        run: &Run,
        specs: &mut BTreeMap<SpecId, Arc<[u8]>>,
        is_kept: impl Fn(&SpecId) -> bool,
    ) -> Result<SpecId, CodecError> {
        let address = Arc::as_ptr(&run.spec) as usize;
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |known: &Weak<RunSpec>| known.upgrade().is_some_and(|known| Arc::ptr_eq(&known, &run.spec));
        let known = ids.get(&address).filter(|(weak, digest, _)| *digest == run.digest && is_it(weak));
        if let Some((_, _, id)) = known.filter(|(_, _, id)| specs.contains_key(id) || is_kept(id)) {
            return Ok(*id);
        }
        let (body, id) = codec::encode_shared(&run.spec, &run.digest)?;
        specs.insert(id, body.into());
        if ids.len() >= SPECS {
            ids.retain(|_, (weak, _, _)| weak.strong_count() > 0);
        }
        if ids.len() < SPECS {
            ids.insert(address, (Arc::downgrade(&run.spec), run.digest, id));
        }
        Ok(id)
    }

    fn too_large(&self, place: usize, change: &Change, bytes: usize) -> Result<(), StoreError> {
        let most = self.most.load(Ordering::Relaxed);
        if bytes <= most {
            return Ok(());
        }
        let what = match change {
            Change::Put(run) => format!("run {}", run.name),
            Change::Post(told) => format!("the notification about run {}", told.run),
            Change::Note { name, .. } => format!("the note {name:?}"),
            Change::Forget(_) | Change::Delivered(_) => "a change".to_owned(),
        };
        Err(StoreError::TooLarge { change: place, run: change.run(), what, bytes, most })
    }
}
