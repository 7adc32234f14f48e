//! Files that only their owner reads: a store holds the values of environment variables.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

const MODE: u32 = 0o600;
const DIRECTORY: u32 = 0o700;

/// Makes a directory for its owner only; one that is there stays as it is: others may have a part in it.
pub(super) fn make_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(parent) = dir.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(DIRECTORY).create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    // Whatever the umask takes away, it is its owner's.
    std::fs::set_permissions(dir, Permissions::from_mode(DIRECTORY))
}

/// How a file is opened that only its owner reads.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(MODE);
    options
}

/// Takes from others what they may do with a file, if it is there. SQLite gives the files beside a database its
/// permissions (<https://www.sqlite.org/src/file/src/os_unix.c>, `findCreateFileMode`).
pub(super) fn tighten(path: &Path) {
    let Ok(found) = std::fs::metadata(path) else { return };
    if found.permissions().mode() & 0o777 == MODE {
        return;
    }
    if let Err(error) = std::fs::set_permissions(path, Permissions::from_mode(MODE)) {
        let file = path.display();
        tracing::warn!(%file, %error, "others may read this file, which holds environment values: set its mode to 0600");
    }
}

/// A file that is there, written past the system's cache, where the system and its file system can do that.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn direct(path: &Path) -> Option<File> {
    let flags = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(flags).open(path).ok()
}

/// Elsewhere there is no such flag.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn direct(_: &Path) -> Option<File> {
    None
}
