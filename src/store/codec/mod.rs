//! Runs and requests as records: JSON with named members, so that an older taskwatch skips what it does not know, without
//! those that say nothing, packed with a dictionary. Every store that writes bytes writes these.

mod changes;
mod pack;
mod record;
#[cfg(test)]
pub(in crate::store) mod samples;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::core::notification::{Destination, LinesAsked, Notification};
use crate::core::request::RunSpec;
use crate::core::run::Run;
use crate::core::time::Timestamp;
pub(crate) use changes::{decode_changes, encode_changes};
use record::RunRecord;

/// Why a record is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CodecError {
    #[error("not JSON: {0}")]
    Json(#[from] serde_json::Error),
    #[error("not unpacked: {0}")]
    Pack(#[from] std::io::Error),
    #[error("packed with dictionary {0}, which this taskwatch does not have: use the newer taskwatch")]
    Dictionary(u8),
    #[error("it says that it is {0} bytes long")]
    Length(u64),
    #[error("it is cut off")]
    Cut,
    #[error("its digest is not one")]
    Digest,
}

/// What the runs of one request share, kept once.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) spec: Arc<RunSpec>,
    pub(crate) digest: [u8; 32],
}

/// What stands beside a run's record: its keys.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    pub(crate) id: Uuid,
    /// The name of its request.
    pub(crate) request: String,
    pub(crate) index: u32,
}

#[derive(Serialize, Deserialize)]
struct SharedRecord<S> {
    digest: String,
    spec: S,
}

/// A run with what it shares.
#[derive(Serialize, Deserialize)]
struct WholeRecord<'a, S> {
    shared: SharedRecord<S>,
    #[serde(borrow)]
    run: RunRecord<'a>,
}

impl SharedRecord<RunSpec> {
    fn into_shared(self) -> Result<Shared, CodecError> {
        let mut digest = [0; 32];
        for (n, byte) in digest.iter_mut().enumerate() {
            let hex = self.digest.get(2 * n..2 * n + 2).ok_or(CodecError::Digest)?;
            *byte = u8::from_str_radix(hex, 16).map_err(|_| CodecError::Digest)?;
        }
        Ok(Shared { spec: Arc::new(self.spec), digest })
    }
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(u32::from(half), 16).unwrap_or_default();
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// Any record as packed JSON.
pub(crate) fn pack(record: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    pack::packed(|json| Ok(serde_json::to_writer(json, record)?))
}

/// Any record from its packed JSON.
pub(crate) fn unpack<T: DeserializeOwned>(record: &[u8]) -> Result<T, CodecError> {
    pack::unpacked(record, |json| Ok(serde_json::from_slice(json)?))
}

/// What a notification says beside its message, without its keys.
#[derive(Serialize, Deserialize)]
struct NotificationRecord<'a> {
    at: Timestamp,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    subject: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    with: Cow<'a, [(String, String)]>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    types: Cow<'a, BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    by_protocol: bool,
    #[serde(default, skip_serializing_if = "str::is_empty")]
    kind: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    tasks: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Cow<'a, LinesAsked>>,
}

/// The keys of a notification, which stand beside its record.
#[derive(Clone, Debug)]
pub(crate) struct NotificationKeys {
    pub(crate) id: String,
    pub(crate) run: Uuid,
    pub(crate) destination: Destination,
}

/// A notification, without its keys. Its message stands behind the rest as it is: JSON in JSON would be full of backslashes,
/// which the dictionary does not know.
pub(crate) fn encode_notification(told: &Notification) -> Result<Vec<u8>, CodecError> {
    pack::packed(|text| write_notification(told, text))
}

fn write_notification(told: &Notification, text: &mut Vec<u8>) -> Result<(), CodecError> {
    let Notification { id: _, run: _, destination: _, at, subject, message, .. } = told;
    let Notification { attributes, data_types, by_protocol, detail_type, resources, log, .. } = told;
    let record = NotificationRecord {
        at: *at,
        subject: Cow::from(subject),
        with: Cow::from(attributes),
        types: Cow::Borrowed(data_types),
        by_protocol: *by_protocol,
        kind: Cow::from(detail_type),
        tasks: Cow::from(resources),
        log: log.as_ref().map(Cow::Borrowed),
    };
    serde_json::to_writer(&mut *text, &record)?;
    // JSON has no line break that is not asked for.
    text.push(b'\n');
    text.extend_from_slice(message.as_bytes());
    Ok(())
}

