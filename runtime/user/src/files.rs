//! Files that are either complete or absent.
//!
//! Each operation is announced with [`step`], so that a test can end the process before any of them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use runtime_store::step;

/// Creates a folder that only its owner may enter, and its parents, durably.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        create_folder(parent)?;
    }
    create_within(path)
}

/// As [`create_folder`], but fails where the parent is missing: what was erased meanwhile does not come back.
pub(crate) fn create_within(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    step(path)?;
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    sync_parent(path)
}

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    step(path)?;
    File::open(path)?.sync_all()
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), sync_folder)
}

/// Replaces a file's content: a crash or a failing disk leaves the old content or the new, never a mixture. Mode 0600.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let scratch = path.with_extension("new");
    move_in(&scratch, path, content)
}

/// Writes a file under a temporary name first; when it returns, the file is complete on disk under its own name.
pub(crate) fn move_in(scratch: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    let write = || {
        step(scratch)?;
        let mut file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(scratch)?;
        if let Err(killed) = step(scratch) {
            // What a kill during a write leaves.
            file.write_all(&content[..content.len() / 2])?;
            return Err(killed);
        }
        file.write_all(content)?;
        step(scratch)?;
        file.sync_all()?;
        drop(file);
        step(path)?;
        fs::rename(scratch, path)
    };
    if let Err(error) = write() {
        // The partial file takes room that a full disk does not have; an error here would hide the first one.
        let _ = step(scratch).and_then(|()| fs::remove_file(scratch));
        return Err(error);
    }
    sync_parent(path)
}

/// Removes a file durably, if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    step(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.and_then(|()| sync_parent(path)),
    }
}

/// Gives a folder another name in the same place, durably. Fails where a folder with content has that name.
pub(crate) fn rename_folder(from: &Path, to: &Path) -> io::Result<()> {
    step(to)?;
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Whether nothing at all has that name, not even a link that leads nowhere.
pub(crate) fn is_absent(path: &Path) -> bool {
    matches!(fs::symlink_metadata(path), Err(error) if error.kind() == io::ErrorKind::NotFound)
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

    #[test]
    fn a_folder_takes_no_name_that_another_one_with_content_has() {
        let folder = tempfile::tempdir().expect("a folder");
        let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
        create_within(&one).expect("made");
        create_folder(&other.join("content")).expect("made");
        assert!(rename_folder(&one, &other).is_err());
        assert!(one.is_dir() && other.join("content").is_dir());
        assert!(create_within(&folder.path().join("no parent/new")).is_err());
    }
}
