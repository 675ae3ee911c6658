//! The data folder and its lock.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
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
    keep_private(data).map_err(failed)?;
    let lock = data.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(lock);
    let file = file.map_err(failed)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Claim::Ours(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Claim::Theirs),
        Err(errno) => Err(failed(errno.into())),
    }
}

/// Takes the rights of others to a data folder away. A folder that others could write to may hold what they put there,
/// so it is refused.
fn keep_private(data: &Path) -> io::Result<()> {
    let mode = fs::metadata(data)?.permissions().mode() & 0o777;
    if mode & 0o022 != 0 {
        let why = format!(
            "other users can write to it (mode {mode:o}): look at what it holds, then `chmod 700` it"
        );
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    if mode & 0o077 != 0 {
        fs::set_permissions(data, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_102_a_data_folder_that_others_can_write_to_is_refused_and_one_that_they_can_read_is_closed() {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data");
        let mode = || fs::metadata(&data).expect("there").permissions().mode() & 0o777;
        fs::create_dir(&data).expect("made");
        for open in [0o777, 0o770, 0o702] {
            fs::set_permissions(&data, fs::Permissions::from_mode(open)).expect("set");
            let refused = claim(&data).expect_err("others can write");
            assert!(refused.source.to_string().contains("chmod 700"), "{}", refused.source);
            assert!(!data.join("lock").exists() && mode() == open, "nothing is changed");
        }
        for open in [0o755, 0o750, 0o701, 0o700] {
            fs::set_permissions(&data, fs::Permissions::from_mode(open)).expect("set");
            assert!(matches!(claim(&data).expect("usable"), Claim::Ours(_)));
            assert_eq!(mode(), 0o700);
        }
    }

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
