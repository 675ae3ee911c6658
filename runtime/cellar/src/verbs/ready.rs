//! The file from which a script reads where a host listens.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime_program::Failure;

/// Largest content, bytes: the space for it is reserved before anything else is created.
const CONTENT_BYTES_MAX: usize = 1024;

/// A ready file: prepared at the start, written by rename when clients can connect, removed at the end.
pub(super) struct ReadyFile {
    path: PathBuf,
    half: PathBuf,
}

impl ReadyFile {
    /// Makes sure that the file can be written, and removes one that an earlier process left. A refused path is left as
    /// it is: only files that this process has created are removed at the end.
    ///
    /// # Errors
    /// [`Failure`] where it cannot be written, or where the path is something other than a regular file.
    pub fn prepare(path: &Path) -> Result<Self, Failure> {
        match fs::symlink_metadata(path) {
            // A rename would replace a device such as /dev/stdout with a file.
            Ok(found) if !found.is_file() => {
                return Err(unwritten(path, "it is there and no regular file"));
            }
            Ok(_) => fs::remove_file(path).map_err(|error| unwritten(path, error))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(unwritten(path, error)),
        }
        let mut half = path.as_os_str().to_owned();
        half.push(".half");
        let half = PathBuf::from(half);
        let mut blank = vec![b' '; CONTENT_BYTES_MAX];
        blank[CONTENT_BYTES_MAX - 1] = b'\n';
        if let Err(error) = fs::write(&half, blank) {
            // A partial file is this process's own; where none could be created, there is nothing to remove.
            if fs::symlink_metadata(&half).is_ok_and(|found| found.is_file()) {
                let _ = fs::remove_file(&half);
            }
            return Err(unwritten(path, error));
        }
        // From here on both names belong to this process, and are removed with it.
        Ok(Self { path: path.to_owned(), half })
    }

    /// Writes the file by rename, so that a program that waits for it never reads half of it.
    ///
    /// # Errors
    /// [`Failure`] with the file's name.
    pub fn write(&self, content: &str) -> Result<(), Failure> {
        let written = fs::write(&self.half, content).and_then(|()| fs::rename(&self.half, &self.path));
        written.map_err(|error| unwritten(&self.path, error))
    }
}

fn unwritten(path: &Path, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("cannot write {}: {why}", path.display()), "name another --ready-file")
}

impl Drop for ReadyFile {
    fn drop(&mut self) {
        for path in [&self.half, &self.path] {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_written_whole_and_removed_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("host.ready");
        fs::write(&path, "of an earlier process").expect("written");
        let ready = ReadyFile::prepare(&path).expect("prepared");
        assert!(!path.exists(), "nobody takes the earlier one for this one");
        ready.write("{}\n").expect("written");
        assert_eq!(fs::read_to_string(&path).expect("there"), "{}\n");
        drop(ready);
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
    }

    #[test]
    fn what_is_no_regular_file_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&socket, &link).expect("linked");
        for path in [folder.path(), &socket, &link] {
            let before = fs::symlink_metadata(path).expect("there").file_type();
            let refused = ReadyFile::prepare(path).err().expect("refused");
            assert!(refused.to_string().contains("no regular file"), "{refused}");
            assert_eq!(fs::symlink_metadata(path).expect("still there").file_type(), before);
        }
        assert!(ReadyFile::prepare(&folder.path().join("no/such/folder")).is_err());
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "nothing is left behind");
    }
}
