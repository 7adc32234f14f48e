//! A name is one run in the whole table: its item is put by whoever accepts a request of it first.
//!
//! The order is: the log has the run; the name is claimed; only then anything else, an answer, a launch, the delete of the
//! message. Wherever a process ends in between there is either no claim, and any cell may take the request when its message
//! comes again, or a claim whose run is in a log.

use std::sync::Arc;

use futures::future::try_join_all;
use serde::{Deserialize, Serialize};

use super::journal::Journal;
use super::keys;
use super::link::{JournalError, Link};
use super::replay::State;
use super::rules::Rule;
use super::table::{Attributes, Condition, Conditional, Item, Key, Malformed, Put, Value};

/// Names that are claimed at once.
const AT_ONCE: usize = 30;
/// What was not claimed for so many seconds is not claimed any more: another cell may have run it meanwhile.
const OLD: u64 = 3_600;

/// What a cell accepted under a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claim {
    pub(super) name: Arc<str>,
    /// The id of its run, of an array that of the first.
    pub(super) id: Arc<str>,
    /// Of the request: the same name with another one is a conflict.
    pub(super) digest: Arc<str>,
    /// How many runs.
    pub(super) count: u64,
    /// When it was accepted, in seconds since 1970.
    pub(super) at: u64,
}

/// Whose a name is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The claimant's.
    Ours,
    /// Another run has it.
    Theirs(Holder),
    /// It was accepted long ago, and nobody has the name now. Who sent the request was never answered; its run may have been
    /// another cell's, and be over and forgotten.
    TooLate,
}

/// Who has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) cell: Arc<str>,
    pub(super) id: Arc<str>,
    pub(super) digest: Arc<str>,
}

impl Holder {
    fn read(item: &Item) -> Result<Self, Malformed> {
        let text = |name| item.text(name).cloned();
        Ok(Self { cell: text("cell")?, id: text("id")?, digest: text("digest")? })
    }
}

/// Whether a name is known to be its claimant's: what the log of the cell may not say yet. False as long as it is not claimed.
pub(super) async fn is_claimed(link: &Link, cell: &str, claim: &Claim) -> Result<bool, JournalError> {
    let key = keys::row(&claim.name, None);
    let Some(item) = link.again(|| link.table.get(key.clone())).await? else { return Ok(false) };
    let Holder { cell: holder, id, .. } = Holder::read(&item)?;
    Ok(*holder == *cell && id == claim.id)
}

/// A claim, whose its name is, and the row that was there already.
pub(super) type Answer = (Claim, Verdict, Option<Item>);

/// Takes requests in: their group becomes durable, and their names are claimed. `claims` are those of the group, by the state
/// that has it. One try, as a commit: what is durable already and what is claimed already stays so. With each verdict comes
/// the row that was there already, if one was.
pub(super) async fn accept<S: State>(
    link: &Link,
    cell: &Arc<str>,
    journal: &Journal<S>,
    group: impl FnOnce(&S) -> S::Group,
    claims: impl Fn(&S) -> Vec<Claim>,
    now: u64,
) -> Result<Vec<Answer>, JournalError> {
    if !link.rules.keep(Rule::LogBeforeClaim) {
        let early = journal.read(&claims);
        let verdicts = claim_all(link, cell, early, now).await?;
        journal.commit(group).await?;
        return Ok(verdicts);
    }
    journal.commit(group).await?;
    if !link.rules.keep(Rule::ClaimBeforeAcknowledged) {
        return Ok(Vec::new());
    }
    let claims = journal.read(&claims);
    claim_all(link, cell, claims, now).await
}

pub(super) async fn claim_all(
    link: &Link,
    cell: &Arc<str>,
    claims: Vec<Claim>,
    now: u64,
) -> Result<Vec<Answer>, JournalError> {
    let verdict = |one: Claim| async move {
        let (verdict, row) = claim_or_find(link, cell, &one, now).await?;
        Ok::<_, JournalError>((one, verdict, row))
    };
    let (mut answers, mut claims) = (Vec::with_capacity(claims.len()), claims.into_iter());
    loop {
        let some: Vec<_> = claims.by_ref().take(AT_ONCE).map(verdict).collect();
        if some.is_empty() {
            return Ok(answers);
        }
        answers.extend(try_join_all(some).await?);
    }
}

/// Claims a name: one try.
pub(super) async fn claim(link: &Link, cell: &Arc<str>, claim: &Claim, now: u64) -> Result<Verdict, JournalError> {
    claim_or_find(link, cell, claim, now).await.map(|(verdict, _)| verdict)
}

/// The same; and the row that was there already, if one was.
pub(super) async fn claim_or_find(
    link: &Link,
    cell: &Arc<str>,
    claim: &Claim,
    now: u64,
) -> Result<(Verdict, Option<Item>), JournalError> {
    if !link.rules.keep(Rule::NamesClaimed) {
        return Ok((Verdict::Ours, None));
    }
    let key = keys::row(&claim.name, None);
    let is_free = Condition::Any(vec![Condition::Absent("name"), Condition::Less("ttl", Value::number(now))]);
    let put = Put { item: item(key.clone(), cell, claim), condition: is_free };
    let Conditional::Refused(old) = link.table.put_if(put).await? else { return Ok((Verdict::Ours, None)) };
    let old = link.refused_by(&old, &key).await?;
    Ok((verdict(cell, claim, Holder::read(&old)?), Some(old)))
}

/// Claims a name that an earlier owner accepted and may not have claimed.
pub(super) async fn claim_again(
    link: &Link,
    cell: &Arc<str>,
    accepted: &Claim,
    now: u64,
) -> Result<Verdict, JournalError> {
    let is_old = now.saturating_sub(accepted.at) > OLD && link.rules.keep(Rule::OldUnclaimedDropped);
    if !is_old {
        return claim(link, cell, accepted, now).await;
    }
    let item = link.table.get(keys::row(&accepted.name, None)).await?;
    // Expired items stay until DynamoDB comes to them, within days.
    match item.filter(|item| item.number("ttl").map_or(true, |ttl| ttl >= now)) {
        Some(item) => Ok(verdict(cell, accepted, Holder::read(&item)?)),
        None => Ok(Verdict::TooLate),
    }
}

fn verdict(cell: &Arc<str>, claim: &Claim, holder: Holder) -> Verdict {
    if holder.cell == *cell && holder.id == claim.id { Verdict::Ours } else { Verdict::Theirs(holder) }
}

fn item(key: Key, cell: &Arc<str>, claim: &Claim) -> Item {
    let attributes = Attributes::from([
        ("name".into(), Value::S(Arc::clone(&claim.name))),
        ("cell".into(), Value::S(Arc::clone(cell))),
        ("id".into(), Value::S(Arc::clone(&claim.id))),
        ("digest".into(), Value::S(Arc::clone(&claim.digest))),
        ("count".into(), Value::number(claim.count)),
        ("at".into(), Value::number(claim.at)),
    ]);
    Item { key, attributes }
}
