//! A group of changes as bytes: a header with named members, packed, and behind it the packed records that it tells the
//! lengths of. An older taskwatch skips members that it does not know, and what stands behind the records.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::outbox::Post;
use super::{Packed, SpecId};
use crate::core::failure::Class;
use crate::core::notification::Destination;
use crate::core::run::Status;
use crate::store::EndedCounts;
use crate::store::codec;
use crate::store::dynamo::claims::Claim;

/// Changes that become durable together. Each says what is from then on.
#[derive(Clone, Debug, Default)]
pub(in crate::store::dynamo) struct Group {
    pub(super) specs: Vec<(SpecId, Arc<[u8]>)>,
    pub(super) runs: Vec<(Uuid, Packed)>,
    /// Runs that are not kept any more: their rows are written, or they are dropped.
    pub(super) gone: Vec<Uuid>,
    pub(super) posts: Vec<(u64, Post)>,
    /// The highest sequence number that was given.
    pub(super) posted: u64,
    pub(super) delivered: Vec<u64>,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) claims: Vec<Claim>,
    /// Names of which it is known whose they are.
    pub(super) claimed: Vec<Arc<str>>,
    pub(super) buckets: BTreeMap<u64, Option<Bucket>>,
}

/// How a run ended, and when, in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store::dynamo) struct End {
    #[serde(rename = "s")]
    pub(in crate::store::dynamo) status: Status,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub(in crate::store::dynamo) class: Option<Class>,
    pub(in crate::store::dynamo) at: i64,
}

/// The rows that are forgotten at one time, counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::store::dynamo) struct Bucket {
    pub(in crate::store::dynamo) counts: EndedCounts,
    /// The first day on which one of them was submitted, since 1970.
    #[serde(rename = "day")]
    pub(in crate::store::dynamo) first_day: u64,
}

impl Group {
    /// The runs that it is about. One whose name it confirms is shown from then on.
    pub(in crate::store::dynamo) fn changed(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.runs.iter().map(|(id, _)| *id).chain(self.gone.iter().copied())
    }

    /// The names of which it says whose they are.
    pub(in crate::store::dynamo) fn claimed(&self) -> &[Arc<str>] {
        &self.claimed
    }
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Header {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    specs: Vec<SpecHead>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    runs: Vec<RunHead>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    posts: Vec<PostHead>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    gone: Vec<Uuid>,
    posted: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    delivered: Vec<u64>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    notes: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claims: Vec<Claim>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    claimed: Vec<Arc<str>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ended: BTreeMap<u64, Option<Bucket>>,
}

#[derive(Serialize, Deserialize)]
struct SpecHead {
    spec: Hex,
    len: usize,
}

#[derive(Serialize, Deserialize)]
struct RunHead {
    run: Uuid,
    of: Arc<str>,
    no: u32,
    rev: u64,
    spec: Hex,
    len: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

#[derive(Serialize, Deserialize)]
struct PostHead {
    seq: u64,
    id: String,
    run: Uuid,
    to: String,
    len: usize,
}

/// The id of a spec in hexadecimal digits.
#[derive(Clone, Copy)]
struct Hex(SpecId);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&codec::hex(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let id = Uuid::parse_str(&text).map_err(serde::de::Error::custom)?;
        Ok(Self(*id.as_bytes()))
    }
}

/// The records behind a header, one after another.
struct Records<'a>(&'a [u8]);

impl Records<'_> {
    fn next(&mut self, len: usize) -> Result<Arc<[u8]>, String> {
        let (record, rest) = self.0.split_at_checked(len).ok_or("its records are cut off")?;
        self.0 = rest;
        Ok(record.into())
    }
}

impl Group {
    pub(in crate::store::dynamo) fn is_empty(&self) -> bool {
        let Self { specs: _, runs, gone, posts, posted: _, delivered, notes, claims, claimed, buckets } = self;
        runs.is_empty()
            && gone.is_empty()
            && posts.is_empty()
            && delivered.is_empty()
            && notes.is_empty()
            && claims.is_empty()
            && claimed.is_empty()
            && buckets.is_empty()
    }

    fn header(&self) -> Header {
        let spec = |(id, body): &(SpecId, Arc<[u8]>)| SpecHead { spec: Hex(*id), len: body.len() };
        let run = |(id, run): &(Uuid, Packed)| RunHead {
            run: *id,
            of: Arc::clone(&run.request),
            no: run.index,
            rev: run.revision,
            spec: Hex(run.spec),
            len: run.body.len(),
            end: run.end.clone(),
        };
        let post = |(seq, post): &(u64, Post)| PostHead {
            seq: *seq,
            id: post.id.clone(),
            run: post.run,
            to: post.destination.to_string(),
            len: post.body.len(),
        };
        Header {
            specs: self.specs.iter().map(spec).collect(),
            runs: self.runs.iter().map(run).collect(),
            posts: self.posts.iter().map(post).collect(),
            gone: self.gone.clone(),
            posted: self.posted,
            delivered: self.delivered.clone(),
            notes: self.notes.clone(),
            claims: self.claims.clone(),
            claimed: self.claimed.clone(),
            ended: self.buckets.clone(),
        }
    }

