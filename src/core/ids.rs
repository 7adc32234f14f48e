//! Compact forms of the two names by which a cell finds runs: the ARN of a task and the token of a RunTask call.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

/// Prefixes that are shared at once. There is one for each cluster.
const MOST_SHARED: usize = 1024;

/// What comes before a task's id: the same text for all tasks of a cluster, kept once.
#[derive(Debug)]
struct Prefix {
    text: Box<str>,
    /// The text is the whole ARN: it does not end with an id of ECS's form.
    complete: bool,
}

static SHARED: LazyLock<RwLock<HashMap<Box<str>, Arc<Prefix>>>> = LazyLock::new(RwLock::default);

fn shared(text: &str) -> Arc<Prefix> {
    if let Some(known) = SHARED.read().unwrap_or_else(PoisonError::into_inner).get(text) {
        return Arc::clone(known);
    }
    let mut all = SHARED.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= MOST_SHARED {
        all.retain(|_, prefix| Arc::strong_count(prefix) > 1);
    }
    let prefix = Arc::new(Prefix { text: text.into(), complete: false });
    if all.len() < MOST_SHARED {
        all.insert(text.into(), Arc::clone(&prefix));
    }
    prefix
}

/// The ARN of a task. Any text can be one; of ECS's own form, `…/<32 hexadecimal digits>`, it takes 24 bytes.
#[derive(Clone)]
pub struct TaskArn {
    prefix: Arc<Prefix>,
    id: [u8; 16],
}

impl TaskArn {
    /// The last part of it: the same in the short form that ECS had before 2018, without the cluster.
    pub fn task_id(&self) -> String {
        self.to_string().rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// What of it is not its id.
    fn parts(&self) -> (&str, Option<[u8; 16]>) {
        (&self.prefix.text, (!self.prefix.complete).then_some(self.id))
    }
}

impl From<&str> for TaskArn {
    fn from(text: &str) -> Self {
        let at = text.rfind('/').map_or(0, |slash| slash + 1);
        match hex::<16>(&text[at..]) {
            Some(id) => Self { prefix: shared(&text[..at]), id },
            None => Self { prefix: Arc::new(Prefix { text: text.into(), complete: true }), id: [0; 16] },
        }
    }
}

impl From<String> for TaskArn {
    fn from(text: String) -> Self {
        Self::from(text.as_str())
    }
}

impl FromStr for TaskArn {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self::from(text))
    }
}

impl PartialEq for TaskArn {
    fn eq(&self, other: &Self) -> bool {
        let same_prefix = || self.prefix.complete == other.prefix.complete && self.prefix.text == other.prefix.text;
        self.id == other.id && (Arc::ptr_eq(&self.prefix, &other.prefix) || same_prefix())
    }
}

impl Eq for TaskArn {}

impl PartialEq<str> for TaskArn {
    fn eq(&self, text: &str) -> bool {
        let (prefix, id) = self.parts();
        text.strip_prefix(prefix).is_some_and(|rest| match id {
            Some(id) => hex::<16>(rest) == Some(id),
            None => rest.is_empty(),
        })
    }
}

impl PartialEq<&str> for TaskArn {
    fn eq(&self, text: &&str) -> bool {
        *self == **text
    }
}

impl PartialEq<String> for TaskArn {
    fn eq(&self, text: &String) -> bool {
        *self == *text.as_str()
    }
}

impl Ord for TaskArn {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for TaskArn {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for TaskArn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // An id is random: the cluster before it tells no more.
        match self.parts() {
            (_, Some(id)) => id.hash(state),
            (text, None) => text.hash(state),
        }
    }
}

impl fmt::Display for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (prefix, id) = self.parts();
        f.write_str(prefix)?;
        id.map_or(Ok(()), |id| write_hex(&id, f))
    }
}

impl fmt::Debug for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for TaskArn {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskArn {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Ok(Self::from(std::borrow::Cow::<'de, str>::deserialize(input)?.as_ref()))
    }
}

/// A call's `clientToken`, and the last part of its tasks' `startedBy`: 20 bytes, written as 40 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token([u8; 20]);

/// A text that is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no launch token: expected 40 hexadecimal digits")]
pub struct NoToken(String);

impl Token {
    /// The token that stands for these parts: the same ones give the same token, and others another one.
    pub fn of<P: AsRef<[u8]>>(parts: impl IntoIterator<Item = P>) -> Self {
        let mut digest = Sha256::new();
        parts.into_iter().for_each(|part| digest.update(part));
        let digest: [u8; 32] = digest.finalize().into();
        let mut token = [0; 20];
        token.copy_from_slice(&digest[..20]);
        Self(token)
    }

