//! Files that are either complete or absent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Creates a folder that only its owner may enter, and its parents, durably.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    path.parent().map_or(Ok(()), sync_folder)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}

/// Replaces a file's content: a crash or a failing disk leaves the old content or the new, never a mixture. Mode 0600.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let scratch = path.with_extension("new");
    move_in(&scratch, path, content)
}

/// Writes a file under a temporary name first; when it returns, the file is complete on disk under its own name.
pub(crate) fn move_in(scratch: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(scratch)?;
        file.write_all(content)?;
        file.sync_all()?;
        drop(file);
        fs::rename(scratch, path)
    };
    if let Err(error) = write() {
        // The partial file takes room that a full disk does not have; an error here would hide the first one.
        let _ = fs::remove_file(scratch);
        return Err(error);
    }
    path.parent().map_or(Ok(()), sync_folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_that_fails_leaves_the_old_content_and_nothing_beside_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("access.json");
        replace(&path, b"old").expect("written");
        // A non-empty folder cannot be replaced by a rename: the last step of a write fails.
        let blocked = folder.path().join("blocked");
        fs::create_dir_all(blocked.join("in the way")).expect("made");
        assert!(replace(&blocked, b"new").is_err());
        assert!(!folder.path().join("blocked.new").exists());
        // A file cannot be written under the name of a folder: the first step fails.
        fs::create_dir(folder.path().join("access.new")).expect("made");
        assert!(replace(&path, b"new").is_err());
        assert_eq!(fs::read(&path).expect("read"), b"old");
    }
}