    /// The length of the header in four bytes, the header, the records.
    pub(super) fn encode(&self) -> Vec<u8> {
        // Text, numbers and lists of them can always be written.
        let header = codec::pack(&self.header()).unwrap_or_default();
        let records: usize = self.runs.iter().map(|(_, run)| run.body.len()).sum();
        let mut bytes = Vec::with_capacity(4 + header.len() + records);
        bytes.extend_from_slice(&u32::try_from(header.len()).unwrap_or_default().to_le_bytes());
        bytes.extend_from_slice(&header);
        self.specs.iter().for_each(|(_, body)| bytes.extend_from_slice(body));
        self.runs.iter().for_each(|(_, run)| bytes.extend_from_slice(&run.body));
        self.posts.iter().for_each(|(_, post)| bytes.extend_from_slice(&post.body));
        bytes
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let (length, rest) = bytes.split_first_chunk().ok_or("its header is cut off")?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (header, records) = rest.split_at_checked(length).ok_or("its header is cut off")?;
        let header: Header = codec::unpack(header).map_err(|e| format!("its header is {e}"))?;
        let mut records = Records(records);
        let mut group = Self {
            gone: header.gone,
            posted: header.posted,
            delivered: header.delivered,
            notes: header.notes,
            claims: header.claims,
            claimed: header.claimed,
            buckets: header.ended,
            ..Self::default()
        };
        for head in header.specs {
            group.specs.push((head.spec.0, records.next(head.len)?));
        }
        for head in header.runs {
            let RunHead { run, of, no, rev, spec, len, end } = head;
            let body = records.next(len)?;
            group.runs.push((run, Packed { request: of, index: no, revision: rev, spec: spec.0, body, end }));
        }
        for head in header.posts {
            let (body, destination) = (records.next(head.len)?, Destination::from(head.to.as_str()));
            group.posts.push((head.seq, Post { id: head.id, run: head.run, destination, body }));
        }
        Ok(group)
    }
}

#[cfg(test)]
mod samples {
    use std::path::PathBuf;

    use super::*;
    use crate::core::run::Run;
    use crate::store::codec::samples::Samples;
    use crate::store::dynamo::kept::digest;

    const LENGTHS: [usize; 5] = [49, 80, 95, 122, 143];

    fn packed(run: &Run, revision: u64, spec: SpecId) -> (Uuid, Packed) {
        let body = vec![0; LENGTHS[usize::try_from(revision).unwrap() % LENGTHS.len()]];
        let end = (revision > 4).then(|| End { status: run.status, class: None, at: run.submitted_at.millis() });
        let (request, index) = (run.request_name().into(), run.index);
        (run.id, Packed { request, index, revision, spec, body: body.into(), end })
    }

    /// The groups of a run's life, as a cell commits them that has others too.
    fn groups(samples: &mut Samples) -> Vec<Group> {
        let (run, other) = (samples.next(), samples.next());
        let spec = |run: &Run| -> SpecId { run.digest[..16].try_into().unwrap() };
        let (of_run, of_other) = (spec(&run), spec(&other));
        let name: Arc<str> = run.request_name().into();
        let claim = Claim {
            name: Arc::clone(&name),
            id: run.id.to_string().into(),
            digest: digest(&run).into(),
            count: 1,
            at: u64::try_from(run.submitted_at.millis() / 1_000).unwrap(),
        };
        let post = |told: crate::core::notification::Notification| Post {
            id: told.id,
            run: told.run,
            destination: told.destination,
            body: vec![0; 300].into(),
        };
        let posts = samples.told(&run).into_iter().map(|told| (4_711, post(told))).collect();
        let accepted = Group {
            specs: vec![(of_run, vec![0; 132].into())],
            runs: vec![packed(&other, 3, of_other), packed(&run, 1, of_run)],
            claims: vec![claim],
            posted: 4_710,
            ..Group::default()
        };
        let intent =
            Group { runs: vec![packed(&run, 2, of_run)], claimed: vec![name], posted: 4_710, ..Group::default() };
        let ended = Group {
            runs: vec![packed(&other, 5, of_other), packed(&run, 8, of_run)],
            posts,
            posted: 4_711,
            ..Group::default()
        };
        let written = Group {
            runs: vec![packed(&other, 6, of_other)],
            gone: vec![run.id],
            delivered: vec![4_711],
            posted: 4_711,
            buckets: BTreeMap::from([(
                1_796_558_400,
                Some(Bucket { counts: EndedCounts::default(), first_day: 20_785 }),
            )]),
            ..Group::default()
        };
        vec![accepted, intent, ended, written]
    }

    #[test]
    #[ignore = "makes files that a new dictionary is trained on"]
    fn write_samples_of_headers() {
        let dir = PathBuf::from(std::env::var("TASKWATCH_SAMPLES").unwrap());
        std::fs::create_dir_all(&dir).unwrap();
        for seed in 2_000..2_150 {
            let mut samples = Samples::new(seed);
            for (n, group) in (0..3).flat_map(|_| groups(&mut samples)).enumerate() {
                std::fs::write(dir.join(format!("header-{seed}-{n}")), serde_json::to_vec(&group.header()).unwrap())
                    .unwrap();
            }
        }
    }
}
