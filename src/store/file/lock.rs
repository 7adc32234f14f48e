//! One process at a time: a lock on a file that the system lets go of when the process ends, however it ends.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use super::private;

/// Holds the directory for as long as it lives.
pub(super) struct Lock {
    _file: File,
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
        Ok(Self { _file: file })
    }
}
