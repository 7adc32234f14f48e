//! What a store held when it was opened.

use std::collections::BTreeMap;
use std::fmt;

use futures::stream::{BoxStream, StreamExt as _};

use super::StoreError;
use crate::core::notification::Destination;
use crate::core::run::Run;

/// What a store held when it was opened. The runs come last, in parts: there may be millions.
#[derive(Debug)]
pub struct Contents {
    /// The cell's notes by name.
    pub notes: BTreeMap<String, String>,
    /// How many notifications are not delivered, by destination.
    pub undelivered: BTreeMap<Destination, usize>,
    /// How many runs are open.
    pub open: usize,
    /// Every open run; of a store that does not outlive its process, the ended ones too.
    pub runs: Runs,
}

/// Runs in parts, in no particular order. The store reads and decodes the next parts while the caller takes one.
pub struct Runs(BoxStream<'static, Result<Vec<Run>, StoreError>>);

impl Runs {
    /// Parts as a store reads them.
    pub fn new(parts: BoxStream<'static, Result<Vec<Run>, StoreError>>) -> Self {
        Self(parts)
    }

    /// All that there are, read already.
    pub fn ready(runs: Vec<Run>) -> Self {
        Self(futures::stream::iter([Ok(runs)]).boxed())
    }

    /// The next part.
    ///
    /// # Errors
    /// The store cannot be read; there are no further parts then.
    pub async fn next(&mut self) -> Result<Option<Vec<Run>>, StoreError> {
        self.0.next().await.transpose()
    }

    /// All that are left.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn all(mut self) -> Result<Vec<Run>, StoreError> {
        let mut all = Vec::new();
        while let Some(part) = self.next().await? {
            all.extend(part);
        }
        Ok(all)
    }
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Runs")
    }
}
