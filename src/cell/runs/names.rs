//! Which request has a name: the runs that bear it, or a request that is being accepted.

use std::sync::Arc;

use dashmap::DashMap;
use foldhash::fast::RandomState;
use tokio::sync::watch;
use uuid::Uuid;

use super::Ids;

/// The names in use. A clone is the same table.
#[derive(Clone, Default)]
pub(in crate::cell) struct Names(Arc<DashMap<String, Named, RandomState>>);

#[derive(Default)]
struct Named {
    /// Of the request whose runs these are.
    digest: Option<[u8; 32]>,
    /// In the order of their ids.
    runs: Ids,
    /// A request that is being accepted under this name; dropped when that is settled.
    claim: Option<watch::Sender<()>>,
}

impl Named {
    fn is_unused(&self) -> bool {
        self.runs.is_empty() && self.claim.is_none()
    }
}

/// What a name stands for when a request comes with it.
pub(in crate::cell) enum Claim {
    /// Nothing: the request may be accepted under it, as long as this claim is kept.
    New(NameClaim),
    /// The same request was accepted before.
    Same,
    /// Another request has it.
    Taken,
    /// A request is being accepted under it: ask again when that is settled.
    Pending(Settlement),
}

/// Resolves when a claim is settled, one way or the other.
pub(in crate::cell) struct Settlement(watch::Receiver<()>);

impl Settlement {
    pub(in crate::cell) async fn settled(mut self) {
        // The sender is dropped and never sends.
        let _ = self.0.changed().await;
    }
}

/// The right to a name until its request is accepted or refused. A sender that goes away before gives it back.
pub(in crate::cell) struct NameClaim {
    names: Names,
    name: String,
}

impl Drop for NameClaim {
    fn drop(&mut self) {
        self.names.0.remove_if_mut(&self.name, |_, named| {
            named.claim = None;
            named.is_unused()
        });
    }
}

impl Names {
    /// Claims a name for a request.
    pub(in crate::cell) fn claim(&self, name: &str, digest: [u8; 32]) -> Claim {
        let mut named = self.0.entry(name.to_owned()).or_default();
        if let Some(claim) = &named.claim {
            return Claim::Pending(Settlement(claim.subscribe()));
        }
        match named.digest {
            Some(known) if known == digest => Claim::Same,
            Some(_) => Claim::Taken,
            None => {
                named.claim = Some(watch::channel(()).0);
                Claim::New(NameClaim { names: self.clone(), name: name.to_owned() })
            }
        }
    }

    /// A run bears this name.
    pub(super) fn insert(&self, name: &str, digest: [u8; 32], run: Uuid) {
        let mut named = self.0.entry(name.to_owned()).or_default();
        named.digest.get_or_insert(digest);
        if let Err(place) = named.runs.binary_search(&run) {
            named.runs.insert(place, run);
        }
    }

    /// A run that bore this name is forgotten.
    pub(super) fn remove(&self, name: &str, run: Uuid) {
        self.0.remove_if_mut(name, |_, named| {
            if let Ok(place) = named.runs.binary_search(&run) {
                named.runs.remove(place);
            }
            if named.runs.is_empty() {
                named.digest = None;
            }
            named.is_unused()
        });
    }

    /// The runs that bear this name, in the order of their ids.
    pub(super) fn runs(&self, name: &str) -> Vec<Uuid> {
        self.0.get(name).map(|named| named.runs.to_vec()).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINE: [u8; 32] = [1; 32];
    const OTHER: [u8; 32] = [2; 32];

    fn claimed(names: &Names, digest: [u8; 32]) -> NameClaim {
        match names.claim("n", digest) {
            Claim::New(claim) => claim,
            _ => panic!("the name is in use"),
        }
    }

    #[tokio::test]
    async fn who_comes_while_a_request_is_being_accepted_waits_for_what_becomes_of_it() {
        let names = Names::default();
        let first = claimed(&names, MINE);
        let Claim::Pending(refused) = names.claim("n", MINE) else { panic!("it is being accepted") };
        drop(first);
        refused.settled().await;
        let second = claimed(&names, OTHER);
        let Claim::Pending(accepted) = names.claim("n", OTHER) else { panic!("it is being accepted") };
        names.insert("n", OTHER, Uuid::from_u128(1));
        drop(second);
        accepted.settled().await;
        assert!(matches!(names.claim("n", OTHER), Claim::Same));
        assert!(matches!(names.claim("n", MINE), Claim::Taken));
    }

    /// A redrive brings a run back while a request of its name is being looked up in the store.
    #[test]
    fn a_claim_that_comes_to_nothing_leaves_neither_an_id_nor_a_digest() {
        let names = Names::default();
        let submit = claimed(&names, OTHER);
        names.insert("n", MINE, Uuid::from_u128(7));
        drop(submit);
        assert_eq!(names.runs("n"), [Uuid::from_u128(7)]);
        assert!(matches!(names.claim("n", MINE), Claim::Same));
        names.remove("n", Uuid::from_u128(7));
        assert_eq!(names.len(), 0);
    }
}
