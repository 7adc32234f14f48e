//! The stores that the suite runs on.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tempfile::TempDir;

use super::{Fault, Subject};
use crate::store::{FileStore, MemoryStore, Store};

pub(super) struct Memory(MemoryStore);

impl Subject for Memory {
    fn new() -> Self {
        Self(MemoryStore::default())
    }

    fn store(&self) -> &dyn Store {
        &self.0
    }

    fn reopen(self) -> Self {
        self
    }

    fn fault(&self, _: Fault) -> BoxFuture<'_, Option<&'static str>> {
        async { None }.boxed()
    }
}

pub(super) struct File {
    store: FileStore,
    dir: TempDir,
}

impl Subject for File {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: FileStore::open(dir.path()).unwrap(), dir }
    }

    fn store(&self) -> &dyn Store {
        &self.store
    }

    fn reopen(self) -> Self {
        let Self { store, dir } = self;
        drop(store);
        Self { store: FileStore::open(dir.path()).unwrap(), dir }
    }

    fn fault(&self, fault: Fault) -> BoxFuture<'_, Option<&'static str>> {
        async move {
            let mut said = "";
            let pragmas = match fault {
                Fault::Away | Fault::Silent => return None,
                Fault::Gone => vec!["query_only=0".into(), "max_page_count=1000000".into(), "length=1000000000".into()],
                // SQLite takes it for the size that the database has: it fails as a full disk does, by SQLITE_FULL.
                Fault::Full => {
                    said = "the disk is full";
                    vec!["max_page_count=1".into()]
                }
                Fault::ReadOnly => {
                    said = "cannot be written";
                    vec!["query_only=1".into()]
                }
                Fault::Small(most) => vec![format!("length={most}")],
            };
            for pragma in pragmas {
                self.store.pragma(&pragma).await;
            }
            Some(said)
        }
        .boxed()
    }
}
