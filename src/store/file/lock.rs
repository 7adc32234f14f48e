//! One process at a time: a lock on a file that the system lets go of when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::private;

/// Holds the directory for as long as it lives.
pub(super) struct Lock {
    file: File,
    path: PathBuf,
}

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
pub(super) enum LockError {
    #[error("{0} has this store; a store is for one process, so stop that one or name another directory")]
    Held(String),
    #[error("its lock file cannot be written ({0}); give this user the right to, or name another directory")]
    Io(#[from] std::io::Error),
}

impl Lock {
    pub(super) fn take(dir: &Path) -> Result<Self, LockError> {
        let path = dir.join("lock");
        let mut file = private::options().open(&path)?;
        private::tighten(&path);
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                let holder = holder.trim();
                return Err(LockError::Held(if holder.is_empty() { "another process" } else { holder }.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        file.set_len(0)?;
        file.rewind()?;
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        let at = if host.trim().is_empty() { String::new() } else { format!(" on {}", host.trim()) };
        writeln!(file, "process {}{at}", std::process::id())?;
        Ok(Self { file, path })
    }

    /// Who has the directory, if its lock file is not the one that is held here: somebody removed or replaced it.
    pub(super) fn other_holder(&self) -> Option<String> {
        let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let held = self.file.metadata().map(identity).ok();
        let there = std::fs::metadata(&self.path).map(identity).ok();
        if held == there {
            return None;
        }
        let holder = std::fs::read_to_string(&self.path).unwrap_or_default();
        Some(if holder.trim().is_empty() { "another process".to_owned() } else { holder.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_that_was_replaced_is_no_longer_held() {
        let dir = tempfile::tempdir().unwrap();
        let lock = Lock::take(dir.path()).unwrap();
        assert_eq!(lock.other_holder(), None);
        std::fs::remove_file(dir.path().join("lock")).unwrap();
        assert_eq!(lock.other_holder().as_deref(), Some("another process"));
        let _other = Lock::take(dir.path()).unwrap();
        assert!(lock.other_holder().is_some_and(|by| by.starts_with("process ")));
    }
}
