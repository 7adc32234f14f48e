//! The changes of a commit as one record that needs no other. It is written for each commit and read after a crash alone: it is
//! not packed, since that takes longer than its bytes on a disk do.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::record::RunRecord;
use super::{CodecError, Keys, Shared, SharedRecord, hex};
use crate::core::notification::Notification;
use crate::core::request::RunSpec;
use crate::core::run::Run;
use crate::store::Change;

/// Bytes that a record of some changes has.
const USUAL: usize = 8 * 1024;

#[derive(Serialize, Deserialize)]
struct ChangesRecord<'a, S> {
    /// What the runs share.
    shared: Vec<SharedRecord<S>>,
    #[serde(borrow)]
    changes: Vec<ChangeRecord<'a>>,
}

#[derive(Serialize, Deserialize)]
enum ChangeRecord<'a> {
    Put {
        id: Uuid,
        request: Cow<'a, str>,
        index: u32,
        /// Where what it shares stands.
        shared: usize,
        #[serde(borrow)]
        run: RunRecord<'a>,
    },
    Forget(Uuid),
    Post(Cow<'a, Notification>),
    Note {
        name: Cow<'a, str>,
        text: Cow<'a, str>,
    },
    Delivered(u64),
}

impl<'a> ChangeRecord<'a> {
    fn of(change: &'a Change, shared: &mut Vec<&'a Arc<Run>>) -> Self {
        match change {
            Change::Put(run) => {
                let same = |other: &&Arc<Run>| Arc::ptr_eq(&other.spec, &run.spec) && other.digest == run.digest;
                let place = shared.iter().position(same).unwrap_or_else(|| {
                    shared.push(run);
                    shared.len() - 1
                });
                let request = run.request_name().into();
                Self::Put { id: run.id, request, index: run.index, shared: place, run: RunRecord::of(run) }
            }
            Change::Forget(id) => Self::Forget(*id),
            Change::Post(notification) => Self::Post(Cow::Borrowed(notification)),
            Change::Note { name, text } => Self::Note { name: Cow::Borrowed(name), text: text.into() },
            Change::Delivered(seq) => Self::Delivered(*seq),
        }
    }

    fn into_change(self, all: &[Shared]) -> Result<Change, CodecError> {
        Ok(match self {
            Self::Put { id, request, index, shared, run } => {
                let keys = Keys { id, request: request.into_owned(), index };
                Change::Put(Arc::new(run.into_run(keys, all.get(shared).ok_or(CodecError::Cut)?)))
            }
            Self::Forget(id) => Change::Forget(id),
            Self::Post(notification) => Change::Post(Arc::new(notification.into_owned())),
            Self::Note { name, text } => Change::Note { name: name.into_owned().into(), text: text.into_owned() },
            Self::Delivered(seq) => Change::Delivered(seq),
        })
    }
}

/// Changes as a record.
pub(crate) fn encode_changes(changes: &[Change]) -> Result<Vec<u8>, CodecError> {
    let mut shared = Vec::new();
    let changes = changes.iter().map(|change| ChangeRecord::of(change, &mut shared)).collect();
    let shared = shared.into_iter().map(|run| SharedRecord { digest: hex(&run.digest), spec: &*run.spec }).collect();
    let mut record = Vec::with_capacity(USUAL);
    serde_json::to_writer(&mut record, &ChangesRecord { shared, changes })?;
    Ok(record)
}

/// Changes from their record.
pub(crate) fn decode_changes(record: &[u8]) -> Result<Vec<Change>, CodecError> {
    let ChangesRecord { shared, changes } = serde_json::from_slice::<ChangesRecord<'_, RunSpec>>(record)?;
    let shared = shared.into_iter().map(SharedRecord::into_shared).collect::<Result<Vec<_>, _>>()?;
    changes.into_iter().map(|change| change.into_change(&shared)).collect()
}
