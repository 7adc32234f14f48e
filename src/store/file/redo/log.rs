//! The file of the log: entries one behind the other, each on pages of its own, written over again from the front.
//!
//! An entry counts if its checksum says that it is whole and of this database. The file keeps its length, so
//! that making an entry durable writes nothing but its pages.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::super::private;
use super::pages::{PAGE, Pages};

/// Of the file, in bytes.
const LENGTH: usize = 1 << 20;
/// An entry's number, its payload's length and its checksum.
const HEADER: usize = 8 + 4 + 4;

/// Which database a log is of.
pub(in crate::store::file) type DatabaseId = [u8; 16];

/// A log that entries are added to.
pub(in crate::store::file) struct Log {
    file: File,
    of: DatabaseId,
    /// Where the next entry begins.
    end: usize,
    /// The last entry's number.
    last: u64,
    pages: Pages,
}

/// What a log had when it was opened.
pub(in crate::store::file) struct Recovered {
    file: File,
    path: PathBuf,
    of: DatabaseId,
    bytes: Vec<u8>,
}

impl Recovered {
    /// Reads a log; one is made if there is none.
    pub(in crate::store::file) fn read(path: &Path, of: DatabaseId) -> io::Result<Self> {
        let mut file = private::options().open(path)?;
        let mut bytes = Vec::with_capacity(LENGTH);
        file.read_to_end(&mut bytes)?;
        Ok(Self { file, path: path.to_owned(), of, bytes })
    }

    /// The entries behind number `after`, in their order. None, if it goes on otherwise: it is of a later state than the
    /// database, which was restored by itself.
    pub(in crate::store::file) fn entries(&self, after: u64) -> Vec<(u64, &[u8])> {
        let mut entries = Vec::new();
        let mut at = 0;
        while let Some((number, payload)) = self.bytes.get(at..).and_then(|bytes| read(&self.of, bytes)) {
            at += room(payload.len());
            // Others stand behind one that was written over the first.
            entries.extend(Some((number, payload)).filter(|_| number > after));
        }
        if !entries.iter().map(|(number, _)| *number).eq((after + 1..).take(entries.len())) {
            tracing::warn!(file = %self.path.display(), "it is of a later state than the database and is not used");
            entries.clear();
        }
        entries
    }

    /// An empty log: the database has all that was in it, up to entry `last`.
    pub(in crate::store::file) fn emptied(self, last: u64) -> io::Result<Log> {
        let Self { file, path, of, bytes: _ } = self;
        file.set_len(LENGTH as u64)?;
        file.write_all_at(&vec![0; LENGTH], 0)?;
        file.sync_all()?;
        // The file's name, if it is new.
        if let Some(dir) = path.parent() {
            File::open(dir)?.sync_all()?;
        }
        let pages = Pages::default();
        // Past the system's cache, where that goes: nobody reads what is written.
        let direct = private::direct(&path).filter(|direct| direct.write_all_at(pages.first(), 0).is_ok());
        Ok(Log { file: direct.unwrap_or(file), of, end: 0, last, pages })
    }
}

impl Log {
    /// From now on written to this file.
    #[cfg(test)]
    pub(in crate::store::file) fn write_to(&mut self, file: File) {
        self.file = file;
    }

    /// The number of the last entry, whether or not it became durable.
    pub(in crate::store::file) const fn last(&self) -> u64 {
        self.last
    }

    /// Whether an entry has room.
    pub(in crate::store::file) const fn has_room(&self, payload: usize) -> bool {
        self.end + room(payload) <= LENGTH
    }

    /// The database has all that was in it: the next entry is written over the first.
    pub(in crate::store::file) const fn rewind(&mut self) {
        self.end = 0;
    }

    /// Adds an entry and makes it durable; its number.
    ///
    /// # Errors
    /// The disk does not write. Whether the entry is durable is not known, and nothing may be added any more.
    pub(in crate::store::file) fn append(&mut self, payload: &[u8]) -> io::Result<u64> {
        self.last += 1;
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let checksum = checksum(&self.of, self.last, payload);
        let header: [&[u8]; 3] = [&self.last.to_le_bytes(), &length.to_le_bytes(), &checksum.to_le_bytes()];
        let entry = self.pages.filled(header.into_iter().chain([payload]));
        self.file.write_all_at(entry, self.end as u64)?;
        self.file.sync_data()?;
        self.end += entry.len();
        Ok(self.last)
    }
}

/// What an entry takes of the file.
const fn room(payload: usize) -> usize {
    (HEADER + payload).next_multiple_of(PAGE)
}

fn checksum(of: &DatabaseId, number: u64, payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(of);
    hasher.update(&number.to_le_bytes());
    hasher.update(payload);
    hasher.finalize()
}

/// The number and payload of the whole entry of this database with which `bytes` begins.
fn read<'a>(of: &DatabaseId, bytes: &'a [u8]) -> Option<(u64, &'a [u8])> {
    let (number, bytes) = bytes.split_first_chunk()?;
    let (length, bytes) = bytes.split_first_chunk()?;
    let (sum, bytes) = bytes.split_first_chunk()?;
    let number = u64::from_le_bytes(*number);
    let payload = bytes.get(..usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    (checksum(of, number, payload) == u32::from_le_bytes(*sum)).then_some((number, payload))
}
