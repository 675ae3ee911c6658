//! The data folder and its lock.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Why a data folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the data folder {}", path.display())]
pub struct FolderError {
    /// The folder.
    pub path: PathBuf,
    /// The cause.
    #[source]
    pub source: io::Error,
}

/// Which process holds the lock of a data folder.
#[derive(Debug)]
pub enum Claim {
    /// This process, for as long as the file is open.
    Ours(File),
    /// Another process.
    Theirs,
}

/// Locks a data folder for this process; creates the folder where it is missing.
///
/// # Errors
/// [`FolderError`] where the folder cannot be created or used.
pub fn claim(data: &Path) -> Result<Claim, FolderError> {
    let failed = |source| FolderError { path: data.to_owned(), source };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(failed)?;
    let lock = data.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock);
    let file = file.map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Claim::Ours(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Claim::Theirs),
        Err(errno) => Err(failed(errno.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("new");
        let ours = claim(&data).expect("usable");
        assert!(matches!(ours, Claim::Ours(_)));
        assert!(matches!(claim(&data).expect("usable"), Claim::Theirs));
        drop(ours);
        assert!(matches!(claim(&data).expect("usable"), Claim::Ours(_)));
    }
}