    /// `startedBy` of the call's tasks: `<cell>/<token>`.
    pub fn started_by(self, cell: &str) -> String {
        format!("{cell}/{self}")
    }
}

impl FromStr for Token {
    type Err = NoToken;

    fn from_str(text: &str) -> Result<Self, NoToken> {
        hex(text).map(Self).ok_or_else(|| NoToken(text.to_owned()))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(&self.0, f)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Token {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(input)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// At once: a formatter for each byte takes longer than all else that is written of an ARN.
fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    /// Of a token, the longest.
    const MOST: usize = 20;
    let mut text = [0; 2 * MOST];
    bytes.chunks(MOST).try_for_each(|chunk| {
        for (byte, pair) in chunk.iter().zip(text.chunks_exact_mut(2)) {
            pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
        }
        f.write_str(str::from_utf8(&text[..2 * chunk.len()]).map_err(|_| fmt::Error)?)
    })
}

/// The bytes of exactly so many lower-case hexadecimal digits, as ECS and we write them: another way to write them would
/// be another text.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARN: &str = "arn:aws:ecs:us-east-1:123456789012:task/batch/0123456789abcdef0123456789abcdef";

    #[test]
    fn every_text_is_an_arn_and_is_written_as_it_was_read() {
        let short = "arn:aws:ecs:us-east-1:123456789012:task/0123456789abcdef0123456789abcdef";
        let old = "arn:aws:ecs:us-east-1:123456789012:task/3fd4e0b7-5f29-4cb6-9a43-57b1b6b4a6f0";
        let upper = ARN.to_uppercase();
        for text in [ARN, short, old, &upper, "t", "", "/", "ü/é", "0123456789abcdef0123456789abcdef"] {
            let arn = TaskArn::from(text);
            assert_eq!((arn.to_string().as_str(), &arn), (text, &arn.clone()));
            let (again, other) = (TaskArn::from(text), TaskArn::from(format!("{text}0")));
            assert!(arn == text && arn == again && arn != other, "{text}");
            let written = serde_json::to_string(&arn).unwrap();
            assert_eq!(written, serde_json::to_string(text).unwrap());
            assert_eq!(serde_json::from_str::<TaskArn>(&written).unwrap(), arn);
        }
        assert_ne!(TaskArn::from(ARN), TaskArn::from(short));
        assert_ne!(TaskArn::from("a/"), TaskArn::from("a/00000000000000000000000000000000"));
        assert_eq!(TaskArn::from(ARN).task_id(), TaskArn::from(short).task_id());
    }

    #[test]
    fn tasks_of_a_cluster_share_what_is_before_their_ids() {
        let (one, other) = (TaskArn::from(ARN), TaskArn::from(ARN.replace("cdef", "cde0").as_str()));
        assert!(Arc::ptr_eq(&one.prefix, &other.prefix) && one != other);
        assert_eq!(size_of::<Option<TaskArn>>(), 24);
    }

    #[test]
    fn however_many_clusters_are_seen_a_bounded_number_is_shared() {
        let id = "0123456789abcdef0123456789abcdef";
        for cluster in 0..3 * MOST_SHARED {
            assert_eq!(TaskArn::from(format!("c{cluster}/{id}")).to_string(), format!("c{cluster}/{id}"));
        }
        assert!(SHARED.read().unwrap().len() <= MOST_SHARED);
    }

    #[test]
    fn a_token_is_40_digits_and_nothing_else() {
        let token = Token::of(["cell", "run"]);
        assert_eq!(token.to_string().parse(), Ok(token));
        assert_ne!(token, Token::of(["cell", "run", "2"]));
        assert_eq!(size_of::<Token>(), 20);
        for wrong in ["", "t", &token.to_string().to_uppercase().replace(char::is_numeric, "A"), &format!("{token}0")] {
            assert!(wrong.parse::<Token>().is_err(), "{wrong}");
        }
        assert_eq!(serde_json::to_value(token).unwrap(), token.to_string());
    }
}