/// A notification from its record and its keys.
pub(crate) fn decode_notification(keys: NotificationKeys, record: &[u8]) -> Result<Notification, CodecError> {
    let NotificationKeys { id, run, destination } = keys;
    pack::unpacked(record, |text| {
        let end = text.iter().position(|byte| *byte == b'\n').ok_or(CodecError::Cut)?;
        let (record, message) = (serde_json::from_slice::<NotificationRecord<'_>>(&text[..end])?, &text[end + 1..]);
        Ok(Notification {
            id,
            run,
            destination,
            at: record.at,
            subject: record.subject.into_owned(),
            message: String::from_utf8_lossy(message).into_owned(),
            attributes: record.with.into_owned(),
            data_types: record.types.into_owned(),
            by_protocol: record.by_protocol,
            detail_type: record.kind.into_owned(),
            resources: record.tasks.into_owned(),
            log: record.log.map(Cow::into_owned),
        })
    })
}

/// A run with what it shares, without its keys: a record that needs no other.
pub(crate) fn encode_whole(run: &Run) -> Result<Vec<u8>, CodecError> {
    let shared = SharedRecord { digest: hex(&run.digest), spec: &*run.spec };
    pack(&WholeRecord { shared, run: RunRecord::of(run) })
}

/// A run from such a record and its keys.
pub(crate) fn decode_whole(keys: Keys, record: &[u8]) -> Result<Run, CodecError> {
    pack::unpacked(record, |json| {
        let WholeRecord { shared, run } = serde_json::from_slice::<WholeRecord<'_, RunSpec>>(json)?;
        Ok(run.into_run(keys, &shared.into_shared()?))
    })
}

/// A run, without its keys and what it shares.
pub(crate) fn encode_run(run: &Run) -> Result<Vec<u8>, CodecError> {
    pack::packed(|json| Ok(serde_json::to_writer(json, &RunRecord::of(run))?))
}

/// A run from its record, its keys, and what it shares.
pub(crate) fn decode_run(keys: Keys, shared: &Shared, record: &[u8]) -> Result<Run, CodecError> {
    pack::unpacked(record, |json| Ok(serde_json::from_slice::<RunRecord<'_>>(json)?.into_run(keys, shared)))
}

/// What the runs of a request share, and an id of it: of equal ones the same.
pub(crate) fn encode_shared(spec: &RunSpec, digest: &[u8; 32]) -> Result<(Vec<u8>, [u8; 16]), CodecError> {
    let digest = hex(digest);
    let mut id = [0; 16];
    let packed = pack::packed(|json| {
        serde_json::to_writer(&mut *json, &SharedRecord { digest, spec })?;
        id.copy_from_slice(&<sha2::Sha256 as sha2::Digest>::digest(json.as_slice())[..16]);
        Ok(())
    })?;
    Ok((packed, id))
}

/// What the runs of a request share, from its record.
pub(crate) fn decode_shared(record: &[u8]) -> Result<Shared, CodecError> {
    pack::unpacked(record, |json| serde_json::from_slice::<SharedRecord<RunSpec>>(json)?.into_shared())
}

/// A run's record before it is packed.
#[cfg(test)]
fn run_text(run: &Run) -> Vec<u8> {
    serde_json::to_vec(&RunRecord::of(run)).unwrap()
}

/// The record of what runs share, before it is packed.
#[cfg(test)]
fn shared_text(spec: &RunSpec, digest: &[u8; 32]) -> Vec<u8> {
    serde_json::to_vec(&SharedRecord { digest: hex(digest), spec }).unwrap()
}

/// A notification's record, before it is packed.
#[cfg(test)]
fn notification_text(told: &Notification) -> Vec<u8> {
    let mut text = Vec::new();
    write_notification(told, &mut text).unwrap();
    text
}
